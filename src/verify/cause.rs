//! Does this activity exist because of that alarm and that policy? Start at [`Cause`].

use serde_json::Value;

use crate::aws::Activity;
use crate::clock::Timestamp;

/// The alarm and the policy that must have caused an activity, by their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cause {
    pub alarm: String,
    pub policy: String,
}

impl Cause {
    /// Whether the activity's cause names both and, where AWS lists the invoking alarms, they name the alarm too.
    pub fn explains(&self, activity: &Activity) -> bool {
        self.sentence(&activity.cause).is_some() && self.is_invoking(activity)
    }

    /// When the alarm triggered the policy, in AWS's own words: `At T a monitor alarm A in state ALARM triggered policy P`.
    pub fn decided_at(&self, activity: &Activity) -> Option<Timestamp> {
        let sentence = self.sentence(&activity.cause)?;
        let (at, _) = sentence.strip_prefix("At ")?.split_once(' ')?;
        Timestamp::parse(at)
    }

    /// Sentences of a cause are separated by two spaces.
    fn sentence<'a>(&self, cause: &'a str) -> Option<&'a str> {
        let named = format!(" a monitor alarm {} in state ALARM triggered policy {} ", self.alarm, self.policy);
        cause.split("  ").find(|sentence| sentence.contains(&named))
    }

    fn is_invoking(&self, activity: &Activity) -> bool {
        let Ok(details) = serde_json::from_str::<Value>(&activity.details) else { return true };
        match details["InvokingAlarms"].as_array() {
            Some(alarms) => alarms.iter().any(|alarm| alarm["AlarmName"] == self.alarm.as_str()),
            None => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::names::ActivityId;

    fn activity(cause: &str, details: &str) -> Activity {
        Activity {
            id: ActivityId::from("a-1"),
            description: "Launching a new EC2 instance: i-0123".into(),
            cause: cause.into(),
            start_time: Timestamp::from_secs(0),
            end_time: None,
            status_code: "InProgress".into(),
            status_message: String::new(),
            details: details.into(),
        }
    }

    #[test]
    fn only_the_alarm_and_policy_that_the_cause_names_explain_an_activity() {
        let alarm = "At 2026-09-14T11:18:52Z a monitor alarm course-cpu-high in state ALARM triggered policy scale-out \
                     changing the desired capacity from 1 to 2.  At 2026-09-14T11:19:01Z an instance was started in \
                     response to a difference between desired and actual capacity, increasing the capacity from 1 to 2.";
        let user = "At 2026-09-14T11:18:52Z a user request explicitly set group desired capacity changing the desired \
                    capacity from 1 to 2.";
        let cause = Cause { alarm: "course-cpu-high".into(), policy: "scale-out".into() };
        let other = |alarm: &str, policy: &str| Cause { alarm: alarm.into(), policy: policy.into() };
        assert!(cause.explains(&activity(alarm, "{}")));
        assert_eq!(cause.decided_at(&activity(alarm, "")), Timestamp::parse("2026-09-14T11:18:52Z"));
        assert!(cause.explains(&activity(alarm, r#"{"InvokingAlarms":[{"AlarmName":"course-cpu-high"}]}"#)));
        assert!(!cause.explains(&activity(alarm, r#"{"InvokingAlarms":[{"AlarmName":"somebody-elses"}]}"#)));
        assert!(!cause.explains(&activity(user, "{}")));
        assert!(!other("course-cpu", "scale-out").explains(&activity(alarm, "{}")));
        assert!(!other("course-cpu-high", "scale").explains(&activity(alarm, "{}")));
    }
}
