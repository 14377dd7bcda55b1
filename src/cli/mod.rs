//! The command line: one file per subcommand, flags in, a view (text or JSON) and an exit code out.
//! The only module that prints or exits, and the only one that strings stages together.

mod failure;
mod interrupt;
mod progress;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use failure::{Exit, Failure};

/// Write one small file, get an Auto Scaling group with alerting on AWS, and a timed proof that it scales
#[derive(Debug, Parser)]
#[command(name = "scaleproof", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {}

/// Parses the command line, runs the command and prints what went wrong, if anything did.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let result: Result<Exit, Failure> = match cli.command {};
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            anstream::eprint!("{failure}");
            failure.exit.into()
        }
    }
}
