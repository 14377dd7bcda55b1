//! Attributes of instances: shown one at a time, changed one at a time. Start at [`Change`].

use super::error::{combination, invalid_value, refuse, required};
use super::instance::{auto_recovery, check_id, instance, show, source_dest_check};
use super::register::operation;
use super::volume_attachment::set_delete_on_termination;
use crate::engine::Refusal;
use crate::engine::groups::{Ec2State, Instance};
use crate::engine::names::InstanceId;
use crate::sandbox::models::ec2::{
    AttributeBooleanValue, AttributeValue, DescribeInstanceAttributeInput, DescribeInstanceAttributeOutput,
    InstanceBlockDeviceMappingSpecification, ModifyInstanceAttributeInput, ModifyInstanceAttributeOutput,
    ModifyInstanceMaintenanceOptionsInput, ModifyInstanceMaintenanceOptionsOutput, ModifyInstanceMetadataOptionsInput,
    ModifyInstanceMetadataOptionsOutput,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

fn describe(
    region: &mut Region,
    _: &Call,
    input: DescribeInstanceAttributeInput,
) -> Result<DescribeInstanceAttributeOutput, Refusal> {
    let id = required(input.instance_id, "instanceId")?;
    let kept = instance(region, &id)?;
    let shown = show(region, kept);
    let text = |value: Option<String>| Some(AttributeValue { value });
    let flag = |value: bool| Some(AttributeBooleanValue { value: Some(value) });
    let data = &kept.launch_data;
    let given = |key: &str| data[key].as_str().map(str::to_string);
    let switch = |key: &str| data[key].as_bool().unwrap_or(false);
    let mut output = DescribeInstanceAttributeOutput { instance_id: Some(id), ..Default::default() };
    match required(input.attribute, "attribute")?.as_str() {
        "instanceType" => output.instance_type = text(shown.instance_type),
        "kernel" => output.kernel_id = text(None),
        "ramdisk" => output.ramdisk_id = text(None),
        // Terraform's launch templates send an empty text for none.
        "userData" => output.user_data = text(given("UserData").filter(|data| !data.is_empty())),
        "disableApiTermination" => output.disable_api_termination = flag(switch("DisableApiTermination")),
        "disableApiStop" => output.disable_api_stop = flag(switch("DisableApiStop")),
        "instanceInitiatedShutdownBehavior" => {
            let behavior = given("InstanceInitiatedShutdownBehavior").unwrap_or_else(|| "stop".into());
            output.instance_initiated_shutdown_behavior = text(Some(behavior));
        }
        "rootDeviceName" => output.root_device_name = text(shown.root_device_name),
        "blockDeviceMapping" => output.block_device_mappings = shown.block_device_mappings,
        "productCodes" => output.product_codes = Some(Vec::new()),
        "sourceDestCheck" => output.source_dest_check = flag(source_dest_check(kept)),
        "groupSet" => output.groups = shown.security_groups,
        "ebsOptimized" => output.ebs_optimized = flag(switch("EbsOptimized")),
        "sriovNetSupport" => output.sriov_net_support = text(Some("simple".into())),
        "enaSupport" => output.ena_support = flag(true),
        "enclaveOptions" => output.enclave_options = shown.enclave_options,
        other => return Err(invalid_value(other, "attribute", "Unknown attribute.")),
    }
    Ok(output)
}

/// One change to an instance.
enum Change {
    InstanceType(String),
    SecurityGroups(Vec<String>),
    /// A member of the launch data: its name in the launch template API, its value, whether the instance must be stopped.
    LaunchData(&'static str, serde_json::Value, bool),
    BlockDevices(Vec<InstanceBlockDeviceMappingSpecification>),
}

/// The changes that a call asks for, in either of its two forms: a member of its own, or `Attribute` with `Value`.
fn changes(input: ModifyInstanceAttributeInput) -> Result<Vec<Change>, Refusal> {
    let mut changes = Vec::new();
    let flag = |value: Option<AttributeBooleanValue>| value.and_then(|value| value.value);
    let text = |value: Option<AttributeValue>| value.and_then(|value| value.value);
    let switches = [
        ("DisableApiTermination", flag(input.disable_api_termination), false),
        ("DisableApiStop", flag(input.disable_api_stop), false),
        ("SourceDestCheck", flag(input.source_dest_check), false),
        ("EbsOptimized", flag(input.ebs_optimized), true),
    ];
    changes.extend(
        switches
            .into_iter()
            .filter_map(|(name, value, stopped)| Some(Change::LaunchData(name, value?.into(), stopped))),
    );
    let behavior = text(input.instance_initiated_shutdown_behavior);
    changes.extend(behavior.map(|value| Change::LaunchData("InstanceInitiatedShutdownBehavior", value.into(), false)));
    changes.extend(text(input.instance_type).map(Change::InstanceType));
    if let Some(user_data) = input.user_data.and_then(|value| value.value) {
        let encoded = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, user_data);
        changes.push(Change::LaunchData("UserData", encoded.into(), true));
    }
    changes.extend(input.groups.filter(|groups| !groups.is_empty()).map(Change::SecurityGroups));
    changes.extend(input.block_device_mappings.filter(|list| !list.is_empty()).map(Change::BlockDevices));
    if let Some(attribute) = input.attribute.filter(|_| input.value.is_some()) {
        changes.push(named_change(&attribute, input.value.unwrap_or_default())?);
    }
    Ok(changes)
}

fn named_change(attribute: &str, value: String) -> Result<Change, Refusal> {
    let switch = || match value.as_str() {
        "true" => Ok(true.into()),
        "false" => Ok(false.into()),
        other => Err(invalid_value(other, attribute, "Expecting true or false.")),
    };
    Ok(match attribute {
        "instanceType" => Change::InstanceType(value),
        "userData" => Change::LaunchData("UserData", value.into(), true),
        "disableApiTermination" => Change::LaunchData("DisableApiTermination", switch()?, false),
        "disableApiStop" => Change::LaunchData("DisableApiStop", switch()?, false),
        "sourceDestCheck" => Change::LaunchData("SourceDestCheck", switch()?, false),
        "ebsOptimized" => Change::LaunchData("EbsOptimized", switch()?, true),
        "instanceInitiatedShutdownBehavior" => {
            Change::LaunchData("InstanceInitiatedShutdownBehavior", value.into(), false)
        }
        other => {
            let text = format!("The attribute {other} is not reproduced by scaleproof's sandbox");
            return Err(refuse("UnsupportedOperation", text));
        }
    })
}

fn check_stopped(instance: &Instance) -> Result<(), Refusal> {
    match instance.state {
        Ec2State::Stopped => Ok(()),
        _ => {
            let message = format!("The instance '{}' is not in the 'stopped' state.", instance.id);
            Err(refuse("IncorrectInstanceState", message))
        }
    }
}

fn check(region: &Region, instance: &Instance, change: &Change) -> Result<(), Refusal> {
    match change {
        Change::InstanceType(name) => {
            check_stopped(instance)?;
            super::run_instances::check_type_name(name)
        }
        Change::LaunchData(_, _, true) => check_stopped(instance),
        Change::LaunchData("InstanceInitiatedShutdownBehavior", value, _)
            if value != "stop" && value != "terminate" =>
        {
            Err(invalid_value(value.as_str().unwrap_or_default(), "instanceInitiatedShutdownBehavior", ""))
        }
        Change::LaunchData(..) | Change::BlockDevices(_) => Ok(()),
        Change::SecurityGroups(ids) => {
            for id in ids {
                if region.ec2.security_group(id)?.vpc.as_str() != instance.placement.vpc {
                    let message = format!("You have specified two resources that belong to different networks: {id}");
                    return Err(refuse("InvalidParameterValue", message));
                }
            }
            Ok(())
        }
    }
}

fn make(instance: &mut Instance, change: Change) {
    match change {
        Change::InstanceType(name) => instance.instance_type = name,
        Change::SecurityGroups(ids) => instance.security_groups = ids,
        Change::LaunchData(name, value, _) => instance.launch_data[name] = value,
        Change::BlockDevices(_) => {}
    }
}

/// The only thing about a mapping that changes later: whether its volume goes with the instance.
fn keep_devices(region: &mut Region, id: &InstanceId, mappings: &[InstanceBlockDeviceMappingSpecification]) {
    for mapping in mappings {
        let deletes = mapping.ebs.as_ref().and_then(|ebs| ebs.delete_on_termination);
        if let (Some(device), Some(deletes)) = (&mapping.device_name, deletes) {
            set_delete_on_termination(region, id, device, deletes);
        }
    }
}

fn modify(
    region: &mut Region,
    _: &Call,
    input: ModifyInstanceAttributeInput,
) -> Result<ModifyInstanceAttributeOutput, Refusal> {
    let id = required(input.instance_id.clone(), "instanceId")?;
    let kept = instance(region, &id)?;
    let mut changes = changes(input)?;
    if changes.len() > 1 {
        return Err(combination("Fields for multiple attribute types specified"));
    }
    let Some(change) = changes.pop() else {
        return Err(combination("No attributes specified."));
    };
    check(region, kept, &change)?;
    if let Change::BlockDevices(mappings) = &change {
        keep_devices(region, &InstanceId(id.clone()), mappings);
    }
    if let Some(instance) = region.world.groups.instance_mut(&InstanceId(id)) {
        make(instance, change);
    }
    Ok(ModifyInstanceAttributeOutput::default())
}

fn modify_metadata_options(
    region: &mut Region,
    _: &Call,
    input: ModifyInstanceMetadataOptionsInput,
) -> Result<ModifyInstanceMetadataOptionsOutput, Refusal> {
    let id = required(input.instance_id, "instanceId")?;
    check_id(&id)?;
    let id = InstanceId(id);
    let Some(kept) = region.world.groups.instance_mut(&id) else {
        return Err(super::instance::missing(&[id.as_str()]));
    };
    let texts = [
        ("HttpTokens", input.http_tokens),
        ("HttpEndpoint", input.http_endpoint),
        ("HttpProtocolIpv6", input.http_protocol_ipv6),
        ("InstanceMetadataTags", input.instance_metadata_tags),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            kept.launch_data["MetadataOptions"][name] = value.into();
        }
    }
    if let Some(hops) = input.http_put_response_hop_limit {
        kept.launch_data["MetadataOptions"]["HttpPutResponseHopLimit"] = hops.into();
    }
    let shown = show(region, instance(region, id.as_str())?);
    Ok(ModifyInstanceMetadataOptionsOutput {
        instance_id: Some(id.0),
        instance_metadata_options: shown.metadata_options,
    })
}

