//! How a command ends: the public exit codes, and the one printer of error chains.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

/// Exit codes, a public contract (`docs/exit-codes.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    /// A bug in scaleproof.
    Bug = 1,
    /// The command line or the spec is wrong; nothing was touched.
    Usage = 2,
    Terraform = 3,
    Aws = 4,
    /// A proof or an expectation was not met.
    NotMet = 10,
    /// A proof could not be decided.
    Inconclusive = 11,
    /// `--check` or a plan found differences.
    Differs = 12,
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Why a command failed: the chain of causes, then at most one hint and one command to run.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub error: Box<dyn Error + Send + Sync>,
    pub hint: Option<String>,
    /// A command that helps, printed on a line of its own.
    pub run: Option<String>,
}

impl Failure {
    pub fn new(exit: Exit, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { exit, error: error.into(), hint: None, run: None }
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub fn hint_if_any(mut self, hint: Option<&str>) -> Self {
        self.hint = hint.map(Into::into).or(self.hint);
        self
    }

    #[must_use]
    pub fn run_if_any(mut self, command: Option<&str>) -> Self {
        self.run = command.map(Into::into).or(self.run);
        self
    }

    #[must_use]
    pub fn run(mut self, command: impl Into<String>) -> Self {
        self.run = Some(command.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.error)?;
        let mut cause = self.error.source();
        while let Some(error) = cause {
            writeln!(f, "  caused by: {error}")?;
            cause = error.source();
        }
        match (&self.hint, &self.run) {
            (Some(hint), Some(run)) => writeln!(f, "hint: {hint}\n    {run}"),
            (Some(hint), None) => writeln!(f, "hint: {hint}"),
            (None, Some(run)) => writeln!(f, "hint: run\n    {run}"),
            (None, None) => Ok(()),
        }
    }
}
