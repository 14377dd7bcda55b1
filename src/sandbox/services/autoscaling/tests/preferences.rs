//! Settings that nobody has to give, requirements instead of instance types, and hooks that tell a queue, as a client writes
//! and reads them.

use super::*;

type Create = model::CreateAutoScalingGroupInput;
type Update = model::UpdateAutoScalingGroupInput;

fn update(region: &mut Region, input: Update) -> Result<model::AutoScalingGroup, Refusal> {
    let input = Update { auto_scaling_group_name: Some("web".into()), ..input };
    let _: model::UpdateAutoScalingGroupOutput = ask(region, "UpdateAutoScalingGroup", input)?;
    Ok(described(region, Default::default()).remove(0))
}

fn maintenance(min: i64, max: i64) -> Option<model::InstanceMaintenancePolicy> {
    Some(model::InstanceMaintenancePolicy { min_healthy_percentage: Some(min), max_healthy_percentage: Some(max) })
}

fn reservations(preference: &str) -> Option<model::CapacityReservationSpecification> {
    Some(model::CapacityReservationSpecification {
        capacity_reservation_preference: Some(preference.into()),
        ..Default::default()
    })
}

#[test]
fn preferences_are_shown_as_given_and_can_be_taken_away() {
    let mut region = region();
    let strategy =
        |text: &str| Some(model::AvailabilityZoneDistribution { capacity_distribution_strategy: Some(text.into()) });
    create(
        &mut region,
        Create {
            max_instance_lifetime: Some(86_400),
            instance_maintenance_policy: maintenance(90, 120),
            availability_zone_distribution: strategy("balanced-only"),
            capacity_reservation_specification: reservations("none"),
            context: Some("test".into()),
            ..group("web", 0)
        },
    );
    let shown = described(&mut region, Default::default()).remove(0);
    assert_eq!(shown.max_instance_lifetime, Some(86_400));
    assert_eq!(shown.instance_maintenance_policy, maintenance(90, 120));
    assert_eq!(shown.availability_zone_distribution, strategy("balanced-only"));
    assert_eq!(shown.capacity_reservation_specification, reservations("none"));
    assert_eq!(shown.context.as_deref(), Some("test"));
    let change = Update {
        max_instance_lifetime: Some(0),
        instance_maintenance_policy: maintenance(-1, -1),
        ..Default::default()
    };
    let shown = update(&mut region, change).unwrap();
    assert_eq!((shown.max_instance_lifetime, shown.instance_maintenance_policy), (None, None));
    assert_eq!(shown.availability_zone_distribution, strategy("balanced-only"), "what is not mentioned stays");
}

#[test]
fn preferences_that_cannot_be_are_refused() {
    let mut region = region();
    let mut check = |input: Create, words: &str| {
        let refused: Result<model::CreateAutoScalingGroupOutput, _> = ask(&mut region, "CreateAutoScalingGroup", input);
        let text = refused.unwrap_err().message;
        assert!(text.contains(words), "{text}");
    };
    let base = || group("web", 0);
    check(Create { max_instance_lifetime: Some(3600), ..base() }, "MaxInstanceLifetime must be 0 or between 86400");
    check(Create { instance_maintenance_policy: maintenance(50, 160), ..base() }, "cannot be greater than 100");
    check(Create { instance_maintenance_policy: maintenance(-1, 120), ..base() }, "MinHealthyPercentage");
    check(Create { placement_group: Some("no".into()), ..base() }, "The Placement Group 'no' is unknown.");
    check(Create { desired_capacity_type: Some("vcpu".into()), ..base() }, "attribute-based");
    let only = reservations("capacity-reservations-only");
    check(Create { capacity_reservation_specification: only, ..base() }, "is not reproduced");
}

#[test]
fn the_percentages_of_a_refresh_are_those_of_the_maintenance_policy() {
    let mut region = region();
    create(&mut region, Create { instance_maintenance_policy: maintenance(80, 130), ..group("web", 1) });
    let start = model::StartInstanceRefreshInput { auto_scaling_group_name: Some("web".into()), ..Default::default() };
    let _: model::StartInstanceRefreshOutput = ask(&mut region, "StartInstanceRefresh", start).unwrap();
    let of =
        model::DescribeInstanceRefreshesInput { auto_scaling_group_name: Some("web".into()), ..Default::default() };
    let shown: model::DescribeInstanceRefreshesOutput = ask(&mut region, "DescribeInstanceRefreshes", of).unwrap();
    let preferences = shown.instance_refreshes.unwrap().remove(0).preferences.unwrap();
    let percentages = (preferences.min_healthy_percentage, preferences.max_healthy_percentage);
    assert_eq!(percentages, (Some(80), Some(130)));
}

