//! A load over time in a few words: `sine 10..90%`, `spike 20..95% at 10m for 5m`. Start at [`Shape`].

use std::time::Duration;

use super::problem::did_you_mean;
use super::values::{Span, Text, span_text};

/// How a load changes over time; `low` and `high` are in `unit`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    pub form: Form,
    pub low: f64,
    pub high: f64,
    pub unit: LoadUnit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `high` all the time.
    Constant,
    /// From `low` to `high`, then `high`.
    Ramp { over: Duration },
    /// From `low` to `high` and back, again and again.
    Sine { over: Duration },
    /// `high` once, `low` otherwise.
    Spike { at: Duration, lasts: Duration },
    /// `low` for the first half, `high` for the second, again and again.
    Square { over: Duration },
    /// A sine of a day, with lower peaks on Saturdays and Sundays (UTC).
    Weekly,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadUnit {
    /// Percent of one machine's CPU, what it shows at rest included; two machines at 50 % are 100 %.
    MachinePercent,
    /// Requests per second to the whole group.
    RequestsPerSecond,
}

impl LoadUnit {
    pub fn sign(self) -> &'static str {
        match self {
            Self::MachinePercent => "%",
            Self::RequestsPerSecond => "rps",
        }
    }
}

/// The names of the forms, for a message and to tell a shape from a file.
pub const FORMS: &[&str] = &["constant", "ramp", "sine", "spike", "square", "weekly"];

const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3_600);

/// No load is larger; it only keeps the arithmetic sound.
const MOST: f64 = 1e9;

impl Text for Shape {
    const WHAT: &'static str = "a load such as sine 10..90%";
    const PATTERN: &'static str = "^(constant|ramp|sine|spike|square|weekly)([ :].*)?$";

    fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split([' ', ':']).filter(|word| !word.is_empty());
        let name = words.next().unwrap_or_default();
        if !FORMS.contains(&name) {
            let otherwise = format!("Write one of {}, then the load: sine 10..90%.", FORMS.join(", "));
            return Err(did_you_mean(name, FORMS.iter().copied(), &otherwise));
        }
        let Some(range) = words.next() else {
            return Err(match name {
                "constant" => "Write how much too: constant 40%, or constant 40rps.".to_owned(),
                _ => format!("Write from where to where too: {name} 10..90%, or {name} 10..90rps."),
            });
        };
        let (low, high, unit) = range_of(range, name == "constant")?;
        let form = form_of(name, words)?;
        Ok(Self { form, low, high, unit })
    }
}

fn range_of(text: &str, single: bool) -> Result<(f64, f64, LoadUnit), String> {
    let (numbers, unit) = match (text.strip_suffix("rps"), text.strip_suffix('%')) {
        (Some(numbers), _) => (numbers, LoadUnit::RequestsPerSecond),
        (None, Some(numbers)) => (numbers, LoadUnit::MachinePercent),
        (None, None) => (text, LoadUnit::MachinePercent),
    };
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| (0.0..=MOST).contains(number));
    let read = match (numbers.split_once(".."), single) {
        (Some((low, high)), false) => number(low).zip(number(high)),
        (None, true) => number(numbers).map(|number| (number, number)),
        _ => None,
    };
    let example = if single { "40%" } else { "10..90%" };
    let (low, high) = read.ok_or_else(|| format!("Write the load as {example} of one machine, or with rps."))?;
    Ok((low, high, unit))
}

fn form_of<'a>(name: &str, words: impl Iterator<Item = &'a str>) -> Result<Form, String> {
    let words: Vec<&str> = words.collect();
    let allowed: &[&str] = match name {
        "constant" | "weekly" => &[],
        "spike" => &["at", "for"],
        _ => &["over"],
    };
    let mut spans = [None; 2];
    for pair in words.chunks(2) {
        let place = allowed.iter().position(|word| *word == pair[0]);
        let span = pair.get(1).and_then(|text| Span::parse(text).ok()).filter(|span| !span.0.is_zero());
        let (Some(place), Some(span)) = (place, span) else {
            return Err(match allowed {
                [] => format!("Leave out {}; {name} needs the load alone.", words.join(" ")),
                ["over"] => format!("Write how long one {name} takes as over 30m."),
                _ => "Write when and how long as at 10m for 5m.".to_owned(),
            });
        };
        spans[place] = Some(span.0);
    }
    let over = |default: Duration| spans[0].unwrap_or(default);
    Ok(match name {
        "constant" => Form::Constant,
        "ramp" => Form::Ramp { over: over(HOUR) },
        "sine" => Form::Sine { over: over(DAY) },
        "square" => Form::Square { over: over(HOUR) },
        "spike" => Form::Spike { at: over(HOUR), lasts: spans[1].unwrap_or(HOUR / 6) },
        _ => Form::Weekly,
    })
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { form, low, high, unit } = self;
        let sign = unit.sign();
        match form {
            Form::Constant => write!(f, "constant {high}{sign}"),
            Form::Ramp { over } => write!(f, "ramp {low}..{high}{sign} over {}", span_text(*over)),
            Form::Sine { over } => write!(f, "sine {low}..{high}{sign} over {}", span_text(*over)),
            Form::Square { over } => write!(f, "square {low}..{high}{sign} over {}", span_text(*over)),
            Form::Weekly => write!(f, "weekly {low}..{high}{sign}"),
            Form::Spike { at, lasts } => {
                write!(f, "spike {low}..{high}{sign} at {} for {}", span_text(*at), span_text(*lasts))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_reads_as_it_is_said() {
        for (text, said) in [
            ("constant 40%", Ok("constant 40%")),
            ("constant:40rps", Ok("constant 40rps")),
            ("ramp 10..90", Ok("ramp 10..90% over 1h")),
            ("sine 10..250% over 12h", Ok("sine 10..250% over 12h")),
            ("spike:20..95%:for:5m:at:2h", Ok("spike 20..95% at 2h for 5m")),
            ("square 0..1.5rps over 10m", Ok("square 0..1.5rps over 10m")),
            ("weekly 10..90%", Ok("weekly 10..90%")),
            ("sin 10..90%", Err("Did you mean sine?")),
            ("sine", Err("Write from where to where too")),
            ("sine 40%", Err("Write the load as 10..90%")),
            ("constant 10..40", Err("Write the load as 40%")),
            ("sine NaN..3", Err("Write the load")),
            ("sine 1..1e300", Err("Write the load")),
            ("sine -1..3", Err("Write the load")),
            ("sine 1..3 over 0s", Err("Write how long one sine takes")),
            ("sine 1..3 at 5m", Err("Write how long one sine takes")),
            ("spike 1..3 at", Err("Write when and how long")),
            ("weekly 1..3 over 3h", Err("Leave out over 3h")),
            ("", Err("Write one of constant")),
        ] {
            let read = Shape::parse(text).map(|shape| shape.to_string());
            match said {
                Ok(said) => assert_eq!(read.as_deref(), Ok(said), "{text}"),
                Err(start) => assert!(read.as_ref().is_err_and(|why| why.starts_with(start)), "{text}: {read:?}"),
            }
        }
    }
}
