//! Launch configurations. The engine keeps them in the words of launch templates, which say the same more widely.

use serde_json::{Map, Value, json};

use super::{PageRequest, model, wants};
use crate::engine::Refusal;
use crate::engine::groups::{Ec2State, Instance, LaunchConfiguration};
use crate::engine::names::{InstanceId, SubnetId};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

const CONFIGURATIONS_PER_PAGE: usize = 50;

pub fn register(operations: &mut Operations) {
    operations.on(
        "CreateLaunchConfiguration",
        "Creates a launch configuration.",
        &[
            "LaunchConfigurationName",
            "ImageId",
            "KeyName",
            "SecurityGroups",
            "UserData",
            "InstanceType",
            "BlockDeviceMappings",
            "InstanceMonitoring",
            "IamInstanceProfile",
            "EbsOptimized",
            "AssociatePublicIpAddress",
            "MetadataOptions",
            "InstanceId",
            "SpotPrice",
        ],
        create,
    );
    operations.view(
        "DescribeLaunchConfigurations",
        "Lists launch configurations.",
        &["LaunchConfigurationNames", "NextToken", "MaxRecords"],
        describe,
    );
    operations.on(
        "DeleteLaunchConfiguration",
        "Deletes a launch configuration that no group uses.",
        &["LaunchConfigurationName"],
        delete,
    );
}

fn create(
    region: &mut Region,
    call: &Call,
    input: model::CreateLaunchConfigurationInput,
) -> Result<model::CreateLaunchConfigurationOutput, Refusal> {
    let name = input.launch_configuration_name.clone().unwrap_or_default();
    let base = input.instance_id.as_deref().map(|id| like_instance(region, id)).transpose()?;
    for (member, given) in [("ImageId", &input.image_id), ("InstanceType", &input.instance_type)] {
        if given.is_none() && base.is_none() {
            return Err(Refusal::validation(format!("Valid requests must contain the {member} parameter.")));
        }
    }
    let is_price = |text: &String| text.parse::<f64>().is_ok_and(|price| price.is_finite() && price > 0.0);
    if input.spot_price.as_ref().is_some_and(|text| !is_price(text)) {
        return Err(Refusal::validation("SpotPrice must be a price in US dollars"));
    }
    let data = launch_data(input, base.unwrap_or_default());
    region.world.with_groups(call.now, |groups| groups.create_launch_configuration(call.now, &name, data))?;
    Ok(model::CreateLaunchConfigurationOutput {})
}

/// Makes the launch configuration of a group that is created from an instance, by the group's name. Returns the subnet of
/// the instance.
pub fn create_like(region: &mut Region, call: &Call, name: &str, instance: &str) -> Result<SubnetId, Refusal> {
    let base = like_instance(region, instance)?;
    let subnet = source_instance(region, instance)?.placement.subnet.clone();
    let data = launch_data(model::CreateLaunchConfigurationInput::default(), base);
    region.world.with_groups(call.now, |groups| groups.create_launch_configuration(call.now, name, data))?;
    Ok(subnet)
}

/// # Errors
/// `ValidationError` for an instance that is not there, or on its way out.
fn source_instance<'a>(region: &'a Region, id: &str) -> Result<&'a Instance, Refusal> {
    let found = region.world.groups.instance(&InstanceId::from(id));
    let found = found.filter(|it| !matches!(it.state, Ec2State::ShuttingDown | Ec2State::Terminated));
    found.ok_or_else(|| Refusal::validation(format!("Instance [{id}] is invalid.")))
}

/// What an instance hands down to a launch configuration: everything but its block devices.
///
/// Source: CreateLaunchConfiguration, `InstanceId`.
fn like_instance(region: &Region, id: &str) -> Result<Map<String, Value>, Refusal> {
    let instance = source_instance(region, id)?;
    let own = [
        ("ImageId", json!(instance.image_id)),
        ("InstanceType", json!(instance.instance_type)),
        ("SecurityGroupIds", json!(instance.security_groups)),
        ("Monitoring", json!({ "Enabled": instance.detailed_monitoring })),
    ];
    let mut data: Map<String, Value> = own.into_iter().map(|(member, value)| (member.to_string(), value)).collect();
    data.extend(instance.key_name.as_ref().map(|name| ("KeyName".to_string(), json!(name))));
    for member in ["UserData", "IamInstanceProfile", "EbsOptimized", "MetadataOptions"] {
        data.extend(instance.launch_data.get(member).map(|value| (member.to_string(), value.clone())));
    }
    Ok(data)
}

/// The request in the words of launch templates, where it says something that `base` does not.
fn launch_data(input: model::CreateLaunchConfigurationInput, base: Map<String, Value>) -> Value {
    let mut data = base;
    data.entry("SecurityGroupIds").or_insert_with(|| json!([]));
    // Detailed monitoring is on unless the caller turns it off. Source: CreateLaunchConfiguration.
    data.entry("Monitoring").or_insert_with(|| json!({ "Enabled": true }));
    let mut put = |key: &str, value: Value| {
        if !value.is_null() {
            data.insert(key.to_string(), value);
        }
    };
    put("ImageId", json!(input.image_id));
    put("InstanceType", json!(input.instance_type));
    put("KeyName", json!(input.key_name));
    put("SecurityGroupIds", json!(input.security_groups));
    put("UserData", json!(input.user_data));
    let monitoring = input.instance_monitoring.and_then(|monitoring| monitoring.enabled);
    put("Monitoring", monitoring.map_or(Value::Null, |enabled| json!({ "Enabled": enabled })));
    let spot = |price: String| json!({ "MarketType": "spot", "SpotOptions": { "MaxPrice": price } });
    put("InstanceMarketOptions", input.spot_price.map_or(Value::Null, spot));
    put("IamInstanceProfile", input.iam_instance_profile.map_or(Value::Null, |name| json!({ "Name": name })));
    put("EbsOptimized", json!(input.ebs_optimized));
    if let Some(public) = input.associate_public_ip_address {
        put("NetworkInterfaces", json!([{ "DeviceIndex": 0, "AssociatePublicIpAddress": public }]));
    }
    if let Some(mappings) = input.block_device_mappings {
        put("BlockDeviceMappings", mappings.iter().map(device).collect());
    }
    if let Some(options) = input.metadata_options {
        put(
            "MetadataOptions",
            json!({
                "HttpTokens": options.http_tokens,
                "HttpPutResponseHopLimit": options.http_put_response_hop_limit,
                "HttpEndpoint": options.http_endpoint,
            }),
        );
    }
    Value::Object(data)
}

