//! Reads what is there. Start at [`find`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::task::JoinSet;

use super::pace::{Pacer, Pacing};
use super::wanted::Resolver;
use super::{OWNER_TAG, prefix_of};
use crate::aws::names::{AlarmArn, AlarmName, GroupName, Place, PolicyArn, PolicyName, TopicArn};
use crate::aws::{AlarmSelection, AwsError, Clients, MetricAlarm, Subscription};
use crate::model::Stack;

/// What AWS has under the stack's names.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub place: Place,
    pub group_exists: bool,
    pub policies: BTreeMap<PolicyName, PolicyArn>,
    /// Topics of the stack's names, and others that carry its tag.
    pub topics: BTreeMap<TopicArn, FoundTopic>,
    /// The events of the group that each topic hears.
    pub notifications: BTreeMap<TopicArn, BTreeSet<String>>,
    /// Alarms of the stack's names, and others that carry its tag.
    pub alarms: BTreeMap<AlarmName, FoundAlarm>,
    /// Set where the endpoint has no Auto Scaling: then policies and notifications are unknown, not absent.
    pub auto_scaling_not_served: Option<AwsError>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct FoundTopic {
    pub owner: Owner,
    pub policy: String,
    pub subscriptions: Vec<Subscription>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct FoundAlarm {
    pub arn: AlarmArn,
    pub owner: Owner,
    pub config: MetricAlarm,
}

/// Whose a resource is, by its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// This stack's.
    Us,
    /// Another stack's.
    Other(String),
    /// Nobody's that scaleproof knows.
    Untagged,
    /// The alarm is exactly as wanted, so that nothing will be done to it, whosever it is. Not asking saves one call per
    /// alarm, at ten a second, on every run that changes nothing.
    NotAsked,
}

impl Owner {
    fn from_tags(tags: &BTreeMap<String, String>, stack: &str) -> Self {
        match tags.get(OWNER_TAG) {
            Some(name) if name == stack => Self::Us,
            Some(name) => Self::Other(name.clone()),
            None => Self::Untagged,
        }
    }
}

/// Reads everything that [`super::plan()`] compares, at AWS's own pace.
///
/// # Errors
/// The first call that failed. An endpoint without Auto Scaling is no failure: see [`Found::auto_scaling_not_served`].
pub async fn find(clients: &Clients, stack: &Stack) -> Result<Found, AwsError> {
    find_paced(clients, stack, Pacing::for_endpoint(&clients.endpoint)).await
}

/// [`find`], paced as told.
///
/// # Errors
/// As [`find`].
pub async fn find_paced(clients: &Clients, stack: &Stack, pacing: Pacing) -> Result<Found, AwsError> {
    let reader = Reader { clients: clients.clone(), stack, pacer: Arc::new(Pacer::new(pacing)) };
    let identity = clients.sts.get_caller_identity().await?;
    let place = Place {
        partition: identity.partition().to_string(),
        region: stack.region.clone(),
        account: identity.account.clone(),
    };
    let mut found = Found {
        place,
        group_exists: false,
        policies: BTreeMap::new(),
        topics: BTreeMap::new(),
        notifications: BTreeMap::new(),
        alarms: BTreeMap::new(),
        auto_scaling_not_served: None,
    };
    match reader.group(&mut found).await {
        Err(error) if error.is_not_served() => found.auto_scaling_not_served = Some(error),
        other => other?,
    }
    found.topics = reader.topics(&found.place).await?;
    found.alarms = reader.alarms(&found).await?;
    Ok(found)
}

/// So many calls are in flight at a time. More gains nothing against one endpoint and makes throttling likelier.
pub(super) const IN_FLIGHT: usize = 16;

struct Reader<'a> {
    clients: Clients,
    stack: &'a Stack,
    pacer: Arc<Pacer>,
}

