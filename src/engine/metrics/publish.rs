//! What PutMetricData accepts. Start at [`Datum`].

use std::time::Duration;

use super::{MetricKey, Resolution, Sample, Values};
use crate::clock::Timestamp;
use crate::engine::alarms::reason::java_double;
use crate::engine::{Refusal, World};

const DATUMS_PER_CALL: usize = 1000;
const VALUES_PER_DATUM: usize = 150;
const DIMENSIONS: usize = 30;
const OLDEST: Duration = Duration::from_secs(14 * 24 * 3600);
const NEWEST: Duration = Duration::from_secs(2 * 3600);

/// 2^360, the largest magnitude of a value.
const LARGEST: f64 = 2.348_542_582_773_833_3e108;

/// One datum as it came in; nothing is checked yet.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Datum {
    pub name: String,
    pub dimensions: Vec<(String, String)>,
    /// Now, when absent.
    pub at: Option<Timestamp>,
    pub value: Option<f64>,
    pub statistic_values: Option<StatisticSet>,
    pub values: Vec<f64>,
    pub counts: Vec<f64>,
    pub unit: Option<String>,
    pub storage_resolution: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct StatisticSet {
    pub sample_count: f64,
    pub sum: f64,
    pub minimum: f64,
    pub maximum: f64,
}

/// A datum that may be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Publication {
    pub key: MetricKey,
    pub at: Timestamp,
    pub sample: Sample,
    pub resolution: Resolution,
}

impl World {
    /// Stores data of one namespace: all of them or, if one is not acceptable, none.
    ///
    /// # Errors
    /// The error AWS answers with, naming the datum by its position.
    pub fn put_metric_data(&mut self, now: Timestamp, namespace: &str, data: Vec<Datum>) -> Result<(), Refusal> {
        for publication in check_all(now, namespace, data)? {
            let Publication { key, at, sample, resolution } = publication;
            self.store(now, &key, at, sample, resolution);
        }
        Ok(())
    }
}

/// Checks the data of one call. Texts recorded from AWS.
pub fn check_all(now: Timestamp, namespace: &str, data: Vec<Datum>) -> Result<Vec<Publication>, Refusal> {
    if namespace.starts_with("AWS/") {
        return Err(invalid("The value AWS/ for parameter Namespace is invalid."));
    }
    if data.is_empty() {
        let text = "At least one MetricDatum object must be present in the request.";
        return Err(Refusal::new("MissingParameter", 400, text));
    }
    if data.len() > DATUMS_PER_CALL {
        return Err(invalid(format!("The collection MetricData must not have a size greater than {DATUMS_PER_CALL}.")));
    }
    let numbered = data.into_iter().enumerate();
    numbered.map(|(at, datum)| datum.check(now, namespace, &format!("MetricData.member.{}", at + 1))).collect()
}

impl Datum {
    fn check(self, now: Timestamp, namespace: &str, member: &str) -> Result<Publication, Refusal> {
        let values = self.checked_values(member)?;
        let at = checked_time(self.at.unwrap_or(now), now, member)?;
        let resolution = match self.storage_resolution {
            None | Some(60) => Resolution::Standard,
            Some(1) => Resolution::High,
            Some(_) => {
                let text = format!("The parameter {member}.StorageResolution must be a value in the set [ 1, 60 ].");
                return Err(invalid(text));
            }
        };
        let key = MetricKey { namespace: namespace.into(), name: self.name, dimensions: set(self.dimensions, member)? };
        Ok(Publication { key, at, sample: Sample { unit: self.unit, values }, resolution })
    }

    fn checked_values(&self, member: &str) -> Result<Values, Refusal> {
        let exclusive = |one: &str, other: &str| {
            combination(format!(
                "The parameters {member}.{one} and {member}.{other} are mutually exclusive and you have specified both."
            ))
        };
        match (self.value, self.values.is_empty(), self.statistic_values) {
            (Some(_), false, _) => Err(exclusive("Value", "Values")),
            (Some(_), _, Some(_)) => Err(exclusive("Value", "StatisticValues")),
            (Some(value), ..) => {
                check_number(value, &format!("{member}.Value"))?;
                Ok(Values::Counted(vec![(value, 1.0)]))
            }
            // AWS takes values together with a set (recorded); which of them it keeps is not, and was chosen.
            (None, false, _) => self.counted(member),
            (None, true, Some(set)) => set.checked(&format!("{member}.StatisticValues")),
            (None, true, None) if self.counts.is_empty() => {
                Err(combination("At least one of the parameters must be specified."))
            }
            (None, true, None) => {
                Err(combination("The parameter values must appears when the counts parameter is specified."))
            }
        }
    }

