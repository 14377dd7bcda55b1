//! What a wrong spec is told, and that the JSON Schema says the same as the reader.

use serde_json::{Map, Value as Json, json};

use super::tree::{self, Node, Value};
use super::{Kind, Parsed, explain, json_schema, parse_spec};

const HEAD: &str = "version: 1\nname: web\nregion: us-east-1\nlaunch: { instance_type: t3.micro }\n";
const GROUP: &str = "group: { min_size: 1, max_size: 2 }\n";

fn parse(text: &str) -> Parsed {
    parse_spec("web.yaml", text.as_bytes())
}

/// Each problem as `LINE:COLUMN CODE`.
fn found(text: &str) -> Vec<String> {
    let show = |p: &super::Problem| match p.place {
        Some(place) => format!("{}:{} {}", place.line, place.column, p.kind.code()),
        None => p.kind.code().to_owned(),
    };
    parse(text).problems.iter().map(show).collect()
}

fn check(cases: &[(&str, &[&str])]) {
    for (text, expected) in cases {
        assert_eq!(found(text), *expected, "in\n{text}");
    }
}

#[test]
fn every_problem_of_a_file_is_reported_at_its_place() {
    let text = format!(
        "{HEAD}grupo: 1\n{GROUP}scaling:\n  out: {{ type: simple, adjustment: +1, cooldwon: 5m }}\n  In: {{ type: steps, adjustment: -1 }}\nalarms:\n  a:\n    metric: cpuu\n    threshold: 50\n    period: 60\n    period: 1m\n"
    );
    check(&[(
        &text,
        &[
            "5:1 unknown-argument",
            "8:40 unknown-argument",
            "9:3 invalid-name",
            "9:15 invalid-value",
            "11:3 missing-argument",
            "12:13 invalid-value",
            "13:16 invalid-value",
            "14:13 invalid-value",
            "15:5 duplicate-argument",
        ],
    )]);
}

#[test]
fn what_is_no_spec_is_refused_with_one_clear_problem() {
    check(&[
        ("", &["unreadable-spec"]),
        ("# only a comment\n", &["unreadable-spec"]),
        ("~\n", &["unreadable-spec"]),
        ("- a\n- b\n", &["1:1 wrong-shape"]),
        ("name: [a\n", &["1:7 yaml-syntax"]),
        ("a: >= 50\n", &["1:4 yaml-syntax"]),
        ("a: *nowhere\n", &["1:4 yaml-syntax"]),
    ]);
    let parsed = parse_spec("web.yaml", b"version: 1\nname: \xff\n");
    assert_eq!(parsed.problems[0].place.map(|p| p.line), Some(2));
    assert_eq!(parsed.problems[0].kind, Kind::Unreadable);
    let parsed = parse_spec("web.yaml", &vec![b'#'; tree::MAX_BYTES + 1]);
    assert_eq!(parsed.problems[0].kind, Kind::TooLarge);
}

#[test]
fn tags_and_second_documents_are_refused() {
    check(&[
        (&format!("{HEAD}{GROUP}tags: {{ a: !!str b }}\n"), &["6:18 yaml-unsupported"]),
        (&format!("{HEAD}{GROUP}---\nversion: 1\n"), &["6:1 yaml-unsupported"]),
        (&format!("{HEAD}{GROUP}? [a]\n: b\n"), &["6:3 yaml-unsupported"]),
    ]);
}

#[test]
fn an_alias_stands_for_its_value() {
    let text = format!("{HEAD}{GROUP}scaling:\n  out: &one {{ type: simple, adjustment: +1 }}\n  more: *one\n");
    let parsed = parse(&text);
    assert_eq!(parsed.problems, []);
    let scaling = parsed.spec.and_then(|s| s.scaling).expect("scaling");
    assert_eq!(scaling.entries["out"], scaling.entries["more"]);
}

