//! Instances in EC2's words; the engine runs them ([`crate::engine::groups::Instance`]).
//! `run_instances.rs` launches them, `instance_state.rs` and `instance_attribute.rs` change them.

use super::error::{missing_ids, refuse};
use super::image;
use super::instance_type::instance_type;
use super::network_interface;
use super::register::{ask, operation};
use super::select::{Kind, each, one};
use super::tag::tag_set;
use super::volume_attachment::{Device, devices, root_device};
use super::zone::zone_id;
use crate::engine::Refusal;
use crate::engine::groups::{Ec2State, Instance};
use crate::engine::names::InstanceId;
use crate::sandbox::models::ec2 as model;
use crate::sandbox::models::ec2::{
    CpuOptions, DescribeInstancesInput, DescribeInstancesOutput, EbsInstanceBlockDevice, EnclaveOptions,
    GroupIdentifier, HibernationOptions, IamInstanceProfile, InstanceBlockDeviceMapping, InstanceIpv6Address,
    InstanceMaintenanceOptions, InstanceMetadataOptionsResponse, InstanceNetworkInterface,
    InstanceNetworkInterfaceAssociation, InstanceNetworkInterfaceAttachment, InstancePrivateIpAddress, InstanceState,
    Monitoring, NetworkInterface, NetworkInterfaceAssociation, NetworkInterfacePrivateIpAddress, Placement,
    PrivateDnsNameOptionsResponse, Reservation, StateReason,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

pub fn missing(ids: &[&str]) -> Refusal {
    missing_ids("InvalidInstanceID.NotFound", "instance", ids)
}

/// The instance of this id.
pub fn instance<'a>(region: &'a Region, id: &str) -> Result<&'a Instance, Refusal> {
    check_id(id)?;
    region.world.groups.instance(&InstanceId::from(id)).ok_or_else(|| missing(&[id]))
}

pub fn check_id(id: &str) -> Result<(), Refusal> {
    if !id.starts_with("i-") {
        return Err(refuse("InvalidInstanceID.Malformed", format!("Invalid id: \"{id}\"")));
    }
    Ok(())
}

fn private_dns_name(region: &Region, instance: &Instance) -> Option<String> {
    let by_address = network_interface::private_dns_name(region, instance.private_ip.as_ref()?);
    let options = show_name_options(region, instance);
    match by_address.split_once('.') {
        Some((_, domain)) if options.hostname_type.as_deref() == Some("resource-name") => {
            Some(format!("{}.{domain}", instance.id))
        }
        _ => Some(by_address),
    }
}

fn public_dns_name(region: &Region, instance: &Instance) -> Option<String> {
    network_interface::public_dns_name(region, &instance.placement.vpc, instance.public_ip.as_ref()?)
}

/// Security groups with their names.
pub fn group_identifiers(region: &Region, ids: &[String]) -> Vec<GroupIdentifier> {
    let show = |id: &String| GroupIdentifier {
        group_id: Some(id.clone()),
        group_name: region.ec2.security_group(id).ok().map(|group| group.name.clone()),
    };
    ids.iter().map(show).collect()
}

pub fn show_state(state: Ec2State) -> InstanceState {
    InstanceState { code: Some(state.code()), name: Some(state.name().into()) }
}

/// Whether its interface drops what it neither sends nor receives itself.
pub fn source_dest_check(instance: &Instance) -> bool {
    instance.launch_data["SourceDestCheck"].as_bool().unwrap_or(true)
}

