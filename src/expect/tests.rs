//! Tests of tests: the course stack, right and wrong.

use super::*;
use crate::model::Stack;
use crate::simulate::tests::course;
use crate::spec::{Problem, parse_test_file};

fn file(tests: &str) -> String {
    format!("spec: course.yaml\ntests:\n{tests}")
}

fn build(text: &str, stack: &Stack) -> Result<Vec<Case>, Vec<Problem>> {
    let parsed = parse_test_file("course.test.yaml", text.as_bytes());
    let built = parsed.spec.map(|file| build_cases(&file.tests, stack, &parsed.map));
    match (built, parsed.problems) {
        (Some(built), problems) if problems.is_empty() => built,
        (built, mut problems) => {
            problems.extend(built.and_then(Result::err).into_iter().flatten());
            Err(problems)
        }
    }
}

fn mismatches(text: &str) -> Vec<String> {
    let stack = course();
    let cases = build(text, &stack).expect("tests that can be run");
    let outcomes = cases.iter().map(|case| run_case(&stack, case).expect("a stack"));
    outcomes.flat_map(|outcome| outcome.mismatches).map(|mismatch| text::mismatch_line(&mismatch)).collect()
}

#[test]
fn the_tests_that_the_course_ships_with_pass() {
    assert_eq!(mismatches(include_str!("../../examples/course.test.yaml")), [""; 0]);
}

/// Two datapoints of 60 s from minute 10 on are seen in the minute after 12:00; one is not enough for 2 of 2.
#[test]
fn states_are_what_the_alarm_has_seen_at_that_moment() {
    for (series, at, state) in [
        ("45 x10, 90 x5", "13m", "ALARM"),
        ("45 x10, 90 x1, 45 x5", "13m", "OK"),
        ("45 x10, 90 x5", "10m", "OK"),
        ("_ x20", "15m", "INSUFFICIENT_DATA"),
        ("45 x10, 50 x5", "13m", "ALARM"), // at the threshold itself, since it is >=
        ("45 x10, 49.9 x5", "13m", "OK"),
    ] {
        let test = format!(
            "  t:\n    series: {{ cpu: \"{series}\" }}\n    expect: [{{ at: {at}, alarms: {{ cpu-high: {state} }} }}]\n"
        );
        assert_eq!(mismatches(&file(&test)), [""; 0], "{series}");
    }
}

