//! Elastic IP addresses: allocated by an account, associated with a network interface. Start at [`ElasticIp`].
//! Left out, and refused: address pools, transfers, reverse names.

use serde::{Deserialize, Serialize};

use super::Ec2;
use super::error::{invalid_value, missing_ids, refuse};
use super::instance::instance;
use super::network_interface::interface;
use super::register::operation;
use super::select::{Ask, Kind, one, page};
use super::tag::new_tags;
use crate::engine::Refusal;
use crate::engine::groups::address::public_address;
use crate::engine::groups::{Ec2State, Groups, Instance};
use crate::engine::names::{InstanceId, VpcId};
use crate::sandbox::models::ec2::{
    Address, AddressAttribute, AllocateAddressInput, AllocateAddressOutput, AssociateAddressInput,
    AssociateAddressOutput, DescribeAddressesAttributeInput, DescribeAddressesAttributeOutput, DescribeAddressesInput,
    DescribeAddressesOutput, DisassociateAddressInput, DisassociateAddressOutput, ReleaseAddressInput,
    ReleaseAddressOutput,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElasticIp {
    pub public_ip: String,
    pub association: Option<Association>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Association {
    pub id: String,
    /// What the interface is attached to.
    pub instance: Option<InstanceId>,
    pub interface: String,
    pub private_ip: String,
}

fn missing(ids: &[&str]) -> Refusal {
    let message = match ids {
        [id] => format!("The allocation ID '{id}' does not exist"),
        ids => format!("The allocation IDs '{}' do not exist", ids.join(", ")),
    };
    refuse("InvalidAllocationID.NotFound", message)
}

impl Ec2 {
    /// The allocation id of the address that a call names by allocation or by itself.
    fn named_address(&self, allocation: Option<String>, public_ip: Option<String>) -> Result<String, Refusal> {
        match (allocation, public_ip) {
            (Some(id), _) if self.addresses.contains_key(&id) => Ok(id),
            (Some(id), _) => Err(missing(&[&id])),
            (None, Some(ip)) => {
                let found = self.addresses.iter().find(|(_, address)| address.public_ip == ip);
                found.map(|(id, _)| id.clone()).ok_or_else(|| not_found(&ip))
            }
            (None, None) => {
                let message = "Invalid request, expect PublicIp/AllocationId parameter.";
                Err(refuse("MissingParameter", message))
            }
        }
    }

    /// The association of an address that is not gone with its instance.
    fn association(&self, id: &str) -> Option<&str> {
        let found = self
            .addresses
            .iter()
            .find(|(_, address)| address.association.as_ref().is_some_and(|association| association.id == id));
        found.map(|(id, _)| id.as_str())
    }
}

fn not_found(ip: &str) -> Refusal {
    refuse("InvalidAddress.NotFound", format!("Address '{ip}' not found."))
}

fn show(region: &Region, id: &str, address: &ElasticIp) -> Address {
    let ec2 = &region.ec2;
    let association = address.association.as_ref();
    let instance = association.and_then(|association| association.instance.as_ref());
    Address {
        allocation_id: Some(id.to_string()),
        association_id: association.map(|association| association.id.clone()),
        domain: Some("vpc".into()),
        // Empty where there is none, as in the API reference's example.
        instance_id: Some(instance.map(ToString::to_string).unwrap_or_default()),
        network_border_group: Some(ec2.place.region.clone()),
        network_interface_id: association.map(|association| association.interface.clone()),
        network_interface_owner_id: association.map(|_| ec2.place.account.clone()),
        private_ip_address: association.map(|association| association.private_ip.clone()),
        public_ip: Some(address.public_ip.clone()),
        public_ipv4_pool: Some("amazon".into()),
        tags: ec2.tags.of(id),
        ..Default::default()
    }
}

const ADDRESSES: Kind<Address> = Kind {
    id: |address| &address.allocation_id,
    id_parameter: "allocationIdSet",
    missing,
    tags: |address| &address.tags,
    filters: &[
        ("allocation-id", |a| one(&a.allocation_id)),
        ("association-id", |a| one(&a.association_id)),
        ("domain", |a| one(&a.domain)),
        ("instance-id", |a| one(&a.instance_id)),
        ("network-border-group", |a| one(&a.network_border_group)),
        ("network-interface-id", |a| one(&a.network_interface_id)),
        ("network-interface-owner-id", |a| one(&a.network_interface_owner_id)),
        ("private-ip-address", |a| one(&a.private_ip_address)),
        ("public-ip", |a| one(&a.public_ip)),
    ],
};

/// Addresses are of the region itself: there are no local zones here.
fn check_border_group(region: &Region, wanted: Option<&str>) -> Result<(), Refusal> {
    match wanted.filter(|wanted| !wanted.is_empty() && *wanted != region.world.place.region) {
        Some(other) => {
            Err(invalid_value(other, "networkBorderGroup", "The address is not in this network border group."))
        }
        None => Ok(()),
    }
}

/// The only pool is Amazon's, which is also that of calls without one.
fn check_pool(wanted: Option<&str>) -> Result<(), Refusal> {
    match wanted.filter(|wanted| !matches!(*wanted, "" | "amazon")) {
        Some(other) => {
            let message = format!("The pool {other} of AllocateAddress is not reproduced by scaleproof's sandbox");
            Err(refuse("UnsupportedOperation", message))
        }
        None => Ok(()),
    }
}

fn allocate(region: &mut Region, _: &Call, input: AllocateAddressInput) -> Result<AllocateAddressOutput, Refusal> {
    if input.domain.as_deref() == Some("standard") {
        // Source: "Allocate an Elastic IP address": only `vpc` is left since EC2-Classic was retired.
        return Err(invalid_value("standard", "domain", "EC2-Classic is retired; the only domain is vpc."));
    }
    check_border_group(region, input.network_border_group.as_deref())?;
    check_pool(input.public_ipv4_pool.as_deref())?;
    let tags = new_tags(input.tag_specifications, "elastic-ip")?;
    let ec2 = &mut region.ec2;
    let public_ip = loop {
        let drawn = public_address(ec2.ids.next_u64()).to_string();
        if !ec2.addresses.values().any(|address| address.public_ip == drawn) {
            break drawn;
        }
    };
    let id = ec2.ids.ec2("eipalloc");
    ec2.tags.put(&id, tags);
    ec2.addresses.insert(id.clone(), ElasticIp { public_ip: public_ip.clone(), association: None });
    Ok(AllocateAddressOutput {
        allocation_id: Some(id),
        domain: Some("vpc".into()),
        network_border_group: Some(ec2.place.region.clone()),
        public_ip: Some(public_ip),
        public_ipv4_pool: Some("amazon".into()),
        ..Default::default()
    })
}

/// What an address is to be associated with: a private address of an interface.
struct Mapped {
    interface: String,
    private_ip: String,
    instance: Option<InstanceId>,
    vpc: String,
}

/// The interface that a call names, itself or by its instance. Terraform's provider sends an empty text for what its
/// configuration leaves out.
fn target(region: &Region, input: &AssociateAddressInput) -> Result<Mapped, Refusal> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let id = match (&given(&input.network_interface_id), &given(&input.instance_id)) {
        (Some(id), _) => id.clone(),
        (None, Some(named)) => first_interface(region, named)?,
        (None, None) => {
            let message = "Invalid request, expect InstanceId/NetworkId parameter.";
            return Err(refuse("MissingParameter", message));
        }
    };
    let kept = interface(region, &id)?;
    if kept.is_of_service() {
        return Err(not_yours());
    }
    let private_ip = match &given(&input.private_ip_address) {
        Some(given) if !kept.addresses.contains(given) => {
            let message = format!("The private IP address {given} is not assigned to the interface {id}");
            return Err(refuse("InvalidParameterValue", message));
        }
        Some(given) => given.clone(),
        None => kept.addresses.first().cloned().unwrap_or_default(),
    };
    let instance = kept.instance().cloned();
    Ok(Mapped { interface: id, private_ip, instance, vpc: kept.vpc.to_string() })
}

/// The only interface of an instance that a call names.
pub fn first_interface(region: &Region, named: &str) -> Result<String, Refusal> {
    let kept = instance(region, named)?;
    if matches!(kept.state, Ec2State::ShuttingDown | Ec2State::Terminated) {
        let message = format!("The instance '{named}' is not in a valid state for this operation.");
        return Err(refuse("IncorrectInstanceState", message));
    }
    if super::network_interface::of_instance(region, kept).len() > 1 {
        let message = format!(
            "There are multiple interfaces attached to instance '{named}'. Please specify an interface ID for the \
             operation instead."
        );
        return Err(refuse("InvalidInstanceID", message));
    }
    Ok(kept.eni_id.clone())
}

/// What a service has is not the caller's to change.
fn not_yours() -> Refusal {
    refuse("AuthFailure", "You do not have permission to access the specified resource.")
}

fn associate(region: &mut Region, _: &Call, input: AssociateAddressInput) -> Result<AssociateAddressOutput, Refusal> {
    let allocation = region.ec2.named_address(input.allocation_id.clone(), input.public_ip.clone())?;
    let wanted = target(region, &input)?;
    check_gateway(region, &wanted.vpc)?;
    let Some(address) = region.ec2.addresses.get(&allocation) else { return Err(missing(&[&allocation])) };
    match &address.association {
        Some(same) if same.interface == wanted.interface && same.private_ip == wanted.private_ip => {
            return Ok(AssociateAddressOutput { association_id: Some(same.id.clone()) });
        }
        // "In a VPC in an account created after 2013-12-04, reassociation is automatic", unless it is ruled out.
        Some(_) if input.allow_reassociation == Some(false) => {
            let message = format!("resource {allocation} is already associated with associate-id");
            return Err(refuse("Resource.AlreadyAssociated", message));
        }
        _ => {}
    }
    end_association(region, &allocation);
    // A private address has one public address: another Elastic IP of its own lets go.
    let held = region.ec2.address_of(&wanted.interface, &wanted.private_ip).map(|(other, _)| other.to_string());
    if let Some(other) = held {
        end_association(region, &other);
    }
    Ok(AssociateAddressOutput { association_id: Some(begin_association(region, &allocation, wanted)?) })
}

fn begin_association(region: &mut Region, allocation: &str, wanted: Mapped) -> Result<String, Refusal> {
    let id = region.ec2.ids.ec2("eipassoc");
    let Some(address) = region.ec2.addresses.get_mut(allocation) else { return Err(missing(&[allocation])) };
    let Mapped { interface, private_ip, instance, .. } = wanted;
    address.association = Some(Association { id: id.clone(), instance, interface, private_ip });
    mirror(region, allocation);
    Ok(id)
}

/// Shows an instance the Elastic IP address of its own private address.
fn mirror(region: &mut Region, allocation: &str) {
    let Some(address) = region.ec2.addresses.get(allocation) else { return };
    let Some(association) = &address.association else { return };
    let owner = association.instance.as_ref().and_then(|id| region.world.groups.instance_mut(id));
    let is_first = |instance: &&mut Instance| {
        instance.eni_id == association.interface && instance.private_ip.as_ref() == Some(&association.private_ip)
    };
    if let Some(instance) = owner.filter(is_first) {
        instance.public_ip = Some(address.public_ip.clone());
        instance.elastic_ip = true;
    }
}

/// Lets the Elastic IP addresses of an interface follow it to an instance, or away from one.
pub fn follow_interface(region: &mut Region, interface: &str, to: Option<&InstanceId>) {
    let mut moved = Vec::new();
    for (allocation, address) in &mut region.ec2.addresses {
        if let Some(association) = address.association.as_mut().filter(|found| found.interface == interface) {
            association.instance = to.cloned();
            moved.push(allocation.clone());
        }
    }
    moved.iter().for_each(|allocation| mirror(region, allocation));
}

impl Ec2 {
    /// The Elastic IP address of a private address, with its allocation.
    pub fn address_of(&self, interface: &str, private_ip: &str) -> Option<(&str, &ElasticIp)> {
        let of = |address: &ElasticIp| {
            let association = address.association.as_ref();
            association.is_some_and(|found| found.interface == interface && found.private_ip == private_ip)
        };
        self.addresses.iter().find(|(_, address)| of(address)).map(|(id, address)| (id.as_str(), address))
    }

    /// Associates a free address with an interface of a service and answers the association's id.
    pub fn lend_address(&mut self, allocation: &str, interface: &str, private_ip: &str) -> Result<String, Refusal> {
        let id = self.ids.ec2("eipassoc");
        let address = self.addresses.get_mut(allocation).ok_or_else(|| missing(&[allocation]))?;
        let (interface, private_ip) = (interface.to_string(), private_ip.to_string());
        address.association = Some(Association { id: id.clone(), instance: None, interface, private_ip });
        Ok(id)
    }

    /// The interface is gone.
    pub fn end_associations_of(&mut self, interface: &str) {
        for address in self.addresses.values_mut() {
            address.association.take_if(|association| association.interface == interface);
        }
    }

    /// These private addresses have left the interface.
    pub fn end_associations_with(&mut self, interface: &str, private_ips: &[String]) {
        for address in self.addresses.values_mut() {
            address.association.take_if(|association| {
                association.interface == interface && private_ips.contains(&association.private_ip)
            });
        }
    }

    /// Ends the associations of instances that have terminated, and of interfaces that went with them.
    pub fn part_addresses(&mut self, groups: &Groups) {
        let gone = |id: &InstanceId| groups.instance(id).is_none_or(|instance| instance.state == Ec2State::Terminated);
        for address in self.addresses.values_mut() {
            let Some(association) = &mut address.association else { continue };
            if association.instance.as_ref().is_some_and(gone) {
                association.instance = None;
                if !self.interfaces.contains_key(&association.interface) {
                    address.association = None;
                }
            }
        }
    }
}

/// A public address needs a way out of the VPC.
fn check_gateway(region: &Region, vpc: &str) -> Result<(), Refusal> {
    let attached = region
        .ec2
        .internet_gateways
        .values()
        .any(|gateway| gateway.vpc.as_ref().is_some_and(|attached| attached.as_str() == vpc));
    match attached {
        true => Ok(()),
        false => Err(refuse("Gateway.NotAttached", format!("Network {vpc} is not attached to any internet gateway"))),
    }
}

/// Takes an address from its instance, which gets another one if its subnet gives it one.
fn end_association(region: &mut Region, allocation: &str) {
    let Some(address) = region.ec2.addresses.get_mut(allocation) else { return };
    let Some(association) = address.association.take() else { return };
    let groups = &mut region.world.groups;
    let fresh = public_address(groups.ids.instances.next_u64()).to_string();
    let had = Some(address.public_ip.clone());
    let owner = association.instance.and_then(|id| groups.instance_mut(&id));
    if let Some(instance) = owner.filter(|instance| instance.elastic_ip && instance.public_ip == had) {
        let runs = matches!(instance.state, Ec2State::Pending | Ec2State::Running);
        instance.public_ip = (runs && instance.gets_public_ip()).then_some(fresh);
        instance.elastic_ip = false;
    }
}

fn disassociate(
    region: &mut Region,
    _: &Call,
    input: DisassociateAddressInput,
) -> Result<DisassociateAddressOutput, Refusal> {
    let allocation = match (input.association_id, input.public_ip) {
        (Some(id), _) => {
            let found = region.ec2.association(&id).map(str::to_string);
            found.ok_or_else(|| missing_ids("InvalidAssociationID.NotFound", "association", &[&id]))?
        }
        (None, Some(ip)) => region.ec2.named_address(None, Some(ip))?,
        (None, None) => {
            let message = "Invalid request, expect PublicIp/AssociationId parameter.";
            return Err(refuse("MissingParameter", message));
        }
    };
    let lent = region.ec2.addresses.get(&allocation).and_then(|address| address.association.as_ref());
    if lent.is_some_and(|found| interface(region, &found.interface).is_ok_and(|kept| kept.is_of_service())) {
        return Err(not_yours());
    }
    end_association(region, &allocation);
    Ok(DisassociateAddressOutput::default())
}

fn release(region: &mut Region, _: &Call, input: ReleaseAddressInput) -> Result<ReleaseAddressOutput, Refusal> {
    check_border_group(region, input.network_border_group.as_deref())?;
    let allocation = region.ec2.named_address(input.allocation_id, input.public_ip)?;
    let Some(address) = region.ec2.addresses.get(&allocation) else { return Err(missing(&[&allocation])) };
    if let Some(association) = &address.association {
        let instance = association.instance.as_ref().and_then(|id| region.world.groups.instance(id));
        // "[Default VPC] Releasing an Elastic IP address automatically disassociates it from any instance that it's
        // associated with. [Nondefault VPC] You must disassociate the Elastic IP address before you can release it."
        let default_vpc = region.ec2.default_vpc().map(VpcId::as_str);
        if instance.is_none_or(|found| default_vpc != Some(found.placement.vpc.as_str())) {
            let message = format!("Address {} is in use.", address.public_ip);
            return Err(refuse("InvalidIPAddress.InUse", message));
        }
        end_association(region, &allocation);
    }
    region.ec2.addresses.remove(&allocation);
    region.ec2.tags.forget(&allocation);
    Ok(ReleaseAddressOutput::default())
}

fn describe(region: &mut Region, _: &Call, input: DescribeAddressesInput) -> Result<DescribeAddressesOutput, Refusal> {
    let ec2 = &region.ec2;
    let wanted = input.public_ips.unwrap_or_default();
    if let Some(ip) = wanted.iter().find(|ip| !ec2.addresses.values().any(|address| address.public_ip == **ip)) {
        return Err(not_found(ip));
    }
    let asked = |ip: &String| wanted.iter().position(|one| one == ip);
    let mut named: Vec<_> =
        ec2.addresses.iter().filter(|(_, a)| wanted.is_empty() || wanted.contains(&a.public_ip)).collect();
    named.sort_by_key(|(_, address)| asked(&address.public_ip));
    let all = named.into_iter().map(|(id, address)| show(region, id, address)).collect();
    let ask = Ask { ids: input.allocation_ids, filters: input.filters, ..Default::default() };
    Ok(DescribeAddressesOutput { addresses: ADDRESSES.select(all, ask)?.set().0 })
}

/// Addresses with their reverse names, of which there are none here.
fn describe_attributes(
    region: &mut Region,
    _: &Call,
    input: DescribeAddressesAttributeInput,
) -> Result<DescribeAddressesAttributeOutput, Refusal> {
    let ids = input.allocation_ids.unwrap_or_default();
    if let Some(unknown) = ids.iter().find(|id| !region.ec2.addresses.contains_key(*id)) {
        return Err(missing(&[unknown]));
    }
    let named = region.ec2.addresses.iter().filter(|(id, _)| ids.is_empty() || ids.contains(id));
    let all = named.map(|(id, address)| AddressAttribute {
        allocation_id: Some(id.clone()),
        public_ip: Some(address.public_ip.clone()),
        ..Default::default()
    });
    let (addresses, next_token) = page(all.collect(), input.max_results, input.next_token)?.set();
    Ok(DescribeAddressesAttributeOutput { addresses, next_token })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, describe_attributes, DescribeAddressesAttributeInput "DescribeAddressesAttribute":
        "Lists Elastic IP addresses without reverse names.",
        takes AllocationIds Attribute MaxResults NextToken
    );
    operation!(operations, allocate, AllocateAddressInput "AllocateAddress":
        "Allocates an Elastic IP address.",
        takes Domain NetworkBorderGroup PublicIpv4Pool TagSpecifications
    );
    operation!(operations, associate, AssociateAddressInput "AssociateAddress":
        "Gives an instance or a network interface an Elastic IP address.",
        takes AllocationId PublicIp InstanceId NetworkInterfaceId PrivateIpAddress AllowReassociation
    );
    operation!(operations, disassociate, DisassociateAddressInput "DisassociateAddress":
        "Takes an Elastic IP address from its interface.",
        takes AssociationId PublicIp
    );
    operation!(operations, release, ReleaseAddressInput "ReleaseAddress":
        "Gives an Elastic IP address back.",
        takes AllocationId NetworkBorderGroup PublicIp
    );
    operation!(operations, describe, DescribeAddressesInput "DescribeAddresses":
        "Lists Elastic IP addresses.",
        takes AllocationIds PublicIps Filters
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::services::ec2::testing::{call, launched, region, terminate};

    fn give(
        region: &mut Region,
        allocation: &str,
        instance: &InstanceId,
        again: Option<bool>,
    ) -> Result<String, Refusal> {
        let input = AssociateAddressInput {
            allocation_id: Some(allocation.into()),
            instance_id: Some(instance.to_string()),
            // As terraform's provider sends them.
            network_interface_id: Some(String::new()),
            private_ip_address: Some(String::new()),
            allow_reassociation: again,
            ..Default::default()
        };
        Ok(associate(region, &call(), input)?.association_id.unwrap_or_default())
    }

    #[test]
    fn an_address_goes_with_its_association_and_ends_with_its_instance() {
        let mut region = region();
        let (first, second) =
            (launched(&mut region, serde_json::json!({})), launched(&mut region, serde_json::json!({})));
        let from = |pool: &str| AllocateAddressInput { public_ipv4_pool: Some(pool.into()), ..Default::default() };
        let own = allocate(&mut region, &call(), from("ipv4pool-ec2-1")).unwrap_err();
        assert_eq!(own.code, "UnsupportedOperation");
        let allocated = allocate(&mut region, &call(), from("amazon")).unwrap();
        let allocation = allocated.allocation_id.unwrap();
        let association = give(&mut region, &allocation, &first, None).unwrap();
        assert_eq!(give(&mut region, &allocation, &first, None).unwrap(), association);
        assert_eq!(region.world.groups.instance(&first).unwrap().public_ip, allocated.public_ip);
        let refused = give(&mut region, &allocation, &second, Some(false)).unwrap_err();
        assert_eq!(refused.code, "Resource.AlreadyAssociated");
        give(&mut region, &allocation, &second, None).unwrap();
        assert_ne!(region.world.groups.instance(&first).unwrap().public_ip, allocated.public_ip);
        let input = ReleaseAddressInput { allocation_id: Some(allocation.clone()), ..Default::default() };
        let by_default = region.ec2.default_vpc().unwrap().clone();
        region.ec2.vpcs.get_mut(by_default.as_str()).unwrap().is_default = false;
        assert_eq!(release(&mut region, &call(), input.clone()).unwrap_err().code, "InvalidIPAddress.InUse");
        terminate(&mut region, &second);
        release(&mut region, &call(), input).unwrap();
        assert!(region.ec2.addresses.is_empty());
    }

    #[test]
    fn in_the_default_vpc_an_address_is_released_from_its_instance() {
        let mut region = region();
        let instance = launched(&mut region, serde_json::json!({}));
        let allocated = allocate(&mut region, &call(), AllocateAddressInput::default()).unwrap();
        give(&mut region, allocated.allocation_id.as_deref().unwrap(), &instance, None).unwrap();
        let input = ReleaseAddressInput { allocation_id: allocated.allocation_id, ..Default::default() };
        release(&mut region, &call(), input).unwrap();
        assert!(region.ec2.addresses.is_empty());
        assert_ne!(region.world.groups.instance(&instance).unwrap().public_ip, allocated.public_ip);
    }

    #[test]
    fn addresses_come_in_the_order_they_are_asked_for() {
        let mut region = region();
        let ips: Vec<String> = (0..4)
            .map(|_| allocate(&mut region, &call(), AllocateAddressInput::default()).unwrap().public_ip.unwrap())
            .collect();
        let input = DescribeAddressesInput { public_ips: Some(ips.clone()), ..Default::default() };
        let told = describe(&mut region, &call(), input).unwrap().addresses.unwrap();
        assert_eq!(told.into_iter().filter_map(|address| address.public_ip).collect::<Vec<_>>(), ips);
    }
}
