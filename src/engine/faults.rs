//! What goes wrong in a world on purpose: no capacity, machines that never serve, metrics and notices that are late or lost.
//!
//! A fault strikes by its own seeded draws, so the same faults and calls give the same world. What is late waits here
//! and has its own due time. Start at [`Fault`]; faults of the wire, such as errors and throttling, are the sandbox's.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::World;
use super::ids::Ids;
use super::metrics::{MetricKey, Resolution, Sample};
use super::names::{GroupName, TopicArn, Zone};
use super::topics::{Delivery, DeliveryOutcome};
use crate::clock::Timestamp;

/// Something that goes wrong. What is not named may be anything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Fault {
    /// EC2 has no machine of this type in this zone.
    NoCapacity { zone: Option<Zone>, instance_type: Option<String> },
    /// A machine of the group is launched and stays `pending`.
    NeverInService { group: Option<GroupName> },
    /// A datum arrives so much later, or, without a delay, never.
    Metric { namespace: Option<String>, metric: Option<String>, happens: Arrival },
    /// A message to a subscriber.
    Notice { topic: Option<TopicArn>, protocol: Option<String>, happens: Delivered },
    /// A service's message to the topic is refused.
    PublishDenied { topic: Option<TopicArn>, by: Guard },
}

/// What becomes of a datum that should arrive at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Arrival {
    Late(Duration),
    Never,
}

/// What becomes of a message that should arrive at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Delivered {
    Late(Duration),
    Twice,
    Never,
}

/// Who keeps a service from publishing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Guard {
    TopicPolicy,
    Key,
}

/// When a fault strikes among the cases that it is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chance {
    /// How many cases it lets pass first.
    skip: u32,
    /// How often it may still strike; `None` for always.
    left: Option<u32>,
    probability: f64,
    draws: Ids,
    hits: u64,
}

impl Chance {
    /// `probability` lies between 0 and 1; `purpose` keeps the draws of two faults with one seed apart.
    pub fn new(skip: u32, times: Option<u32>, probability: f64, seed: u64, purpose: &str) -> Self {
        Self { skip, left: times, probability, draws: Ids::new(seed, purpose), hits: 0 }
    }

    /// Whether this case is struck.
    pub fn strikes(&mut self) -> bool {
        if self.left == Some(0) {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        let struck = self.probability >= 1.0 || self.draws.next_fraction() < self.probability;
        if struck {
            self.hits += 1;
            self.left = self.left.map(|left| left - 1);
        }
        struck
    }

    fn is_sure(&self) -> bool {
        self.left != Some(0) && self.skip == 0 && self.probability >= 1.0
    }

    /// How often it struck.
    pub fn hits(&self) -> u64 {
        self.hits
    }
}

/// A fault with its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    pub id: String,
    pub fault: Fault,
    pub chance: Chance,
}

/// The faults of one part of the world, in the order in which they were planned.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan(Vec<Planned>);

impl Plan {
    /// What the first fault that is about this case and strikes does to it.
    pub fn strike<T>(&mut self, about: impl Fn(&Fault) -> Option<T>) -> Option<T> {
        self.0.iter_mut().find_map(|planned| about(&planned.fault).filter(|_| planned.chance.strikes()))
    }

    /// Whether a fault is about this case that would strike it without fail, were it to come. Nothing is drawn or counted.
    pub fn is_sure<T>(&self, about: impl Fn(&Fault) -> Option<T>) -> bool {
        self.0.iter().any(|planned| planned.chance.is_sure() && about(&planned.fault).is_some())
    }

    fn remove(&mut self, id: Option<&str>) -> usize {
        let before = self.0.len();
        self.0.retain(|planned| id.is_some_and(|id| planned.id != id));
        before - self.0.len()
    }
}

/// Faults of metrics and notices, and what they hold back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Faults {
    plan: Plan,
    data: Held<LateDatum>,
    notices: Held<Delivery>,
    /// Notices whose delay is over, until the driver takes them; empty between calls.
    released: Vec<Delivery>,
}

/// What is late, by due time and then in the order in which it was to arrive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Held<T>(VecDeque<(Timestamp, T)>);

impl<T> Default for Held<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Held<T> {
    fn add(&mut self, due: Timestamp, late: T) {
        let place = self.0.partition_point(|(other, _)| *other <= due);
        self.0.insert(place, (due, late));
    }

    fn next_due(&self) -> Option<Timestamp> {
        self.0.front().map(|(due, _)| *due)
    }

