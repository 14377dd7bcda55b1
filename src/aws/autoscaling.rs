//! EC2 Auto Scaling: groups, policies, activities, group notifications.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_autoscaling::types;
use aws_smithy_types::DateTime;

use super::AwsError;
use super::names::{ActivityId, GroupName, InstanceId, PolicyArn, PolicyName, TopicArn, Zone};
use super::watch::Watch;
use crate::clock::Timestamp;

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Group {
    pub name: GroupName,
    pub arn: String,
    pub min_size: u32,
    pub desired_capacity: u32,
    pub max_size: u32,
    pub default_cooldown: Duration,
    /// Unset: a policy without a warm-up of its own takes the default cooldown.
    pub default_instance_warmup: Option<Duration>,
    pub instances: Vec<Instance>,
    pub suspended_processes: Vec<String>,
    /// Set while the group is being deleted.
    pub status: Option<String>,
    pub tags: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    pub id: InstanceId,
    /// `Pending`, `InService`, `Terminating` and so on, as AWS prints them.
    pub lifecycle_state: String,
    pub health_status: String,
    pub zone: Zone,
}

impl Instance {
    pub fn is_in_service(&self) -> bool {
        self.lifecycle_state == "InService"
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    pub name: PolicyName,
    pub arn: PolicyArn,
    /// `SimpleScaling`, `StepScaling` and so on.
    pub policy_type: String,
    pub scaling_adjustment: Option<i32>,
    /// `ChangeInCapacity`, `PercentChangeInCapacity` or `ExactCapacity`.
    pub adjustment_type: String,
    /// Of a step policy; empty for every other.
    pub steps: Vec<StepAdjustment>,
    /// Unset: the group's default cooldown applies.
    pub cooldown: Option<Duration>,
    /// Of a step or target tracking policy. Unset: the group's default applies.
    pub estimated_instance_warmup: Option<Duration>,
    pub enabled: bool,
}

impl Policy {
    pub fn is_simple(&self) -> bool {
        self.policy_type == "SimpleScaling"
    }

    pub fn is_step(&self) -> bool {
        self.policy_type == "StepScaling"
    }
}

/// What a step policy does in a range of distances from the alarm's threshold. An absent bound is infinity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepAdjustment {
    pub lower_bound: Option<f64>,
    pub upper_bound: Option<f64>,
    pub adjustment: i32,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Activity {
    pub id: ActivityId,
    pub description: String,
    pub cause: String,
    pub start_time: Timestamp,
    pub end_time: Option<Timestamp>,
    /// `InProgress`, `Successful`, `Failed` and so on.
    pub status_code: String,
    pub status_message: String,
    /// A JSON text.
    pub details: String,
}

impl Activity {
    pub fn is_successful(&self) -> bool {
        self.status_code == "Successful"
    }

    pub fn has_failed(&self) -> bool {
        matches!(self.status_code.as_str(), "Failed" | "Cancelled")
    }

    /// The instance that the description ends with.
    pub fn instance_id(&self) -> Option<InstanceId> {
        self.description.split([' ', '.']).find(|word| word.starts_with("i-")).map(InstanceId::from)
    }
}

/// One event of a group that is announced on a topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Notification {
    pub topic_arn: TopicArn,
    pub notification_type: String,
}

#[async_trait]
pub trait AutoScaling: Send + Sync {
    /// The group, or `None` if there is none of this name.
    async fn describe_auto_scaling_groups(&self, group: &GroupName) -> Result<Option<Group>, AwsError>;
    async fn describe_policies(&self, group: &GroupName) -> Result<Vec<Policy>, AwsError>;
    /// The newest hundred activities, those in progress first.
    async fn describe_scaling_activities(&self, group: &GroupName) -> Result<Vec<Activity>, AwsError>;
    async fn describe_notification_configurations(&self, group: &GroupName) -> Result<Vec<Notification>, AwsError>;
    /// Sets which events of the group this topic hears, in place of those it heard.
    async fn put_notification_configuration(
        &self,
        group: &GroupName,
        topic: &TopicArn,
        notification_types: &[String],
    ) -> Result<(), AwsError>;
    async fn delete_notification_configuration(&self, group: &GroupName, topic: &TopicArn) -> Result<(), AwsError>;
    /// Does not wait for a cooldown.
    async fn set_desired_capacity(&self, group: &GroupName, desired_capacity: u32) -> Result<(), AwsError>;
}

