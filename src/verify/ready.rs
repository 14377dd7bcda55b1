//! When a policy is free to act: not in a cooldown, not while instances warm up. Start at [`free_at`].

use std::time::Duration;

use crate::aws::{Activity, Group, Policy};
use crate::clock::Timestamp;

/// Why a policy would not act yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    Cooldown,
    WarmUp,
}

impl Hold {
    pub fn words(self) -> &'static str {
        match self {
            Self::Cooldown => "cooldown",
            Self::WarmUp => "warm-up of new instances",
        }
    }
}

/// The instant from which `policy` acts, and what holds it until then; the epoch if nothing does.
///
/// A simple policy waits for the cooldown that the last simple policy began. Any other counts new instances as help that is
/// on its way, and takes none away, until they are warm (User Guide, "Available warmup and cooldown settings").
pub(super) fn free_at(
    policy: &Policy,
    policies: &[Policy],
    group: &Group,
    activities: &[Activity],
) -> (Timestamp, Hold) {
    let (ends, hold): (Vec<Timestamp>, Hold) = if policy.is_simple() {
        let ends =
            activities.iter().filter_map(|activity| Some(activity.end_time? + cooldown(policies, group, activity)?));
        (ends.collect(), Hold::Cooldown)
    } else {
        let warm_up = warm_up(policy, group);
        let launches = activities.iter().filter(|activity| is_launch_into(group, activity));
        (launches.filter_map(|activity| Some(activity.end_time? + warm_up)).collect(), Hold::WarmUp)
    };
    (ends.into_iter().max().unwrap_or_default(), hold)
}

/// The cooldown that an activity began; only those of simple policies begin one.
fn cooldown(policies: &[Policy], group: &Group, activity: &Activity) -> Option<Duration> {
    let named = |policy: &&Policy| activity.cause.contains(&format!(" triggered policy {} ", policy.name));
    let policy = policies.iter().filter(|policy| policy.is_simple()).find(named)?;
    Some(policy.cooldown.unwrap_or(group.default_cooldown))
}

fn warm_up(policy: &Policy, group: &Group) -> Duration {
    policy.estimated_instance_warmup.or(group.default_instance_warmup).unwrap_or(group.default_cooldown)
}

/// Whether the instance that was launched is still there.
fn is_launch_into(group: &Group, activity: &Activity) -> bool {
    let launched = activity.instance_id().filter(|_| activity.description.starts_with("Launching"));
    launched.is_some_and(|id| group.instances.iter().any(|instance| instance.id == id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Instance;
    use crate::aws::names::{ActivityId, InstanceId, Zone};

    fn activity(description: &str, cause: &str, end: u64) -> Activity {
        Activity {
            id: ActivityId::from("a"),
            description: description.into(),
            cause: cause.into(),
            start_time: Timestamp::default(),
            end_time: Some(Timestamp::from_secs(end as i64)),
            status_code: "Successful".into(),
            status_message: String::new(),
            details: String::new(),
        }
    }

    fn policy(name: &str, policy_type: &str, cooldown: Option<u64>, warm_up: Option<u64>) -> Policy {
        Policy {
            name: name.into(),
            arn: "arn".into(),
            policy_type: policy_type.into(),
            scaling_adjustment: None,
            adjustment_type: String::new(),
            steps: Vec::new(),
            cooldown: cooldown.map(Duration::from_secs),
            estimated_instance_warmup: warm_up.map(Duration::from_secs),
            enabled: true,
        }
    }

    /// Warm-up: the policy's, else the group's, else the default cooldown.
    #[test]
    fn a_policy_waits_for_what_its_type_waits_for() {
        let instance = Instance {
            id: InstanceId::from("i-new"),
            lifecycle_state: "InService".into(),
            health_status: "Healthy".into(),
            zone: Zone::from("a"),
        };
        let group = Group { default_cooldown: Duration::from_secs(300), instances: vec![instance], ..Group::default() };
        let warm = Group { default_instance_warmup: Some(Duration::from_secs(200)), ..group.clone() };
        let asked = "a user request explicitly set group desired capacity";
        let activities = [
            activity("Launching a new EC2 instance: i-gone", asked, 900),
            activity("Terminating EC2 instance: i-gone", asked, 950),
            activity("Launching a new EC2 instance: i-new", asked, 700),
            activity(
                "Launching a new EC2 instance: i-old",
                "a monitor alarm a in state ALARM triggered policy out changing",
                500,
            ),
        ];
        let simple = [policy("out", "SimpleScaling", Some(60), None), policy("in", "SimpleScaling", None, None)];
        for (policy, group, at) in [
            (&simple[1], &group, 560),
            (&policy("s", "StepScaling", None, Some(120)), &group, 820),
            (&policy("s", "StepScaling", None, None), &warm, 900),
            (&policy("s", "StepScaling", None, None), &group, 1000),
        ] {
            assert_eq!(free_at(policy, &simple, group, &activities).0, Timestamp::from_secs(at), "{policy:?}");
        }
        assert_eq!(free_at(&simple[0], &[], &group, &activities).0, Timestamp::default());
    }
}
