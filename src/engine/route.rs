//! What one part of the world asks of another, carried across. The only file in which the parts meet.

use super::alarms::{ActionOutcome, AlarmSnapshot, AlarmState, Firing, MetricAlarm, MetricStat, Subject};
use super::groups::cause::HealthFinding;
use super::groups::target_tracking::Reading;
use super::groups::{Ec2State, Groups, Outcome};
use super::load_balancers::{LoadBalancers, Vital};
use super::metrics::Resolution;
use super::names::{AlarmName, InstanceId, Place};
use super::topics::Publisher;
use super::{Refusal, World};
use crate::clock::Timestamp;

/// What a load balancer finds at a target: an instance, or an address that one may have.
fn vital(groups: &Groups, now: Timestamp, target: &str) -> Vital {
    let by_id = target.starts_with("i-");
    let instance = match by_id {
        true => groups.instance(&InstanceId::from(target)),
        false => groups.instances().find(|instance| instance.private_ip.as_deref() == Some(target)),
    };
    match instance.map(|instance| instance.state) {
        None | Some(Ec2State::Terminated) => {
            if by_id {
                Vital::Gone
            } else {
                Vital::Silent
            }
        }
        Some(Ec2State::Stopping | Ec2State::Stopped) if by_id => Vital::Stopped,
        Some(_) if instance.is_some_and(|instance| groups.answers(now, instance)) => Vital::Answers,
        Some(_) => Vital::Silent,
    }
}

impl World {
    /// Runs what is due at exactly `due`: groups first, since they make the metrics that alarms read.
    pub(super) fn run_due(&mut self, due: Timestamp) {
        self.release_late(due);
        let outcomes = self.groups.run_due(due);
        self.route_outcomes(due, outcomes);
        self.follow_targets(due);
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
                Outcome::Send { queue_arn, body } => self.sends.push((queue_arn, body)),
                Outcome::Measured { key, at, sample } => self.store(now, &key, at, sample, Resolution::Standard),
                Outcome::PutAlarm(alarm) => self.alarms.put_managed(now, *alarm),
                Outcome::DeleteAlarm(name) => self.alarms.delete_managed(now, &name),
                // A target group that is gone has nobody to register with and nothing to drain.
                Outcome::Register { target_group, instance } => {
                    let zone = self.groups.instance(&instance).map(|instance| instance.placement.zone.clone());
                    let target = (instance.to_string(), None, zone);
                    let _ = self.load_balancers.register(now, &target_group, vec![target]);
                }
                Outcome::Requests { target_groups, at, count } => {
                    let data = self.load_balancers.measure(now, &target_groups, count);
                    data.into_iter().for_each(|(key, sample)| self.store(now, &key, at, sample, Resolution::Standard));
                }
                Outcome::Deregister { target_group, instance } => {
                    let target = (instance.to_string(), None);
                    let _ = self.load_balancers.deregister(now, &target_group, &[target]);
                }
            }
        }
    }

    /// Runs one call on the load balancers, and lets targets and groups follow.
    ///
    /// # Errors
    /// Those of the call.
    pub fn with_load_balancers<T>(
        &mut self,
        now: Timestamp,
        call: impl FnOnce(&mut LoadBalancers, &Place) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let answer = call(&mut self.load_balancers, &self.place)?;
        self.groups.learn_target_groups(self.load_balancers.deregistration_delays());
        self.follow_targets(now);
        Ok(answer)
    }

    /// Brings the health of targets up to `now` and tells groups whose instances a load balancer finds unhealthy. What
    /// groups then do may change targets again.
    pub(super) fn follow_targets(&mut self, now: Timestamp) {
        loop {
            let groups = &self.groups;
            let changed = self.load_balancers.follow(now, &|target| vital(groups, now, target));
            if changed.is_empty() {
                return;
            }
            for id in changed {
                let (fails, id) = (self.load_balancers.calls_unhealthy(&id), InstanceId(id));
                self.call_groups(now, |groups| groups.report_check(now, &id, HealthFinding::LoadBalancer, fails));
            }
        }
    }
}
