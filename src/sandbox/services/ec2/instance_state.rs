//! Calls that change the state of instances: start, stop, reboot, terminate, and detailed monitoring.

use super::error::{refuse, required};
use super::instance::{check_ids, instance, missing, show_state};
use super::register::operation;
use crate::engine::Refusal;
use crate::engine::groups::Ec2State;
use crate::engine::groups::health::StateChange;
use crate::engine::names::InstanceId;
use crate::sandbox::models::ec2::{
    InstanceMonitoring, InstanceStateChange, MonitorInstancesInput, MonitorInstancesOutput, Monitoring,
    RebootInstancesInput, RebootInstancesOutput, StartInstancesInput, StartInstancesOutput, StopInstancesInput,
    StopInstancesOutput, TerminateInstancesInput, TerminateInstancesOutput, UnmonitorInstancesInput,
    UnmonitorInstancesOutput,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// The instances that a call names, each once.
///
/// # Errors
/// EC2's for none, for malformed ids, and for all unknown ones together.
fn named(region: &Region, ids: Option<Vec<String>>) -> Result<Vec<InstanceId>, Refusal> {
    check_ids(&ids)?;
    let wanted = required(ids.filter(|ids| !ids.is_empty()), "InstanceId")?;
    let unknown: Vec<&str> = wanted.iter().map(String::as_str).filter(|id| instance(region, id).is_err()).collect();
    if !unknown.is_empty() {
        return Err(missing(&unknown));
    }
    let mut once: Vec<InstanceId> = Vec::new();
    for id in wanted {
        let id = InstanceId(id);
        if !once.contains(&id) {
            once.push(id);
        }
    }
    Ok(once)
}

/// Refuses instances that are protected by the attribute `disableApiStop` or `disableApiTermination`.
fn check_unprotected(region: &Region, ids: &[InstanceId], attribute: &str, done: &str) -> Result<(), Refusal> {
    let member = format!("D{}", &attribute[1..]);
    for id in ids {
        if instance(region, id.as_str())?.launch_data[&member] == true {
            let message = format!(
                "The instance '{id}' may not be {done}. Modify its '{attribute}' instance attribute and try again."
            );
            return Err(refuse("OperationNotPermitted", message));
        }
    }
    Ok(())
}

fn show_changes(changes: Vec<StateChange>) -> Option<Vec<InstanceStateChange>> {
    let shown = changes.into_iter().map(|(id, previous, current)| InstanceStateChange {
        instance_id: Some(id.0),
        current_state: Some(show_state(current)),
        previous_state: Some(show_state(previous)),
    });
    Some(shown.collect())
}

fn terminate(
    region: &mut Region,
    call: &Call,
    input: TerminateInstancesInput,
) -> Result<TerminateInstancesOutput, Refusal> {
    let ids = named(region, input.instance_ids)?;
    check_unprotected(region, &ids, "disableApiTermination", "terminated")?;
    let changes = region.world.with_groups(call.now, |groups| groups.terminate_instances(call.now, &ids))?;
    Ok(TerminateInstancesOutput { terminating_instances: show_changes(changes) })
}

fn stop(region: &mut Region, call: &Call, input: StopInstancesInput) -> Result<StopInstancesOutput, Refusal> {
    let ids = named(region, input.instance_ids)?;
    check_unprotected(region, &ids, "disableApiStop", "stopped")?;
    let changes = region.world.with_groups(call.now, |groups| groups.stop_instances(call.now, &ids))?;
    Ok(StopInstancesOutput { stopping_instances: show_changes(changes) })
}

fn start(region: &mut Region, call: &Call, input: StartInstancesInput) -> Result<StartInstancesOutput, Refusal> {
    let ids = named(region, input.instance_ids)?;
    let changes = region.world.with_groups(call.now, |groups| groups.start_instances(call.now, &ids))?;
    Ok(StartInstancesOutput { starting_instances: show_changes(changes) })
}

/// A reboot is over within seconds and shows in no state.
fn reboot(region: &mut Region, _: &Call, input: RebootInstancesInput) -> Result<RebootInstancesOutput, Refusal> {
    for id in named(region, input.instance_ids)? {
        let state = instance(region, id.as_str())?.state;
        if !matches!(state, Ec2State::Pending | Ec2State::Running) {
            let message = format!("The instance '{id}' is not in a state from which it can be rebooted.");
            return Err(refuse("IncorrectInstanceState", message));
        }
    }
    Ok(RebootInstancesOutput::default())
}

fn set_monitoring(
    region: &mut Region,
    ids: Option<Vec<String>>,
    detailed: bool,
) -> Result<Option<Vec<InstanceMonitoring>>, Refusal> {
    let ids = named(region, ids)?;
    for id in &ids {
        if instance(region, id.as_str())?.state == Ec2State::Terminated {
            let message = format!("The instance '{id}' is not in a valid state for this operation.");
            return Err(refuse("IncorrectState", message));
        }
    }
    let word = if detailed { "pending" } else { "disabling" };
    let shown = ids.into_iter().map(|id| {
        if let Some(instance) = region.world.groups.instance_mut(&id) {
            instance.detailed_monitoring = detailed;
        }
        InstanceMonitoring { instance_id: Some(id.0), monitoring: Some(Monitoring { state: Some(word.into()) }) }
    });
    Ok(Some(shown.collect()))
}

fn monitor(region: &mut Region, _: &Call, input: MonitorInstancesInput) -> Result<MonitorInstancesOutput, Refusal> {
    Ok(MonitorInstancesOutput { instance_monitorings: set_monitoring(region, input.instance_ids, true)? })
}

fn unmonitor(
    region: &mut Region,
    _: &Call,
    input: UnmonitorInstancesInput,
) -> Result<UnmonitorInstancesOutput, Refusal> {
    Ok(UnmonitorInstancesOutput { instance_monitorings: set_monitoring(region, input.instance_ids, false)? })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, terminate, TerminateInstancesInput "TerminateInstances":
        "Terminates instances; their groups replace them.",
        takes InstanceIds
    );
    operation!(operations, stop, StopInstancesInput "StopInstances":
        "Stops instances; their groups replace them.",
        takes InstanceIds Force
    );
    operation!(operations, start, StartInstancesInput "StartInstances":
        "Starts stopped instances.",
        takes InstanceIds
    );
    operation!(operations, reboot, RebootInstancesInput "RebootInstances":
        "Reboots instances, which shows in no state.",
        takes InstanceIds
    );
    operation!(operations, monitor, MonitorInstancesInput "MonitorInstances":
        "Turns detailed monitoring on.",
        takes InstanceIds
    );
    operation!(operations, unmonitor, UnmonitorInstancesInput "UnmonitorInstances":
        "Turns detailed monitoring off.",
        takes InstanceIds
    );
}
