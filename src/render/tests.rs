//! What the rendered files must be: the reference stack byte for byte, `terraform fmt` clean, and free of injection.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;

use super::{RenderError, RenderOptions, Renderer, check_hcl, quoted, render_stack};
use crate::cli::spec_file::load;
use crate::model::{Image, Inbound, KeyPair, Stack, Zones};

fn stack(example: &str) -> Stack {
    load(Path::new(example)).expect(example).stack
}

fn with_endpoint() -> RenderOptions {
    RenderOptions { endpoint: Some("http://127.0.0.1:4599".into()), region: None, skip_ec2_platforms: true }
}

/// A stack that takes the branches which the examples do not.
fn odd_stack() -> Stack {
    let mut stack = stack("examples/minimal.yaml");
    stack.network.zones = Zones::Letters(vec!['a', 'c']);
    stack.launch.image = Image::Id("ami-0abcdef1234567890".into());
    stack.launch.key_pair = Some(KeyPair::Import { public_key: "ssh-ed25519 AAAA".into() });
    stack.launch.inbound = vec![Inbound { port: 443, from: "0.0.0.0/0".into(), description: "a \"${b}\"".into() }];
    stack.group.own_desired_capacity = true;
    stack.policies.clear();
    stack
}

#[test]
fn the_reference_folder_is_the_rendered_course_stack() {
    let rendered = render_stack(&stack("examples/course.yaml"), &RenderOptions::default()).expect("embedded templates");
    let kept = crate::cli::rendered_files::read_files(Path::new("terraform")).expect("the reference folder");
    assert_eq!(kept, rendered, "to renew it: scaleproof render examples/course.yaml -o terraform");
}

#[test]
fn rendering_twice_gives_the_same_bytes() {
    let stack = stack("examples/web.yaml");
    let render = || {
        Renderer::new(&BTreeMap::new()).and_then(|r| r.render(&stack, &with_endpoint())).expect("embedded templates")
    };
    assert_eq!(render(), render());
}

#[test]
fn an_endpoint_brings_its_flags_and_no_credentials() {
    let stack = stack("examples/course.yaml");
    let plain = render_stack(&stack, &RenderOptions::default()).expect("embedded templates");
    assert!(!plain["provider.tf"].contains("endpoints"));
    let text = render_stack(&stack, &with_endpoint()).expect("embedded templates")["provider.tf"].clone();
    for part in ["skip_get_ec2_platforms      = true", "autoscaling = \"http://127.0.0.1:4599\""] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains("key"), "{text}");
}

#[test]
fn terraform_fmt_has_nothing_to_change() {
    let mut checked = 0;
    for (index, stack) in [
        stack("examples/course.yaml"),
        stack("examples/worker.yaml"),
        stack("examples/steps.yaml"),
        stack("examples/office-hours.yaml"),
        stack("examples/spot.yaml"),
        odd_stack(),
    ]
    .iter()
    .enumerate()
    {
        let dir = tempfile::tempdir().expect("a folder");
        let files = render_stack(stack, &with_endpoint()).expect("embedded templates");
        for (name, text) in &files {
            std::fs::write(dir.path().join(name), text).expect(name);
        }
        let run = Command::new("terraform").args(["fmt", "-check", "-diff"]).arg(dir.path()).output();
        let Ok(output) = run else {
            eprintln!("skipped: terraform is not on PATH, so its own formatter could not be asked");
            return;
        };
        assert!(output.status.success(), "stack {index}:\n{}", String::from_utf8_lossy(&output.stdout));
        checked += files.len();
    }
    assert!(checked > 20);
}

#[test]
fn a_template_that_forgets_the_filter_is_refused() {
    for (template, ok) in [
        ("x = {{ name | hcl }}", true),
        ("x = {{ name }}", false),
        ("x = {{ min_size }}", true), // a number cannot carry HCL
        ("x = {{ nothing | hcl }}", false),
        ("resource \"a\" \"{{ name | label }}\" {}", true),
        ("resource \"a\" \"{{ region }}\" {}", false),
        ("x = {{ inbound | hcl }}", false),
    ] {
        let overrides = BTreeMap::from([("extra.tf.tera".to_owned(), template.to_owned())]);
        let rendered =
            Renderer::new(&overrides).and_then(|r| r.render(&stack("examples/course.yaml"), &RenderOptions::default()));
        assert_eq!(rendered.is_ok(), ok, "{template}: {:?}", rendered.err());
    }
}

