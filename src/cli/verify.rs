//! `scaleproof verify`: run the drills and print the proof.

use std::time::Duration;

use clap::Args;

use super::confirm::confirm;
use super::connection::Connection;
use super::interrupt::watch_signals;
use super::progress::ProgressLine;
use super::{Exit, Failure};
use crate::verify::{Drill, Options, Report, Verdict, VerifyError, verify_stack};

/// Prove a stack: pull its alarms and watch the group scale and the notices arrive
///
/// Exits 0 when all drills are met, 10 when one is not met, 11 when one cannot be decided. What a drill creates or
/// changes is undone at the end, on Ctrl-C, and by the next run after a crash.
#[derive(Debug, Args)]
pub struct Verify {
    #[command(flatten)]
    connection: Connection,
    /// Drill to run; without it all of them: preflight, scale-out, scale-in
    #[arg(long = "drill", value_name = "NAME", value_parser = parse_drill)]
    drills: Vec<Drill>,
    /// Run on AWS without asking
    #[arg(long)]
    yes: bool,
    /// Longest time for one drill, in seconds of the endpoint's clock
    #[arg(long, value_name = "SECONDS", default_value_t = Options::TIMEOUT.as_secs())]
    timeout: u64,
    /// Refuse drills that let the group grow beyond this
    #[arg(long, value_name = "COUNT")]
    max_instances: Option<u32>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

fn parse_drill(text: &str) -> Result<Drill, String> {
    text.parse()
}

pub async fn run(args: &Verify) -> Result<Exit, Failure> {
    let mut interrupt = watch_signals();
    let (loaded, clients) = args.connection.open().await?;
    let mut options = Options::new(args.connection.state_dir(&loaded));
    options.timeout = Duration::from_secs(args.timeout);
    options.max_instances = args.max_instances;
    if !args.drills.is_empty() {
        options.drills.clone_from(&args.drills);
    }
    if options.drills.iter().any(|drill| *drill != Drill::Preflight) {
        let what = "pull alarms and start and stop instances";
        confirm(args.yes, &clients.endpoint, what, &mut interrupt).await?;
    }
    let mut line = ProgressLine::new();
    line.stage("verify");
    let report = verify_stack(&clients, &loaded.stack, &options, interrupt, &mut |seen| line.say(seen))
        .await
        .map_err(failure)?;
    line.finish();
    if args.json {
        let json = serde_json::to_string_pretty(&report).map_err(|error| Failure::new(Exit::Bug, error))?;
        anstream::println!("{json}");
    } else {
        anstream::print!("{report}");
    }
    Ok(exit_of(&report))
}

/// What a report means as an exit code.
pub fn exit_of(report: &Report) -> Exit {
    match report.verdict {
        Verdict::Met => Exit::Done,
        Verdict::NotMet => Exit::NotMet,
        Verdict::CouldNotTell => Exit::Inconclusive,
    }
}

pub fn failure(error: VerifyError) -> Failure {
    let exit = match error {
        VerifyError::Interrupted => Exit::Interrupted,
        VerifyError::Busy | VerifyError::Journal { .. } => Exit::Usage,
        _ => Exit::Aws,
    };
    Failure::new(exit, error)
}
