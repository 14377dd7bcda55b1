//! `plan`: what terraform and the alerting would change, in one digest, replacements first.

use clap::Args;
use serde_json::json;

use super::interrupt::watch_signals;
use super::stages::{StackArgs, Stages};
use super::{Exit, Failure};
use crate::terraform;
use crate::wire;

/// Show what terraform and the alerting would change
#[derive(Debug, Args)]
pub struct Plan {
    #[command(flatten)]
    stack: StackArgs,
    /// Exit with terraform's codes: 0 without changes, 1 on errors, 2 with changes
    #[arg(long)]
    detailed_exitcode: bool,
    /// Print the digest as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// What a stage says.
pub async fn run(args: &Plan) -> Result<Exit, Failure> {
    let mut stages = Stages::open(&args.stack, None, watch_signals())?;
    let infrastructure = stages.plan(false).await;
    stages.forget_plan();
    let infrastructure = infrastructure?;
    let clients = stages.clients().await?;
    let alerting = stages.plan_wire(&clients).await?;
    stages.progress.finish();
    if args.json {
        anstream::println!("{:#}", json!({ "infrastructure": infrastructure, "alerting": alerting }));
    } else {
        anstream::print!("{}", digest(&infrastructure, &alerting));
    }
    let differs = !infrastructure.is_empty() || alerting.doing().next().is_some();
    Ok(if args.detailed_exitcode && differs { Exit::Usage } else { Exit::Done })
}

/// Both plans as text: every change with its reason, then one line of totals.
pub fn digest(infrastructure: &terraform::Plan, alerting: &wire::Plan) -> String {
    let mut text = String::new();
    for change in &infrastructure.changes {
        let why = if change.because.is_empty() {
            String::new()
        } else {
            format!("  because {} changes", change.because.join(", "))
        };
        text.push_str(&format!("{:>3} {}{why}\n", change.action.symbol(), change.address));
    }
    for change in alerting.doing() {
        text.push_str(&format!("{:>3} {}\n", symbol(change.verb), alerting_line(change)));
    }
    for conflict in &alerting.conflicts {
        text.push_str(&format!("  ! {conflict}\n"));
    }
    for left_out in &alerting.left_out {
        text.push_str(&format!("  ! {left_out}\n"));
    }
    text.push_str(&format!("infrastructure: {}\nalerting: {}\n", infrastructure.summary(), alerting_summary(alerting)));
    text
}

fn symbol(verb: wire::Verb) -> &'static str {
    match verb {
        wire::Verb::Create => "+",
        wire::Verb::Update | wire::Verb::Adopt => "~",
        wire::Verb::Delete => "-",
        wire::Verb::NoOp => " ",
    }
}

fn alerting_line(change: &wire::Change) -> String {
    let diff: Vec<String> = change.diff.iter().map(|d| format!("{}: {} -> {}", d.field, d.from, d.to)).collect();
    let diff = if diff.is_empty() { String::new() } else { format!("  {}", diff.join(", ")) };
    format!("{}{diff}", change.resource)
}

fn alerting_summary(plan: &wire::Plan) -> String {
    let words = [
        (wire::Verb::Create, "to create"),
        (wire::Verb::Adopt, "to adopt"),
        (wire::Verb::Update, "to change"),
        (wire::Verb::Delete, "to remove"),
    ];
    let count = |verb| plan.doing().filter(|change| change.verb == verb).count();
    let parts: Vec<String> = words
        .iter()
        .filter(|(verb, _)| count(*verb) > 0)
        .map(|(verb, word)| format!("{} {word}", count(*verb)))
        .collect();
    if parts.is_empty() { "no changes".into() } else { parts.join(", ") }
}
