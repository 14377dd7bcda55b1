//! What a group tells its topics: subjects and messages as Auto Scaling publishes them. Start at [`activity_notice`].
//!
//! The order of keys is that of recorded messages.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::activity::{Activity, ActivityKind, ActivityStatus};
use crate::clock::Timestamp;
use crate::engine::alarms::{AlarmSnapshot, Firing, Subject};
use crate::engine::names::{GroupName, Place};
use crate::engine::topics::Notice;

const SERVICE: &str = "AWS Auto Scaling";

/// What a topic can be told about, in AWS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum NotificationType {
    #[serde(rename = "autoscaling:EC2_INSTANCE_LAUNCH")]
    Launch,
    #[serde(rename = "autoscaling:EC2_INSTANCE_LAUNCH_ERROR")]
    LaunchError,
    #[serde(rename = "autoscaling:EC2_INSTANCE_TERMINATE")]
    Terminate,
    #[serde(rename = "autoscaling:EC2_INSTANCE_TERMINATE_ERROR")]
    TerminateError,
    #[serde(rename = "autoscaling:TEST_NOTIFICATION")]
    Test,
}

impl NotificationType {
    pub const ALL: &[Self] = &[Self::Launch, Self::LaunchError, Self::Terminate, Self::TerminateError, Self::Test];

    pub fn name(self) -> &'static str {
        match self {
            Self::Launch => "autoscaling:EC2_INSTANCE_LAUNCH",
            Self::LaunchError => "autoscaling:EC2_INSTANCE_LAUNCH_ERROR",
            Self::Terminate => "autoscaling:EC2_INSTANCE_TERMINATE",
            Self::TerminateError => "autoscaling:EC2_INSTANCE_TERMINATE_ERROR",
            Self::Test => "autoscaling:TEST_NOTIFICATION",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == text)
    }

    /// What the end of `activity` is announced as.
    pub fn of(activity: &Activity) -> Self {
        match (activity.kind, activity.status) {
            (ActivityKind::Launch, ActivityStatus::Failed | ActivityStatus::Cancelled) => Self::LaunchError,
            (ActivityKind::Launch, _) => Self::Launch,
            (ActivityKind::Terminate, ActivityStatus::Failed | ActivityStatus::Cancelled) => Self::TerminateError,
            (ActivityKind::Terminate, _) => Self::Terminate,
        }
    }

    /// Recorded for launch, launch error, termination and test; the fourth by analogy.
    pub fn subject(self, group: &GroupName) -> String {
        let what = match self {
            Self::Launch => "launch",
            Self::LaunchError => "failed launch",
            Self::Terminate => "termination",
            Self::TerminateError => "failed termination",
            Self::Test => "test notification",
        };
        format!("Auto Scaling: {what} for group \"{group}\"")
    }
}

/// Announces an activity that ended. A success is announced as half done, as AWS does.
pub fn activity_notice(place: &Place, activity: &Activity) -> Notice {
    let kind = NotificationType::of(activity);
    let (progress, status) = match activity.status {
        ActivityStatus::Successful if activity.held_by_hook => (60, "MidTerminatingLifecycleAction"),
        ActivityStatus::Successful => (50, "InProgress"),
        failed => (100, failed.name()),
    };
    let ended_at = activity.ended_at.unwrap_or(activity.started_at);
    let message = json!({
        "Origin": activity.way.from.name(),
        "Destination": activity.way.to.name(),
        "Progress": progress,
        "AccountId": place.account,
        "Description": activity.description(),
        "RequestId": activity.id,
        "EndTime": ended_at.iso_millis(),
        "AutoScalingGroupARN": activity.group_arn,
        "ActivityId": activity.id,
        "StartTime": activity.started_at.iso_millis(),
        "Service": SERVICE,
        "Time": ended_at.iso_millis(),
        "EC2InstanceId": activity.instance.as_ref().map(|id| id.as_str()).unwrap_or_default(),
        "StatusCode": status,
        "StatusMessage": activity.status_message.as_deref().unwrap_or_default(),
        "Details": activity.details.to_json(),
        "AutoScalingGroupName": activity.group,
        "Cause": activity.cause,
        "Event": kind.name(),
    });
    Notice::new(kind.subject(&activity.group), message.to_string())
}

/// What PutNotificationConfiguration sends to show that the topic is reached.
pub fn test_notice(place: &Place, now: Timestamp, group: &GroupName, group_arn: &str, request_id: &str) -> Notice {
    let message = json!({
        "AutoScalingGroupName": group,
        "Service": SERVICE,
        "Time": now.iso_millis(),
        "AccountId": place.account,
        "Event": NotificationType::Test.name(),
        "RequestId": request_id,
        "AutoScalingGroupARN": group_arn,
    });
    Notice::new(NotificationType::Test.subject(group), message.to_string())
}

