//! The service as a client sees it, below the codecs.

mod launch_sources;
mod mixed;
mod preferences;

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::clock::Timestamp;
use crate::engine::groups::Timing;
use crate::engine::names::Place;
use crate::sandbox::operations::Call;
use crate::sandbox::wire::value::{FromValue, IntoValue};

const NOW: Timestamp = Timestamp::from_secs(1_789_348_480);
const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:ops";

/// A region with a launch template `web`.
pub(super) fn region() -> Region {
    let mut region = Region::new(Place::new("us-east-1", "123456789012"), 7, Timing::Instant);
    let data = json!({"ImageId": "ami-1", "InstanceType": "t2.nano"});
    region
        .world
        .with_groups(NOW, |groups| groups.create_launch_template(NOW, "web", None, data, BTreeMap::new()).map(|_| ()))
        .unwrap();
    region
}

/// Calls an operation the way the wire does.
pub(super) fn ask<I: IntoValue, O: FromValue>(region: &mut Region, operation: &str, input: I) -> Result<O, Refusal> {
    let operations = operations();
    let operation = operations.get(operation).unwrap();
    let call = Call::new(NOW, "request".into(), "http://127.0.0.1".into());
    (operation.handler)(region, &call, input.into_value()).map(O::from_value)
}

fn tag(key: &str, value: &str) -> model::Tag {
    model::Tag {
        resource_id: Some("web".into()),
        resource_type: Some("auto-scaling-group".into()),
        key: Some(key.into()),
        value: Some(value.into()),
        propagate_at_launch: Some(true),
    }
}

pub(super) fn group(name: &str, desired: i64) -> model::CreateAutoScalingGroupInput {
    model::CreateAutoScalingGroupInput {
        auto_scaling_group_name: Some(name.into()),
        launch_template: Some(model::LaunchTemplateSpecification {
            launch_template_name: Some("web".into()),
            version: Some("$Latest".into()),
            ..Default::default()
        }),
        min_size: Some(0),
        max_size: Some(3),
        desired_capacity: Some(desired),
        availability_zones: Some(vec!["us-east-1a".into(), "us-east-1b".into()]),
        tags: Some(vec![tag("team", "ops")]),
        ..Default::default()
    }
}

pub(super) fn create(region: &mut Region, input: model::CreateAutoScalingGroupInput) {
    let _: model::CreateAutoScalingGroupOutput = ask(region, "CreateAutoScalingGroup", input).unwrap();
}

pub(super) fn described(
    region: &mut Region,
    input: model::DescribeAutoScalingGroupsInput,
) -> Vec<model::AutoScalingGroup> {
    let output: model::DescribeAutoScalingGroupsOutput = ask(region, "DescribeAutoScalingGroups", input).unwrap();
    output.auto_scaling_groups.unwrap()
}

/// The defaults are those that AWS was recorded to fill in.
#[test]
fn a_described_group_shows_what_was_asked_and_awss_defaults() {
    let mut region = region();
    create(&mut region, group("web", 2));
    let shown = described(&mut region, Default::default()).remove(0);
    assert_eq!(shown.termination_policies, Some(vec!["Default".to_string()]));
    assert_eq!((shown.health_check_type.as_deref(), shown.health_check_grace_period), (Some("EC2"), Some(0)));
    assert_eq!((shown.default_cooldown, shown.default_instance_warmup), (Some(300), None));
    assert_eq!(shown.new_instances_protected_from_scale_in, Some(false));
    let distribution = shown.availability_zone_distribution.unwrap().capacity_distribution_strategy;
    assert_eq!(distribution.as_deref(), Some("balanced-best-effort"));
    let role = "arn:aws:iam::123456789012:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling";
    assert_eq!(shown.service_linked_role_arn.as_deref(), Some(role));
    let arn = shown.auto_scaling_group_arn.unwrap();
    assert!(arn.starts_with("arn:aws:autoscaling:us-east-1:123456789012:autoScalingGroup:"), "{arn}");
    assert!(arn.ends_with(":autoScalingGroupName/web"), "{arn}");
    assert_eq!(shown.launch_template.unwrap().version.as_deref(), Some("$Latest"));
    assert_eq!(shown.availability_zones, Some(vec!["us-east-1a".to_string(), "us-east-1b".to_string()]));
    assert_eq!(shown.vpc_zone_identifier.as_deref(), Some(""));
    let instances = shown.instances.unwrap();
    let states: Vec<_> = instances.iter().map(|instance| instance.lifecycle_state.as_deref().unwrap()).collect();
    assert_eq!(states, ["InService", "InService"]);
    assert_eq!(instances[0].launch_template.as_ref().unwrap().version.as_deref(), Some("1"));
}

