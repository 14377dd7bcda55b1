//! What goes wrong with calls on purpose: errors, throttling, latency, connections that break, short pages, stale reads.
//! Faults of the world (no capacity, late metrics, …) are planned here too and handed to [`crate::engine::faults`].
//!
//! `order.rs` reads what a caller asks for. Start at [`Faults`].

mod order;
#[cfg(test)]
mod world_tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::limits::{self, Usage};
use super::region::Region;
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::faults::{Chance, Fault, Planned, fits};
use crate::engine::names::Place;
pub use order::read;

/// How many earlier states of a region are kept for stale reads at most.
const MOST_SNAPSHOTS: usize = 32;

/// Which calls or worlds a fault is about. What is not named may be anything.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Scope {
    account: Option<String>,
    region: Option<String>,
    /// botocore's name: `autoscaling`, `cloudwatch`, `ec2`, …
    service: Option<String>,
    operation: Option<String>,
}

impl Scope {
    fn has_call(&self, usage: &Usage<'_>) -> bool {
        self.has_place(usage.account, usage.region)
            && fits(&self.service, usage.service)
            && fits(&self.operation, usage.operation)
    }

    fn has_place(&self, account: &str, region: &str) -> bool {
        fits(&self.account, account) && fits(&self.region, region)
    }
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Kind {
    Call(CallFault),
    World(Fault),
}

/// What goes wrong with a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum CallFault {
    Error {
        code: String,
        status: u16,
        message: String,
    },
    Throttle,
    /// Real time, since callers time out by their own clocks.
    Latency(Duration),
    Drop(When),
    /// An answer holds no more than so many items.
    SmallPages(i64),
    /// A read does not see what changed in this span, on the sandbox's clock.
    StaleReads(Duration),
}

/// Whether a connection breaks before the call has an effect, or when only its answer is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    Before,
    After,
}

/// A fault as it was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    pub scope: Scope,
    pub kind: Kind,
    pub chance: Chance,
    /// The words of the caller, to be listed.
    pub said: Json,
}

/// What the faults do to one call.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Strike {
    pub refusal: Option<Refusal>,
    pub delay: Duration,
    pub dropped: Option<When>,
    pub page: Option<i64>,
    pub stale_by: Option<Duration>,
}

/// All faults, in the order in which they were planned.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Faults {
    planned: BTreeMap<u32, Order>,
    last: u32,
    /// What reads that are stale see.
    #[serde(skip)]
    snapshots: BTreeMap<Place, VecDeque<(Timestamp, Region)>>,
}

impl Faults {
    /// Plans a fault; its number.
    pub fn add(&mut self, order: Order) -> u32 {
        self.last += 1;
        self.planned.insert(self.last, order);
        self.last
    }

    /// Ends one fault, or all. Returns the numbers of those that ended.
    pub fn remove(&mut self, number: Option<u32>) -> Vec<u32> {
        let ended: Vec<u32> =
            self.planned.keys().copied().filter(|each| number.is_none_or(|number| number == *each)).collect();
        for number in &ended {
            self.planned.remove(number);
        }
        if !self.makes_stale() {
            self.snapshots.clear();
        }
        ended
    }

    /// The faults that a world in this place has.
    pub fn of_world<'a>(&'a self, place: &'a Place) -> impl Iterator<Item = Planned> + 'a {
        let here = |order: &&Order| order.scope.has_place(&place.account, &place.region);
        self.planned.iter().filter(move |(_, order)| here(order)).filter_map(|(number, order)| match &order.kind {
            Kind::World(fault) => {
                Some(Planned { id: name(*number), fault: fault.clone(), chance: order.chance.clone() })
            }
            Kind::Call(_) => None,
        })
    }

    /// What was asked for, with the fault's name and how often it struck. `in_worlds` tells of faults of worlds.
    pub fn list(&self, in_worlds: impl Fn(&str) -> u64) -> Vec<Json> {
        let line = |(number, order): (&u32, &Order)| {
            let id = name(*number);
            let hits = match order.kind {
                Kind::Call(_) => order.chance.hits(),
                Kind::World(_) => in_worlds(&id),
            };
            let mut line = json!({ "id": id });
            if let (Some(line), Some(said)) = (line.as_object_mut(), order.said.as_object()) {
                line.extend(said.clone());
                line.insert("hits".into(), hits.into());
            }
            line
        };
        self.planned.iter().map(line).collect()
    }

    /// Which faults strike this call.
    pub fn strike(&mut self, usage: &Usage<'_>) -> Strike {
        let mut strike = Strike::default();
        for order in self.planned.values_mut().filter(|order| order.scope.has_call(usage)) {
            let Kind::Call(fault) = &order.kind else { continue };
            if fault.concerns(usage.operation) && order.chance.strikes() {
                fault.add_to(&mut strike, usage.service);
            }
        }
        strike
    }

    fn makes_stale(&self) -> bool {
        let stale = |order: &Order| matches!(order.kind, Kind::Call(CallFault::StaleReads(_)));
        self.planned.values().any(stale)
    }

