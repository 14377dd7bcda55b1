//! What a simulation came to, in a value that text and JSON are made from. Start at [`Summary`].
//!
//! [`Watcher`] adds it up while the simulation runs and keeps no samples, so that a year takes no more memory than a day.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::price;
use super::record::{Event, Happening, MachineKind, Observer, Sample};
use crate::clock::Timestamp;
use crate::engine::alarms::AlarmState;
use crate::engine::groups::credits::Burstable;
use crate::engine::groups::timing::BOOT;
use crate::engine::names::InstanceId;
use crate::model::{Slo, Stack};

/// What counts when the spec promises nothing: nobody waits longer than ten times what a request takes. In this model
/// that is a utilisation of 90 %, of what a machine that is held to its baseline can do too.
pub fn default_slo(stack: &Stack) -> Slo {
    Slo { latency_ms: Some(stack.load.service_time_ms * 10.0), cpu: None, minutes_over: 0.0 }
}

/// Instants that are listed of one alarm, and changes that are listed of a group; all of them are counted.
const MOST_LISTED: usize = 20;

/// Source: EC2 pricing, "per-second billing": a minute at least.
const LEAST_BILLED: Duration = Duration::from_secs(60);

const DAY_MINUTES: f64 = 1440.0;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    pub seed: u64,
    pub start: Timestamp,
    pub end: Timestamp,
    /// In the order of the spec.
    pub alarms: Vec<AlarmSummary>,
    pub group: GroupSummary,
    pub objective: ObjectiveSummary,
    pub load: LoadSummary,
    /// Absent for machines without CPU credits.
    pub credits: Option<CreditSummary>,
    pub cost: CostSummary,
    /// Messages by topic.
    pub notices: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AlarmSummary {
    pub alarm: String,
    /// How often it went to ALARM.
    pub fired: u64,
    /// The first times.
    pub fired_at: Vec<Timestamp>,
    pub minutes_in_alarm: f64,
    pub state_at_end: AlarmState,
}

