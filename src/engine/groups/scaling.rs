//! Policies in action: who asks, what they decided, and the change of capacity that follows. Start at
//! [`Groups::invoke_policy`]. The decisions themselves are in `policy.rs` and `target_tracking.rs`.

use std::time::Duration;

use super::cause::What;
use super::group::{Cooldown, Group, MAX_POLICIES_PER_GROUP, Process, Round, limit_exceeded};
use super::instance::LifecycleState;
use super::notice::invoking_alarm;
use super::policy::{
    AdjustmentType, Decision, Others, Policy, PolicyKind, Reason, Situation, effective_warmup_secs, largest_capacity,
};
use super::steps::{Breach, check_steps};
use super::target_tracking::{Readiness, Readings, TargetTracking, Tracker, ready_together};
use super::{Groups, Outcome};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::alarms::{AlarmSnapshot, Comparison};
use crate::engine::metrics::Statistic;
use crate::engine::names::{GroupName, PolicyArn, PolicyName};

/// Who asks a policy to act.
struct Asker<'a> {
    breach: Option<Breach>,
    honor_cooldown: bool,
    readings: Readings<'a>,
    /// The alarm that asks, and the policy's ARN as it wrote it.
    alarm: Option<(&'a str, &'a AlarmSnapshot)>,
    what: &'a dyn Fn(PolicyName, u32, u32) -> What,
}

impl Groups {
    /// An alarm asks a policy to act. That a policy finds nothing to do is no failure. `readings` tells how other alarms
    /// stand.
    ///
    /// # Errors
    /// The text that CloudWatch writes into the alarm's history, if there is no such policy.
    pub fn invoke_policy(
        &mut self,
        now: Timestamp,
        policy_arn: &str,
        alarm: &AlarmSnapshot,
        readings: Readings<'_>,
    ) -> Result<Vec<Outcome>, String> {
        self.policies_asked += 1;
        let (group, policy) =
            self.find_policy(policy_arn).ok_or_else(|| format!("No scaling policy found for {policy_arn}"))?;
        let config = &alarm.config;
        let alarm_above =
            matches!(config.comparison, Comparison::GreaterThanThreshold | Comparison::GreaterThanOrEqualToThreshold);
        let breach = alarm.newest_value.map(|value| Breach { value, threshold: config.threshold, alarm_above });
        let what = |policy, from, to| What::AlarmTriggered {
            alarm: config.name.clone(),
            state: alarm.new_state.to_string(),
            policy,
            from,
            to,
        };
        let suspended = self.groups.get(&group).is_some_and(|state| state.is_suspended(Process::AlarmNotification));
        if suspended {
            self.remember(now, &group, &policy, Decision::no_op(Reason::AlarmNotificationSuspended));
        } else {
            let alarm = Some((policy_arn, alarm));
            let asker = Asker { breach, honor_cooldown: true, readings, alarm, what: &what };
            // The policy remembers it; an alarm is not told.
            let _ = self.ask_policy(now, &group, &policy, asker);
        }
        self.settle(now);
        Ok(std::mem::take(&mut self.outcomes))
    }

    /// How a step policy wants the metric aggregated, when not as an average: `Minimum` or `Maximum`.
    pub fn aggregation(&self, policy_arn: &str) -> Option<Statistic> {
        let (group, policy) = self.find_policy(policy_arn)?;
        match &self.groups.get(&group)?.policies.get(&policy)?.kind {
            PolicyKind::Step { aggregation: Some(kind), .. } => {
                [Statistic::Minimum, Statistic::Maximum].into_iter().find(|statistic| statistic.to_string() == *kind)
            }
            _ => None,
        }
    }

    fn find_policy(&self, arn: &str) -> Option<(GroupName, PolicyName)> {
        // `arn:aws:autoscaling:REGION:ACCOUNT:scalingPolicy:ID:autoScalingGroupName/NAME:policyName/NAME`, asked for again
        // each minute that an alarm lasts. No name of a group has a colon.
        let (group, policy) = arn.splitn(8, ':').nth(7)?.split_once(':')?;
        let (group, policy) = (group.strip_prefix("autoScalingGroupName/")?, policy.strip_prefix("policyName/")?);
        let found = self.groups.get(group)?.policies.get(policy)?;
        (found.arn.as_str() == arn).then(|| (group.into(), policy.into()))
    }

