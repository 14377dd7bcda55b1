//! NAT gateways: a way out of private subnets. Start at [`NatGateway`].
//! They are ready, and gone, as soon as one looks. Left out, and refused: regional ones, secondary addresses.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Ec2;
use super::error::{combination, missing_ids, missing_parameter, refuse, required};
use super::interface_address::Wanted;
use super::interface_calls::{Wish, new_interface};
use super::network_interface::{Attached, Holder};
use super::register::operation;
use super::select::{Ask, Kind, one};
use super::tag::new_tags;
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::names::{SubnetId, VpcId};
use crate::sandbox::models::ec2 as model;
use crate::sandbox::models::ec2::{
    CreateNatGatewayInput, CreateNatGatewayOutput, DeleteNatGatewayInput, DeleteNatGatewayOutput,
    DescribeNatGatewaysInput, DescribeNatGatewaysOutput, NatGatewayAddress,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NatGateway {
    pub subnet: SubnetId,
    pub vpc: VpcId,
    /// Its Elastic IP address; a private gateway has none.
    pub allocation: Option<String>,
    /// The address and its association, as they were: they are told of a gateway that is gone, too.
    pub public_ip: Option<String>,
    pub association: Option<String>,
    /// None of a gateway that failed.
    pub interface: Option<String>,
    pub private_ip: Option<String>,
    pub created_at: Timestamp,
    pub state: State,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    Available,
    Failed { code: String, message: String },
    Deleted { at: Timestamp },
}

impl State {
    fn name(&self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Failed { .. } => "failed",
            Self::Deleted { .. } => "deleted",
        }
    }
}

/// "Deleted NAT gateways ... remain visible for about an hour"; those that failed "for a short while (usually about an
/// hour)". Source: VPC User Guide, "Work with NAT gateways" and "Troubleshoot NAT gateways".
const SHOWN_FOR: Duration = Duration::from_secs(60 * 60);

fn missing(ids: &[&str]) -> Refusal {
    refuse("NatGatewayNotFound", format!("NatGateway {} was not found", ids.join(", ")))
}

impl NatGateway {
    fn is_shown(&self, now: Timestamp) -> bool {
        let ended_at = match &self.state {
            State::Available => return true,
            State::Failed { .. } => self.created_at,
            State::Deleted { at } => *at,
        };
        now < ended_at + SHOWN_FOR
    }

    pub fn works(&self) -> bool {
        self.state == State::Available
    }
}

impl Ec2 {
    pub fn nat_gateway(&self, id: &str) -> Result<&NatGateway, Refusal> {
        self.nat_gateways.get(id).ok_or_else(|| missing(&[id]))
    }

    /// Whether anything but what is gone keeps a subnet in use.
    pub fn has_nat_gateway_in(&self, subnet: &str) -> bool {
        self.nat_gateways.values().any(|gateway| gateway.works() && gateway.subnet.as_str() == subnet)
    }

    fn show_nat_gateway(&self, id: &str, gateway: &NatGateway) -> model::NatGateway {
        let failed = match &gateway.state {
            State::Failed { code, message } => Some((code.clone(), message.clone())),
            _ => None,
        };
        let (failure_code, failure_message) = failed.unzip();
        let address = NatGatewayAddress {
            allocation_id: gateway.allocation.clone(),
            association_id: gateway.association.clone(),
            network_interface_id: gateway.interface.clone(),
            private_ip: gateway.private_ip.clone(),
            public_ip: gateway.public_ip.clone(),
            is_primary: Some(true),
            status: Some(if failure_code.is_some() { "failed" } else { "succeeded" }.into()),
            ..Default::default()
        };
        let public = gateway.allocation.is_some();
        model::NatGateway {
            nat_gateway_id: Some(id.to_string()),
            create_time: Some(gateway.created_at),
            delete_time: match &gateway.state {
                State::Available => None,
                State::Failed { .. } => Some(gateway.created_at),
                State::Deleted { at } => Some(*at),
            },
            failure_code,
            failure_message,
            nat_gateway_addresses: Some(vec![address]),
            state: Some(gateway.state.name().into()),
            subnet_id: Some(gateway.subnet.to_string()),
            vpc_id: Some(gateway.vpc.to_string()),
            connectivity_type: Some(if public { "public" } else { "private" }.into()),
            availability_mode: Some("zonal".into()),
            tags: self.tags.of(id),
            ..Default::default()
        }
    }
}

/// Why a gateway cannot work, which EC2 says of the gateway and not of the call. Source: NatGateway, `FailureCode`.
fn failure(ec2: &Ec2, gateway: &NatGateway) -> Option<State> {
    let failed = |code: &str, message: String| Some(State::Failed { code: code.into(), message });
    let Some(id) = &gateway.allocation else { return None };
    let vpc = &gateway.vpc;
    if !ec2.internet_gateways.values().any(|other| other.vpc.as_ref() == Some(vpc)) {
        return failed("Gateway.NotAttached", format!("Network {vpc} has no Internet gateway attached"));
    }
    if ec2.addresses.get(id).is_some_and(|address| address.association.is_some()) {
        let message = format!("Elastic IP address {id} could not be associated with this NAT gateway");
        return failed("Resource.AlreadyAssociated", message);
    }
    None
}

