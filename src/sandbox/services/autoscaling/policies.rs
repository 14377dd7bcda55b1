//! Scaling policies: simple, step and target tracking, and predictive ones, which are kept and never forecast.

use super::{PageRequest, existing, group_name, model, not_negative, not_reproduced, small, wants, word};
use crate::engine::Refusal;
use crate::engine::alarms::AlarmState;
use crate::engine::groups::Group;
use crate::engine::groups::policy::{AdjustmentType, Policy, PolicyKind};
use crate::engine::groups::steps::Step;
use crate::engine::groups::target_tracking::{
    AlarmNames, CustomizedMetric, PredefinedMetric, TargetTracking, TrackedMetric,
};
use crate::engine::metrics::math::{Queries, Query, QueryRequest, Source, StatRequest};
use crate::engine::names::{GroupName, PolicyArn, PolicyName};
use crate::sandbox::models::autoscaling::PREDICTIVE_SCALING_CONFIGURATION;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;
use crate::sandbox::services::ec2::launch_data::{self, words};

const POLICIES_PER_PAGE: usize = 50;
const SIMPLE: &str = "SimpleScaling";
const STEP: &str = "StepScaling";
const TARGET_TRACKING: &str = "TargetTrackingScaling";
const PREDICTIVE: &str = "PredictiveScaling";

/// The period of a metric in an expression when the caller does not say, in seconds. Source: TargetTrackingMetricStat.
const DEFAULT_PERIOD_SECS: i64 = 60;

/// Source: PredictiveScalingConfiguration.
const LONGEST_SCHEDULING_BUFFER_SECS: i64 = 3600;

/// How step policies read the metric when the caller does not say. Source: the service model.
const AVERAGE: &str = "Average";

pub fn register(operations: &mut Operations) {
    operations.on(
        "PutScalingPolicy",
        "Creates or replaces a policy: simple, step, target tracking with its alarms, predictive without forecasts.",
        &[
            "AutoScalingGroupName",
            "PolicyName",
            "PolicyType",
            "AdjustmentType",
            "MinAdjustmentMagnitude",
            "ScalingAdjustment",
            "Cooldown",
            "MetricAggregationType",
            "StepAdjustments",
            "EstimatedInstanceWarmup",
            "TargetTrackingConfiguration",
            "PredictiveScalingConfiguration",
            "Enabled",
        ],
        put,
    );
    operations.view(
        "DescribePolicies",
        "Lists policies with the alarms that invoke them.",
        &["AutoScalingGroupName", "PolicyNames", "PolicyTypes", "NextToken", "MaxRecords"],
        describe,
    );
    operations.on(
        "DeletePolicy",
        "Deletes a policy, and the alarms it made for itself.",
        &["AutoScalingGroupName", "PolicyName"],
        delete,
    );
    operations.on(
        "ExecutePolicy",
        "Lets a policy act without an alarm.",
        &["AutoScalingGroupName", "PolicyName", "HonorCooldown", "MetricValue", "BreachThreshold"],
        execute,
    );
    operations.view("DescribeAdjustmentTypes", "Lists how adjustments can be read.", &[], adjustment_types);
}

fn put(
    region: &mut Region,
    call: &Call,
    input: model::PutScalingPolicyInput,
) -> Result<model::PutScalingPolicyOutput, Refusal> {
    let group = group_name(input.auto_scaling_group_name.as_deref());
    let policy = read_policy(input)?;
    let name = policy.name.clone();
    region.world.with_groups(call.now, |groups| groups.put_policy(&group, policy))?;
    let policy = existing(region, Some(group.as_str()))?.policies.get(&name);
    let arn = policy.map(|policy| policy.arn.clone()).unwrap_or_default();
    Ok(model::PutScalingPolicyOutput { alarms: Some(alarms(region, &arn)), policy_arn: Some(arn.0) })
}