    fn counted(&self, member: &str) -> Result<Values, Refusal> {
        if self.values.len() > VALUES_PER_DATUM {
            let text = format!("The collection {member}.Values must not have a size greater than {VALUES_PER_DATUM}.");
            return Err(invalid(text));
        }
        if !self.counts.is_empty() && self.counts.len() != self.values.len() {
            let text = format!("The parameters {member}.Values and {member}.Counts must be of the same size.");
            return Err(invalid(text));
        }
        if self.counts.iter().any(|count| !count.is_finite() || *count < 0.0) {
            return Err(invalid(format!("The parameter {member}.Counts must contain only values greater than 0.")));
        }
        for (at, value) in self.values.iter().enumerate() {
            check_number(*value, &format!("{member}.Values.member.{}", at + 1))?;
        }
        let counts = self.counts.iter().copied().chain(std::iter::repeat(1.0));
        Ok(Values::Counted(self.values.iter().copied().zip(counts).filter(|(_, count)| *count > 0.0).collect()))
    }
}

impl StatisticSet {
    /// AWS does not check that the sum fits to the other three.
    fn checked(self, member: &str) -> Result<Values, Refusal> {
        let Self { sample_count, sum, minimum, maximum } = self;
        for (value, name) in [(sum, "Sum"), (minimum, "Minimum"), (maximum, "Maximum"), (sample_count, "SampleCount")] {
            check_number(value, &format!("{member}.{name}"))?;
        }
        if sample_count <= 0.0 {
            return Err(invalid(format!("The parameter {member}.SampleCount must be greater than 0.")));
        }
        if minimum > maximum {
            return Err(invalid(format!("The parameter {member}.Maximum must be greater than {member}.Minimum.")));
        }
        Ok(Values::Set { sample_count, sum, minimum, maximum })
    }
}

fn check_number(value: f64, parameter: &str) -> Result<(), Refusal> {
    if value.abs() <= LARGEST {
        return Ok(());
    }
    Err(invalid(format!("The value {} for parameter {parameter} is invalid.", java_double(value))))
}

fn checked_time(at: Timestamp, now: Timestamp, member: &str) -> Result<Timestamp, Refusal> {
    if at + OLDEST < now {
        let text = format!("The parameter {member}.Timestamp must specify a time within the past two weeks.");
        return Err(invalid(text));
    }
    if at > now + NEWEST {
        let text =
            format!("The parameter {member}.Timestamp must specify a time no more than two hours in the future.");
        return Err(invalid(text));
    }
    Ok(at)
}

fn set(dimensions: Vec<(String, String)>, member: &str) -> Result<std::collections::BTreeMap<String, String>, Refusal> {
    if dimensions.len() > DIMENSIONS {
        let text = format!("The collection {member}.Dimensions must not have a size greater than {DIMENSIONS}.");
        return Err(invalid(text));
    }
    let count = dimensions.len();
    let set: std::collections::BTreeMap<String, String> = dimensions.into_iter().collect();
    if set.len() < count {
        return Err(invalid("No metric may specify the same dimension name twice."));
    }
    Ok(set)
}

fn invalid(text: impl Into<String>) -> Refusal {
    Refusal::new("InvalidParameterValue", 400, text)
}

