//! What one part of the world asks of another, carried across. The only file in which the parts meet.

use super::World;
use super::alarms::{ActionOutcome, AlarmSnapshot, AlarmState, Firing, MetricAlarm, MetricStat, Subject};
use super::groups::Outcome;
use super::groups::target_tracking::Reading;
use super::metrics::Resolution;
use super::names::AlarmName;
use super::topics::Publisher;
use crate::clock::Timestamp;

impl World {
    /// Runs what is due at exactly `due`: groups first, since they make the metrics that alarms read.
    pub(super) fn run_due(&mut self, due: Timestamp) {
        self.release_late(due);
        let outcomes = self.groups.run_due(due);
        self.route_outcomes(due, outcomes);
        let firings = self.alarms.run_due(due, &self.metrics);
        self.route_firings(due, firings);
        self.tell_refreshes(due);
        self.topics.run_due(due);
    }

    /// Tells instance refreshes of the alarms that they watch and that are in ALARM.
    fn tell_refreshes(&mut self, now: Timestamp) {
        for (group, alarm) in self.groups.watched_alarms() {
            if self.alarms.get(&alarm).is_some_and(|alarm| alarm.state.value == AlarmState::Alarm) {
                self.with_groups(now, |groups| groups.refresh_alarmed(now, &group, &alarm));
            }
        }
    }

    /// Carries alarm actions to policies and topics, and what came of them back into the alarm's history.
    pub fn route_firings(&mut self, now: Timestamp, firings: Vec<Firing>) {
        for firing in firings {
            let outcome = self.act(now, &firing);
            self.alarms.record_action(now, &firing, outcome);
        }
    }

    fn act(&mut self, now: Timestamp, firing: &Firing) -> ActionOutcome {
        match (firing.action_arn.split(':').nth(2), &firing.alarm) {
            (Some("autoscaling"), Subject::Metric(alarm)) => self.act_on_policy(now, &firing.action_arn, alarm),
            (Some("sns"), _) => {
                let notice = firing.notice(&self.place);
                let cloudwatch =
                    Publisher { principal: "cloudwatch.amazonaws.com", source_arn: Some(firing.alarm.arn()) };
                match self.topics.publish_from_service(now, &firing.action_arn, cloudwatch, &notice, &self.keys) {
                    Ok(_) => ActionOutcome::Succeeded { published: Some(notice) },
                    Err(error) => ActionOutcome::Failed { error: error.for_alarm_history() },
                }
            }
            (Some("lambda"), _) => {
                let invocation = self.alarms.invocation(now, firing);
                self.invocations.push(invocation);
                ActionOutcome::Succeeded { published: None }
            }
            _ => ActionOutcome::Failed {
                error: format!("Action {} is not reproduced by this endpoint", firing.action_arn),
            },
        }
    }

    fn act_on_policy(&mut self, now: Timestamp, policy_arn: &str, alarm: &AlarmSnapshot) -> ActionOutcome {
        let aggregated = self.aggregated(now, policy_arn, alarm);
        let alarm = aggregated.as_ref().unwrap_or(alarm);
        let alarms = &self.alarms;
        let readings = |name: &AlarmName| {
            let alarm = alarms.get(name)?;
            Some(Reading { in_alarm: alarm.state.value == AlarmState::Alarm, newest_value: alarm.newest_value })
        };
        match self.groups.invoke_policy(now, policy_arn, alarm, &readings) {
            Ok(outcomes) => {
                self.route_outcomes(now, outcomes);
                ActionOutcome::Succeeded { published: None }
            }
            Err(error) => ActionOutcome::Failed { error },
        }
    }

    /// The alarm with the newest minimum or maximum of its metric, for a step policy that asks for one of these.
    ///
    /// `None` where the alarm's own data point counts: the policy asks for the average, the alarm is on math, or nothing was
    /// measured.
    fn aggregated(&self, now: Timestamp, policy_arn: &str, alarm: &AlarmSnapshot) -> Option<AlarmSnapshot> {
        let statistic = self.groups.aggregation(policy_arn)?;
        let stat = MetricStat { statistic, ..alarm.config.watched.metric()?.clone() };
        let config = MetricAlarm { watched: stat.into(), ..(*alarm.config).clone() };
        let points = config.evaluation_points(now, &self.metrics);
        let newest_value = Some(points.iter().rev().find_map(|point| point.value)?);
        Some(AlarmSnapshot { newest_value, ..alarm.clone() })
    }

    /// Carries what groups did to topics, metrics and (for target tracking) alarms.
    pub fn route_outcomes(&mut self, now: Timestamp, outcomes: Vec<Outcome>) {
        for outcome in outcomes {
            match outcome {
                Outcome::Notify { topic_arn, notice } => {
                    // Auto Scaling tells nobody when a topic cannot be published to.
                    let autoscaling = Publisher { principal: "autoscaling.amazonaws.com", source_arn: None };
                    let arn = topic_arn.as_str();
                    let _ = self.topics.publish_from_service(now, arn, autoscaling, &notice, &self.keys);
                }
                Outcome::Measured { key, at, sample } => self.store(now, &key, at, sample, Resolution::Standard),
                Outcome::PutAlarm(alarm) => self.alarms.put_managed(now, *alarm),
                Outcome::DeleteAlarm(name) => self.alarms.delete_managed(now, &name),
            }
        }
    }
}
