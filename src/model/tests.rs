//! The rules that span arguments, the defaults, and the warnings.

use std::time::Duration;

use super::{
    ActionRef, Architecture, Files, Image, KeyPair, PolicyKind, Stack, TrackedMetric, Zones, build_stack, lint_stack,
};
use crate::spec::parse_spec;

const HEAD: &str = "version: 1\nname: web\nregion: us-east-1\n";
const LAUNCH: &str = "launch: { instance_type: t3.micro }\n";
const GROUP: &str = "group: { min_size: 1, max_size: 3 }\n";

/// Builds; on success the warnings' codes come along.
fn build_with(text: &str, files: &Files) -> Result<(Stack, Vec<String>), Vec<String>> {
    let parsed = parse_spec("web.yaml", text.as_bytes());
    assert_eq!(parsed.problems, [], "{text}");
    let spec = parsed.spec.expect("a spec");
    let describe = |p: &crate::spec::Problem| format!("{} {}", p.kind.code(), p.path);
    match build_stack(&spec, &parsed.map, files) {
        Ok(stack) => {
            let warnings = lint_stack(&stack, &parsed.map).iter().map(describe).collect();
            Ok((stack, warnings))
        }
        Err(problems) => {
            assert!(problems.iter().all(|p| p.place.is_some() && p.remedy.ends_with(['.', '?'])), "{problems:?}");
            Err(problems.iter().map(describe).collect())
        }
    }
}

fn build(text: &str) -> Result<(Stack, Vec<String>), Vec<String>> {
    build_with(text, &Files::new())
}

/// Errors, or warnings when there are none, of a spec with these lines added.
fn problems(lines: &str) -> Vec<String> {
    let has = |name: &str| lines.lines().any(|l| l.starts_with(name));
    let mut text = HEAD.to_owned();
    if !has("launch:") {
        text.push_str(LAUNCH);
    }
    if !has("group:") {
        text.push_str(GROUP);
    }
    match build(&(text + lines)) {
        Ok((_, warnings)) => warnings,
        Err(errors) => errors,
    }
}

fn check(cases: &[(&str, &[&str])]) {
    for (lines, expected) in cases {
        assert_eq!(problems(lines), *expected, "with\n{lines}");
    }
}

#[test]
fn group_sizes_are_in_order() {
    check(&[
        ("group: { min_size: 1, desired_capacity: 1, max_size: 1 }", &[]),
        ("group: { min_size: 0, max_size: 0 }", &[]),
        ("group: { min_size: 3, max_size: 2 }", &["sizes-out-of-order group.max_size"]),
        ("group: { min_size: 1, desired_capacity: 4, max_size: 3 }", &["sizes-out-of-order group.desired_capacity"]),
        ("group: { min_size: 2, desired_capacity: 1, max_size: 3 }", &["sizes-out-of-order group.desired_capacity"]),
        ("group: { min_size: 1, max_size: 3, warm_pool: {} }", &[]),
        ("group: { min_size: 1, max_size: 3, warm_pool: { min_size: 1, max_group_prepared_capacity: 0 } }", &[]),
        (
            "group: { min_size: 1, max_size: 3, warm_pool: { max_group_prepared_capacity: 0 } }",
            &["invalid-value group.warm_pool.max_group_prepared_capacity"],
        ),
    ]);
}

#[test]
fn networks_hold_their_zones() {
    check(&[
        ("network: { cidr: 10.0.0.0/28, zones: 1 }", &[]),
        ("network: { cidr: 10.0.0.0/28, zones: 2 }", &["network-too-small network.zones"]),
        ("network: { cidr: 10.0.0.0/26, zones: 4 }", &[]),
        ("network: { cidr: 10.0.0.0/8 }", &["invalid-cidr network.cidr"]),
        ("network: { cidr: 10.0.0.0/29 }", &["invalid-cidr network.cidr"]),
        ("network: { zones: [a, b, a] }", &["duplicate-entry network.zones[2]"]),
    ]);
}

fn alarm(rest: &str) -> String {
    format!(
        "notifications: {{ ops: {{ email: [a@b.c] }} }}\nalarms:\n  a: {{ metric: cpu, threshold: \"> 50\", alarm_actions: [ops], {rest} }}\n"
    )
}

