//! Warnings: what AWS would take and nobody wants. Each has a stable code word ([`Kind::code`]).
//! Start at [`lint_stack`].

use std::time::Duration;

use super::{ActionRef, AdjustmentType, Alarm, PolicyKind, ScalingPolicy, Stack, Step, TargetTracking, TrackedMetric};
use crate::catalogue;
use crate::spec::problem::{Kind, did_you_mean, quote};
use crate::spec::values::span_text;
use crate::spec::{Problem, SpecMap};

/// Returns every warning about a stack that breaks no rule, in the order of the file.
pub fn lint_stack(stack: &Stack, map: &SpecMap) -> Vec<Problem> {
    let mut lints = Lints { stack, map, found: Vec::new() };
    lints.region();
    lints.instance_type();
    lints.ssh();
    lints.mixed();
    lints.topics();
    lints.policies();
    lints.alarms();
    lints.pairs();
    lints.tracking();
    lints.found.sort_by_key(|p| p.place);
    lints.found
}

struct Lints<'a> {
    stack: &'a Stack,
    map: &'a SpecMap,
    found: Vec<Problem>,
}

impl<'a> Lints<'a> {
    fn warn(&mut self, kind: Kind, path: &str, fact: impl Into<String>, remedy: impl Into<String>) {
        self.found.push(self.map.problem(kind, path, fact, remedy));
    }

    fn region(&mut self) {
        let region = &self.stack.region;
        if !catalogue::is_region(region) {
            let otherwise = "If AWS has opened it lately, all is well; else see its list of regions.";
            let remedy = did_you_mean(region, catalogue::regions(), otherwise);
            self.warn(Kind::UnknownRegion, "region", format!("region is {}.", quote(region)), remedy);
        }
    }

    fn instance_type(&mut self) {
        let name = &self.stack.launch.instance_type;
        if catalogue::is_instance_type(name) {
            return;
        }
        let family = name.split('.').next().unwrap_or_default();
        let sizes: Vec<&str> = catalogue::sizes(family).collect();
        let remedy = if sizes.is_empty() {
            let known: Vec<String> = catalogue::instance_types().collect();
            let otherwise = "If AWS has added it lately, all is well; else see its list of instance types.";
            did_you_mean(name, known.iter().map(String::as_str), otherwise)
        } else {
            format!("{family} comes as {}.", sizes.join(", "))
        };
        let fact = format!("launch.instance_type is {}.", quote(name));
        self.warn(Kind::UnknownInstanceType, "launch.instance_type", fact, remedy);
    }

    fn ssh(&mut self) {
        for (index, rule) in self.stack.launch.inbound.iter().enumerate() {
            if rule.port == 22 && rule.from == "0.0.0.0/0" {
                let path = format!("launch.inbound[{index}]");
                let fact = format!("{path} opens port 22 to the whole internet.");
                self.warn(Kind::SshOpen, &path, fact, "Name your own network in from, such as 203.0.113.0/24.");
            }
        }
    }

    fn mixed(&mut self) {
        const PATH: &str = "launch.mixed_instances";
        let Some(mixed) = &self.stack.launch.mixed else { return };
        let (group, weight) = (&self.stack.group, mixed.largest_weight());
        let small = [("max_size", group.max_size), ("desired_capacity", group.desired_capacity)];
        if let Some((name, size)) = small.into_iter().find(|(_, size)| (1..weight).contains(size)) {
            let path = format!("{PATH}.instance_types");
            let fact = format!("A machine counts up to {weight} units, and group.{name} is {size}.");
            self.warn(Kind::WeightAboveSize, &path, fact, "Count the group's sizes in units, or take smaller weights.");
        }
        let about_spot = self.map.names_in(PATH).find(|name| name.starts_with("spot_")).map(str::to_owned);
        if let Some(name) = about_spot.filter(|_| !mixed.uses_spot(group.max_size)) {
            let fact = format!(
                "{PATH}.{name} is set, and all capacity is On-Demand: a base of {} and {} % above it.",
                mixed.on_demand_base_capacity, mixed.on_demand_percentage_above_base_capacity
            );
            let remedy = "Lower on_demand_percentage_above_base_capacity, or leave the spot arguments out.";
            self.warn(Kind::SpotUnused, &format!("{PATH}.{name}"), fact, remedy);
        }
    }

