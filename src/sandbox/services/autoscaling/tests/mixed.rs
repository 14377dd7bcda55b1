//! Mixed instances policies as a client writes and reads them.

use super::*;

fn over(instance_type: &str, weight: Option<&str>) -> model::LaunchTemplateOverrides {
    model::LaunchTemplateOverrides {
        instance_type: Some(instance_type.into()),
        weighted_capacity: weight.map(Into::into),
        ..Default::default()
    }
}

fn policy(
    overrides: Option<Vec<model::LaunchTemplateOverrides>>,
    instances_distribution: Option<model::InstancesDistribution>,
) -> model::MixedInstancesPolicy {
    let web = group("web", 0).launch_template;
    let launch_template = Some(model::LaunchTemplate { launch_template_specification: web, overrides });
    model::MixedInstancesPolicy { launch_template, instances_distribution }
}

fn mixed(desired: i64, policy: model::MixedInstancesPolicy) -> model::CreateAutoScalingGroupInput {
    let plain = group("web", desired);
    model::CreateAutoScalingGroupInput {
        launch_template: None,
        mixed_instances_policy: Some(policy),
        max_size: Some(20),
        ..plain
    }
}

fn update(region: &mut Region, policy: model::MixedInstancesPolicy) -> Result<(), Refusal> {
    let input = model::UpdateAutoScalingGroupInput {
        auto_scaling_group_name: Some("web".into()),
        mixed_instances_policy: Some(policy),
        ..Default::default()
    };
    ask(region, "UpdateAutoScalingGroup", input).map(|_: model::UpdateAutoScalingGroupOutput| ())
}

fn shown(region: &mut Region) -> (model::MixedInstancesPolicy, Vec<model::Instance>) {
    let mut group = described(region, Default::default()).remove(0);
    assert!(group.launch_template.is_none());
    (group.mixed_instances_policy.take().unwrap(), group.instances.unwrap())
}

/// Recorded in AWS's answers of 2025.
#[test]
fn defaults_are_filled_in_and_shown() {
    let mut region = region();
    create(&mut region, mixed(1, policy(None, None)));
    let (policy, instances) = shown(&mut region);
    let distribution = policy.instances_distribution.unwrap();
    assert_eq!(distribution.on_demand_allocation_strategy.as_deref(), Some("prioritized"));
    assert_eq!(distribution.spot_allocation_strategy.as_deref(), Some("lowest-price"));
    let numbers = (
        distribution.on_demand_base_capacity,
        distribution.on_demand_percentage_above_base_capacity,
        distribution.spot_instance_pools,
    );
    assert_eq!(numbers, (Some(0), Some(100), Some(2)));
    let launch = policy.launch_template.unwrap();
    assert_eq!(launch.overrides, Some(Vec::new()));
    assert!(launch.launch_template_specification.unwrap().launch_template_id.is_some(), "both names are shown");
    assert_eq!((instances[0].instance_type.as_deref(), &instances[0].weighted_capacity), (Some("t2.nano"), &None));
}

#[test]
fn instances_show_their_type_and_their_weight_in_both_lists() {
    let mut region = region();
    let overrides = vec![over("t3.small", Some("2")), over("t3.large", Some("8"))];
    create(&mut region, mixed(3, policy(Some(overrides), None)));
    let (_, instances) = shown(&mut region);
    let shown: Vec<_> =
        instances.iter().map(|one| (one.instance_type.as_deref().unwrap(), one.weighted_capacity.as_deref())).collect();
    assert_eq!(shown, [("t3.small", Some("2")); 2]);
    assert_eq!(instances[0].launch_template.as_ref().unwrap().version.as_deref(), Some("1"));
    let details: model::DescribeAutoScalingInstancesOutput =
        ask(&mut region, "DescribeAutoScalingInstances", model::DescribeAutoScalingInstancesInput::default()).unwrap();
    assert_eq!(details.auto_scaling_instances.unwrap()[0].weighted_capacity.as_deref(), Some("2"));
}