fn requirements(change: impl FnOnce(&mut model::InstanceRequirements)) -> model::MixedInstancesPolicy {
    let mut asked = model::InstanceRequirements {
        v_cpu_count: Some(model::VCpuCountRequest { min: Some(4), max: Some(8) }),
        memory_mi_b: Some(model::MemoryMiBRequest { min: Some(8192), max: None }),
        cpu_manufacturers: Some(vec!["intel".into()]),
        ..Default::default()
    };
    change(&mut asked);
    let over = model::LaunchTemplateOverrides { instance_requirements: Some(asked), ..Default::default() };
    model::MixedInstancesPolicy {
        launch_template: Some(model::LaunchTemplate {
            launch_template_specification: group("web", 0).launch_template,
            overrides: Some(vec![over]),
        }),
        instances_distribution: None,
    }
}

fn with_policy(desired: i64, policy: model::MixedInstancesPolicy, counts: Option<&str>) -> Create {
    Create {
        launch_template: None,
        mixed_instances_policy: Some(policy),
        max_size: Some(20),
        desired_capacity_type: counts.map(Into::into),
        ..group("web", desired)
    }
}

fn types(group: &model::AutoScalingGroup) -> Vec<(Option<&str>, Option<&str>)> {
    let instances = group.instances.iter().flatten();
    instances.map(|one| (one.instance_type.as_deref(), one.weighted_capacity.as_deref())).collect()
}

#[test]
fn requirements_are_shown_as_given_and_launch_the_cheapest_type_that_meets_them() {
    let mut region = region();
    create(&mut region, with_policy(2, requirements(|_| {}), None));
    let shown = described(&mut region, Default::default()).remove(0);
    let policy = shown.mixed_instances_policy.clone().unwrap();
    let over = policy.launch_template.unwrap().overrides.unwrap().remove(0);
    let asked = requirements(|_| {}).launch_template.unwrap().overrides.unwrap().remove(0);
    assert_eq!(over, asked);
    let strategy = policy.instances_distribution.unwrap().on_demand_allocation_strategy;
    assert_eq!(strategy.as_deref(), Some("lowest-price"));
    assert_eq!(types(&shown), [(Some("c5.xlarge"), None); 2]);
}

#[test]
fn capacity_can_count_the_processors_of_instances() {
    let mut region = region();
    create(&mut region, with_policy(8, requirements(|_| {}), Some("vcpu")));
    let shown = described(&mut region, Default::default()).remove(0);
    assert_eq!(shown.desired_capacity_type.as_deref(), Some("vcpu"));
    let found = types(&shown);
    let weights: u32 = found.iter().filter_map(|(_, weight)| weight.and_then(|text| text.parse::<u32>().ok())).sum();
    assert_eq!(weights, 8, "{found:?}");
}

/// The table of types here has none with accelerators.
#[test]
fn requirements_that_nothing_meets_fail_when_something_is_launched() {
    let mut region = region();
    let count = model::AcceleratorCountRequest { min: Some(2), max: None };
    create(&mut region, with_policy(1, requirements(|asked| asked.accelerator_count = Some(count)), None));
    let of = model::DescribeScalingActivitiesInput::default();
    let shown: model::DescribeScalingActivitiesOutput = ask(&mut region, "DescribeScalingActivities", of).unwrap();
    let activity = shown.activities.unwrap().remove(0);
    assert_eq!(activity.status_code.as_deref(), Some("Failed"));
    assert!(activity.status_message.unwrap().contains("meets the instance requirements"));
}

fn query(id: &str, expression: Option<&str>, name: Option<&str>) -> model::TargetTrackingMetricDataQuery {
    model::TargetTrackingMetricDataQuery {
        id: Some(id.into()),
        expression: expression.map(Into::into),
        metric_stat: name.map(|name| model::TargetTrackingMetricStat {
            metric: Some(model::Metric {
                namespace: Some("AWS/SQS".into()),
                metric_name: Some(name.into()),
                dimensions: Some(vec![model::MetricDimension {
                    name: Some("QueueName".into()),
                    value: Some("work".into()),
                }]),
            }),
            stat: Some("Sum".into()),
            period: Some(60),
            unit: None,
        }),
        return_data: Some(expression.is_some()),
        ..Default::default()
    }
}

fn put(region: &mut Region, input: model::PutScalingPolicyInput) -> Result<model::PutScalingPolicyOutput, Refusal> {
    let input = model::PutScalingPolicyInput {
        auto_scaling_group_name: Some("web".into()),
        policy_name: Some("one".into()),
        ..input
    };
    ask(region, "PutScalingPolicy", input)
}

fn policy_shown(region: &mut Region) -> model::ScalingPolicy {
    let all: model::DescribePoliciesOutput =
        ask(region, "DescribePolicies", model::DescribePoliciesInput::default()).unwrap();
    all.scaling_policies.unwrap().remove(0)
}