impl Reader<'_> {
    async fn group(&self, found: &mut Found) -> Result<(), AwsError> {
        let name = GroupName(self.stack.group.name.clone());
        let auto_scaling = &self.clients.autoscaling;
        found.group_exists = auto_scaling.describe_auto_scaling_groups(&name).await?.is_some();
        if !found.group_exists {
            return Ok(());
        }
        let policies = auto_scaling.describe_policies(&name).await?;
        found.policies = policies.into_iter().map(|policy| (policy.name, policy.arn)).collect();
        for heard in auto_scaling.describe_notification_configurations(&name).await? {
            found.notifications.entry(heard.topic_arn).or_default().insert(heard.notification_type);
        }
        Ok(())
    }

    async fn topics(&self, place: &Place) -> Result<BTreeMap<TopicArn, FoundTopic>, AwsError> {
        let wanted: BTreeSet<TopicArn> =
            self.stack.alerting.topics.iter().map(|topic| TopicArn(place.arn("sns", &topic.name))).collect();
        let prefix = place.arn("sns", &prefix_of(self.stack));
        let listed = self.clients.sns.list_topics().await?;
        let candidates: BTreeSet<TopicArn> =
            listed.into_iter().filter(|arn| arn.as_str().starts_with(&prefix)).chain(wanted.iter().cloned()).collect();
        let mut topics = BTreeMap::new();
        for arn in candidates {
            let Some(topic) = self.topic(&arn).await? else { continue };
            // A stack named `web` also lists the topics of `web-prod`; only the tag tells them apart.
            if wanted.contains(&arn) || topic.owner == Owner::Us {
                topics.insert(arn, topic);
            }
        }
        Ok(topics)
    }

    async fn topic(&self, arn: &TopicArn) -> Result<Option<FoundTopic>, AwsError> {
        let sns = &self.clients.sns;
        self.pacer.turn("sns:GetTopicAttributes").await;
        let Some(attributes) = sns.get_topic_attributes(arn).await? else { return Ok(None) };
        self.pacer.turn("sns:ListTagsForResource").await;
        let owner = Owner::from_tags(&sns.list_tags_for_resource(arn).await?, &self.stack.name);
        self.pacer.turn("sns:ListSubscriptionsByTopic").await;
        let subscriptions = sns.list_subscriptions_by_topic(arn).await?;
        let policy = attributes.get("Policy").cloned().unwrap_or_default();
        Ok(Some(FoundTopic { owner, policy, subscriptions }))
    }

    async fn alarms(&self, found: &Found) -> Result<BTreeMap<AlarmName, FoundAlarm>, AwsError> {
        let resolver = Resolver { stack: self.stack, place: &found.place, policies: &found.policies };
        let mut unresolved = BTreeSet::new();
        let wanted: BTreeMap<AlarmName, MetricAlarm> = self
            .stack
            .alerting
            .alarms
            .iter()
            .map(|alarm| (AlarmName(alarm.name.clone()), resolver.alarm(alarm, &mut unresolved)))
            .collect();
        let mut alarms = self.described(&wanted).await?;
        let mut asking = Vec::new();
        for (name, alarm) in &mut alarms {
            match wanted.get(name) {
                Some(wanted) if super::plan::diff_alarms(wanted, &alarm.config).is_empty() => {}
                _ => asking.push((name.clone(), alarm.arn.clone())),
            }
        }
        for (name, owner) in self.owners(asking).await? {
            if owner != Owner::Us && !wanted.contains_key(&name) {
                alarms.remove(&name);
            } else if let Some(alarm) = alarms.get_mut(&name) {
                alarm.owner = owner;
            }
        }
        Ok(alarms)
    }

    /// Everything under the stack's prefix, in one walk through the pages, and wanted names outside it a hundred a call.
    async fn described(
        &self,
        wanted: &BTreeMap<AlarmName, MetricAlarm>,
    ) -> Result<BTreeMap<AlarmName, FoundAlarm>, AwsError> {
        let prefix = prefix_of(self.stack);
        self.pacer.turn("cloudwatch:DescribeAlarms").await;
        let mut described = self.clients.cloudwatch.describe_alarms(AlarmSelection::Prefix(&prefix)).await?;
        let outside: Vec<AlarmName> =
            wanted.keys().filter(|name| !name.as_str().starts_with(&prefix)).cloned().collect();
        for names in outside.chunks(AlarmSelection::NAMES) {
            self.pacer.turn("cloudwatch:DescribeAlarms").await;
            described.extend(self.clients.cloudwatch.describe_alarms(AlarmSelection::Names(names)).await?);
        }
        let found = described.into_iter().map(|alarm| {
            (alarm.config.name.clone(), FoundAlarm { arn: alarm.arn, owner: Owner::NotAsked, config: alarm.config })
        });
        Ok(found.collect())
    }

    async fn owners(&self, alarms: Vec<(AlarmName, AlarmArn)>) -> Result<Vec<(AlarmName, Owner)>, AwsError> {
        let mut owners = Vec::with_capacity(alarms.len());
        let mut asking = JoinSet::new();
        let mut waiting = alarms.into_iter();
        loop {
            while asking.len() < IN_FLIGHT
                && let Some((name, arn)) = waiting.next()
            {
                let (clients, pacer, stack) = (self.clients.clone(), Arc::clone(&self.pacer), self.stack.name.clone());
                asking.spawn(async move {
                    pacer.turn("cloudwatch:ListTagsForResource").await;
                    let tags = clients.cloudwatch.list_tags_for_resource(&arn).await?;
                    Ok((name, Owner::from_tags(&tags, &stack)))
                });
            }
            match asking.join_next().await {
                None => return Ok(owners),
                Some(Ok(answer)) => owners.push(answer?),
                Some(Err(panicked)) => std::panic::resume_unwind(panicked.into_panic()),
            }
        }
    }
}