#[test]
fn bombs_and_deep_nesting_end_early() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let inner = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
    }
    assert_eq!(parse(&bomb).problems[0].kind, Kind::TooLarge);
    for deep in ["[".repeat(5_000), "{a: ".repeat(5_000), "- ".repeat(5_000), "? ".repeat(5_000)] {
        assert!(!parse(&deep).problems.is_empty());
    }
    let wide: String = (0..60_000).map(|i| format!("k{i}: \n")).collect();
    assert_eq!(parse(&wide).problems[0].kind, Kind::TooLarge);
}

#[test]
fn values_are_read_as_their_argument_asks() {
    // argument, value, the code or nothing
    for (argument, value, expected) in [
        ("health_check_grace_period", "90s", None),
        ("health_check_grace_period", "5 m", Some("invalid-value")),
        ("health_check_grace_period", "5", Some("invalid-value")),
        ("health_check_grace_period", "99999999999999999999s", Some("invalid-value")),
        ("health_check_grace_period", "~", None),
        ("own_desired_capacity", "true", None),
        ("own_desired_capacity", "yes", Some("wrong-shape")),
        ("own_desired_capacity", "\"true\"", Some("wrong-shape")),
        ("desired_capacity", "+1", None),
        ("desired_capacity", "-1", Some("invalid-value")),
        ("desired_capacity", "1.5", Some("invalid-value")),
        ("desired_capacity", "\"1\"", Some("wrong-shape")),
        ("desired_capacity", "[1]", Some("wrong-shape")),
        ("desired_capacity", "99999999999999999999", Some("invalid-value")),
    ] {
        let text = format!("{HEAD}group: {{ min_size: 1, max_size: 2, {argument}: {value} }}\n");
        let codes: Vec<_> = parse(&text).problems.iter().map(|p| p.kind.code()).collect();
        assert_eq!(codes.first().copied(), expected, "{argument}: {value}");
    }
}

#[test]
fn thresholds_are_a_comparison_and_a_number() {
    for (text, expected) in [
        (">= 50", Some((">=", 50.0))),
        (">=50", Some((">=", 50.0))),
        ("< -0.5", Some(("<", -0.5))),
        ("<= 1000000", Some(("<=", 1_000_000.0))),
        ("50", None),
        ("> 50%", None),
        ("=> 50", None),
        (">  50", None),
        ("> 1e3", None),
        ("> .5", None),
        ("> NaN", None),
    ] {
        use super::values::{Text as _, Threshold};
        let read = Threshold::parse(text).ok().map(|t| (t.comparison.sign(), t.value));
        assert_eq!(read, expected, "{text}");
    }
}

#[test]
fn cidr_blocks_have_no_bits_beyond_the_prefix() {
    use super::values::{Cidr, Text as _};
    for (text, remedy) in [
        ("10.0.0.0/16", None),
        ("0.0.0.0/0", None),
        ("255.255.255.255/32", None),
        ("10.0.0.1/16", Some("write 10.0.0.0/16")),
        ("203.0.113.7", Some("Write 203.0.113.7/32")),
        ("10.0.0.0/33", Some("Write four numbers")),
        ("10.0.0.256/24", Some("Write four numbers")),
        ("10.0.0.0/+8", Some("Write four numbers")),
        ("::/0", Some("IPv6")),
        ("everybody", Some("Write an address")),
    ] {
        let problem = Cidr::parse(text).err();
        let as_expected = match (&problem, remedy) {
            (None, None) => true,
            (Some(said), Some(part)) => said.contains(part),
            _ => false,
        };
        assert!(as_expected, "{text}: {problem:?}");
    }
}

fn to_json(node: &Node) -> Json {
    match &node.value {
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Map(entries) => {
            Json::Object(entries.iter().map(|e| (e.key.clone(), to_json(&e.node))).collect::<Map<_, _>>())
        }
        Value::Scalar { .. } if node.is_null() => Json::Null,
        Value::Scalar { text, plain: true } if tree::is_boolean(text) => json!(text.eq_ignore_ascii_case("true")),
        Value::Scalar { text, plain: true } if tree::is_number(text) => match text.parse::<i64>() {
            Ok(number) => json!(number),
            Err(_) => json!(text.parse::<f64>().unwrap_or(f64::NAN)),
        },
        Value::Scalar { text, .. } => json!(text),
    }
}