#[test]
fn groups_are_found_by_name_and_by_tag_and_come_in_pages() {
    let mut region = region();
    for name in ["a", "b", "c"] {
        create(
            &mut region,
            model::CreateAutoScalingGroupInput { tags: Some(vec![tag("for", name)]), ..group(name, 0) },
        );
    }
    let names = |groups: Vec<model::AutoScalingGroup>| -> String {
        groups.into_iter().filter_map(|group| group.auto_scaling_group_name).collect()
    };
    let filter = |name: &str, value: &str| {
        let filter = model::Filter { name: Some(name.into()), values: Some(vec![value.into()]) };
        model::DescribeAutoScalingGroupsInput { filters: Some(vec![filter]), ..Default::default() }
    };
    assert_eq!(names(described(&mut region, filter("tag:for", "b"))), "b");
    assert_eq!(names(described(&mut region, filter("tag-key", "for"))), "abc");
    assert_eq!(names(described(&mut region, filter("tag-value", "c"))), "c");
    let wanted = model::DescribeAutoScalingGroupsInput {
        auto_scaling_group_names: Some(vec!["c".into(), "missing".into()]),
        ..Default::default()
    };
    assert_eq!(names(described(&mut region, wanted)), "c");
    let page =
        |next_token| model::DescribeAutoScalingGroupsInput { max_records: Some(2), next_token, ..Default::default() };
    let first: model::DescribeAutoScalingGroupsOutput =
        ask(&mut region, "DescribeAutoScalingGroups", page(None)).unwrap();
    assert_eq!(names(first.auto_scaling_groups.unwrap()), "ab");
    assert_eq!(names(described(&mut region, page(first.next_token))), "c");
    let bad: Result<model::DescribeAutoScalingGroupsOutput, _> =
        ask(&mut region, "DescribeAutoScalingGroups", page(Some("nonsense".into())));
    assert_eq!(bad.unwrap_err().code, "InvalidNextToken");
}

#[test]
fn a_process_that_is_ignored_suspends_nothing_and_none_named_means_all() {
    let check = |named: Option<&[&str]>, expected: usize| {
        let mut region = region();
        create(&mut region, group("web", 0));
        let input = model::SuspendProcessesInput {
            auto_scaling_group_name: Some("web".into()),
            scaling_processes: named.map(|names| names.iter().map(ToString::to_string).collect()),
        };
        let _: model::SuspendProcessesOutput = ask(&mut region, "SuspendProcesses", input).unwrap();
        let shown = described(&mut region, Default::default()).remove(0);
        assert_eq!(shown.suspended_processes.unwrap().len(), expected, "{named:?}");
    };
    check(Some(&["RemoveFromLoadBalancerLowPriority"]), 0);
    check(Some(&["Launch", "RemoveFromLoadBalancerLowPriority"]), 1);
    check(None, 9);
}

#[test]
fn instances_go_on_standby_come_back_are_detached_and_attached_over_the_wire() {
    let mut region = region();
    create(&mut region, group("web", 2));
    let first = |region: &mut Region| {
        let shown = described(region, Default::default()).remove(0);
        (shown.instances.unwrap()[0].instance_id.clone().unwrap(), shown.desired_capacity.unwrap())
    };
    let (id, _) = first(&mut region);
    let (name, ids) = (Some("web".to_string()), Some(vec![id.clone()]));
    let out: model::EnterStandbyOutput = ask(
        &mut region,
        "EnterStandby",
        model::EnterStandbyInput {
            auto_scaling_group_name: name.clone(),
            instance_ids: ids.clone(),
            should_decrement_desired_capacity: Some(true),
        },
    )
    .unwrap();
    let shown = &out.activities.unwrap()[0];
    assert_eq!(shown.description, Some(format!("Moving EC2 instance to Standby: {id}")));
    let input = model::ExitStandbyInput { auto_scaling_group_name: name.clone(), instance_ids: ids.clone() };
    let back: model::ExitStandbyOutput = ask(&mut region, "ExitStandby", input).unwrap();
    assert_eq!(back.activities.unwrap().len(), 1);
    let input = model::DetachInstancesInput {
        auto_scaling_group_name: name.clone(),
        instance_ids: ids.clone(),
        should_decrement_desired_capacity: Some(true),
    };
    let _: model::DetachInstancesOutput = ask(&mut region, "DetachInstances", input).unwrap();
    assert_eq!(first(&mut region).1, 1);
    let input = model::AttachInstancesInput { auto_scaling_group_name: name, instance_ids: ids };
    let _: model::AttachInstancesOutput = ask(&mut region, "AttachInstances", input).unwrap();
    assert_eq!(first(&mut region).1, 2);
}

