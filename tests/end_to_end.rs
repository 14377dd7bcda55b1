//! The whole story of a newcomer on the sandbox with real terraform, once per version of the AWS provider on this machine:
//! provision, plan again, wire again, prove, look, destroy. The laws that hold at the end are the ones users count on.

mod common;

use std::path::Path;

use common::{Endpoint, Provider, Workplace, skip};
use serde_json::{Value, json};

#[test]
fn the_course_is_provisioned_proved_and_destroyed_with_the_pinned_provider() {
    const TEST: &str = "the_course_is_provisioned_proved_and_destroyed_with_the_pinned_provider";
    match Provider::pinned() {
        Ok(provider) => the_story(&provider),
        Err(why) => skip(TEST, why),
    }
}

#[test]
fn the_course_is_provisioned_proved_and_destroyed_with_every_other_provider() {
    const TEST: &str = "the_course_is_provisioned_proved_and_destroyed_with_every_other_provider";
    match Provider::others() {
        Ok(others) if others.is_empty() => skip(TEST, "no other AWS provider on this machine"),
        Ok(others) => others.iter().for_each(the_story),
        Err(why) => skip(TEST, why),
    }
}

#[test]
fn a_second_terraform_version_provisions_the_course_too() {
    const TEST: &str = "a_second_terraform_version_provisions_the_course_too";
    let provider = match Provider::pinned().and_then(|provider| provider.under_second_terraform()) {
        Ok(provider) => provider,
        Err(why) => return skip(TEST, why),
    };
    let endpoint = Endpoint::sandbox();
    let place = Workplace::new(&endpoint, &provider);
    place.scaleproof(&["provision", "course.yaml", "--yes"]).exits(0);
    a_plan_is_empty(&place);
    place.scaleproof(&["destroy", "course.yaml", "--yes"]).exits(0);
}

#[test]
fn the_other_examples_apply_settle_change_and_go_with_the_pinned_provider() {
    const TEST: &str = "the_other_examples_apply_settle_change_and_go_with_the_pinned_provider";
    match Provider::pinned() {
        Ok(provider) => other_examples_live(&[provider]),
        Err(why) => skip(TEST, why),
    }
}

#[test]
fn the_other_examples_apply_settle_change_and_go_with_every_other_provider() {
    const TEST: &str = "the_other_examples_apply_settle_change_and_go_with_every_other_provider";
    match Provider::others() {
        Ok(others) if others.is_empty() => skip(TEST, "no other AWS provider on this machine"),
        Ok(others) => other_examples_live(&others),
        Err(why) => skip(TEST, why),
    }
}

/// Several at once, for terraform waits most of the time.
fn other_examples_live(providers: &[Provider]) {
    let runs: Vec<_> = providers.iter().flat_map(|provider| other_examples().map(move |one| (provider, one))).collect();
    for some in runs.chunks(AT_ONCE) {
        std::thread::scope(|scope| {
            for (provider, example) in some {
                scope.spawn(|| an_example_lives(provider, example));
            }
        });
    }
}

const AT_ONCE: usize = 3;

/// All specs of the folder but the two that have a test of their own here.
fn other_examples() -> impl Iterator<Item = String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let names = std::fs::read_dir(folder).expect("there are examples").flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(".yaml") && !name.ends_with(".test.yaml") && !TESTED_ALONE.contains(&&**name))
}

const TESTED_ALONE: [&str; 2] = ["course.yaml", "warm-pool.yaml"];

fn an_example_lives(provider: &Provider, example: &str) {
    eprintln!("{example} with AWS provider {}", provider.version);
    let endpoint = Endpoint::sandbox();
    let place = Workplace::new(&endpoint, provider);
    place.take(example);
    let settles = || {
        place.scaleproof(&["provision", example, "--yes"]).exits(0);
        place.terraform(&place.terraform_dir(), &["plan", "-input=false", "-no-color", "-detailed-exitcode"]).exits(0);
    };
    settles();
    let before = largest_size(&endpoint);
    place.edit_file(example, "max_size: ", "max_size: 1");
    settles();
    assert_eq!(largest_size(&endpoint).to_string(), format!("1{before}"));
    place.scaleproof(&["destroy", example, "--yes"]).exits(0);
    assert_eq!(resources(&endpoint), json!([]), "something is left after destroy");
}