#[test]
fn a_target_can_be_an_expression_and_its_alarms_watch_it() {
    let mut region = region();
    create(&mut region, group("web", 1));
    let metrics = vec![
        query("m1", None, Some("ApproximateNumberOfMessagesVisible")),
        query("m2", None, Some("NumberOfMessagesSent")),
        query("e1", Some("m1 / m2"), None),
    ];
    let configuration = model::TargetTrackingConfiguration {
        customized_metric_specification: Some(model::CustomizedMetricSpecification {
            metrics: Some(metrics),
            ..Default::default()
        }),
        target_value: Some(100.0),
        disable_scale_in: Some(false),
        ..Default::default()
    };
    let input = model::PutScalingPolicyInput {
        policy_type: Some("TargetTrackingScaling".into()),
        target_tracking_configuration: Some(configuration.clone()),
        ..Default::default()
    };
    assert_eq!(put(&mut region, input).unwrap().alarms.unwrap().len(), 2);
    assert_eq!(policy_shown(&mut region).target_tracking_configuration, Some(configuration));
}

fn predictive(
    change: impl FnOnce(&mut model::PredictiveScalingConfiguration),
) -> model::PredictiveScalingConfiguration {
    let pair = model::PredictiveScalingPredefinedMetricPair {
        predefined_metric_type: Some("ASGCPUUtilization".into()),
        resource_label: None,
    };
    let mut configuration = model::PredictiveScalingConfiguration {
        metric_specifications: Some(vec![model::PredictiveScalingMetricSpecification {
            target_value: Some(40.0),
            predefined_metric_pair_specification: Some(pair),
            ..Default::default()
        }]),
        mode: Some("ForecastAndScale".into()),
        ..Default::default()
    };
    change(&mut configuration);
    configuration
}

#[test]
fn a_predictive_policy_is_kept_and_shown_and_cannot_be_executed() {
    let mut region = region();
    create(&mut region, group("web", 1));
    let input = |configuration| model::PutScalingPolicyInput {
        policy_type: Some("PredictiveScaling".into()),
        predictive_scaling_configuration: Some(configuration),
        ..Default::default()
    };
    let increasing = predictive(|it| {
        it.max_capacity_breach_behavior = Some("IncreaseMaxCapacity".into());
        it.max_capacity_buffer = Some(10);
    });
    assert_eq!(put(&mut region, input(increasing.clone())).unwrap().alarms, Some(Vec::new()));
    let shown = policy_shown(&mut region);
    assert_eq!((shown.policy_type.as_deref(), shown.adjustment_type), (Some("PredictiveScaling"), None));
    assert_eq!(shown.predictive_scaling_configuration, Some(increasing));
    let execute = model::ExecutePolicyInput { policy_name: shown.policy_arn, ..Default::default() };
    let refused: Result<model::ExecutePolicyOutput, _> = ask(&mut region, "ExecutePolicy", execute);
    assert!(refused.unwrap_err().message.contains("cannot be executed"));
    let mut check = |configuration, words: &str| {
        let text = put(&mut region, input(configuration)).unwrap_err().message;
        assert!(text.contains(words), "{text}");
    };
    check(predictive(|it| it.max_capacity_buffer = Some(10)), "MaxCapacityBuffer");
    check(predictive(|it| it.scheduling_buffer_time = Some(3601)), "SchedulingBufferTime");
    check(predictive(|it| it.metric_specifications = Some(Vec::new())), "exactly one");
}

#[test]
fn a_hook_tells_a_queue_what_it_would_tell_a_topic() {
    let mut region = region();
    create(&mut region, group("web", 0));
    let arn = "arn:aws:sqs:us-east-1:123456789012:hooks";
    let input = model::PutLifecycleHookInput {
        lifecycle_hook_name: Some("h".into()),
        auto_scaling_group_name: Some("web".into()),
        lifecycle_transition: Some("autoscaling:EC2_INSTANCE_LAUNCHING".into()),
        notification_target_arn: Some(arn.into()),
        ..Default::default()
    };
    let _: model::PutLifecycleHookOutput = ask(&mut region, "PutLifecycleHook", input).unwrap();
    let of = model::DescribeLifecycleHooksInput { auto_scaling_group_name: Some("web".into()), ..Default::default() };
    let shown: model::DescribeLifecycleHooksOutput = ask(&mut region, "DescribeLifecycleHooks", of).unwrap();
    let hook = shown.lifecycle_hooks.unwrap().remove(0);
    assert_eq!(hook.notification_target_arn.as_deref(), Some(arn));
    let sent: Vec<(String, serde_json::Value)> = std::mem::take(&mut region.world.sends)
        .into_iter()
        .map(|(arn, body)| (arn, serde_json::from_str(&body).unwrap()))
        .collect();
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].0.as_str(), &sent[0].1["Event"]), (arn, &json!("autoscaling:TEST_NOTIFICATION")));
    let want = model::SetDesiredCapacityInput {
        auto_scaling_group_name: Some("web".into()),
        desired_capacity: Some(1),
        ..Default::default()
    };
    let _: model::SetDesiredCapacityOutput = ask(&mut region, "SetDesiredCapacity", want).unwrap();
    let (to, body) = region.world.sends.remove(0);
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((to.as_str(), &body["LifecycleHookName"]), (arn, &json!("h")));
    assert_eq!(body["LifecycleTransition"], "autoscaling:EC2_INSTANCE_LAUNCHING");
}