/// An interface in the words of its instance.
fn show_interface(shown: NetworkInterface) -> InstanceNetworkInterface {
    let association = |found: NetworkInterfaceAssociation| InstanceNetworkInterfaceAssociation {
        ip_owner_id: found.ip_owner_id,
        public_dns_name: found.public_dns_name,
        public_ip: found.public_ip,
        ..Default::default()
    };
    let address = |found: NetworkInterfacePrivateIpAddress| InstancePrivateIpAddress {
        association: found.association.map(association),
        primary: found.primary,
        private_dns_name: found.private_dns_name,
        private_ip_address: found.private_ip_address,
    };
    let ipv6 = shown
        .ipv6_addresses
        .into_iter()
        .flatten()
        .map(|found| InstanceIpv6Address { ipv6_address: found.ipv6_address, is_primary_ipv6: found.is_primary_ipv6 });
    InstanceNetworkInterface {
        association: shown.association.map(association),
        attachment: shown.attachment.map(|attached| InstanceNetworkInterfaceAttachment {
            attach_time: attached.attach_time,
            attachment_id: attached.attachment_id,
            delete_on_termination: attached.delete_on_termination,
            device_index: attached.device_index,
            network_card_index: attached.network_card_index,
            status: attached.status,
            ..Default::default()
        }),
        description: shown.description,
        groups: shown.groups,
        interface_type: shown.interface_type,
        ipv6_addresses: Some(ipv6.collect()),
        mac_address: shown.mac_address,
        network_interface_id: shown.network_interface_id,
        owner_id: shown.owner_id,
        private_dns_name: shown.private_dns_name,
        private_ip_address: shown.private_ip_address,
        private_ip_addresses: Some(shown.private_ip_addresses.into_iter().flatten().map(address).collect()),
        source_dest_check: shown.source_dest_check,
        status: shown.status,
        subnet_id: shown.subnet_id,
        vpc_id: shown.vpc_id,
        ..Default::default()
    }
}

fn show_interfaces(region: &Region, instance: &Instance) -> Vec<InstanceNetworkInterface> {
    network_interface::of_instance(region, instance).into_iter().map(show_interface).collect()
}

fn show_volume(device: Device) -> InstanceBlockDeviceMapping {
    InstanceBlockDeviceMapping {
        ebs: Some(EbsInstanceBlockDevice {
            attach_time: Some(device.attachment.at),
            delete_on_termination: Some(device.attachment.delete_on_termination),
            status: Some("attached".into()),
            volume_id: Some(device.volume_id),
            ..Default::default()
        }),
        device_name: Some(device.attachment.device),
    }
}

fn show_volumes(region: &Region, instance: &Instance) -> Vec<InstanceBlockDeviceMapping> {
    devices(region, instance).into_iter().map(show_volume).collect()
}

pub fn show_profile(region: &Region, instance: &Instance) -> Option<IamInstanceProfile> {
    let given = &instance.launch_data["IamInstanceProfile"];
    let place = &region.world.place;
    let arn = given["Arn"].as_str().map(str::to_string).or_else(|| {
        let name = given["Name"].as_str()?;
        Some(format!("arn:{}:iam::{}:instance-profile/{name}", place.partition, place.account))
    })?;
    Some(IamInstanceProfile { arn: Some(arn), ..Default::default() })
}

fn show_metadata_options(instance: &Instance, imds_v2: bool) -> InstanceMetadataOptionsResponse {
    let given = &instance.launch_data["MetadataOptions"];
    let text = |key: &str, default: &str| Some(given[key].as_str().unwrap_or(default).to_string());
    InstanceMetadataOptionsResponse {
        state: Some("applied".into()),
        http_tokens: text("HttpTokens", if imds_v2 { "required" } else { "optional" }),
        http_put_response_hop_limit: given["HttpPutResponseHopLimit"].as_i64().or(Some(if imds_v2 { 2 } else { 1 })),
        http_endpoint: text("HttpEndpoint", "enabled"),
        http_protocol_ipv6: text("HttpProtocolIpv6", "disabled"),
        instance_metadata_tags: text("InstanceMetadataTags", "disabled"),
    }
}

/// The cores that the launch asked for, or those of the type. Nothing is said of types that the table does not know.
fn show_cpu_options(instance: &Instance) -> Option<CpuOptions> {
    let given = &instance.launch_data["CpuOptions"];
    let kind = instance_type(&instance.instance_type);
    let threads = || Some(kind.as_ref()?.threads_per_core());
    let cores = || kind.as_ref().map(|kind| (kind.vcpus / kind.threads_per_core()).max(1));
    Some(CpuOptions {
        core_count: Some(given["CoreCount"].as_i64().or_else(cores)?),
        threads_per_core: Some(given["ThreadsPerCore"].as_i64().or_else(threads)?),
        ..Default::default()
    })
}