    fn topics(&mut self) {
        for topic in self.stack.alerting.topics.iter().filter(|t| t.emails.is_empty()) {
            let path = format!("notifications.{}", topic.key);
            let fact = format!("{path} has no subscriber, so its messages go nowhere.");
            self.warn(Kind::TopicWithoutSubscriber, &path, fact, "Add email: [you@example.com].");
        }
    }

    fn policies(&mut self) {
        let by_alarm = |policy: &&ScalingPolicy| !matches!(policy.kind, PolicyKind::TargetTracking(_));
        for policy in self.stack.policies.iter().filter(by_alarm) {
            let action = ActionRef::Policy(policy.name.clone());
            let used = self.stack.alerting.alarms.iter().any(|a| all_actions(a).any(|x| *x == action));
            if !used {
                let path = format!("scaling.{}", policy.name);
                let fact = format!("{path} stands in no alarm's actions.");
                self.warn(Kind::PolicyUnused, &path, fact, "Add it to the alarm_actions of an alarm, or remove it.");
            }
        }
        let group = &self.stack.group;
        // A scheduled action may make room.
        let fixed = group.min_size == group.max_size && self.stack.schedules.is_empty();
        if fixed && !self.stack.policies.is_empty() {
            let fact = format!(
                "group.min_size and group.max_size are both {}, so no policy can change anything.",
                group.max_size
            );
            self.warn(Kind::CannotScale, "group.max_size", fact, "Raise max_size.");
        }
    }

    fn alarms(&mut self) {
        for alarm in &self.stack.alerting.alarms {
            self.alarm_without_action(alarm);
            self.alarm_at_rest(alarm);
            self.wrong_dimension(alarm);
            self.never_fires(alarm);
            self.monitoring(alarm);
            self.steps(alarm);
            self.cooldown(alarm);
        }
    }

    fn alarm_without_action(&mut self, alarm: &Alarm) {
        if all_actions(alarm).next().is_none() {
            let path = format!("alarms.{}", alarm.key);
            let fact = format!("{path} has no actions: nobody and nothing will notice it.");
            self.warn(Kind::AlarmWithoutAction, &path, fact, "Add alarm_actions with a policy or a notification.");
        }
    }

    /// Low CPU is how a quiet group looks all night; a person who is told each time stops reading.
    fn alarm_at_rest(&mut self, alarm: &Alarm) {
        let scales_in = alarm.alarm_actions.iter().any(|a| self.policy_of(a).is_some_and(ScalingPolicy::scales_in));
        let tells = alarm.alarm_actions.iter().any(|a| matches!(a, ActionRef::Topic(_)));
        if scales_in && tells && !alarm.comparison.is_upper() {
            let path = format!("alarms.{}.alarm_actions", alarm.key);
            let fact = format!("alarms.{} is in ALARM whenever the group is quiet, and tells people so.", alarm.key);
            let remedy = "Leave the policy alone in alarm_actions; group_events: [terminate] tells of what was done.";
            self.warn(Kind::RestingAlarm, &path, fact, remedy);
        }
    }

    fn wrong_dimension(&mut self, alarm: &Alarm) {
        let path = format!("alarms.{}.metric", alarm.key);
        match alarm.dimensions.get("AutoScalingGroupName") {
            Some(group) if *group != self.stack.group.name => {
                let fact =
                    format!("{path} has AutoScalingGroupName {group}; this spec's group is {}.", self.stack.group.name);
                self.warn(Kind::WrongDimension, &path, fact, "Leave dimensions out to mean this group.");
            }
            None if alarm.namespace == "AWS/AutoScaling"
                || (alarm.namespace == "AWS/EC2" && alarm.dimensions.is_empty()) =>
            {
                let fact = format!("{path} names no group, and {} has no such metric.", alarm.namespace);
                self.warn(Kind::WrongDimension, &path, fact, "Leave dimensions out to mean this group.");
            }
            _ => {}
        }
    }