/// The alarm as `InvokingAlarms` shows it: its message's fields, with times in milliseconds since 1970.
pub fn invoking_alarm(place: &Place, policy_arn: &str, alarm: &AlarmSnapshot) -> Value {
    let alarm_of = Subject::Metric(alarm.clone());
    let firing = Firing { action_arn: policy_arn.to_string(), alarm: alarm_of, after_mute_window: None };
    let message: Map<String, Value> = serde_json::from_str(&firing.notice(place).message).unwrap_or_default();
    let field = |name: &str| message.get(name).cloned().unwrap_or_default();
    json!({
        "AlarmArn": alarm.arn,
        "Trigger": field("Trigger"),
        "AlarmName": alarm.config.name,
        "AlarmDescription": alarm.config.description,
        "AWSAccountId": place.account,
        // A scaling action runs again each minute, so the state it reports is the one the alarm is in, on both sides.
        "OldStateValue": alarm.new_state,
        "Region": field("Region"),
        "NewStateValue": alarm.new_state,
        "AlarmConfigurationUpdatedTimestamp": alarm.configuration_updated_at.as_millis(),
        "StateChangeTime": alarm.state_changed_at.as_millis(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::groups::activity::{Details, Way};

    fn ended(kind: ActivityKind, status: ActivityStatus) -> Activity {
        let mut activity = Activity {
            id: "a-1".into(),
            group: "web".into(),
            group_arn: "arn:aws:autoscaling:us-east-1:123456789012:autoScalingGroup:u:autoScalingGroupName/web".into(),
            kind,
            way: if kind == ActivityKind::Launch { Way::LAUNCH } else { Way::TERMINATION },
            instance: Some("i-1".into()),
            title: "Launching a new EC2 instance: i-1".into(),
            cause: "At ...".into(),
            started_at: Timestamp::from_millis(1_000_613),
            ended_at: None,
            status: ActivityStatus::InProgress,
            status_message: None,
            progress: 50,
            held_by_hook: false,
            details: Details { subnet: Some("subnet-1".into()), zone: Some("us-east-1a".into()), ..Details::default() },
        };
        activity.end(Timestamp::from_millis(1_052_741), status, None);
        activity
    }

    fn message(notice: &Notice) -> Map<String, Value> {
        serde_json::from_str(&notice.message).unwrap()
    }

    #[test]
    fn a_launch_is_announced_with_the_recorded_keys_in_their_order() {
        let place = Place::new("us-east-1", "123456789012");
        let notice = activity_notice(&place, &ended(ActivityKind::Launch, ActivityStatus::Successful));
        assert_eq!(notice.subject.as_deref(), Some("Auto Scaling: launch for group \"web\""));
        let message = message(&notice);
        let keys: Vec<&str> = message.keys().map(String::as_str).collect();
        assert_eq!(
            keys.join(" "),
            "Origin Destination Progress AccountId Description RequestId EndTime AutoScalingGroupARN ActivityId StartTime \
             Service Time EC2InstanceId StatusCode StatusMessage Details AutoScalingGroupName Cause Event"
        );
        assert_eq!(message["Origin"], "EC2");
        assert_eq!((&message["Progress"], &message["StatusCode"]), (&json!(50), &json!("InProgress")));
        assert_eq!(message["EndTime"], "1970-01-01T00:17:32.741Z");
        assert_eq!(message["Details"], json!({"Subnet ID": "subnet-1", "Availability Zone": "us-east-1a"}));
    }

    #[test]
    fn a_termination_names_the_group_as_its_origin_and_shows_a_hook() {
        let place = Place::new("us-east-1", "123456789012");
        let mut activity = ended(ActivityKind::Terminate, ActivityStatus::Successful);
        let plain = message(&activity_notice(&place, &activity));
        assert_eq!((&plain["Origin"], &plain["Destination"]), (&json!("AutoScalingGroup"), &json!("EC2")));
        activity.held_by_hook = true;
        let hooked = message(&activity_notice(&place, &activity));
        assert_eq!((&hooked["Progress"], &hooked["StatusCode"]), (&json!(60), &json!("MidTerminatingLifecycleAction")));
    }

    #[test]
    fn a_failed_launch_is_complete_and_says_why() {
        let place = Place::new("us-east-1", "123456789012");
        let mut activity = ended(ActivityKind::Launch, ActivityStatus::Failed);
        activity.status_message = Some("no capacity".into());
        let notice = activity_notice(&place, &activity);
        assert_eq!(notice.subject.as_deref(), Some("Auto Scaling: failed launch for group \"web\""));
        let message = message(&notice);
        assert_eq!(message["Event"], "autoscaling:EC2_INSTANCE_LAUNCH_ERROR");
        assert_eq!((&message["Progress"], &message["StatusCode"]), (&json!(100), &json!("Failed")));
        assert_eq!(message["Description"], "Launching a new EC2 instance: i-1.  Status Reason: no capacity");
    }

    #[test]
    fn a_test_message_has_the_recorded_keys() {
        let place = Place::new("us-east-1", "123456789012");
        let notice = test_notice(&place, Timestamp::from_secs(0), &"g".into(), "arn", "r");
        assert_eq!(notice.subject.as_deref(), Some("Auto Scaling: test notification for group \"g\""));
        let message = message(&notice);
        let keys: Vec<&str> = message.keys().map(String::as_str).collect();
        assert_eq!(keys.join(" "), "AutoScalingGroupName Service Time AccountId Event RequestId AutoScalingGroupARN");
    }
}
