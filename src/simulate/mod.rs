//! The control loop in virtual time: a [`Stack`] in the engine, under a load, from due instant to due instant.
//!
//! The same engine as the sandbox's, so no rule about alarms or scaling is here: `translate` makes the stack's things
//! by the calls that terraform and `wire` would send, [`Simulation`] moves time and feeds load, and an [`Observer`] is
//! told what happened. Nothing here reads a clock or a file. Same stack, options and load: same bytes, on any machine.
//! Start at [`Simulation`].

pub mod chart;
pub mod csv;
pub mod history;
pub mod k6;
pub mod lints;
pub mod load;
pub mod many;
mod observe;
pub mod price;
pub mod record;
pub mod summary;
mod translate;

use std::collections::VecDeque;
use std::time::Duration;

pub use record::{Event, Happening, Observer, Record, Sample};
pub use translate::{credit_mode, metric_key, world_of};

use crate::clock::Timestamp;
use crate::engine::alarms::window::evaluation_range;
use crate::engine::groups::{LifecycleState, Load, Timing};
use crate::engine::metrics::{MetricKey, Sample as Datum, Statistic};
use crate::engine::topics::DeliveryOutcome;
use crate::engine::{self, Effect, Refusal, World};
use crate::model::Stack;
use load::Source;
use observe::Watch;
use translate::{Scene, build_world};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// How a simulation is set up.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    pub seed: u64,
    /// When the stack is made.
    pub start: Timestamp,
    /// Stands in ARNs.
    pub account: String,
    pub timing: Timing,
}

impl Default for Options {
    /// Begins on a Monday at midnight, so that weekly shapes and schedules start where people think they do.
    fn default() -> Self {
        Self {
            seed: 1,
            start: Timestamp::from_secs(1_767_571_200), // 2026-01-05T00:00:00Z
            account: "123456789012".into(),
            timing: Timing::Realistic,
        }
    }
}

/// AWS, and so the engine, would refuse a part of the stack.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot make {what}")]
pub struct SetupError {
    what: String,
    #[source]
    refusal: Refusal,
}

impl SetupError {
    fn new(what: impl Into<String>, refusal: Refusal) -> Self {
        Self { what: what.into(), refusal }
    }
}

/// A stack in virtual time.
///
/// ```text
/// let mut record = Record::default();
/// let mut simulation = Simulation::new(&stack, &Options::default())?;
/// simulation.set_load(Load::Demand(120.0));
/// simulation.advance_to(start + Duration::from_secs(3600), &mut record);
/// ```
pub struct Simulation {
    scene: Scene,
    now: Timestamp,
    begun: bool,
    watch: Watch,
    source: Option<Source>,
    next_sample: Timestamp,
    cpu: MetricKey,
    /// How old a datum may be that some alarm reads.
    looks_back: Duration,
}

impl Simulation {
    /// Makes the stack at `options.start`. Its machines are idle until a load is set.
    ///
    /// # Errors
    /// What AWS would refuse. A stack that passed the model's checks has nothing of that kind.
    pub fn new(stack: &Stack, options: &Options) -> Result<Self, SetupError> {
        let scene = build_world(stack, options)?;
        let cpu = MetricKey {
            namespace: "AWS/EC2".into(),
            name: "CPUUtilization".into(),
            dimensions: [("AutoScalingGroupName".to_owned(), stack.group.name.clone())].into(),
        };
        Ok(Self {
            scene,
            now: options.start,
            begun: false,
            watch: Watch::default(),
            source: None,
            next_sample: options.start.floor_to(MINUTE) + MINUTE,
            cpu,
            looks_back: looks_back(stack),
        })
    }

    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The world as it stands, for looking at.
    pub fn world(&self) -> &World {
        &self.scene.world
    }

    /// From now on this is the load, until another is set or a source changes it.
    pub fn set_load(&mut self, load: Load) {
        let (now, group) = (self.now, &self.scene.group);
        // The group is there for as long as the simulation, and loads are checked where they are read.
        let _ = self.scene.world.groups.set_load(now, group, load);
    }

    /// Takes the load from `source` from now on.
    pub fn set_source(&mut self, source: Source) {
        self.source = Some(source);
    }

    /// Puts one datum of a metric by hand, for alarms that are tested on a given series; also one of the future, which
    /// alarms see when its time has come. Use [`Simulation::silence_machines`] too where machines would measure the same.
    pub fn put_metric(&mut self, key: MetricKey, at: Timestamp, value: f64) {
        self.scene.world.metrics.record(key, at, Datum { unit: None, values: Datum::one(value, "").values });
    }

    /// Machines measure nothing from now on: what they show is put by hand.
    pub fn silence_machines(&mut self) {
        self.set_load(Load::Silent);
    }

