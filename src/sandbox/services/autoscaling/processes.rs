//! Suspended processes, group metrics, and the lists of what there is of both and of termination policies.

use super::{existing, group_name, model, show, word};
use crate::engine::Refusal;
use crate::engine::groups::Process;
use crate::engine::groups::measure::GROUP_METRICS;
use crate::engine::groups::termination::TerminationPolicy;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// A process of old that AWS still accepts and ignores. Source: User Guide, "Suspend and resume processes".
const IGNORED: &str = "RemoveFromLoadBalancerLowPriority";

pub fn register(operations: &mut Operations) {
    let processes = &["AutoScalingGroupName", "ScalingProcesses"];
    operations.on("SuspendProcesses", "Suspends processes of a group.", processes, suspend);
    operations.on("ResumeProcesses", "Resumes processes of a group.", processes, resume);
    operations.view("DescribeScalingProcessTypes", "Lists the processes.", &[], process_types);
    operations.on(
        "EnableMetricsCollection",
        "Collects a group's metrics each minute.",
        &["AutoScalingGroupName", "Metrics", "Granularity"],
        enable_metrics,
    );
    operations.on(
        "DisableMetricsCollection",
        "Collects a group's metrics no more.",
        &["AutoScalingGroupName", "Metrics"],
        disable_metrics,
    );
    operations.view("DescribeMetricCollectionTypes", "Lists the metrics of groups.", &[], metric_types);
    operations.view("DescribeTerminationPolicyTypes", "Lists the termination policies.", &[], termination_policy_types);
}

/// The processes that a request names: all of them if it names none, which is not the same as naming one that is ignored.
fn read_processes(names: Option<Vec<String>>) -> Result<Vec<Process>, Refusal> {
    let names = names.unwrap_or_default();
    if names.is_empty() {
        return Ok(Process::ALL.to_vec());
    }
    let known = names.iter().filter(|name| name.as_str() != IGNORED);
    known.map(|name| word("process", name, Process::parse)).collect()
}

fn suspend(
    region: &mut Region,
    call: &Call,
    input: model::SuspendProcessesInput,
) -> Result<model::SuspendProcessesOutput, Refusal> {
    let name = group_name(input.auto_scaling_group_name.as_deref());
    let processes = read_processes(input.scaling_processes)?;
    if processes.is_empty() {
        existing(region, Some(name.as_str()))?;
        return Ok(model::SuspendProcessesOutput {});
    }
    region.world.with_groups(call.now, |groups| groups.suspend_processes(call.now, &name, &processes))?;
    Ok(model::SuspendProcessesOutput {})
}

fn resume(
    region: &mut Region,
    call: &Call,
    input: model::ResumeProcessesInput,
) -> Result<model::ResumeProcessesOutput, Refusal> {
    let name = group_name(input.auto_scaling_group_name.as_deref());
    let processes = read_processes(input.scaling_processes)?;
    if processes.is_empty() {
        existing(region, Some(name.as_str()))?;
        return Ok(model::ResumeProcessesOutput {});
    }
    region.world.with_groups(call.now, |groups| groups.resume_processes(call.now, &name, &processes))?;
    Ok(model::ResumeProcessesOutput {})
}

fn process_types(
    _region: &Region,
    _input: model::DescribeScalingProcessTypesInput,
) -> Result<model::DescribeScalingProcessTypesOutput, Refusal> {
    let process = |process: &Process| model::ProcessType { process_name: Some(process.name().into()) };
    Ok(model::DescribeScalingProcessTypesOutput { processes: Some(Process::ALL.iter().map(process).collect()) })
}

fn enable_metrics(
    region: &mut Region,
    call: &Call,
    input: model::EnableMetricsCollectionInput,
) -> Result<model::EnableMetricsCollectionOutput, Refusal> {
    let name = group_name(input.auto_scaling_group_name.as_deref());
    if input.granularity.as_deref() != Some(show::GRANULARITY) {
        return Err(Refusal::validation("The only valid Granularity is 1Minute"));
    }
    let metrics = input.metrics.unwrap_or_default();
    region.world.with_groups(call.now, |groups| groups.enable_metrics(call.now, &name, &metrics))?;
    Ok(model::EnableMetricsCollectionOutput {})
}

fn disable_metrics(
    region: &mut Region,
    call: &Call,
    input: model::DisableMetricsCollectionInput,
) -> Result<model::DisableMetricsCollectionOutput, Refusal> {
    let name = group_name(input.auto_scaling_group_name.as_deref());
    let metrics = input.metrics.unwrap_or_default();
    region.world.with_groups(call.now, |groups| groups.disable_metrics(&name, &metrics))?;
    Ok(model::DisableMetricsCollectionOutput {})
}

fn metric_types(
    _region: &Region,
    _input: model::DescribeMetricCollectionTypesInput,
) -> Result<model::DescribeMetricCollectionTypesOutput, Refusal> {
    let metric = |name: &&str| model::MetricCollectionType { metric: Some((*name).into()) };
    let granularity = model::MetricGranularityType { granularity: Some(show::GRANULARITY.into()) };
    Ok(model::DescribeMetricCollectionTypesOutput {
        metrics: Some(GROUP_METRICS.iter().map(metric).collect()),
        granularities: Some(vec![granularity]),
    })
}

fn termination_policy_types(
    _region: &Region,
    _input: model::DescribeTerminationPolicyTypesInput,
) -> Result<model::DescribeTerminationPolicyTypesOutput, Refusal> {
    let types = TerminationPolicy::ALL.iter().map(|policy| policy.name().to_string()).collect();
    Ok(model::DescribeTerminationPolicyTypesOutput { termination_policy_types: Some(types) })
}