fn agree(validator: &jsonschema::Validator, text: &str) {
    let parsed = parse(text);
    let (root, _) = tree::parse_tree(text);
    let json = to_json(&root.expect("YAML"));
    let schema_says: Vec<String> =
        validator.iter_errors(&json).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert_eq!(
        parsed.problems.is_empty(),
        schema_says.is_empty(),
        "reader: {:#?}\nschema: {schema_says:#?}\n{text}",
        parsed.problems
    );
}

#[test]
fn reader_and_schema_agree_on_good_and_bad_specs() {
    let validator = jsonschema::validator_for(&json_schema()).expect("a schema");
    for good in ["course", "minimal", "office-hours", "steps", "web", "worker"] {
        let text = std::fs::read_to_string(format!("examples/{good}.yaml")).expect(good);
        assert_eq!(found(&text), Vec::<String>::new(), "{good}");
        agree(&validator, &text);
    }
    // One line each, added to a spec that is right without it.
    for line in [
        "network: { cidr: 10.0.0.0/16, zones: [a, b] }",
        "network: { zones: 0 }",
        "network: { zones: [] }",
        "network: { zones: [ab] }",
        "network: { cidr: ten }",
        "network: ~",
        "network: []",
        "tags: { Name: x }",
        "tags: { \"aws:x\": y }",
        "tags: { \"scaleproof:x\": y }",
        "tags: { team: web, 키: 값 }",
        "tags: { team: 1 }",
        "tags: { team: \"\" }",
        "scaling: { a: { type: simple, adjustment: 1 } }",
        "scaling: { A: { type: simple, adjustment: 1 } }",
        "scaling: { a-: { type: simple, adjustment: 1 } }",
        "scaling: { a: { type: simple, adjustment: one } }",
        "scaling: { a: { type: simple, adjustment: 10001 } }",
        "scaling: { a: { type: target, adjustment: 1 } }",
        "scaling: { a: { type: simple } }",
        "scaling: { a: { adjustment: 1 } }",
        "scaling: { a: { type: step, adjustment: 1 } }",
        "scaling: { a: { type: step, steps: [{ lower_bound: 0, adjustment: 1 }] } }",
        "scaling: { a: { type: step, steps: [{ lower_bound: -0.5, upper_bound: 1e3, adjustment: 1 }], adjustment_type: ExactCapacity } }",
        "scaling: { a: { type: step, steps: [{ lower_bound: \"0\", adjustment: 1 }] } }",
        "scaling: { a: { type: step, steps: [{ lower_bound: 1e16, adjustment: 1 }] } }",
        "scaling: { a: { type: step, steps: [{ lower: 0, adjustment: 1 }] } }",
        "scaling: { a: { type: step } }",
        "scaling: { a: { type: target-tracking, metric: cpu, target_value: 50 } }",
        "scaling: { a: { type: target-tracking, metric: cpu, target_value: fifty } }",
        "scaling: { a: { type: target-tracking, metric: { namespace: A, name: B }, target_value: 0.5, disable_scale_in: true } }",
        "scaling: { a: { type: scheduled, recurrence: \"0 8 * * 1-5\", min_size: 2, time_zone: America/Argentina/Buenos_Aires } }",
        "scaling: { a: { type: scheduled, recurrence: \"0 8 * *\", min_size: 2 } }",
        "scaling: { a: { type: scheduled, recurrence: \"0 8 * * MON,TUE\", min_size: 2, time_zone: seoul } }",
        "scaling: { a: { type: scheduled, start_time: \"2026-12-01T08:00:00Z\", max_size: 2 } }",
        "scaling: { a: { type: scheduled, start_time: \"2026-12-01T25:00:00Z\", max_size: 2 } }",
        "scaling: { a: { type: scheduled, start_time: \"2026-12-01\", max_size: 2, cooldown: 5m } }",
        "notifications: { ops: { email: [a@b], group_events: [launch] } }",
        "notifications: { ops: { email: a@b } }",
        "notifications: { ops: { email: [a b@c] } }",
        "notifications: { ops: { email: [ab.c] } }",
        "notifications: { ops: { group_events: [boot] } }",
        "notifications: { ops: {} }",
        "alarms: { a: { metric: cpu, threshold: '> 1', period: 1m, evaluation_periods: 1 } }",
        "alarms: { a: { metric: cpu, threshold: '1', period: 1m, evaluation_periods: 1 } }",
        "alarms: { a: { metric: cpu, threshold: '> 1', period: 60, evaluation_periods: 1 } }",
        "alarms: { a: { metric: cpu, threshold: '> 1', period: 1m, evaluation_periods: 0 } }",
        "alarms: { a: { metric: {namespace: N, name: M}, threshold: '> 1', period: 1m, evaluation_periods: 1 } }",
        "alarms: { a: { metric: {namespace: N}, threshold: '> 1', period: 1m, evaluation_periods: 1 } }",
        "alarms: { a: { metric: {namespace: N, name: M, dimensions: {':x': y}}, threshold: '> 1', period: 1m, evaluation_periods: 1 } }",
        "alarms: { a: { metric: {namespace: N, name: M, statistic: p99}, threshold: '> 1', period: 1m, evaluation_periods: 1 } }",
        "alarms: { a: { metric: cpu, threshold: '> 1', period: 1m, evaluation_periods: 1, treat_missing_data: notBreaching } }",
        "alarms: { a: { metric: cpu, threshold: '> 1', period: 1m, evaluation_periods: 1, treat_missing_data: zero } }",
        "alarms: { a: { metric: cpu, threshold: '> 1', period: 1m, evaluation_periods: 1, extra: 1 } }",
        "extra: 1",
    ] {
        agree(&validator, &format!("{HEAD}{GROUP}{line}\n"));
    }
    for launch in [
        "instance_type: t2.nano, image: ubuntu-24.04",
        "instance_type: t2.nano, image: ubuntu-25.04",
        "instance_type: t2.nano, image: ami-0abcdef1234567890",
        "instance_type: t2.nano, image: ami-xyz",
        "instance_type: t2",
        "instance_type: u-6tb1.56xlarge",
        "image: ubuntu-24.04",
        "instance_type: t2.nano, key_pair: my key",
        "instance_type: t2.nano, key_pair: { public_key_file: id.pub }",
        "instance_type: t2.nano, key_pair: {}",
        "instance_type: t2.nano, key_pair: [a]",
        "instance_type: t2.nano, user_data: \"\"",
        "instance_type: t2.nano, user_data: x, detailed_monitoring: false",
        "instance_type: t2.nano, detailed_monitoring: no",
        "instance_type: t2.nano, mixed_instances: { instance_types: [{ instance_type: t2.nano, weighted_capacity: 999 }] }",
        "instance_type: t2.nano, mixed_instances: { instance_types: [{ instance_type: t2.nano, weighted_capacity: 1000 }] }",
        "instance_type: t2.nano, mixed_instances: { on_demand_base_capacity: 1 }",
        "instance_type: t2.nano, mixed_instances: { instance_types: [], spot_allocation_strategy: lowest-price, spot_instance_pools: 21 }",
        "instance_type: t2.nano, mixed_instances: { instance_types: [], spot_max_price: 0.0005 }",
        "instance_type: t2.nano, inbound: [{ port: 65536, from: 0.0.0.0/0 }]",
        "instance_type: t2.nano, inbound: [{ port: 1, from: 0.0.0.0/0, description: \"a|b\" }]",
    ] {
        agree(&validator, &format!("version: 1\nname: web\nregion: us-east-1\n{GROUP}launch: {{ {launch} }}\n"));
    }
    for (version, name, region) in
        [("2", "web", "us-east-1"), ("1", "Web", "us-east-1"), ("1", "w", "us-gov-west-1"), ("1", "web", "us-east")]
    {
        agree(
            &validator,
            &format!(
                "version: {version}\nname: {name}\nregion: {region}\n{GROUP}launch: {{ instance_type: t2.nano }}\n"
            ),
        );
    }
}