fn modify_maintenance_options(
    region: &mut Region,
    _: &Call,
    input: ModifyInstanceMaintenanceOptionsInput,
) -> Result<ModifyInstanceMaintenanceOptionsOutput, Refusal> {
    let id = required(input.instance_id, "instanceId")?;
    check_id(&id)?;
    let id = InstanceId(id);
    let Some(kept) = region.world.groups.instance_mut(&id) else {
        return Err(super::instance::missing(&[id.as_str()]));
    };
    if let Some(recovery) = input.auto_recovery {
        kept.launch_data["MaintenanceOptions"]["AutoRecovery"] = recovery.into();
    }
    let auto_recovery = Some(auto_recovery(kept).to_string());
    Ok(ModifyInstanceMaintenanceOptionsOutput { instance_id: Some(id.0), auto_recovery, ..Default::default() })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, describe, DescribeInstanceAttributeInput "DescribeInstanceAttribute":
        "Shows one attribute of an instance.",
        takes InstanceId Attribute
    );
    operation!(operations, modify, ModifyInstanceAttributeInput "ModifyInstanceAttribute":
        "Changes one attribute of an instance.",
        takes InstanceId Attribute Value BlockDeviceMappings DisableApiStop DisableApiTermination EbsOptimized Groups
            InstanceInitiatedShutdownBehavior InstanceType SourceDestCheck UserData
    );
    operation!(
        operations, modify_metadata_options,
        ModifyInstanceMetadataOptionsInput "ModifyInstanceMetadataOptions":
        "Changes how an instance's metadata service answers.",
        takes InstanceId HttpTokens HttpPutResponseHopLimit HttpEndpoint HttpProtocolIpv6 InstanceMetadataTags
    );
    operation!(
        operations, modify_maintenance_options,
        ModifyInstanceMaintenanceOptionsInput "ModifyInstanceMaintenanceOptions":
        "Sets whether an instance is to recover by itself; nothing here fails that would make it.",
        takes InstanceId AutoRecovery
    );
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sandbox::services::ec2::testing::{call, launched, region};

    #[test]
    fn what_a_launch_asked_for_is_shown() {
        let mut region = region();
        let asked = json!({
            "InstanceType": "c5.4xlarge",
            "CpuOptions": {"CoreCount": 2, "ThreadsPerCore": 1},
            "MaintenanceOptions": {"AutoRecovery": "disabled"},
            "PrivateDnsNameOptions": {"HostnameType": "resource-name", "EnableResourceNameDnsARecord": true},
            "UserData": "",
        });
        let id = launched(&mut region, asked);
        let shown = show(&region, instance(&region, id.as_str()).unwrap());
        let cpu = shown.cpu_options.unwrap();
        assert_eq!((cpu.core_count, cpu.threads_per_core), (Some(2), Some(1)));
        assert_eq!(shown.maintenance_options.unwrap().auto_recovery.as_deref(), Some("disabled"));
        assert_eq!(shown.private_dns_name_options.unwrap().enable_resource_name_dns_a_record, Some(true));
        assert!(shown.private_dns_name.unwrap().starts_with(&format!("{id}.")));
        let asked = DescribeInstanceAttributeInput {
            instance_id: Some(id.to_string()),
            attribute: Some("userData".into()),
            ..Default::default()
        };
        assert_eq!(describe(&mut region, &call(), asked).unwrap().user_data.unwrap().value, None);
        let change = ModifyInstanceMaintenanceOptionsInput {
            instance_id: Some(id.to_string()),
            auto_recovery: Some("default".into()),
            ..Default::default()
        };
        modify_maintenance_options(&mut region, &call(), change).unwrap();
        assert_eq!(auto_recovery(instance(&region, id.as_str()).unwrap()), "default");
    }

    #[test]
    fn cores_are_those_of_the_type_unless_the_launch_says_otherwise() {
        for (asked, expected) in [
            (json!({"InstanceType": "c5.4xlarge"}), (8, 2)),
            (json!({"InstanceType": "m4.large", "CpuOptions": {"ThreadsPerCore": 1}}), (1, 1)),
            (json!({"InstanceType": "t2.micro"}), (1, 1)),
        ] {
            let mut region = region();
            let id = launched(&mut region, asked.clone());
            let cpu = show(&region, instance(&region, id.as_str()).unwrap()).cpu_options.unwrap();
            assert_eq!((cpu.core_count, cpu.threads_per_core), (Some(expected.0), Some(expected.1)), "{asked}");
        }
    }
}
