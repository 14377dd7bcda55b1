//! Scaling policies and scheduled actions: Auto Scaling's rules for steps, targets and times. Start at [`build_policies`].

use std::time::Duration;

use super::alarms::metric_of;
use super::build::Builder;
use super::{
    AdjustmentType, PolicyKind, ScalingPolicy, ScheduledAction, Step, StepPolicy, TargetTracking, TrackedMetric,
};
use crate::spec::Spec;
use crate::spec::arguments::{
    MetricSpec, PolicySpec, ScheduledActionSpec, SimplePolicySpec, StepPolicySpec, StepSpec, TargetTrackingPolicySpec,
};
use crate::spec::problem::Kind;
use crate::spec::values::{Aggregation, ShortMetric};

/// AWS's default for the group's cooldown, used for a policy without one.
const DEFAULT_COOLDOWN: Duration = Duration::from_secs(300);
/// Auto Scaling: steps of one policy.
const MOST_STEPS: usize = 20;

/// Every policy in the order of the names.
pub(super) fn build_policies(spec: &Spec, builder: &mut Builder) -> Vec<ScalingPolicy> {
    let entries = spec.scaling.iter().flat_map(|scaling| &scaling.entries);
    let mut policies: Vec<ScalingPolicy> = entries
        .filter_map(|(key, policy)| {
            let kind = match policy {
                PolicySpec::Simple(simple) => build_simple(key, simple, builder),
                PolicySpec::Step(step) => PolicyKind::Step(build_step(key, step, builder)),
                PolicySpec::TargetTracking(tracking) => {
                    PolicyKind::TargetTracking(build_tracking(&spec.name.0, key, tracking, builder)?)
                }
                PolicySpec::Scheduled(_) => return None,
            };
            Some(ScalingPolicy { name: key.clone(), kind })
        })
        .collect();
    policies.sort_by(|a, b| a.name.cmp(&b.name));
    policies
}

/// Every scheduled action in the order of the names.
pub(super) fn build_schedules(spec: &Spec, builder: &mut Builder) -> Vec<ScheduledAction> {
    let entries = spec.scaling.iter().flat_map(|scaling| &scaling.entries);
    let mut schedules: Vec<ScheduledAction> = entries
        .filter_map(|(key, policy)| match policy {
            PolicySpec::Scheduled(action) => Some(build_schedule(key, action, builder)),
            _ => None,
        })
        .collect();
    schedules.sort_by(|a, b| a.name.cmp(&b.name));
    schedules
}

fn build_simple(key: &str, policy: &SimplePolicySpec, builder: &mut Builder) -> PolicyKind {
    if policy.adjustment.0 == 0 {
        let path = format!("scaling.{key}.adjustment");
        let fact = format!("{path} is 0: the policy would change nothing.");
        builder.problem(Kind::InvalidValue, &path, fact, "Write +1 to add a machine or -1 to remove one.");
    }
    let cooldown = policy.cooldown.map_or(DEFAULT_COOLDOWN, |cooldown| cooldown.0);
    PolicyKind::Simple { adjustment: policy.adjustment.0, cooldown }
}

fn build_step(key: &str, policy: &StepPolicySpec, builder: &mut Builder) -> StepPolicy {
    let adjustment_type = policy.adjustment_type.unwrap_or(AdjustmentType::ChangeInCapacity);
    let percent = adjustment_type == AdjustmentType::PercentChangeInCapacity;
    if policy.min_adjustment_magnitude.is_some() && !percent {
        let path = format!("scaling.{key}.min_adjustment_magnitude");
        let fact = format!("{path} is for changes in percent, and this policy's are {}.", adjustment_type.word());
        builder.problem(Kind::InvalidValue, &path, fact, "Remove it.");
    }
    for (index, step) in policy.steps.iter().enumerate() {
        if adjustment_type == AdjustmentType::ExactCapacity && step.adjustment.0 < 0 {
            let path = format!("scaling.{key}.steps[{index}].adjustment");
            let fact = format!("{path} is {}, and a group has no fewer than 0 machines.", step.adjustment.0);
            builder.problem(Kind::InvalidValue, &path, fact, "Write how many machines to have.");
        }
    }
    check_steps(key, &policy.steps, builder);
    let mut steps: Vec<Step> = policy.steps.iter().map(step_of).collect();
    steps.sort_by(|a, b| lower(a).total_cmp(&lower(b)));
    StepPolicy {
        adjustment_type,
        steps,
        min_adjustment_magnitude: policy.min_adjustment_magnitude.map(|size| size.0),
        metric_aggregation_type: policy.metric_aggregation_type.unwrap_or(Aggregation::Average).word().to_owned(),
        estimated_instance_warmup: policy.estimated_instance_warmup.map(|span| span.0),
    }
}