#[test]
fn a_template_of_the_users_replaces_its_namesake_and_must_make_hcl() {
    let render = |template: &str| {
        let overrides = BTreeMap::from([("outputs.tf.tera".to_owned(), template.to_owned())]);
        Renderer::new(&overrides).and_then(|r| r.render(&stack("examples/course.yaml"), &RenderOptions::default()))
    };
    let files = render("output \"x\" {\n  value = {{ name | hcl }}\n}\n").expect("good");
    assert!(files["outputs.tf"].ends_with("\n\noutput \"x\" {\n  value = \"course\"\n}\n"));
    assert!(!render("").expect("empty").contains_key("outputs.tf"));
    assert!(matches!(render("output {{{\n"), Err(RenderError::Templates(_))));
    assert!(matches!(render("output \"x\" {\n"), Err(RenderError::NotHcl { .. })));
}

#[test]
fn a_script_is_written_beside_the_files_as_it_is() {
    let mut stack = stack("examples/course.yaml");
    let script = "#!/bin/sh\necho \"${HOME} %{x}\" \t\\ 한글\r\n\u{1}";
    stack.launch.user_data = Some(script.into());
    let files = render_stack(&stack, &RenderOptions::default()).expect("embedded templates");
    assert_eq!(files["user-data.sh"], script);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// No spec can inject HCL: whatever a field holds, it arrives as that text, and the rest stays as it is.
    #[test]
    fn any_text_in_any_field_arrives_as_it_is(text in "(?s)([$%{}\"\\\\\n#=a]|.){1,24}") {
        let mut stack = odd_stack();
        stack.name = text.clone();
        stack.group.name = text.clone();
        stack.region = text.clone();
        stack.network.cidr = text.clone();
        stack.network.subnet_cidrs = vec![text.clone(), text.clone()];
        stack.launch.instance_type = text.clone();
        stack.launch.image = Image::Id(text.clone());
        stack.launch.key_pair = Some(KeyPair::Import { public_key: text.clone() });
        stack.launch.inbound = vec![Inbound { port: 1, from: text.clone(), description: text.clone() }];
        stack.tags = BTreeMap::from([(text.clone(), text.clone())]);
        let options = RenderOptions { endpoint: Some(text.clone()), region: Some(text.clone()), skip_ec2_platforms: true };
        let plain = render_stack(&odd_stack(), &options).expect("embedded templates");
        let files = render_stack(&stack, &options).expect("embedded templates");
        prop_assert_eq!(files.keys().collect::<Vec<_>>(), plain.keys().collect::<Vec<_>>());
        for (file, rendered) in files.iter().filter(|(file, _)| file.ends_with(".tf")) {
            check_hcl(file, rendered).expect(rendered);
        }
        let body: hcl::Body = hcl::from_str(&files["security.tf"]).expect("HCL");
        let group = body.blocks().next().expect("a block");
        let name = group.body().attributes().next().expect("name").expr().clone();
        let name = hcl::eval::Evaluate::evaluate(&name, &hcl::eval::Context::new()).expect("no references");
        prop_assert_eq!(name, hcl::Value::from(text.clone()));
        let quoted = quoted(&text);
        prop_assert!(files["provider.tf"].contains(&quoted));
    }
}