    fn never_fires(&mut self, alarm: &Alarm) {
        let percent =
            alarm.namespace == "AWS/EC2" && alarm.metric_name == "CPUUtilization" && alarm.statistic != "SampleCount";
        let (threshold, sign) = (alarm.threshold, alarm.comparison.sign());
        let out_of_reach = match sign {
            ">=" => threshold > 100.0,
            ">" => threshold >= 100.0,
            "<=" => threshold < 0.0,
            _ => threshold <= 0.0,
        };
        if percent && out_of_reach && alarm.statistic != "Sum" {
            let path = format!("alarms.{}.threshold", alarm.key);
            let fact = format!("{path} is {sign} {threshold}, and CPUUtilization stays between 0 and 100 percent.");
            self.warn(Kind::NeverFires, &path, fact, "Write a percentage between 0 and 100.");
        }
    }

    fn monitoring(&mut self, alarm: &Alarm) {
        let short = alarm.namespace == "AWS/EC2" && alarm.period < Duration::from_secs(300);
        if short && !self.stack.launch.detailed_monitoring {
            let fact = format!(
                "alarms.{} needs a datapoint each minute; without detailed monitoring EC2 sends one in five.",
                alarm.key
            );
            let remedy = "Remove detailed_monitoring: false, or raise the alarm's period to 5m.";
            self.warn(Kind::MonitoringTooSlow, "launch.detailed_monitoring", fact, remedy);
        }
    }

    /// Step policies answer by distance from the threshold: a range that the alarm never reports, or a hole where it
    /// does, is not what anybody meant.
    fn steps(&mut self, alarm: &Alarm) {
        let policies = alarm.alarm_actions.iter().filter_map(|action| self.policy_of(action));
        for (policy, steps) in policies.filter_map(|policy| Some((policy, steps_of(policy)?))).collect::<Vec<_>>() {
            let path = format!("scaling.{}.steps", policy.name);
            let upper = alarm.comparison.is_upper();
            let (side, near) = if upper { ("above", reach_above(steps)) } else { ("below", reach_below(steps)) };
            match near {
                None => {
                    let fact =
                        format!("alarms.{} reports values {side} its threshold, where {path} has no step.", alarm.key);
                    let remedy =
                        if upper { "Write a step with lower_bound: 0." } else { "Write a step with upper_bound: 0." };
                    self.warn(Kind::StepsOnWrongSide, &path, fact, remedy);
                }
                Some(near) if near > 0.0 => {
                    let fact = format!(
                        "alarms.{} goes off at {} {}; {path} does nothing until {near} {side} it.",
                        alarm.key,
                        alarm.comparison.sign(),
                        alarm.threshold
                    );
                    self.warn(
                        Kind::StepsMissThreshold,
                        &path,
                        fact,
                        "Begin the first step at 0, or move the threshold.",
                    );
                }
                Some(_) => {}
            }
        }
    }

    /// While the cooldown lasts nothing happens; if it ends before enough datapoints from after the scaling activity
    /// have cleared the alarm, the policy acts again for the same reason.
    fn cooldown(&mut self, alarm: &Alarm) {
        let clearing = 1 + alarm.evaluation_periods.saturating_sub(alarm.datapoints_to_alarm);
        let quiet_after = alarm.period.saturating_mul(clearing);
        for policy in alarm.alarm_actions.iter().filter_map(|action| self.policy_of(action)).collect::<Vec<_>>() {
            let PolicyKind::Simple { cooldown, .. } = policy.kind else { continue };
            if cooldown < quiet_after {
                let path = format!("scaling.{}.cooldown", policy.name);
                let fact = format!(
                    "{path} is {}, and alarms.{} needs {clearing} good datapoint(s) of {} to go back to OK.",
                    span_text(cooldown),
                    alarm.key,
                    span_text(alarm.period)
                );
                let remedy = format!("Raise the cooldown to {} or more.", span_text(quiet_after));
                self.warn(Kind::CooldownTooShort, &path, fact, remedy);
            }
        }
    }