    fn take_due(&mut self, now: Timestamp) -> Vec<T> {
        let due = self.0.partition_point(|(due, _)| *due <= now);
        self.0.drain(..due).map(|(_, late)| late).collect()
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct LateDatum {
    key: MetricKey,
    at: Timestamp,
    sample: Sample,
    resolution: Resolution,
}

impl Faults {
    pub fn next_due(&self) -> Option<Timestamp> {
        self.data.next_due().into_iter().chain(self.notices.next_due()).min()
    }

    /// What leaves now of the messages that should: some twice, some not, and first those whose delay is over.
    /// The second list is what subscribers never see and the topic takes for delivered.
    pub(super) fn post(&mut self, now: Timestamp, outbox: Vec<Delivery>) -> (Vec<Delivery>, Vec<Delivery>) {
        let (mut sent, mut lost) = (std::mem::take(&mut self.released), Vec::new());
        for delivery in outbox {
            match self.plan.strike(|fault| fault.to_notice(&delivery)) {
                None => sent.push(delivery),
                Some(Delivered::Twice) => sent.extend([delivery.clone(), delivery]),
                Some(Delivered::Never) => lost.push(delivery),
                Some(Delivered::Late(by)) => {
                    let due = now + by;
                    self.notices.add(due, Delivery { at: due, ..delivery });
                }
            }
        }
        (sent, lost)
    }
}

impl Fault {
    fn to_notice(&self, delivery: &Delivery) -> Option<Delivered> {
        let Self::Notice { topic, protocol, happens } = self else { return None };
        (fits(topic, &delivery.topic_arn) && fits(protocol, &delivery.protocol)).then_some(*happens)
    }

    fn to_metric(&self, key: &MetricKey) -> Option<Arrival> {
        let Self::Metric { namespace, metric, happens } = self else { return None };
        (fits(namespace, &key.namespace) && fits(metric, &key.name)).then_some(*happens)
    }

    pub(super) fn to_launch(&self, zone: &Zone, kind: &str) -> Option<()> {
        let Self::NoCapacity { zone: wanted, instance_type } = self else { return None };
        (fits(wanted, zone) && fits(instance_type, kind)).then_some(())
    }

    pub(super) fn to_start_of(&self, group: &GroupName) -> Option<()> {
        let Self::NeverInService { group: wanted } = self else { return None };
        fits(wanted, group).then_some(())
    }

    pub(super) fn to_publication(&self, topic: &TopicArn) -> Option<Guard> {
        let Self::PublishDenied { topic: wanted, by } = self else { return None };
        fits(wanted, topic).then_some(*by)
    }
}

/// Whether a fault is about what was found: what it does not name may be anything.
pub fn fits<T: PartialEq<U>, U: ?Sized>(wanted: &Option<T>, found: &U) -> bool {
    wanted.as_ref().is_none_or(|wanted| wanted == found)
}

impl World {
    /// From now on this goes wrong.
    pub fn add_fault(&mut self, planned: Planned) {
        let plan = match planned.fault {
            Fault::NoCapacity { .. } | Fault::NeverInService { .. } => &mut self.groups.faults,
            Fault::PublishDenied { .. } => &mut self.topics.faults,
            Fault::Metric { .. } | Fault::Notice { .. } => &mut self.faults.plan,
        };
        plan.0.push(planned);
    }

    /// Ends one fault, or all. What is late stays late. Returns how many there were.
    pub fn remove_faults(&mut self, id: Option<&str>) -> usize {
        self.groups.faults.remove(id) + self.topics.faults.remove(id) + self.faults.plan.remove(id)
    }

    pub fn planned_faults(&self) -> impl Iterator<Item = &Planned> {
        [&self.groups.faults, &self.topics.faults, &self.faults.plan].into_iter().flat_map(|plan| &plan.0)
    }

    /// Stores a datum, unless a fault is about it.
    pub(super) fn store(
        &mut self,
        now: Timestamp,
        key: &MetricKey,
        at: Timestamp,
        sample: Sample,
        resolution: Resolution,
    ) {
        match self.faults.plan.strike(|fault| fault.to_metric(key)) {
            Some(Arrival::Never) => {}
            Some(Arrival::Late(by)) => {
                let late = LateDatum { key: key.clone(), at, sample, resolution };
                self.faults.data.add(now + by, late);
            }
            None => self.metrics.record_at(key, at, &sample, resolution),
        }
    }

    /// What is late arrives.
    pub(super) fn release_late(&mut self, now: Timestamp) {
        for LateDatum { key, at, sample, resolution } in self.faults.data.take_due(now) {
            self.metrics.record_at(&key, at, &sample, resolution);
        }
        let notices = self.faults.notices.take_due(now);
        self.faults.released.extend(notices);
    }

    /// Hands over what leaves the topics, as far as faults let it.
    pub(super) fn post(&mut self, now: Timestamp) -> Vec<Delivery> {
        let outbox = self.topics.take_outbox();
        let (sent, lost) = self.faults.post(now, outbox);
        for delivery in lost {
            self.topics.delivered(now, &delivery.id, DeliveryOutcome::Accepted);
        }
        sent
    }
}

#[cfg(test)]
impl super::groups::Groups {
    /// From now on EC2 has machines in `zone`, or none.
    pub fn set_zone_capacity(&mut self, zone: Zone, available: bool) {
        self.set_capacity(None, zone, available);
    }

    /// The same of one instance type.
    pub fn set_type_capacity(&mut self, instance_type: &str, zone: Zone, available: bool) {
        self.set_capacity(Some(instance_type.to_string()), zone, available);
    }

    fn set_capacity(&mut self, instance_type: Option<String>, zone: Zone, available: bool) {
        let id = format!("no {instance_type:?} in {zone}");
        self.faults.remove(Some(&id));
        if !available {
            let fault = Fault::NoCapacity { zone: Some(zone), instance_type };
            self.faults.0.push(Planned { id, fault, chance: Chance::new(0, None, 1.0, 0, "") });
        }
    }
}