#[test]
fn every_kind_of_policy_has_its_arguments() {
    let files = render_stack(&stack("examples/steps.yaml"), &RenderOptions::default()).expect("embedded templates");
    for part in [
        "  policy_type               = \"StepScaling\"\n",
        "  estimated_instance_warmup = 120\n",
        "    metric_interval_lower_bound = 0\n    metric_interval_upper_bound = 15\n    scaling_adjustment          = 1\n",
        "  adjustment_type          = \"PercentChangeInCapacity\"\n",
    ] {
        assert!(files["scaling.tf"].contains(part), "{part} in {}", files["scaling.tf"]);
    }
    assert!(!files.contains_key("schedules.tf"));
    let office = stack("examples/office-hours.yaml");
    let files = render_stack(&office, &RenderOptions::default()).expect("embedded templates");
    for part in ["    target_value = 50\n", "      predefined_metric_type = \"ASGAverageCPUUtilization\"\n"] {
        assert!(files["scaling.tf"].contains(part), "{part} in {}", files["scaling.tf"]);
    }
    let unchanged = "  min_size         = 4\n  max_size         = -1\n  desired_capacity = -1\n";
    assert!(files["schedules.tf"].contains(unchanged), "{}", files["schedules.tf"]);
    assert!(files["versions.tf"].contains(">= 3.39, < 7.0"));
    assert!(files["group.tf"].contains("ignore_changes = [desired_capacity, min_size]"), "{}", files["group.tf"]);
}

#[test]
fn a_warm_pool_stands_in_the_group_and_reuse_asks_for_a_provider_that_has_it() {
    let mut warm = stack("examples/warm-pool.yaml");
    let files = render_stack(&warm, &RenderOptions::default()).expect("embedded templates");
    let block = "  warm_pool {\n    pool_state                  = \"Stopped\"\n    min_size                    = 1\n    \
                 max_group_prepared_capacity = 4\n  }\n";
    assert!(files["group.tf"].contains(block), "{}", files["group.tf"]);
    assert!(files["versions.tf"].contains(">= 3.39, < 7.0"));
    warm.group.warm_pool.as_mut().expect("a pool").reuse_on_scale_in = true;
    let files = render_stack(&warm, &RenderOptions::default()).expect("embedded templates");
    assert!(files["group.tf"].contains("    instance_reuse_policy {\n      reuse_on_scale_in = true\n    }\n"));
    assert!(files["versions.tf"].contains(">= 5.0, < 7.0"), "{}", files["versions.tf"]);
}

#[test]
fn a_time_zone_asks_for_a_provider_that_has_it() {
    let mut office = stack("examples/office-hours.yaml");
    office.schedules[0].time_zone = Some("Asia/Seoul".into());
    let files = render_stack(&office, &RenderOptions::default()).expect("embedded templates");
    assert!(files["versions.tf"].contains(">= 4.0, < 7.0"), "{}", files["versions.tf"]);
    assert!(files["schedules.tf"].contains("time_zone              = \"Asia/Seoul\""), "{}", files["schedules.tf"]);
}

#[test]
fn several_instance_types_are_a_policy_in_place_of_a_template() {
    let mut spot = stack("examples/spot.yaml");
    let group = |stack: &Stack| {
        render_stack(stack, &RenderOptions::default()).expect("embedded templates").remove("group.tf").expect("a group")
    };
    let text = group(&spot);
    for part in [
        "    instances_distribution {\n      on_demand_base_capacity                  = 2\n",
        "      spot_allocation_strategy                 = \"price-capacity-optimized\"\n    }\n",
        "        launch_template_id = aws_launch_template.machines.id\n",
        "      override {\n        instance_type     = \"t3.medium\"\n        weighted_capacity = 4\n      }\n",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("\n  launch_template {"), "{text}");
    let mixed = spot.launch.mixed.as_mut().expect("several types");
    mixed.spot_allocation_strategy = crate::model::SpotStrategyWord::LowestPrice;
    (mixed.spot_instance_pools, mixed.spot_max_price) = (Some(3), Some(0.05));
    let text = group(&spot);
    assert!(text.contains("spot_instance_pools                      = 3\n"), "{text}");
    assert!(text.contains("spot_max_price                           = 0.05\n"), "{text}");
    let network = render_stack(&spot, &RenderOptions::default()).expect("embedded templates").remove("network.tf");
    assert!(network.expect("a network").contains("values = [\"t3.small\", \"t3.medium\", \"t3a.small\"]"));
}
