//! `sandbox`: the built-in AWS endpoint as a process, and the shell exports that point other tools at it.

use std::io::{ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::health::{self, Health};
use super::interrupt::watch_signals;
use super::operations::{self, Operations};
use super::{Exit, Failure};
use crate::clock::{Clock, Speed, SystemClock};
use crate::engine::groups::Timing;
use crate::sandbox::store::StoreError;
use crate::sandbox::{self, StartError, limits::Limits};

/// Run the built-in AWS endpoint, on 127.0.0.1 unless told otherwise, until Ctrl-C
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Sandbox {
    #[command(subcommand)]
    command: Option<SandboxCommand>,
    /// Address to listen on; with another than 127.0.0.1, such as 0.0.0.0 in a container, others can call too
    #[arg(long, value_name = "ADDRESS", default_value_t = Ipv4Addr::LOCALHOST.into())]
    listen: IpAddr,
    /// Port to listen on; 0 takes any that is free
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// How fast time runs: real, paused, or a multiple such as 60x
    #[arg(long, default_value = "real", value_parser = parse_speed)]
    clock: Speed,
    /// How long instances take to start and stop
    #[arg(long, value_enum, default_value_t = Instances::Realistic)]
    instances: Instances,
    /// Account of callers whose access key is not twelve digits
    #[arg(long, default_value = "123456789012", value_parser = parse_account)]
    account: String,
    /// Seed of identifiers and of everything else that varies
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Request quotas to hold callers to
    #[arg(long, value_enum, default_value_t = Quotas::Off)]
    limits: Quotas,
    /// Refuse calls that are not signed with the secret key in SCALEPROOF_SANDBOX_SECRET (unset: `test`)
    #[arg(long)]
    verify_signatures: bool,
    /// File that keeps the state, also when the process is killed; made if it is not there
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum SandboxCommand {
    Operations(Operations),
    Health(Health),
    /// Print the shell exports that point AWS tools at a sandbox
    Env {
        /// Port that the sandbox listens on
        #[arg(long, default_value_t = 4599)]
        port: u16,
        /// Region to work in
        #[arg(long, default_value = "ap-northeast-2")]
        region: String,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Instances {
    /// About as long as on AWS
    Realistic,
    /// Everything is done in the call that asked for it
    Instant,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Quotas {
    /// Nobody is throttled
    Off,
    /// AWS's published ones
    Aws,
}

fn parse_speed(text: &str) -> Result<Speed, String> {
    match text {
        "real" => Ok(Speed::REAL),
        "paused" => Ok(Speed::PAUSED),
        _ => {
            let number = text.strip_suffix('x').and_then(|number| number.parse().ok());
            let speed = number.filter(|speed: &f64| *speed > 0.0 && *speed <= 100_000.0);
            speed.map(Speed).ok_or_else(|| "say real, paused, or a multiple from above 0 to 100000 such as 60x".into())
        }
    }
}

fn parse_account(text: &str) -> Result<String, String> {
    let account = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    if account { Ok(text.to_string()) } else { Err("an AWS account is twelve digits".into()) }
}

pub async fn run(args: &Sandbox) -> Result<Exit, Failure> {
    match &args.command {
        Some(SandboxCommand::Operations(args)) => operations::run(args),
        Some(SandboxCommand::Health(args)) => health::run(args).await,
        Some(SandboxCommand::Env { port, region }) => {
            print_env(*port, region);
            Ok(Exit::Done)
        }
        None => serve(args).await,
    }
}

fn print_env(port: u16, region: &str) {
    anstream::println!("export AWS_ENDPOINT_URL=http://127.0.0.1:{port}");
    anstream::println!("export AWS_ACCESS_KEY_ID=test");
    anstream::println!("export AWS_SECRET_ACCESS_KEY=test");
    anstream::println!("export AWS_REGION={region}");
    anstream::println!("export AWS_DEFAULT_REGION={region}");
}

async fn serve(args: &Sandbox) -> Result<Exit, Failure> {
    let options = sandbox::Options {
        listen: args.listen,
        port: args.port,
        speed: args.clock,
        timing: match args.instances {
            Instances::Realistic => Timing::Realistic,
            Instances::Instant => Timing::Instant,
        },
        account: args.account.clone(),
        seed: args.seed,
        limits: match args.limits {
            Quotas::Off => Limits::off(),
            Quotas::Aws => Limits::aws(),
        },
        start: SystemClock.now(),
        state: args.state.clone(),
        secret: args.verify_signatures.then(secret),
    };
    let mut interrupt = watch_signals();
    if !args.listen.is_loopback() {
        anstream::eprintln!("note: whoever reaches {} can call this sandbox, and order it about", args.listen);
    }
    let running = sandbox::Sandbox::start_with(&options).map_err(cannot_start)?;
    anstream::println!("listening on {}", running.url());
    // Whoever reads the first line through a pipe waits for it.
    let _ = std::io::stdout().flush();
    // The watch ends with the runtime, so the only way on is a signal.
    let _ = interrupt.changed().await;
    drop(running);
    Ok(Exit::Done)
}

/// Not an argument, since a process's arguments are everybody's to read.
fn secret() -> String {
    std::env::var("SCALEPROOF_SANDBOX_SECRET").unwrap_or_else(|_| "test".into())
}

fn cannot_start(error: StartError) -> Failure {
    let hint = match &error {
        StartError::Listen { source, .. } if source.kind() == ErrorKind::AddrNotAvailable => {
            "take an address of this machine with --listen, or 0.0.0.0 for all of them"
        }
        StartError::Listen { .. } => "take another port with --port, or any free one with --port 0",
        StartError::State { source: StoreError::InUse { .. } } => "end that one, or name another file",
        StartError::State { source: StoreError::OtherSettings { .. } } => {
            "start with those flags (--account, --seed, --instances), or name another file"
        }
        StartError::State { source: StoreError::OtherVersion { .. } } => {
            "start with that version, or name another file"
        }
        StartError::State { .. } => "name a file that was made by --state, or one that does not exist",
        _ => return Failure::new(Exit::Bug, error),
    };
    Failure::new(Exit::Usage, error).hint(hint)
}
