//! The statistics of a period: the five plain ones, percentiles and the other extended ones. Start at [`Statistic`].

use serde::{Deserialize, Serialize};

use super::bucket::{Bucket, Totals};

/// What to make of the samples of one period. Read and written as AWS does: `Average`, `p99.9`, `TM(10%:90%)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Statistic {
    SampleCount,
    Average,
    Sum,
    Minimum,
    Maximum,
    Extended(Extended),
}

/// A statistic over a part of the samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Extended {
    /// The value below which so many percent of the samples lie.
    Percentile(Number),
    TrimmedMean(Span),
    WinsorizedMean(Span),
    TrimmedCount(Span),
    TrimmedSum(Span),
    /// How many percent of the samples lie between two values.
    PercentileRank(Bounds),
    /// The trimmed mean of the middle half.
    InterquartileMean,
}

/// The part of the samples that a trimmed statistic reads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Span {
    /// `tm90`, the same as `TM(:90%)`; remembered because AWS gives a statistic back as it was written.
    Short(Number),
    /// `TM(10%:90%)`: between two percentiles.
    Percents(Bounds),
    /// `TM(10:90)`: between two values.
    Values(Bounds),
}

/// Two ends, either of which may be left open.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    pub from: Option<Number>,
    pub to: Option<Number>,
}

/// A number with as many decimals as it was written with: AWS gives `p88.0` back as `p88.0`.
#[derive(Debug, Clone, Copy)]
pub struct Number {
    value: f64,
    decimals: usize,
}

impl PartialEq for Number {
    /// `p88.0` is `p88`, however it was written.
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.*}", self.decimals, self.value)
    }
}

impl Number {
    fn parse(text: &str) -> Option<Self> {
        let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        let value: f64 = text.parse().ok().filter(|value: &f64| value.is_finite())?;
        Some(Self { value, decimals })
    }
}

impl Statistic {
    pub const PLAIN: &[Self] = &[Self::SampleCount, Self::Average, Self::Sum, Self::Minimum, Self::Maximum];

    /// Reads a statistic in AWS's notation; `None` when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = Self::PLAIN.iter().copied().find(|plain| plain.to_string() == text);
        plain.or_else(|| Extended::parse(text).map(Self::Extended))
    }

    pub fn is_extended(self) -> bool {
        matches!(self, Self::Extended(_))
    }

    /// The statistic of one aggregated period; `None` when it holds no sample, or only statistic sets where the
    /// distribution of the samples is needed.
    pub fn of(self, bucket: &Bucket) -> Option<f64> {
        match self {
            Self::Extended(_) if bucket.totals.is_empty() => None,
            // The ends are known even where statistic sets hide what lies between.
            Self::Extended(Extended::Percentile(percent)) if percent.value == 0.0 => Some(bucket.totals.minimum),
            Self::Extended(Extended::Percentile(percent)) if percent.value == 100.0 => Some(bucket.totals.maximum),
            Self::Extended(extended) => extended.of(&bucket.distribution()?),
            _ => self.of_totals(&bucket.totals),
        }
    }

    /// The same where the distribution is not at hand: `None` for extended statistics.
    pub fn of_totals(self, totals: &Totals) -> Option<f64> {
        if totals.is_empty() {
            return None;
        }
        match self {
            Self::SampleCount => Some(totals.sample_count),
            Self::Average => Some(totals.sum / totals.sample_count),
            Self::Sum => Some(totals.sum),
            Self::Minimum => Some(totals.minimum),
            Self::Maximum => Some(totals.maximum),
            Self::Extended(_) => None,
        }
    }

    /// Below this many samples a percentile is not trustworthy.
    ///
    /// Source: CloudWatch User Guide, "Percentile-based alarms and low data samples": 10/(1-p) from the median up,
    /// 10/p below it.
    pub fn low_sample_count(self) -> Option<f64> {
        let Self::Extended(Extended::Percentile(percent)) = self else { return None };
        let percent = percent.value;
        let tail = if percent >= 50.0 { 100.0 - percent } else { percent };
        // Rounded, because 100 - 99.9 is not exactly 0.1; p0 and p100 never have enough.
        Some((1000.0 / tail * 1e6).round() / 1e6)
    }
}

impl Extended {
    fn parse(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("IQM") {
            return Some(Self::InterquartileMean);
        }
        let digits = text.find(|c: char| !c.is_ascii_alphabetic())?;
        let (letters, rest) = text.split_at(digits);
        let span = || if rest.starts_with('(') { Span::parse(rest) } else { short(rest).map(Span::Short) };
        match letters.to_ascii_lowercase().as_str() {
            "p" => short(rest).map(Self::Percentile),
            "tm" => span().map(Self::TrimmedMean),
            "wm" => span().map(Self::WinsorizedMean),
            "tc" => span().map(Self::TrimmedCount),
            "ts" => span().map(Self::TrimmedSum),
            "pr" => match Span::parse(rest)? {
                Span::Values(bounds) => Some(Self::PercentileRank(bounds)),
                _ => None,
            },
            _ => None,
        }
    }