#[test]
fn a_refresh_is_started_described_and_refused_while_one_goes_on() {
    let mut region = region();
    create(&mut region, group("web", 2));
    let input = || model::StartInstanceRefreshInput {
        auto_scaling_group_name: Some("web".into()),
        preferences: Some(model::RefreshPreferences {
            checkpoint_percentages: Some(vec![50, 100]),
            ..Default::default()
        }),
        ..Default::default()
    };
    let started: model::StartInstanceRefreshOutput = ask(&mut region, "StartInstanceRefresh", input()).unwrap();
    let again: Result<model::StartInstanceRefreshOutput, _> = ask(&mut region, "StartInstanceRefresh", input());
    assert_eq!(again.unwrap_err().code, "InstanceRefreshInProgress");
    let named =
        model::DescribeInstanceRefreshesInput { auto_scaling_group_name: Some("web".into()), ..Default::default() };
    let shown: model::DescribeInstanceRefreshesOutput = ask(&mut region, "DescribeInstanceRefreshes", named).unwrap();
    let shown = shown.instance_refreshes.unwrap().remove(0);
    assert_eq!((shown.instance_refresh_id, shown.percentage_complete), (started.instance_refresh_id, Some(50)));
    let preferences = shown.preferences.unwrap();
    assert_eq!((preferences.min_healthy_percentage, preferences.checkpoint_delay), (Some(90), Some(3600)));
    assert_eq!(preferences.scale_in_protected_instances.as_deref(), Some("Wait"));
    let input = model::StartInstanceRefreshInput {
        auto_scaling_group_name: Some("web".into()),
        strategy: Some("ReplaceRootVolume".into()),
        ..Default::default()
    };
    let other: Result<model::StartInstanceRefreshOutput, _> = ask(&mut region, "StartInstanceRefresh", input);
    assert_eq!(other.unwrap_err().code, "InvalidParameterCombination");
}

#[test]
fn an_update_changes_only_what_it_mentions() {
    let mut region = region();
    create(&mut region, group("web", 1));
    let input = model::UpdateAutoScalingGroupInput {
        auto_scaling_group_name: Some("web".into()),
        max_size: Some(5),
        desired_capacity: Some(3),
        default_instance_warmup: Some(60),
        ..Default::default()
    };
    let _: model::UpdateAutoScalingGroupOutput = ask(&mut region, "UpdateAutoScalingGroup", input).unwrap();
    let shown = described(&mut region, Default::default()).remove(0);
    assert_eq!((shown.min_size, shown.max_size, shown.desired_capacity), (Some(0), Some(5), Some(3)));
    assert_eq!((shown.default_cooldown, shown.default_instance_warmup), (Some(300), Some(60)));
    assert_eq!(shown.instances.unwrap().len(), 3);
}

#[test]
fn what_has_no_effect_here_is_refused_by_name() {
    let mut region = region();
    let check = |region: &mut Region, input: model::CreateAutoScalingGroupInput, words: &str| {
        let answer: Result<model::CreateAutoScalingGroupOutput, _> = ask(region, "CreateAutoScalingGroup", input);
        let refused = answer.unwrap_err();
        assert!(refused.message.contains(words), "{refused}");
    };
    let base = || group("web", 1);
    type Input = model::CreateAutoScalingGroupInput;
    let lambda = vec!["arn:aws:lambda:us-east-1:1:function:f".to_string()];
    check(&mut region, Input { termination_policies: Some(lambda), ..base() }, "Lambda");
    let both = Some("lc".to_string());
    check(&mut region, Input { launch_configuration_name: both, ..base() }, "Valid requests must contain either");
    check(&mut region, Input { availability_zones: None, ..base() }, "At least one Availability Zone or VPC Subnet");
    let missing = Some("subnet/none".to_string());
    check(&mut region, Input { vpc_zone_identifier: missing, ..base() }, "The subnet ID 'subnet/none' does not exist");
    check(&mut region, Input { min_size: Some(-1), ..base() }, "MinSize");
    check(&mut region, Input { tags: Some(vec![tag("aws:x", "")]), ..base() }, "reserved");
    assert_eq!(described(&mut region, Default::default()), []);
}