    /// `ExecutePolicy`: a caller asks a policy to act. Step policies need a metric value and a threshold.
    ///
    /// # Errors
    /// `ScalingActivityInProgress` if the caller honors a cooldown that is on.
    pub fn execute_policy(
        &mut self,
        now: Timestamp,
        group: &GroupName,
        policy: &PolicyName,
        honor_cooldown: bool,
        metric: Option<(f64, f64)>,
    ) -> Result<Decision, Refusal> {
        let state = self.group_or_refuse(group)?;
        let found = state.policies.get(policy).ok_or_else(|| policy_not_found(group, policy))?;
        match &found.kind {
            PolicyKind::Step { .. } if metric.is_none() => {
                let text = "MetricValue and BreachThreshold are required when executing a StepScaling policy";
                return Err(Refusal::validation(text));
            }
            PolicyKind::TargetTracking(_) => {
                let text = "A policy of type TargetTrackingScaling cannot be executed; its alarms invoke it";
                return Err(Refusal::validation(text));
            }
            PolicyKind::Predictive { .. } => {
                let text = "A policy of type PredictiveScaling cannot be executed; its forecasts set capacity";
                return Err(Refusal::validation(text));
            }
            PolicyKind::Simple { .. } | PolicyKind::Step { .. } => {}
        }
        if honor_cooldown {
            self.refuse_in_cooldown(now, group)?;
        }
        let breach = metric.map(|(value, threshold)| Breach::reported(value, threshold));
        let what = |policy, from, to| What::PolicyExecuted { policy, from, to };
        let asker = Asker { breach, honor_cooldown, readings: &|_| None, alarm: None, what: &what };
        Ok(self.ask_policy(now, group, policy, asker))
    }

    fn ask_policy(&mut self, now: Timestamp, group: &GroupName, name: &PolicyName, asker: Asker<'_>) -> Decision {
        let found = self.groups.get(group).and_then(|state| Some((state.policies.get(name)?.clone(), state)));
        let Some((policy, state)) = found else { return Decision::no_op(Reason::PolicyDisabled) };
        let mut round = self.round(now, state);
        round.situation.warm = self.warm(now, group, &policy);
        round.situation.others = others(state, &policy, &round.situation, asker.readings);
        let decision = policy.decide(now, &round.situation, asker.breach, asker.honor_cooldown);
        round.asked = largest_capacity(round.asked.into_iter().chain(decision.to()));
        self.remember(now, group, name, decision);
        let Some(state) = self.groups.get_mut(group) else { return decision };
        state.round = Some(round);
        let from = state.desired_capacity;
        if let Some(to) = round.asked.filter(|to| decision.to().is_some() && *to != from) {
            // Written only now: most repetitions of an action change nothing.
            state.invoking_alarms.extend(asker.alarm.map(|(arn, alarm)| invoking_alarm(&self.place, arn, alarm)));
            if let Some(secs) = policy.cooldown_secs(state.settings.default_cooldown_secs) {
                state.cooldown = Cooldown::AfterActivity { secs };
            }
            self.set_desired(now, group, to, (asker.what)(name.clone(), from, to));
        }
        decision
    }

    fn remember(&mut self, now: Timestamp, group: &GroupName, policy: &PolicyName, decision: Decision) {
        if let Some(policy) = self.groups.get_mut(group).and_then(|group| group.policies.get_mut(policy)) {
            policy.last = Some((now, decision));
        }
    }

    /// The round of policies that act at `now`.
    fn round(&self, now: Timestamp, group: &Group) -> Round {
        // A caller that changed the group in between ends the round.
        let same = |round: &Round| {
            let left_at = round.asked.unwrap_or(round.situation.desired);
            round.at == now && round.situation.limits == group.limits && left_at == group.desired_capacity
        };
        if let Some(round) = group.round.filter(same) {
            return round;
        }
        let situation = Situation {
            limits: group.limits,
            desired: group.desired_capacity,
            weighed: self.weighed(group),
            warm: 0,
            terminating: self.terminating(&group.name),
            busy: self.is_busy(&group.name),
            cooldown_until: group.cooldown_until(),
            others: Others::default(),
        };
        Round { at: now, situation, asked: None }
    }

    /// Members in service for as long as `policy` lets instances warm up.
    fn warm(&self, now: Timestamp, name: &GroupName, policy: &Policy) -> u32 {
        let estimated_warmup_secs = match &policy.kind {
            PolicyKind::Simple { .. } | PolicyKind::Predictive { .. } => return 0,
            PolicyKind::Step { estimated_warmup_secs, .. } => *estimated_warmup_secs,
            PolicyKind::TargetTracking(tracking) => tracking.estimated_warmup_secs,
        };
        let Some(group) = self.groups.get(name) else { return 0 };
        let settings = &group.settings;
        let warmup_secs = effective_warmup_secs(
            estimated_warmup_secs,
            settings.default_instance_warmup_secs,
            settings.default_cooldown_secs,
        );
        let warmup = Duration::from_secs(u64::from(warmup_secs));
        let members = group.members.iter().filter_map(|id| self.instances.get(id)?.membership.as_ref());
        let in_service = members.filter(|member| member.lifecycle == LifecycleState::InService);
        let warm = in_service.filter(|member| member.in_service_since.is_some_and(|since| since + warmup <= now));
        warm.map(|member| member.weight).sum()
    }

