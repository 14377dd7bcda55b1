//! The traits, answered from [`State`].

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{ACCOUNT, FakeAws, FakeTopic, State, queue_url};
use crate::aws::names::{AlarmArn, AlarmName, GroupName, InstanceId, SubscriptionArn, TopicArn};
use crate::aws::{
    Activity, AlarmSelection, AlarmState, AutoScaling, AwsError, CloudWatch, Datapoint, DescribedAlarm, Ec2, Group,
    HistoryItem, Identity, Message, MetricAlarm, Notification, Policy, RunningInstance, Sns, Sqs, StatisticsQuery, Sts,
    Subscription,
};
use crate::clock::Timestamp;

type Tags = BTreeMap<String, String>;

#[async_trait]
impl AutoScaling for FakeAws {
    async fn describe_auto_scaling_groups(&self, _: &GroupName) -> Result<Option<Group>, AwsError> {
        Ok(self.call("autoscaling:DescribeAutoScalingGroups")?.group.clone())
    }
    async fn describe_policies(&self, _: &GroupName) -> Result<Vec<Policy>, AwsError> {
        Ok(self.call("autoscaling:DescribePolicies")?.policies.clone())
    }
    async fn describe_scaling_activities(&self, _: &GroupName) -> Result<Vec<Activity>, AwsError> {
        Ok(self.call("autoscaling:DescribeScalingActivities")?.activities.clone())
    }
    async fn describe_notification_configurations(&self, _: &GroupName) -> Result<Vec<Notification>, AwsError> {
        let state = self.call("autoscaling:DescribeNotificationConfigurations")?;
        let one = |(topic, events): (&TopicArn, &std::collections::BTreeSet<String>)| {
            let topic_arn = topic.clone();
            let events: Vec<String> = events.iter().cloned().collect();
            events
                .into_iter()
                .map(move |notification_type| Notification { topic_arn: topic_arn.clone(), notification_type })
        };
        Ok(state.notifications.iter().flat_map(one).collect())
    }
    async fn put_notification_configuration(
        &self,
        _: &GroupName,
        topic: &TopicArn,
        types: &[String],
    ) -> Result<(), AwsError> {
        let mut state = self.call("autoscaling:PutNotificationConfiguration")?;
        state.notifications.insert(topic.clone(), types.iter().cloned().collect());
        Ok(())
    }
    async fn delete_notification_configuration(&self, _: &GroupName, topic: &TopicArn) -> Result<(), AwsError> {
        self.call("autoscaling:DeleteNotificationConfiguration")?.notifications.remove(topic);
        Ok(())
    }
    async fn set_desired_capacity(&self, _: &GroupName, desired_capacity: u32) -> Result<(), AwsError> {
        let mut state = self.call("autoscaling:SetDesiredCapacity")?;
        state.set_desired(desired_capacity, "a user request explicitly set group desired capacity");
        Ok(())
    }
}

#[async_trait]
impl CloudWatch for FakeAws {
    async fn describe_alarms(&self, selection: AlarmSelection<'_>) -> Result<Vec<DescribedAlarm>, AwsError> {
        let state = self.call("cloudwatch:DescribeAlarms")?;
        let selected = |name: &AlarmName| match selection {
            AlarmSelection::Names(names) => names.contains(name),
            AlarmSelection::Prefix(prefix) => name.as_str().starts_with(prefix),
        };
        Ok(state.alarms.iter().filter(|(name, _)| selected(name)).map(|(_, alarm)| alarm.described.clone()).collect())
    }
    async fn describe_alarm_history(&self, alarm: &AlarmName, start: Timestamp) -> Result<Vec<HistoryItem>, AwsError> {
        let state = self.call("cloudwatch:DescribeAlarmHistory")?;
        let history = state.alarms.get(alarm).map(|alarm| alarm.history.clone()).unwrap_or_default();
        Ok(history.into_iter().filter(|item| item.at >= start).collect())
    }
    async fn put_metric_alarm(&self, alarm: &MetricAlarm, tags: &Tags) -> Result<(), AwsError> {
        self.call("cloudwatch:PutMetricAlarm")?.put_alarm(alarm, tags);
        Ok(())
    }
    async fn delete_alarms(&self, names: &[AlarmName]) -> Result<(), AwsError> {
        self.call("cloudwatch:DeleteAlarms")?.alarms.retain(|name, _| !names.contains(name));
        Ok(())
    }
    async fn set_alarm_state(
        &self,
        alarm: &AlarmName,
        state: AlarmState,
        _: &str,
        reason_data: Option<&str>,
    ) -> Result<(), AwsError> {
        let mut world = self.call("cloudwatch:SetAlarmState")?;
        world.reason_data = reason_data.map(str::to_string);
        world.set_alarm(alarm, state);
        Ok(())
    }
    async fn list_tags_for_resource(&self, alarm: &AlarmArn) -> Result<Tags, AwsError> {
        let state = self.call("cloudwatch:ListTagsForResource")?;
        let there = state.alarms.values().find(|there| there.described.arn == *alarm);
        Ok(there.map(|there| there.tags.clone()).unwrap_or_default())
    }
    async fn tag_resource(&self, alarm: &AlarmArn, tags: &Tags) -> Result<(), AwsError> {
        let mut state = self.call("cloudwatch:TagResource")?;
        let tagged = state.alarms.values_mut().filter(|there| there.described.arn == *alarm);
        tagged.for_each(|there| there.tags.extend(tags.clone()));
        Ok(())
    }
    async fn get_metric_statistics(&self, query: &StatisticsQuery) -> Result<Vec<Datapoint>, AwsError> {
        drop(self.call("cloudwatch:GetMetricStatistics")?);
        Ok(vec![Datapoint { at: query.start, value: 2.0 }])
    }
}

