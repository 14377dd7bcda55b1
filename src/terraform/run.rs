//! Starting terraform, listening to it, and stopping it gently. Start at [`Terraform`].

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use process_wrap::tokio::{ChildWrapper, CommandWrap, KillOnDrop, ProcessGroup};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::sync::watch;

use super::binary::Binary;
use super::plan::Plan;
use super::ui::{self, Diagnostic, Progress, Severity};

/// POSIX SIGINT, which terraform takes as a request to stop after the calls that are under way.
const SIGINT: i32 = 2;
const PLAN_FILE: &str = "scaleproof.tfplan";
/// How much of what terraform wrote to stderr an error keeps.
const STDERR_TAIL: usize = 4096;

/// How often the person at the keyboard has asked to stop: at one terraform is told, at two it is killed.
pub type Interrupt = watch::Receiver<u32>;

/// One terraform in one directory.
pub struct Terraform {
    binary: Binary,
    dir: PathBuf,
    /// Set for terraform besides what it inherits: credentials and endpoints never go into arguments or files.
    env: BTreeMap<String, String>,
    interrupt: Interrupt,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subcommand {
    Init,
    Plan,
    Show,
    Apply,
    Output,
    Version,
}

impl fmt::Display for Subcommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Init => "init",
            Self::Plan => "plan",
            Self::Show => "show",
            Self::Apply => "apply",
            Self::Output => "output",
            Self::Version => "version",
        })
    }
}

/// Why a terraform run did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    #[error("cannot start `{binary}`")]
    Start { binary: String, source: io::Error },
    #[error("cannot read what `{binary} {subcommand}` writes")]
    Read { binary: String, subcommand: Subcommand, source: io::Error },
    #[error("`{binary} {subcommand}` {}", ended(*status))]
    Exit {
        binary: String,
        subcommand: Subcommand,
        status: ExitStatus,
        diagnostics: Vec<Diagnostic>,
        #[source]
        source: Option<Said>,
    },
    #[error("`{binary} {subcommand}` was interrupted; what it had finished is in the state")]
    Interrupted { binary: String, subcommand: Subcommand },
    #[error("`{binary} {subcommand}` answered something that is not JSON")]
    Answer { binary: String, subcommand: Subcommand, source: serde_json::Error },
}

/// Terraform's own words, where it had no diagnostic to give.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Said(String);

fn ended(status: ExitStatus) -> String {
    status.code().map_or_else(|| "was killed".to_string(), |code| format!("exited with status {code}"))
}

/// What a finished run left behind.
struct Finished {
    status: ExitStatus,
    stdout: String,
    stderr: String,
    diagnostics: Vec<Diagnostic>,
    interrupted: bool,
}

