//! `--fail-if`: a figure of a run, held against a number. Start at [`Condition`].

use std::fmt;

use crate::simulate::summary::{FIGURES, Summary};
use crate::spec::problem::did_you_mean;

#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    figure: &'static str,
    sign: &'static str,
    number: f64,
}

/// A condition that holds for a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    pub condition: String,
    pub value: f64,
    pub seed: u64,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figure = self.condition.split(' ').next().unwrap_or_default();
        write!(f, "`{}` holds: {figure} is {} with seed {}", self.condition, self.value, self.seed)
    }
}

const SIGNS: &[&str] = &[">=", "<=", "==", ">", "<"];

impl Condition {
    /// # Errors
    /// What to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let found = SIGNS.iter().find_map(|sign| text.split_once(sign).map(|(name, number)| (name, *sign, number)));
        let Some((name, sign, number)) = found else {
            return Err(format!("`{text}` compares nothing; write it as 'minutes_over > 5'"));
        };
        let names = FIGURES.iter().map(|(figure, _)| *figure);
        let Some(figure) = names.clone().find(|figure| *figure == name.trim()) else {
            let all = format!("There are {}.", names.clone().collect::<Vec<_>>().join(", "));
            return Err(format!(
                "`{}` is no figure of a simulation. {}",
                name.trim(),
                did_you_mean(name.trim(), names, &all)
            ));
        };
        match number.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Self { figure, sign, number }),
            _ => Err(format!("`{}` is no number", number.trim())),
        }
    }

    /// The figure, if there is a run that does not have it: a price that is not known, credits of a machine without any.
    pub fn unknown(&self, runs: &[Summary]) -> Option<&'static str> {
        runs.iter().any(|run| run.figure(self.figure).is_none()).then_some(self.figure)
    }

    /// The first run for which it holds. A figure that a run does not have holds nothing; see [`Condition::unknown`].
    pub fn first_that_holds(&self, runs: &[Summary]) -> Option<Held> {
        runs.iter().find_map(|run| {
            let value = run.figure(self.figure)?;
            self.holds(value).then(|| Held {
                condition: format!("{} {} {}", self.figure, self.sign, self.number),
                value: (value * 1e6).round() / 1e6,
                seed: run.seed,
            })
        })
    }

    /// That it holds for none of these runs, with the figure.
    pub fn not_held(&self, runs: &[Summary]) -> String {
        let values: Vec<f64> = runs.iter().filter_map(|run| run.figure(self.figure)).collect();
        let rounded = |value: f64| (value * 1e6).round() / 1e6;
        let least = rounded(values.iter().copied().fold(f64::INFINITY, f64::min));
        let most = rounded(values.iter().copied().fold(f64::NEG_INFINITY, f64::max));
        let found = if least == most { format!("{most}") } else { format!("from {least} to {most}") };
        format!("`{} {} {}` does not hold: {} is {found}", self.figure, self.sign, self.number, self.figure)
    }

    fn holds(&self, value: f64) -> bool {
        match self.sign {
            ">=" => value >= self.number,
            "<=" => value <= self.number,
            ">" => value > self.number,
            "<" => value < self.number,
            _ => value == self.number,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_a_figure_a_sign_and_a_number() {
        for (text, value, holds) in [
            ("minutes_over > 5", 5.0, Ok(false)),
            ("minutes_over>=5", 5.0, Ok(true)),
            ("price < 0.5", 0.4, Ok(true)),
            ("churn == 3", 3.0, Ok(true)),
            ("lowest_credits <= 0", 0.1, Ok(false)),
            ("minuts_over > 5", 0.0, Err("`minuts_over` is no figure of a simulation. Did you mean minutes_over?")),
            ("minutes_over", 0.0, Err("`minutes_over` compares nothing")),
            ("minutes_over > many", 0.0, Err("`many` is no number")),
            ("minutes_over > NaN", 0.0, Err("`NaN` is no number")),
        ] {
            let read = Condition::parse(text).map(|condition| condition.holds(value));
            match holds {
                Ok(holds) => assert_eq!(read, Ok(holds), "{text}"),
                Err(start) => assert!(read.as_ref().is_err_and(|why| why.starts_with(start)), "{text}: {read:?}"),
            }
        }
    }
}