#[async_trait]
impl Sns for FakeAws {
    async fn list_topics(&self) -> Result<Vec<TopicArn>, AwsError> {
        Ok(self.call("sns:ListTopics")?.topics.keys().cloned().collect())
    }
    async fn get_topic_attributes(&self, topic: &TopicArn) -> Result<Option<Tags>, AwsError> {
        Ok(self.call("sns:GetTopicAttributes")?.topics.get(topic).map(|topic| topic.attributes.clone()))
    }
    async fn list_tags_for_resource(&self, topic: &TopicArn) -> Result<Tags, AwsError> {
        let state = self.call("sns:ListTagsForResource")?;
        Ok(state.topics.get(topic).map(|topic| topic.tags.clone()).unwrap_or_default())
    }
    async fn list_subscriptions_by_topic(&self, topic: &TopicArn) -> Result<Vec<Subscription>, AwsError> {
        let state = self.call("sns:ListSubscriptionsByTopic")?;
        Ok(state.topics.get(topic).map(|topic| topic.subscriptions.clone()).unwrap_or_default())
    }
    async fn create_topic(&self, name: &str, tags: &Tags) -> Result<TopicArn, AwsError> {
        let mut state = self.call("sns:CreateTopic")?;
        let arn = TopicArn(state.place.arn("sns", name));
        state.topics.entry(arn.clone()).or_insert_with(|| FakeTopic { tags: tags.clone(), ..FakeTopic::default() });
        Ok(arn)
    }
    async fn set_topic_attributes(&self, topic: &TopicArn, name: &str, value: &str) -> Result<(), AwsError> {
        let mut state = self.call("sns:SetTopicAttributes")?;
        if let Some(topic) = state.topics.get_mut(topic) {
            topic.attributes.insert(name.into(), value.into());
        }
        Ok(())
    }
    async fn tag_resource(&self, topic: &TopicArn, tags: &Tags) -> Result<(), AwsError> {
        if let Some(topic) = self.call("sns:TagResource")?.topics.get_mut(topic) {
            topic.tags.extend(tags.clone());
        }
        Ok(())
    }
    async fn subscribe(
        &self,
        topic: &TopicArn,
        protocol: &str,
        endpoint: &str,
    ) -> Result<Option<SubscriptionArn>, AwsError> {
        Ok(self.call("sns:Subscribe")?.subscribe(topic, protocol, endpoint))
    }
    async fn unsubscribe(&self, subscription: &SubscriptionArn) -> Result<(), AwsError> {
        let mut state = self.call("sns:Unsubscribe")?;
        for topic in state.topics.values_mut() {
            topic.subscriptions.retain(|there| there.arn.as_ref() != Some(subscription));
        }
        Ok(())
    }
    async fn delete_topic(&self, topic: &TopicArn) -> Result<(), AwsError> {
        self.call("sns:DeleteTopic")?.topics.remove(topic);
        Ok(())
    }
}

#[async_trait]
impl Sqs for FakeAws {
    async fn create_queue(&self, name: &str, _: &Tags, _: &Tags) -> Result<String, AwsError> {
        self.call("sqs:CreateQueue")?.queues.insert(queue_url(name), Vec::new());
        Ok(queue_url(name))
    }
    async fn get_queue_url(&self, name: &str) -> Result<Option<String>, AwsError> {
        let state = self.call("sqs:GetQueueUrl")?;
        Ok(Some(queue_url(name)).filter(|url| state.queues.contains_key(url)))
    }
    async fn receive_message(&self, url: &str) -> Result<Vec<Message>, AwsError> {
        let state = self.call("sqs:ReceiveMessage")?;
        Ok(state.queues.get(url).map(|messages| messages.iter().take(10).cloned().collect()).unwrap_or_default())
    }
    async fn delete_message(&self, url: &str, receipt_handle: &str) -> Result<(), AwsError> {
        let mut state = self.call("sqs:DeleteMessage")?;
        state.queues.entry(url.into()).or_default().retain(|message| message.receipt_handle != receipt_handle);
        Ok(())
    }
    async fn delete_queue(&self, url: &str) -> Result<(), AwsError> {
        self.call("sqs:DeleteQueue")?.queues.remove(url);
        Ok(())
    }
}

#[async_trait]
impl Sts for FakeAws {
    async fn get_caller_identity(&self) -> Result<Identity, AwsError> {
        drop(self.call("sts:GetCallerIdentity")?);
        Ok(Identity { account: ACCOUNT.into(), arn: format!("arn:aws:iam::{ACCOUNT}:root") })
    }
}

#[async_trait]
impl Ec2 for FakeAws {
    async fn describe_instances(&self, _: &[InstanceId]) -> Result<Vec<RunningInstance>, AwsError> {
        let state: std::sync::MutexGuard<'_, State> = self.call("ec2:DescribeInstances")?;
        let instances = state.group.iter().flat_map(|group| &group.instances);
        Ok(instances
            .map(|instance| RunningInstance { id: instance.id.clone(), state: "running".into(), public_ip: None })
            .collect())
    }

    async fn has_key_pair(&self, _: &str) -> Result<bool, AwsError> {
        Ok(true)
    }
}
