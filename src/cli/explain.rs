//! `scaleproof explain`: what an argument of the spec, or a problem's code word, means.

use clap::Args;

use super::{Exit, Failure};
use crate::spec::{Explanation, Kind, explain};

/// Say what an argument of the spec means, or a code word of validate
#[derive(Debug, Args)]
pub struct Explain {
    /// An argument (alarms.NAME.period, or just period) or a code word (oscillates)
    key: String,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Explain) -> Result<Exit, Failure> {
    let found = match explain(&args.key) {
        Ok(found) => found,
        Err(_) if code_word(&args.key).is_some() => Vec::new(),
        Err(nearest) => return Err(unknown(&args.key, nearest)),
    };
    if args.json {
        anstream::println!("{}", serde_json::to_string_pretty(&found).map_err(|e| Failure::new(Exit::Bug, e))?);
        return Ok(Exit::Done);
    }
    let mut texts: Vec<String> = found.iter().map(explanation_text).collect();
    if let Some(kind) = code_word(&args.key) {
        texts.push(format!("{} ({})\n  {}\n", kind.code(), kind.severity(), kind.advice()));
    }
    anstream::print!("{}", texts.join("\n"));
    Ok(Exit::Done)
}

fn code_word(key: &str) -> Option<Kind> {
    Kind::ALL.iter().copied().find(|kind| kind.code() == key)
}

fn explanation_text(explanation: &Explanation) -> String {
    let required = if explanation.required { "required" } else { "optional" };
    let mut text =
        format!("{} ({required})\n  {}\n  Form: {}.\n", explanation.path, explanation.description, explanation.form);
    if !explanation.arguments.is_empty() {
        text.push_str(&format!("  Arguments: {}.\n", explanation.arguments.join(", ")));
    }
    text
}

fn unknown(key: &str, nearest: Option<String>) -> Failure {
    let failure = Failure::new(Exit::Usage, format!("`{key}` is not an argument of the spec"));
    match nearest {
        Some(name) => failure.hint("did you mean this one?").run(format!("scaleproof explain {name}")),
        None => failure.hint("the arguments at the top are version, name, region, tags, network, launch, group, scaling, notifications, alarms, load and slo"),
    }
}