fn read_policy(input: model::PutScalingPolicyInput) -> Result<Policy, Refusal> {
    let kind = match input.policy_type.as_deref().unwrap_or(SIMPLE) {
        SIMPLE => read_simple(&input)?,
        STEP => read_step(&input)?,
        TARGET_TRACKING => PolicyKind::TargetTracking(read_target_tracking(&input)?),
        PREDICTIVE => PolicyKind::Predictive { configuration: read_predictive(&input)? },
        other => return Err(not_reproduced(&format!("PolicyType {other}"))),
    };
    let adjustment_type = match (&kind, input.adjustment_type.as_deref()) {
        (PolicyKind::TargetTracking(_) | PolicyKind::Predictive { .. }, _) => AdjustmentType::ChangeInCapacity,
        (_, Some(text)) => word("AdjustmentType", text, AdjustmentType::parse)?,
        (_, None) => return Err(Refusal::validation("AdjustmentType must be specified")),
    };
    let magnitude = input.min_adjustment_magnitude.map(|size| not_negative("MinAdjustmentMagnitude", size));
    Ok(Policy {
        name: PolicyName(input.policy_name.unwrap_or_default()),
        arn: PolicyArn::default(),
        enabled: input.enabled.unwrap_or(true),
        adjustment_type,
        min_adjustment_magnitude: magnitude.transpose()?,
        kind,
        last: None,
    })
}

fn read_simple(input: &model::PutScalingPolicyInput) -> Result<PolicyKind, Refusal> {
    let takes = ["AdjustmentType", "MinAdjustmentMagnitude", "ScalingAdjustment", "Cooldown"];
    refuse_other_members(input, &takes, SIMPLE)?;
    let adjustment = input.scaling_adjustment;
    let adjustment = adjustment.ok_or_else(|| Refusal::validation("You must specify a ScalingAdjustment value"))?;
    let cooldown_secs = input.cooldown.map(|secs| not_negative("Cooldown", secs)).transpose()?;
    Ok(PolicyKind::Simple { adjustment: small("ScalingAdjustment", adjustment)?, cooldown_secs })
}

fn read_step(input: &model::PutScalingPolicyInput) -> Result<PolicyKind, Refusal> {
    let takes = [
        "AdjustmentType",
        "MinAdjustmentMagnitude",
        "StepAdjustments",
        "MetricAggregationType",
        "EstimatedInstanceWarmup",
    ];
    refuse_other_members(input, &takes, STEP)?;
    let step = |step: &model::StepAdjustment| {
        Ok(Step {
            lower: step.metric_interval_lower_bound,
            upper: step.metric_interval_upper_bound,
            adjustment: small("ScalingAdjustment", step.scaling_adjustment.unwrap_or_default())?,
        })
    };
    let aggregation = input.metric_aggregation_type.clone();
    if let Some(other) = aggregation.as_deref().filter(|kind| ![AVERAGE, "Minimum", "Maximum"].contains(kind)) {
        let text = format!("Invalid MetricAggregationType {other}: must be Minimum, Maximum or Average");
        return Err(Refusal::validation(text));
    }
    Ok(PolicyKind::Step {
        steps: input.step_adjustments.iter().flatten().map(step).collect::<Result<Vec<_>, Refusal>>()?,
        aggregation,
        estimated_warmup_secs: read_warmup(input)?,
    })
}

fn read_warmup(input: &model::PutScalingPolicyInput) -> Result<Option<u32>, Refusal> {
    input.estimated_instance_warmup.map(|secs| not_negative("EstimatedInstanceWarmup", secs)).transpose()
}

fn read_target_tracking(input: &model::PutScalingPolicyInput) -> Result<TargetTracking, Refusal> {
    refuse_other_members(input, &["EstimatedInstanceWarmup", "TargetTrackingConfiguration"], TARGET_TRACKING)?;
    let configuration = input.target_tracking_configuration.as_ref().ok_or_else(|| {
        Refusal::validation(format!(
            "TargetTrackingConfiguration must be specified for policies of type {TARGET_TRACKING}"
        ))
    })?;
    Ok(TargetTracking {
        metric: read_tracked_metric(configuration)?,
        target: configuration.target_value.unwrap_or_default(),
        disable_scale_in: configuration.disable_scale_in.unwrap_or_default(),
        estimated_warmup_secs: read_warmup(input)?,
        alarms: AlarmNames::default(),
    })
}

