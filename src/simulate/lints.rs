//! Warnings that need what the laboratory knows of machines: their CPU credits and how long they start up.
//! Start at [`lint_machines`]; the other warnings are `model`'s.

use std::time::Duration;

use super::translate::credit_mode;
use crate::engine::groups::credits::{Burstable, CreditMode};
use crate::engine::groups::timing::{BOOT, IN_SERVICE_DELAY};
use crate::model::{ActionRef, Alarm, PolicyKind, Stack};
use crate::spec::problem::Kind;
use crate::spec::values::span_text;
use crate::spec::{Problem, SpecMap};

/// Returns the warnings in the order of the file.
pub fn lint_machines(stack: &Stack, map: &SpecMap) -> Vec<Problem> {
    let mut found: Vec<Problem> = credits(stack, map).into_iter().chain(boot(stack, map)).collect();
    found.sort_by_key(|problem| problem.place);
    found
}

/// An alarm above the baseline of machines that are held to it once their credits are gone.
fn credits(stack: &Stack, map: &SpecMap) -> Option<Problem> {
    let instance_type = &stack.launch.instance_type;
    let size = Burstable::of(instance_type)?;
    if credit_mode(stack, size) != CreditMode::Standard {
        return None;
    }
    let baseline = size.baseline_percent();
    let out_of_reach = stack.alerting.alarms.iter().filter(|alarm| scales_on_cpu(alarm) && alarm.threshold > baseline);
    let alarm = out_of_reach.min_by(|a, b| a.threshold.total_cmp(&b.threshold))?;
    let spends = alarm.threshold / 100.0 * f64::from(size.vcpus) * 60.0;
    let minutes = size.at_launch(CreditMode::Standard).credits() / (spends - size.credits_per_hour) * 60.0;
    let after = if minutes < 1.0 { "At once".to_owned() } else { format!("{minutes:.0} minutes after its launch") };
    let fact = format!(
        "Just below the {} % of alarms.{} a {instance_type} spends {spends:.0} CPU credits an hour and earns {}. {after} \
         it is held to {} %, and the alarm cannot go off.",
        alarm.threshold,
        alarm.key,
        size.credits_per_hour,
        (baseline * 10.0).round() / 10.0,
    );
    let remedy =
        "Take a type with a higher baseline or without credits; `scaleproof simulate` shows when they run out.";
    Some(map.problem(Kind::CreditsTooLow, "launch.instance_type", fact, remedy))
}

fn scales_on_cpu(alarm: &Alarm) -> bool {
    let cpu = alarm.namespace == "AWS/EC2" && alarm.metric_name == "CPUUtilization" && alarm.statistic == "Average";
    cpu && alarm.comparison.is_upper()
        && alarm.alarm_actions.iter().any(|action| matches!(action, ActionRef::Policy(_)))
}

/// A policy that adds machines again before the last one helps. Only where the spec says how long they start up.
fn boot(stack: &Stack, map: &SpecMap) -> Vec<Problem> {
    if !map.names_in("load").any(|name| name == "boot") {
        return Vec::new();
    }
    let boot = stack.load.boot.typical;
    let mut found = Vec::new();
    for policy in &stack.policies {
        let PolicyKind::Simple { adjustment, cooldown } = policy.kind else { continue };
        // The cooldown begins when the machine is in service.
        let waits = cooldown + BOOT + IN_SERVICE_DELAY;
        if adjustment > 0 && waits < boot {
            let path = format!("scaling.{}.cooldown", policy.name);
            let fact = format!(
                "{path} is {}, and a machine serves {} after its launch: the policy may add another one before the first \
                 helps.",
                span_text(cooldown),
                span_text(boot)
            );
            let least = Duration::from_secs((boot - BOOT - IN_SERVICE_DELAY).as_secs());
            let remedy = format!("Raise the cooldown to {} or more.", span_text(least));
            found.push(map.problem(Kind::CooldownBelowBoot, &path, fact, remedy));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Files, build_stack};
    use crate::spec::parse_spec;

    fn check(machine: &str, cooldown: &str, load: &str, expected: &[&str]) {
        let text = format!(
            "version: 1\nname: web\nregion: us-east-1\nlaunch: {{ instance_type: {machine} }}\n\
             group: {{ min_size: 1, max_size: 3 }}\nscaling: {{ out: {{ type: simple, adjustment: +1, cooldown: {cooldown} }} }}\n\
             alarms: {{ high: {{ metric: cpu, threshold: \">= 50\", period: 1m, evaluation_periods: 1, alarm_actions: [out] }} }}\n{load}"
        );
        let parsed = parse_spec("web.yaml", text.as_bytes());
        assert_eq!(parsed.problems, [], "{text}");
        let stack = build_stack(&parsed.spec.expect("a spec"), &parsed.map, &Files::new()).expect("a stack");
        let found: Vec<String> = lint_machines(&stack, &parsed.map)
            .iter()
            .map(|problem| format!("{} {}", problem.kind.code(), problem.path))
            .collect();
        assert_eq!(found, expected, "{machine} {cooldown} {load}");
    }

    #[test]
    fn credits_that_cannot_carry_a_threshold_are_warned_of() {
        let warned: &[&str] = &["credits-too-low launch.instance_type"];
        check("t2.nano", "5m", "", warned);
        check("t2.nano", "5m", "load: { credits: unlimited }\n", &[]);
        check("t3.nano", "5m", "", &[]);
        check("t3.nano", "5m", "load: { credits: standard }\n", warned);
        check("m5.large", "5m", "", &[]);
    }

    #[test]
    fn a_cooldown_that_ends_before_the_machine_serves_is_warned_of() {
        let warned: &[&str] = &["cooldown-below-boot scaling.out.cooldown"];
        check("m5.large", "60s", "load: { boot: 3m }\n", warned);
        check("m5.large", "148s", "load: { boot: 3m }\n", &[]);
        check("m5.large", "60s", "", &[]);
    }
}