fn step_of(step: &StepSpec) -> Step {
    let bound = |number: Option<crate::spec::values::Number>| number.map(|number| number.0);
    Step { lower_bound: bound(step.lower_bound), upper_bound: bound(step.upper_bound), adjustment: step.adjustment.0 }
}

fn lower(step: &Step) -> f64 {
    step.lower_bound.unwrap_or(f64::NEG_INFINITY)
}

fn upper(step: &Step) -> f64 {
    step.upper_bound.unwrap_or(f64::INFINITY)
}

/// What Auto Scaling would refuse with a `ValidationError` (user guide, "Step adjustments").
fn check_steps(key: &str, written: &[StepSpec], builder: &mut Builder) {
    let path = format!("scaling.{key}.steps");
    if written.is_empty() || written.len() > MOST_STEPS {
        let fact = format!("{path} has {} steps; Auto Scaling takes 1 to {MOST_STEPS}.", written.len());
        builder.problem(
            Kind::InvalidValue,
            &path,
            fact,
            "Write at least one step, such as { lower_bound: 0, adjustment: +1 }.",
        );
        return;
    }
    let mut steps: Vec<(usize, Step)> = written.iter().map(step_of).enumerate().collect();
    for (index, step) in &steps {
        let path = format!("{path}[{index}]");
        if step.lower_bound.is_none() && step.upper_bound.is_none() {
            let fact = format!("{path} has neither bound.");
            builder.problem(
                Kind::InvalidValue,
                &path,
                fact,
                "Write lower_bound: 0 for everything above the threshold.",
            );
        } else if lower(step) >= upper(step) {
            let fact = format!("{path} goes from {} to {}.", lower(step), upper(step));
            builder.problem(Kind::InvalidValue, &path, fact, "Let lower_bound be less than upper_bound.");
        }
    }
    steps.sort_by(|(_, a), (_, b)| lower(a).total_cmp(&lower(b)));
    for pair in steps.windows(2) {
        let ((_, before), (index, after)) = (&pair[0], &pair[1]);
        let path = format!("{path}[{index}]");
        if upper(before) < lower(after) {
            let fact = format!("Between {} and {} no step of scaling.{key} applies.", upper(before), lower(after));
            let remedy = format!("Write lower_bound: {} here, or raise the upper_bound before.", upper(before));
            builder.problem(Kind::StepsWithGaps, &path, fact, remedy);
        } else if upper(before) > lower(after) {
            let fact = format!("From {} on, two steps of scaling.{key} apply.", lower(after));
            let remedy = format!("Write upper_bound: {} in the step before.", lower(after));
            builder.problem(Kind::StepsOverlap, &path, fact, remedy);
        }
    }
    check_ends(key, &steps, builder);
}

/// Steps away from the threshold have no end.
fn check_ends(key: &str, steps: &[(usize, Step)], builder: &mut Builder) {
    let (Some((first, lowest)), Some((last, highest))) = (steps.first(), steps.last()) else { return };
    if lowest.lower_bound.is_some_and(|bound| bound < 0.0) {
        let path = format!("scaling.{key}.steps[{first}].lower_bound");
        let fact = format!("Below {} no step of scaling.{key} applies.", lower(lowest));
        builder.problem(Kind::StepsWithGaps, &path, fact, "Leave this lower_bound out.");
    }
    if highest.upper_bound.is_some_and(|bound| bound > 0.0) {
        let path = format!("scaling.{key}.steps[{last}].upper_bound");
        let fact = format!("Above {} no step of scaling.{key} applies.", upper(highest));
        builder.problem(Kind::StepsWithGaps, &path, fact, "Leave this upper_bound out.");
    }
}