#[test]
fn json_is_read_like_yaml() {
    let text = r#"{"version": 1, "name": "web", "region": "us-east-1", "launch": {"instance_type": "t3.micro"},
        "group": {"min_size": 1, "max_size": 2}, "tags": {"team": "a \"b\" \u00e9"}}"#;
    let parsed = parse(text);
    assert_eq!(parsed.problems, []);
    assert_eq!(parsed.spec.and_then(|s| s.tags).map(|t| t.0["team"].clone()), Some("a \"b\" é".to_owned()));
}

#[test]
fn explain_finds_arguments_by_path_and_by_name() {
    let paths = |key: &str| explain(key).map(|found| found.into_iter().map(|e| e.path).collect::<Vec<_>>());
    assert_eq!(paths("period"), Ok(vec!["alarms.NAME.period".to_owned()]));
    assert_eq!(paths("alarms.cpu-high.period"), Ok(vec!["alarms.NAME.period".to_owned()]));
    assert_eq!(paths("launch.inbound[0].port"), Ok(vec!["launch.inbound.port".to_owned()]));
    assert_eq!(paths("alarms.NAME.metric.namespace"), Ok(vec!["alarms.NAME.metric.namespace".to_owned()]));
    assert_eq!(paths("cooldwon"), Err(Some("cooldown".to_owned())));
    assert_eq!(paths("zzzzzzzz"), Err(None));
}