#[test]
fn policies_of_both_kinds_are_kept_and_shown_as_put() {
    let mut region = region();
    create(&mut region, group("web", 1));
    let simple = model::PutScalingPolicyInput {
        auto_scaling_group_name: Some("web".into()),
        policy_name: Some("out".into()),
        adjustment_type: Some("ChangeInCapacity".into()),
        scaling_adjustment: Some(1),
        cooldown: Some(60),
        ..Default::default()
    };
    let step = model::PutScalingPolicyInput {
        policy_name: Some("steps".into()),
        policy_type: Some("StepScaling".into()),
        scaling_adjustment: None,
        cooldown: None,
        step_adjustments: Some(vec![model::StepAdjustment {
            metric_interval_lower_bound: Some(0.0),
            metric_interval_upper_bound: None,
            scaling_adjustment: Some(2),
        }]),
        ..simple.clone()
    };
    let first: model::PutScalingPolicyOutput = ask(&mut region, "PutScalingPolicy", simple.clone()).unwrap();
    let again: model::PutScalingPolicyOutput = ask(&mut region, "PutScalingPolicy", simple.clone()).unwrap();
    assert_eq!(first.policy_arn, again.policy_arn, "a policy keeps its ARN");
    let _: model::PutScalingPolicyOutput = ask(&mut region, "PutScalingPolicy", step.clone()).unwrap();
    let all: model::DescribePoliciesOutput =
        ask(&mut region, "DescribePolicies", model::DescribePoliciesInput::default()).unwrap();
    let [out, steps] = all.scaling_policies.unwrap().try_into().unwrap();
    assert_eq!(
        (out.policy_type.as_deref(), out.scaling_adjustment, out.cooldown),
        (Some("SimpleScaling"), Some(1), Some(60))
    );
    assert_eq!(steps.step_adjustments, step.step_adjustments);
    assert_eq!(steps.metric_aggregation_type.as_deref(), Some("Average"));
    let execute = model::ExecutePolicyInput { policy_name: first.policy_arn, ..Default::default() };
    let _: model::ExecutePolicyOutput = ask(&mut region, "ExecutePolicy", execute).unwrap();
    assert_eq!(described(&mut region, Default::default())[0].desired_capacity, Some(2));
}

#[test]
fn activities_are_shown_with_details_as_json_and_found_by_id() {
    let mut region = region();
    create(&mut region, group("web", 1));
    let of = |group: Option<&str>, ids: Option<Vec<String>>| model::DescribeScalingActivitiesInput {
        auto_scaling_group_name: group.map(str::to_string),
        activity_ids: ids,
        ..Default::default()
    };
    let all: model::DescribeScalingActivitiesOutput =
        ask(&mut region, "DescribeScalingActivities", of(Some("web"), None)).unwrap();
    let activity = all.activities.unwrap().remove(0);
    assert_eq!((activity.status_code.as_deref(), activity.progress), (Some("Successful"), Some(100)));
    let details: serde_json::Value = serde_json::from_str(activity.details.as_deref().unwrap()).unwrap();
    assert_eq!(details["Availability Zone"], "us-east-1a");
    let id = activity.activity_id.clone().unwrap();
    let one: model::DescribeScalingActivitiesOutput =
        ask(&mut region, "DescribeScalingActivities", of(None, Some(vec![id]))).unwrap();
    assert_eq!(one.activities.unwrap(), [activity]);
    let missing: Result<model::DescribeScalingActivitiesOutput, _> =
        ask(&mut region, "DescribeScalingActivities", of(Some("missing"), None));
    assert!(missing.unwrap_err().message.starts_with("AutoScalingGroup name not found"));
}

