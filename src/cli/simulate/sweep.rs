//! `--sweep`: variants of a spec, and which of them nothing beats. Start at [`Axis::parse`] and [`judge`].

use serde::Serialize;

use crate::model::{Files, Stack, build_stack};
use crate::simulate::summary::Summary;
use crate::spec::change::{Change, NameError, find_arguments, parse_changed};
use crate::spec::{Severity, SpecMap};

/// Points of one sweep; ours: an evening's patience.
const MOST_POINTS: usize = 10_000;

/// Arguments that change together, and the values that they take in turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axis {
    /// As the user wrote it.
    pub name: String,
    paths: Vec<String>,
    values: Vec<String>,
}

/// A spec with other values, built.
#[derive(Debug, Clone)]
pub struct Variant {
    /// The value on each axis, in their order.
    pub values: Vec<(String, String)>,
    pub stack: Stack,
}

/// What a variant came to: the mean over its seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    pub values: Vec<(String, String)>,
    pub minutes_over: f64,
    pub price: Option<f64>,
    pub instance_hours: f64,
    pub churn: f64,
    /// No other point is better in one figure and as good in the others.
    pub unbeaten: bool,
    /// An earlier point came to the same figures.
    pub as_before: bool,
}

impl Point {
    /// Price, or hours where no price is known, then what the others are compared in.
    pub fn figures(&self) -> [f64; 3] {
        [self.price.unwrap_or(self.instance_hours), self.minutes_over, self.churn]
    }
}

impl Axis {
    /// Reads `NAME=VALUES` for a spec.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str, map: &SpecMap) -> Result<Self, String> {
        let Some((name, values)) = text.split_once('=') else {
            return Err(format!("--sweep {text} has no values; write it as cpu-high.threshold=40..80/5"));
        };
        let paths = find_arguments(map, name).map_err(|error| unknown(name, error))?;
        let values = values_of(values).map_err(|why| format!("--sweep {text}: {why}"))?;
        Ok(Self { name: name.to_owned(), paths, values })
    }
}

fn unknown(name: &str, error: NameError) -> String {
    match error {
        NameError::Unknown { nearest: Some(near) } => {
            format!("--sweep {name} is not an argument of the spec. Did you mean {near}?")
        }
        NameError::Unknown { nearest: None } => {
            format!("--sweep {name} is not an argument of the spec; `scaleproof explain KEY` knows them")
        }
        NameError::Ambiguous { paths } => {
            let last = name.rsplit('.').next().unwrap_or(name);
            format!("--sweep {name} may be {}. Write more of one, or *.{last} for all", paths.join(", "))
        }
    }
}

/// `60s,300s` or `40..80/5`; a range of durations has its unit everywhere: `60s..300s/60s`.
fn values_of(text: &str) -> Result<Vec<String>, String> {
    let Some((from, rest)) = text.split_once("..") else {
        let values: Vec<String> = text.split(',').map(|value| value.trim().to_owned()).collect();
        return match values.iter().any(String::is_empty) {
            true => Err("a value is missing".to_owned()),
            false => Ok(values),
        };
    };
    let shape = "write a range as 40..80/5, or 60s..300s/60s".to_owned();
    let (to, step) = rest.split_once('/').ok_or_else(|| shape.clone())?;
    let unit = from.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
    let number = |text: &str| {
        let number = text.strip_suffix(unit)?.parse::<f64>().ok()?;
        number.is_finite().then_some(number)
    };
    let (Some(from), Some(to), Some(step)) = (number(from), number(to), number(step)) else { return Err(shape) };
    if step <= 0.0 || to < from {
        return Err("a range goes upwards, in steps above zero".to_owned());
    }
    let count = ((to - from) / step + 1e-9).floor();
    if count >= MOST_POINTS as f64 {
        return Err(format!("a sweep has {MOST_POINTS} points at most"));
    }
    let at = |index: usize| ((from + step * index as f64) * 1e9).round() / 1e9;
    Ok((0..=count as usize).map(|index| format!("{}{unit}", at(index))).collect())
}