/// Source: the guide's second example of weights, which mentions nothing else.
#[test]
fn an_update_keeps_what_it_does_not_mention() {
    let mut region = region();
    let distribution = model::InstancesDistribution {
        on_demand_base_capacity: Some(1),
        spot_allocation_strategy: Some("capacity-optimized".into()),
        spot_max_price: Some("0.05".into()),
        ..Default::default()
    };
    create(&mut region, mixed(1, policy(Some(vec![over("t3.small", None)]), Some(distribution))));
    let only_overrides = model::MixedInstancesPolicy {
        launch_template: Some(model::LaunchTemplate {
            overrides: Some(vec![over("t3.small", Some("2")), over("t3.micro", Some("1"))]),
            ..Default::default()
        }),
        instances_distribution: None,
    };
    update(&mut region, only_overrides).unwrap();
    let (policy, instances) = shown(&mut region);
    assert_eq!(policy.launch_template.unwrap().overrides.unwrap().len(), 2);
    let distribution = policy.instances_distribution.unwrap();
    assert_eq!((distribution.on_demand_base_capacity, distribution.spot_instance_pools), (Some(1), None));
    assert_eq!(distribution.spot_max_price.as_deref(), Some("0.05"));
    assert_eq!(instances[0].weighted_capacity.as_deref(), Some("2"), "new weights count for what runs");
    let without_price = model::InstancesDistribution { spot_max_price: Some(String::new()), ..Default::default() };
    let change = model::MixedInstancesPolicy { launch_template: None, instances_distribution: Some(without_price) };
    update(&mut region, change).unwrap();
    assert_eq!(shown(&mut region).0.instances_distribution.unwrap().spot_max_price, None);
}

#[test]
fn what_aws_refuses_is_refused() {
    let check = |input: model::CreateAutoScalingGroupInput, code: &str, text: &str| {
        let answer: Result<model::CreateAutoScalingGroupOutput, _> =
            ask(&mut region(), "CreateAutoScalingGroup", input);
        let refusal = answer.unwrap_err();
        assert_eq!(refusal.code, code);
        assert!(refusal.message.contains(text), "{}", refusal.message);
    };
    let both = model::CreateAutoScalingGroupInput {
        launch_template: group("web", 0).launch_template,
        ..mixed(0, policy(None, None))
    };
    check(
        both,
        "ValidationError",
        "either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy",
    );
    let pools = model::InstancesDistribution {
        spot_allocation_strategy: Some("capacity-optimized".into()),
        spot_instance_pools: Some(2),
        ..Default::default()
    };
    check(mixed(0, policy(None, Some(pools))), "ValidationError", "only available with the lowest-price");
    let strategy = model::InstancesDistribution { spot_allocation_strategy: Some("best".into()), ..Default::default() };
    check(
        mixed(0, policy(None, Some(strategy))),
        "ValidationError",
        "The specified SpotAllocationStrategy is not valid.",
    );
    check(mixed(0, policy(Some(vec![over("t3.micro", Some("many"))]), None)), "ValidationError", "WeightedCapacity");
    let nothing = model::MixedInstancesPolicy::default();
    check(mixed(0, nothing), "ValidationError", "LaunchTemplateSpecification");
}

#[test]
fn a_refresh_can_wish_for_a_policy_and_shows_it() {
    let mut region = region();
    create(&mut region, mixed(2, policy(Some(vec![over("t3.small", None)]), None)));
    let input = model::StartInstanceRefreshInput {
        auto_scaling_group_name: Some("web".into()),
        desired_configuration: Some(model::DesiredConfiguration {
            launch_template: None,
            mixed_instances_policy: Some(policy(Some(vec![over("t3.micro", None)]), None)),
        }),
        ..Default::default()
    };
    let _: model::StartInstanceRefreshOutput = ask(&mut region, "StartInstanceRefresh", input).unwrap();
    let input =
        model::DescribeInstanceRefreshesInput { auto_scaling_group_name: Some("web".into()), ..Default::default() };
    let found: model::DescribeInstanceRefreshesOutput = ask(&mut region, "DescribeInstanceRefreshes", input).unwrap();
    let refresh = found.instance_refreshes.unwrap().remove(0);
    assert_eq!(refresh.status.as_deref(), Some("Successful"));
    let wished = refresh.desired_configuration.unwrap().mixed_instances_policy.unwrap();
    assert_eq!(wished.launch_template.unwrap().overrides, Some(vec![over("t3.micro", None)]));
    let (_, instances) = shown(&mut region);
    assert!(instances.iter().all(|one| one.instance_type.as_deref() == Some("t3.micro")), "{instances:?}");
}
