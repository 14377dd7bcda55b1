//! The stages of a k6 load test as a load: `[{ "duration": "5m", "target": 100 }]`. Start at [`parse`].
//!
//! k6 goes from target to target in straight lines. A target is taken as requests per second, as with the executor
//! `ramping-arrival-rate`; with virtual users it depends on the script how many requests that is.

use std::time::Duration;

use serde::Deserialize;

use super::load::Series;
use crate::spec::shape::LoadUnit;

#[derive(Debug, Deserialize)]
struct Stage {
    duration: String,
    target: f64,
}

/// The stages alone, the options of a script, or one scenario.
#[derive(Debug, Deserialize)]
struct Options {
    stages: Vec<Stage>,
    /// `startRate` of a scenario.
    #[serde(rename = "startRate", default)]
    start_rate: f64,
}

/// Why stages cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StagesError {
    #[error("it is not the JSON of k6 stages: {0}")]
    Form(String),
    #[error("stage {number}: `{text}` is no duration such as 30s, 5m or 1h30m")]
    Duration { number: usize, text: String },
    #[error("stage {number}: `{target}` is no target: a number, zero or more")]
    Target { number: usize, target: String },
    #[error("the stages take no time")]
    Empty,
}

/// Reads stages, as a list or as an object with a member `stages`.
///
/// # Errors
/// The first thing that makes no sense.
pub fn parse(text: &str) -> Result<Series, StagesError> {
    let form = |error: serde_json::Error| StagesError::Form(error.to_string());
    let options: Options = match text.trim_start().starts_with('[') {
        true => Options { stages: serde_json::from_str(text).map_err(form)?, start_rate: 0.0 },
        false => serde_json::from_str(text).map_err(form)?,
    };
    check_target(0, options.start_rate)?;
    let (mut points, mut millis) = (vec![(0, options.start_rate)], 0_i64);
    for (index, stage) in options.stages.iter().enumerate() {
        let number = index + 1;
        check_target(number, stage.target)?;
        let lasts = duration_of(&stage.duration)
            .ok_or_else(|| StagesError::Duration { number, text: stage.duration.chars().take(40).collect() })?;
        millis += lasts.as_millis() as i64;
        match points.last_mut() {
            // A stage that takes no time jumps to its target.
            Some(last) if last.0 == millis => last.1 = stage.target,
            _ => points.push((millis, stage.target)),
        }
    }
    if millis == 0 {
        return Err(StagesError::Empty);
    }
    Ok(Series { unit: LoadUnit::RequestsPerSecond, points, last_lasts: Duration::ZERO, sloped: true, begins: None })
}

fn check_target(number: usize, target: f64) -> Result<(), StagesError> {
    match target.is_finite() && (0.0..=1e9).contains(&target) {
        true => Ok(()),
        false => Err(StagesError::Target { number, target: target.to_string() }),
    }
}

/// `30s`, `1h30m`, `250ms`: numbers with units, as Go writes them; a year at most.
fn duration_of(text: &str) -> Option<Duration> {
    let (mut rest, mut total) = (text.trim(), Duration::ZERO);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|end| (1..=9).contains(end))?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let (unit, millis) = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)]
            .into_iter()
            .find(|(unit, _)| rest.starts_with(unit))?;
        rest = &rest[unit.len()..];
        total += Duration::from_millis(number * millis);
    }
    (!text.trim().is_empty() && total <= Duration::from_secs(366 * 86_400)).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&[(i64, f64)], &str>) {
        let read = parse(text).map(|series| series.points).map_err(|error| error.to_string());
        match expected {
            Ok(points) => assert_eq!(read.as_deref(), Ok(points), "{text}"),
            Err(start) => assert!(read.as_ref().is_err_and(|why| why.starts_with(start)), "{text}: {read:?}"),
        }
    }

    /// Source: k6's documentation, "Ramping arrival rate".
    #[test]
    fn stages_go_from_target_to_target() {
        check(
            r#"[{"duration":"30s","target":20},{"duration":"1m30s","target":10},{"duration":"0s","target":40},{"duration":"20s","target":0}]"#,
            Ok(&[(0, 0.0), (30_000, 20.0), (120_000, 40.0), (140_000, 0.0)]),
        );
        check(r#"{"startRate": 5, "stages": [{"duration":"250ms","target":1.5}]}"#, Ok(&[(0, 5.0), (250, 1.5)]));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (text, why) in [
            ("", "it is not the JSON"),
            ("[]", "the stages take no time"),
            ("{}", "it is not the JSON"),
            (r#"[{"duration":"soon","target":1}]"#, "stage 1: `soon` is no duration"),
            (r#"[{"duration":"1s","target":-1}]"#, "stage 1: `-1` is no target"),
            (r#"[{"duration":"999999999d","target":1}]"#, "stage 1: `999999999d` is no duration"),
        ] {
            check(text, Err(why));
        }
    }
}
