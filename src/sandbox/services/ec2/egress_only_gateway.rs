//! Egress-only internet gateways: the way out for IPv6. Start at [`EgressOnlyGateway`].

use serde::{Deserialize, Serialize};

use super::Ec2;
use super::error::{missing_ids, required};
use super::register::{ask, operation};
use super::select::Kind;
use super::tag::new_tags;
use crate::engine::Refusal;
use crate::engine::names::VpcId;
use crate::sandbox::models::ec2::{
    CreateEgressOnlyInternetGatewayInput, CreateEgressOnlyInternetGatewayOutput, DeleteEgressOnlyInternetGatewayInput,
    DeleteEgressOnlyInternetGatewayOutput, DescribeEgressOnlyInternetGatewaysInput,
    DescribeEgressOnlyInternetGatewaysOutput, EgressOnlyInternetGateway, InternetGatewayAttachment,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EgressOnlyGateway {
    pub vpc: VpcId,
}

/// EC2's code for it, and its word where a route names one.
pub fn missing(ids: &[&str]) -> Refusal {
    missing_ids("InvalidGatewayID.NotFound", "eigw", ids)
}

impl Ec2 {
    fn show_egress_only(&self, id: &str, gateway: &EgressOnlyGateway) -> EgressOnlyInternetGateway {
        EgressOnlyInternetGateway {
            egress_only_internet_gateway_id: Some(id.to_string()),
            attachments: Some(vec![InternetGatewayAttachment {
                state: Some("attached".into()),
                vpc_id: Some(gateway.vpc.to_string()),
            }]),
            tags: self.tags.of(id),
        }
    }
}

const GATEWAYS: Kind<EgressOnlyInternetGateway> = Kind {
    id: |gateway| &gateway.egress_only_internet_gateway_id,
    id_parameter: "egressOnlyInternetGatewayIdSet",
    missing,
    tags: |gateway| &gateway.tags,
    filters: &[],
};

fn create(
    region: &mut Region,
    _: &Call,
    input: CreateEgressOnlyInternetGatewayInput,
) -> Result<CreateEgressOnlyInternetGatewayOutput, Refusal> {
    let tags = new_tags(input.tag_specifications, "egress-only-internet-gateway")?;
    let vpc = VpcId(required(input.vpc_id, "vpcId")?);
    let ec2 = &mut region.ec2;
    ec2.vpc(vpc.as_str())?;
    let id = match ec2.made_before(&input.client_token) {
        Some(id) => id,
        None => {
            let id = ec2.ids.ec2("eigw");
            ec2.egress_only_gateways.insert(id.clone(), EgressOnlyGateway { vpc });
            ec2.remember_token(input.client_token.clone(), &id);
            ec2.tags.put(&id, tags);
            id
        }
    };
    let kept = ec2.egress_only_gateways.get(&id).ok_or_else(|| missing(&[&id]))?;
    let shown = ec2.show_egress_only(&id, kept);
    Ok(CreateEgressOnlyInternetGatewayOutput {
        client_token: input.client_token,
        egress_only_internet_gateway: Some(shown),
    })
}

fn delete(
    region: &mut Region,
    _: &Call,
    input: DeleteEgressOnlyInternetGatewayInput,
) -> Result<DeleteEgressOnlyInternetGatewayOutput, Refusal> {
    let id = required(input.egress_only_internet_gateway_id, "egressOnlyInternetGatewayId")?;
    let ec2 = &mut region.ec2;
    ec2.egress_only_gateways.remove(&id).ok_or_else(|| missing(&[&id]))?;
    ec2.tags.forget(&id);
    ec2.forget_token_of(&id);
    Ok(DeleteEgressOnlyInternetGatewayOutput { return_code: Some(true) })
}

fn describe(
    region: &mut Region,
    _: &Call,
    input: DescribeEgressOnlyInternetGatewaysInput,
) -> Result<DescribeEgressOnlyInternetGatewaysOutput, Refusal> {
    let ec2 = &region.ec2;
    let all = ec2.egress_only_gateways.iter().map(|(id, gateway)| ec2.show_egress_only(id, gateway)).collect();
    let (gateways, next_token) = GATEWAYS.select(all, ask!(input.egress_only_internet_gateway_ids))?.set();
    Ok(DescribeEgressOnlyInternetGatewaysOutput { egress_only_internet_gateways: gateways, next_token })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, create, CreateEgressOnlyInternetGatewayInput "CreateEgressOnlyInternetGateway":
        "Creates an egress-only internet gateway in a VPC.",
        takes ClientToken TagSpecifications VpcId
    );
    operation!(operations, delete, DeleteEgressOnlyInternetGatewayInput "DeleteEgressOnlyInternetGateway":
        "Deletes an egress-only internet gateway.",
        takes EgressOnlyInternetGatewayId
    );
    operation!(operations, describe, DescribeEgressOnlyInternetGatewaysInput "DescribeEgressOnlyInternetGateways":
        "Lists egress-only internet gateways.",
        takes EgressOnlyInternetGatewayIds Filters MaxResults NextToken
    );
}