    /// `samples` are pairs of value and count in the order of their values, and not empty.
    fn of(self, samples: &[(f64, f64)]) -> Option<f64> {
        match self {
            Self::Percentile(percent) => percentile(samples, percent.value),
            Self::TrimmedMean(span) => mean(&span.keep(samples)),
            Self::InterquartileMean => mean(&between_percents(samples, 25.0, 75.0)),
            Self::WinsorizedMean(span) => mean(&span.winsorize(samples)),
            Self::TrimmedCount(span) => Some(total(&span.keep(samples))),
            Self::TrimmedSum(span) => Some(sum(&span.keep(samples))),
            Self::PercentileRank(bounds) => Some(100.0 * total(&bounds.keep(samples)) / total(samples)),
        }
    }
}

/// `99.9` after a `p`: a percentage.
fn short(text: &str) -> Option<Number> {
    Number::parse(text).filter(|percent| is_plain(text) && (0.0..=100.0).contains(&percent.value))
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

impl Span {
    /// Reads `(10%:90%)`, `(:100)`, `(5:)`.
    fn parse(text: &str) -> Option<Self> {
        let (from, to) = text.strip_prefix('(')?.strip_suffix(')')?.split_once(':')?;
        let percents = from.ends_with('%') || to.ends_with('%');
        let end = |text: &str| -> Option<Option<Number>> {
            match (text, text.strip_suffix('%')) {
                ("", _) => Some(None),
                (_, Some(percent)) if percents => Some(Some(short(percent)?)),
                (value, None) if !percents => Some(Some(Number::parse(value)?)),
                _ => None,
            }
        };
        let bounds = Bounds { from: end(from)?, to: end(to)? };
        if bounds.from.is_none() && bounds.to.is_none() {
            return None;
        }
        Some(if percents { Self::Percents(bounds) } else { Self::Values(bounds) })
    }

    fn keep(self, samples: &[(f64, f64)]) -> Vec<(f64, f64)> {
        match self.percents() {
            Ok((from, to)) => between_percents(samples, from, to),
            Err(bounds) => bounds.keep(samples),
        }
    }

    /// What lies outside counts as much as before, with the value at the end.
    fn winsorize(self, samples: &[(f64, f64)]) -> Vec<(f64, f64)> {
        let (low, high) = match self.percents() {
            Ok((from, to)) => (percentile(samples, from), percentile(samples, to)),
            Err(bounds) => (bounds.from.map(|end| end.value), bounds.to.map(|end| end.value)),
        };
        let clamp = |value: f64| value.max(low.unwrap_or(f64::MIN)).min(high.unwrap_or(f64::MAX));
        samples.iter().map(|(value, count)| (clamp(*value), *count)).collect()
    }

    fn percents(self) -> Result<(f64, f64), Bounds> {
        match self {
            Self::Short(percent) => Ok((0.0, percent.value)),
            Self::Percents(bounds) => {
                Ok((bounds.from.map_or(0.0, |end| end.value), bounds.to.map_or(100.0, |end| end.value)))
            }
            Self::Values(bounds) => Err(bounds),
        }
    }
}

impl Bounds {
    /// The lower end is exclusive, the upper one inclusive, as the guide's `PR(:300)` and `TC(0.005:0.030)` read.
    fn keep(self, samples: &[(f64, f64)]) -> Vec<(f64, f64)> {
        let inside =
            |value: f64| self.from.is_none_or(|from| value > from.value) && self.to.is_none_or(|to| value <= to.value);
        samples.iter().copied().filter(|(value, _)| inside(*value)).collect()
    }
}

/// The nearest-rank percentile.
fn percentile(samples: &[(f64, f64)], percent: f64) -> Option<f64> {
    let rank = percent / 100.0 * total(samples);
    let mut seen = 0.0;
    let found = samples.iter().find(|(_, count)| {
        seen += count;
        seen >= rank
    });
    found.or(samples.last()).map(|(value, _)| *value)
}

/// The samples ranked between two percentages; counts at the ends are split.
fn between_percents(samples: &[(f64, f64)], from: f64, to: f64) -> Vec<(f64, f64)> {
    let all = total(samples);
    let (low, high) = (from / 100.0 * all, to / 100.0 * all);
    let mut seen = 0.0;
    let mut kept = Vec::new();
    for (value, count) in samples {
        let part = (seen + count).min(high) - f64::max(seen, low);
        if part > 0.0 {
            kept.push((*value, part));
        }
        seen += count;
    }
    kept
}

fn total(samples: &[(f64, f64)]) -> f64 {
    samples.iter().map(|(_, count)| count).sum()
}

fn sum(samples: &[(f64, f64)]) -> f64 {
    samples.iter().map(|(value, count)| value * count).sum()
}

fn mean(samples: &[(f64, f64)]) -> Option<f64> {
    let count = total(samples);
    (count > 0.0).then(|| sum(samples) / count)
}

impl std::fmt::Display for Statistic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::SampleCount => f.write_str("SampleCount"),
            Self::Average => f.write_str("Average"),
            Self::Sum => f.write_str("Sum"),
            Self::Minimum => f.write_str("Minimum"),
            Self::Maximum => f.write_str("Maximum"),
            Self::Extended(extended) => write!(f, "{extended}"),
        }
    }
}