/// Six to ops: the test notification that Auto Scaling sends first, two launches, the first OK of cpu-warning, and the
/// ALARM of cpu-warning and of cpu-high.
#[test]
fn what_is_not_as_expected_is_said_with_what_was_found() {
    let test = "  t:
    series: { cpu: \"45 x10, 90 x10\" }
    expect:
      - { at: 14m, alarms: { cpu-high: OK }, desired_capacity: 1, sent: { ops: \"< 2\", launch: 2 }, not_sent: [cpu-high] }
      - { at: 8m, in_service: \">= 2\", fired: { cpu-high: 1 }, launches: 2, terminations: 0, activities: 3 }
";
    assert_eq!(
        mismatches(&file(test)),
        [
            "how often cpu-high fired at 8m is 0, expected 1",
            "in_service at 8m is 1, expected >= 2",
            "activities at 8m is 1, expected 3",
            "launches at 8m is 1, expected 2",
            "the state of cpu-high at 14m is ALARM, expected OK",
            "desired_capacity at 14m is 2, expected 1",
            "notices sent to ops at 14m is 6, expected < 2",
            "notices sent by cpu-high at 14m is 1, expected 0",
        ]
    );
}

#[test]
fn names_that_mean_nothing_are_said_at_once_with_the_nearest() {
    let test = "  t:
    series: { cpo: \"45 x10\", cpu-high: \"1\", cpu: \"2\" }
    expect:
      - { at: 5m, since: 6m, alarms: { cpu-hihg: OK }, fired: { cpu-lwo: 0 }, sent: { opps: 1 }, not_sent: [lunch] }
  nothing-in:
    expect: [{ at: 1m, desired_capacity: 1 }]
  both:
    load: constant 40%
    series: { cpu: \"1\" }
    expect: []
";
    let problems = build(&file(test), &course()).expect_err("wrong names");
    let said: Vec<String> = problems
        .iter()
        .map(|problem| {
            let place = problem.place.map(|place| (place.line, place.column)).unwrap_or_default();
            format!("{}:{} {} {}", place.0, place.1, problem.kind.code(), problem.remedy)
        })
        .collect();
    for expected in [
        "4:15 unknown-in-test Did you mean cpu?",
        "duplicate-entry Keep one of the two.",
        "unknown-in-test Did you mean cpu-high?",
        "unknown-in-test Did you mean cpu-low?",
        "unknown-in-test Did you mean ops?",
        "unknown-in-test Did you mean launch?",
        "invalid-value Write a time before at.",
        "test-input Add series:",
        "test-input Keep one of the two.",
        "test-input Write at least one moment",
    ] {
        assert!(said.iter().any(|line| line.contains(expected)), "{expected} in {said:#?}");
    }
    assert_eq!(said.len(), 10, "{said:#?}");
}

#[test]
fn a_failure_shows_the_minutes_around_it_and_what_the_alarm_looked_at() {
    let text = file(
        "  t:\n    series: { cpu: \"45 x10, 90 x1, 45 x9\" }\n    expect: [{ at: 12m, alarms: { cpu-high: ALARM } }]\n",
    );
    let stack = course();
    let cases = build(&text, &stack).expect("a test");
    let outcome = run_case(&stack, &cases[0]).expect("a run");
    let shown = text::failure_text(&cases[0], &outcome.mismatches, &outcome.record, "course.test.yaml", &text);
    for part in [
        "the state of cpu-high at 12m is OK, expected ALARM",
        "course.test.yaml:5:",
        "> 12m",
        "cpu-high asks for CPUUtilization Average >= 50 in 2 of 2 periods of 60s",
        "10m 90 · 11m 45",
    ] {
        assert!(shown.contains(part), "{part} in\n{shown}");
    }
}

#[test]
fn a_count_lists_what_it_counted() {
    let text = file(
        "  t:\n    series: { cpu: \"45 x10, 90 x10\" }\n    expect: [{ at: 14m, launches: 5, sent: { launch: 0 } }]\n",
    );
    let stack = course();
    let cases = build(&text, &stack).expect("a test");
    let outcome = run_case(&stack, &cases[0]).expect("a run");
    let shown = text::failure_text(&cases[0], &outcome.mismatches, &outcome.record, "course.test.yaml", &text);
    for part in [
        "    counted:      8s  a launch begins\n              12m",
        "    counted:     40s  notice to ops: Auto Scaling: launch for group \"course\"\n",
    ] {
        assert!(shown.contains(part), "{part} in\n{shown}");
    }
}

#[test]
fn a_cpu_beyond_100_percent_and_a_moment_without_time_hide_nothing_else() {
    let test = "  t:
    series: { cpu: \"45 x10, 4711\" }
    expect:
      - { desired_capacity: 1 }
      - { at: 5m, alarms: { cpu-hihg: OK } }
";
    let problems = build(&file(test), &course()).expect_err("three problems");
    let said: Vec<String> = problems
        .iter()
        .map(|problem| {
            let place = problem.place.map(|place| (place.line, place.column)).unwrap_or_default();
            format!("{}:{} {} {}", place.0, place.1, problem.kind.code(), problem.path)
        })
        .collect();
    assert_eq!(
        said,
        [
            "6:9 missing-argument tests.t.expect[0]",
            "4:20 invalid-value tests.t.series.cpu",
            "7:29 unknown-in-test tests.t.expect[1].alarms.cpu-hihg",
        ]
    );
}

/// The course's cpu-low asks a policy alone.
#[test]
fn an_alarm_that_tells_nobody_is_not_waited_for() {
    let test = |sent: &str| {
        format!("  t:\n    series: {{ cpu: \"45 x10\" }}\n    expect: [{{ at: 5m, sent: {{ cpu-low: {sent} }} }}]\n")
    };
    let problems = build(&file(&test("1")), &course()).expect_err("it never speaks");
    let said: Vec<&str> = problems.iter().map(|problem| problem.fact.as_str()).collect();
    assert_eq!(said, ["cpu-low has no notification among its actions, so it sends nothing."]);
    assert_eq!(build(&file(&test("0")), &course()).map(|cases| cases.len()), Ok(1));
}
