//! Wanted against found, as data. Start at [`plan`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::find::{Found, FoundTopic, Owner};
use super::policy::with_our_statement;
use super::tags_of;
use super::wanted::{Resolver, Unresolved};
use crate::aws::MetricAlarm;
use crate::aws::names::{AlarmArn, AlarmName, GroupName, SubscriptionArn, TopicArn};
use crate::model::{Stack, Topic};

/// What `apply` will do, in order, and what stands in its way.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    pub stack: String,
    pub group: String,
    /// Put on every topic and alarm that is created.
    pub tags: BTreeMap<String, String>,
    pub changes: Vec<Change>,
    /// Resources of our names that are not ours. Nothing is applied while there are any.
    pub conflicts: Vec<Conflict>,
    /// Scaling policies that alarms name and the group does not have (yet). Nothing is applied while there are any.
    pub missing_policies: Vec<String>,
    /// What this endpoint cannot do, each in a sentence. Never the case on AWS.
    pub left_out: Vec<String>,
    /// Subscribers who were asked and have not confirmed.
    pub unconfirmed: Vec<super::Pending>,
}

impl Plan {
    /// The changes that do something.
    pub fn doing(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.action.is_some())
    }

    /// Whether the world is as the stack wants it.
    pub fn is_empty(&self) -> bool {
        self.doing().next().is_none() && self.conflicts.is_empty() && self.missing_policies.is_empty()
    }

    pub fn count(&self, verb: Verb) -> usize {
        self.changes.iter().filter(|change| change.verb == verb).count()
    }
}

/// One resource: what happens to it and why. Doing nothing is a decision too.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    pub verb: Verb,
    pub resource: Resource,
    pub because: Reason,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub diff: Vec<FieldDiff>,
    #[serde(skip)]
    pub action: Option<Action>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    Create,
    /// Put our tag on it.
    Adopt,
    Update,
    Delete,
    NoOp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResourceKind {
    Topic,
    TopicPolicy,
    Subscription,
    GroupNotification,
    Alarm,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Resource {
    pub kind: ResourceKind,
    /// Its name at AWS; for a subscription the address and the topic's name.
    pub name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    Missing,
    AsWanted,
    Differs,
    NotInSpec,
    /// Asked by email, not answered yet. AWS forgets the request after three days.
    AwaitsConfirmation,
    /// It cannot be removed before it is confirmed; AWS forgets it after three days.
    GoesByItself,
    AdoptedOnRequest,
}

/// One argument that changes, as AWS names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldDiff {
    pub field: &'static str,
    pub from: String,
    pub to: String,
}

/// A resource that has our name and another owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conflict {
    pub resource: Resource,
    /// The stack whose tag it carries; `None` if it carries none.
    pub stack: Option<String>,
}

/// The call that makes a change.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    CreateTopic { name: String },
    TagTopic(TopicArn),
    SetTopicPolicy { topic: TopicArn, policy: String },
    Subscribe { topic: TopicArn, email: String },
    PutNotifications { group: GroupName, topic: TopicArn, types: Vec<String> },
    TagAlarm(AlarmArn),
    PutAlarm(Box<MetricAlarm>),
    DeleteAlarm(AlarmName),
    DeleteNotifications { group: GroupName, topic: TopicArn },
    Unsubscribe(SubscriptionArn),
    DeleteTopic(TopicArn),
}

/// What to do with a resource of our name that carries no tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adoption {
    /// It is somebody's; say so and touch nothing.
    Refuse,
    /// Asked for by the user: tag it and make it as the spec says. A resource of another stack is refused all the same.
    Untagged,
}

/// Compares what the stack wants with what was found. Refuses what is not ours.
pub fn plan(stack: &Stack, found: &Found) -> Plan {
    plan_adopting(stack, found, Adoption::Refuse)
}

/// [`plan`], told what to do with resources of our names that nobody has tagged.
pub fn plan_adopting(stack: &Stack, found: &Found, adoption: Adoption) -> Plan {
    let mut planner = Planner { stack, found, adoption, plan: empty_plan(stack) };
    for topic in &stack.alerting.topics {
        planner.topic(topic);
    }
    for topic in &stack.alerting.topics {
        planner.notifications(topic);
    }
    planner.alarms();
    planner.prune_topics();
    planner.plan.changes.sort_by_key(|change| change.action.as_ref().map_or(0, Action::phase));
    planner.plan
}

fn empty_plan(stack: &Stack) -> Plan {
    Plan {
        stack: stack.name.clone(),
        group: stack.group.name.clone(),
        tags: tags_of(stack),
        changes: Vec::new(),
        conflicts: Vec::new(),
        missing_policies: Vec::new(),
        left_out: Vec::new(),
        unconfirmed: Vec::new(),
    }
}