/// "The default is to inherit the values of the subnet": RunInstances, PrivateDnsNameOptions.
fn show_name_options(region: &Region, instance: &Instance) -> PrivateDnsNameOptionsResponse {
    let given = &instance.launch_data["PrivateDnsNameOptions"];
    let subnet = region.ec2.subnet(instance.placement.subnet.as_str()).map(|subnet| subnet.names.clone());
    let inherited = subnet.unwrap_or_default();
    let by_resource = match given["HostnameType"].as_str() {
        Some(kind) => kind == "resource-name",
        None => inherited.by_resource,
    };
    let record = |name: &str, inherited: bool| Some(given[name].as_bool().unwrap_or(inherited));
    PrivateDnsNameOptionsResponse {
        hostname_type: Some(if by_resource { "resource-name" } else { "ip-name" }.into()),
        enable_resource_name_dns_a_record: record("EnableResourceNameDnsARecord", inherited.a_record),
        enable_resource_name_dns_aaaa_record: record("EnableResourceNameDnsAAAARecord", inherited.aaaa_record),
    }
}

/// Whether EC2 brings the instance back after its hardware has failed.
pub fn auto_recovery(instance: &Instance) -> &str {
    instance.launch_data["MaintenanceOptions"]["AutoRecovery"].as_str().unwrap_or("default")
}

pub fn show(region: &Region, instance: &Instance) -> model::Instance {
    let place = &region.world.place;
    let image = image::find(region, &instance.image_id).unwrap_or_default();
    let imds_v2 = image.imds_support.as_deref() == Some("v2.0");
    let gone = instance.state == Ec2State::Terminated;
    let interfaces = if gone { Vec::new() } else { show_interfaces(region, instance) };
    let ipv6 = interfaces.iter().flat_map(|interface| interface.ipv6_addresses.iter().flatten()).next();
    let (code, reason) = instance.state_reason.clone().unzip();
    let transition = reason.as_ref().map(|text| match text.split_once(": ") {
        Some((_, words)) => format!("{words} ({})", instance.state_changed_at.format("%Y-%m-%d %H:%M:%S GMT")),
        None => text.clone(),
    });
    model::Instance {
        instance_id: Some(instance.id.to_string()),
        image_id: Some(instance.image_id.clone()),
        state: Some(show_state(instance.state)),
        state_reason: code.map(|code| StateReason { code: Some(code), message: reason }),
        state_transition_reason: Some(transition.unwrap_or_default()),
        private_dns_name: Some(private_dns_name(region, instance).unwrap_or_default()),
        public_dns_name: Some(public_dns_name(region, instance).unwrap_or_default()),
        private_ip_address: instance.private_ip.clone(),
        public_ip_address: instance.public_ip.clone(),
        ipv6_address: ipv6.and_then(|found| found.ipv6_address.clone()),
        key_name: instance.key_name.clone(),
        ami_launch_index: Some(instance.launch_index),
        product_codes: Some(Vec::new()),
        instance_type: Some(instance.instance_type.clone()),
        instance_lifecycle: instance.spot_request_id.as_ref().map(|_| "spot".into()),
        spot_instance_request_id: instance.spot_request_id.clone(),
        launch_time: Some(instance.launched_at),
        placement: Some(Placement {
            availability_zone: Some(instance.placement.zone.to_string()),
            availability_zone_id: zone_id(&place.region, &instance.placement.zone),
            group_name: Some(instance.launch_data["Placement"]["GroupName"].as_str().unwrap_or_default().into()),
            tenancy: Some(instance.launch_data["Placement"]["Tenancy"].as_str().unwrap_or("default").into()),
            ..Default::default()
        }),
        monitoring: Some(Monitoring {
            state: Some(if instance.detailed_monitoring { "enabled" } else { "disabled" }.into()),
        }),
        // A terminated instance has left its network.
        subnet_id: (!gone).then(|| instance.placement.subnet.to_string()),
        vpc_id: (!gone).then(|| instance.placement.vpc.clone()),
        security_groups: Some(if gone { Vec::new() } else { group_identifiers(region, &instance.security_groups) }),
        network_interfaces: Some(interfaces),
        block_device_mappings: Some(if gone { Vec::new() } else { show_volumes(region, instance) }),
        architecture: image.architecture.or_else(|| Some("x86_64".into())),
        client_token: Some(instance.client_token.clone().unwrap_or_default()),
        ebs_optimized: Some(instance.launch_data["EbsOptimized"].as_bool().unwrap_or(false)),
        ena_support: Some(true),
        hypervisor: Some("xen".into()),
        iam_instance_profile: show_profile(region, instance),
        root_device_name: Some(root_device(region, instance)),
        root_device_type: Some("ebs".into()),
        source_dest_check: (!gone).then(|| source_dest_check(instance)),
        // Unlike most resources, an instance without tags shows no set.
        tags: (!instance.tags.is_empty()).then(|| tag_set(&instance.tags)),
        virtualization_type: image.virtualization_type.or_else(|| Some("hvm".into())),
        cpu_options: show_cpu_options(instance),
        private_dns_name_options: (!gone).then(|| show_name_options(region, instance)),
        maintenance_options: Some(InstanceMaintenanceOptions {
            auto_recovery: Some(auto_recovery(instance).into()),
            ..Default::default()
        }),
        hibernation_options: Some(HibernationOptions {
            configured: Some(instance.launch_data["HibernationOptions"]["Configured"] == true),
        }),
        metadata_options: Some(show_metadata_options(instance, imds_v2)),
        enclave_options: Some(EnclaveOptions {
            enabled: Some(instance.launch_data["EnclaveOptions"]["Enabled"] == true),
        }),
        platform: image.platform,
        platform_details: image.platform_details.or_else(|| Some("Linux/UNIX".into())),
        usage_operation: image.usage_operation.or_else(|| Some("RunInstances".into())),
        usage_operation_update_time: Some(instance.launched_at),
        ..Default::default()
    }
}