fn build_tracking(
    group: &str,
    key: &str,
    policy: &TargetTrackingPolicySpec,
    builder: &mut Builder,
) -> Option<TargetTracking> {
    let target_value = policy.target_value.0;
    if target_value <= 0.0 {
        let path = format!("scaling.{key}.target_value");
        let fact = format!("{path} is {target_value}, and Auto Scaling keeps metrics above zero.");
        builder.problem(Kind::InvalidValue, &path, fact, "Write a number above 0, such as 50 for cpu.");
    }
    Some(TargetTracking {
        metric: tracked(group, key, &policy.metric, builder)?,
        target_value,
        disable_scale_in: policy.disable_scale_in.unwrap_or(false),
        estimated_instance_warmup: policy.estimated_instance_warmup.map(|span| span.0),
    })
}

fn tracked(group: &str, key: &str, metric: &MetricSpec, builder: &mut Builder) -> Option<TrackedMetric> {
    let predefined = match metric {
        MetricSpec::Short(ShortMetric::Cpu) => "ASGAverageCPUUtilization",
        MetricSpec::Short(ShortMetric::NetworkIn) => "ASGAverageNetworkIn",
        MetricSpec::Short(ShortMetric::NetworkOut) => "ASGAverageNetworkOut",
        MetricSpec::Short(ShortMetric::StatusCheckFailed) => {
            let path = format!("scaling.{key}.metric");
            let fact = format!("{path} does not fall when machines are added, so it cannot be kept at a value.");
            builder.problem(Kind::InvalidValue, &path, fact, "Write cpu, network-in or network-out.");
            return None;
        }
        MetricSpec::Long(_) => {
            let metric = metric_of(group, metric);
            return Some(TrackedMetric::Custom {
                namespace: metric.namespace,
                metric_name: metric.name,
                dimensions: metric.dimensions,
                statistic: metric.statistic.word().to_owned(),
            });
        }
    };
    Some(TrackedMetric::Predefined(predefined))
}

fn build_schedule(key: &str, action: &ScheduledActionSpec, builder: &mut Builder) -> ScheduledAction {
    let path = format!("scaling.{key}");
    if action.recurrence.is_none() && action.start_time.is_none() {
        let fact = format!("{path} has neither recurrence nor start_time, so it would never act.");
        builder.problem(Kind::MissingArgument, &path, fact, "Add recurrence: \"0 8 * * 1-5\", or a start_time.");
    }
    if action.recurrence.is_none() && (action.time_zone.is_some() || action.end_time.is_some()) {
        let fact = format!("{path} acts once, so it has no time_zone and no end_time.");
        builder.problem(Kind::InvalidValue, &path, fact, "Add a recurrence, or write start_time alone, in UTC.");
    }
    // The form makes the texts sort as the times do.
    if let (Some(start), Some(end)) = (&action.start_time, &action.end_time)
        && end.0 <= start.0
    {
        let path = format!("{path}.end_time");
        let fact = format!("{path} is {}, and it starts at {}.", end.0, start.0);
        builder.problem(Kind::InvalidValue, &path, fact, "Write a later end_time.");
    }
    check_sizes(&path, action, builder);
    ScheduledAction {
        name: key.to_owned(),
        recurrence: action.recurrence.as_ref().map(|text| text.0.clone()),
        time_zone: action.time_zone.as_ref().map(|text| text.0.clone()),
        start_time: action.start_time.as_ref().map(|text| text.0.clone()),
        end_time: action.end_time.as_ref().map(|text| text.0.clone()),
        min_size: action.min_size.map(|size| size.0),
        max_size: action.max_size.map(|size| size.0),
        desired_capacity: action.desired_capacity.map(|size| size.0),
    }
}

fn check_sizes(path: &str, action: &ScheduledActionSpec, builder: &mut Builder) {
    let sizes = [action.min_size, action.desired_capacity, action.max_size];
    let given: Vec<u32> = sizes.into_iter().flatten().map(|size| size.0).collect();
    if given.is_empty() {
        let fact = format!("{path} says no size, so it would change nothing.");
        builder.problem(Kind::MissingArgument, path, fact, "Add min_size, max_size or desired_capacity.");
    } else if !given.is_sorted() {
        let fact = format!("{path} asks for min_size, desired_capacity and max_size out of order.");
        builder.problem(Kind::SizesOutOfOrder, path, fact, "Write min_size <= desired_capacity <= max_size.");
    }
}
