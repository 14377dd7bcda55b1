//! Warnings: what AWS would take and nobody wants. Each has a stable code word ([`Kind::code`]).
//! Start at [`lint_stack`].

use std::time::Duration;

use super::{ActionRef, Alarm, ScalingPolicy, Stack};
use crate::spec::problem::Kind;
use crate::spec::{Problem, SpecMap};

/// Returns every warning about a stack that breaks no rule, in the order of the file.
pub fn lint_stack(stack: &Stack, map: &SpecMap) -> Vec<Problem> {
    let mut lints = Lints { stack, map, found: Vec::new() };
    lints.ssh();
    lints.topics();
    lints.policies();
    lints.alarms();
    lints.oscillation();
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

    fn ssh(&mut self) {
        for (index, rule) in self.stack.launch.inbound.iter().enumerate() {
            if rule.port == 22 && rule.from == "0.0.0.0/0" {
                let path = format!("launch.inbound[{index}]");
                let fact = format!("{path} opens port 22 to the whole internet.");
                self.warn(Kind::SshOpen, &path, fact, "Name your own network in from, such as 203.0.113.0/24.");
            }
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
        for policy in &self.stack.policies {
            let action = ActionRef::Policy(policy.name.clone());
            let used = self.stack.alerting.alarms.iter().any(|a| all_actions(a).any(|x| *x == action));
            if !used {
                let path = format!("scaling.{}", policy.name);
                let fact = format!("{path} stands in no alarm's actions.");
                self.warn(Kind::PolicyUnused, &path, fact, "Add it to the alarm_actions of an alarm, or remove it.");
            }
        }
        let group = &self.stack.group;
        if group.min_size == group.max_size && !self.stack.policies.is_empty() {
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
        let scales_in = alarm.alarm_actions.iter().any(|a| self.policy_of(a).is_some_and(|p| p.adjustment < 0));
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

    /// After a scale-out the same load is spread over more machines; if that already sets off the scale-in alarm, the
    /// group goes out and in for as long as the load lasts.
    fn oscillation(&mut self) {
        let alarms = &self.stack.alerting.alarms;
        let shared = |a: &&Alarm| a.namespace == "AWS/EC2" && a.statistic == "Average";
        for out in alarms.iter().filter(shared).filter(|a| a.comparison.is_upper()) {
            let Some(adds) = self.adjustment(out, |p| p.adjustment > 0) else { continue };
            for back in alarms.iter().filter(shared).filter(|a| !a.comparison.is_upper()) {
                if back.metric_name == out.metric_name && self.adjustment(back, |p| p.adjustment < 0).is_some() {
                    self.check_pair(out, back, adds);
                }
            }
        }
    }

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

    fn adjustment(&self, alarm: &Alarm, wanted: impl Fn(&ScalingPolicy) -> bool) -> Option<u32> {
        let policy = alarm.alarm_actions.iter().filter_map(|a| self.policy_of(a)).find(|p| wanted(p))?;
        Some(policy.adjustment.unsigned_abs())
    }

    fn policy_of(&self, action: &ActionRef) -> Option<&'a ScalingPolicy> {
        let ActionRef::Policy(name) = action else { return None };
        self.stack.policies.iter().find(|p| p.name == *name)
    }
}

fn all_actions(alarm: &Alarm) -> impl Iterator<Item = &ActionRef> {
    alarm.alarm_actions.iter().chain(&alarm.ok_actions).chain(&alarm.insufficient_data_actions)
}

/// Two decimals at most.
fn round(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}
