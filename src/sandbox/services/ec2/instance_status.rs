//! Status checks and CPU credits of instances.

use std::time::Duration;

use super::error::{invalid_value, missing_ids, refuse, required};
use super::instance::{check_ids, instance, missing, show_state};
use super::register::{ask, operation};
use super::select::{Kind, one};
use super::zone::zone_id;
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::groups::{Ec2State, Instance};
use crate::engine::names::InstanceId;
use crate::sandbox::models::ec2::{
    DescribeInstanceCreditSpecificationsInput, DescribeInstanceCreditSpecificationsOutput, DescribeInstanceStatusInput,
    DescribeInstanceStatusOutput, EbsStatusDetails, EbsStatusSummary, InstanceCreditSpecification,
    InstanceCreditSpecificationRequest, InstanceStatus, InstanceStatusDetails, InstanceStatusSummary,
    ModifyInstanceCreditSpecificationInput, ModifyInstanceCreditSpecificationOutput,
    SuccessfulInstanceCreditSpecificationItem, UnsuccessfulInstanceCreditSpecificationItem,
    UnsuccessfulInstanceCreditSpecificationItemError,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// From `running` until both checks have passed. Ours: AWS checks every minute, and new instances pass after two to
/// three.
const CHECKS_TAKE: Duration = Duration::from_secs(120);

/// What the checks say now. An instance that ran in the moment of its launch, as in a sandbox whose instances take no
/// time, passes at once.
fn check_result(instance: &Instance, now: Timestamp) -> &'static str {
    let at_once = instance.state_changed_at == instance.launched_at;
    match instance.state {
        Ec2State::Running if at_once || now.since(instance.state_changed_at) >= CHECKS_TAKE => "ok",
        Ec2State::Pending | Ec2State::Running => "initializing",
        _ => "not-applicable",
    }
}

fn show(region: &Region, instance: &Instance, now: Timestamp) -> InstanceStatus {
    let result = check_result(instance, now);
    let detail = || match result {
        "ok" => Some("passed".to_string()),
        "initializing" => Some("initializing".to_string()),
        _ => None,
    };
    let reachability = || {
        detail().map(|status| {
            vec![InstanceStatusDetails {
                name: Some("reachability".into()),
                status: Some(status),
                ..Default::default()
            }]
        })
    };
    let summary = || Some(InstanceStatusSummary { details: reachability(), status: Some(result.into()) });
    let volumes = detail().map(|status| {
        vec![EbsStatusDetails { name: Some("reachability".into()), status: Some(status), ..Default::default() }]
    });
    InstanceStatus {
        availability_zone: Some(instance.placement.zone.to_string()),
        availability_zone_id: zone_id(&region.world.place.region, &instance.placement.zone),
        instance_id: Some(instance.id.to_string()),
        instance_state: Some(show_state(instance.state)),
        instance_status: summary(),
        system_status: summary(),
        attached_ebs_status: Some(EbsStatusSummary { details: volumes, status: Some(result.into()) }),
        ..Default::default()
    }
}

macro_rules! inner {
    ($status:ident.$part:ident.$member:ident) => {
        $status.$part.iter().flat_map(|part| one(&part.$member)).collect()
    };
}

macro_rules! reachability {
    ($status:ident.$part:ident) => {{
        let details = $status.$part.iter().flat_map(|summary| summary.details.iter().flatten());
        details.flat_map(|detail| one(&detail.status)).collect()
    }};
}

const STATUSES: Kind<InstanceStatus> = Kind {
    id: |status| &status.instance_id,
    id_parameter: "instanceIdSet",
    missing,
    tags: |_| &None,
    filters: &[
        ("attached-ebs-status.status", |s| inner!(s.attached_ebs_status.status)),
        ("availability-zone", |s| one(&s.availability_zone)),
        ("availability-zone-id", |s| one(&s.availability_zone_id)),
        ("event.code", |_| Vec::new()),
        ("instance-state-code", |s| inner!(s.instance_state.code)),
        ("instance-state-name", |s| inner!(s.instance_state.name)),
        ("instance-status.reachability", |s| reachability!(s.instance_status)),
        ("instance-status.status", |s| inner!(s.instance_status.status)),
        ("system-status.reachability", |s| reachability!(s.system_status)),
        ("system-status.status", |s| inner!(s.system_status.status)),
    ],
};