impl Terraform {
    pub fn new(binary: Binary, dir: impl Into<PathBuf>, env: BTreeMap<String, String>, interrupt: Interrupt) -> Self {
        Self { binary, dir: dir.into(), env, interrupt }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn binary(&self) -> &Binary {
        &self.binary
    }

    /// `terraform init`; its text lines go to `progress`.
    pub async fn init(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), RunError> {
        self.checked(Subcommand::Init, &["-input=false", "-no-color"], progress).await.map(drop)
    }

    /// Plans to a file and reads the plan back. With `destroy`, the plan removes everything.
    pub async fn plan(&mut self, destroy: bool, progress: &mut dyn FnMut(Progress)) -> Result<Plan, RunError> {
        let out = format!("-out={PLAN_FILE}");
        let mut args = vec!["-json", "-input=false", out.as_str()];
        if destroy {
            args.push("-destroy");
        }
        self.checked(Subcommand::Plan, &args, progress).await?;
        let shown = self.json(Subcommand::Show, &["-json", "-no-color", PLAN_FILE]).await?;
        Ok(Plan::from_show(&shown))
    }

    /// Applies the plan that [`Self::plan`] saved, and nothing else.
    pub async fn apply(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), RunError> {
        let applied = self.checked(Subcommand::Apply, &["-json", "-input=false", PLAN_FILE], progress).await;
        // A plan can hold values that are nobody else's business, and a stale one can only fail.
        let _ = std::fs::remove_file(self.dir.join(PLAN_FILE));
        applied.map(drop)
    }

    /// Removes a saved plan that will not be applied.
    pub fn forget_plan(&self) {
        let _ = std::fs::remove_file(self.dir.join(PLAN_FILE));
    }

    /// The root outputs, by name.
    pub async fn outputs(&mut self) -> Result<BTreeMap<String, Value>, RunError> {
        let answer = self.json(Subcommand::Output, &["-json", "-no-color"]).await?;
        let members = answer.as_object().into_iter().flatten();
        Ok(members.map(|(name, output)| (name.clone(), output.get("value").cloned().unwrap_or_default())).collect())
    }

    /// Terraform's own version and, after `init`, the versions of the providers it selected.
    pub async fn version(&mut self) -> Result<(String, BTreeMap<String, String>), RunError> {
        let answer = self.json(Subcommand::Version, &["-json"]).await?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
        let providers = answer.get("provider_selections").and_then(Value::as_object).into_iter().flatten();
        let providers = providers.map(|(name, version)| (name.clone(), text(version))).collect();
        Ok((answer.get("terraform_version").map(text).unwrap_or_default(), providers))
    }

    async fn json(&mut self, subcommand: Subcommand, args: &[&str]) -> Result<Value, RunError> {
        let finished = self.checked(subcommand, args, &mut |_| {}).await?;
        serde_json::from_str(&finished.stdout).map_err(|source| RunError::Answer {
            binary: self.binary.name(),
            subcommand,
            source,
        })
    }

    async fn checked(
        &mut self,
        subcommand: Subcommand,
        args: &[&str],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Finished, RunError> {
        let finished = self.run(subcommand, args, progress).await?;
        if finished.interrupted && !finished.status.success() {
            return Err(RunError::Interrupted { binary: self.binary.name(), subcommand });
        }
        if finished.status.success() {
            return Ok(finished);
        }
        let said = if finished.stderr.trim().is_empty() { finished.stdout } else { finished.stderr };
        let source = finished.diagnostics.is_empty().then(|| Said(tail(said.trim(), STDERR_TAIL)));
        Err(RunError::Exit {
            binary: self.binary.name(),
            subcommand,
            status: finished.status,
            diagnostics: finished.diagnostics,
            source: source.filter(|said| !said.0.is_empty()),
        })
    }

    async fn run(
        &mut self,
        subcommand: Subcommand,
        args: &[&str],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Finished, RunError> {
        let binary = self.binary.name();
        if *self.interrupt.borrow_and_update() > 0 {
            return Err(RunError::Interrupted { binary, subcommand });
        }
        let mut child = self
            .spawn(subcommand, args)
            .map_err(|source| RunError::Start { binary: self.binary.path().display().to_string(), source })?;
        let machine_readable = matches!(subcommand, Subcommand::Plan | Subcommand::Apply);
        let (stdout, stderr) = (child.stdout().take(), child.stderr().take());
        let stderr = tokio::spawn(read_all(stderr));
        let mut lines = stdout.map(|out| BufReader::new(out).lines());
        let (mut kept, mut diagnostics, mut stopped) = (String::new(), Vec::new(), 0);
        while let Some(reader) = lines.as_mut() {
            tokio::select! {
                line = reader.next_line() => {
                    let read = |source| RunError::Read { binary: binary.clone(), subcommand, source };
                    let Some(line) = line.map_err(read)? else { break };
                    if !machine_readable {
                        kept.push_str(&line);
                        kept.push('\n');
                    }
                    let heard = if machine_readable { ui::parse_line(&line) } else { Some(Progress::Message(line)) };
                    if let Some(Progress::Diagnostic(found)) = &heard && found.severity == Severity::Error {
                        diagnostics.push(found.clone());
                    }
                    heard.into_iter().for_each(&mut *progress);
                }
                Ok(()) = self.interrupt.changed() => {
                    stopped = *self.interrupt.borrow_and_update();
                    stop(child.as_mut(), stopped);
                    progress(Progress::Stopping);
                }
            }
        }
        let status = child.wait().await.map_err(|source| RunError::Read { binary, subcommand, source })?;
        let stderr = stderr.await.unwrap_or_default();
        Ok(Finished { status, stdout: kept, stderr, diagnostics, interrupted: stopped > 0 })
    }

    fn spawn(&self, subcommand: Subcommand, args: &[&str]) -> io::Result<Box<dyn ChildWrapper>> {
        let mut command = CommandWrap::with_new(self.binary.path(), |command| {
            command.arg(subcommand.to_string()).args(args).current_dir(&self.dir);
            command.env("TF_IN_AUTOMATION", "1").envs(&self.env);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        });
        // A group of its own keeps the terminal's Ctrl-C from reaching terraform twice.
        command.wrap(ProcessGroup::leader()).wrap(KillOnDrop).spawn()
    }
}

fn stop(child: &mut dyn ChildWrapper, asked: u32) {
    // Both fail only when the process has just ended, which is what was wanted.
    let _ = if asked >= 2 { child.start_kill() } else { child.signal(SIGINT) };
}

async fn read_all(stream: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        // What was read before a failure is still worth showing.
        let _ = stream.read_to_end(&mut bytes).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn tail(text: &str, most: usize) -> String {
    let from = text.char_indices().rev().map(|(at, _)| at).take_while(|at| text.len() - at <= most).last();
    from.map_or_else(String::new, |at| text[at..].to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A program that stands in for terraform where the point is how it ends, not what it does.
    fn program(dir: &Path, script: &str) -> Binary {
        let file = dir.join("terraform");
        std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        Binary::find(Some(&file), None).unwrap()
    }

    fn terraform(dir: &Path, script: &str) -> (Terraform, watch::Sender<u32>) {
        let (sender, interrupt) = watch::channel(0);
        (Terraform::new(program(dir, script), dir, BTreeMap::new(), interrupt), sender)
    }

    #[tokio::test]
    async fn a_failed_plan_carries_terraforms_diagnostic() {
        let dir = tempfile::tempdir().unwrap();
        let line = r#"{"type":"diagnostic","diagnostic":{"severity":"error","summary":"No valid credential sources found","detail":""}}"#;
        let (mut terraform, _keep) = terraform(dir.path(), &format!("echo '{line}'; exit 1"));
        let Err(RunError::Exit { diagnostics, source, .. }) = terraform.plan(false, &mut |_| {}).await else {
            panic!("the run must fail")
        };
        assert_eq!(diagnostics[0].summary, "No valid credential sources found");
        assert!(source.is_none(), "the diagnostic is not said twice");
    }

    #[tokio::test]
    async fn a_failure_without_a_diagnostic_keeps_what_was_said() {
        let dir = tempfile::tempdir().unwrap();
        let (mut terraform, _keep) = terraform(dir.path(), "echo 'Error: no mirror' >&2; exit 1");
        let error = terraform.init(&mut |_| {}).await.unwrap_err();
        assert_eq!(error.to_string(), "`terraform init` exited with status 1");
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "Error: no mirror");
    }

    #[tokio::test]
    async fn the_first_interrupt_is_forwarded_and_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let script = "trap 'echo stopping; exit 1' INT; echo ready; while :; do sleep 0.05; done";
        let (mut terraform, sender) = terraform(dir.path(), script);
        let mut said = Vec::new();
        let result = terraform
            .init(&mut |progress| {
                if let Progress::Message(line) = progress {
                    if line == "ready" {
                        sender.send_replace(1);
                    }
                    said.push(line);
                }
            })
            .await;
        assert!(matches!(result, Err(RunError::Interrupted { .. })), "{result:?}");
        assert_eq!(said, ["ready", "stopping"]);
    }

    #[test]
    fn a_tail_never_cuts_a_character() {
        assert_eq!(tail("가나다", 4), "다");
        assert_eq!(tail("abc", 10), "abc");
    }
}
