//! `scaleproof validate`: every problem of a spec at once.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::spec_file::{Checked, check, count_problems, print_warnings, refusal};
use super::{Exit, Failure};
use crate::model::Stack;

/// Check a spec: every error and every warning, each with its place and a remedy
///
/// Exits 0 when the spec is right (warnings allowed), 2 when it is not.
#[derive(Debug, Args)]
pub struct Validate {
    /// The spec, or - for standard input
    spec: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Treat warnings as errors
    #[arg(long)]
    deny_warnings: bool,
}

pub fn run(args: &Validate) -> Result<Exit, Failure> {
    let Checked { good, problems, map, .. } = check(&args.spec)?;
    let passes = good.is_some() && (problems.is_empty() || !args.deny_warnings);
    let exit = if passes { Exit::Done } else { Exit::Usage };
    if args.json {
        let list: Vec<_> = problems.iter().map(|p| p.to_json(&map.file)).collect();
        anstream::println!("{:#}", json!({ "file": map.file, "valid": passes, "problems": list }));
        return Ok(exit);
    }
    let Some((_, stack)) = good else { return Err(refusal(problems, map)) };
    print_warnings(&problems, &map);
    anstream::println!("{}: {}, {}", map.file, summary(&stack), count_problems(&problems));
    Ok(exit)
}

/// `stack course in ap-northeast-2: group of 1 to 3 t2.nano, 2 policies, 1 notification, 3 alarms`.
fn summary(stack: &Stack) -> String {
    let some = |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    let schedules = match stack.schedules.len() {
        0 => String::new(),
        count => format!(", {}", some(count, "schedule", "schedules")),
    };
    format!(
        "stack {} in {}: group of {} to {} {}, {}{}, {}, {}",
        stack.name,
        stack.region,
        stack.group.min_size,
        stack.group.max_size,
        machines(stack),
        some(stack.policies.len(), "policy", "policies"),
        schedules,
        some(stack.alerting.topics.len(), "notification", "notifications"),
        some(stack.alerting.alarms.len(), "alarm", "alarms"),
    )
}

fn machines(stack: &Stack) -> String {
    let own = &stack.launch.instance_type;
    match stack.launch.mixed.as_ref().map_or(1, |mixed| mixed.instance_types.len()) {
        0 | 1 => own.clone(),
        2 => format!("{own} or another type"),
        more => format!("{own} or {} other types", more - 1),
    }
}