fn describe(
    region: &mut Region,
    call: &Call,
    input: DescribeInstanceStatusInput,
) -> Result<DescribeInstanceStatusOutput, Refusal> {
    check_ids(&input.instance_ids)?;
    let groups = &region.world.groups;
    let all: Vec<InstanceStatus> = groups.instances().map(|instance| show(region, instance, call.now)).collect();
    let everything = input.include_all_instances == Some(true);
    let running = Ec2State::Running.name();
    // An instance that is named but does not run is left out, not missed.
    let known =
        STATUSES.select(all, super::select::Ask { ids: input.instance_ids.clone(), ..Default::default() })?.items;
    let is_running = |status: &InstanceStatus| {
        status.instance_state.as_ref().and_then(|state| state.name.as_deref()) == Some(running)
    };
    let shown = known.into_iter().filter(|status| everything || is_running(status)).collect();
    let (instance_statuses, next_token) = STATUSES.select(shown, ask!(input))?.set();
    Ok(DescribeInstanceStatusOutput { instance_statuses, next_token })
}

const CREDITS: Kind<InstanceCreditSpecification> = Kind {
    id: |credits| &credits.instance_id,
    id_parameter: "instanceId",
    missing: |ids| missing_ids("InvalidInstanceID.NotFound", "instance", ids),
    tags: |_| &None,
    filters: &[("instance-id", |credits| one(&credits.instance_id))],
};

/// How an instance pays for credits, unless its launch data says otherwise: "T2: standard; T3, T3a, T4g: unlimited".
/// `None` for a type that has no credits.
fn cpu_credits(instance: &Instance) -> Option<&str> {
    let default = match instance.instance_type.split('.').next()? {
        "t2" => "standard",
        "t3" | "t3a" | "t4g" => "unlimited",
        _ => return None,
    };
    Some(instance.launch_data["CreditSpecification"]["CpuCredits"].as_str().unwrap_or(default))
}

fn describe_credits(
    region: &mut Region,
    _: &Call,
    input: DescribeInstanceCreditSpecificationsInput,
) -> Result<DescribeInstanceCreditSpecificationsOutput, Refusal> {
    check_ids(&input.instance_ids)?;
    let named = input.instance_ids.iter().flatten().count() > 0;
    let all = region.world.groups.instances().filter_map(|instance| {
        // "If you specify an instance ID that is not a burstable performance instance, Amazon EC2 returns the `standard`
        // credit option."
        let credits = cpu_credits(instance).unwrap_or("standard");
        // Without ids, the answer is those that were given unlimited credits.
        (named || credits == "unlimited").then(|| InstanceCreditSpecification {
            instance_id: Some(instance.id.to_string()),
            cpu_credits: Some(credits.to_string()),
        })
    });
    let page = CREDITS.select(all.collect(), ask!(input.instance_ids))?;
    let (instance_credit_specifications, next_token) = page.set();
    Ok(DescribeInstanceCreditSpecificationsOutput { instance_credit_specifications, next_token })
}

/// Why an instance cannot get these credits. Source: UnsuccessfulInstanceCreditSpecificationItemError, which lists the
/// codes.
fn check_credits(region: &Region, wanted: &InstanceCreditSpecificationRequest) -> Result<InstanceId, Refusal> {
    let id = wanted.instance_id.as_deref().unwrap_or_default();
    let kept = instance(region, id)?;
    if cpu_credits(kept).is_none() {
        let message = format!("The instance type {} does not support CPU credits.", kept.instance_type);
        return Err(refuse("InstanceCreditSpecification.NotSupported", message));
    }
    if matches!(kept.state, Ec2State::ShuttingDown | Ec2State::Terminated) {
        let message = format!("The instance '{id}' is not in a valid state for this operation.");
        return Err(refuse("IncorrectInstanceState", message));
    }
    Ok(kept.id.clone())
}