#[test]
fn alarms_keep_to_cloudwatchs_limits() {
    let custom = "notifications: { ops: { email: [a@b.c] } }\nalarms:\n  a: { metric: { namespace: My, name: M }, threshold: \"> 50\", alarm_actions: [ops], period: 10s, evaluation_periods: 3 }\n";
    check(&[
        (&alarm("period: 1m, evaluation_periods: 3, datapoints_to_alarm: 3"), &[]),
        (
            &alarm("period: 1m, evaluation_periods: 3, datapoints_to_alarm: 4"),
            &["datapoints-above-periods alarms.a.datapoints_to_alarm"],
        ),
        (&alarm("period: 90s, evaluation_periods: 1"), &["invalid-period alarms.a.period"]),
        (&alarm("period: 0s, evaluation_periods: 1"), &["invalid-period alarms.a.period"]),
        (&alarm("period: 10s, evaluation_periods: 1"), &["invalid-period alarms.a.period"]),
        (custom, &[]),
        (&alarm("period: 1m, evaluation_periods: 1440"), &[]),
        (&alarm("period: 1m, evaluation_periods: 1441"), &["window-too-long alarms.a.period"]),
        (&alarm("period: 1h, evaluation_periods: 168"), &[]),
        (&alarm("period: 1h, evaluation_periods: 169"), &["window-too-long alarms.a.period"]),
        (&alarm("period: 999999999d, evaluation_periods: 10080"), &["window-too-long alarms.a.period"]),
    ]);
}

fn actions(list: &str) -> String {
    format!(
        "scaling: {{ scale-out: {{ type: simple, adjustment: +1 }} }}\nnotifications: {{ ops: {{ email: [a@b.c] }} }}\nalarms:\n  a: {{ metric: cpu, threshold: \"> 50\", period: 1m, evaluation_periods: 1, alarm_actions: [scale-out, {list}] }}\n"
    )
}

#[test]
fn actions_name_what_there_is() {
    let arn = "'arn:aws:sns:us-east-1:123456789012:x'";
    check(&[
        (&actions("ops"), &[]),
        (&actions(arn), &[]),
        (&actions("op"), &["unknown-action alarms.a.alarm_actions[1]"]),
        (&actions("'arn:aws:sns'"), &["unknown-action alarms.a.alarm_actions[1]"]),
        (&actions("ops, ops"), &["duplicate-entry alarms.a.alarm_actions[2]"]),
        (
            &actions(&(0..5).map(|i| format!("'arn:aws:sns:r:1:{i}'")).collect::<Vec<_>>().join(", ")),
            &["too-many-actions alarms.a.alarm_actions"],
        ),
        (
            "scaling: { ops: { type: simple, adjustment: +1 } }\nnotifications: { ops: { email: [a@b.c] } }\n",
            &["ambiguous-name notifications.ops"],
        ),
    ]);
}

#[test]
fn one_broken_entry_does_not_hide_the_others_or_accuse_them() {
    let text = format!(
        "{HEAD}{LAUNCH}group: {{ min_size: 5, max_size: 3 }}\nscaling:\n  out: {{ type: wrong, adjustment: +1 }}\n{}",
        &actions("ops").lines().skip(1).map(|l| l.replace("scale-out", "out") + "\n").collect::<String>()
    );
    let parsed = parse_spec("web.yaml", text.as_bytes());
    let codes: Vec<_> = parsed.problems.iter().map(|p| p.kind.code()).collect();
    assert_eq!(codes, ["invalid-value"]);
    let errors = build_stack(&parsed.spec.expect("a spec"), &parsed.map, &Files::new()).expect_err("sizes");
    let codes: Vec<_> = errors.iter().map(|p| p.kind.code()).collect();
    assert_eq!(codes, ["sizes-out-of-order"]);
}

/// An alarm each at these thresholds, scaling out by `adds`.
fn pair(out: &str, back: &str, adds: u32, sizes: &str) -> String {
    format!(
        "group: {{ {sizes} }}\nscaling:\n  out: {{ type: simple, adjustment: +{adds} }}\n  back: {{ type: simple, adjustment: -1 }}\nalarms:\n  high: {{ metric: cpu, threshold: \"{out}\", period: 1m, evaluation_periods: 1, alarm_actions: [out] }}\n  low: {{ metric: cpu, threshold: \"{back}\", period: 1m, evaluation_periods: 1, alarm_actions: [back] }}\n"
    )
}