/// The maximum size of the only group.
fn largest_size(endpoint: &Endpoint) -> u64 {
    let view = endpoint.get("/_scaleproof/view");
    let mut groups = view["regions"].as_array().into_iter().flatten().filter_map(|region| region["groups"].get(0));
    let group = groups.next().unwrap_or_else(|| panic!("no group in {view}"));
    group["max"].as_u64().expect("a number")
}

#[test]
fn without_terraform_one_message_says_how_to_get_it() {
    let endpoint = Endpoint::sandbox();
    let provider = match Provider::pinned() {
        Ok(provider) => provider,
        Err(why) => return skip("without_terraform_one_message_says_how_to_get_it", why),
    };
    let place = Workplace::new(&endpoint, &provider);
    let run =
        place.scaleproof(&["provision", "course.yaml", "--yes", "--terraform-bin", "/nowhere/terraform"]).exits(3);
    assert!(run.stderr.contains("cannot find `/nowhere/terraform`"), "{}", run.stderr);
    assert!(run.stderr.contains("install Terraform 1.5"), "{}", run.stderr);
}

#[test]
fn a_wrong_spec_touches_nothing() {
    let endpoint = Endpoint::sandbox();
    let provider = match Provider::pinned() {
        Ok(provider) => provider,
        Err(why) => return skip("a_wrong_spec_touches_nothing", why),
    };
    let place = Workplace::new(&endpoint, &provider);
    let before = dump(&endpoint);
    place.edit("cooldown", "cooldwon");
    let run = place.scaleproof(&["provision", "course.yaml", "--yes"]).exits(2);
    assert!(run.stderr.contains("course.yaml:"), "{}", run.stderr);
    assert!(run.stderr.contains("Did you mean cooldown?"), "{}", run.stderr);
    assert_eq!(dump(&endpoint), before);
    assert!(!place.dir.join(".scaleproof").exists());
}

#[test]
fn a_key_pair_that_is_missing_is_said_before_anything_is_touched() {
    let endpoint = Endpoint::sandbox();
    let provider = match Provider::pinned() {
        Ok(provider) => provider,
        Err(why) => return skip("a_key_pair_that_is_missing_is_said_before_anything_is_touched", why),
    };
    let place = Workplace::new(&endpoint, &provider);
    place.edit("key_pair: my-key", "key_pair: other");
    let run = place.scaleproof(&["provision", "course.yaml", "--yes"]).exits(2);
    assert!(run.stderr.contains("the key pair `other` does not exist in ap-northeast-2"), "{}", run.stderr);
    assert!(run.stderr.contains("aws ec2 create-key-pair --region ap-northeast-2 --key-name other"), "{}", run.stderr);
    assert_eq!(resources(&endpoint), json!([]));
}

fn the_story(provider: &Provider) {
    eprintln!("AWS provider {}", provider.version);
    let endpoint = Endpoint::sandbox();
    let place = Workplace::new(&endpoint, provider);
    assert_eq!(resources(&endpoint), json!([]));

    place.scaleproof(&["provision", "course.yaml", "--yes"]).exits(0);
    assert_ne!(resources(&endpoint), json!([]));
    a_plan_is_empty(&place);
    wiring_again_plans_nothing(&place);
    provisioning_again_changes_nothing(&place);

    let proof = place.scaleproof(&["verify", "course.yaml", "--drill", "scale-out", "--drill", "scale-in", "--json"]);
    proof.exits(0);
    place.scaleproof(&["status", "course.yaml"]).exits(0);

    place.scaleproof(&["destroy", "course.yaml", "--yes"]).exits(0);
    assert_eq!(resources(&endpoint), json!([]), "something is left after destroy");
}

fn a_plan_is_empty(place: &Workplace) {
    // Terraform's own answer: 0 is an empty plan, 2 one with changes.
    place.terraform(&place.terraform_dir(), &["plan", "-input=false", "-no-color", "-detailed-exitcode"]).exits(0);
    place.scaleproof(&["plan", "course.yaml", "--detailed-exitcode"]).exits(0);
}