impl Action {
    /// A phase is over before the next begins: an alarm must not fire into a topic that is not there yet, and a topic
    /// must not vanish under an alarm.
    pub(super) fn phase(&self) -> u8 {
        match self {
            Self::CreateTopic { .. } | Self::TagTopic(_) | Self::TagAlarm(_) => 1,
            Self::SetTopicPolicy { .. } => 2,
            Self::Subscribe { .. } | Self::PutNotifications { .. } => 3,
            Self::PutAlarm(_) => 4,
            Self::DeleteAlarm(_) | Self::DeleteNotifications { .. } => 5,
            Self::Unsubscribe(_) => 6,
            Self::DeleteTopic(_) => 7,
        }
    }

    pub(super) fn operation(&self) -> &'static str {
        match self {
            Self::CreateTopic { .. } => "sns:CreateTopic",
            Self::TagTopic(_) => "sns:TagResource",
            Self::SetTopicPolicy { .. } => "sns:SetTopicAttributes",
            Self::Subscribe { .. } => "sns:Subscribe",
            Self::PutNotifications { .. } => "autoscaling:PutNotificationConfiguration",
            Self::TagAlarm(_) => "cloudwatch:TagResource",
            Self::PutAlarm(_) => "cloudwatch:PutMetricAlarm",
            Self::DeleteAlarm(_) => "cloudwatch:DeleteAlarms",
            Self::DeleteNotifications { .. } => "autoscaling:DeleteNotificationConfiguration",
            Self::Unsubscribe(_) => "sns:Unsubscribe",
            Self::DeleteTopic(_) => "sns:DeleteTopic",
        }
    }
}

struct Planner<'a> {
    stack: &'a Stack,
    found: &'a Found,
    adoption: Adoption,
    plan: Plan,
}