#[test]
fn a_topic_is_listed_once_for_each_kind_of_notice() {
    let mut region = region();
    create(&mut region, group("web", 0));
    let input = model::PutNotificationConfigurationInput {
        auto_scaling_group_name: Some("web".into()),
        topic_arn: Some(TOPIC.into()),
        notification_types: Some(vec![
            "autoscaling:EC2_INSTANCE_TERMINATE".into(),
            "autoscaling:EC2_INSTANCE_LAUNCH".into(),
        ]),
    };
    let _: model::PutNotificationConfigurationOutput = ask(&mut region, "PutNotificationConfiguration", input).unwrap();
    let list = |region: &mut Region| {
        let output: model::DescribeNotificationConfigurationsOutput = ask(
            region,
            "DescribeNotificationConfigurations",
            model::DescribeNotificationConfigurationsInput::default(),
        )
        .unwrap();
        let rows = output.notification_configurations.unwrap().into_iter();
        rows.map(|row| row.notification_type.unwrap()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(list(&mut region), "autoscaling:EC2_INSTANCE_LAUNCH autoscaling:EC2_INSTANCE_TERMINATE");
    let delete = model::DeleteNotificationConfigurationInput {
        auto_scaling_group_name: Some("web".into()),
        topic_arn: Some(TOPIC.into()),
    };
    let _: model::DeleteNotificationConfigurationOutput =
        ask(&mut region, "DeleteNotificationConfiguration", delete).unwrap();
    assert_eq!(list(&mut region), "");
}

#[test]
fn tags_are_put_found_and_deleted() {
    let mut region = region();
    create(&mut region, group("web", 0));
    let put = model::CreateOrUpdateTagsInput { tags: Some(vec![tag("team", "web"), tag("tier", "front")]) };
    let _: model::CreateOrUpdateTagsOutput = ask(&mut region, "CreateOrUpdateTags", put).unwrap();
    let values = |region: &mut Region, name: &str, value: &str| {
        let filter = model::Filter { name: Some(name.into()), values: Some(vec![value.into()]) };
        let input = model::DescribeTagsInput { filters: Some(vec![filter]), ..Default::default() };
        let output: model::DescribeTagsOutput = ask(region, "DescribeTags", input).unwrap();
        output.tags.unwrap().into_iter().map(|tag| tag.value.unwrap()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(values(&mut region, "auto-scaling-group", "web"), "web front");
    assert_eq!(values(&mut region, "key", "tier"), "front");
    let delete = model::DeleteTagsInput { tags: Some(vec![tag("team", "web")]) };
    let _: model::DeleteTagsOutput = ask(&mut region, "DeleteTags", delete).unwrap();
    assert_eq!(values(&mut region, "auto-scaling-group", "web"), "front");
}

#[test]
fn a_launch_configuration_is_shown_as_given_and_stays_while_it_is_used() {
    let mut region = region();
    region.world.groups.inventory.as_mut().unwrap().security_groups.insert("sg-1".into());
    let input = model::CreateLaunchConfigurationInput {
        launch_configuration_name: Some("lc".into()),
        image_id: Some("ami-1".into()),
        instance_type: Some("t2.nano".into()),
        security_groups: Some(vec!["sg-1".into()]),
        associate_public_ip_address: Some(true),
        ..Default::default()
    };
    let _: model::CreateLaunchConfigurationOutput = ask(&mut region, "CreateLaunchConfiguration", input).unwrap();
    let list: model::DescribeLaunchConfigurationsOutput =
        ask(&mut region, "DescribeLaunchConfigurations", model::DescribeLaunchConfigurationsInput::default()).unwrap();
    let shown = list.launch_configurations.unwrap().remove(0);
    assert_eq!(shown.security_groups, Some(vec!["sg-1".to_string()]));
    assert_eq!((shown.user_data.as_deref(), shown.associate_public_ip_address), (Some(""), Some(true)));
    assert_eq!(shown.instance_monitoring.unwrap().enabled, Some(true));
    let by_configuration = model::CreateAutoScalingGroupInput {
        launch_template: None,
        launch_configuration_name: Some("lc".into()),
        ..group("web", 1)
    };
    create(&mut region, by_configuration);
    let instance = described(&mut region, Default::default()).remove(0).instances.unwrap().remove(0);
    assert_eq!(instance.launch_configuration_name.as_deref(), Some("lc"));
    let delete = model::DeleteLaunchConfigurationInput { launch_configuration_name: Some("lc".into()) };
    let refused: Result<model::DeleteLaunchConfigurationOutput, _> =
        ask(&mut region, "DeleteLaunchConfiguration", delete);
    assert_eq!(refused.unwrap_err().code, "ResourceInUse");
}

#[test]
fn terminating_an_instance_answers_its_activity() {
    let mut region = region();
    create(&mut region, group("web", 1));
    let list: model::DescribeAutoScalingInstancesOutput =
        ask(&mut region, "DescribeAutoScalingInstances", model::DescribeAutoScalingInstancesInput::default()).unwrap();
    let instance = list.auto_scaling_instances.unwrap().remove(0);
    assert_eq!(
        (instance.health_status.as_deref(), instance.lifecycle_state.as_deref()),
        (Some("HEALTHY"), Some("InService"))
    );
    let input = model::TerminateInstanceInAutoScalingGroupInput {
        instance_id: instance.instance_id,
        should_decrement_desired_capacity: Some(true),
        ..Default::default()
    };
    let output: model::TerminateInstanceInAutoScalingGroupOutput =
        ask(&mut region, "TerminateInstanceInAutoScalingGroup", input).unwrap();
    assert_eq!(output.activity.unwrap().status_code.as_deref(), Some("InProgress"));
    assert_eq!(described(&mut region, Default::default())[0].desired_capacity, Some(0));
}

#[test]
fn every_operation_takes_members_that_the_model_has() {
    for (name, operation) in operations().iter() {
        let shape = model::SERVICE.operations.iter().find(|known| known.name == name).expect(name);
        for member in operation.takes {
            assert!(shape.input.members().iter().any(|known| known.name == *member), "{name} takes {member}");
        }
    }
}

fn target_tracking(name: &str, configuration: model::TargetTrackingConfiguration) -> model::PutScalingPolicyInput {
    model::PutScalingPolicyInput {
        auto_scaling_group_name: Some("web".into()),
        policy_name: Some(name.into()),
        policy_type: Some("TargetTrackingScaling".into()),
        target_tracking_configuration: Some(configuration),
        ..Default::default()
    }
}

fn cpu_at(target: f64) -> model::TargetTrackingConfiguration {
    model::TargetTrackingConfiguration {
        predefined_metric_specification: Some(model::PredefinedMetricSpecification {
            predefined_metric_type: Some("ASGAverageCPUUtilization".into()),
            resource_label: None,
        }),
        target_value: Some(target),
        ..Default::default()
    }
}

#[test]
fn a_target_tracking_policy_answers_and_shows_its_alarms_and_deletes_them() {
    let mut region = region();
    create(&mut region, group("web", 1));
    let put: model::PutScalingPolicyOutput =
        ask(&mut region, "PutScalingPolicy", target_tracking("cpu", cpu_at(50.0))).unwrap();
    let named: Vec<String> = put.alarms.iter().flatten().filter_map(|alarm| alarm.alarm_name.clone()).collect();
    let [high, low] = &named[..] else { panic!("{named:?}") };
    assert!(high.starts_with("TargetTracking-web-AlarmHigh-") && low.starts_with("TargetTracking-web-AlarmLow-"));
    let list: model::DescribePoliciesOutput =
        ask(&mut region, "DescribePolicies", model::DescribePoliciesInput::default()).unwrap();
    let shown = list.scaling_policies.unwrap().remove(0);
    assert_eq!((shown.policy_type.as_deref(), shown.adjustment_type), (Some("TargetTrackingScaling"), None));
    assert_eq!(shown.alarms, put.alarms);
    let configuration = shown.target_tracking_configuration.unwrap();
    assert_eq!((configuration.target_value, configuration.disable_scale_in), (Some(50.0), Some(false)));
    let delete = model::DeletePolicyInput { auto_scaling_group_name: None, policy_name: put.policy_arn };
    let _: model::DeletePolicyOutput = ask(&mut region, "DeletePolicy", delete).unwrap();
    assert_eq!(region.world.alarms.from_name("").count(), 0);
}

#[test]
fn what_no_target_tracking_policy_has_is_refused_by_name() {
    let mut region = region();
    create(&mut region, group("web", 1));
    let mut check = |input: model::PutScalingPolicyInput, words: &str| {
        let answer: Result<model::PutScalingPolicyOutput, _> = ask(&mut region, "PutScalingPolicy", input);
        let refused = answer.unwrap_err();
        assert!(refused.message.contains(words), "{refused}");
    };
    let base = || target_tracking("cpu", cpu_at(50.0));
    type Input = model::PutScalingPolicyInput;
    check(Input { cooldown: Some(60), ..base() }, "Cooldown is not supported");
    check(Input { cooldown: Some(0), adjustment_type: Some("ExactCapacity".into()), ..base() }, "AdjustmentType");
    check(Input { target_tracking_configuration: None, ..base() }, "TargetTrackingConfiguration must be specified");
    check(
        Input { policy_type: Some("PredictiveScaling".into()), ..base() },
        "TargetTrackingConfiguration is not supported",
    );
    let none = model::TargetTrackingConfiguration { predefined_metric_specification: None, ..cpu_at(50.0) };
    check(target_tracking("cpu", none), "Exactly one of");
    let math = model::CustomizedMetricSpecification {
        metrics: Some(vec![model::TargetTrackingMetricDataQuery { id: Some("m1".into()), ..Default::default() }]),
        ..Default::default()
    };
    let math = model::TargetTrackingConfiguration {
        customized_metric_specification: Some(math),
        predefined_metric_specification: None,
        ..cpu_at(50.0)
    };
    check(target_tracking("cpu", math), "The parameter Metrics.member.1.MetricStat is required.");
}

#[test]
fn scheduled_actions_are_put_shown_and_deleted_one_by_one_and_in_batches() {
    let mut region = region();
    create(&mut region, group("web", 1));
    let put = model::PutScheduledUpdateGroupActionInput {
        auto_scaling_group_name: Some("web".into()),
        scheduled_action_name: Some("morning".into()),
        recurrence: Some("30 0 1 1,6,12 *".into()),
        desired_capacity: Some(2),
        ..Default::default()
    };
    let _: model::PutScheduledUpdateGroupActionOutput = ask(&mut region, "PutScheduledUpdateGroupAction", put).unwrap();
    let request = |name: &str, recurrence: &str| model::ScheduledUpdateGroupActionRequest {
        scheduled_action_name: Some(name.into()),
        recurrence: Some(recurrence.into()),
        min_size: Some(1),
        ..Default::default()
    };
    let batch = model::BatchPutScheduledUpdateGroupActionInput {
        auto_scaling_group_name: Some("web".into()),
        scheduled_update_group_actions: Some(vec![request("evening", "0 18 * * *"), request("broken", "0 18 * *")]),
    };
    let answer: model::BatchPutScheduledUpdateGroupActionOutput =
        ask(&mut region, "BatchPutScheduledUpdateGroupAction", batch).unwrap();
    let failed = answer.failed_scheduled_update_group_actions.unwrap().remove(0);
    assert_eq!(
        (failed.scheduled_action_name.as_deref(), failed.error_code.as_deref()),
        (Some("broken"), Some("ValidationError"))
    );
    let list = |region: &mut Region| -> Vec<(String, String)> {
        let output: model::DescribeScheduledActionsOutput =
            ask(region, "DescribeScheduledActions", model::DescribeScheduledActionsInput::default()).unwrap();
        let shown = output.scheduled_update_group_actions.unwrap().into_iter();
        shown.map(|action| (action.scheduled_action_name.unwrap(), action.start_time.unwrap().iso_secs())).collect()
    };
    // The example of the command line reference: an action without a start time shows its next run.
    let next_runs = [("evening", "2026-09-14T18:00:00Z"), ("morning", "2026-12-01T00:30:00Z")];
    assert_eq!(list(&mut region), next_runs.map(|(name, at)| (name.to_string(), at.to_string())));
    let delete = model::BatchDeleteScheduledActionInput {
        auto_scaling_group_name: Some("web".into()),
        scheduled_action_names: Some(vec!["evening".into(), "none".into()]),
    };
    let answer: model::BatchDeleteScheduledActionOutput =
        ask(&mut region, "BatchDeleteScheduledAction", delete).unwrap();
    assert_eq!(answer.failed_scheduled_actions.unwrap()[0].scheduled_action_name.as_deref(), Some("none"));
    let delete = model::DeleteScheduledActionInput {
        auto_scaling_group_name: Some("web".into()),
        scheduled_action_name: Some("morning".into()),
    };
    let _: model::DeleteScheduledActionOutput = ask(&mut region, "DeleteScheduledAction", delete).unwrap();
    assert_eq!(list(&mut region), []);
}