#[test]
fn every_argument_says_what_it_means() {
    for top in ["version", "launch", "group", "scaling", "notifications", "alarms", "metric", "inbound", "key_pair"] {
        for explanation in explain(top).expect(top) {
            assert!(explanation.description.ends_with('.'), "{explanation:?}");
            for inner in &explanation.arguments {
                assert!(explain(inner).is_ok_and(|all| all.iter().all(|e| !e.description.is_empty())), "{inner}");
            }
        }
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "(?s).{0,200}") {
        parse(&text);
    }

    #[test]
    fn no_damaged_example_makes_the_reader_panic(at in 0usize..1700, len in 0usize..20, put in "[\\[\\]{}:,&*!|>'\"%@`#\n -]{0,4}") {
        let mut text: Vec<char> = include_str!("../../examples/course.yaml").chars().collect();
        let at = at.min(text.len());
        let end = (at + len).min(text.len());
        text.splice(at..end, put.chars());
        let text: String = text.into_iter().collect();
        let parsed = parse(&text);
        for problem in &parsed.problems {
            problem.to_text("web.yaml", &text);
        }
    }
}

#[test]
fn a_comparison_without_quotes_is_told_to_get_them() {
    for (text, remedy) in [
        ("threshold: >= 50\n", "Write it in quotes: \">= 50\"."),
        ("threshold: > 50 # percent\n", "Write it in quotes: \"> 50\"."),
        ("a: { launches: >= 3, at: 5m }\n", "Write it in quotes: \">= 3\"."),
        ("a: [b\n", "Check the indentation, colons, quotes and brackets around this line."),
    ] {
        let problems = parse(text).problems;
        assert_eq!(problems.first().map(|problem| problem.remedy.as_str()), Some(remedy), "{text}");
    }
}

/// A file of tests says which spec it is for; its own name is a good guess.
#[test]
fn a_file_of_tests_without_its_spec_is_told_the_line_to_add() {
    let problems = super::parse_test_file("ci/web.test.yaml", b"tests: {}\n").problems;
    let said: Vec<(&str, &str)> =
        problems.iter().map(|problem| (problem.fact.as_str(), problem.remedy.as_str())).collect();
    let remedy = "Add a line such as spec: web.yaml, the spec that is tested, relative to this file.";
    assert_eq!(said, [("the file of tests has no spec.", remedy)]);
}