impl Planner<'_> {
    fn push(&mut self, verb: Verb, kind: ResourceKind, name: &str, because: Reason, action: Option<Action>) {
        let resource = Resource { kind, name: name.to_string() };
        self.plan.changes.push(Change { verb, resource, because, diff: Vec::new(), action });
    }

    /// Decides whether the resource may be touched; adopting it is a change of its own.
    fn may_touch(&mut self, owner: &Owner, kind: ResourceKind, name: &str, tag: Action) -> bool {
        let stack = match owner {
            Owner::Us | Owner::NotAsked => return true,
            Owner::Untagged if self.adoption == Adoption::Untagged => {
                self.push(Verb::Adopt, kind, name, Reason::AdoptedOnRequest, Some(tag));
                return true;
            }
            Owner::Untagged => None,
            Owner::Other(stack) => Some(stack.clone()),
        };
        let resource = Resource { kind, name: name.to_string() };
        self.plan.conflicts.push(Conflict { resource, stack });
        false
    }

    fn topic(&mut self, topic: &Topic) {
        let arn = TopicArn(self.found.place.arn("sns", &topic.name));
        let found = self.found.topics.get(&arn);
        match found {
            None => {
                let create = Action::CreateTopic { name: topic.name.clone() };
                self.push(Verb::Create, ResourceKind::Topic, &topic.name, Reason::Missing, Some(create));
            }
            Some(there) => {
                let tag = Action::TagTopic(arn.clone());
                if !self.may_touch(&there.owner, ResourceKind::Topic, &topic.name, tag) {
                    return;
                }
                if there.owner == Owner::Us {
                    self.push(Verb::NoOp, ResourceKind::Topic, &topic.name, Reason::AsWanted, None);
                }
            }
        }
        self.topic_policy(topic, &arn, found);
        self.subscriptions(topic, &arn, found);
    }

    fn topic_policy(&mut self, topic: &Topic, arn: &TopicArn, found: Option<&FoundTopic>) {
        let there = found.map(|found| found.policy.as_str());
        let (verb, because) = match there {
            None => (Verb::Create, Reason::Missing),
            Some(_) => (Verb::Update, Reason::Differs),
        };
        match with_our_statement(there, arn, &self.found.place.account) {
            None => self.push(Verb::NoOp, ResourceKind::TopicPolicy, &topic.name, Reason::AsWanted, None),
            Some(policy) => {
                let action = Action::SetTopicPolicy { topic: arn.clone(), policy };
                self.push(verb, ResourceKind::TopicPolicy, &topic.name, because, Some(action));
            }
        }
    }

    fn subscriptions(&mut self, topic: &Topic, arn: &TopicArn, found: Option<&FoundTopic>) {
        let kind = ResourceKind::Subscription;
        let there = found.map(|found| found.subscriptions.as_slice()).unwrap_or_default();
        let name_of = |email: &str| format!("{email} to {}", topic.name);
        for email in &topic.emails {
            let name = name_of(email);
            match there.iter().find(|s| s.protocol == "email" && s.endpoint == *email) {
                Some(s) if s.arn.is_some() => self.push(Verb::NoOp, kind, &name, Reason::AsWanted, None),
                Some(_) => {
                    self.push(Verb::NoOp, kind, &name, Reason::AwaitsConfirmation, None);
                    self.plan.unconfirmed.push(super::Pending { topic: topic.name.clone(), email: email.clone() });
                }
                None => {
                    let action = Action::Subscribe { topic: arn.clone(), email: email.clone() };
                    self.push(Verb::Create, kind, &name, Reason::Missing, Some(action));
                }
            }
        }
        // Other protocols were subscribed by others (a chat, a queue) and are theirs.
        for extra in there.iter().filter(|s| s.protocol == "email" && !topic.emails.contains(&s.endpoint)) {
            let name = name_of(&extra.endpoint);
            match &extra.arn {
                Some(arn) => {
                    self.push(Verb::Delete, kind, &name, Reason::NotInSpec, Some(Action::Unsubscribe(arn.clone())));
                }
                None => self.push(Verb::NoOp, kind, &name, Reason::GoesByItself, None),
            }
        }
    }

    fn notifications(&mut self, topic: &Topic) {
        let group = GroupName(self.stack.group.name.clone());
        let arn = TopicArn(self.found.place.arn("sns", &topic.name));
        let wanted: BTreeSet<String> =
            topic.group_events.iter().map(|event| event.notification_type().to_string()).collect();
        let name = format!("{group} to {}", topic.name);
        let kind = ResourceKind::GroupNotification;
        if let Some(error) = self.found.auto_scaling_not_served.as_ref().filter(|_| !wanted.is_empty()) {
            self.plan.left_out.push(format!("group notifications of {name}: {error}"));
            return;
        }
        let there = self.found.notifications.get(&arn).cloned().unwrap_or_default();
        match (wanted.is_empty(), there.is_empty()) {
            (true, true) => {}
            (false, _) if wanted == there => self.push(Verb::NoOp, kind, &name, Reason::AsWanted, None),
            (true, false) => {
                let action = Action::DeleteNotifications { group, topic: arn };
                self.push(Verb::Delete, kind, &name, Reason::NotInSpec, Some(action));
            }
            (false, nothing_yet) => {
                let (verb, because) =
                    if nothing_yet { (Verb::Create, Reason::Missing) } else { (Verb::Update, Reason::Differs) };
                let diff = FieldDiff { field: "NotificationTypes", from: listed(&there), to: listed(&wanted) };
                let action = Action::PutNotifications { group, topic: arn, types: wanted.into_iter().collect() };
                self.push(verb, kind, &name, because, Some(action));
                if !nothing_yet && let Some(change) = self.plan.changes.last_mut() {
                    change.diff.push(diff);
                }
            }
        }
    }

    fn alarms(&mut self) {
        let resolver = Resolver { stack: self.stack, place: &self.found.place, policies: &self.found.policies };
        let mut unresolved = BTreeSet::new();
        let wanted: Vec<MetricAlarm> =
            self.stack.alerting.alarms.iter().map(|alarm| resolver.alarm(alarm, &mut unresolved)).collect();
        let names: BTreeSet<&AlarmName> = wanted.iter().map(|alarm| &alarm.name).collect();
        for alarm in &wanted {
            self.alarm(alarm);
        }
        for (name, _) in
            self.found.alarms.iter().filter(|(name, alarm)| !names.contains(name) && alarm.owner == Owner::Us)
        {
            let action = Action::DeleteAlarm(name.clone());
            self.push(Verb::Delete, ResourceKind::Alarm, name.as_str(), Reason::NotInSpec, Some(action));
        }
        self.unresolved(unresolved);
    }

    fn alarm(&mut self, wanted: &MetricAlarm) {
        let (kind, name) = (ResourceKind::Alarm, wanted.name.as_str());
        let put = || Some(Action::PutAlarm(Box::new(wanted.clone())));
        let Some(there) = self.found.alarms.get(&wanted.name) else {
            return self.push(Verb::Create, kind, name, Reason::Missing, put());
        };
        if !self.may_touch(&there.owner, kind, name, Action::TagAlarm(there.arn.clone())) {
            return;
        }
        let diff = diff_alarms(wanted, &there.config);
        if diff.is_empty() {
            return self.push(Verb::NoOp, kind, name, Reason::AsWanted, None);
        }
        self.push(Verb::Update, kind, name, Reason::Differs, put());
        if let Some(change) = self.plan.changes.last_mut() {
            change.diff = diff;
        }
    }

    fn unresolved(&mut self, unresolved: BTreeSet<Unresolved>) {
        for Unresolved { policy } in unresolved {
            match &self.found.auto_scaling_not_served {
                Some(error) => self.plan.left_out.push(format!("alarm actions on policy {policy}: {error}")),
                None => self.plan.missing_policies.push(policy.0),
            }
        }
    }

    fn prune_topics(&mut self) {
        let wanted: BTreeSet<TopicArn> =
            self.stack.alerting.topics.iter().map(|topic| TopicArn(self.found.place.arn("sns", &topic.name))).collect();
        let ours = self.found.topics.iter().filter(|(arn, topic)| topic.owner == Owner::Us && !wanted.contains(*arn));
        for arn in ours.map(|(arn, _)| arn.clone()).collect::<Vec<_>>() {
            let name = arn.as_str().rsplit(':').next().unwrap_or_default().to_string();
            if self.found.notifications.contains_key(&arn) {
                let group = GroupName(self.stack.group.name.clone());
                let label = format!("{group} to {name}");
                let action = Action::DeleteNotifications { group, topic: arn.clone() };
                self.push(Verb::Delete, ResourceKind::GroupNotification, &label, Reason::NotInSpec, Some(action));
            }
            // Its subscriptions go with it.
            self.push(Verb::Delete, ResourceKind::Topic, &name, Reason::NotInSpec, Some(Action::DeleteTopic(arn)));
        }
    }
}