impl AlarmSummary {
    fn quiet(alarm: &str) -> Self {
        Self {
            alarm: alarm.to_owned(),
            fired: 0,
            fired_at: Vec::new(),
            minutes_in_alarm: 0.0,
            state_at_end: AlarmState::InsufficientData,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupSummary {
    pub least_desired: u32,
    pub most_desired: u32,
    pub changes: u64,
    /// The first ones.
    pub first_changes: Vec<CapacityChange>,
    pub launches: u64,
    pub terminations: u64,
    /// Launches and terminations that failed or were cancelled.
    pub failures: u64,
    /// How often a policy that was asked gave which reason to change nothing.
    pub declined: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CapacityChange {
    pub at: Timestamp,
    pub from: u32,
    pub to: u32,
    pub policy: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ObjectiveSummary {
    pub objective: Slo,
    /// Whether it is [`default_slo`] instead of the spec's.
    pub is_default: bool,
    /// Minutes that count: from the first one in which a machine served.
    pub minutes: u64,
    pub minutes_over: u64,
    /// How many may be over in this time.
    pub allowed: f64,
    pub met: bool,
    pub first_over: Option<Timestamp>,
}

/// Means and extremes of minutes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LoadSummary {
    pub mean_requests_per_sec: Option<f64>,
    pub peak_requests_per_sec: Option<f64>,
    pub mean_cpu: Option<f64>,
    pub peak_cpu: Option<f64>,
    pub mean_latency_ms: Option<f64>,
    pub worst_latency_ms: Option<f64>,
    pub worst_latency_at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CreditSummary {
    pub lowest: f64,
    pub lowest_at: Timestamp,
    /// When the first machine was held to its baseline.
    pub first_held: Option<Timestamp>,
    /// Minutes in which at least one was.
    pub held_minutes: u64,
    /// Surplus credits that cost money.
    pub charged: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CostSummary {
    pub instance_hours: f64,
    /// US dollars for an hour of one machine; absent where it is not known.
    pub price_per_hour: Option<f64>,
    /// Where that comes from.
    pub price_source: String,
    /// For surplus credits, in US dollars.
    pub surplus: f64,
    /// All of it, in US dollars.
    pub total: Option<f64>,
}

/// The figures that conditions and tables can name.
pub const FIGURES: &[(&str, &str)] = &[
    ("minutes_over", "minutes beyond the objective"),
    ("price", "US dollars for machines and surplus credits"),
    ("instance_hours", "hours of all machines together"),
    ("churn", "launches and terminations"),
    ("launches", "machines launched"),
    ("terminations", "machines terminated"),
    ("changes", "changes of the desired capacity"),
    ("most_desired", "the largest desired capacity"),
    ("alarms_fired", "times that any alarm went to ALARM"),
    ("notices", "messages to topics"),
    ("peak_cpu", "the highest CPU utilization of a minute, in percent"),
    ("worst_latency_ms", "the highest mean latency of a minute, in milliseconds"),
    ("lowest_credits", "the lowest CPU credit balance"),
    ("held_minutes", "minutes in which a machine was out of credits"),
];

impl Summary {
    /// A figure of [`FIGURES`]; `None` where this run has none, such as a price that is not known.
    pub fn figure(&self, name: &str) -> Option<f64> {
        let count = |number: u64| Some(number as f64);
        match name {
            "minutes_over" => count(self.objective.minutes_over),
            "price" => self.cost.total,
            "instance_hours" => Some(self.cost.instance_hours),
            "churn" => count(self.group.launches + self.group.terminations),
            "launches" => count(self.group.launches),
            "terminations" => count(self.group.terminations),
            "changes" => count(self.group.changes),
            "most_desired" => Some(f64::from(self.group.most_desired)),
            "alarms_fired" => count(self.alarms.iter().map(|alarm| alarm.fired).sum()),
            "notices" => count(self.notices.values().sum()),
            "peak_cpu" => self.load.peak_cpu,
            "worst_latency_ms" => self.load.worst_latency_ms,
            "lowest_credits" => self.credits.as_ref().map(|credits| credits.lowest),
            "held_minutes" => self.credits.as_ref().map(|credits| credits.held_minutes as f64),
            _ => None,
        }
    }
}

/// A mean and an extreme, added up.
#[derive(Debug, Clone, Copy, Default)]
struct Series {
    sum: f64,
    count: u64,
    most: Option<(f64, Timestamp)>,
}

impl Series {
    fn add(&mut self, at: Timestamp, value: f64) {
        self.sum += value;
        self.count += 1;
        if self.most.is_none_or(|(most, _)| value > most) {
            self.most = Some((value, at));
        }
    }

    fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    fn peak(&self) -> Option<f64> {
        self.most.map(|(value, _)| value)
    }
}

/// Adds a summary up while a simulation runs.
#[derive(Debug, Clone)]
pub struct Watcher {
    slo: Slo,
    alarms: Vec<AlarmSummary>,
    /// Since when an alarm is in ALARM, by its place in `alarms`.
    in_alarm: BTreeMap<usize, Timestamp>,
    group: GroupSummary,
    has_desired: bool,
    minutes: u64,
    minutes_over: u64,
    first_over: Option<Timestamp>,
    requests: Series,
    cpu: Series,
    latency: Series,
    credits: Option<CreditSummary>,
    /// Machines that are billed, and since when.
    running: BTreeMap<InstanceId, (Timestamp, Option<MachineKind>)>,
    billed: Duration,
    /// The same by kind, in groups of several types.
    billed_by_kind: BTreeMap<MachineKind, Duration>,
    charged: f64,
    notices: BTreeMap<String, u64>,
}

impl Watcher {
    pub fn new(stack: &Stack) -> Self {
        Self {
            slo: stack.slo.unwrap_or_else(|| default_slo(stack)),
            alarms: stack.alerting.alarms.iter().map(|alarm| AlarmSummary::quiet(&alarm.key)).collect(),
            in_alarm: BTreeMap::new(),
            group: GroupSummary {
                least_desired: stack.group.desired_capacity,
                most_desired: stack.group.desired_capacity,
                changes: 0,
                first_changes: Vec::new(),
                launches: 0,
                terminations: 0,
                failures: 0,
                declined: BTreeMap::new(),
            },
            has_desired: false,
            minutes: 0,
            minutes_over: 0,
            first_over: None,
            requests: Series::default(),
            cpu: Series::default(),
            latency: Series::default(),
            credits: None,
            running: BTreeMap::new(),
            billed: Duration::ZERO,
            billed_by_kind: BTreeMap::new(),
            charged: 0.0,
            notices: BTreeMap::new(),
        }
    }

    /// Ends at `end`: what still runs is billed up to then.
    pub fn finish(mut self, stack: &Stack, seed: u64, start: Timestamp, end: Timestamp) -> Summary {
        for (place, since) in std::mem::take(&mut self.in_alarm) {
            self.alarms[place].minutes_in_alarm += minutes(end.since(since));
        }
        for id in self.running.keys().cloned().collect::<Vec<_>>() {
            self.stop_billing(&id, end);
        }
        let allowed = self.slo.minutes_over * (end.since(start).as_secs_f64() / 60.0 / DAY_MINUTES);
        let objective = ObjectiveSummary {
            objective: self.slo,
            is_default: stack.slo.is_none(),
            minutes: self.minutes,
            minutes_over: self.minutes_over,
            allowed: hundredths(allowed),
            met: self.minutes_over as f64 <= allowed,
            first_over: self.first_over,
        };
        let cost = self.cost(stack);
        let charged = self.charged;
        Summary {
            seed,
            start,
            end,
            alarms: self.alarms,
            group: self.group,
            objective,
            load: LoadSummary {
                mean_requests_per_sec: self.requests.mean(),
                peak_requests_per_sec: self.requests.peak(),
                mean_cpu: self.cpu.mean(),
                peak_cpu: self.cpu.peak(),
                mean_latency_ms: self.latency.mean(),
                worst_latency_ms: self.latency.peak(),
                worst_latency_at: self.latency.most.map(|(_, at)| at),
            },
            credits: self.credits.map(|credits| CreditSummary { charged, ..credits }),
            cost,
            notices: self.notices,
        }
    }

    fn cost(&self, stack: &Stack) -> CostSummary {
        let (region, instance_type) = (&stack.region, &stack.launch.instance_type);
        let listed = price::hourly(region, instance_type);
        let (price_per_hour, price_source) = match (stack.load.price_per_hour, listed) {
            (Some(price), _) => (Some(price), "load.price_per_hour".to_owned()),
            (None, _) if stack.launch.mixed.is_some() => self.mean_price(region),
            (None, Some(price)) => {
                let taken = price::TAKEN;
                (Some(price), format!("on-demand list price of {instance_type} with Linux in {region}, {taken}"))
            }
            (None, None) => (None, format!("not known for {instance_type} in {region}; load.price_per_hour says it")),
        };
        let instance_hours = self.billed.as_secs_f64() / 3600.0;
        let surplus = match Burstable::of(instance_type) {
            Some(_) => self.charged * price::surplus_credit(instance_type),
            None => 0.0,
        };
        let total = price_per_hour.map(|price| price * instance_hours + surplus);
        CostSummary { instance_hours, price_per_hour, price_source, surplus, total }
    }

    /// What an hour of a machine of several types cost on average, and where that comes from.
    fn mean_price(&self, region: &str) -> (Option<f64>, String) {
        let mut total = 0.0;
        for (kind, billed) in &self.billed_by_kind {
            let Some(listed) = price::hourly(region, &kind.instance_type) else {
                let unknown = &kind.instance_type;
                return (
                    None,
                    format!("not known for {unknown} in {region}; load.price_per_hour says one for all types"),
                );
            };
            total += billed.as_secs_f64() * listed * f64::from(kind.spot_percent.unwrap_or(100)) / 100.0;
        }
        let taken = price::TAKEN;
        let source = format!(
            "the mean of on-demand list prices with Linux in {region}, {taken}, and of Spot prices, which are assumed"
        );
        // Six decimals, so that the figure can be read.
        let mean = if self.billed.is_zero() { 0.0 } else { total / self.billed.as_secs_f64() };
        (Some((mean * 1e6).round() / 1e6), source)
    }

    fn stop_billing(&mut self, id: &InstanceId, now: Timestamp) {
        let Some((since, kind)) = self.running.remove(id).filter(|(since, _)| *since < now) else { return };
        let span = now.since(since).max(LEAST_BILLED);
        self.billed += span;
        if let Some(kind) = kind {
            *self.billed_by_kind.entry(kind).or_default() += span;
        }
    }

    fn alarm_changed(&mut self, at: Timestamp, alarm: &str, to: AlarmState) {
        let known = self.alarms.iter().position(|known| known.alarm == alarm);
        let place = known.unwrap_or_else(|| {
            // An alarm that target tracking made.
            self.alarms.push(AlarmSummary::quiet(alarm));
            self.alarms.len() - 1
        });
        if let Some(since) = self.in_alarm.remove(&place) {
            self.alarms[place].minutes_in_alarm += minutes(at.since(since));
        }
        let summary = &mut self.alarms[place];
        summary.state_at_end = to;
        if to == AlarmState::Alarm {
            summary.fired += 1;
            if summary.fired_at.len() < MOST_LISTED {
                summary.fired_at.push(at);
            }
            self.in_alarm.insert(place, at);
        }
    }

    fn desired_changed(&mut self, at: Timestamp, from: u32, to: u32, policy: &Option<String>) {
        // The first change is the group's creation.
        if !std::mem::replace(&mut self.has_desired, true) {
            return;
        }
        let group = &mut self.group;
        group.changes += 1;
        group.least_desired = group.least_desired.min(to);
        group.most_desired = group.most_desired.max(to);
        if group.first_changes.len() < MOST_LISTED {
            group.first_changes.push(CapacityChange { at, from, to, policy: policy.clone() });
        }
    }

    fn is_over(&self, sample: &Sample) -> bool {
        let beyond =
            |value: Option<f64>, limit: Option<f64>| limit.zip(value).is_some_and(|(limit, value)| value > limit);
        let unserved = sample.serving == 0 && sample.load.is_some_and(|load| load > 0.0);
        unserved || beyond(sample.cpu, self.slo.cpu) || beyond(sample.latency_ms, self.slo.latency_ms)
    }

    fn credits(&mut self, sample: &Sample) {
        self.charged = self.charged.max(sample.charged_credits);
        let Some(lowest) = sample.lowest_credits else { return };
        let credits = self.credits.get_or_insert(CreditSummary {
            lowest,
            lowest_at: sample.at,
            first_held: None,
            held_minutes: 0,
            charged: 0.0,
        });
        if lowest < credits.lowest {
            credits.lowest = lowest;
            credits.lowest_at = sample.at;
        }
        if sample.held > 0 {
            credits.held_minutes += 1;
            credits.first_held.get_or_insert(sample.at);
        }
    }
}

impl Observer for Watcher {
    fn sample(&mut self, sample: &Sample) {
        self.requests_and_cpu(sample);
        self.credits(sample);
        if self.minutes == 0 && sample.serving == 0 {
            return;
        }
        self.minutes += 1;
        if self.is_over(sample) {
            self.minutes_over += 1;
            self.first_over.get_or_insert(sample.at);
        }
    }

    fn event(&mut self, event: &Event) {
        let at = event.at;
        match &event.what {
            Happening::AlarmChanged { alarm, to, .. } => self.alarm_changed(at, alarm, *to),
            Happening::DesiredChanged { from, to, policy } => self.desired_changed(at, *from, *to, policy),
            Happening::PolicyDeclined { policy, because } => {
                let words = format!("{because:?}");
                let word = words.split([' ', '{', '(']).next().unwrap_or_default();
                *self.group.declined.entry(format!("{policy}: {word}")).or_default() += 1;
            }
            Happening::Launch { instance, machine, .. } => {
                self.group.launches += u64::from(instance.is_some());
                // One that stood running in the warm pool is billed already.
                if let Some(id) = instance {
                    self.running.entry(id.clone()).or_insert_with(|| (at + BOOT, machine.clone()));
                }
            }
            Happening::Terminate { instance, .. } => {
                self.group.terminations += u64::from(instance.is_some());
                instance.iter().for_each(|id| self.stop_billing(id, at));
            }
            Happening::Prepare { instance, machine, .. } => {
                if let Some(id) = instance {
                    self.running.entry(id.clone()).or_insert_with(|| (at + BOOT, machine.clone()));
                }
            }
            Happening::Prepared { instance, running: false } => self.stop_billing(instance, at),
            Happening::Discard { instance, .. } => self.stop_billing(instance, at),
            Happening::ActivityFailed { instance, .. } => {
                self.group.failures += 1;
                instance.iter().for_each(|id| self.stop_billing(id, at));
            }
            Happening::Notice { topic, .. } => *self.notices.entry(topic.clone()).or_default() += 1,
            Happening::InService { .. }
            | Happening::Prepared { running: true, .. }
            | Happening::Terminated { .. }
            | Happening::ActionFailed { .. } => {}
        }
    }
}

impl Watcher {
    fn requests_and_cpu(&mut self, sample: &Sample) {
        let series =
            [(&mut self.requests, sample.load), (&mut self.cpu, sample.cpu), (&mut self.latency, sample.latency_ms)];
        for (series, value) in series {
            value.into_iter().for_each(|value| series.add(sample.at, value));
        }
    }
}

fn minutes(span: Duration) -> f64 {
    hundredths(span.as_secs_f64() / 60.0)
}

fn hundredths(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}