fn check(region: &Region, input: &CreateNatGatewayInput) -> Result<(), Refusal> {
    let private = input.connectivity_type.as_deref() == Some("private");
    if let Some(other) = input.availability_mode.as_deref().filter(|mode| *mode != "zonal") {
        let message = format!("The availability mode {other} is not reproduced by scaleproof's sandbox");
        return Err(refuse("UnsupportedOperation", message));
    }
    match &input.allocation_id {
        Some(_) if private => Err(combination("A private NAT gateway cannot have an Elastic IP address")),
        None if !private => Err(missing_parameter("AllocationId")),
        Some(id) if !region.ec2.addresses.contains_key(id) => {
            Err(missing_ids("InvalidAllocationID.NotFound", "allocation", &[id]))
        }
        _ => Ok(()),
    }
}

fn create(region: &mut Region, call: &Call, input: CreateNatGatewayInput) -> Result<CreateNatGatewayOutput, Refusal> {
    let tags = new_tags(input.tag_specifications.clone(), "natgateway")?;
    let subnet = required(input.subnet_id.clone(), "subnetId")?;
    let vpc = region.ec2.subnet(&subnet)?.vpc.clone();
    check(region, &input)?;
    let id = match region.ec2.made_before(&input.client_token) {
        Some(id) => id,
        None => {
            let id = region.ec2.ids.ec2("nat");
            let gateway = NatGateway {
                subnet: SubnetId(subnet),
                vpc,
                public_ip: input
                    .allocation_id
                    .as_ref()
                    .and_then(|id| Some(region.ec2.addresses.get(id)?.public_ip.clone())),
                allocation: input.allocation_id,
                association: None,
                interface: None,
                private_ip: input.private_ip_address,
                created_at: super::whole_second(call.now),
                state: State::Available,
            };
            let made = match failure(&region.ec2, &gateway) {
                Some(state) => NatGateway { state, ..gateway },
                None => connected(region, &id, gateway)?,
            };
            region.ec2.nat_gateways.insert(id.clone(), made);
            region.ec2.remember_token(input.client_token.clone(), &id);
            region.ec2.tags.put(&id, tags);
            id
        }
    };
    let shown = region.ec2.show_nat_gateway(&id, region.ec2.nat_gateway(&id)?);
    // The answer is about the moment of the call, before anything can have failed.
    let shown = model::NatGateway {
        state: Some("pending".into()),
        failure_code: None,
        failure_message: None,
        delete_time: None,
        ..shown
    };
    Ok(CreateNatGatewayOutput { client_token: input.client_token, nat_gateway: Some(shown) })
}

/// Gives the gateway its interface and the interface its address.
fn connected(region: &mut Region, id: &str, gateway: NatGateway) -> Result<NatGateway, Refusal> {
    let wish = Wish {
        subnet: gateway.subnet.to_string(),
        description: format!("Interface for NAT Gateway {id}"),
        primary: gateway.private_ip.clone(),
        secondary: Wanted::default(),
        ..Wish::default()
    };
    let mut interface = new_interface(region, wish)?;
    interface.kind = "nat_gateway".into();
    interface.groups = Vec::new();
    interface.source_dest_check = false;
    interface.attachment = Some(Attached {
        id: region.ec2.ids.ec2("ela-attach"),
        to: Holder::Service,
        index: 1,
        at: gateway.created_at,
        delete_on_termination: false,
    });
    let private_ip = interface.addresses.first().cloned().unwrap_or_default();
    let eni = region.ec2.keep_new_interface(interface);
    region.ec2.tell_addresses(&mut region.world.groups);
    let association = match &gateway.allocation {
        Some(allocation) => Some(region.ec2.lend_address(allocation, &eni, &private_ip)?),
        None => None,
    };
    Ok(NatGateway { interface: Some(eni), private_ip: Some(private_ip), association, ..gateway })
}

fn delete(region: &mut Region, call: &Call, input: DeleteNatGatewayInput) -> Result<DeleteNatGatewayOutput, Refusal> {
    let id = required(input.nat_gateway_id, "natGatewayId")?;
    let now = super::whole_second(call.now);
    let gateway = region.ec2.nat_gateways.get_mut(&id).filter(|gateway| gateway.is_shown(call.now));
    let gateway = gateway.ok_or_else(|| missing(&[&id]))?;
    if !matches!(gateway.state, State::Deleted { .. }) {
        gateway.state = State::Deleted { at: now };
        if let Some(eni) = gateway.interface.clone() {
            region.ec2.forget_interface(&eni);
            region.ec2.tell_addresses(&mut region.world.groups);
        }
        region.ec2.forget_token_of(&id);
    }
    Ok(DeleteNatGatewayOutput { nat_gateway_id: Some(id) })
}

