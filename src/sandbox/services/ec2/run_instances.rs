//! RunInstances: what a caller and a launch template say together, looked up and put into the engine's words.
//! Start at [`run`]. Left out, and refused by name: spot requests, capacity reservations, dedicated hosts, IPv6.

use std::net::Ipv4Addr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value as Json};

use super::error::{combination, invalid_value, missing_parameter, refuse, required};
use super::image;
use super::instance::show;
use super::instance_type::{instance_type, is_offered};
use super::launch_cards::Cards;
use super::launch_data::words;
use super::network_interface::interface;
use super::register::operation;
use super::tag::{Tags, new_tags};
use super::volume_attachment::{check_mapping, keep_volumes_of, keeps_a_volume, root_device_of_image};
use super::zone::zones;
use crate::engine::Refusal;
use crate::engine::groups::{Instance, Launch, Placement, TemplateRef, version_or_refuse};
use crate::engine::names::{InstanceId, SubnetId, Zone};
use crate::sandbox::models::ec2::{
    InstanceState, LaunchTemplateSpecification, Reservation, RunInstancesInput, TagSpecification,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// Members of the request that are no launch arguments: they choose, count or protect the call itself.
const NOT_LAUNCH_DATA: &[&str] = &[
    "ClientToken",
    "DryRun",
    "Ipv6AddressCount",
    "Ipv6Addresses",
    "LaunchTemplate",
    "MaxCount",
    "MinCount",
    "PrivateIpAddress",
    "SubnetId",
];

/// "User data is limited to 16 KB, in raw form, before it is base64-encoded."
const MOST_USER_DATA: usize = 16 * 1024;

/// What launches, and the tags that say which template it came from.
struct Arguments {
    data: Json,
    template_tags: Tags,
}

/// The launch arguments: the template's, with the request's own in their place.
fn arguments(region: &Region, input: &RunInstancesInput) -> Result<Arguments, Refusal> {
    let (mut data, template_tags) = match &input.launch_template {
        Some(wanted) => template(region, wanted)?,
        None => (Map::new(), Tags::new()),
    };
    if let Json::Object(own) = words(input.clone()) {
        data.extend(own.into_iter().filter(|(name, _)| !NOT_LAUNCH_DATA.contains(&name.as_str())));
    }
    Ok(Arguments { data: Json::Object(data), template_tags })
}

fn template(region: &Region, wanted: &LaunchTemplateSpecification) -> Result<(Map<String, Json>, Tags), Refusal> {
    let named = match (&wanted.launch_template_id, &wanted.launch_template_name) {
        (Some(id), None) => TemplateRef::Id(id),
        (None, Some(name)) => TemplateRef::Name(name),
        _ => {
            let text = "Either launchTemplateId or launchTemplateName must be specified, and not both";
            return Err(refuse("InvalidParameterCombination", text));
        }
    };
    let template = region.world.groups.launch_templates.get(named)?;
    let version = version_or_refuse(template, wanted.version.as_deref().unwrap_or("$Default"))?;
    let tags = [
        ("aws:ec2launchtemplate:id".to_string(), template.id.clone()),
        ("aws:ec2launchtemplate:version".to_string(), version.number.to_string()),
    ];
    Ok((version.data.as_object().cloned().unwrap_or_default(), Tags::from(tags)))
}

fn counts(input: &RunInstancesInput) -> Result<(u32, u32), Refusal> {
    let read = |value: Option<i64>, name: &str| {
        let value = required(value, name)?;
        let positive = u32::try_from(value).ok().filter(|count| *count > 0);
        positive.ok_or_else(|| invalid_value(value, name, "Minimum allowed value is 1."))
    };
    let (min, max) = (read(input.min_count, "minCount")?, read(input.max_count, "maxCount")?);
    if min > max {
        let message = format!("minCount ({min}) must be less than or equal to maxCount ({max})");
        return Err(refuse("InvalidParameterValue", message));
    }
    Ok((min, max))
}

fn check_image(region: &Region, data: &Json) -> Result<(), Refusal> {
    let id = data["ImageId"].as_str().ok_or_else(|| missing_parameter("ImageId"))?;
    image::known(region, id).map(|_| ())
}

fn check_type(data: &Json) -> Result<(), Refusal> {
    data["InstanceType"].as_str().map_or(Ok(()), check_type_name)
}

/// Types of AWS that the table here does not know are taken, what cannot be a type is not.
pub fn check_type_name(name: &str) -> Result<(), Refusal> {
    let of_type = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let plausible = name.split_once('.').is_some_and(|(family, size)| of_type(family) && of_type(size));
    match plausible || instance_type(name).is_some() {
        true => Ok(()),
        false => Err(refuse("InvalidParameterValue", format!("Invalid value '{name}' for InstanceType."))),
    }
}

fn check_key(region: &Region, data: &Json) -> Result<(), Refusal> {
    match data["KeyName"].as_str() {
        Some(name) if !region.ec2.has_key_pair(name) => {
            Err(refuse("InvalidKeyPair.NotFound", format!("The key pair '{name}' does not exist")))
        }
        _ => Ok(()),
    }
}

fn check_user_data(data: &Json) -> Result<(), Refusal> {
    let Some(text) = data["UserData"].as_str() else { return Ok(()) };
    let raw = BASE64_STANDARD
        .decode(text)
        .map_err(|_| refuse("InvalidParameterValue", "Invalid BASE64 encoding of user data."))?;
    if raw.len() > MOST_USER_DATA {
        return Err(refuse("InvalidParameterValue", "User data is limited to 16384 bytes"));
    }
    Ok(())
}

/// A mapping names what it maps: a volume of a size or a snapshot, a virtual device, or nothing.
fn check_block_devices(region: &Region, data: &Json) -> Result<(), Refusal> {
    let root = root_device_of_image(region, data["ImageId"].as_str().unwrap_or_default());
    for mapping in data["BlockDeviceMappings"].as_array().into_iter().flatten() {
        let ebs = &mapping["Ebs"];
        if ebs.is_null() && mapping["VirtualName"].is_null() && mapping["NoDevice"].is_null() {
            return Err(missing_parameter("ebs"));
        }
        let is_root = mapping["DeviceName"] == root;
        if !ebs.is_null() && !is_root && ebs["VolumeSize"].is_null() && ebs["SnapshotId"].is_null() {
            return Err(missing_parameter("size or snapshotId"));
        }
        check_mapping(region, ebs)?;
    }
    Ok(())
}

/// The resources that the call makes can have tags, each kind its own.
fn check_tags(specifications: &Option<Vec<TagSpecification>>) -> Result<(), Refusal> {
    for specification in specifications.iter().flatten() {
        let kind = specification.resource_type.as_deref().unwrap_or_default();
        if !["instance", "volume", "network-interface"].contains(&kind) {
            let message = format!("'{kind}' is not a valid taggable resource type for this operation.");
            return Err(refuse("InvalidParameterValue", message));
        }
        new_tags(Some(vec![specification.clone()]), kind)?;
    }
    Ok(())
}

/// The subnet that the request, its first interface or the template names.
fn named_subnet(region: &Region, input: &RunInstancesInput, data: &Json) -> Result<Option<String>, Refusal> {
    let first = &data["NetworkInterfaces"][0];
    let of_interface = match first["NetworkInterfaceId"].as_str() {
        Some(id) => Some(interface(region, id)?.subnet.to_string()),
        None => first["SubnetId"].as_str().map(str::to_string),
    };
    let own_interfaces = input.network_interfaces.as_ref().is_some_and(|interfaces| !interfaces.is_empty());
    if own_interfaces && input.subnet_id.is_some() {
        return Err(combination(
            "Network interfaces and an instance-level subnet ID may not be specified on the same request",
        ));
    }
    let groups = [&input.security_group_ids, &input.security_groups];
    if own_interfaces && groups.iter().any(|list| list.as_ref().is_some_and(|list| !list.is_empty())) {
        return Err(combination(
            "Network interfaces and an instance-level security groups may not be specified on the same request",
        ));
    }
    Ok(input.subnet_id.clone().or(of_interface))
}

/// Where the instances go: the named subnet, or a default subnet whose zone has the type.
fn place(region: &Region, subnet: Option<String>, data: &Json) -> Result<Placement, Refusal> {
    let ec2 = &region.ec2;
    // There are no Dedicated Hosts here.
    if let Some(host) = data["Placement"]["HostId"].as_str().filter(|host| !host.is_empty()) {
        let message = format!("The specified Dedicated Host ID '{host}' does not exist");
        return Err(refuse("InvalidHostID.NotFound", message));
    }
    // The provider sends an empty name where its configuration has none.
    let wanted_zone = data["Placement"]["AvailabilityZone"].as_str().filter(|zone| !zone.is_empty());
    let kind = data["InstanceType"].as_str().unwrap_or_default();
    let id = match subnet {
        Some(id) => {
            let zone = &ec2.subnet(&id)?.zone;
            if let Some(wanted) = wanted_zone.filter(|wanted| *wanted != zone.as_str()) {
                let why = format!("Subnet '{id}' is in the availability zone {zone}");
                return Err(invalid_value(wanted, "availabilityZone", &why));
            }
            SubnetId(id)
        }
        None => default_subnet(region, wanted_zone, kind)?,
    };
    let placement = ec2.placement(&id).ok_or_else(|| super::subnet::missing(&[id.as_str()]))?;
    check_offered(region, &placement.zone, kind)?;
    Ok(placement)
}

fn default_subnet(region: &Region, zone: Option<&str>, kind: &str) -> Result<SubnetId, Refusal> {
    let ec2 = &region.ec2;
    let name = &region.world.place.region;
    let all = zones(name);
    if let Some(zone) = zone
        && !all.iter().any(|known| known.name == zone)
    {
        let why = format!("Invalid availability zone: [{zone}]");
        return Err(refuse("InvalidParameterValue", why));
    }
    let Some(vpc) = ec2.default_vpc() else {
        let message = "No default VPC for this user. GroupName is only supported for EC2-Classic and default VPC.";
        return Err(refuse("VPCIdNotSpecified", message));
    };
    let mut candidates = all
        .iter()
        .filter(|known| zone.is_none_or(|zone| known.name == zone))
        .filter_map(|known| Some((is_offered(name, known, kind), ec2.default_subnet(&Zone(known.name.clone()))?)))
        .collect::<Vec<_>>();
    candidates.sort_by_key(|(offered, _)| !offered);
    candidates.into_iter().next().map(|(_, subnet)| subnet).ok_or_else(|| match zone {
        Some(zone) => refuse("InvalidInput", format!("No default subnet for availability zone: '{zone}'.")),
        None => {
            let message = format!("No subnets found for the default VPC '{vpc}'. Please specify a subnet.");
            refuse("MissingInput", message)
        }
    })
}

fn check_offered(region: &Region, zone: &Zone, kind: &str) -> Result<(), Refusal> {
    let name = &region.world.place.region;
    let all = zones(name);
    let offering: Vec<&str> =
        all.iter().filter(|known| is_offered(name, known, kind)).map(|known| known.name.as_str()).collect();
    if kind.is_empty() || offering.contains(&zone.as_str()) {
        return Ok(());
    }
    Err(refuse(
        "Unsupported",
        format!(
            "Your requested instance type ({kind}) is not supported in your requested Availability Zone ({zone}). Please \
             retry your request by not specifying an Availability Zone or choosing {}.",
            offering.join(", ")
        ),
    ))
}

/// The ids of the security groups, of which there is always at least one.
fn security_groups(region: &Region, data: &Json, vpc: &str, in_subnet: bool) -> Result<Vec<String>, Refusal> {
    let ec2 = &region.ec2;
    let list = |value: &Json| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|id| id.as_str().map(str::to_string)).collect()
    };
    let first = &data["NetworkInterfaces"][0];
    if let Some(id) = first["NetworkInterfaceId"].as_str() {
        return Ok(interface(region, id)?.groups);
    }
    let mut ids = list(&data["SecurityGroupIds"]);
    ids.extend(list(&first["Groups"]));
    let names = list(&data["SecurityGroups"]);
    if !names.is_empty() && in_subnet {
        return Err(combination("The parameter groupName cannot be used with the parameter subnet"));
    }
    for name in &names {
        ids.push(ec2.group_in_default_vpc(name)?.to_string());
    }
    for id in &ids {
        if ec2.security_group(id)?.vpc.as_str() != vpc {
            let message = format!("Security group {id} and subnet belong to different networks.");
            return Err(refuse("InvalidParameter", message));
        }
    }
    if ids.is_empty() {
        ids.extend(ec2.default_security_group(vpc));
    }
    Ok(ids)
}