fn read_tracked_metric(configuration: &model::TargetTrackingConfiguration) -> Result<TrackedMetric, Refusal> {
    let specifications =
        (&configuration.predefined_metric_specification, &configuration.customized_metric_specification);
    match specifications {
        (Some(metric), None) => {
            let kind = metric.predefined_metric_type.as_deref().unwrap_or_default();
            let kind = word("PredefinedMetricType", kind, PredefinedMetric::parse)?;
            Ok(TrackedMetric::Predefined { kind, resource_label: metric.resource_label.clone() })
        }
        (None, Some(metric)) => match metric.metrics.as_deref() {
            None | Some([]) => read_customized(metric).map(TrackedMetric::Customized),
            Some(queries) => read_math(metric, queries),
        },
        _ => Err(Refusal::validation(
            "Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification must be specified",
        )),
    }
}

/// A forecast needs a day of data at least and is not made here; what it would be made of is kept and shown.
fn read_predictive(input: &model::PutScalingPolicyInput) -> Result<serde_json::Value, Refusal> {
    refuse_other_members(input, &[], PREDICTIVE)?;
    let configuration = input.predictive_scaling_configuration.clone().ok_or_else(|| {
        Refusal::validation(format!(
            "PredictiveScalingConfiguration must be specified for policies of type {PREDICTIVE}"
        ))
    })?;
    check_predictive(&configuration)?;
    Ok(words(configuration))
}

/// Source: the API reference, PredictiveScalingConfiguration and PredictiveScalingMetricSpecification.
fn check_predictive(configuration: &model::PredictiveScalingConfiguration) -> Result<(), Refusal> {
    let increases = configuration.max_capacity_breach_behavior.as_deref() == Some("IncreaseMaxCapacity");
    if increases != configuration.max_capacity_buffer.is_some() {
        let text = "MaxCapacityBuffer is required with the MaxCapacityBreachBehavior IncreaseMaxCapacity, and cannot be \
                    used otherwise";
        return Err(Refusal::validation(text));
    }
    if configuration.scheduling_buffer_time.is_some_and(|secs| secs > LONGEST_SCHEDULING_BUFFER_SECS) {
        let text = format!("SchedulingBufferTime must be between 0 and {LONGEST_SCHEDULING_BUFFER_SECS}");
        return Err(Refusal::validation(text));
    }
    let specifications = configuration.metric_specifications.as_deref().unwrap_or_default();
    let [specification] = specifications else {
        return Err(Refusal::validation("MetricSpecifications must have exactly one element"));
    };
    check_predictive_metrics(specification)
}

/// A pair, or what the load is told by and what scaling is told by.
fn check_predictive_metrics(metrics: &model::PredictiveScalingMetricSpecification) -> Result<(), Refusal> {
    let scaling = [
        metrics.predefined_scaling_metric_specification.is_some(),
        metrics.customized_scaling_metric_specification.is_some(),
    ];
    let load = [
        metrics.predefined_load_metric_specification.is_some(),
        metrics.customized_load_metric_specification.is_some(),
    ];
    let count = |given: [bool; 2]| given.into_iter().filter(|one| *one).count();
    match (metrics.predefined_metric_pair_specification.is_some(), count(scaling), count(load)) {
        (true, 0, 0) | (false, 1, 1) => Ok(()),
        _ => Err(Refusal::validation(
            "A metric specification must have either a predefined metric pair, or a load metric and a scaling metric",
        )),
    }
}

fn read_math(
    metric: &model::CustomizedMetricSpecification,
    queries: &[model::TargetTrackingMetricDataQuery],
) -> Result<TrackedMetric, Refusal> {
    let alone = [
        ("MetricName", metric.metric_name.is_some()),
        ("Namespace", metric.namespace.is_some()),
        ("Statistic", metric.statistic.is_some()),
        ("Unit", metric.unit.is_some()),
        ("Period", metric.period.is_some()),
        ("Dimensions", metric.dimensions.as_ref().is_some_and(|dimensions| !dimensions.is_empty())),
    ];
    if let Some((member, _)) = alone.iter().find(|(_, given)| *given) {
        return Err(Refusal::validation(format!("{member} should not be set if list of Metrics is set.")));
    }
    let leaves_period = |query: &&model::TargetTrackingMetricDataQuery| {
        query.metric_stat.as_ref().is_some_and(|stat| stat.period.is_none())
    };
    let of_default_period = queries.iter().filter(leaves_period).filter_map(|query| query.id.clone()).collect();
    let queries = Queries::check(queries.iter().map(query_request).collect(), "Metrics")?;
    Ok(TrackedMetric::Math { queries, of_default_period })
}

