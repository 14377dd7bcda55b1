//! The samples of one stretch of time, aggregated. Start at [`Bucket`].

use serde::{Deserialize, Serialize};

use super::Values;

/// Distinct values kept per bucket before close ones are taken as one.
///
/// AWS keeps a compressed distribution as well (its format is not published); a thousand values cost 16 KiB.
const DISTINCT_VALUES: usize = 1024;

/// How many low bits of the mantissa go when values are merged: what remains is exact to 0.1 %.
const MERGED_BITS: u32 = 42;

/// What the five plain statistics can be computed from.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Totals {
    pub sample_count: f64,
    pub sum: f64,
    pub minimum: f64,
    pub maximum: f64,
}

/// What all statistics of a stretch of time can be computed from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Bucket {
    pub totals: Totals,
    /// How the samples spread, unless they are all equal.
    #[serde(default, skip_serializing_if = "Spread::is_equal")]
    spread: Spread,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
enum Spread {
    /// All samples have one value.
    #[default]
    Equal,
    /// Pairs of value and count in the order of the values.
    Values(Vec<(f64, f64)>),
    /// A statistic set does not say.
    Unknown,
}

impl Spread {
    fn is_equal(&self) -> bool {
        matches!(self, Self::Equal)
    }
}

impl Totals {
    pub fn is_empty(&self) -> bool {
        self.sample_count <= 0.0
    }

    pub fn merge(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        if self.is_empty() {
            *self = *other;
            return;
        }
        self.sample_count += other.sample_count;
        self.sum += other.sum;
        self.minimum = self.minimum.min(other.minimum);
        self.maximum = self.maximum.max(other.maximum);
    }
}

impl Bucket {
    /// One sample.
    pub fn one(value: f64) -> Self {
        Self::equal(value, 1.0)
    }

    fn equal(value: f64, count: f64) -> Self {
        let totals = Totals { sample_count: count, sum: value * count, minimum: value, maximum: value };
        Self { totals, spread: Spread::Equal }
    }

    /// Takes in one datum.
    pub fn add(&mut self, values: &Values) {
        match *values {
            Values::Counted(ref pairs) => {
                pairs.iter().for_each(|(value, count)| self.merge(&Self::equal(*value, *count)))
            }
            Values::Set { sample_count, sum, minimum, maximum } => self.merge(&Self {
                totals: Totals { sample_count, sum, minimum, maximum },
                spread: if minimum == maximum { Spread::Equal } else { Spread::Unknown },
            }),
        }
    }

    /// Takes in another bucket.
    pub fn merge(&mut self, other: &Self) {
        if other.totals.is_empty() {
            return;
        }
        if self.totals.is_empty() {
            *self = other.clone();
            return;
        }
        self.merge_spread(other);
        self.totals.merge(&other.totals);
    }

    fn merge_spread(&mut self, other: &Self) {
        let equal = self.spread.is_equal() && other.spread.is_equal() && self.totals.minimum == other.totals.minimum;
        if equal {
            return;
        }
        let alone = [(other.totals.minimum, other.totals.sample_count)];
        let theirs: Option<&[(f64, f64)]> = match &other.spread {
            Spread::Equal => Some(&alone),
            Spread::Values(pairs) => Some(pairs),
            Spread::Unknown => None,
        };
        let (Some(mut mine), Some(theirs)) = (self.take_distribution(), theirs) else {
            self.spread = Spread::Unknown;
            return;
        };
        for &(value, count) in theirs {
            match mine.binary_search_by(|(other, _)| other.total_cmp(&value)) {
                Ok(at) => mine[at].1 += count,
                Err(at) => mine.insert(at, (value, count)),
            }
        }
        if mine.len() > DISTINCT_VALUES {
            mine = merge_close(&mine);
        }
        self.spread = Spread::Values(mine);
    }

    fn take_distribution(&mut self) -> Option<Vec<(f64, f64)>> {
        match std::mem::take(&mut self.spread) {
            Spread::Equal => Some(vec![(self.totals.minimum, self.totals.sample_count)]),
            Spread::Values(pairs) => Some(pairs),
            Spread::Unknown => None,
        }
    }

    /// Pairs of value and count in the order of the values; `None` when statistic sets hide them.
    pub fn distribution(&self) -> Option<Vec<(f64, f64)>> {
        self.clone().take_distribution()
    }
}

fn merge_close(pairs: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut merged: Vec<(f64, f64)> = Vec::with_capacity(pairs.len());
    for &(value, count) in pairs {
        match merged.last_mut() {
            Some(last) if last.0.to_bits() >> MERGED_BITS == value.to_bits() >> MERGED_BITS => last.1 += count,
            _ => merged.push((value, count)),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_values_are_kept_to_a_tenth_of_a_percent() {
        let mut bucket = Bucket::default();
        for i in 0..10_000_u32 {
            bucket.merge(&Bucket::one(f64::from(i) / 100.0));
        }
        let kept = bucket.distribution().unwrap();
        assert!(kept.len() < 7_000, "{}", kept.len());
        assert_eq!(kept.iter().map(|(_, count)| count).sum::<f64>(), 10_000.0);
        let median = super::super::Statistic::parse("p50").unwrap().of(&bucket).unwrap();
        assert!((median - 50.0).abs() < 0.05, "{median}");
    }
}