/// The private address that the caller wants for the one instance.
fn private_ip(
    region: &Region,
    wanted: Option<&str>,
    at: &Placement,
    max: u32,
    cards: &Cards,
) -> Result<Option<Ipv4Addr>, Refusal> {
    let Some(text) = wanted else { return Ok(None) };
    if max > 1 {
        let message = "A private IP address cannot be specified when launching more than one instance";
        return Err(combination(message));
    }
    if cards.brings_first() {
        return Ok(text.parse().ok());
    }
    region.ec2.check_free_address(region, &at.subnet, text).map(Some)
}

fn reservation(region: &Region, ids: &[InstanceId]) -> Reservation {
    let instances: Vec<&Instance> = ids.iter().filter_map(|id| region.world.groups.instance(id)).collect();
    Reservation {
        reservation_id: instances.first().map(|first| first.reservation_id.clone()),
        owner_id: Some(region.world.place.account.clone()),
        groups: Some(Vec::new()),
        instances: Some(instances.into_iter().map(|instance| show(region, instance)).collect()),
        ..Default::default()
    }
}

/// The reservation that an earlier call with this token made, if it asked for the same.
fn made_before(region: &Region, token: &str, data: &Json) -> Result<Option<Reservation>, Refusal> {
    let same = region.world.groups.instances().filter(|instance| instance.client_token.as_deref() == Some(token));
    let (ids, all): (Vec<InstanceId>, Vec<&Instance>) = same.map(|instance| (instance.id.clone(), instance)).unzip();
    let Some(first) = all.first() else { return Ok(None) };
    let asked = ["ImageId", "InstanceType", "KeyName", "UserData"];
    if asked.iter().any(|member| first.launch_data[*member] != data[*member]) {
        let message =
            "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).";
        return Err(refuse("IdempotentParameterMismatch", message));
    }
    Ok(Some(reservation(region, &ids)))
}