fn wiring_again_plans_nothing(place: &Workplace) {
    // 12 would mean that there is something to do.
    place.scaleproof(&["wire", "course.yaml", "--plan"]).exits(0);
    let run = place.scaleproof(&["wire", "course.yaml", "--yes", "--json"]).exits(0);
    let applied: Value = serde_json::from_str(&run.stdout).expect("wire --json prints JSON");
    for done in ["created", "adopted", "updated", "deleted"] {
        assert_eq!(applied["applied"][done], json!(0), "{}", run.stdout);
    }
}

fn provisioning_again_changes_nothing(place: &Workplace) {
    place.scaleproof(&["provision", "course.yaml", "--yes"]).exits(0);
    a_plan_is_empty(place);
}

#[test]
fn a_warm_pool_applies_changes_and_goes_with_every_provider() {
    const TEST: &str = "a_warm_pool_applies_changes_and_goes_with_every_provider";
    const EXAMPLE: &str = "warm-pool.yaml";
    let providers = match Provider::all() {
        Ok(providers) => providers,
        Err(why) => return skip(TEST, why),
    };
    for provider in &providers {
        eprintln!("{EXAMPLE} with AWS provider {}", provider.version);
        let endpoint = Endpoint::sandbox();
        let place = Workplace::new(&endpoint, provider);
        place.take(EXAMPLE);
        let settled = |pool: &str, expected: Value| {
            place.scaleproof(&["provision", EXAMPLE, "--yes"]).exits(0);
            let dir = place.terraform_dir();
            place.terraform(&dir, &["plan", "-input=false", "-no-color", "-detailed-exitcode"]).exits(0);
            assert_eq!(warm_pool(&endpoint, "warm"), expected, "{pool}");
        };
        settled("made", json!({ "min_size": 1, "max_prepared": 4, "state": "Stopped" }));
        place.edit_file(EXAMPLE, "    min_size: 1\n", "    pool_state: Running\n    min_size: 2\n");
        settled("changed", json!({ "min_size": 2, "max_prepared": 4, "state": "Running" }));
        place.edit_file(EXAMPLE, "    max_group_prepared_capacity: 4\n", "");
        settled("without a maximum", json!({ "min_size": 2, "max_prepared": null, "state": "Running" }));
        place.scaleproof(&["destroy", EXAMPLE, "--yes"]).exits(0);
        assert_eq!(resources(&endpoint), json!([]), "something is left after destroy");
    }
}

/// Terraform itself, on configuration that scaleproof does not render.
#[test]
fn a_group_behind_a_load_balancer_applies_changes_and_goes_with_every_provider() {
    const TEST: &str = "a_group_behind_a_load_balancer_applies_changes_and_goes_with_every_provider";
    let providers = match Provider::all() {
        Ok(providers) => providers,
        Err(why) => return skip(TEST, why),
    };
    for provider in &providers {
        eprintln!("load_balancer.tf with AWS provider {}", provider.version);
        let endpoint = Endpoint::sandbox();
        let place = Workplace::new(&endpoint, provider);
        std::fs::create_dir(place.dir.join("lb")).expect("a folder");
        std::fs::write(place.dir.join("lb/main.tf"), include_str!("hcl/load_balancer.tf")).expect("a file");
        std::fs::write(place.dir.join("lb/provider.tf"), provider_block(&endpoint, provider)).expect("a file");
        let terraform = |args: &[&str]| place.terraform("lb", args).exits(0);
        let settled = |variables: &[&str]| {
            let common = ["-input=false", "-no-color"];
            terraform(&[&["apply", "-auto-approve"], &common[..], variables].concat());
            terraform(&[&["plan", "-detailed-exitcode"], &common[..], variables].concat());
        };
        terraform(&["init", "-input=false", "-no-color"]);
        settled(&[]);
        settled(&["-var=drain_secs=0", "-var=path=/live", "-var=health_check_type=EC2"]);
        terraform(&["destroy", "-auto-approve", "-input=false", "-no-color"]);
        assert_eq!(resources(&endpoint), json!([]), "something is left after destroy");
    }
}