fn listed(types: &BTreeSet<String>) -> String {
    types.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// The arguments in which two alarms differ. The order of actions and dimensions means nothing to CloudWatch.
pub(super) fn diff_alarms(wanted: &MetricAlarm, found: &MetricAlarm) -> Vec<FieldDiff> {
    let sides = |alarm: &MetricAlarm| -> [(&'static str, String); 16] {
        let arns = |arns: &[String]| listed(&arns.iter().cloned().collect());
        let dimensions: Vec<String> = alarm.dimensions.iter().map(|(name, value)| format!("{name}={value}")).collect();
        [
            ("AlarmDescription", alarm.description.clone()),
            ("ActionsEnabled", alarm.actions_enabled.to_string()),
            ("Namespace", alarm.namespace.clone()),
            ("MetricName", alarm.metric_name.clone()),
            ("Dimensions", dimensions.join(", ")),
            ("Statistic", alarm.statistic.clone()),
            ("Period", alarm.period.as_secs().to_string()),
            ("Unit", alarm.unit.clone().unwrap_or_default()),
            ("EvaluationPeriods", alarm.evaluation_periods.to_string()),
            ("DatapointsToAlarm", alarm.datapoints_to_alarm.to_string()),
            ("Threshold", alarm.threshold.to_string()),
            ("ComparisonOperator", alarm.comparison.clone()),
            ("TreatMissingData", alarm.treat_missing_data.clone()),
            ("AlarmActions", arns(&alarm.alarm_actions)),
            ("OKActions", arns(&alarm.ok_actions)),
            ("InsufficientDataActions", arns(&alarm.insufficient_data_actions)),
        ]
    };
    let pairs = sides(found).into_iter().zip(sides(wanted));
    let differing = pairs.filter(|((_, from), (_, to))| from != to);
    differing.map(|((field, from), (_, to))| FieldDiff { field, from, to }).collect()
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Create => "create",
            Self::Adopt => "adopt",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::NoOp => "no-op",
        })
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ResourceKind::Topic => "topic",
            ResourceKind::TopicPolicy => "policy of topic",
            ResourceKind::Subscription => "subscription of",
            ResourceKind::GroupNotification => "notifications of",
            ResourceKind::Alarm => "alarm",
        };
        write!(f, "{kind} {}", self.name)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "does not exist",
            Self::AsWanted => "is as the spec wants it",
            Self::Differs => "differs from the spec",
            Self::NotInSpec => "is not in the spec any more",
            Self::AwaitsConfirmation => "waits for the subscriber to confirm",
            Self::GoesByItself => "is not in the spec and was never confirmed; AWS drops it after three days",
            Self::AdoptedOnRequest => "is adopted as asked",
        })
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.stack {
            Some(stack) => write!(f, "{} belongs to the stack `{stack}`", self.resource),
            None => write!(f, "{} exists without the tag `{}`", self.resource, super::OWNER_TAG),
        }
    }
}