    /// A metric that target tracking keeps, and an alarm that scales on the same one.
    fn tracking(&mut self) {
        let tracked = self.stack.policies.iter().filter_map(|policy| match &policy.kind {
            PolicyKind::TargetTracking(tracking) => Some((policy, tracking)),
            PolicyKind::Simple { .. } | PolicyKind::Step(_) => None,
        });
        for (policy, tracking) in tracked.collect::<Vec<_>>() {
            let scales = |alarm: &&Alarm| alarm.alarm_actions.iter().any(|a| matches!(a, ActionRef::Policy(_)));
            let same = |alarm: &&Alarm| watches(alarm, tracking);
            if let Some(alarm) = self.stack.alerting.alarms.iter().filter(scales).find(same) {
                let path = format!("scaling.{}.metric", policy.name);
                let fact = format!("alarms.{} scales on the metric that {path} keeps at a value.", alarm.key);
                self.warn(Kind::TrackedTwice, &path, fact, "Leave the metric to one of the two.");
            }
            if self.is_too_slow_for(tracking) {
                let fact = format!(
                    "scaling.{} needs a datapoint each minute; without detailed monitoring EC2 sends one in five.",
                    policy.name
                );
                let remedy = "Remove detailed_monitoring: false.";
                self.warn(Kind::MonitoringTooSlow, "launch.detailed_monitoring", fact, remedy);
            }
        }
    }

    fn is_too_slow_for(&self, tracking: &TargetTracking) -> bool {
        let of_machines = match &tracking.metric {
            TrackedMetric::Predefined(_) => true,
            TrackedMetric::Custom { namespace, .. } => namespace == "AWS/EC2",
        };
        of_machines && !self.stack.launch.detailed_monitoring
    }

    /// What a scale-out and a scale-in alarm on one metric do to each other.
    fn pairs(&mut self) {
        let alarms = &self.stack.alerting.alarms;
        for out in alarms.iter().filter(|alarm| alarm.comparison.is_upper()) {
            let Some(adder) = self.policy_for(out, ScalingPolicy::scales_out) else { continue };
            for back in alarms.iter().filter(|alarm| !alarm.comparison.is_upper() && same_metric(alarm, out)) {
                if self.policy_for(back, ScalingPolicy::scales_in).is_none() {
                    continue;
                }
                // The same load is spread over more machines only if it is their average that is watched.
                let shared = out.namespace == "AWS/EC2" && out.statistic == "Average";
                match least_change(adder) {
                    _ if self.overlaps(out, back) => {}
                    Some(adds) if shared => self.check_pair(out, back, adds),
                    _ => {}
                }
            }
        }
    }

    /// Thresholds that some value breaches both of leave no room between them.
    fn overlaps(&mut self, out: &Alarm, back: &Alarm) -> bool {
        let touching = out.comparison.sign() == ">=" && back.comparison.sign() == "<=";
        let overlaps = back.threshold > out.threshold || (back.threshold == out.threshold && touching);
        if overlaps {
            let path = format!("alarms.{}.threshold", back.key);
            let fact = format!(
                "alarms.{} at {} {} and alarms.{} at {} {} are both on between the two.",
                out.key,
                out.comparison.sign(),
                out.threshold,
                back.key,
                back.comparison.sign(),
                back.threshold
            );
            let remedy = format!("Lower this threshold well below {}.", out.threshold);
            self.warn(Kind::NoHysteresis, &path, fact, remedy);
        }
        overlaps
    }