fn query_request(query: &model::TargetTrackingMetricDataQuery) -> QueryRequest {
    let stat = |stat: &model::TargetTrackingMetricStat| {
        let metric = stat.metric.clone().unwrap_or_default();
        StatRequest {
            namespace: metric.namespace.unwrap_or_default(),
            name: metric.metric_name.unwrap_or_default(),
            dimensions: metric.dimensions.iter().flatten().map(dimension).collect(),
            statistic: stat.stat.clone().unwrap_or_default(),
            period_secs: stat.period.unwrap_or(DEFAULT_PERIOD_SECS),
            unit: stat.unit.clone(),
        }
    };
    QueryRequest {
        id: query.id.clone().unwrap_or_default(),
        expression: query.expression.clone(),
        stat: query.metric_stat.as_ref().map(stat),
        label: query.label.clone(),
        return_data: query.return_data,
        period_secs: query.period,
        account_id: None,
    }
}

fn dimension(dimension: &model::MetricDimension) -> (String, String) {
    (dimension.name.clone().unwrap_or_default(), dimension.value.clone().unwrap_or_default())
}

fn read_customized(metric: &model::CustomizedMetricSpecification) -> Result<CustomizedMetric, Refusal> {
    let needed = |member: &str, value: &Option<String>| {
        let missing = || Refusal::validation(format!("{member} must be specified for a customized metric"));
        value.clone().ok_or_else(missing)
    };
    Ok(CustomizedMetric {
        name: needed("MetricName", &metric.metric_name)?,
        namespace: needed("Namespace", &metric.namespace)?,
        statistic: needed("Statistic", &metric.statistic)?,
        dimensions: metric.dimensions.iter().flatten().map(dimension).collect(),
        unit: metric.unit.clone(),
        period_secs: metric.period.map(|secs| not_negative("Period", secs)).transpose()?,
    })
}

/// Refuses what a policy of this type does not take. A cooldown of zero is none: terraform's provider sends it with every
/// update of a policy, which AWS takes.
fn refuse_other_members(input: &model::PutScalingPolicyInput, takes: &[&str], kind: &str) -> Result<(), Refusal> {
    let given = [
        ("AdjustmentType", input.adjustment_type.is_some()),
        ("MinAdjustmentMagnitude", input.min_adjustment_magnitude.is_some()),
        ("ScalingAdjustment", input.scaling_adjustment.is_some()),
        ("Cooldown", input.cooldown.is_some_and(|secs| secs != 0)),
        ("StepAdjustments", input.step_adjustments.as_ref().is_some_and(|steps| !steps.is_empty())),
        ("MetricAggregationType", input.metric_aggregation_type.is_some()),
        ("EstimatedInstanceWarmup", input.estimated_instance_warmup.is_some()),
        ("TargetTrackingConfiguration", input.target_tracking_configuration.is_some()),
    ];
    match given.into_iter().find(|(member, given)| *given && !takes.contains(member)) {
        None => Ok(()),
        Some((member, _)) => Err(Refusal::validation(format!("{member} is not supported for policies of type {kind}"))),
    }
}

fn describe(region: &Region, input: model::DescribePoliciesInput) -> Result<model::DescribePoliciesOutput, Refusal> {
    let page = PageRequest::new(input.next_token.as_deref(), input.max_records, POLICIES_PER_PAGE)?;
    let names = input.policy_names.as_deref();
    let one_group = input.auto_scaling_group_name.as_deref();
    let groups = region.world.groups.iter().filter(|group| one_group.is_none_or(|name| group.name.as_str() == name));
    let policies = groups.flat_map(|group| group.policies.values().map(move |policy| (group, policy)));
    let wanted = policies.filter(|(_, policy)| {
        let named = wants(names, policy.name.as_str()) || names.is_some_and(|list| list.contains(&policy.arn.0));
        named && wants(input.policy_types.as_deref(), policy_type(policy))
    });
    let (found, next_token) = page.cut(wanted);
    let shown = found.into_iter().map(|(group, policy)| show_policy(region, group, policy)).collect();
    Ok(model::DescribePoliciesOutput { scaling_policies: Some(shown), next_token })
}

fn policy_type(policy: &Policy) -> &'static str {
    match policy.kind {
        PolicyKind::Simple { .. } => SIMPLE,
        PolicyKind::Step { .. } => STEP,
        PolicyKind::TargetTracking(_) => TARGET_TRACKING,
        PolicyKind::Predictive { .. } => PREDICTIVE,
    }
}