    /// What the members that are there to stay weigh in all, if any of them weighs more than one.
    fn weighed(&self, group: &Group) -> Option<u32> {
        let mut weights = self.members(group).map(|(_, member)| member.weight);
        weights.any(|weight| weight > 1).then(|| self.active(&group.name))
    }

    pub(super) fn refuse_in_cooldown(&self, now: Timestamp, name: &GroupName) -> Result<(), Refusal> {
        let Some(group) = self.groups.get(name) else { return Ok(()) };
        if !group.is_cooling_down(now) && !self.is_busy(name) {
            return Ok(());
        }
        let blocking = group.activities.back().map(|activity| format!(" {}", activity.id)).unwrap_or_default();
        let text = format!("Scaling activity{blocking} is in progress and blocks this action");
        Err(Refusal::new("ScalingActivityInProgress", 400, text))
    }

    /// `PutScalingPolicy`: creates a policy, or replaces it under its ARN. A target tracking policy gets its alarms.
    pub fn put_policy(&mut self, group: &GroupName, mut policy: Policy) -> Result<PolicyArn, Refusal> {
        let ids = &mut self.ids.arns;
        let (uuid, high_id, low_id) = (ids.uuid(), ids.uuid(), ids.uuid());
        let resource = format!("scalingPolicy:{uuid}:autoScalingGroupName/{group}:policyName/{}", policy.name);
        let new_arn = PolicyArn(self.place.arn("autoscaling", &resource));
        let state = self.group_or_refuse(group)?;
        check_policy(state, &policy)?;
        let known = state.policies.get(&policy.name).cloned();
        if known.is_none() && state.policies.len() >= MAX_POLICIES_PER_GROUP {
            return Err(limit_exceeded("scaling policies per group", MAX_POLICIES_PER_GROUP));
        }
        if let PolicyKind::TargetTracking(tracking) = &mut policy.kind {
            match known.as_ref().map(|known| &known.kind) {
                Some(PolicyKind::TargetTracking(before)) => tracking.alarms = before.alarms.clone(),
                _ => tracking.name_alarms(group, &high_id, &low_id),
            }
        }
        let arn = known.as_ref().map_or(new_arn, |known| known.arn.clone());
        state.policies.insert(policy.name.clone(), Policy { arn: arn.clone(), last: None, ..policy.clone() });
        self.replace_alarms(group, known.as_ref(), Some(&Policy { arn: arn.clone(), ..policy }));
        Ok(arn)
    }

    /// Removes a policy, and the alarms that it made for itself.
    pub fn delete_policy(&mut self, group: &GroupName, policy: &PolicyName) -> Result<(), Refusal> {
        let state = self.group_or_refuse(group)?;
        let gone = state.policies.remove(policy).ok_or_else(|| policy_not_found(group, policy))?;
        self.replace_alarms(group, Some(&gone), None);
        Ok(())
    }

    /// Puts the alarms that a policy needs now, and deletes those that it had and needs no more.
    fn replace_alarms(&mut self, group: &GroupName, before: Option<&Policy>, after: Option<&Policy>) {
        let capacity = self.groups.get(group).map(|state| state.desired_capacity);
        let alarms = |policy: Option<&Policy>| match policy.map(|policy| (&policy.kind, &policy.arn)) {
            // The policy was checked by making its alarms.
            Some((PolicyKind::TargetTracking(tracking), arn)) => {
                tracking.alarms(group, arn, capacity).unwrap_or_default()
            }
            _ => Vec::new(),
        };
        let wanted = alarms(after);
        let needless = alarms(before).into_iter().filter(|alarm| wanted.iter().all(|kept| kept.name != alarm.name));
        self.outcomes.extend(needless.map(|alarm| Outcome::DeleteAlarm(alarm.name)));
        self.outcomes.extend(wanted.into_iter().map(|alarm| Outcome::PutAlarm(Box::new(alarm))));
        let policy = after.and_then(|policy| self.groups.get_mut(group)?.policies.get_mut(&policy.name));
        if let Some(PolicyKind::TargetTracking(tracking)) = policy.map(|policy| &mut policy.kind) {
            tracking.alarms.tuned_for = capacity;
        }
    }