fn run(region: &mut Region, call: &Call, input: RunInstancesInput) -> Result<Reservation, Refusal> {
    let (min_count, max_count) = counts(&input)?;
    let Arguments { mut data, template_tags } = arguments(region, &input)?;
    if let Some(token) = &input.client_token
        && let Some(made) = made_before(region, token, &data)?
    {
        return Ok(made);
    }
    check_image(region, &data)?;
    check_type(&data)?;
    check_user_data(&data)?;
    check_block_devices(region, &data)?;
    check_key(region, &data)?;
    check_tags(&input.tag_specifications)?;
    let subnet = named_subnet(region, &input, &data)?;
    let in_subnet = subnet.is_some();
    let placement = place(region, subnet, &data)?;
    let groups = security_groups(region, &data, &placement.vpc, in_subnet)?;
    let cards = Cards::read(region, &input, &data)?;
    let private_ip = private_ip(region, cards.primary.as_deref(), &placement, max_count, &cards)?;
    // One place for the groups, however they were given: an instance has them once.
    data["SecurityGroupIds"] = groups.into();
    if let Some(interface) = data.pointer_mut("/NetworkInterfaces/0").and_then(Json::as_object_mut) {
        interface.remove("Groups");
    }
    let client_token = input.client_token;
    let launch = Launch { data, placement, private_ip, min_count, max_count, client_token };
    let ids = region.world.with_groups(call.now, |groups| {
        let ids = groups.run_instances(call.now, &launch)?;
        for id in &ids {
            if let Some(instance) = groups.instance_mut(id) {
                instance.tags.extend(template_tags.clone());
            }
        }
        Ok::<_, Refusal>(ids)
    })?;
    cards.deal(region, call.now, &ids)?;
    for id in &ids {
        // A volume that outlives its instance cannot follow from it.
        if region.world.groups.instance(id).is_some_and(|instance| keeps_a_volume(region, instance)) {
            keep_volumes_of(region, id);
        }
    }
    let mut answer = reservation(region, &ids);
    for instance in answer.instances.iter_mut().flatten() {
        // The answer is about the moment of the launch, however fast machines boot here.
        instance.state = Some(InstanceState { code: Some(0), name: Some("pending".into()) });
    }
    Ok(answer)
}