    /// Keeps a region as it is before a call changes it, if somebody is to read it later.
    pub fn remember(&mut self, now: Timestamp, region: &Region) {
        if self.makes_stale() {
            let kept = self.snapshots.entry(region.world.place.clone()).or_default();
            kept.truncate(MOST_SNAPSHOTS - 1);
            kept.push_front((now, region.clone()));
        }
    }

    /// The region as it was before everything that changed within `span`; `None` where nothing did.
    pub fn before(&self, place: &Place, now: Timestamp, span: Duration) -> Option<Region> {
        let recent = |(at, _): &&(Timestamp, Region)| now.since(*at) < span;
        self.snapshots.get(place)?.iter().take_while(recent).last().map(|(_, region)| region.clone())
    }
}

impl CallFault {
    fn concerns(&self, operation: &str) -> bool {
        !matches!(self, Self::StaleReads(_)) || is_read(operation)
    }

    fn add_to(&self, strike: &mut Strike, service: &str) {
        match self {
            Self::Error { code, status, message } => {
                strike.refusal.get_or_insert_with(|| Refusal::new(code, *status, message));
            }
            Self::Throttle => {
                strike.refusal.get_or_insert_with(|| limits::throttled(service));
            }
            Self::Latency(by) => strike.delay += *by,
            Self::Drop(when) => strike.dropped = strike.dropped.or(Some(*when)),
            Self::SmallPages(size) => strike.page = strike.page.or(Some(*size)),
            Self::StaleReads(by) => strike.stale_by = strike.stale_by.max(Some(*by)),
        }
    }
}

/// What a fault is called in answers: `fault-1`.
pub fn name(number: u32) -> String {
    format!("fault-{number}")
}

/// The number in a fault's name.
pub fn number(name: &str) -> Option<u32> {
    name.strip_prefix("fault-")?.parse().ok()
}

/// Whether an operation only looks. ReceiveMessage, which takes, does not begin like one that does.
pub fn is_read(operation: &str) -> bool {
    ["Describe", "Get", "List", "Search"].iter().any(|verb| operation.starts_with(verb))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn plan(faults: &mut Faults, order: Json) -> String {
        name(faults.add(order::read(order).unwrap()))
    }

    fn usage<'a>(service: &'a str, operation: &'a str) -> Usage<'a> {
        Usage { account: "123456789012", region: "eu-west-1", service, operation, narrowed: false }
    }

    #[test]
    fn a_fault_strikes_the_calls_it_is_about_as_often_as_it_may() {
        let mut faults = Faults::default();
        let error = json!({"fault": "error", "service": "ec2", "operation": "RunInstances", "code": "InternalError",
                           "skip": 1, "times": 2});
        assert_eq!(plan(&mut faults, error), "fault-1");
        let mut codes = |operation| {
            let struck = (0..5).map(|_| faults.strike(&usage("ec2", operation)).refusal.is_some());
            struck.collect::<Vec<_>>()
        };
        assert_eq!(codes("DescribeInstances"), [false; 5]);
        assert_eq!(codes("RunInstances"), [false, true, true, false, false]);
        assert_eq!(faults.list(|_| 0)[0]["hits"], 2);
        assert!(faults.remove(Some(2)).is_empty());
        assert_eq!(faults.remove(None), [1]);
    }

    #[test]
    fn the_same_seed_strikes_the_same_calls() {
        let draws = |seed: u64| {
            let mut faults = Faults::default();
            plan(&mut faults, json!({"fault": "throttle", "probability": 0.5, "seed": seed}));
            (0..64).map(|_| faults.strike(&usage("sns", "Publish")).refusal.is_some()).collect::<Vec<_>>()
        };
        assert_eq!(draws(7), draws(7));
        assert_ne!(draws(7), draws(8));
        let struck = draws(7).into_iter().filter(|struck| *struck).count();
        assert!((20..44).contains(&struck), "{struck} of 64");
    }

    #[test]
    fn only_reads_are_stale() {
        let mut faults = Faults::default();
        plan(&mut faults, json!({"fault": "stale_reads", "by": "2s"}));
        assert_eq!(faults.strike(&usage("ec2", "DescribeVpcs")).stale_by, Some(Duration::from_secs(2)));
        assert_eq!(faults.strike(&usage("ec2", "CreateVpc")), Strike::default());
        assert_eq!(faults.strike(&usage("sqs", "ReceiveMessage")), Strike::default());
    }

    #[test]
    fn a_stale_read_sees_the_world_before_what_changed_lately() {
        let mut faults = Faults::default();
        plan(&mut faults, json!({"fault": "stale_reads", "by": "2s"}));
        let place = Place::new("eu-west-1", "123456789012");
        let region = Region::new(place.clone(), 1, crate::engine::groups::Timing::Instant);
        let at = |secs| NOW + Duration::from_secs(secs);
        faults.remember(at(0), &region);
        faults.remember(at(1), &region);
        let sees = |secs| faults.before(&place, at(secs), Duration::from_secs(2)).is_some();
        assert_eq!([sees(1), sees(2), sees(3), sees(9)], [true, true, false, false]);
    }
}
