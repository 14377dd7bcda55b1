//! `scaleproof simulate`: the stack under a load in virtual time. Flags in, one value out, as text or as JSON.
//!
//! `inputs` turns flags into what runs and reports everything that is wrong with them at once; `sweep` makes variants;
//! `report` is the text.

mod condition;
mod drawing;
pub(in crate::cli) mod inputs;
mod report;
mod sweep;

use std::num::NonZero;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::{Exit, Failure};
use crate::model::Stack;
use crate::simulate::SetupError;
use crate::simulate::many::{Job, run_all};
use crate::simulate::summary::Summary;
use condition::Condition;
use inputs::Inputs;
use sweep::Variant;

/// Try a stack under a load in virtual time: when alarms fire, what the group does, what it costs
///
/// The same engine as the sandbox's, in seconds instead of days. Without --load the spec's load.shape counts. Exits 10
/// when --fail-if holds.
#[derive(Debug, Args)]
pub struct Simulate {
    /// The spec, or - for standard input
    spec: PathBuf,
    /// A shape in quotes (constant 40%, ramp 10..90% over 1h, sine 10..90% over 1d, square 10..90% over 1h, spike 20..95%
    /// at 1h for 10m, weekly 10..90%; these times count where none are written), a CSV file of timestamp and value, or k6
    /// stages as .json
    #[arg(long, value_name = "SHAPE|FILE")]
    load: Option<String>,
    /// What the values of a CSV file are; without it they are taken for percent if none is above 100. A shape says its own
    #[arg(long, value_enum)]
    unit: Option<inputs::UnitName>,
    /// How long, such as 6h or 30d; without it as long as the file, or a day
    #[arg(long = "for", value_name = "DURATION")]
    length: Option<String>,
    /// When it starts (RFC 3339, or a date); without it with the file, or on a Monday at midnight UTC
    #[arg(long, value_name = "TIME")]
    start: Option<String>,
    /// The seed of everything that varies: evaluation offsets, boot times, noise, lost metrics
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Run so many seeds, from --seed on, and show how the figures spread
    #[arg(long, value_name = "N", default_value = "1")]
    seeds: NonZero<u32>,
    /// Try values of an argument of the spec: cpu-high.threshold=40..80/5, or *.cooldown=60s,300s; again for more
    #[arg(long, value_name = "NAME=VALUES")]
    sweep: Vec<String>,
    /// Run another spec under the same load and show both
    #[arg(long, value_name = "SPEC", conflicts_with = "sweep")]
    compare: Option<PathBuf>,
    /// Exit 10 if this holds for any seed, such as 'minutes_over > 5'; of one spec, so not with --sweep or --compare
    #[arg(long, value_name = "CONDITION", conflicts_with_all = ["sweep", "compare"])]
    fail_if: Option<String>,
    /// Do not say how many warnings the spec has
    #[arg(long, short)]
    quiet: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Draw the run of the first seed as SVG too; for a sweep, price against minutes over the objective
    #[arg(long, value_name = "FILE", conflicts_with = "compare")]
    svg: Option<PathBuf>,
    /// Write the run of the first seed as one HTML page too
    #[arg(long, value_name = "FILE", conflicts_with_all = ["sweep", "compare"])]
    html: Option<PathBuf>,
}

/// What came of it, for both forms.
#[derive(Debug, Serialize)]
struct Outcome {
    version: &'static str,
    stack: String,
    load: String,
    start: String,
    end: String,
    seeds: Vec<u64>,
    assumptions: Vec<String>,
    #[serde(flatten)]
    result: Outcomes,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcomes {
    /// One per seed.
    Runs(Vec<Summary>),
    Points(Vec<sweep::Point>),
    /// This stack and the other one, each by its name and with one summary per seed.
    Compared(Vec<(String, Vec<Summary>)>),
}

pub fn run(args: &Simulate) -> Result<Exit, Failure> {
    let inputs = inputs::read(args)?;
    let outcome = outcome(&inputs).map_err(|error| Failure::new(Exit::Usage, error))?;
    let (failed, unknown) = match (&inputs.condition, &outcome.result) {
        (Some(condition), Outcomes::Runs(runs)) => (condition.first_that_holds(runs), condition.unknown(runs)),
        _ => (None, None),
    };
    drawing::write(args, &inputs, &outcome)?;
    if args.json {
        let failed =
            failed.as_ref().map(|held| json!({ "condition": held.condition, "value": held.value, "seed": held.seed }));
        let mut whole = serde_json::to_value(&outcome).map_err(|error| Failure::new(Exit::Bug, error))?;
        whole["failed_if"] = json!(failed);
        anstream::println!("{whole:#}");
    } else {
        anstream::print!("{}", report::text(&inputs, &outcome));
        // A log that says nothing of the condition could as well be one without it.
        if let (Some(condition), Outcomes::Runs(runs), None, None) =
            (&inputs.condition, &outcome.result, &failed, unknown)
        {
            anstream::println!("\n{}", condition.not_held(runs));
        }
    }
    match (failed, unknown) {
        (None, None) => Ok(Exit::Done),
        (Some(held), _) => Err(Failure::new(Exit::NotMet, held.to_string())),
        (None, Some(figure)) => {
            let failure =
                Failure::new(Exit::Inconclusive, format!("--fail-if cannot be decided: there is no {figure}"));
            Err(failure.hint("a price that is not in the table can be said with load.price_per_hour"))
        }
    }
}

fn outcome(inputs: &Inputs) -> Result<Outcome, SetupError> {
    let result = match (&inputs.variants, &inputs.other) {
        (Some(variants), _) => Outcomes::Points(points(inputs, variants)?),
        (None, Some(other)) => Outcomes::Compared(vec![
            (inputs.name.clone(), seeds(inputs, &inputs.stack)?),
            (other.name.clone(), seeds(inputs, &other.stack)?),
        ]),
        (None, None) => Outcomes::Runs(seeds(inputs, &inputs.stack)?),
    };
    Ok(Outcome {
        version: env!("CARGO_PKG_VERSION"),
        stack: inputs.stack.name.clone(),
        load: inputs.load_text.clone(),
        start: inputs.start.iso_secs(),
        end: (inputs.start + inputs.length).iso_secs(),
        seeds: inputs.seeds.clone(),
        assumptions: report::assumptions(inputs),
        result,
    })
}

fn seeds(inputs: &Inputs, stack: &Stack) -> Result<Vec<Summary>, SetupError> {
    let jobs: Vec<Job<'_>> = inputs.seeds.iter().map(|seed| inputs.job(stack, *seed)).collect();
    run_all(&jobs, inputs.workers)
}

fn points(inputs: &Inputs, variants: &[Variant]) -> Result<Vec<sweep::Point>, SetupError> {
    let pairs = variants.iter().flat_map(|variant| inputs.seeds.iter().map(move |seed| (variant, *seed)));
    let jobs: Vec<Job<'_>> = pairs.map(|(variant, seed)| inputs.job(&variant.stack, seed)).collect();
    let summaries = run_all(&jobs, inputs.workers)?;
    let per_point = inputs.seeds.len();
    Ok(sweep::judge(variants, &summaries.chunks(per_point).collect::<Vec<_>>()))
}

impl Inputs {
    fn job<'a>(&'a self, stack: &'a Stack, seed: u64) -> Job<'a> {
        Job { stack, plan: &self.plan, start: self.start, length: self.length, seed }
    }
}