pub(super) struct SdkAutoScaling {
    client: aws_sdk_autoscaling::Client,
    watch: Watch,
}

impl SdkAutoScaling {
    pub fn new(config: &aws_config::SdkConfig, watch: Watch) -> Self {
        let config = aws_sdk_autoscaling::config::Builder::from(config).interceptor(watch.clone()).build();
        Self { client: aws_sdk_autoscaling::Client::from_conf(config), watch }
    }
}

#[async_trait]
impl AutoScaling for SdkAutoScaling {
    async fn describe_auto_scaling_groups(&self, group: &GroupName) -> Result<Option<Group>, AwsError> {
        let answer = self
            .client
            .describe_auto_scaling_groups()
            .auto_scaling_group_names(group.as_str())
            .send()
            .await
            .map_err(self.watch.failed("autoscaling:DescribeAutoScalingGroups"))?;
        Ok(answer.auto_scaling_groups.unwrap_or_default().into_iter().next().map(Group::from))
    }

    async fn describe_policies(&self, group: &GroupName) -> Result<Vec<Policy>, AwsError> {
        let pages = self.client.describe_policies().auto_scaling_group_name(group.as_str()).into_paginator();
        let policies: Result<Vec<types::ScalingPolicy>, _> = pages.items().send().collect().await;
        let policies = policies.map_err(self.watch.failed("autoscaling:DescribePolicies"))?;
        Ok(policies.into_iter().map(Policy::from).collect())
    }

    async fn describe_scaling_activities(&self, group: &GroupName) -> Result<Vec<Activity>, AwsError> {
        let answer = self
            .client
            .describe_scaling_activities()
            .auto_scaling_group_name(group.as_str())
            .send()
            .await
            .map_err(self.watch.failed("autoscaling:DescribeScalingActivities"))?;
        Ok(answer.activities.unwrap_or_default().into_iter().map(Activity::from).collect())
    }

    async fn describe_notification_configurations(&self, group: &GroupName) -> Result<Vec<Notification>, AwsError> {
        let pages = self
            .client
            .describe_notification_configurations()
            .auto_scaling_group_names(group.as_str())
            .into_paginator();
        let found: Result<Vec<types::NotificationConfiguration>, _> = pages.items().send().collect().await;
        let found = found.map_err(self.watch.failed("autoscaling:DescribeNotificationConfigurations"))?;
        let own = |c: types::NotificationConfiguration| Notification {
            topic_arn: TopicArn(c.topic_arn.unwrap_or_default()),
            notification_type: c.notification_type.unwrap_or_default(),
        };
        Ok(found.into_iter().map(own).collect())
    }

    async fn put_notification_configuration(
        &self,
        group: &GroupName,
        topic: &TopicArn,
        notification_types: &[String],
    ) -> Result<(), AwsError> {
        let call = self
            .client
            .put_notification_configuration()
            .auto_scaling_group_name(group.as_str())
            .topic_arn(topic.as_str())
            .set_notification_types(Some(notification_types.to_vec()));
        call.send().await.map_err(self.watch.failed("autoscaling:PutNotificationConfiguration"))?;
        Ok(())
    }

    async fn delete_notification_configuration(&self, group: &GroupName, topic: &TopicArn) -> Result<(), AwsError> {
        let call = self
            .client
            .delete_notification_configuration()
            .auto_scaling_group_name(group.as_str())
            .topic_arn(topic.as_str());
        call.send().await.map_err(self.watch.failed("autoscaling:DeleteNotificationConfiguration"))?;
        Ok(())
    }