    /// After a scale-out the same load is spread over more machines; if that already sets off the scale-in alarm, the
    /// group goes out and in for as long as the load lasts.
    fn check_pair(&mut self, out: &Alarm, back: &Alarm, adds: u32) {
        let group = &self.stack.group;
        let spread = |from: u32| {
            let to = (from + adds).min(group.max_size);
            (to, out.threshold * f64::from(from) / f64::from(to))
        };
        // The fewer machines there are, the more one of them changes: the smallest group oscillates first.
        let from = group.min_size.max(1);
        if from >= group.max_size {
            return;
        }
        let (to, after) = spread(from);
        if after > back.threshold || out.threshold <= 0.0 {
            return;
        }
        let path = format!("alarms.{}.threshold", back.key);
        let fact = format!(
            "At {} {} the group goes from {from} to {to}; the same load is then {} each, and alarms.{} at {} {} takes it back.",
            out.comparison.sign(),
            out.threshold,
            round(after),
            back.key,
            back.comparison.sign(),
            back.threshold,
        );
        let remedy = format!("Lower this threshold below {}, or raise alarms.{}.", round(after), out.key);
        self.warn(Kind::Oscillates, &path, fact, remedy);
    }

    fn policy_for(&self, alarm: &Alarm, wanted: impl Fn(&ScalingPolicy) -> bool) -> Option<&'a ScalingPolicy> {
        alarm.alarm_actions.iter().filter_map(|action| self.policy_of(action)).find(|policy| wanted(policy))
    }

    fn policy_of(&self, action: &ActionRef) -> Option<&'a ScalingPolicy> {
        let ActionRef::Policy(name) = action else { return None };
        self.stack.policies.iter().find(|p| p.name == *name)
    }
}

fn steps_of(policy: &ScalingPolicy) -> Option<&[Step]> {
    match &policy.kind {
        PolicyKind::Step(policy) => Some(&policy.steps),
        PolicyKind::Simple { .. } | PolicyKind::TargetTracking(_) => None,
    }
}

/// How far above the threshold the first step begins; none if there is no step above it.
fn reach_above(steps: &[Step]) -> Option<f64> {
    let above = steps.iter().filter(|step| step.upper_bound.is_none_or(|bound| bound > 0.0));
    above.map(|step| step.lower_bound.unwrap_or(f64::NEG_INFINITY)).min_by(f64::total_cmp)
}

/// The same below the threshold.
fn reach_below(steps: &[Step]) -> Option<f64> {
    let below = steps.iter().filter(|step| step.lower_bound.is_none_or(|bound| bound < 0.0));
    below.map(|step| -step.upper_bound.unwrap_or(f64::INFINITY)).min_by(f64::total_cmp)
}

/// How many machines the policy adds at least, where that does not depend on how many there are.
fn least_change(policy: &ScalingPolicy) -> Option<u32> {
    match &policy.kind {
        PolicyKind::Simple { adjustment, .. } => Some(adjustment.unsigned_abs()),
        PolicyKind::Step(step) if step.adjustment_type == AdjustmentType::ChangeInCapacity => {
            step.steps.iter().map(|step| step.adjustment.unsigned_abs()).min()
        }
        PolicyKind::Step(_) | PolicyKind::TargetTracking(_) => None,
    }
}

fn same_metric(one: &Alarm, other: &Alarm) -> bool {
    let key = |alarm: &Alarm| {
        (alarm.namespace.clone(), alarm.metric_name.clone(), alarm.dimensions.clone(), alarm.statistic.clone())
    };
    key(one) == key(other)
}

/// Whether the alarm looks at what the policy keeps.
fn watches(alarm: &Alarm, tracking: &TargetTracking) -> bool {
    match &tracking.metric {
        TrackedMetric::Predefined(kind) => {
            let metric = match *kind {
                "ASGAverageCPUUtilization" => "CPUUtilization",
                "ASGAverageNetworkIn" => "NetworkIn",
                _ => "NetworkOut",
            };
            alarm.namespace == "AWS/EC2" && alarm.metric_name == metric
        }
        TrackedMetric::Custom { namespace, metric_name, dimensions, .. } => {
            (&alarm.namespace, &alarm.metric_name, &alarm.dimensions) == (namespace, metric_name, dimensions)
        }
    }
}

fn all_actions(alarm: &Alarm) -> impl Iterator<Item = &ActionRef> {
    alarm.alarm_actions.iter().chain(&alarm.ok_actions).chain(&alarm.insufficient_data_actions)
}

/// Two decimals at most.
fn round(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}