    /// Sets the low alarms of a group for the capacity that it has now.
    pub(super) fn tune_alarms(&mut self, group: &GroupName) {
        let Some(state) = self.groups.get(group) else { return };
        let stale = |tracking: &TargetTracking| {
            !tracking.disable_scale_in && tracking.alarms.tuned_for != Some(state.desired_capacity)
        };
        let policies = state.policies.values();
        let stale = policies.filter(|policy| matches!(&policy.kind, PolicyKind::TargetTracking(it) if stale(it)));
        for policy in stale.cloned().collect::<Vec<_>>() {
            self.replace_alarms(group, None, Some(&policy));
        }
    }

    /// Removes what policies and schedules of a group that is gone left elsewhere.
    pub(super) fn forget_scaling(&mut self, mut group: Group) {
        for action in group.schedules.values_mut() {
            self.agenda.cancel(&mut action.due);
        }
        for policy in group.policies.values() {
            self.replace_alarms(&group.name, Some(policy), None);
        }
    }

    /// The group and policy that an ARN names.
    pub fn policy_by_arn(&self, arn: &str) -> Option<(&GroupName, &Policy)> {
        let (group, policy) = self.find_policy(arn)?;
        let (name, group) = self.groups.get_key_value(&group)?;
        Some((name, group.policies.get(&policy)?))
    }
}

/// What the other target tracking policies of a group say while `policy` wants to scale in.
fn others(group: &Group, policy: &Policy, situation: &Situation, readings: Readings<'_>) -> Others {
    if !matches!(policy.kind, PolicyKind::TargetTracking(_)) {
        return Others::default();
    }
    let base = situation.desired.saturating_add(situation.terminating);
    let trackers = || {
        group.policies.values().filter_map(|other| match &other.kind {
            PolicyKind::TargetTracking(tracking) => Some((other, tracking)),
            _ => None,
        })
    };
    let told = trackers().map(|(other, tracking)| Tracker {
        // The one whose alarm asks is ready, whatever the alarm has come to since.
        ready: if other.name == policy.name { Readiness::ScaleIn } else { tracking.readiness(readings) },
        enabled: other.enabled,
        scales_in: !tracking.disable_scale_in,
    });
    let asked = trackers().filter(|(other, _)| other.enabled && other.name != policy.name);
    Others {
        object: ready_together(&told.collect::<Vec<_>>()) != Readiness::ScaleIn,
        at_least: largest_capacity(asked.filter_map(|(_, tracking)| tracking.asked_by_low_alarm(base, readings)))
            .unwrap_or_default(),
    }
}

fn check_policy(group: &Group, policy: &Policy) -> Result<(), Refusal> {
    if policy.min_adjustment_magnitude.is_some() && policy.adjustment_type != AdjustmentType::PercentChangeInCapacity {
        let text = "MinAdjustmentMagnitude is only supported for the PercentChangeInCapacity adjustment type";
        return Err(Refusal::validation(text));
    }
    let negative = |adjustment: i32| policy.adjustment_type == AdjustmentType::ExactCapacity && adjustment < 0;
    let (checked, any_negative) = match &policy.kind {
        PolicyKind::Simple { adjustment, .. } => (Ok(()), negative(*adjustment)),
        PolicyKind::Step { steps, .. } => (check_steps(steps), steps.iter().any(|step| negative(step.adjustment))),
        PolicyKind::TargetTracking(tracking) => (check_tracking(group, &policy.name, tracking), false),
        PolicyKind::Predictive { .. } => (Ok(()), false),
    };
    if any_negative {
        let text = "You must specify a positive ScalingAdjustment with the ExactCapacity adjustment type";
        return Err(Refusal::validation(text));
    }
    checked
}

fn check_tracking(group: &Group, name: &PolicyName, tracking: &TargetTracking) -> Result<(), Refusal> {
    let same = |other: &Policy| match &other.kind {
        PolicyKind::TargetTracking(tracked) => other.name != *name && tracked.metric == tracking.metric,
        _ => false,
    };
    if group.policies.values().any(same) {
        let text = "Only one TargetTrackingScaling policy for a given metric specification is allowed.";
        return Err(Refusal::validation(text));
    }
    tracking.check(&group.name)
}

fn policy_not_found(group: &GroupName, policy: &PolicyName) -> Refusal {
    Refusal::validation(format!("PolicyName '{policy}' not found for AutoScalingGroup '{group}'"))
}