#[test]
fn a_pair_of_thresholds_that_oscillates_is_warned_of() {
    let warned: &[&str] = &["oscillates alarms.low.threshold"];
    check(&[
        (&pair(">= 50", "<= 40", 1, "min_size: 1, max_size: 3"), warned), // 50 / 2 = 25
        (&pair(">= 50", "<= 24", 1, "min_size: 1, max_size: 3"), &[]),
        (&pair(">= 50", "<= 25", 1, "min_size: 1, max_size: 3"), warned),
        (&pair(">= 50", "<= 40", 1, "min_size: 5, max_size: 9"), &[]), // 50 * 5 / 6 = 41.7
        (&pair(">= 50", "<= 40", 3, "min_size: 5, max_size: 9"), warned), // 50 * 5 / 8 = 31
        (&pair(">= 50", "<= 40", 3, "min_size: 5, max_size: 6"), &[]), // only one machine fits
        (&pair(">= 50", "<= 40", 1, "min_size: 0, max_size: 1"), &[]),
    ]);
}

#[test]
fn what_nobody_wants_is_warned_of() {
    let rule = "period: 1m, evaluation_periods: 1";
    let told = "notifications: { ops: { email: [a@b.c] } }\n";
    check(&[
        (
            "launch: { instance_type: t3.micro, inbound: [{ port: 22, from: 0.0.0.0/0 }] }",
            &["ssh-open launch.inbound[0]"],
        ),
        (
            "launch: { instance_type: t3.micro, inbound: [{ port: 22, from: 10.0.0.0/8 }, { port: 80, from: 0.0.0.0/0 }] }",
            &[],
        ),
        ("notifications: { ops: { group_events: [launch] } }", &["topic-without-subscriber notifications.ops"]),
        ("scaling: { out: { type: simple, adjustment: +1 } }", &["policy-unused scaling.out"]),
        (&format!("alarms: {{ a: {{ metric: cpu, threshold: '> 5', {rule} }} }}"), &["alarm-without-action alarms.a"]),
        (
            &format!("{told}alarms: {{ a: {{ metric: cpu, threshold: '> 100', {rule}, alarm_actions: [ops] }} }}"),
            &["never-fires alarms.a.threshold"],
        ),
        (
            &format!(
                "{told}alarms: {{ a: {{ metric: {{ namespace: AWS/EC2, name: CPUUtilization, dimensions: {{ AutoScalingGroupName: wep }} }}, threshold: '> 50', {rule}, alarm_actions: [ops] }} }}"
            ),
            &["wrong-dimension alarms.a.metric"],
        ),
        (
            &format!(
                "{told}launch: {{ instance_type: t3.micro, detailed_monitoring: false }}\nalarms: {{ a: {{ metric: cpu, threshold: '> 50', {rule}, alarm_actions: [ops] }} }}"
            ),
            &["monitoring-too-slow launch.detailed_monitoring"],
        ),
        (
            &format!(
                "{told}scaling: {{ back: {{ type: simple, adjustment: -1 }} }}\nalarms: {{ a: {{ metric: cpu, threshold: '< 5', {rule}, alarm_actions: [back, ops] }} }}"
            ),
            &["alarm-at-rest alarms.a.alarm_actions"],
        ),
        (
            &format!(
                "group: {{ min_size: 2, max_size: 2 }}\nscaling: {{ out: {{ type: simple, adjustment: +1 }} }}\nalarms: {{ a: {{ metric: cpu, threshold: '> 5', {rule}, alarm_actions: [out] }} }}"
            ),
            &["cannot-scale group.max_size"],
        ),
    ]);
}

#[test]
fn files_that_the_spec_names_are_there_and_fit() {
    let text = format!(
        "{HEAD}{GROUP}launch: {{ instance_type: t3.micro, user_data_file: u.sh, key_pair: {{ public_key_file: k.pub }} }}\n"
    );
    let files = |script: Result<&str, &str>, key: &str| {
        let own = |r: Result<&str, &str>| r.map(str::to_owned).map_err(str::to_owned);
        Files::from([
            ("launch.user_data_file".to_owned(), own(script)),
            ("launch.key_pair.public_key_file".to_owned(), own(Ok(key))),
        ])
    };
    let key = "ssh-ed25519 AAAA me@here\n";
    let (stack, _) = build_with(&text, &files(Ok("#!/bin/sh\n"), key)).expect("all is there");
    assert_eq!(stack.launch.user_data.as_deref(), Some("#!/bin/sh\n"));
    assert_eq!(stack.launch.key_pair, Some(KeyPair::Import { public_key: key.trim().to_owned() }));
    let missing = build_with(&text, &files(Err("it is not there"), key)).expect_err("no script");
    assert_eq!(missing, ["missing-file launch.user_data_file"]);
    let large = "x".repeat(16 * 1024 + 1);
    let large = build_with(&text, &files(Ok(&large), "-----BEGIN PRIVATE KEY-----")).expect_err("too much");
    assert_eq!(large, ["user-data-too-large launch.user_data_file", "invalid-value launch.key_pair.public_key_file"]);
    let twice = format!("{HEAD}{GROUP}launch: {{ instance_type: t3.micro, user_data_file: u.sh, user_data: x }}\n");
    assert_eq!(build(&twice).expect_err("two scripts"), ["invalid-value launch.user_data"]);
}