    async fn set_desired_capacity(&self, group: &GroupName, desired_capacity: u32) -> Result<(), AwsError> {
        let call = self
            .client
            .set_desired_capacity()
            .auto_scaling_group_name(group.as_str())
            .desired_capacity(i32::try_from(desired_capacity).unwrap_or(i32::MAX))
            .honor_cooldown(false);
        call.send().await.map_err(self.watch.failed("autoscaling:SetDesiredCapacity"))?;
        Ok(())
    }
}

/// The SDK's instant in ours; one outside the range of dates becomes the epoch.
pub(super) fn timestamp(at: DateTime) -> Timestamp {
    Timestamp::from_millis(at.to_millis().unwrap_or_default())
}

fn count(number: Option<i32>) -> u32 {
    number.and_then(|n| u32::try_from(n).ok()).unwrap_or_default()
}

fn seconds(number: i32) -> Duration {
    Duration::from_secs(u64::try_from(number).unwrap_or_default())
}

impl From<types::AutoScalingGroup> for Group {
    fn from(group: types::AutoScalingGroup) -> Self {
        let tags = group.tags.unwrap_or_default().into_iter();
        let suspended = group.suspended_processes.unwrap_or_default().into_iter();
        Self {
            name: GroupName(group.auto_scaling_group_name.unwrap_or_default()),
            arn: group.auto_scaling_group_arn.unwrap_or_default(),
            min_size: count(group.min_size),
            desired_capacity: count(group.desired_capacity),
            max_size: count(group.max_size),
            default_cooldown: seconds(group.default_cooldown.unwrap_or_default()),
            // AWS shows -1 for one that was taken away again.
            default_instance_warmup: group.default_instance_warmup.filter(|warmup| *warmup >= 0).map(seconds),
            instances: group.instances.unwrap_or_default().into_iter().map(Instance::from).collect(),
            suspended_processes: suspended.filter_map(|process| process.process_name).collect(),
            status: group.status,
            tags: tags.filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect(),
        }
    }
}

impl From<types::Instance> for Instance {
    fn from(instance: types::Instance) -> Self {
        Self {
            id: InstanceId(instance.instance_id.unwrap_or_default()),
            lifecycle_state: instance.lifecycle_state.map_or_else(String::new, |state| state.as_str().into()),
            health_status: instance.health_status.unwrap_or_default(),
            zone: Zone(instance.availability_zone.unwrap_or_default()),
        }
    }
}

impl From<types::ScalingPolicy> for Policy {
    fn from(policy: types::ScalingPolicy) -> Self {
        Self {
            name: PolicyName(policy.policy_name.unwrap_or_default()),
            arn: PolicyArn(policy.policy_arn.unwrap_or_default()),
            policy_type: policy.policy_type.unwrap_or_default(),
            scaling_adjustment: policy.scaling_adjustment,
            adjustment_type: policy.adjustment_type.unwrap_or_default(),
            steps: policy.step_adjustments.unwrap_or_default().into_iter().map(StepAdjustment::from).collect(),
            cooldown: policy.cooldown.map(seconds),
            estimated_instance_warmup: policy.estimated_instance_warmup.map(seconds),
            enabled: policy.enabled.unwrap_or(true),
        }
    }
}

impl From<types::StepAdjustment> for StepAdjustment {
    fn from(step: types::StepAdjustment) -> Self {
        Self {
            lower_bound: step.metric_interval_lower_bound,
            upper_bound: step.metric_interval_upper_bound,
            adjustment: step.scaling_adjustment.unwrap_or_default(),
        }
    }
}

impl From<types::Activity> for Activity {
    fn from(activity: types::Activity) -> Self {
        Self {
            id: ActivityId(activity.activity_id.unwrap_or_default()),
            description: activity.description.unwrap_or_default(),
            cause: activity.cause.unwrap_or_default(),
            start_time: activity.start_time.map(timestamp).unwrap_or_default(),
            end_time: activity.end_time.map(timestamp),
            status_code: activity.status_code.map_or_else(String::new, |code| code.as_str().into()),
            status_message: activity.status_message.unwrap_or_default(),
            details: activity.details.unwrap_or_default(),
        }
    }
}