impl std::fmt::Display for Extended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, span) = match self {
            Self::InterquartileMean => return f.write_str("IQM"),
            Self::Percentile(percent) => return write!(f, "p{percent}"),
            Self::TrimmedMean(span) => ("tm", *span),
            Self::WinsorizedMean(span) => ("wm", *span),
            Self::TrimmedCount(span) => ("tc", *span),
            Self::TrimmedSum(span) => ("ts", *span),
            Self::PercentileRank(bounds) => ("pr", Span::Values(*bounds)),
        };
        let end = |end: Option<Number>, sign: &str| end.map_or(String::new(), |end| format!("{end}{sign}"));
        match span {
            Span::Short(percent) => write!(f, "{name}{percent}"),
            Span::Percents(b) => write!(f, "{}({}:{})", name.to_uppercase(), end(b.from, "%"), end(b.to, "%")),
            Span::Values(b) => write!(f, "{}({}:{})", name.to_uppercase(), end(b.from, ""), end(b.to, "")),
        }
    }
}

impl TryFrom<String> for Statistic {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("`{text}` is not a statistic"))
    }
}

impl From<Statistic> for String {
    fn from(statistic: Statistic) -> Self {
        statistic.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::metrics::Values;

    #[test]
    fn statistics_print_as_they_were_written() {
        let all = "SampleCount Average Sum Minimum Maximum p90 p99.9 p88.0 p0.0 tm99 wm80.5 tc90 ts90 IQM TM(10%:90%) \
                   WM(:95%) TC(0.005:0.030) TS(80%:) PR(:300) PR(5:10)";
        for text in all.split_whitespace() {
            assert_eq!(Statistic::parse(text).map(|s| s.to_string()).as_deref(), Some(text));
        }
    }

    #[test]
    fn what_is_no_statistic_is_refused() {
        for text in
            ["", "average", "p", "p101", "p-1", "tm", "TM()", "TM(:)", "TM(10%:90)", "PR(10%:90%)", "x9", "pNaN"]
        {
            assert_eq!(Statistic::parse(text), None, "{text}");
        }
    }

    /// Source: CloudWatch User Guide, "Percentile-based alarms and low data samples".
    #[test]
    fn a_percentile_needs_ten_samples_in_its_tail() {
        for (statistic, least) in [("p99", 1000.0), ("p90", 100.0), ("p50", 20.0), ("p25", 40.0), ("p99.9", 10_000.0)] {
            assert_eq!(Statistic::parse(statistic).unwrap().low_sample_count(), Some(least), "{statistic}");
        }
        assert_eq!(Statistic::Average.low_sample_count(), None);
    }

    #[test]
    fn extended_statistics_of_one_to_ten() {
        let mut bucket = Bucket::default();
        bucket.add(&Values::Counted((1..=10).map(|v| (f64::from(v), 1.0)).collect()));
        for (statistic, value) in [
            ("p90", 9.0),
            ("p100", 10.0),
            ("p0", 1.0),
            ("TM(20%:80%)", 5.5),
            ("tm80", 4.5),
            ("TC(2:5)", 3.0),
            ("TS(2:5)", 12.0),
            ("PR(:5)", 50.0),
            ("IQM", 5.5),
            ("WM(:5)", 4.0),
        ] {
            assert_eq!(Statistic::parse(statistic).unwrap().of(&bucket), Some(value), "{statistic}");
        }
    }

    #[test]
    fn a_statistic_set_has_no_percentiles_unless_its_samples_are_equal() {
        let p50 = Statistic::parse("p50").unwrap();
        let of = |minimum, maximum| {
            let mut bucket = Bucket::default();
            bucket.add(&Values::Set { sample_count: 2.0, sum: 10.0, minimum, maximum });
            p50.of(&bucket)
        };
        assert_eq!(of(4.0, 6.0), None);
        assert_eq!(of(5.0, 5.0), Some(5.0));
    }
}
