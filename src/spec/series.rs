//! Values of a metric, one an interval, in a short notation: `30 x10, 90+2 x5, _ x3`. Start at [`SeriesText`].
//!
//! An item is a first value, an optional step from one value to the next, and how many values there are; `_` is a value
//! that is missing. Kept as written, in runs, so that a long series costs nothing until it is walked.

use super::values::Text;

/// Ours: more than a month of minutes.
pub const MOST_VALUES: usize = 50_000;
/// CloudWatch takes larger ones; these leave arithmetic exact enough.
const LARGEST: f64 = 1e15;

/// A series as it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesText {
    runs: Vec<Run>,
}

/// Values in a row that share a step.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Run {
    /// Absent for values that are missing.
    first: Option<f64>,
    step: f64,
    count: usize,
}

impl SeriesText {
    /// All values in order; `None` where one is missing.
    pub fn values(&self) -> impl Iterator<Item = Option<f64>> {
        self.runs.iter().flat_map(|run| (0..run.count).map(move |index| run.at(index)))
    }

    pub fn len(&self) -> usize {
        self.runs.iter().map(|run| run.count).sum()
    }

    /// Whether every value is missing.
    pub fn is_empty(&self) -> bool {
        self.runs.iter().all(|run| run.first.is_none())
    }
}

impl Run {
    fn at(self, index: usize) -> Option<f64> {
        self.first.map(|first| first + self.step * index as f64)
    }
}

impl Text for SeriesText {
    const WHAT: &'static str = "a series such as \"30 x10, 90+2 x5, _ x3\"";
    const PATTERN: &'static str = "^[-+0-9._x, ]{1,10000}$";

    fn parse(text: &str) -> Result<Self, String> {
        let mut runs = Vec::new();
        let mut count = 0_usize;
        for (number, item) in text.split(',').enumerate() {
            let run = parse_run(item.trim()).map_err(|why| format!("Item {}: {why}", number + 1))?;
            count = count.saturating_add(run.count);
            if count > MOST_VALUES {
                return Err(format!("A series has {MOST_VALUES} values at most; write a longer interval."));
            }
            runs.push(run);
        }
        Ok(Self { runs })
    }
}

fn parse_run(item: &str) -> Result<Run, String> {
    if item.is_empty() {
        return Err("Nothing stands between two commas. Write _ for a value that is missing.".into());
    }
    let (values, count) = match item.split_once('x') {
        None => (item, 1),
        Some((values, count)) => (values.trim_end(), parse_count(count.trim())?),
    };
    if values == "_" {
        return Ok(Run { first: None, step: 0.0, count });
    }
    // A sign after the first character begins the step.
    let step_at = values.char_indices().skip(1).find(|(_, c)| matches!(c, '+' | '-')).map(|(at, _)| at);
    let (first, step) = values.split_at(step_at.unwrap_or(values.len()));
    let first = parse_number(first.trim_end())?;
    let step = if step.is_empty() { 0.0 } else { parse_number(step)? };
    let last = first + step * count as f64;
    if last.abs() > LARGEST {
        return Err(format!("It grows beyond {LARGEST:e}."));
    }
    Ok(Run { first: Some(first), step, count })
}

fn parse_count(text: &str) -> Result<usize, String> {
    let digits = !text.is_empty() && text.len() <= 6 && text.chars().all(|c| c.is_ascii_digit());
    let count = digits.then(|| text.parse::<usize>().ok()).flatten();
    count
        .filter(|count| (1..=MOST_VALUES).contains(count))
        .ok_or_else(|| format!("After x comes how many values there are, from 1 to {MOST_VALUES}, such as 30 x10."))
}

fn parse_number(text: &str) -> Result<f64, String> {
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => (-1.0, &text[1..]),
        Some(b'+') => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    let part = |part: &str| (1..=15).contains(&part.len()) && part.chars().all(|c| c.is_ascii_digit());
    let shaped = match digits.split_once('.') {
        Some((whole, fraction)) => part(whole) && part(fraction),
        None => part(digits),
    };
    match digits.parse::<f64>() {
        Ok(value) if shaped && value <= LARGEST => Ok(sign * value),
        _ => Err(format!(
            "{} is no value. Write a number, with a step if it changes and a count: 30, 30 x10, 90+2 x5, or _ x3 for missing ones.",
            super::problem::quote(text)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values(text: &str) -> Vec<Option<f64>> {
        SeriesText::parse(text).expect(text).values().collect()
    }

    #[test]
    fn items_are_values_steps_and_counts() {
        let some = |list: &[f64]| list.iter().map(|value| Some(*value)).collect::<Vec<_>>();
        for (text, expected) in [
            ("30", some(&[30.0])),
            ("30 x3", some(&[30.0, 30.0, 30.0])),
            ("90+2 x5", some(&[90.0, 92.0, 94.0, 96.0, 98.0])),
            ("10-2.5x3", some(&[10.0, 7.5, 5.0])),
            ("-5 x2, 1", some(&[-5.0, -5.0, 1.0])),
            ("-5-1 x2", some(&[-5.0, -6.0])),
            ("_ x2, 0.5", vec![None, None, Some(0.5)]),
            ("1, _ ,2", vec![Some(1.0), None, Some(2.0)]),
        ] {
            assert_eq!(values(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_series_is_said_with_its_item() {
        for (text, expected) in [
            ("", "Item 1: Nothing stands"),
            ("30,,40", "Item 2: Nothing stands"),
            ("30 x", "Item 1: After x comes"),
            ("30 x0", "Item 1: After x comes"),
            ("30 x99999999999", "Item 1: After x comes"),
            ("30, much x3", "Item 2: `much` is no value"),
            ("NaN", "Item 1: `NaN` is no value"),
            ("1e9", "Item 1: `1e9` is no value"),
            ("30+ x3", "Item 1: `+` is no value"),
            ("1 x50000, 2", "A series has 50000 values at most"),
            ("0+100000000000000 x50000", "Item 1: It grows beyond"),
        ] {
            let why = SeriesText::parse(text).expect_err(text);
            assert!(why.starts_with(expected), "{text}: {why}");
        }
    }

    /// An item of the notation as text, and the values that it stands for, written out one by one.
    fn item() -> impl Strategy<Value = (String, Vec<Option<f64>>)> {
        let numbers = (-500_i32..500, -20_i32..20, 1_usize..30, any::<bool>());
        numbers.prop_map(|(first, step, count, missing)| {
            if missing {
                return (format!("_ x{count}"), vec![None; count]);
            }
            let mut values = Vec::new();
            let mut value = first;
            for _ in 0..count {
                values.push(Some(f64::from(value)));
                value += step;
            }
            (format!("{first}{step:+} x{count}"), values)
        })
    }

    proptest! {
        #[test]
        fn a_series_is_its_naive_expansion(items in prop::collection::vec(item(), 1..12)) {
            let text = items.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(", ");
            let expected: Vec<_> = items.into_iter().flat_map(|(_, values)| values).collect();
            let series = SeriesText::parse(&text).expect("a series");
            prop_assert_eq!(series.len(), expected.len());
            prop_assert_eq!(series.values().collect::<Vec<_>>(), expected);
        }

        #[test]
        fn no_text_panics_and_none_grows_without_bound(text in "[-+0-9._x, ]{0,40}|.{0,40}") {
            if let Ok(series) = SeriesText::parse(&text) {
                prop_assert!(series.len() <= MOST_VALUES);
                prop_assert!(series.values().flatten().all(f64::is_finite));
            }
        }
    }
}
