//! Metric samples by identity and time, and the statistics that alarms and queries read.
//! Start at [`Metrics`]; leaves out alarms and who may publish.

pub mod bucket;
pub mod math;
pub mod publish;
pub mod query;
pub mod series;
pub mod statistic;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use bucket::{Bucket, Totals};
pub use series::Resolution;
pub use statistic::Statistic;

use crate::clock::Timestamp;
use series::Lane;

/// What CloudWatch calls the unit of data that came without one.
pub const NO_UNIT: &str = "None";

/// Nearly all queries are about so many slots at most; those need no memory of their own.
pub const FEW_SLOTS: usize = 16;

/// How long ListMetrics shows a metric after its last datum.
///
/// Source: CloudWatch API Reference, ListMetrics.
const LISTED_FOR: Duration = Duration::from_secs(14 * 24 * 3600);

/// A metric's identity: the dimension set is part of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct MetricKey {
    pub namespace: String,
    pub name: String,
    pub dimensions: BTreeMap<String, String>,
}

/// One metric, aggregated over periods.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricStat {
    pub key: MetricKey,
    pub statistic: Statistic,
    pub period_secs: u32,
    /// Only data published with this unit counts; `None` takes all.
    pub unit: Option<String>,
}

impl MetricStat {
    /// The data points of `grid`, oldest first.
    pub fn read(&self, metrics: &Metrics, grid: Grid<'_>) -> Vec<Point> {
        let mut points = Vec::new();
        match grid {
            Grid::Even(slots) => self.read_into(metrics, slots, &mut points),
            Grid::Uneven(periods) => {
                let mut one = Vec::new();
                for period in periods {
                    let period_secs = u32::try_from(period.end.as_secs() - period.start.as_secs()).unwrap_or(0);
                    self.read_into(metrics, Slots { first: period.start, period_secs, count: 1 }, &mut one);
                    points.append(&mut one);
                }
            }
        }
        points
    }

    fn read_into(&self, metrics: &Metrics, slots: Slots, points: &mut Vec<Point>) {
        match metrics.find(&self.key) {
            Some(id) => metrics.read(id, self.unit.as_deref(), self.statistic, slots, points),
            None => slots.without_data(points),
        }
    }
}

/// What one PutMetricData datum says: a value and how often it occurred, or a statistic set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    pub unit: Option<String>,
    pub values: Values,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Values {
    /// Pairs of value and count.
    Counted(Vec<(f64, f64)>),
    Set {
        sample_count: f64,
        sum: f64,
        minimum: f64,
        maximum: f64,
    },
}

impl Sample {
    /// A single value.
    pub fn one(value: f64, unit: &str) -> Self {
        Self { unit: Some(unit.to_string()), values: Values::Counted(vec![(value, 1.0)]) }
    }
}

/// Consecutive stretches of time of one length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slots {
    /// Where the oldest begins. A datum stamped t belongs to the slot with start ≤ t < start + period.
    pub first: Timestamp,
    pub period_secs: u32,
    pub count: u32,
}

impl Slots {
    pub fn period(self) -> Duration {
        Duration::from_secs(u64::from(self.period_secs))
    }

    /// Oldest first.
    pub fn starts(self) -> impl Iterator<Item = Timestamp> {
        let (first, period) = (self.first.as_millis(), i64::from(self.period_secs) * 1000);
        (0..i64::from(self.count)).map(move |n| Timestamp::from_millis(first + n * period))
    }

    /// Fills `points` with nothing measured.
    pub fn without_data(self, points: &mut Vec<Point>) {
        points.clear();
        points.extend(self.starts().map(|start| Point { start, value: None, sample_count: 0.0 }));
    }
}

/// The stretches of time that a query asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Grid<'a> {
    Even(Slots),
    /// Days and weeks of a clock, which are not all of one length; oldest first.
    Uneven(&'a [Range<Timestamp>]),
}

impl Grid<'_> {
    pub fn count(self) -> usize {
        match self {
            Self::Even(slots) => slots.count as usize,
            Self::Uneven(periods) => periods.len(),
        }
    }

    /// Where each begins, oldest first.
    pub fn starts(self) -> Vec<Timestamp> {
        match self {
            Self::Even(slots) => slots.starts().collect(),
            Self::Uneven(periods) => periods.iter().map(|period| period.start).collect(),
        }
    }
}

/// One statistic of one slot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub start: Timestamp,
    /// `None` when nothing was measured.
    pub value: Option<f64>,
    pub sample_count: f64,
}

/// A metric's place in [`Metrics`], good for as long as the value that gave it out. Saves the search by key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricId(usize);