/// An instance with the reservation that it came from, which filters may name too.
struct Reserved {
    reservation_id: String,
    owner_id: String,
    instance: model::Instance,
}

macro_rules! inner {
    ($reserved:ident.$part:ident.$member:ident) => {
        $reserved.instance.$part.iter().flat_map(|part| one(&part.$member)).collect()
    };
}

fn volumes<V: ToString>(reserved: &Reserved, value: impl Fn(&EbsInstanceBlockDevice) -> &Option<V>) -> Vec<String> {
    let mappings = reserved.instance.block_device_mappings.iter().flatten();
    mappings.filter_map(|mapping| mapping.ebs.as_ref()).flat_map(|volume| one(value(volume))).collect()
}

const INSTANCES: Kind<Reserved> = Kind {
    id: |r| &r.instance.instance_id,
    id_parameter: "instancesSet",
    missing,
    tags: |r| &r.instance.tags,
    filters: &[
        ("architecture", |r| one(&r.instance.architecture)),
        ("availability-zone", |r| inner!(r.placement.availability_zone)),
        ("availability-zone-id", |r| inner!(r.placement.availability_zone_id)),
        ("block-device-mapping.delete-on-termination", |r| volumes(r, |v| &v.delete_on_termination)),
        ("block-device-mapping.device-name", |r| each(&r.instance.block_device_mappings, |m| &m.device_name)),
        ("block-device-mapping.status", |r| volumes(r, |v| &v.status)),
        ("block-device-mapping.volume-id", |r| volumes(r, |v| &v.volume_id)),
        ("client-token", |r| one(&r.instance.client_token)),
        ("dns-name", |r| one(&r.instance.public_dns_name)),
        ("hypervisor", |r| one(&r.instance.hypervisor)),
        ("iam-instance-profile.arn", |r| inner!(r.iam_instance_profile.arn)),
        ("image-id", |r| one(&r.instance.image_id)),
        ("instance-id", |r| one(&r.instance.instance_id)),
        ("instance-lifecycle", |r| one(&r.instance.instance_lifecycle)),
        ("instance-state-code", |r| inner!(r.state.code)),
        ("instance-state-name", |r| inner!(r.state.name)),
        ("instance-type", |r| one(&r.instance.instance_type)),
        ("instance.group-id", |r| each(&r.instance.security_groups, |group| &group.group_id)),
        ("instance.group-name", |r| each(&r.instance.security_groups, |group| &group.group_name)),
        ("ip-address", |r| one(&r.instance.public_ip_address)),
        ("key-name", |r| one(&r.instance.key_name)),
        ("launch-index", |r| one(&r.instance.ami_launch_index)),
        ("launch-time", |r| one(&r.instance.launch_time)),
        ("metadata-options.http-endpoint", |r| inner!(r.metadata_options.http_endpoint)),
        ("metadata-options.http-put-response-hop-limit", |r| inner!(r.metadata_options.http_put_response_hop_limit)),
        ("metadata-options.http-tokens", |r| inner!(r.metadata_options.http_tokens)),
        ("monitoring-state", |r| inner!(r.monitoring.state)),
        ("network-interface.group-id", |r| each(&r.instance.security_groups, |group| &group.group_id)),
        ("network-interface.mac-address", |r| each(&r.instance.network_interfaces, |i| &i.mac_address)),
        ("network-interface.network-interface-id", |r| {
            each(&r.instance.network_interfaces, |i| &i.network_interface_id)
        }),
        ("network-interface.private-ip-address", |r| each(&r.instance.network_interfaces, |i| &i.private_ip_address)),
        ("network-interface.subnet-id", |r| each(&r.instance.network_interfaces, |i| &i.subnet_id)),
        ("network-interface.vpc-id", |r| each(&r.instance.network_interfaces, |i| &i.vpc_id)),
        ("owner-id", |r| vec![r.owner_id.clone()]),
        ("platform", |r| one(&r.instance.platform)),
        ("private-dns-name", |r| one(&r.instance.private_dns_name)),
        ("private-ip-address", |r| one(&r.instance.private_ip_address)),
        ("reason", |r| one(&r.instance.state_transition_reason)),
        ("requester-id", |_| Vec::new()),
        ("reservation-id", |r| vec![r.reservation_id.clone()]),
        ("root-device-name", |r| one(&r.instance.root_device_name)),
        ("root-device-type", |r| one(&r.instance.root_device_type)),
        ("source-dest-check", |r| one(&r.instance.source_dest_check)),
        ("spot-instance-request-id", |r| one(&r.instance.spot_instance_request_id)),
        ("state-reason-code", |r| inner!(r.state_reason.code)),
        ("state-reason-message", |r| inner!(r.state_reason.message)),
        ("subnet-id", |r| one(&r.instance.subnet_id)),
        ("tenancy", |r| inner!(r.placement.tenancy)),
        ("virtualization-type", |r| one(&r.instance.virtualization_type)),
        ("vpc-id", |r| one(&r.instance.vpc_id)),
    ],
};

