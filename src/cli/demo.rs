//! `demo`: the whole story on a sandbox in this process: provision the course stack, prove it, destroy it.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::interrupt::watch_signals;
use super::stages::{StackArgs, Stages};
use super::{Exit, Failure, destroy, provision};
use crate::aws::{Clients, StaticCredentials};
use crate::clock::{Clock, Speed, SystemClock};
use crate::sandbox::{Options, Sandbox};
use crate::terraform::Interrupt;
use crate::verify::{self, Report, Verdict, verify_stack};

const SPEC: &str = include_str!("../../examples/course.yaml");
const USER_DATA: &str = include_str!("../../examples/user-data.sh");
/// The key pair that the course stack takes for there.
const KEY_PAIR: &str = "my-key";
/// A launch takes half a second, a cooldown of five minutes five.
const SPEED: Speed = Speed(60.0);

/// Provision the course stack on a sandbox, prove that it scales, destroy it; no AWS account needed
#[derive(Debug, Args)]
pub struct Demo {
    /// Leave the stack and the sandbox running until Ctrl-C
    #[arg(long)]
    keep: bool,
    /// Print the proof as JSON
    #[arg(long)]
    json: bool,
    /// The terraform or tofu program to use
    #[arg(long, env = "SCALEPROOF_TERRAFORM", value_name = "PROGRAM")]
    terraform_bin: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// What a stage says.
pub async fn run(args: &Demo) -> Result<Exit, Failure> {
    let bug = |error: std::io::Error| Failure::new(Exit::Bug, error);
    let interrupt = watch_signals();
    let options = Options { speed: SPEED, ..Options::at(SystemClock.now()) };
    let sandbox = Sandbox::start_with(&options).map_err(|error| Failure::new(Exit::Bug, error))?;
    let folder = tempfile::Builder::new().prefix("scaleproof-demo-").tempdir().map_err(bug)?;
    std::fs::write(folder.path().join("user-data.sh"), USER_DATA).map_err(bug)?;
    let spec = folder.path().join("course.yaml");
    std::fs::write(&spec, SPEC).map_err(bug)?;

    let mut stages = open(&spec, &sandbox, args.terraform_bin.clone(), interrupt.clone())?;
    stages.progress.keep(&format!("sandbox at {}, at 60 times real time", sandbox.url()));
    let clients = stages.clients().await?;
    key_pair(&mut stages, &sandbox, "CreateKeyPair")?;
    let report = prove(&mut stages, &clients, &sandbox, interrupt.clone()).await;
    if args.keep && report.is_ok() {
        stages.progress.finish();
        anstream::eprintln!("kept: {} and {}; Ctrl-C ends both", sandbox.url(), folder.path().display());
        let _ = interrupt.clone().changed().await;
    }
    let report = report?;
    let left = take_down(&spec, args, &sandbox, &clients).await?;
    stages.progress.finish();
    show(args, &report, &left);
    Ok(match report.verdict {
        Verdict::Met if left.is_empty() => Exit::Done,
        Verdict::CouldNotTell => Exit::Inconclusive,
        _ => Exit::NotMet,
    })
}

fn open(
    spec: &Path,
    sandbox: &Sandbox,
    terraform_bin: Option<PathBuf>,
    interrupt: Interrupt,
) -> Result<Stages, Failure> {
    let args = StackArgs { spec: spec.to_path_buf(), endpoint: Some(sandbox.url()), terraform_bin, force: false };
    // The sandbox takes any keys; these go to terraform through its environment alone.
    let keys = StaticCredentials { access_key_id: "test".into(), secret_access_key: "test".into() };
    Stages::open(&args, Some(keys), interrupt)
}

async fn prove(
    stages: &mut Stages,
    clients: &Clients,
    sandbox: &Sandbox,
    interrupt: Interrupt,
) -> Result<Report, Failure> {
    let plan = stages.plan(false).await?;
    let done = provision::apply(stages, clients, plan).await?;
    stages.progress.keep(provision::summary(&done).trim_end());
    confirm_subscribers(stages, sandbox);
    stages.progress.stage("verify");
    let options = verify::Options::new(stages.state_dir());
    let Stages { loaded, progress, .. } = stages;
    verify_stack(clients, &loaded.stack, &options, interrupt, &mut |line| progress.say(line))
        .await
        .map_err(|error| Failure::new(Exit::Aws, error))
}

/// Makes or removes what the stack expects of the account, as its owner would.
fn key_pair(stages: &mut Stages, sandbox: &Sandbox, operation: &str) -> Result<(), Failure> {
    let (now, region) = (sandbox.now(), stages.loaded.stack.region.clone());
    let named = json!({ "KeyName": KEY_PAIR });
    let done = sandbox.inspect(|aws| aws.call(now, &region, "ec2", operation, named));
    done.map_err(|refusal| Failure::new(Exit::Bug, refusal.message))?;
    if operation == "CreateKeyPair" {
        stages.progress.keep(&format!("key pair `{KEY_PAIR}` created on the sandbox"));
    }
    Ok(())
}

/// Follows the confirmation links that the sandbox's mailbox holds, as the people addressed would.
fn confirm_subscribers(stages: &mut Stages, sandbox: &Sandbox) {
    let now = sandbox.now();
    let confirmed = sandbox.inspect(|universe| universe.confirm_all(now));
    stages.progress.keep(&format!("{confirmed} subscriber(s) confirmed from the sandbox's mailbox"));
}

/// Destroys with an interrupt of its own: a Ctrl-C before must not leave things behind.
async fn take_down(spec: &Path, args: &Demo, sandbox: &Sandbox, clients: &Clients) -> Result<Vec<String>, Failure> {
    let mut stages = open(spec, sandbox, args.terraform_bin.clone(), watch_signals())?;
    let plan = stages.plan(true).await?;
    destroy::destroy(&mut stages, clients, plan.is_empty()).await?;
    key_pair(&mut stages, sandbox, "DeleteKeyPair")?;
    Ok(sandbox.inspect(|universe| universe.remains()))
}

fn show(args: &Demo, report: &Report, left: &[String]) {
    if args.json {
        anstream::println!("{:#}", json!({ "report": report, "left": left }));
        return;
    }
    anstream::println!("{report}");
    if left.is_empty() {
        anstream::println!("destroyed; nothing is left on the sandbox");
    } else {
        anstream::println!("left on the sandbox: {}", left.join(", "));
    }
}