/// All stored data.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Series>", into = "Vec<Series>")]
pub struct Metrics {
    ids: BTreeMap<MetricKey, MetricId>,
    series: Vec<Series>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Series {
    key: MetricKey,
    /// By unit; nearly always one.
    lanes: Vec<(String, Lane)>,
}

impl From<Vec<Series>> for Metrics {
    fn from(series: Vec<Series>) -> Self {
        let ids = series.iter().enumerate().map(|(at, series)| (series.key.clone(), MetricId(at))).collect();
        Self { ids, series }
    }
}

impl From<Metrics> for Vec<Series> {
    fn from(mut metrics: Metrics) -> Self {
        // By key, so that a dump does not tell in which order the metrics were first seen.
        metrics.series.sort_by(|a, b| a.key.cmp(&b.key));
        metrics.series
    }
}

impl Metrics {
    /// Stores one datum at the resolution of a minute.
    pub fn record(&mut self, key: MetricKey, at: Timestamp, sample: Sample) {
        self.record_at(&key, at, &sample, Resolution::Standard);
    }

    pub fn record_at(&mut self, key: &MetricKey, at: Timestamp, sample: &Sample, resolution: Resolution) {
        let mut bucket = Bucket::default();
        bucket.add(&sample.values);
        let id = self.intern(key);
        self.record_bucket(id, at, sample.unit.as_deref().unwrap_or(NO_UNIT), resolution, &bucket);
    }

    /// The id of a metric, whether or not it has data yet.
    pub fn intern(&mut self, key: &MetricKey) -> MetricId {
        let next = MetricId(self.series.len());
        match self.ids.get(key) {
            Some(id) => *id,
            None => {
                self.series.push(Series { key: key.clone(), lanes: Vec::new() });
                self.ids.insert(key.clone(), next);
                next
            }
        }
    }

    /// Stores a bucket without looking for the metric by its key.
    pub fn record_bucket(&mut self, id: MetricId, at: Timestamp, unit: &str, resolution: Resolution, bucket: &Bucket) {
        let lanes = &mut self.series[id.0].lanes;
        let lane = match lanes.iter().position(|(other, _)| other == unit) {
            Some(at) => &mut lanes[at].1,
            None => {
                lanes.push((unit.to_string(), Lane::default()));
                lanes.sort_by(|a, b| a.0.cmp(&b.0));
                let at = lanes.partition_point(|(other, _)| other.as_str() < unit);
                &mut lanes[at].1
            }
        };
        lane.record(at, resolution, bucket);
    }

    /// Drops what is older than `at`, for a driver that knows that nobody asks for it any more.
    pub fn forget_before(&mut self, at: Timestamp) {
        let lanes = self.series.iter_mut().flat_map(|series| &mut series.lanes);
        lanes.for_each(|(_, lane)| lane.forget_before(at.as_secs()));
    }

    pub fn find(&self, key: &MetricKey) -> Option<MetricId> {
        self.ids.get(key).copied()
    }

    /// Everything stored within `span`, of one unit or of all.
    pub fn aggregate(&self, id: MetricId, unit: Option<&str>, span: Range<Timestamp>) -> Bucket {
        let mut bucket = Bucket::default();
        let seconds = span.start.as_secs()..span.end.as_secs();
        self.lanes(id, unit).for_each(|lane| lane.visit(&seconds, |_, other| bucket.merge(other)));
        bucket
    }

    /// Fills `points` with one statistic of `slots`, oldest first. This is what alarms spend their time on.
    pub fn read(&self, id: MetricId, unit: Option<&str>, statistic: Statistic, slots: Slots, points: &mut Vec<Point>) {
        points.clear();
        if statistic.is_extended() {
            points.extend(slots.starts().map(|start| {
                let bucket = self.aggregate(id, unit, start..start + slots.period());
                Point { start, value: statistic.of(&bucket), sample_count: bucket.totals.sample_count }
            }));
            return;
        }
        let (mut few, mut many) = ([Totals::default(); FEW_SLOTS], Vec::new());
        let count = slots.count as usize;
        let all = if count <= FEW_SLOTS {
            &mut few[..count]
        } else {
            many.resize(count, Totals::default());
            &mut many[..]
        };
        self.totals(id, unit, slots, all);
        points.extend(slots.starts().zip(all).map(|(start, totals)| Point {
            start,
            value: statistic.of_totals(totals),
            sample_count: totals.sample_count,
        }));
    }