/// Refuses identifiers that no instance can have, before any is looked up.
pub fn check_ids(ids: &Option<Vec<String>>) -> Result<(), Refusal> {
    ids.iter().flatten().try_for_each(|id| check_id(id))
}

fn describe(region: &mut Region, _: &Call, input: DescribeInstancesInput) -> Result<DescribeInstancesOutput, Refusal> {
    check_ids(&input.instance_ids)?;
    let owner_id = &region.world.place.account;
    let mut launched: Vec<&Instance> = region.world.groups.instances().collect();
    launched.sort_by_key(|instance| (instance.launched_at, instance.launch_index));
    let all = launched.into_iter().map(|instance| Reserved {
        reservation_id: instance.reservation_id.clone(),
        owner_id: owner_id.clone(),
        instance: show(region, instance),
    });
    let page = INSTANCES.select(all.collect(), ask!(input.instance_ids))?;
    let mut reservations: Vec<Reservation> = Vec::new();
    for Reserved { reservation_id, owner_id, instance } in page.items {
        let same = reservations.iter_mut().find(|kept| kept.reservation_id.as_ref() == Some(&reservation_id));
        match same {
            Some(kept) => kept.instances.get_or_insert_default().push(instance),
            None => reservations.push(Reservation {
                reservation_id: Some(reservation_id),
                owner_id: Some(owner_id),
                groups: Some(Vec::new()),
                instances: Some(vec![instance]),
                ..Default::default()
            }),
        }
    }
    Ok(DescribeInstancesOutput { next_token: page.next_token, reservations: Some(reservations) })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, describe, DescribeInstancesInput "DescribeInstances":
        "Lists instances, also those that terminated within the last hour.",
        takes InstanceIds Filters MaxResults NextToken
    );
}