const GATEWAYS: Kind<model::NatGateway> = Kind {
    id: |gateway| &gateway.nat_gateway_id,
    id_parameter: "natGatewayIdSet",
    missing,
    tags: |gateway| &gateway.tags,
    filters: &[
        ("nat-gateway-id", |g| one(&g.nat_gateway_id)),
        ("state", |g| one(&g.state)),
        ("subnet-id", |g| one(&g.subnet_id)),
        ("vpc-id", |g| one(&g.vpc_id)),
    ],
};

fn describe(
    region: &mut Region,
    call: &Call,
    input: DescribeNatGatewaysInput,
) -> Result<DescribeNatGatewaysOutput, Refusal> {
    let ec2 = &mut region.ec2;
    let over: Vec<String> =
        ec2.nat_gateways.iter().filter(|(_, gateway)| !gateway.is_shown(call.now)).map(|(id, _)| id.clone()).collect();
    for id in over {
        ec2.nat_gateways.remove(&id);
        ec2.tags.forget(&id);
    }
    let all = ec2.nat_gateways.iter().map(|(id, gateway)| ec2.show_nat_gateway(id, gateway)).collect();
    let ask = Ask {
        ids: input.nat_gateway_ids,
        filters: input.filter,
        max_results: input.max_results,
        next_token: input.next_token,
    };
    let (nat_gateways, next_token) = GATEWAYS.select(all, ask)?.set();
    Ok(DescribeNatGatewaysOutput { nat_gateways, next_token })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, create, CreateNatGatewayInput "CreateNatGateway":
        "Creates a NAT gateway; without an internet gateway in its VPC it fails, as on AWS.",
        takes AllocationId AvailabilityMode ClientToken ConnectivityType PrivateIpAddress SubnetId TagSpecifications
    );
    operation!(operations, delete, DeleteNatGatewayInput "DeleteNatGateway":
        "Deletes a NAT gateway, which stays visible for an hour.",
        takes NatGatewayId
    );
    operation!(operations, describe, DescribeNatGatewaysInput "DescribeNatGateways":
        "Lists NAT gateways.",
        takes Filter MaxResults NatGatewayIds NextToken
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::services::ec2::address::ElasticIp;
    use crate::sandbox::services::ec2::testing::{call, region};

    fn allocated(region: &mut Region) -> String {
        let address = ElasticIp { public_ip: "198.18.0.9".into(), association: None };
        region.ec2.addresses.insert("eipalloc-1".into(), address);
        "eipalloc-1".into()
    }

    fn gateway(region: &mut Region, subnet: &SubnetId, allocation: &str) -> NatGateway {
        let input = CreateNatGatewayInput {
            subnet_id: Some(subnet.to_string()),
            allocation_id: Some(allocation.into()),
            ..Default::default()
        };
        let made = create(region, &call(), input).unwrap().nat_gateway.unwrap();
        assert_eq!(made.state.as_deref(), Some("pending"));
        region.ec2.nat_gateway(&made.nat_gateway_id.unwrap()).unwrap().clone()
    }

    fn code(gateway: &NatGateway) -> &str {
        match &gateway.state {
            State::Failed { code, .. } => code,
            other => other.name(),
        }
    }

    #[test]
    fn a_gateway_needs_a_way_out_and_a_free_address() {
        let mut region = region();
        let allocated = allocated(&mut region);
        let subnet = region.ec2.subnets.keys().next().unwrap().clone();
        let attached: Vec<_> = region.ec2.internet_gateways.values_mut().map(|gateway| gateway.vpc.take()).collect();
        assert_eq!(code(&gateway(&mut region, &subnet, &allocated)), "Gateway.NotAttached");
        for (gateway, vpc) in region.ec2.internet_gateways.values_mut().zip(attached) {
            gateway.vpc = vpc;
        }
        let working = gateway(&mut region, &subnet, &allocated);
        assert_eq!(code(&working), "available");
        assert_eq!(region.ec2.addresses[&allocated].association.as_ref().map(|a| &a.id), working.association.as_ref());
        assert_eq!(code(&gateway(&mut region, &subnet, &allocated)), "Resource.AlreadyAssociated");
    }

    #[test]
    fn a_deleted_gateway_gives_its_address_back_and_is_told_for_an_hour() {
        let mut region = region();
        let allocated = allocated(&mut region);
        let subnet = region.ec2.subnets.keys().next().unwrap().clone();
        gateway(&mut region, &subnet, &allocated);
        let id = region.ec2.nat_gateways.keys().next().cloned();
        delete(&mut region, &call(), DeleteNatGatewayInput { nat_gateway_id: id.clone(), dry_run: None }).unwrap();
        assert_eq!(region.ec2.addresses[&allocated].association, None);
        assert!(region.ec2.interfaces.is_empty());
        let shown = describe(&mut region, &call(), DescribeNatGatewaysInput::default()).unwrap();
        assert_eq!(shown.nat_gateways.unwrap().len(), 1);
        let later = Call::new(call().now + SHOWN_FOR, "later".into(), String::new());
        let shown = describe(&mut region, &later, DescribeNatGatewaysInput::default()).unwrap();
        assert_eq!(shown.nat_gateways.unwrap().len(), 0);
    }
}
