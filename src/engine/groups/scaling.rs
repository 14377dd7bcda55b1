//! Policies in action: who asks, what they decided, and the change of capacity that follows. Start at
//! [`Groups::invoke_policy`]. The decisions themselves are in `policy.rs`.

use std::time::Duration;

use serde_json::Value;

use super::cause::What;
use super::group::{Cooldown, Group, MAX_POLICIES_PER_GROUP, Process, Round, limit_exceeded};
use super::instance::LifecycleState;
use super::notice::invoking_alarm;
use super::policy::{Decision, Policy, PolicyKind, Reason, Situation, effective_warmup_secs, largest_capacity};
use super::steps::{Breach, check_steps};
use super::{Groups, Outcome};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::alarms::{AlarmSnapshot, Comparison};
use crate::engine::names::{GroupName, PolicyArn, PolicyName};

/// Who asks a policy to act.
struct Asker<'a> {
    breach: Option<Breach>,
    honor_cooldown: bool,
    invoking_alarm: Option<Value>,
    what: &'a dyn Fn(PolicyName, u32, u32) -> What,
}

impl Groups {
    /// An alarm asks a policy to act. That a policy finds nothing to do is no failure.
    ///
    /// # Errors
    /// The text that CloudWatch writes into the alarm's history, if there is no such policy.
    pub fn invoke_policy(
        &mut self,
        now: Timestamp,
        policy_arn: &str,
        alarm: &AlarmSnapshot,
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
        let invoking_alarm = Some(invoking_alarm(&self.place, policy_arn, alarm));
        let suspended = self.groups.get(&group).is_some_and(|state| state.is_suspended(Process::AlarmNotification));
        if suspended {
            self.remember(now, &group, &policy, Decision::no_op(Reason::AlarmNotificationSuspended));
        } else {
            let asker = Asker { breach, honor_cooldown: true, invoking_alarm, what: &what };
            // The policy remembers it; an alarm is not told.
            let _ = self.ask_policy(now, &group, &policy, asker);
        }
        self.settle(now);
        Ok(std::mem::take(&mut self.outcomes))
    }

    fn find_policy(&self, arn: &str) -> Option<(GroupName, PolicyName)> {
        let (_, names) = arn.split_once(":autoScalingGroupName/")?;
        let (group, policy) = names.split_once(":policyName/")?;
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
        if matches!(found.kind, PolicyKind::Step { .. }) && metric.is_none() {
            let text = "MetricValue and BreachThreshold are required when executing a StepScaling policy";
            return Err(Refusal::validation(text));
        }
        if honor_cooldown {
            self.refuse_in_cooldown(now, group)?;
        }
        let breach = metric.map(|(value, threshold)| Breach { value, threshold, alarm_above: value >= threshold });
        let what = |policy, from, to| What::PolicyExecuted { policy, from, to };
        Ok(self.ask_policy(now, group, policy, Asker { breach, honor_cooldown, invoking_alarm: None, what: &what }))
    }

    fn ask_policy(&mut self, now: Timestamp, group: &GroupName, name: &PolicyName, asker: Asker<'_>) -> Decision {
        let found = self.groups.get(group).and_then(|state| Some((state.policies.get(name)?.clone(), state)));
        let Some((policy, state)) = found else { return Decision::no_op(Reason::PolicyDisabled) };
        let mut round = self.round(now, state);
        round.situation.warm = self.warm(now, group, &policy);
        let decision = policy.decide(now, &round.situation, asker.breach, asker.honor_cooldown);
        round.asked = largest_capacity(round.asked.into_iter().chain(decision.to()));
        self.remember(now, group, name, decision);
        let Some(state) = self.groups.get_mut(group) else { return decision };
        state.round = Some(round);
        let from = state.desired_capacity;
        if let Some(to) = round.asked.filter(|to| decision.to().is_some() && *to != from) {
            state.invoking_alarms.extend(asker.invoking_alarm);
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
        let cooldown_until = match group.cooldown {
            Cooldown::Until(until) => Some(until),
            Cooldown::None | Cooldown::AfterActivity { .. } => None,
        };
        let situation = Situation {
            limits: group.limits,
            desired: group.desired_capacity,
            warm: 0,
            terminating: self.terminating(&group.name),
            busy: self.is_busy(&group.name),
            cooldown_until,
        };
        Round { at: now, situation, asked: None }
    }

    /// Members in service for as long as `policy` lets instances warm up.
    fn warm(&self, now: Timestamp, name: &GroupName, policy: &Policy) -> u32 {
        let PolicyKind::Step { estimated_warmup_secs, .. } = policy.kind else { return 0 };
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
        warm.count() as u32
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

    /// `PutScalingPolicy`: creates a policy, or replaces it under its ARN.
    pub fn put_policy(&mut self, group: &GroupName, policy: Policy) -> Result<PolicyArn, Refusal> {
        let uuid = self.ids.arns.uuid();
        let resource = format!("scalingPolicy:{uuid}:autoScalingGroupName/{group}:policyName/{}", policy.name);
        let new_arn = PolicyArn(self.place.arn("autoscaling", &resource));
        let state = self.group_or_refuse(group)?;
        check_policy(&policy)?;
        let known = state.policies.get(&policy.name);
        if known.is_none() && state.policies.len() >= MAX_POLICIES_PER_GROUP {
            return Err(limit_exceeded("scaling policies per group", MAX_POLICIES_PER_GROUP));
        }
        let arn = known.map_or(new_arn, |known| known.arn.clone());
        state.policies.insert(policy.name.clone(), Policy { arn: arn.clone(), last: None, ..policy });
        Ok(arn)
    }

    pub fn delete_policy(&mut self, group: &GroupName, policy: &PolicyName) -> Result<(), Refusal> {
        let state = self.group_or_refuse(group)?;
        state.policies.remove(policy).map(|_| ()).ok_or_else(|| policy_not_found(group, policy))
    }

    /// The group and policy that an ARN names.
    pub fn policy_by_arn(&self, arn: &str) -> Option<(&GroupName, &Policy)> {
        let (group, policy) = self.find_policy(arn)?;
        let (name, group) = self.groups.get_key_value(&group)?;
        Some((name, group.policies.get(&policy)?))
    }
}

fn check_policy(policy: &Policy) -> Result<(), Refusal> {
    use super::policy::AdjustmentType;
    if policy.min_adjustment_magnitude.is_some() && policy.adjustment_type != AdjustmentType::PercentChangeInCapacity {
        let text = "MinAdjustmentMagnitude is only supported for the PercentChangeInCapacity adjustment type";
        return Err(Refusal::validation(text));
    }
    let negative = |adjustment: i32| policy.adjustment_type == AdjustmentType::ExactCapacity && adjustment < 0;
    let (steps_ok, any_negative) = match &policy.kind {
        PolicyKind::Simple { adjustment, .. } => (Ok(()), negative(*adjustment)),
        PolicyKind::Step { steps, .. } => (check_steps(steps), steps.iter().any(|step| negative(step.adjustment))),
    };
    if any_negative {
        let text = "You must specify a positive ScalingAdjustment with the ExactCapacity adjustment type";
        return Err(Refusal::validation(text));
    }
    steps_ok
}

fn policy_not_found(group: &GroupName, policy: &PolicyName) -> Refusal {
    Refusal::validation(format!("PolicyName '{policy}' not found for AutoScalingGroup '{group}'"))
}