fn device(mapping: &model::BlockDeviceMapping) -> Value {
    let ebs = mapping.ebs.as_ref().map(|ebs| {
        json!({
            "SnapshotId": ebs.snapshot_id,
            "VolumeSize": ebs.volume_size,
            "VolumeType": ebs.volume_type,
            "DeleteOnTermination": ebs.delete_on_termination,
            "Iops": ebs.iops,
            "Encrypted": ebs.encrypted,
            "Throughput": ebs.throughput,
        })
    });
    json!({
        "DeviceName": mapping.device_name,
        "VirtualName": mapping.virtual_name,
        "NoDevice": mapping.no_device,
        "Ebs": ebs,
    })
}

fn describe(
    region: &Region,
    input: model::DescribeLaunchConfigurationsInput,
) -> Result<model::DescribeLaunchConfigurationsOutput, Refusal> {
    let page = PageRequest::new(input.next_token.as_deref(), input.max_records, CONFIGURATIONS_PER_PAGE)?;
    let names = input.launch_configuration_names.as_deref();
    let wanted = region.world.groups.launch_configurations().filter(|configuration| wants(names, &configuration.name));
    let (found, next_token) = page.cut(wanted.map(show));
    Ok(model::DescribeLaunchConfigurationsOutput { launch_configurations: Some(found), next_token })
}

fn show(configuration: &LaunchConfiguration) -> model::LaunchConfiguration {
    let data = &configuration.launch_data;
    // AWS shows texts that were never given as empty.
    let text = |key: &str| Some(data[key].as_str().unwrap_or_default().to_string());
    let options = &data["MetadataOptions"];
    model::LaunchConfiguration {
        launch_configuration_name: Some(configuration.name.clone()),
        launch_configuration_arn: Some(configuration.arn.clone()),
        image_id: text("ImageId"),
        key_name: text("KeyName"),
        security_groups: Some(strings(&data["SecurityGroupIds"])),
        classic_link_vpc_security_groups: Some(Vec::new()),
        user_data: text("UserData"),
        instance_type: text("InstanceType"),
        kernel_id: Some(String::new()),
        ramdisk_id: Some(String::new()),
        block_device_mappings: Some(array(&data["BlockDeviceMappings"]).map(show_device).collect()),
        instance_monitoring: Some(model::InstanceMonitoring { enabled: data["Monitoring"]["Enabled"].as_bool() }),
        iam_instance_profile: data["IamInstanceProfile"]["Name"].as_str().map(str::to_string),
        spot_price: data["InstanceMarketOptions"]["SpotOptions"]["MaxPrice"].as_str().map(str::to_string),
        created_time: Some(configuration.created_at),
        ebs_optimized: Some(data["EbsOptimized"].as_bool().unwrap_or_default()),
        associate_public_ip_address: data["NetworkInterfaces"][0]["AssociatePublicIpAddress"].as_bool(),
        metadata_options: options.is_object().then(|| model::InstanceMetadataOptions {
            http_tokens: options["HttpTokens"].as_str().map(str::to_string),
            http_put_response_hop_limit: options["HttpPutResponseHopLimit"].as_i64(),
            http_endpoint: options["HttpEndpoint"].as_str().map(str::to_string),
        }),
        ..Default::default()
    }
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn strings(value: &Value) -> Vec<String> {
    array(value).filter_map(|item| item.as_str().map(str::to_string)).collect()
}

fn show_device(mapping: &Value) -> model::BlockDeviceMapping {
    let text = |value: &Value| value.as_str().map(str::to_string);
    let ebs = &mapping["Ebs"];
    model::BlockDeviceMapping {
        device_name: text(&mapping["DeviceName"]),
        virtual_name: text(&mapping["VirtualName"]),
        no_device: mapping["NoDevice"].as_bool(),
        ebs: ebs.is_object().then(|| model::Ebs {
            snapshot_id: text(&ebs["SnapshotId"]),
            volume_size: ebs["VolumeSize"].as_i64(),
            volume_type: text(&ebs["VolumeType"]),
            delete_on_termination: ebs["DeleteOnTermination"].as_bool(),
            iops: ebs["Iops"].as_i64(),
            encrypted: ebs["Encrypted"].as_bool(),
            throughput: ebs["Throughput"].as_i64(),
        }),
    }
}

fn delete(
    region: &mut Region,
    call: &Call,
    input: model::DeleteLaunchConfigurationInput,
) -> Result<model::DeleteLaunchConfigurationOutput, Refusal> {
    let name = input.launch_configuration_name.unwrap_or_default();
    region.world.with_groups(call.now, |groups| groups.delete_launch_configuration(&name))?;
    Ok(model::DeleteLaunchConfigurationOutput {})
}