fn show_policy(region: &Region, group: &Group, policy: &Policy) -> model::ScalingPolicy {
    let shown = model::ScalingPolicy {
        auto_scaling_group_name: Some(group.name.to_string()),
        policy_name: Some(policy.name.to_string()),
        policy_arn: Some(policy.arn.to_string()),
        policy_type: Some(policy_type(policy).into()),
        adjustment_type: Some(policy.adjustment_type.name().into()),
        min_adjustment_magnitude: policy.min_adjustment_magnitude.map(Into::into),
        alarms: Some(alarms(region, &policy.arn)),
        enabled: Some(policy.enabled),
        ..Default::default()
    };
    match &policy.kind {
        PolicyKind::Simple { adjustment, cooldown_secs } => model::ScalingPolicy {
            scaling_adjustment: Some((*adjustment).into()),
            cooldown: cooldown_secs.map(Into::into),
            step_adjustments: Some(Vec::new()),
            ..shown
        },
        PolicyKind::Step { steps, aggregation, estimated_warmup_secs } => model::ScalingPolicy {
            step_adjustments: Some(steps.iter().map(show_step).collect()),
            metric_aggregation_type: Some(aggregation.as_deref().unwrap_or(AVERAGE).into()),
            estimated_instance_warmup: estimated_warmup_secs.map(Into::into),
            ..shown
        },
        PolicyKind::TargetTracking(tracking) => model::ScalingPolicy {
            adjustment_type: None,
            step_adjustments: Some(Vec::new()),
            estimated_instance_warmup: tracking.estimated_warmup_secs.map(Into::into),
            target_tracking_configuration: Some(show_target_tracking(tracking)),
            ..shown
        },
        PolicyKind::Predictive { configuration } => model::ScalingPolicy {
            adjustment_type: None,
            step_adjustments: Some(Vec::new()),
            predictive_scaling_configuration: Some(launch_data::read(&PREDICTIVE_SCALING_CONFIGURATION, configuration)),
            ..shown
        },
    }
}

fn show_target_tracking(tracking: &TargetTracking) -> model::TargetTrackingConfiguration {
    let shown = model::TargetTrackingConfiguration {
        target_value: Some(tracking.target),
        disable_scale_in: Some(tracking.disable_scale_in),
        ..Default::default()
    };
    match &tracking.metric {
        TrackedMetric::Predefined { kind, resource_label } => model::TargetTrackingConfiguration {
            predefined_metric_specification: Some(model::PredefinedMetricSpecification {
                predefined_metric_type: Some(kind.name().into()),
                resource_label: resource_label.clone(),
            }),
            ..shown
        },
        TrackedMetric::Customized(metric) => model::TargetTrackingConfiguration {
            customized_metric_specification: Some(show_customized(metric)),
            ..shown
        },
        TrackedMetric::Math { queries, of_default_period } => model::TargetTrackingConfiguration {
            customized_metric_specification: Some(model::CustomizedMetricSpecification {
                metrics: Some(queries.iter().map(|query| show_query(query, of_default_period)).collect()),
                ..Default::default()
            }),
            ..shown
        },
    }
}

fn show_query(query: &Query, of_default_period: &[String]) -> model::TargetTrackingMetricDataQuery {
    let shown = model::TargetTrackingMetricDataQuery {
        id: Some(query.id.clone()),
        label: query.label.clone(),
        return_data: query.return_data,
        ..Default::default()
    };
    match &query.source {
        Source::Stat(stat) => model::TargetTrackingMetricDataQuery {
            metric_stat: Some(model::TargetTrackingMetricStat {
                metric: Some(model::Metric {
                    namespace: Some(stat.key.namespace.clone()),
                    metric_name: Some(stat.key.name.clone()),
                    dimensions: Some(stat.key.dimensions.iter().map(show_dimension).collect()),
                }),
                stat: Some(stat.statistic.to_string()),
                unit: stat.unit.clone(),
                period: (!of_default_period.contains(&query.id)).then(|| stat.period_secs.into()),
            }),
            ..shown
        },
        Source::Expression { expression, period_secs } => model::TargetTrackingMetricDataQuery {
            expression: Some(expression.as_str().to_string()),
            period: period_secs.map(i64::from),
            ..shown
        },
    }
}

