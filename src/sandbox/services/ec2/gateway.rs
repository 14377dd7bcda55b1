//! Internet gateways. Start at [`InternetGateway`].

use serde::{Deserialize, Serialize};

use super::Ec2;
use super::error::{dependency, missing_ids, refuse, required};
use super::network_interface::interfaces;
use super::register::{ask, operation};
use super::select::{Kind, each, one};
use super::tag::new_tags;
use crate::engine::Refusal;
use crate::engine::names::{InternetGatewayId, VpcId};
use crate::sandbox::models::ec2 as model;
use crate::sandbox::models::ec2::{
    AttachInternetGatewayInput, AttachInternetGatewayOutput, CreateInternetGatewayInput, CreateInternetGatewayOutput,
    DeleteInternetGatewayInput, DeleteInternetGatewayOutput, DescribeInternetGatewaysInput,
    DescribeInternetGatewaysOutput, DetachInternetGatewayInput, DetachInternetGatewayOutput, InternetGatewayAttachment,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct InternetGateway {
    /// The VPC it is attached to.
    pub vpc: Option<VpcId>,
}

fn missing(ids: &[&str]) -> Refusal {
    missing_ids("InvalidInternetGatewayID.NotFound", "internetGateway", ids)
}

impl Ec2 {
    pub fn create_internet_gateway(&mut self) -> InternetGatewayId {
        let id = InternetGatewayId(self.ids.ec2("igw"));
        self.internet_gateways.insert(id.clone(), InternetGateway::default());
        id
    }

    pub fn internet_gateway(&self, id: &str) -> Result<&InternetGateway, Refusal> {
        self.internet_gateways.get(id).ok_or_else(|| missing(&[id]))
    }

    fn show_gateway(&self, id: &InternetGatewayId, gateway: &InternetGateway) -> model::InternetGateway {
        let attached = gateway.vpc.iter().map(|vpc| InternetGatewayAttachment {
            // AWS says "available" where its documentation says "attached".
            state: Some("available".into()),
            vpc_id: Some(vpc.to_string()),
        });
        model::InternetGateway {
            attachments: Some(attached.collect()),
            internet_gateway_id: Some(id.to_string()),
            owner_id: Some(self.place.account.clone()),
            tags: self.tags.of(id.as_str()),
        }
    }
}

const GATEWAYS: Kind<model::InternetGateway> = Kind {
    id: |gateway| &gateway.internet_gateway_id,
    id_parameter: "internetGatewayIdSet",
    missing,
    tags: |gateway| &gateway.tags,
    filters: &[
        ("attachment.state", |g| each(&g.attachments, |a| &a.state)),
        ("attachment.vpc-id", |g| each(&g.attachments, |a| &a.vpc_id)),
        ("internet-gateway-id", |g| one(&g.internet_gateway_id)),
        ("owner-id", |g| one(&g.owner_id)),
    ],
};

fn create(
    region: &mut Region,
    _: &Call,
    input: CreateInternetGatewayInput,
) -> Result<CreateInternetGatewayOutput, Refusal> {
    let tags = new_tags(input.tag_specifications, "internet-gateway")?;
    let ec2 = &mut region.ec2;
    let id = ec2.create_internet_gateway();
    ec2.tags.put(id.as_str(), tags);
    let shown = ec2.show_gateway(&id, &InternetGateway::default());
    Ok(CreateInternetGatewayOutput { internet_gateway: Some(shown) })
}

fn attach(
    region: &mut Region,
    _: &Call,
    input: AttachInternetGatewayInput,
) -> Result<AttachInternetGatewayOutput, Refusal> {
    let id = required(input.internet_gateway_id, "internetGatewayId")?;
    let vpc = VpcId(required(input.vpc_id, "vpcId")?);
    let ec2 = &mut region.ec2;
    ec2.vpc(vpc.as_str())?;
    if let Some(other) = &ec2.internet_gateway(&id)?.vpc {
        let message = format!("resource {id} is already attached to network {other}");
        return Err(refuse("Resource.AlreadyAssociated", message));
    }
    if ec2.internet_gateways.values().any(|gateway| gateway.vpc.as_ref() == Some(&vpc)) {
        let message = format!("Network {vpc} already has an internet gateway attached");
        return Err(refuse("InvalidParameterValue", message));
    }
    ec2.internet_gateways.insert(InternetGatewayId(id), InternetGateway { vpc: Some(vpc) });
    Ok(AttachInternetGatewayOutput::default())
}

fn detach(
    region: &mut Region,
    _: &Call,
    input: DetachInternetGatewayInput,
) -> Result<DetachInternetGatewayOutput, Refusal> {
    let id = required(input.internet_gateway_id, "internetGatewayId")?;
    let vpc = VpcId(required(input.vpc_id, "vpcId")?);
    // Also where there is no such VPC: "If you are trying to detach an internet gateway, ensure that you specify the
    // correct VPC" (EC2 API reference, "Error codes").
    if region.ec2.internet_gateway(&id)?.vpc.as_ref() != Some(&vpc) {
        let message = format!("resource {id} is not attached to network {vpc}");
        return Err(refuse("Gateway.NotAttached", message));
    }
    let mapped =
        interfaces(region).iter().any(|i| i.association.is_some() && i.vpc_id.as_deref() == Some(vpc.as_str()));
    if mapped {
        return Err(dependency(format!(
            "Network {vpc} has some mapped public address(es). Please unmap those public address(es) before detaching \
             the gateway."
        )));
    }
    region.ec2.internet_gateways.insert(InternetGatewayId(id), InternetGateway::default());
    Ok(DetachInternetGatewayOutput::default())
}

fn delete(
    region: &mut Region,
    _: &Call,
    input: DeleteInternetGatewayInput,
) -> Result<DeleteInternetGatewayOutput, Refusal> {
    let id = required(input.internet_gateway_id, "internetGatewayId")?;
    let ec2 = &mut region.ec2;
    if ec2.internet_gateway(&id)?.vpc.is_some() {
        return Err(dependency(format!("The internetGateway '{id}' has dependencies and cannot be deleted.")));
    }
    ec2.internet_gateways.remove(id.as_str());
    ec2.tags.forget(&id);
    Ok(DeleteInternetGatewayOutput::default())
}

fn describe(
    region: &mut Region,
    _: &Call,
    input: DescribeInternetGatewaysInput,
) -> Result<DescribeInternetGatewaysOutput, Refusal> {
    let ec2 = &region.ec2;
    let all = ec2.internet_gateways.iter().map(|(id, gateway)| ec2.show_gateway(id, gateway)).collect();
    let (internet_gateways, next_token) = GATEWAYS.select(all, ask!(input.internet_gateway_ids))?.set();
    Ok(DescribeInternetGatewaysOutput { internet_gateways, next_token })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, create, CreateInternetGatewayInput "CreateInternetGateway":
        "Creates an internet gateway.",
        takes TagSpecifications
    );
    operation!(operations, attach, AttachInternetGatewayInput "AttachInternetGateway":
        "Attaches it to a VPC.",
        takes InternetGatewayId VpcId
    );
    operation!(operations, detach, DetachInternetGatewayInput "DetachInternetGateway":
        "Detaches it from a VPC without public addresses.",
        takes InternetGatewayId VpcId
    );
    operation!(operations, delete, DeleteInternetGatewayInput "DeleteInternetGateway":
        "Deletes a detached internet gateway.",
        takes InternetGatewayId
    );
    operation!(operations, describe, DescribeInternetGatewaysInput "DescribeInternetGateways":
        "Lists internet gateways.",
        takes InternetGatewayIds Filters MaxResults NextToken
    );
}