fn combination(text: impl Into<String>) -> Refusal {
    Refusal::new("InvalidParameterCombination", 400, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_789_348_480);

    fn datum() -> Datum {
        Datum { name: "Latency".into(), ..Datum::default() }
    }

    fn check(datum: Datum, expected: Result<Values, &str>) {
        let answer = check_all(NOW, "Shop", vec![datum]).map(|mut all| all.remove(0).sample.values);
        assert_eq!(
            answer.as_ref().map_err(|refusal| refusal.message.as_str()),
            expected.as_ref().map_err(|text| *text)
        );
    }

    #[test]
    fn a_datum_says_its_values_in_one_of_three_ways() {
        let stats = StatisticSet { sample_count: 3.0, sum: 21.0, minimum: 7.0, maximum: 7.0 };
        let set = Values::Set { sample_count: 3.0, sum: 21.0, minimum: 7.0, maximum: 7.0 };
        check(Datum { value: Some(2.0), ..datum() }, Ok(Values::Counted(vec![(2.0, 1.0)])));
        check(Datum { statistic_values: Some(stats), ..datum() }, Ok(set));
        // Recorded from AWS in 2025: no refusal.
        let both = Datum { values: vec![2.0], statistic_values: Some(stats), ..datum() };
        check(both, Ok(Values::Counted(vec![(2.0, 1.0)])));
        check(Datum { values: vec![2.0, 4.0], ..datum() }, Ok(Values::Counted(vec![(2.0, 1.0), (4.0, 1.0)])));
        check(
            Datum { values: vec![2.0, 10.0], counts: vec![0.0, 1.5], ..datum() },
            Ok(Values::Counted(vec![(10.0, 1.5)])),
        );
    }

    /// Texts recorded from AWS.
    #[test]
    fn what_is_not_acceptable_is_named() {
        let stats = StatisticSet { sample_count: 1.0, sum: 1.0, minimum: 1.0, maximum: 1.0 };
        for (bad, text) in [
            (datum(), "At least one of the parameters must be specified."),
            (
                Datum { value: Some(1.0), values: vec![2.0], ..datum() },
                "The parameters MetricData.member.1.Value and MetricData.member.1.Values are mutually exclusive and you \
                 have specified both.",
            ),
            (
                Datum { value: Some(1.0), statistic_values: Some(stats), ..datum() },
                "The parameters MetricData.member.1.Value and MetricData.member.1.StatisticValues are mutually exclusive \
                 and you have specified both.",
            ),
            (
                Datum { counts: vec![1.0], ..datum() },
                "The parameter values must appears when the counts parameter is specified.",
            ),
            (
                Datum { values: vec![1.0, 2.0], counts: vec![1.0], ..datum() },
                "The parameters MetricData.member.1.Values and MetricData.member.1.Counts must be of the same size.",
            ),
            (
                Datum { values: vec![1.0], counts: vec![-1.0], ..datum() },
                "The parameter MetricData.member.1.Counts must contain only values greater than 0.",
            ),
            (
                Datum { statistic_values: Some(StatisticSet { sample_count: 0.0, ..stats }), ..datum() },
                "The parameter MetricData.member.1.StatisticValues.SampleCount must be greater than 0.",
            ),
            (
                Datum { value: Some(1.0), storage_resolution: Some(2), ..datum() },
                "The parameter MetricData.member.1.StorageResolution must be a value in the set [ 1, 60 ].",
            ),
            (
                Datum { value: Some(4.697_085_165_547_666_5e108), ..datum() },
                "The value 4.6970851655476665E108 for parameter MetricData.member.1.Value is invalid.",
            ),
            (
                Datum { value: Some(f64::NAN), ..datum() },
                "The value NaN for parameter MetricData.member.1.Value is invalid.",
            ),
            (
                Datum {
                    value: Some(1.0),
                    dimensions: vec![("A".into(), "1".into()), ("A".into(), "1".into())],
                    ..datum()
                },
                "No metric may specify the same dimension name twice.",
            ),
            (
                Datum { value: Some(1.0), at: Some(NOW - Duration::from_secs(15 * 86_400)), ..datum() },
                "The parameter MetricData.member.1.Timestamp must specify a time within the past two weeks.",
            ),
            (
                Datum { value: Some(1.0), at: Some(NOW + Duration::from_secs(3 * 3600)), ..datum() },
                "The parameter MetricData.member.1.Timestamp must specify a time no more than two hours in the future.",
            ),
        ] {
            check(bad, Err(text));
        }
    }

    #[test]
    fn a_call_has_one_to_a_thousand_data_outside_of_awss_namespaces() {
        let good = Datum { value: Some(1.0), ..datum() };
        let answer = |namespace: &str, count| {
            check_all(NOW, namespace, vec![good.clone(); count]).map(|all| all.len()).map_err(|refusal| refusal.code)
        };
        assert_eq!(answer("Shop", 1000), Ok(1000));
        assert_eq!(answer("Shop", 1001), Err("InvalidParameterValue".into()));
        assert_eq!(answer("Shop", 0), Err("MissingParameter".into()));
        assert_eq!(answer("AWS/EC2", 1), Err("InvalidParameterValue".into()));
    }
}