pub fn register(operations: &mut Operations) {
    operation!(operations, run, RunInstancesInput "RunInstances":
        "Launches instances outside of groups, from arguments, a launch template, or both.",
        takes BlockDeviceMappings ClientToken CpuOptions Ipv6AddressCount Ipv6Addresses CreditSpecification DisableApiStop DisableApiTermination
            EbsOptimized EnclaveOptions HibernationOptions IamInstanceProfile ImageId InstanceInitiatedShutdownBehavior
            InstanceType KeyName LaunchTemplate MaintenanceOptions MaxCount MetadataOptions MinCount Monitoring
            NetworkInterfaces Placement PrivateDnsNameOptions PrivateIpAddress SecurityGroupIds SecurityGroups SubnetId
            TagSpecifications UserData
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::models::ec2::{
        BlockDeviceMapping, InstanceNetworkInterfaceSpecification, Placement as WantedPlacement,
    };
    use crate::sandbox::services::ec2::testing::{call, region};

    const IMAGE: &str = "ami-12c6146b";

    fn one(image: &str) -> RunInstancesInput {
        RunInstancesInput { image_id: Some(image.into()), min_count: Some(1), max_count: Some(1), ..Default::default() }
    }

    /// What is refused with `code`; an empty code launches.
    fn check(what: &str, input: RunInstancesInput, code: &str) {
        let answer = run(&mut region(), &call(), input);
        assert_eq!(answer.err().map(|refusal| refusal.code).unwrap_or_default(), code, "{what}");
    }

    #[test]
    fn what_ec2_refuses_is_refused() {
        check("plain", one(IMAGE), "");
        check("no image", RunInstancesInput { image_id: None, ..one(IMAGE) }, "MissingParameter");
        check("no such image", one("ami-abcd1234"), "InvalidAMIID.NotFound");
        check("no image's id", one("not_an_ami_id"), "InvalidAMIID.Malformed");
        check("min over max", RunInstancesInput { min_count: Some(2), ..one(IMAGE) }, "InvalidParameterValue");
        check("type", RunInstancesInput { instance_type: Some("big".into()), ..one(IMAGE) }, "InvalidParameterValue");
        check("key", RunInstancesInput { key_name: Some("none".into()), ..one(IMAGE) }, "InvalidKeyPair.NotFound");
        check(
            "subnet",
            RunInstancesInput { subnet_id: Some("subnet-1".into()), ..one(IMAGE) },
            "InvalidSubnetID.NotFound",
        );
        let groups = Some(vec!["sg-1".to_string()]);
        check("group", RunInstancesInput { security_group_ids: groups, ..one(IMAGE) }, "InvalidGroup.NotFound");
        check("user data", RunInstancesInput { user_data: Some("%".into()), ..one(IMAGE) }, "InvalidParameterValue");
        let zone = WantedPlacement { availability_zone: Some("us-east-1a".into()), ..Default::default() };
        check("zone", RunInstancesInput { placement: Some(zone), ..one(IMAGE) }, "InvalidParameterValue");
        let host = WantedPlacement { host_id: Some("h-0123456789abcdef0".into()), ..Default::default() };
        check("host", RunInstancesInput { placement: Some(host), ..one(IMAGE) }, "InvalidHostID.NotFound");
        let mapping = BlockDeviceMapping { device_name: Some("/dev/sdf".into()), ..Default::default() };
        let devices = Some(vec![mapping]);
        check("mapping", RunInstancesInput { block_device_mappings: devices, ..one(IMAGE) }, "MissingParameter");
        check(
            "interface and subnet",
            RunInstancesInput {
                subnet_id: Some("subnet-1".into()),
                network_interfaces: Some(vec![InstanceNetworkInterfaceSpecification::default()]),
                ..one(IMAGE)
            },
            "InvalidParameterCombination",
        );
    }

    #[test]
    fn a_repeated_token_launches_nothing_new() {
        let mut region = region();
        let input = RunInstancesInput { client_token: Some("once".into()), ..one(IMAGE) };
        let first = run(&mut region, &call(), input.clone()).unwrap();
        let second = run(&mut region, &call(), input.clone()).unwrap();
        assert_eq!(first.reservation_id, second.reservation_id);
        assert_eq!(region.world.groups.instances().count(), 1);
        let other = RunInstancesInput { instance_type: Some("t3.nano".into()), ..input };
        assert_eq!(run(&mut region, &call(), other).unwrap_err().code, "IdempotentParameterMismatch");
    }

    #[test]
    fn the_request_goes_before_its_template_which_the_tags_name() {
        let mut region = region();
        let data = serde_json::json!({"ImageId": IMAGE, "InstanceType": "t3.nano", "UserData": "aGk="});
        let now = call().now;
        let template =
            region.world.groups.create_launch_template(now, "web", None, data, Tags::new()).unwrap().id.clone();
        let wanted = LaunchTemplateSpecification { launch_template_name: Some("web".into()), ..Default::default() };
        let input = RunInstancesInput {
            image_id: None,
            instance_type: Some("t3.small".into()),
            launch_template: Some(wanted),
            ..one(IMAGE)
        };
        run(&mut region, &call(), input).unwrap();
        let instance = region.world.groups.instances().next().unwrap();
        assert_eq!((instance.instance_type.as_str(), instance.image_id.as_str()), ("t3.small", IMAGE));
        assert_eq!(instance.launch_data["UserData"], "aGk=");
        assert_eq!(instance.tags["aws:ec2launchtemplate:id"], template);
        assert_eq!(instance.tags["aws:ec2launchtemplate:version"], "1");
    }
}
