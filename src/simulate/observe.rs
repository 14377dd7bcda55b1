//! What changed in a world between two instants, told as events. Start at [`Watch`].

use std::collections::BTreeMap;

use super::record::{Event, Happening, MachineKind, Observer};
use super::translate::{Scene, TopicInfo};
use crate::clock::Timestamp;
use crate::engine::alarms::history::{Happening as Remembered, HistoryItem};
use crate::engine::groups::activity::{Activity, ActivityKind, ActivityStatus, Side, Way};
use crate::engine::groups::allocation::Purchase;
use crate::engine::groups::market::SpotPool;
use crate::engine::groups::policy::{Policy, Reason};
use crate::engine::groups::{Group, Groups, LaunchSource, PoolState};
use crate::engine::names::{ActivityId, GroupName, InstanceId, PolicyName, TopicArn};
use crate::engine::topics::{Delivery, DeliveryKind};

/// Remembers what was told already.
#[derive(Debug, Clone, Default)]
pub(super) struct Watch {
    desired: u32,
    /// Activities that began and have not ended.
    open: Vec<ActivityId>,
    /// What each policy answered last, unless it acted.
    declined: BTreeMap<PolicyName, Reason>,
}

impl Watch {
    /// Tells what the alarms did at exactly `now`; every earlier instant has been told.
    pub fn alarms(&self, scene: &Scene, now: Timestamp, observer: &mut dyn Observer) {
        let history = scene.world.alarms.history();
        let newest_first = history.since_two_weeks(now).rev();
        let fresh: Vec<&HistoryItem> = newest_first.take_while(|item| item.at == now).collect();
        for item in fresh.into_iter().rev() {
            if let Some(what) = told(item, &scene.alarms) {
                observer.event(&Event { at: now, what });
            }
        }
    }

    /// Tells what the group did.
    pub fn group(&mut self, groups: &Groups, name: &GroupName, now: Timestamp, observer: &mut dyn Observer) {
        let Some(group) = groups.get(name) else { return };
        self.policies(group, now, observer);
        if group.desired_capacity != self.desired {
            let what = Happening::DesiredChanged {
                from: self.desired,
                to: group.desired_capacity,
                policy: acting_policy(group, now),
            };
            self.desired = group.desired_capacity;
            observer.event(&Event { at: now, what });
        }
        self.activities(groups, group, now, observer);
    }

    fn policies(&mut self, group: &Group, now: Timestamp, observer: &mut dyn Observer) {
        for policy in group.policies.values() {
            let Some((_, decision)) = policy.last.filter(|(at, _)| *at == now) else { continue };
            if decision.to().is_some() {
                self.declined.remove(&policy.name);
                continue;
            }
            let because = decision.because;
            if self.declined.insert(policy.name.clone(), because) != Some(because) {
                let what = Happening::PolicyDeclined { policy: policy.name.to_string(), because };
                observer.event(&Event { at: now, what });
            }
        }
    }

    fn activities(&mut self, groups: &Groups, group: &Group, now: Timestamp, observer: &mut dyn Observer) {
        let newest_first = group.activities.iter().rev();
        let began: Vec<&Activity> = newest_first.take_while(|activity| activity.started_at == now).collect();
        for activity in began.into_iter().rev() {
            let (instance, cause) = (activity.instance.clone(), activity.cause.clone());
            let machine = instance.as_ref().and_then(|id| machine_of(groups, group, id));
            let what = match (activity.kind, activity.way) {
                (_, Way::INTO_POOL | Way::BACK_TO_POOL) => {
                    Happening::Prepare { instance, returns: activity.way == Way::BACK_TO_POOL, cause, machine }
                }
                (_, Way::END_OF_POOLED) => Happening::Discard { instance: instance.unwrap_or_default(), cause },
                (ActivityKind::Launch, _) => Happening::Launch { instance, cause, machine },
                (ActivityKind::Terminate, _) => Happening::Terminate { instance, cause },
            };
            observer.event(&Event { at: now, what });
            self.open.push(activity.id.clone());
        }
        self.open.retain(|id| {
            let Some(activity) = group.activities.iter().rev().find(|activity| activity.id == *id) else {
                return false;
            };
            if let Some(what) = ended(activity, group) {
                observer.event(&Event { at: now, what });
            }
            activity.is_in_progress()
        });
    }
}

fn acting_policy(group: &Group, now: Timestamp) -> Option<String> {
    let acted = |policy: &&Policy| {
        policy.last.is_some_and(|(at, decision)| at == now && decision.to() == Some(group.desired_capacity))
    };
    group.policies.values().find(acted).map(|policy| policy.name.to_string())
}

fn told(item: &HistoryItem, keys: &BTreeMap<String, String>) -> Option<Happening> {
    let alarm = keys.get(item.alarm.as_str()).cloned().unwrap_or_else(|| item.alarm.to_string());
    match &item.what {
        Remembered::StateUpdate { old, new } => {
            Some(Happening::AlarmChanged { alarm, from: old.value, to: new.value, reason: new.reason.clone() })
        }
        Remembered::Action { arn, error: Some(error), .. } => {
            Some(Happening::ActionFailed { alarm, action: arn.clone(), error: error.clone() })
        }
        _ => None,
    }
}

/// What kind of machine one is, in a group that has several.
fn machine_of(groups: &Groups, group: &Group, id: &InstanceId) -> Option<MachineKind> {
    let instance = groups.instance(id).filter(|_| matches!(group.settings.launch, LaunchSource::Mixed(_)))?;
    let (instance_type, zone) = (&instance.instance_type, &instance.placement.zone);
    let spot = (instance.purchase() == Purchase::Spot).then(|| SpotPool { instance_type, zone }.percent());
    Some(MachineKind { instance_type: instance_type.clone(), spot_percent: spot })
}

/// How an activity ended, if it has.
fn ended(activity: &Activity, group: &Group) -> Option<Happening> {
    activity.ended_at?;
    match (activity.status, activity.kind) {
        (ActivityStatus::Successful, _) if activity.way.to == Side::WarmPool => {
            let running = group.warm_pool.as_ref().is_some_and(|pool| pool.state == PoolState::Running);
            Some(Happening::Prepared { instance: activity.instance.clone()?, running })
        }
        (ActivityStatus::Successful, ActivityKind::Launch) => {
            Some(Happening::InService { instance: activity.instance.clone()? })
        }
        (ActivityStatus::Successful, ActivityKind::Terminate) => {
            Some(Happening::Terminated { instance: activity.instance.clone()? })
        }
        (status, _) => Some(Happening::ActivityFailed {
            instance: activity.instance.clone(),
            status: status.name().to_owned(),
            message: activity.status_message.clone().unwrap_or_default(),
        }),
    }
}

/// A delivery to the observing queue as the notice that it is.
pub(super) fn notice(delivery: &Delivery, topics: &BTreeMap<TopicArn, TopicInfo>) -> Option<Event> {
    if delivery.kind != DeliveryKind::Notification {
        return None;
    }
    let topic = topics.get(&delivery.topic_arn)?;
    let what =
        Happening::Notice { topic: topic.key.clone(), subject: delivery.subject.clone(), receivers: topic.receivers };
    Some(Event { at: delivery.at, what })
}
