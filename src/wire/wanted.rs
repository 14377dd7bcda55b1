//! What the stack's alerting looks like at AWS: names and policies resolved to ARNs. Start at [`Resolver`].

use std::collections::{BTreeMap, BTreeSet};

use crate::aws::MetricAlarm;
use crate::aws::names::{AlarmName, Place, PolicyArn, PolicyName, TopicArn};
use crate::model::{ActionRef, Alarm, Stack};

/// Turns what a spec calls things into what AWS calls them.
pub(super) struct Resolver<'a> {
    pub stack: &'a Stack,
    pub place: &'a Place,
    pub policies: &'a BTreeMap<PolicyName, PolicyArn>,
}

/// An action that has no ARN here and now.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Unresolved {
    pub policy: PolicyName,
}

impl Resolver<'_> {
    pub fn topic_arn(&self, name: &str) -> TopicArn {
        TopicArn(self.place.arn("sns", name))
    }

    fn arn(&self, action: &ActionRef, unresolved: &mut BTreeSet<Unresolved>) -> Option<String> {
        match action {
            ActionRef::Arn(arn) => Some(arn.clone()),
            ActionRef::Topic(key) => {
                let topic = self.stack.alerting.topics.iter().find(|topic| topic.key == *key)?;
                Some(self.topic_arn(&topic.name).0)
            }
            ActionRef::Policy(name) => match self.policies.get(name.as_str()) {
                Some(arn) => Some(arn.0.clone()),
                None => {
                    unresolved.insert(Unresolved { policy: PolicyName(name.clone()) });
                    None
                }
            },
        }
    }

    /// The alarm as PutMetricAlarm takes it, without the actions that have no ARN, which are reported.
    pub fn alarm(&self, alarm: &Alarm, unresolved: &mut BTreeSet<Unresolved>) -> MetricAlarm {
        let mut arns = |actions: &[ActionRef]| -> Vec<String> {
            actions.iter().filter_map(|action| self.arn(action, unresolved)).collect()
        };
        MetricAlarm {
            name: AlarmName(alarm.name.clone()),
            description: alarm.description.clone(),
            actions_enabled: true,
            namespace: alarm.namespace.clone(),
            metric_name: alarm.metric_name.clone(),
            dimensions: alarm.dimensions.clone(),
            statistic: alarm.statistic.clone(),
            period: alarm.period,
            evaluation_periods: alarm.evaluation_periods,
            datapoints_to_alarm: alarm.datapoints_to_alarm,
            threshold: alarm.threshold,
            comparison: format!("{:?}", alarm.comparison),
            treat_missing_data: alarm.treat_missing_data.clone(),
            unit: None,
            alarm_actions: arns(&alarm.alarm_actions),
            ok_actions: arns(&alarm.ok_actions),
            insufficient_data_actions: arns(&alarm.insufficient_data_actions),
        }
    }
}