#[test]
fn the_course_stack_is_what_its_spec_says() {
    let text = include_str!("../../examples/course.yaml");
    let script = include_str!("../../examples/user-data.sh");
    let files = Files::from([("launch.user_data_file".to_owned(), Ok(script.to_owned()))]);
    let (stack, warnings) = build_with(text, &files).expect("the course");
    assert_eq!(warnings, ["oscillates alarms.cpu-low.threshold"]);
    assert_eq!(stack.network.subnet_cidrs, ["10.0.0.0/20", "10.0.16.0/20"]);
    assert_eq!(stack.network.zones, Zones::Count(2));
    assert_eq!(stack.launch.image, Image::Ubuntu { release: "24.04".into(), codename: "noble".into() });
    assert!(stack.launch.detailed_monitoring, "an alarm looks every minute");
    let cooldown = Duration::from_secs(300);
    let policies: Vec<_> = stack.policies.iter().map(|p| (p.name.as_str(), p.kind.clone())).collect();
    let simple = |adjustment| PolicyKind::Simple { adjustment, cooldown };
    assert_eq!(policies, [("scale-in", simple(-1)), ("scale-out", simple(1))]);
    let names: Vec<_> = stack.alerting.alarms.iter().map(|a| a.name.as_str()).collect();
    assert_eq!(names, ["course-cpu-high", "course-cpu-low", "course-cpu-warning"]);
    let high = &stack.alerting.alarms[0];
    assert_eq!(high.alarm_actions, [ActionRef::Policy("scale-out".into()), ActionRef::Topic("ops".into())]);
    assert_eq!(high.dimensions["AutoScalingGroupName"], "course");
    assert_eq!((high.period, high.evaluation_periods, high.datapoints_to_alarm), (Duration::from_secs(60), 2, 2));
    assert_eq!(high.description, "CPUUtilization Average >= 50 in 2 of 2 periods of 60s");
    assert_eq!(high.treat_missing_data, "missing");
    assert_eq!(stack.alerting.topics[0].name, "course-ops");
    assert_eq!(stack.alerting.topics[0].group_events.len(), 4);
    assert_eq!(stack.tags["scaleproof:stack"], "course");
}

#[test]
fn what_is_left_out_has_its_default() {
    let text = format!(
        "{HEAD}{LAUNCH}{GROUP}scaling: {{ out: {{ type: simple, adjustment: +1 }} }}\nalarms: {{ a: {{ metric: {{ namespace: My, name: Jobs, statistic: Sum }}, threshold: '> 5', period: 5m, evaluation_periods: 2, alarm_actions: [out] }} }}\n"
    );
    let (stack, warnings) = build(&text).expect("a stack");
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(stack.network.cidr, "10.0.0.0/16");
    assert_eq!((stack.group.desired_capacity, stack.group.own_desired_capacity), (1, false));
    assert_eq!(stack.group.health_check_grace_period, Duration::from_secs(300));
    let cooldown = Duration::from_secs(300);
    assert_eq!(stack.policies[0].kind, PolicyKind::Simple { adjustment: 1, cooldown });
    assert!(!stack.launch.detailed_monitoring);
    let alarm = &stack.alerting.alarms[0];
    assert_eq!(alarm.treat_missing_data, "notBreaching", "no jobs is no data, and means zero");
    assert!(alarm.dimensions.is_empty());
}

