//! Calls that make, attach and change network interfaces. Start at [`new_interface`].

use super::error::{combination, invalid_value, refuse, required};
use super::instance::{group_identifiers, instance};
use super::interface_address::{Wanted, choose, choose_ipv6};
use super::network_interface::{Attached, Holder, Interface, interface, keep_interface, show, show_attachment};
use super::register::operation;
use super::tag::new_tags;
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::groups::Ec2State;
use crate::engine::groups::address::mac_address;
use crate::engine::names::{InstanceId, SubnetId};
use crate::sandbox::models::ec2::{
    AttachNetworkInterfaceInput, AttachNetworkInterfaceOutput, AttributeBooleanValue, AttributeValue,
    CreateNetworkInterfaceInput, CreateNetworkInterfaceOutput, DeleteNetworkInterfaceInput,
    DeleteNetworkInterfaceOutput, DescribeNetworkInterfaceAttributeInput, DescribeNetworkInterfaceAttributeOutput,
    DetachNetworkInterfaceInput, DetachNetworkInterfaceOutput, ModifyNetworkInterfaceAttributeInput,
    ModifyNetworkInterfaceAttributeOutput, PrivateIpAddressSpecification,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// What a new interface is to be like.
#[derive(Debug, Default)]
pub struct Wish {
    pub subnet: String,
    pub description: String,
    pub groups: Vec<String>,
    /// The primary address, or any.
    pub primary: Option<String>,
    pub secondary: Wanted,
    pub ipv6: Wanted,
}

/// The primary and the secondary addresses of a list with a mark on one of them.
pub fn marked(
    primary: Option<String>,
    list: Option<Vec<PrivateIpAddressSpecification>>,
) -> Result<(Option<String>, Vec<String>), Refusal> {
    let list = list.unwrap_or_default();
    let (marked, others): (Vec<_>, Vec<_>) = list.into_iter().partition(|given| given.primary == Some(true));
    if marked.len() > 1 || (primary.is_some() && !marked.is_empty()) {
        return Err(combination("Only one primary private IP address can be specified"));
    }
    let primary = primary.or_else(|| marked.into_iter().next().and_then(|given| given.private_ip_address));
    Ok((primary, others.into_iter().filter_map(|given| given.private_ip_address).collect()))
}

/// An interface in its subnet, attached to nothing.
pub fn new_interface(region: &mut Region, wish: Wish) -> Result<Interface, Refusal> {
    let own = region.ec2.subnet(&wish.subnet)?.clone();
    let subnet = SubnetId(wish.subnet);
    let groups = check_groups(region, wish.groups, own.vpc.as_str())?;
    let primary = match wish.primary {
        Some(address) => Wanted { named: vec![address], count: 0 },
        None => Wanted { named: Vec::new(), count: 1 },
    };
    // All at once, so that none is chosen twice.
    let named = primary.named.into_iter().chain(wish.secondary.named).collect::<Vec<_>>();
    let count = primary.count + wish.secondary.count;
    let mut addresses = choose(region, &subnet, &Wanted { named, count })?;
    // Where the primary one is any, it was drawn after those that have names.
    if primary.count == 1 {
        addresses.rotate_right(count);
    }
    let any = Wanted { named: Vec::new(), count: usize::from(own.assign_ipv6) };
    let ipv6 = choose_ipv6(region, &subnet, if wish.ipv6.is_empty() { &any } else { &wish.ipv6 })?;
    Ok(Interface {
        subnet,
        vpc: own.vpc,
        zone: own.zone,
        description: wish.description,
        kind: "interface".into(),
        mac_address: mac_address(region.ec2.ids.next_u64()),
        groups,
        source_dest_check: true,
        addresses,
        ipv6,
        attachment: None,
        parted: None,
    })
}

/// The security groups of an interface, of which there is always at least one.
pub fn check_groups(region: &Region, mut ids: Vec<String>, vpc: &str) -> Result<Vec<String>, Refusal> {
    for id in &ids {
        if region.ec2.security_group(id)?.vpc.as_str() != vpc {
            let message = "You have specified two resources that belong to different networks.";
            return Err(refuse("InvalidGroup.NotFound", message));
        }
    }
    if ids.is_empty() {
        ids.extend(region.ec2.default_security_group(vpc));
    }
    Ok(ids)
}

fn create(
    region: &mut Region,
    _: &Call,
    input: CreateNetworkInterfaceInput,
) -> Result<CreateNetworkInterfaceOutput, Refusal> {
    let tags = new_tags(input.tag_specifications, "network-interface")?;
    let token = input.client_token.clone();
    if let Some(kind) = input.interface_type.filter(|kind| kind != "interface") {
        let message = format!("The interface type {kind} is not reproduced by scaleproof's sandbox");
        return Err(refuse("UnsupportedOperation", message));
    }
    let id = match region.ec2.made_before(&input.client_token) {
        Some(id) => id,
        None => {
            let (primary, secondary) = marked(input.private_ip_address, input.private_ip_addresses)?;
            let count = "secondaryPrivateIpAddressCount";
            let ipv6 = input.ipv6_addresses.unwrap_or_default().into_iter().filter_map(|given| given.ipv6_address);
            let wish = Wish {
                subnet: required(input.subnet_id, "subnetId")?,
                description: input.description.unwrap_or_default(),
                groups: input.groups.unwrap_or_default(),
                primary,
                secondary: Wanted::read(Some(secondary), input.secondary_private_ip_address_count, count)?,
                ipv6: Wanted::read(Some(ipv6.collect()), input.ipv6_address_count, "ipv6AddressCount")?,
            };
            let made = new_interface(region, wish)?;
            let id = region.ec2.keep_new_interface(made);
            region.ec2.remember_token(input.client_token, &id);
            region.ec2.tags.put(&id, tags);
            region.ec2.tell_addresses(&mut region.world.groups);
            id
        }
    };
    let mut shown = show(region, &id, &interface(region, &id)?);
    // The answer is about the moment of the call.
    shown.status = Some("pending".into());
    Ok(CreateNetworkInterfaceOutput { network_interface: Some(shown), client_token: token })
}

fn delete(
    region: &mut Region,
    _: &Call,
    input: DeleteNetworkInterfaceInput,
) -> Result<DeleteNetworkInterfaceOutput, Refusal> {
    let id = required(input.network_interface_id, "networkInterfaceId")?;
    if interface(region, &id)?.attachment.is_some() {
        let message = format!("Network interface '{id}' is currently in use.");
        return Err(refuse("InvalidNetworkInterface.InUse", message));
    }
    region.ec2.forget_interface(&id);
    region.ec2.tell_addresses(&mut region.world.groups);
    Ok(DeleteNetworkInterfaceOutput::default())
}

/// Attaches a free interface to an instance and answers the attachment's id.
pub fn attach_interface(
    region: &mut Region,
    now: Timestamp,
    id: &str,
    to: &InstanceId,
    index: i64,
    delete_on_termination: bool,
) -> Result<String, Refusal> {
    let wanted = interface(region, id)?;
    let kept = instance(region, to.as_str())?;
    if wanted.attachment.is_some() {
        return Err(refuse("InvalidNetworkInterface.InUse", format!("Interface: [{id}] in use.")));
    }
    if wanted.zone != kept.placement.zone {
        let message =
            "You may not attach a network interface to an instance if they are not in the same availability zone";
        return Err(combination(message));
    }
    let others = super::network_interface::of_instance(region, kept);
    let taken = others
        .iter()
        .any(|other| other.attachment.as_ref().is_some_and(|attached| attached.device_index == Some(index)));
    if taken {
        let message = format!("Instance '{to}' already has an interface attached at device index '{index}'.");
        return Err(refuse("InvalidParameterValue", message));
    }
    let attachment = region.ec2.ids.ec2("eni-attach");
    keep_interface(region, id)?.attachment = Some(Attached {
        id: attachment.clone(),
        to: Holder::Instance(to.clone()),
        index,
        at: super::whole_second(now),
        delete_on_termination,
    });
    Ok(attachment)
}

fn attach(
    region: &mut Region,
    call: &Call,
    input: AttachNetworkInterfaceInput,
) -> Result<AttachNetworkInterfaceOutput, Refusal> {
    let id = required(input.network_interface_id, "networkInterfaceId")?;
    let wanted = required(input.instance_id, "instanceId")?;
    let index = required(input.device_index, "deviceIndex")?;
    let kept = instance(region, &wanted)?;
    if !matches!(kept.state, Ec2State::Running | Ec2State::Stopped | Ec2State::Pending | Ec2State::Stopping) {
        let message = format!("Instance '{wanted}' is not in a state that allows an interface to be attached.");
        return Err(refuse("IncorrectState", message));
    }
    let to = InstanceId(wanted);
    let attachment = attach_interface(region, call.now, &id, &to, index, false)?;
    super::address::follow_interface(region, &id, Some(&to));
    Ok(AttachNetworkInterfaceOutput { attachment_id: Some(attachment), network_card_index: Some(0) })
}

fn detach(
    region: &mut Region,
    call: &Call,
    input: DetachNetworkInterfaceInput,
) -> Result<DetachNetworkInterfaceOutput, Refusal> {
    let id = required(input.attachment_id, "attachmentId")?;
    let first = region
        .world
        .groups
        .instances()
        .any(|instance| instance.eni_attachment_id == id && instance.state != Ec2State::Terminated);
    if first {
        let message = "The network interface at device index 0 and networkCard index 0 cannot be detached.";
        return Err(refuse("OperationNotPermitted", message));
    }
    let of = |kept: &Interface| kept.attachment.as_ref().is_some_and(|attached| attached.id == id);
    let Some((eni, kept)) = region.ec2.interfaces.iter_mut().find(|(_, kept)| of(kept)) else {
        let message = format!("The networkInterfaceAttachment ID '{id}' does not exist");
        return Err(refuse("InvalidAttachmentID.NotFound", message));
    };
    if kept.is_of_service() {
        let message = "You do not have permission to access the specified resource.";
        return Err(refuse("AuthFailure", message));
    }
    kept.parted = kept.attachment.take().map(|attached| (attached, call.now));
    let eni = eni.clone();
    super::address::follow_interface(region, &eni, None);
    Ok(DetachNetworkInterfaceOutput::default())
}

fn modify(
    region: &mut Region,
    _: &Call,
    input: ModifyNetworkInterfaceAttributeInput,
) -> Result<ModifyNetworkInterfaceAttributeOutput, Refusal> {
    let id = required(input.network_interface_id, "networkInterfaceId")?;
    let before = interface(region, &id)?;
    let asked = [
        input.description.is_some(),
        input.source_dest_check.is_some(),
        input.groups.is_some(),
        input.attachment.is_some(),
    ];
    match asked.iter().filter(|asked| **asked).count() {
        0 => return Err(combination("No attributes specified.")),
        1 => {}
        _ => return Err(combination("Fields for multiple attribute types specified")),
    }
    let groups = match input.groups {
        Some(groups) => Some(check_groups(region, groups, before.vpc.as_str())?),
        None => None,
    };
    let check = input.source_dest_check.and_then(|attribute| attribute.value);
    let of = before.instance().filter(|_| before.attachment.as_ref().is_some_and(|attached| attached.index == 0));
    // An instance has the groups and the check of its first interface itself.
    if let Some(instance) = of.and_then(|owner| region.world.groups.instance_mut(owner)) {
        if let Some(groups) = &groups {
            instance.security_groups.clone_from(groups);
        }
        if let Some(check) = check {
            instance.launch_data["SourceDestCheck"] = check.into();
        }
    }
    let kept = keep_interface(region, &id)?;
    kept.groups = groups.unwrap_or(before.groups);
    kept.source_dest_check = check.unwrap_or(before.source_dest_check);
    if let Some(description) = input.description {
        kept.description = description.value.unwrap_or_default();
    }
    if let Some(changes) = input.attachment {
        let of = |attached: &&mut Attached| changes.attachment_id.as_ref() == Some(&attached.id);
        let Some(attached) = kept.attachment.as_mut().filter(of) else {
            let attachment = changes.attachment_id.unwrap_or_default();
            let message = format!("The networkInterfaceAttachment ID '{attachment}' does not exist");
            return Err(refuse("InvalidAttachmentID.NotFound", message));
        };
        attached.delete_on_termination = changes.delete_on_termination.unwrap_or(attached.delete_on_termination);
    }
    Ok(ModifyNetworkInterfaceAttributeOutput::default())
}

fn describe_attribute(
    region: &mut Region,
    _: &Call,
    input: DescribeNetworkInterfaceAttributeInput,
) -> Result<DescribeNetworkInterfaceAttributeOutput, Refusal> {
    let id = required(input.network_interface_id, "networkInterfaceId")?;
    let kept = interface(region, &id)?;
    let mut output = DescribeNetworkInterfaceAttributeOutput { network_interface_id: Some(id), ..Default::default() };
    match required(input.attribute, "attribute")?.as_str() {
        "description" => output.description = Some(AttributeValue { value: Some(kept.description) }),
        "groupSet" => output.groups = Some(group_identifiers(region, &kept.groups)),
        "sourceDestCheck" => {
            output.source_dest_check = Some(AttributeBooleanValue { value: Some(kept.source_dest_check) });
        }
        "attachment" => {
            output.attachment = kept.attachment.as_ref().map(|attached| show_attachment(region, attached));
        }
        other => return Err(invalid_value(other, "attribute", "Unknown attribute.")),
    }
    Ok(output)
}

pub fn register(operations: &mut Operations) {
    operation!(operations, create, CreateNetworkInterfaceInput "CreateNetworkInterface":
        "Creates a network interface in a subnet.",
        takes ClientToken Description Groups InterfaceType Ipv6AddressCount Ipv6Addresses PrivateIpAddress
            PrivateIpAddresses SecondaryPrivateIpAddressCount SubnetId TagSpecifications
    );
    operation!(operations, delete, DeleteNetworkInterfaceInput "DeleteNetworkInterface":
        "Deletes a network interface that nothing has attached.",
        takes NetworkInterfaceId
    );
    operation!(operations, attach, AttachNetworkInterfaceInput "AttachNetworkInterface":
        "Gives an instance one more network interface.",
        takes NetworkInterfaceId InstanceId DeviceIndex
    );
    operation!(operations, detach, DetachNetworkInterfaceInput "DetachNetworkInterface":
        "Takes a network interface, but not the first, from its instance.",
        takes AttachmentId Force
    );
    operation!(operations, modify, ModifyNetworkInterfaceAttributeInput "ModifyNetworkInterfaceAttribute":
        "Changes one attribute of a network interface.",
        takes NetworkInterfaceId Description SourceDestCheck Groups Attachment
    );
    operation!(
        operations, describe_attribute,
        DescribeNetworkInterfaceAttributeInput "DescribeNetworkInterfaceAttribute":
        "Shows one attribute of a network interface.",
        takes NetworkInterfaceId Attribute
    );
}