    /// Runs everything up to and including `until`, and tells `observer` in order: what an alarm did comes before what it
    /// set off, and that before what was sent about it.
    pub fn advance_to(&mut self, until: Timestamp, observer: &mut dyn Observer) {
        if !self.begun {
            self.run_world(self.now, observer);
            self.begun = true;
        }
        loop {
            let event = self.scene.world.next_event(until.min(self.next_sample));
            let next = event.unwrap_or(self.next_sample);
            self.feed(next, until);
            if next > until {
                break;
            }
            self.now = next;
            if event.is_some() {
                self.run_world(next, observer);
            }
            if next == self.next_sample {
                self.next_sample = next + MINUTE;
                observer.sample(&self.sample(next));
                self.forget(next);
            }
        }
        self.now = self.now.max(until);
    }

    /// Takes in all changes of load before `next`, up to and including `until`: nothing can see them one by one.
    fn feed(&mut self, next: Timestamp, until: Timestamp) {
        let Some(source) = &mut self.source else { return };
        let end = next.min(until + Duration::from_millis(1));
        while let Some(run) = source.next_run(end) {
            // The group is there for as long as the simulation, and sources give numbers.
            let _ = self.scene.world.groups.set_requests(&self.scene.group, run);
        }
    }

    fn run_world(&mut self, now: Timestamp, observer: &mut dyn Observer) {
        let groups_had_something = self.scene.world.groups.next_due() == Some(now);
        let asked = self.scene.world.groups.policies_asked;
        let notices = self.step(now);
        self.watch.alarms(&self.scene, now, observer);
        let groups = &self.scene.world.groups;
        if groups_had_something || groups.policies_asked != asked || !self.begun {
            self.watch.group(groups, &self.scene.group, now, observer);
        }
        notices.iter().for_each(|notice| observer.event(notice));
    }

    /// Steps the world, in which every message is taken at once, and returns the messages.
    fn step(&mut self, now: Timestamp) -> Vec<Event> {
        let mut notices = Vec::new();
        let mut effects = VecDeque::from(self.scene.world.step(now, engine::Event::Tick));
        while let Some(Effect::Deliver(delivery)) = effects.pop_front() {
            notices.extend(observe::notice(&delivery, &self.scene.topics));
            let taken = engine::Event::Delivered { delivery: delivery.id, outcome: DeliveryOutcome::Accepted };
            effects.extend(self.scene.world.step(now, taken));
        }
        notices
    }

    fn sample(&self, end: Timestamp) -> Sample {
        let at = end - MINUTE;
        let groups = &self.scene.world.groups;
        let group = groups.get(&self.scene.group);
        let minute = group.and_then(|group| group.minute).filter(|minute| minute.ended_at == end);
        let by_hand = group.is_some_and(|group| group.load == Load::Silent);
        let (mut in_service, mut pending) = (0, 0);
        for (_, member) in group.into_iter().flat_map(|group| groups.members(group)) {
            in_service += member.weight * u32::from(member.lifecycle == LifecycleState::InService);
            pending += member.weight * u32::from(member.lifecycle.is_pending());
        }
        Sample {
            at,
            load: minute.and_then(|minute| minute.requests_per_sec),
            cpu: if by_hand { self.put_cpu(at, end) } else { minute.and_then(|minute| minute.cpu_percent) },
            desired: group.map_or(0, |group| group.desired_capacity),
            in_service,
            pending,
            latency_ms: minute.and_then(|minute| minute.latency_ms),
            serving: minute.map_or(0, |minute| minute.serving),
            held: minute.map_or(0, |minute| minute.held),
            lowest_credits: minute.and_then(|minute| minute.lowest_credits),
            charged_credits: minute.map_or(0.0, |minute| minute.charged_credits),
        }
    }

    /// Once an hour drops what was told and what no alarm looks at any more, so that a year needs no more memory than a
    /// day.
    fn forget(&mut self, now: Timestamp) {
        if now.floor_to(HOUR) != now {
            return;
        }
        let world = &mut self.scene.world;
        world.metrics.forget_before(now - self.looks_back);
        world.alarms.history_mut().forget_before(now - DAY);
        world.groups.forget_activities_before(now - HOUR);
    }

    fn put_cpu(&self, at: Timestamp, end: Timestamp) -> Option<f64> {
        let metrics = &self.scene.world.metrics;
        let minute = metrics.aggregate(metrics.find(&self.cpu)?, None, at..end);
        Statistic::Average.of(&minute)
    }
}

/// The longest evaluation range of the stack's alarms, and an hour; a day at least, for alarms that groups make.
fn looks_back(stack: &Stack) -> Duration {
    let range = |alarm: &crate::model::Alarm| {
        let secs = u32::try_from(alarm.period.as_secs()).unwrap_or(u32::MAX);
        alarm.period.saturating_mul(evaluation_range(secs.max(1), alarm.evaluation_periods))
    };
    stack.alerting.alarms.iter().map(range).max().unwrap_or_default().max(DAY) + HOUR
}

#[cfg(test)]
pub(crate) mod tests;