#[test]
fn the_architecture_follows_the_instance_family() {
    for (instance_type, expected) in [
        ("t2.nano", Architecture::Amd64),
        ("t4g.nano", Architecture::Arm64),
        ("m7gd.large", Architecture::Arm64),
        ("a1.medium", Architecture::Arm64),
        ("g4dn.xlarge", Architecture::Amd64),
        ("g5g.xlarge", Architecture::Arm64),
        ("x2gd.medium", Architecture::Arm64),
        ("m5.large", Architecture::Amd64),
    ] {
        let text = format!("{HEAD}{GROUP}launch: {{ instance_type: {instance_type} }}\n");
        assert_eq!(build(&text).expect("a stack").0.launch.architecture, expected, "{instance_type}");
    }
}

/// A step policy `p` with these steps, set off by an alarm at this threshold.
fn stepped(steps: &str, threshold: &str) -> String {
    format!(
        "scaling: {{ p: {{ type: step, steps: [{steps}] }} }}\nalarms:\n  a: {{ metric: cpu, threshold: \"{threshold}\", period: 1m, evaluation_periods: 1, alarm_actions: [p] }}\n"
    )
}

#[test]
fn steps_follow_each_other() {
    let high = |steps: &str| stepped(steps, ">= 60");
    check(&[
        (&high("{ lower_bound: 0, upper_bound: 10, adjustment: +1 }, { lower_bound: 10, adjustment: +2 }"), &[]),
        (&high("{ lower_bound: 10, adjustment: +2 }, { lower_bound: 0, upper_bound: 10, adjustment: +1 }"), &[]),
        (
            &high("{ lower_bound: 0, upper_bound: 10, adjustment: +1 }, { lower_bound: 12, adjustment: +2 }"),
            &["steps-with-gaps scaling.p.steps[1]"],
        ),
        (
            &high("{ lower_bound: 0, upper_bound: 10, adjustment: +1 }, { lower_bound: 5, adjustment: +2 }"),
            &["steps-overlap scaling.p.steps[1]"],
        ),
        (
            &high("{ lower_bound: 0, upper_bound: 10, adjustment: +1 }"),
            &["steps-with-gaps scaling.p.steps[0].upper_bound"],
        ),
        (
            &high("{ lower_bound: -10, upper_bound: 0, adjustment: -1 }"),
            &["steps-with-gaps scaling.p.steps[0].lower_bound"],
        ),
        (&high("{ adjustment: +1 }"), &["invalid-value scaling.p.steps[0]"]),
        (
            &high("{ lower_bound: 5, upper_bound: 5, adjustment: +1 }"),
            &["invalid-value scaling.p.steps[0]", "steps-with-gaps scaling.p.steps[0].upper_bound"],
        ),
        (&high(""), &["invalid-value scaling.p.steps"]),
    ]);
}

#[test]
fn steps_lie_where_their_alarm_looks() {
    check(&[
        (&stepped("{ lower_bound: 10, adjustment: +1 }", ">= 60"), &["steps-miss-threshold scaling.p.steps"]),
        (&stepped("{ upper_bound: 0, adjustment: +1 }", ">= 60"), &["steps-on-wrong-side scaling.p.steps"]),
        (&stepped("{ upper_bound: 0, adjustment: -1 }", "<= 20"), &[]),
        (&stepped("{ upper_bound: -5, adjustment: -1 }", "<= 20"), &["steps-miss-threshold scaling.p.steps"]),
        (&stepped("{ lower_bound: 0, adjustment: -1 }", "<= 20"), &["steps-on-wrong-side scaling.p.steps"]),
    ]);
}