fn show_dimension((name, value): (&String, &String)) -> model::MetricDimension {
    model::MetricDimension { name: Some(name.clone()), value: Some(value.clone()) }
}

fn show_customized(metric: &CustomizedMetric) -> model::CustomizedMetricSpecification {
    model::CustomizedMetricSpecification {
        metric_name: Some(metric.name.clone()),
        namespace: Some(metric.namespace.clone()),
        dimensions: Some(metric.dimensions.iter().map(|(name, value)| show_dimension((name, value))).collect()),
        statistic: Some(metric.statistic.clone()),
        unit: metric.unit.clone(),
        period: metric.period_secs.map(Into::into),
        metrics: None,
    }
}

fn show_step(step: &Step) -> model::StepAdjustment {
    model::StepAdjustment {
        metric_interval_lower_bound: step.lower,
        metric_interval_upper_bound: step.upper,
        scaling_adjustment: Some(step.adjustment.into()),
    }
}

/// The alarms that invoke a policy in one of their states.
fn alarms(region: &Region, policy: &PolicyArn) -> Vec<model::Alarm> {
    let invokes = |alarm: &&crate::engine::alarms::Alarm| {
        let mut actions = AlarmState::ALL.iter().flat_map(|state| alarm.config.actions(*state));
        actions.any(|action| action == policy.as_str())
    };
    let shown = region.world.alarms.from_name("").filter(invokes).map(|alarm| model::Alarm {
        alarm_name: Some(alarm.config.name.to_string()),
        alarm_arn: Some(alarm.arn.to_string()),
    });
    shown.collect()
}

/// A policy's group and name; a caller may give its ARN instead, or leave the group out where only one has the policy.
fn named(region: &Region, group: Option<&str>, policy: Option<&str>) -> Result<(GroupName, PolicyName), Refusal> {
    let policy = policy.unwrap_or_default();
    if let Some((group, policy)) = region.world.groups.policy_by_arn(policy) {
        return Ok((group.clone(), policy.name.clone()));
    }
    if let Some(group) = group {
        return Ok((group.into(), policy.into()));
    }
    // The group's name is optional in the service model, also with a policy's name; AWS does not say what two such mean.
    let mut found = region.world.groups.iter().filter(|group| group.policies.contains_key(policy));
    match (found.next(), found.next()) {
        (Some(group), None) => Ok((group.name.clone(), policy.into())),
        (None, _) => Err(Refusal::validation(format!("PolicyName '{policy}' not found"))),
        (Some(_), Some(_)) => {
            Err(Refusal::validation("AutoScalingGroupName is required: several groups have the policy"))
        }
    }
}

fn delete(
    region: &mut Region,
    call: &Call,
    input: model::DeletePolicyInput,
) -> Result<model::DeletePolicyOutput, Refusal> {
    let (group, policy) = named(region, input.auto_scaling_group_name.as_deref(), input.policy_name.as_deref())?;
    region.world.with_groups(call.now, |groups| groups.delete_policy(&group, &policy))?;
    Ok(model::DeletePolicyOutput {})
}

fn execute(
    region: &mut Region,
    call: &Call,
    input: model::ExecutePolicyInput,
) -> Result<model::ExecutePolicyOutput, Refusal> {
    let (group, policy) = named(region, input.auto_scaling_group_name.as_deref(), input.policy_name.as_deref())?;
    let honor = input.honor_cooldown.unwrap_or_default();
    let metric = input.metric_value.zip(input.breach_threshold);
    // AWS does not tell the caller whether anything changes; the policy remembers.
    let _ =
        region.world.with_groups(call.now, |groups| groups.execute_policy(call.now, &group, &policy, honor, metric))?;
    Ok(model::ExecutePolicyOutput {})
}

fn adjustment_types(
    _region: &Region,
    _input: model::DescribeAdjustmentTypesInput,
) -> Result<model::DescribeAdjustmentTypesOutput, Refusal> {
    let kind = |kind: &AdjustmentType| model::AdjustmentType { adjustment_type: Some(kind.name().into()) };
    let kinds = AdjustmentType::ALL.iter().map(kind).collect();
    Ok(model::DescribeAdjustmentTypesOutput { adjustment_types: Some(kinds) })
}