/// Terraform on the arguments around Auto Scaling that scaleproof's own configurations do not use, once, changed, and gone.
/// The newest provider alone: older ones do not know half of them.
#[test]
fn every_kind_of_auto_scaling_argument_applies_changes_and_goes() {
    const TEST: &str = "every_kind_of_auto_scaling_argument_applies_changes_and_goes";
    const FILES: [(&str, &str); 3] = [
        ("groups.tf", include_str!("hcl/auto_scaling/groups.tf")),
        ("policies.tf", include_str!("hcl/auto_scaling/policies.tf")),
        ("templates.tf", include_str!("hcl/auto_scaling/templates.tf")),
    ];
    let newest = match Provider::all() {
        Ok(providers) => providers.into_iter().next_back().filter(|provider| provider.version.starts_with("5.")),
        Err(why) => return skip(TEST, why),
    };
    let Some(provider) = newest else { return skip(TEST, "no AWS provider of version 5 on this machine") };
    let endpoint = Endpoint::sandbox();
    let place = Workplace::new(&endpoint, &provider);
    std::fs::create_dir(place.dir.join("group")).expect("a folder");
    for (name, text) in FILES {
        std::fs::write(place.dir.join("group").join(name), text).expect("a file");
    }
    std::fs::write(place.dir.join("group/provider.tf"), provider_block(&endpoint, &provider)).expect("a file");
    let terraform = |args: &[&str]| place.terraform("group", args).exits(0);
    let common = ["-input=false", "-no-color", "-parallelism=30"];
    terraform(&["init", "-input=false", "-no-color"]);
    for step in ["-var=second=false", "-var=second=true"] {
        terraform(&[&["apply", "-auto-approve", step], &common[..]].concat());
        terraform(&[&["plan", "-detailed-exitcode", step], &common[..]].concat());
    }
    terraform(&[&["destroy", "-auto-approve"], &common[..]].concat());
    assert_eq!(resources(&endpoint), json!([]), "something is left after destroy");
}

/// The configuration of a provider that calls `endpoint`. Old versions take neither the variable nor newer keys.
fn provider_block(endpoint: &Endpoint, provider: &Provider) -> String {
    let is_old = provider.version.starts_with("3.");
    let balancing = if is_old { "elb" } else { "elbv2" };
    let platforms = if is_old { "  skip_get_ec2_platforms = true\n" } else { "" };
    let url = &endpoint.url;
    format!(
        "provider \"aws\" {{\n  skip_credentials_validation = true\n  skip_metadata_api_check = true\n  \
         skip_requesting_account_id = true\n{platforms}\n  endpoints {{\n    autoscaling = \"{url}\"\n    \
         cloudwatch = \"{url}\"\n    ec2 = \"{url}\"\n    {balancing} = \"{url}\"\n  }}\n}}\n"
    )
}

/// How a group's warm pool is configured, as the sandbox's state has it.
fn warm_pool(endpoint: &Endpoint, group: &str) -> Value {
    fn find<'a>(value: &'a Value, group: &str) -> Option<&'a Value> {
        match value {
            Value::Object(fields) if fields.get("name") == Some(&json!(group)) && fields.contains_key("warm_pool") => {
                fields.get("warm_pool")
            }
            Value::Object(fields) => fields.values().find_map(|value| find(value, group)),
            Value::Array(items) => items.iter().find_map(|value| find(value, group)),
            _ => None,
        }
    }
    let state = dump(endpoint);
    let pool = find(&state, group).unwrap_or(&Value::Null);
    json!({ "min_size": pool["min_size"], "max_prepared": pool["max_prepared"], "state": pool["state"] })
}

/// What there is on the sandbox, in words. Histories, metrics and ended instances stay for a while, as on AWS.
/// What is there besides the key pair that the examples take for there.
fn resources(endpoint: &Endpoint) -> Value {
    let mut found = endpoint.get("/_scaleproof/health")["resources"].clone();
    found.as_array_mut().expect("a list").retain(|what| *what != "1 key pair(s) in ap-northeast-2");
    found
}

/// The whole state of the sandbox.
fn dump(endpoint: &Endpoint) -> Value {
    endpoint.get("/_scaleproof/state")
}