/// Every combination of values as a built stack, the last axis varying first.
///
/// # Errors
/// One line for each problem of each variant.
pub fn variants(axes: &[Axis], map: &SpecMap, files: &Files) -> Result<Vec<Variant>, Vec<String>> {
    let count = axes.iter().try_fold(1_usize, |count, axis| count.checked_mul(axis.values.len()));
    if count.is_none_or(|count| count > MOST_POINTS) {
        return Err(vec![format!("the sweeps have more than {MOST_POINTS} points together")]);
    }
    let (mut variants, mut problems) = (Vec::new(), Vec::new());
    for number in 0..count.unwrap_or_default() {
        match variant(&combination(axes, number), map, files) {
            Ok(variant) => variants.push(variant),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(variants) } else { Err(problems) }
}

/// The values of one combination; the last axis is the last digit of its number.
fn combination(axes: &[Axis], mut number: usize) -> Vec<(&Axis, &str)> {
    let mut values: Vec<(&Axis, &str)> = Vec::new();
    for axis in axes.iter().rev() {
        values.push((axis, axis.values[number % axis.values.len()].as_str()));
        number /= axis.values.len();
    }
    values.reverse();
    values
}

fn variant(combination: &[(&Axis, &str)], map: &SpecMap, files: &Files) -> Result<Variant, Vec<String>> {
    let values: Vec<(String, String)> =
        combination.iter().map(|(axis, value)| (axis.name.clone(), (*value).to_owned())).collect();
    let changes: Vec<Change> = combination
        .iter()
        .flat_map(|(axis, value)| {
            axis.paths.iter().map(|path| Change { path: path.clone(), value: (*value).to_owned() })
        })
        .collect();
    let said = values.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ");
    let parsed = parse_changed(&map.file, &map.text, &changes);
    let errors = |problems: &[crate::spec::Problem]| {
        let errors = problems.iter().filter(|problem| problem.severity() == Severity::Error);
        errors.map(|problem| format!("--sweep {said}: {} {}", problem.fact, problem.remedy)).collect::<Vec<_>>()
    };
    let found = errors(&parsed.problems);
    let spec = parsed.spec.filter(|_| found.is_empty()).ok_or(found)?;
    let stack = build_stack(&spec, &parsed.map, files).map_err(|problems| errors(&problems))?;
    Ok(Variant { values, stack })
}

/// The points of the variants, each with its summaries, and which are unbeaten.
pub fn judge(variants: &[Variant], summaries: &[&[Summary]]) -> Vec<Point> {
    let mean = |runs: &[Summary], name: &str| {
        let figures: Option<Vec<f64>> = runs.iter().map(|run| run.figure(name)).collect();
        figures.filter(|figures| !figures.is_empty()).map(|figures| figures.iter().sum::<f64>() / figures.len() as f64)
    };
    let point = |(variant, runs): (&Variant, &&[Summary])| Point {
        values: variant.values.clone(),
        minutes_over: mean(runs, "minutes_over").unwrap_or_default(),
        price: mean(runs, "price"),
        instance_hours: mean(runs, "instance_hours").unwrap_or_default(),
        churn: mean(runs, "churn").unwrap_or_default(),
        unbeaten: false,
        as_before: false,
    };
    let mut points: Vec<Point> = variants.iter().zip(summaries).map(point).collect();
    mark(&mut points);
    points
}

fn mark(points: &mut [Point]) {
    let figures: Vec<[f64; 3]> = points.iter().map(Point::figures).collect();
    for (number, point) in points.iter_mut().enumerate() {
        point.unbeaten = !figures.iter().any(|other| beats(other, &figures[number]));
        point.as_before = figures[..number].contains(&figures[number]);
    }
}

fn beats(other: &[f64; 3], own: &[f64; 3]) -> bool {
    let pairs = || other.iter().zip(own);
    pairs().all(|(other, own)| other <= own) && pairs().any(|(other, own)| other < own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PolicyKind;
    use crate::spec::parse_spec;

    const COURSE: &str = include_str!("../../../examples/course.yaml");

    fn map() -> SpecMap {
        parse_spec("course.yaml", COURSE.as_bytes()).map
    }

    fn files() -> Files {
        Files::from([("launch.user_data_file".to_owned(), Ok("#!/bin/sh\n".to_owned()))])
    }

    #[test]
    fn values_are_a_list_or_a_range() {
        for (text, expected) in [
            ("60s,300s", Ok("60s 300s")),
            ("40..80/10", Ok("40 50 60 70 80")),
            ("0.1..0.35/0.1", Ok("0.1 0.2 0.3")),
            ("60s..180s/60s", Ok("60s 120s 180s")),
            ("-2..0/1", Ok("-2 -1 0")),
            ("40..80", Err("write a range")),
            ("40..80/5s", Err("write a range")),
            ("80..40/5", Err("a range goes upwards")),
            ("40..80/0", Err("a range goes upwards")),
            ("0..1/0.000000001", Err("a sweep has 10000 points")),
            ("1,,2", Err("a value is missing")),
        ] {
            let read = values_of(text).map(|values| values.join(" "));
            match expected {
                Ok(values) => assert_eq!(read.as_deref(), Ok(values), "{text}"),
                Err(start) => assert!(read.as_ref().is_err_and(|why| why.starts_with(start)), "{text}: {read:?}"),
            }
        }
    }

    #[test]
    fn a_name_that_is_no_argument_is_said_with_the_nearest() {
        for (text, expected) in [
            (
                "cpu-high.treshold=1,2",
                "--sweep cpu-high.treshold is not an argument of the spec. Did you mean cpu-high.threshold?",
            ),
            ("threshold=1,2", "--sweep threshold may be alarms.cpu-high.threshold, "),
            ("threshold", "--sweep threshold has no values"),
        ] {
            let why = Axis::parse(text, &map()).expect_err(text);
            assert!(why.starts_with(expected), "{why}");
        }
    }

    #[test]
    fn variants_are_all_combinations_and_each_is_checked() {
        let axes: Vec<Axis> = ["cpu-high.threshold=60,70", "*.cooldown=60s,120s,300s"]
            .iter()
            .map(|text| Axis::parse(text, &map()).expect(text))
            .collect();
        let built = variants(&axes, &map(), &files()).expect("variants");
        let said: Vec<String> = built.iter().map(|one| format!("{} {}", one.values[0].1, one.values[1].1)).collect();
        assert_eq!(said, ["60 60s", "60 120s", "60 300s", "70 60s", "70 120s", "70 300s"]);
        let last = &built[5].stack;
        assert_eq!(last.alerting.alarms[0].threshold, 70.0);
        let cooldowns: Vec<u64> = last
            .policies
            .iter()
            .map(|policy| match policy.kind {
                PolicyKind::Simple { cooldown, .. } => cooldown.as_secs(),
                _ => 0,
            })
            .collect();
        assert_eq!(cooldowns, [300, 300]);
        let broken = [Axis::parse("group.min_size=1,9", &map()).expect("an axis")];
        let problems = variants(&broken, &map(), &files()).expect_err("9 is above max_size");
        assert!(problems[0].starts_with("--sweep group.min_size=9: group.min_size is 9"), "{problems:?}");
    }

    #[test]
    fn points_that_come_to_the_same_are_marked_once() {
        let point = |price, minutes_over, churn| Point {
            values: Vec::new(),
            minutes_over,
            price: Some(price),
            instance_hours: 0.0,
            churn,
            unbeaten: false,
            as_before: false,
        };
        let mut points = [point(1.0, 5.0, 2.0), point(1.0, 5.0, 2.0), point(2.0, 5.0, 2.0), point(2.0, 0.0, 2.0)];
        mark(&mut points);
        let marks = points.map(|point| (point.unbeaten, point.as_before));
        assert_eq!(marks, [(true, false), (true, true), (false, false), (true, false)]);
    }

    #[test]
    fn a_point_is_beaten_by_one_that_is_nowhere_worse() {
        assert!(beats(&[1.0, 2.0, 3.0], &[1.0, 2.0, 4.0]));
        assert!(!beats(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]));
        assert!(!beats(&[0.5, 9.0, 3.0], &[1.0, 2.0, 3.0]));
    }
}
