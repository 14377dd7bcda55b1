//! `scaleproof wire`: plan and apply the alerting alone.

use clap::Args;
use serde_json::json;

use super::confirm::confirm;
use super::connection::{Connection, aws_failure};
use super::interrupt::{until_interrupted, watch_signals};
use super::progress::ProgressLine;
use super::stages::wire_failure;
use super::{Exit, Failure};
use crate::wire::{self, Adoption, Pacing, Plan, Progress, Verb};

/// Plan and apply the alerting of a stack: topics, subscribers, group notifications, alarms
///
/// Touches only what carries the stack's tag. A second run plans nothing. With --plan exits 12 if there is something
/// to do.
#[derive(Debug, Args)]
pub struct Wire {
    #[command(flatten)]
    connection: Connection,
    /// Apply without asking
    #[arg(long)]
    yes: bool,
    /// Show the plan and change nothing
    #[arg(long)]
    plan: bool,
    /// Take over topics and alarms of the stack's names that carry no tag
    #[arg(long)]
    adopt: bool,
    /// Do not hold calls to AWS's quotas
    #[arg(long)]
    no_pacing: bool,
    /// Print plan and result as JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(args: &Wire) -> Result<Exit, Failure> {
    let mut interrupt = watch_signals();
    let (loaded, clients) = args.connection.open().await?;
    let stack = &loaded.stack;
    let pacing = if args.no_pacing { Pacing::Off } else { Pacing::for_endpoint(&clients.endpoint) };
    let mut line = ProgressLine::new();
    line.stage("reading the alerting");
    let found = wire::find_paced(&clients, stack, pacing);
    let found = async { found.await.map_err(|error| aws_failure("read the alerting of", stack, error)) };
    let found = until_interrupted(&mut interrupt, found).await?;
    line.finish();
    let adoption = if args.adopt { Adoption::Untagged } else { Adoption::Refuse };
    let plan = wire::plan_adopting(stack, &found, adoption);
    if args.plan {
        print(args, &plan, None);
        return Ok(if plan.is_empty() { Exit::Done } else { Exit::Differs });
    }
    if !args.json {
        anstream::print!("{}", plan_text(&plan));
    }
    if !plan.is_empty() {
        confirm(args.yes, &clients.endpoint, "change the alerting", &mut interrupt).await?;
    }
    let mut line = ProgressLine::new();
    line.stage("alerting");
    let mut heard = |seen: Progress| line.say(&seen.to_string());
    let applied = wire::apply_paced(&clients, &plan, pacing, &mut heard);
    let applied = until_interrupted(&mut interrupt, async { applied.await.map_err(wire_failure) }).await?;
    line.finish();
    if args.json {
        print(args, &plan, Some(&applied));
    } else {
        anstream::print!("{}", applied_text(&applied));
    }
    Ok(Exit::Done)
}

fn print(args: &Wire, plan: &Plan, applied: Option<&wire::Applied>) {
    if args.json {
        anstream::println!("{:#}", json!({ "plan": plan, "applied": applied }));
    } else {
        anstream::print!("{}", plan_text(plan));
    }
}

/// What changes, with the arguments that differ; what stays is only counted.
pub fn plan_text(plan: &Plan) -> String {
    let mut text = String::new();
    for change in plan.doing() {
        text += &format!("{:<7} {}: {}\n", change.verb, change.resource, change.because);
        for diff in &change.diff {
            text += &format!("          {}: {} -> {}\n", diff.field, shown(&diff.from), shown(&diff.to));
        }
    }
    text.extend(plan.conflicts.iter().map(|conflict| format!("refused {conflict}\n")));
    text.extend(plan.missing_policies.iter().map(|policy| format!("missing policy {policy}: terraform makes it\n")));
    text.extend(plan.left_out.iter().map(|left_out| format!("left out {left_out}\n")));
    let count = |verb| plan.count(verb);
    let numbers = [
        (count(Verb::Create), "to create"),
        (count(Verb::Adopt), "to adopt"),
        (count(Verb::Update), "to update"),
        (count(Verb::Delete), "to delete"),
        (count(Verb::NoOp), "unchanged"),
    ];
    let told: Vec<String> =
        numbers.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    let told = if told.is_empty() { "nothing to do".to_string() } else { told.join(", ") };
    text + &format!("alerting of {}: {told}\n", plan.stack)
}

fn shown(value: &str) -> &str {
    if value.is_empty() { "(nothing)" } else { value }
}

fn applied_text(applied: &wire::Applied) -> String {
    let done = applied.created + applied.adopted + applied.updated + applied.deleted;
    let mut text = match done {
        0 => String::new(),
        _ => format!(
            "created {}, adopted {}, updated {}, deleted {}\n",
            applied.created, applied.adopted, applied.updated, applied.deleted
        ),
    };
    text.extend(applied.unconfirmed.iter().map(|pending| {
        format!("{} has not confirmed the subscription to {}; nothing reaches them\n", pending.email, pending.topic)
    }));
    text
}