#[test]
fn tracking_and_schedules_keep_to_auto_scalings_rules() {
    let entry = |entry: &str| format!("scaling: {{ p: {{ {entry} }} }}\n");
    let tracking = |rest: &str| entry(&format!("type: target-tracking, {rest}"));
    let scheduled = |rest: &str| entry(&format!("type: scheduled, {rest}"));
    check(&[
        (&tracking("metric: cpu, target_value: 50"), &[]),
        (&tracking("metric: cpu, target_value: 0"), &["invalid-value scaling.p.target_value"]),
        (&tracking("metric: status-check-failed, target_value: 1"), &["invalid-value scaling.p.metric"]),
        (&scheduled("recurrence: '0 8 * * *', min_size: 2"), &[]),
        (&scheduled("min_size: 2"), &["missing-argument scaling.p"]),
        (&scheduled("recurrence: '0 8 * * *'"), &["missing-argument scaling.p"]),
        (&scheduled("recurrence: '0 8 * * *', min_size: 3, desired_capacity: 2"), &["sizes-out-of-order scaling.p"]),
        (
            &scheduled("start_time: '2026-12-01T08:00:00Z', time_zone: Asia/Seoul, min_size: 2"),
            &["invalid-value scaling.p"],
        ),
        (
            &scheduled(
                "recurrence: '0 8 * * *', start_time: '2026-12-01T08:00:00Z', end_time: '2026-12-01T08:00:00Z', min_size: 2",
            ),
            &["invalid-value scaling.p.end_time"],
        ),
        (
            "scaling: { p: { type: target-tracking, metric: cpu, target_value: 50 } }\nalarms:\n  a: { metric: cpu, threshold: '> 50', period: 1m, evaluation_periods: 1, alarm_actions: [p] }\n",
            &["runs-by-itself alarms.a.alarm_actions[0]"],
        ),
        (
            "scaling: { p: { type: target-tracking, metric: cpu, target_value: 50 }, out: { type: simple, adjustment: +1 } }\nalarms:\n  a: { metric: cpu, threshold: '> 80', period: 1m, evaluation_periods: 1, alarm_actions: [out] }\n",
            &["tracked-twice scaling.p.metric"],
        ),
        (
            "launch: { instance_type: t3.micro, detailed_monitoring: false }\nscaling: { p: { type: target-tracking, metric: cpu, target_value: 50 } }\n",
            &["monitoring-too-slow launch.detailed_monitoring"],
        ),
    ]);
}

#[test]
fn alarms_leave_room_for_each_other_and_time_for_the_cooldown() {
    let cooldown = |cooldown: &str, rule: &str| {
        format!(
            "scaling: {{ out: {{ type: simple, adjustment: +1, cooldown: {cooldown} }} }}\nalarms:\n  a: {{ metric: cpu, threshold: '> 50', {rule}, alarm_actions: [out] }}\n"
        )
    };
    check(&[
        (&pair(">= 50", "<= 50", 1, "min_size: 5, max_size: 6"), &["no-hysteresis alarms.low.threshold"]),
        (&pair("> 50", "<= 50", 1, "min_size: 99, max_size: 100"), &["oscillates alarms.low.threshold"]),
        (&pair("> 50", "< 60", 1, "min_size: 5, max_size: 6"), &["no-hysteresis alarms.low.threshold"]),
        (&cooldown("1m", "period: 1m, evaluation_periods: 3"), &[]),
        (&cooldown("1m", "period: 5m, evaluation_periods: 1"), &["cooldown-too-short scaling.out.cooldown"]),
        (
            &cooldown("1m", "period: 1m, evaluation_periods: 3, datapoints_to_alarm: 2"),
            &["cooldown-too-short scaling.out.cooldown"],
        ),
    ]);
}

#[test]
fn the_examples_scale_as_they_say() {
    let (steps, warnings) = build(include_str!("../../examples/steps.yaml")).expect("steps");
    assert_eq!(warnings, Vec::<String>::new());
    let PolicyKind::Step(out) = &steps.policies[1].kind else { panic!("{:?}", steps.policies[1]) };
    let adjustments: Vec<i32> = out.steps.iter().map(|step| step.adjustment).collect();
    assert_eq!(adjustments, [1, 2, 4]);
    let (office, warnings) = build(include_str!("../../examples/office-hours.yaml")).expect("office hours");
    assert_eq!(warnings, Vec::<String>::new());
    let PolicyKind::TargetTracking(tracking) = &office.policies[0].kind else { panic!("{:?}", office.policies[0]) };
    assert_eq!(tracking.metric, TrackedMetric::Predefined("ASGAverageCPUUtilization"));
    assert!(office.launch.detailed_monitoring, "target tracking looks every minute");
    assert_eq!(office.schedules.iter().map(|action| action.min_size).collect::<Vec<_>>(), [Some(1), Some(4)]);
}

/// A launch block with these lines below `mixed_instances`.
fn mixed(arguments: &str) -> String {
    format!("launch: {{ instance_type: t3.micro, mixed_instances: {{ {arguments} }} }}\n")
}