fn modify_credits(
    region: &mut Region,
    _: &Call,
    input: ModifyInstanceCreditSpecificationInput,
) -> Result<ModifyInstanceCreditSpecificationOutput, Refusal> {
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for wanted in input.instance_credit_specifications.unwrap_or_default() {
        let credits = required(wanted.cpu_credits.clone(), "cpuCredits")?;
        if !matches!(credits.as_str(), "standard" | "unlimited") {
            return Err(invalid_value(credits, "cpuCredits", "Expecting standard or unlimited."));
        }
        let instance_id = wanted.instance_id.clone();
        match check_credits(region, &wanted) {
            Ok(id) => {
                if let Some(kept) = region.world.groups.instance_mut(&id) {
                    kept.launch_data["CreditSpecification"]["CpuCredits"] = credits.into();
                }
                done.push(SuccessfulInstanceCreditSpecificationItem { instance_id });
            }
            Err(refusal) => failed.push(UnsuccessfulInstanceCreditSpecificationItem {
                instance_id,
                error: Some(UnsuccessfulInstanceCreditSpecificationItemError {
                    code: Some(refusal.code),
                    message: Some(refusal.message),
                }),
            }),
        }
    }
    Ok(ModifyInstanceCreditSpecificationOutput {
        successful_instance_credit_specifications: Some(done),
        unsuccessful_instance_credit_specifications: Some(failed),
    })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, describe, DescribeInstanceStatusInput "DescribeInstanceStatus":
        "Shows status checks, which pass two minutes after the start.",
        takes InstanceIds IncludeAllInstances Filters MaxResults NextToken
    );
    operation!(
        operations, describe_credits,
        DescribeInstanceCreditSpecificationsInput "DescribeInstanceCreditSpecifications":
        "Shows how burstable instances pay for credits.",
        takes InstanceIds Filters MaxResults NextToken
    );
    operation!(operations, modify_credits, ModifyInstanceCreditSpecificationInput "ModifyInstanceCreditSpecification":
        "Changes how burstable instances pay for credits.",
        takes ClientToken InstanceCreditSpecifications
    );
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::engine::groups::Timing;
    use crate::sandbox::services::ec2::testing::{call, launched, region};
    use crate::sandbox::universe::Universe;

    /// Launches an instance of a type, asks for credits and returns what it has then, or the code of the refusal.
    fn check(instance_type: &str, credits: &str, expected: &str) {
        let mut universe = Universe::new("123456789012", 1, Timing::Instant);
        let mut call = |operation: &str, input: Value| {
            universe.call(Timestamp::from_secs(1_800_000_000), "eu-west-1", "ec2", operation, input).unwrap()
        };
        let image = json!({"ImageId": "ami-12c6146b", "MinCount": 1, "MaxCount": 1, "InstanceType": instance_type});
        let id = call("RunInstances", image)["Instances"][0]["InstanceId"].clone();
        let wanted = json!({"InstanceCreditSpecifications": [{"InstanceId": id, "CpuCredits": credits}]});
        let answer = call("ModifyInstanceCreditSpecification", wanted);
        let failed = &answer["UnsuccessfulInstanceCreditSpecifications"];
        let found = match failed[0]["Error"]["Code"].as_str() {
            Some(code) => code.to_string(),
            None => {
                let shown = call("DescribeInstanceCreditSpecifications", json!({"InstanceIds": [id]}));
                shown["InstanceCreditSpecifications"][0]["CpuCredits"].as_str().unwrap().to_string()
            }
        };
        assert_eq!(found, expected, "{credits} for {instance_type}");
    }

    #[test]
    fn credits_of_burstable_instances_change_and_others_have_none() {
        check("t2.micro", "unlimited", "unlimited");
        check("t3.micro", "standard", "standard");
        check("m5.large", "unlimited", "InstanceCreditSpecification.NotSupported");
    }

    #[test]
    fn instances_of_any_type_have_a_credit_option_where_they_are_named() {
        for (kind, asked, expected) in [
            ("t2.micro", json!({}), "standard"),
            ("t3.micro", json!({}), "unlimited"),
            ("t3.micro", json!({"CreditSpecification": {"CpuCredits": "standard"}}), "standard"),
            ("m5.large", json!({}), "standard"),
        ] {
            let mut region = region();
            let mut data = asked;
            data["InstanceType"] = kind.into();
            let id = launched(&mut region, data).to_string();
            let mut told = |ids: Option<Vec<String>>| -> Vec<String> {
                let input = DescribeInstanceCreditSpecificationsInput { instance_ids: ids, ..Default::default() };
                let answer = describe_credits(&mut region, &call(), input).unwrap();
                answer.instance_credit_specifications.into_iter().flatten().filter_map(|one| one.cpu_credits).collect()
            };
            assert_eq!(told(Some(vec![id])), [expected], "{kind}");
            assert_eq!(told(None).len(), usize::from(expected == "unlimited"), "{kind}, unnamed");
        }
    }
}
