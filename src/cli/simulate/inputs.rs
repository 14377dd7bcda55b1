//! What the flags of `simulate` mean; everything that is wrong with them is said at once. Start at [`read`].

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;

use super::sweep::{self, Axis, Variant};
use super::{Condition, Simulate};
use crate::cli::spec_file::{Checked, SpecProblems, check, count_problems, read_files};
use crate::cli::{Exit, Failure};
use crate::clock::Timestamp;
use crate::model::Stack;
use crate::simulate::load::Plan;
use crate::simulate::{Options, csv, k6};
use crate::spec::Problem;
use crate::spec::problem::nearest;
use crate::spec::shape::{FORMS, Shape};
use crate::spec::values::{Span, Text};

/// Ours: two million rows with room.
const MOST_BYTES: u64 = 256 << 20;
/// Ours: an evening's patience, and what their summaries take in memory.
const MOST_SEEDS: u32 = 100_000;
const DAY: Duration = Duration::from_secs(86_400);
/// Ours: ten years.
const LONGEST: Duration = Duration::from_secs(3_653 * 86_400);

/// What the values of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum UnitName {
    /// Percent of one machine's CPU
    Percent,
    /// Requests between one row and the next
    Requests,
    /// Requests per second
    Rps,
}

/// Everything that a run needs.
#[derive(Debug)]
pub struct Inputs {
    /// The spec as the user named it.
    pub name: String,
    pub stack: Stack,
    pub plan: Plan,
    /// The load in words.
    pub load_text: String,
    /// What was odd about the load's file.
    pub remarks: Vec<String>,
    pub start: Timestamp,
    pub length: Duration,
    pub seeds: Vec<u64>,
    pub variants: Option<Vec<Variant>>,
    pub other: Option<Other>,
    pub condition: Option<Condition>,
    pub workers: NonZero<usize>,
}

/// The stack to compare with.
#[derive(Debug)]
pub struct Other {
    pub name: String,
    pub stack: Stack,
}

/// All that is wrong with the flags and the specs.
#[derive(Debug)]
struct InputProblems {
    flags: Vec<String>,
    specs: Vec<SpecProblems>,
}

impl fmt::Display for InputProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let specs = self.specs.iter().map(|problems| problems.to_string());
        let all: Vec<String> = self.flags.iter().cloned().chain(specs).collect();
        f.write_str(&all.join("\nerror: "))
    }
}

impl std::error::Error for InputProblems {}

/// # Errors
/// Exit 2 with everything that is wrong.
pub fn read(args: &Simulate) -> Result<Inputs, Failure> {
    let Checked { good, problems, map, dir } = check(&args.spec)?;
    let other = args.compare.as_deref().map(|path| Ok::<_, Failure>((path, check(path)?))).transpose()?;
    let mut flags = Vec::new();
    let load = args.load.as_deref().and_then(|text| keep(&mut flags, read_load(text, args.unit.map(UnitName::unit))));
    let length = args.length.as_deref().and_then(|text| keep(&mut flags, length_of(text)));
    let start = args.start.as_deref().and_then(|text| keep(&mut flags, time_of(text).map_err(|why| vec![why])));
    let condition =
        args.fail_if.as_deref().map(|text| Condition::parse(text).map_err(|why| vec![format!("--fail-if {why}")]));
    let condition = condition.and_then(|read| keep(&mut flags, read));
    let axes: Vec<Axis> = args
        .sweep
        .iter()
        .filter_map(|text| keep(&mut flags, Axis::parse(text, &map).map_err(|why| vec![why])))
        .collect();
    let variants = good
        .as_ref()
        .filter(|_| !axes.is_empty())
        .and_then(|(spec, _)| keep(&mut flags, sweep::variants(&axes, &map, &read_files(spec, &dir))));
    let last_seed = args.seed.checked_add(u64::from(args.seeds.get() - 1));
    if args.seeds.get() > MOST_SEEDS {
        flags.push(format!("--seeds {}: {MOST_SEEDS} at most", args.seeds));
    }
    if last_seed.is_none() {
        flags.push(format!("--seed {} leaves no room for {} seeds", args.seed, args.seeds));
    }
    let (mut specs, mut warnings) = (Vec::new(), Vec::new());
    let stack = match good {
        Some((_, stack)) => {
            warnings.extend(warnings_line(&problems, &map.file));
            Some(stack)
        }
        None => {
            specs.push(SpecProblems::sorted(problems, map));
            None
        }
    };
    let other = other.and_then(|(path, checked)| match checked.good {
        Some((_, stack)) => {
            warnings.extend(warnings_line(&checked.problems, &checked.map.file));
            Some(Other { name: path.display().to_string(), stack })
        }
        None => {
            specs.push(SpecProblems::sorted(checked.problems, checked.map));
            None
        }
    });
    let (Some(stack), true, true) = (stack, flags.is_empty(), specs.is_empty()) else {
        return Err(Failure::new(Exit::Usage, InputProblems { flags, specs }));
    };
    if !args.quiet {
        warnings.iter().for_each(|line| anstream::eprintln!("{line}"));
    }
    let load = load.unwrap_or_else(|| Loaded::of_shape(stack.load.shape));
    let begins = match &load.plan {
        Plan::Series(series) => series.begins,
        Plan::Shape(_) => None,
    };
    Ok(Inputs {
        name: args.spec.display().to_string(),
        start: start.or(begins).unwrap_or(Options::default().start),
        length: length.or(load.plan.length()).unwrap_or(DAY),
        plan: load.plan,
        load_text: load.text,
        remarks: load.remarks,
        seeds: (args.seed..=last_seed.unwrap_or(args.seed)).collect(),
        variants,
        other,
        condition,
        workers: std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN),
        stack,
    })
}