#[test]
fn several_types_keep_to_awss_rules() {
    let types = "launch.mixed_instances.instance_types";
    let both = "instance_types: [{ instance_type: t3.micro }, { instance_type: t3.small }]";
    let weights = "instance_types: [{ instance_type: t3.micro, weighted_capacity: 1 }, { instance_type: t3.small, weighted_capacity: 1 }]";
    check(&[
        (&mixed(both), &[]),
        (&mixed(weights), &[]),
        (&mixed("instance_types: []"), &[&format!("invalid-value {types}")]),
        (&mixed("instance_types: [{ instance_type: t3.small }]"), &[&format!("invalid-value {types}")]),
        (
            &mixed("instance_types: [{ instance_type: t3.micro }, { instance_type: t3.micro }]"),
            &[&format!("duplicate-entry {types}[1]")],
        ),
        (
            &mixed("instance_types: [{ instance_type: t3.micro }, { instance_type: t4g.micro }]"),
            &[&format!("invalid-value {types}[1]")],
        ),
        (
            &mixed("instance_types: [{ instance_type: t3.micro, weighted_capacity: 1 }, { instance_type: t3.small }]"),
            &[&format!("missing-argument {types}")],
        ),
        (
            &mixed(&format!("{both}, on_demand_percentage_above_base_capacity: 0, spot_instance_pools: 3")),
            &["invalid-value launch.mixed_instances.spot_instance_pools"],
        ),
    ]);
}

#[test]
fn a_warm_pool_holds_no_spot_instances() {
    let with = |percent: &str| {
        let types = "instance_types: [{ instance_type: t3.micro }, { instance_type: t3.small }]";
        let launch = mixed(&format!("{types}{percent}"));
        format!("{launch}group: {{ min_size: 1, max_size: 3, warm_pool: {{}} }}\n")
    };
    check(&[
        (&with(""), &[]),
        (&with(", on_demand_percentage_above_base_capacity: 100"), &[]),
        (&with(", on_demand_percentage_above_base_capacity: 60"), &["invalid-value group.warm_pool"]),
    ]);
}

#[test]
fn weights_above_the_sizes_and_spot_that_is_never_launched_are_warned_of() {
    let both = "instance_types: [{ instance_type: t3.micro, weighted_capacity: 1 }, { instance_type: t3.small, weighted_capacity: 4 }]";
    let heavy = "weight-above-size launch.mixed_instances.instance_types";
    let sizes = |sizes: &str| format!("{}group: {{ {sizes} }}\n", mixed(both));
    check(&[
        (&sizes("min_size: 1, max_size: 3"), &[heavy]),
        (&sizes("min_size: 1, max_size: 8"), &[heavy]),
        (&sizes("min_size: 4, max_size: 8"), &[]),
        (&sizes("min_size: 0, max_size: 8"), &[]),
        (
            &mixed("instance_types: [{ instance_type: t3.micro }], spot_max_price: 0.05"),
            &["spot-unused launch.mixed_instances.spot_max_price"],
        ),
        (
            &mixed(
                "instance_types: [{ instance_type: t3.micro }], spot_max_price: 0.05, on_demand_percentage_above_base_capacity: 50",
            ),
            &[],
        ),
    ]);
}

/// The launch or region that is written, and the warning with its remedy.
#[test]
fn slips_in_regions_and_instance_types_are_noticed_with_the_nearest() {
    let text = |region: &str, machine: &str| {
        format!(
            "version: 1\nname: web\nregion: {region}\nlaunch: {{ instance_type: {machine} }}\ngroup: {{ min_size: 1, max_size: 2 }}\n"
        )
    };
    for (region, machine, expected) in [
        ("ap-northeast-2", "m8g.large", None),
        ("ap-norteast-2", "t3.micro", Some("unknown-region region: Did you mean ap-northeast-2?")),
        ("eu-west-1", "tt3.micro", Some("unknown-instance-type launch.instance_type: Did you mean t3.micro?")),
        (
            "eu-west-1",
            "t2.48xlarge",
            Some(
                "unknown-instance-type launch.instance_type: t2 comes as nano, micro, small, medium, large, xlarge, 2xlarge.",
            ),
        ),
    ] {
        let text = text(region, machine);
        let parsed = parse_spec("web.yaml", text.as_bytes());
        let stack = build_stack(&parsed.spec.expect("a spec"), &parsed.map, &Files::new()).expect("a stack");
        let found: Vec<String> = lint_stack(&stack, &parsed.map)
            .iter()
            .map(|problem| format!("{} {}: {}", problem.kind.code(), problem.path, problem.remedy))
            .collect();
        assert_eq!(found.first().map(String::as_str), expected, "{region} {machine}");
    }
}