    /// Adds what was measured in `slots` to `all`, oldest first.
    pub fn totals(&self, id: MetricId, unit: Option<&str>, slots: Slots, all: &mut [Totals]) {
        let (first, period) = (slots.first.as_secs(), i64::from(slots.period_secs));
        let seconds = first..first + period * i64::from(slots.count);
        for lane in self.lanes(id, unit) {
            let (mut place, mut start) = (all.len(), seconds.end);
            lane.visit(&seconds, |second, bucket| {
                // Buckets come from the newest to the oldest, each resolution from its newest on.
                if second >= start + period {
                    (place, start) = (all.len(), seconds.end);
                }
                while second < start {
                    place -= 1;
                    start -= period;
                }
                all[place].merge(&bucket.totals);
            });
        }
    }

    fn lanes(&self, id: MetricId, unit: Option<&str>) -> impl Iterator<Item = &Lane> {
        let lanes = self.series[id.0].lanes.iter();
        lanes.filter(move |(other, _)| unit.is_none_or(|unit| unit == other)).map(|(_, lane)| lane)
    }

    /// The units that a metric has data in, in their order.
    pub fn units(&self, id: MetricId) -> impl Iterator<Item = &str> {
        self.series[id.0].lanes.iter().map(|(unit, _)| unit.as_str())
    }

    /// Metrics that have data younger than two weeks, by key, each with the instant of its newest datum.
    pub fn listed(&self, now: Timestamp) -> impl Iterator<Item = (&MetricKey, Timestamp)> {
        self.ids.iter().filter_map(move |(key, id)| {
            let newest = self.series[id.0].lanes.iter().filter_map(|(_, lane)| lane.newest()).max()?;
            let newest = Timestamp::from_secs(newest);
            (newest + LISTED_FOR >= now).then_some((key, newest))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(dimensions: &[(&str, &str)]) -> MetricKey {
        MetricKey {
            namespace: "Shop".into(),
            name: "Latency".into(),
            dimensions: dimensions.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
        }
    }

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    /// Source: CloudWatch User Guide, "Publish custom metrics": 2, 4 and 5 within a minute.
    #[test]
    fn a_minute_aggregates_what_was_published_in_it() {
        let mut metrics = Metrics::default();
        for (second, value) in [(43_200, 2.0), (43_201, 4.0), (43_202, 5.0)] {
            metrics.record(key(&[]), at(second), Sample::one(value, "Count"));
        }
        let minute = metrics.aggregate(metrics.find(&key(&[])).unwrap(), None, at(43_200)..at(43_260));
        let of = |statistic: Statistic| statistic.of(&minute).unwrap();
        assert_eq!(Statistic::PLAIN.iter().map(|s| of(*s)).collect::<Vec<_>>(), [3.0, 11.0 / 3.0, 11.0, 2.0, 5.0]);
    }

    #[test]
    fn another_dimension_set_is_another_metric() {
        let mut metrics = Metrics::default();
        metrics.record(key(&[("Server", "Prod"), ("Domain", "Rio")]), at(0), Sample::one(1.0, "Count"));
        assert_eq!(metrics.find(&key(&[("Server", "Prod")])), None);
    }

    #[test]
    fn a_wrong_unit_finds_nothing_and_no_unit_finds_all() {
        let mut metrics = Metrics::default();
        metrics.record(key(&[]), at(0), Sample::one(1.0, "Seconds"));
        metrics.record(key(&[]), at(0), Sample { unit: None, values: Values::Counted(vec![(2.0, 3.0)]) });
        let id = metrics.find(&key(&[])).unwrap();
        let count = |unit| metrics.aggregate(id, unit, at(0)..at(60)).totals.sample_count;
        assert_eq!(
            (count(Some("Bytes")), count(Some("Seconds")), count(Some("None")), count(None)),
            (0.0, 1.0, 3.0, 4.0)
        );
        assert_eq!(metrics.units(id).collect::<Vec<_>>(), ["None", "Seconds"]);
    }

    #[test]
    fn a_dump_brings_everything_back() {
        let mut metrics = Metrics::default();
        metrics.record(key(&[("b", "1")]), at(0), Sample::one(1.0, "Seconds"));
        metrics.record(key(&[("a", "1")]), at(60), Sample::one(2.0, "Seconds"));
        let text = serde_json::to_string(&metrics).unwrap();
        let back: Metrics = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&back).unwrap(), text);
        let id = back.find(&key(&[("a", "1")])).unwrap();
        assert_eq!(back.aggregate(id, None, at(60)..at(120)).totals.sum, 2.0);
    }

    #[test]
    fn a_metric_leaves_the_list_two_weeks_after_its_last_datum() {
        let mut metrics = Metrics::default();
        metrics.record(key(&[]), at(0), Sample::one(1.0, "Seconds"));
        assert_eq!(metrics.listed(at(14 * 86_400)).count(), 1);
        assert_eq!(metrics.listed(at(14 * 86_400 + 1)).count(), 0);
    }
}