/// Whoever simulates tries again and again: one line says where the warnings are.
fn warnings_line(problems: &[Problem], file: &str) -> Option<String> {
    let counted = count_problems(problems);
    (!problems.is_empty()).then(|| format!("note: {counted} in {file}; to see them, run: scaleproof validate {file}"))
}

/// What was read, or nothing after its problems were put to the others.
fn keep<T>(problems: &mut Vec<String>, read: Result<T, Vec<String>>) -> Option<T> {
    read.map_err(|found| problems.extend(found)).ok()
}

impl UnitName {
    fn unit(self) -> csv::Unit {
        match self {
            Self::Percent => csv::Unit::Percent,
            Self::Requests => csv::Unit::Requests,
            Self::Rps => csv::Unit::RequestsPerSecond,
        }
    }
}

/// A load with its words.
struct Loaded {
    plan: Plan,
    text: String,
    remarks: Vec<String>,
}

impl Loaded {
    fn of_shape(shape: Shape) -> Self {
        Self { plan: Plan::Shape(shape), text: shape.to_string(), remarks: Vec::new() }
    }
}

/// A shape, or a file: what begins with the name of a shape is one, unless a file is called so.
fn read_load(text: &str, unit: Option<csv::Unit>) -> Result<Loaded, Vec<String>> {
    let name = text.split([' ', ':']).next().unwrap_or_default();
    let path = Path::new(text);
    if FORMS.contains(&name) && !path.is_file() {
        if unit.is_some() {
            return Err(vec![format!(
                "--unit is for the values of a CSV file; {text} is a shape and has its unit behind its numbers: % or rps"
            )]);
        }
        return Shape::parse(text).map(Loaded::of_shape).map_err(|why| vec![format!("--load {text}: {why}")]);
    }
    let contents = read_file(path).map_err(|error| {
        let hint = match nearest(name, FORMS.iter().copied()) {
            Some(shape) => format!(" Did you mean the shape {shape}?"),
            None => format!(" Shapes are {}.", FORMS.join(", ")),
        };
        vec![format!("--load {text} is no shape, and no file that can be read: {error}.{hint}")]
    })?;
    let series = match path.extension().is_some_and(|extension| extension == "json") {
        true => {
            if unit.is_some() {
                return Err(vec![format!(
                    "--unit is for the values of a CSV file; stages in {text} are requests per second"
                )]);
            }
            let series = k6::parse(&contents).map_err(|why| vec![format!("{text}: {why}")])?;
            csv::Parsed { series, remarks: vec!["targets of stages are taken for requests per second".to_owned()] }
        }
        false => csv::parse(&contents, unit).map_err(|problems| {
            problems.into_iter().map(|problem| format!("{text}:{}: {}", problem.line, problem.fact)).collect::<Vec<_>>()
        })?,
    };
    let rows = series.series.points.len();
    Ok(Loaded {
        plan: Plan::Series(Arc::new(series.series)),
        text: format!("{text} ({rows} rows)"),
        remarks: series.remarks,
    })
}

pub(in crate::cli) fn read_file(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes));
    read.map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!("it is larger than {} MiB", MOST_BYTES >> 20));
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())
}

fn length_of(text: &str) -> Result<Duration, Vec<String>> {
    let span = Span::parse(text).map_err(|why| vec![format!("--for {text}: {why}")])?.0;
    if span.is_zero() || span > LONGEST {
        return Err(vec![format!("--for {text}: write more than nothing, and ten years at most")]);
    }
    Ok(span)
}

/// RFC 3339, or a date alone: its midnight in UTC.
fn time_of(text: &str) -> Result<Timestamp, String> {
    let found = Timestamp::parse(text).or_else(|| Timestamp::parse(&format!("{text}T00:00:00Z")));
    // What AWS's clocks and ours both can say, with ten years to come.
    let years = Timestamp::from_secs(0)..Timestamp::from_secs(7_258_118_400);
    let why = || format!("--start {text}: write it as 2026-01-05 or 2026-01-05T08:30:00Z, from 1970 to 2199");
    found.filter(|at| years.contains(at)).ok_or_else(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_that_is_neither_shape_nor_file_is_said_so() {
        for (text, start) in [
            ("sine", "--load sine: Write from where to where too"),
            ("sin 10..90%", "--load sin 10..90% is no shape, and no file that can be read: "),
            ("no-such.csv", "--load no-such.csv is no shape, and no file that can be read: "),
        ] {
            let why = read_load(text, None).err().expect(text);
            assert!(why[0].starts_with(start), "{why:?}");
        }
        let why = read_load("sin 10..90%", None).err().expect("a slip");
        assert!(why[0].ends_with("Did you mean the shape sine?"), "{why:?}");
    }

    #[test]
    fn a_unit_is_refused_where_it_would_be_ignored() {
        let why = read_load("ramp 10..90%", Some(csv::Unit::Requests)).err().expect("a unit for a shape");
        assert!(why[0].starts_with("--unit is for the values of a CSV file; ramp 10..90% is a shape"), "{why:?}");
    }

    #[test]
    fn times_and_lengths_are_checked() {
        assert_eq!(time_of("2026-01-05"), Ok(Timestamp::from_secs(1_767_571_200)));
        assert_eq!(time_of("2026-01-05T00:00:01Z"), Ok(Timestamp::from_secs(1_767_571_201)));
        assert!(time_of("monday").is_err() && time_of("9999-01-01").is_err());
        assert!(length_of("0s").is_err() && length_of("4000d").is_err() && length_of("1w").is_err());
        assert_eq!(length_of("36h"), Ok(Duration::from_secs(129_600)));
    }
}
