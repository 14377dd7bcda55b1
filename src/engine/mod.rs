//! The control loop as a pure value: metric → alarm → policy → activity → notice.
//!
//! [`World`] is one account in one region. It does no I/O, reads no clock and draws only seeded numbers: whoever
//! drives it ([`crate::sandbox`] from a clock, a simulator from a heap) tells it the time. Everything that happens by
//! itself happens at the instant it is due, so stepping by minutes and jumping from event to event give one history.
//!
//! The parts do not know each other. [`metrics`], [`alarms`], [`groups`] and [`topics`] each say what they want done as
//! values ([`alarms::Firing`], [`groups::Outcome`], [`topics::Delivery`]), and [`load_balancers`] is told; the one place that carries a value from one part
//! to the next is `route.rs`.

pub mod alarms;
pub mod faults;
pub mod groups;
pub mod ids;
pub mod keys;
pub mod load_balancers;
pub mod metrics;
pub mod names;
mod route;
mod shared;
pub mod text;
pub mod topics;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use ids::Ids;
use names::Place;

/// One account in one region, as a value.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct World {
    pub place: Place,
    pub metrics: metrics::Metrics,
    pub alarms: alarms::Alarms,
    pub groups: groups::Groups,
    #[serde(default)]
    pub load_balancers: load_balancers::LoadBalancers,
    pub topics: topics::Topics,
    #[serde(default)]
    faults: faults::Faults,
    /// What alarms invoked functions with, oldest first; whoever drives the world stands in for the functions.
    #[serde(default)]
    pub invocations: Vec<alarms::event::Invocation>,
    /// Messages for queues that no topic sends, oldest first: the queue's ARN and the body. The driver carries them.
    #[serde(default)]
    pub sends: Vec<(String, String)>,
    pub keys: keys::Keys,
    pub ids: Ids,
}

/// What the world asks its driver to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Hand a message to a subscriber, then report back with [`Event::Delivered`].
    Deliver(topics::Delivery),
}

/// What the driver tells the world besides API calls.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Time has passed.
    Tick,
    /// A subscriber took a message, or did not.
    Delivered { delivery: topics::DeliveryId, outcome: topics::DeliveryOutcome },
}

/// An API call that AWS would answer with an error: its code, HTTP status and text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    pub code: String,
    pub status: u16,
    pub message: String,
}

impl Refusal {
    pub fn new(code: impl Into<String>, status: u16, message: impl Into<String>) -> Self {
        Self { code: code.into(), status, message: message.into() }
    }

    /// 400 `ValidationError`, the commonest answer of the Query services.
    pub fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationError", 400, message)
    }
}

impl World {
    pub fn new(place: Place, seed: u64, timing: groups::Timing) -> Self {
        Self {
            metrics: metrics::Metrics::default(),
            alarms: alarms::Alarms::new(&place, seed),
            groups: groups::Groups::new(&place, seed, timing),
            load_balancers: load_balancers::LoadBalancers::new(seed, timing == groups::Timing::Instant),
            topics: topics::Topics::new(&place, seed),
            faults: faults::Faults::default(),
            invocations: Vec::new(),
            sends: Vec::new(),
            keys: keys::Keys::new(&place, seed),
            ids: Ids::new(seed, "world"),
            place,
        }
    }

    /// The next instant at which something happens by itself.
    pub fn next_due(&self) -> Option<Timestamp> {
        let earlier = |one: Option<Timestamp>, other: Option<Timestamp>| match (one, other) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        let by_themselves = earlier(self.groups.next_due(), self.topics.next_due());
        let others = earlier(self.faults.next_due(), self.load_balancers.next_due());
        earlier(earlier(self.alarms.next_due(), others), by_themselves)
    }

    /// The next instant up to and including `until` at which something happens by itself that leaves a trace. Alarms that
    /// stay as they are have been evaluated up to there: nearly all that is due is of that kind.
    pub fn next_event(&mut self, until: Timestamp) -> Option<Timestamp> {
        // At one instant groups come first, since they make the metrics that alarms read.
        let data_come_at = self.groups.next_due();
        let passes = |due: Timestamp| due <= until && data_come_at.is_none_or(|data| due < data);
        if self.groups.watched_alarms().is_empty() {
            self.alarms.pass_uneventful(passes, &self.metrics);
        }
        self.next_due().filter(|due| *due <= until)
    }

    /// Runs everything due up to and including `now`, each at its own instant, then takes in `event`.
    pub fn step(&mut self, now: Timestamp, event: Event) -> Vec<Effect> {
        while let Some(due) = self.next_event(now) {
            self.run_due(due);
        }
        match event {
            Event::Tick => {}
            Event::Delivered { delivery, outcome } => self.topics.delivered(now, &delivery, outcome),
        }
        self.follow_targets(now);
        self.post(now).into_iter().map(Effect::Deliver).collect()
    }
}
