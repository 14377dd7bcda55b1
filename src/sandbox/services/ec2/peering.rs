//! VPC peering connections within the account and region. Start at [`Peering`].
//! Left out, and refused: peering with another region or account.

use serde::{Deserialize, Serialize};

use super::Ec2;
use super::error::{missing_ids, refuse, required};
use super::register::{ask, operation};
use super::select::{Kind, one};
use super::tag::new_tags;
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::names::VpcId;
use crate::sandbox::models::ec2::{
    AcceptVpcPeeringConnectionInput, AcceptVpcPeeringConnectionOutput, CidrBlock, CreateVpcPeeringConnectionInput,
    CreateVpcPeeringConnectionOutput, DeleteVpcPeeringConnectionInput, DeleteVpcPeeringConnectionOutput,
    DescribeVpcPeeringConnectionsInput, DescribeVpcPeeringConnectionsOutput, ModifyVpcPeeringConnectionOptionsInput,
    ModifyVpcPeeringConnectionOptionsOutput, PeeringConnectionOptions, PeeringConnectionOptionsRequest,
    RejectVpcPeeringConnectionInput, RejectVpcPeeringConnectionOutput, VpcPeeringConnection,
    VpcPeeringConnectionOptionsDescription, VpcPeeringConnectionStateReason, VpcPeeringConnectionVpcInfo,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peering {
    pub requester: VpcId,
    pub accepter: VpcId,
    pub state: State,
    /// When the request is void. "The request expires after 7 days."
    pub expires_at: Timestamp,
    /// Whether each side resolves names of the other.
    pub requester_dns: bool,
    pub accepter_dns: bool,
}

impl Peering {
    /// Whether it connects, or may come to.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Pending | State::Active)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    Pending,
    Active,
    Rejected,
    Deleted,
    Failed,
}

impl State {
    fn describe(self) -> (&'static str, &'static str) {
        match self {
            Self::Pending => ("pending-acceptance", "Pending Acceptance by"),
            Self::Active => ("active", "Active"),
            Self::Rejected => ("rejected", "Rejected by"),
            Self::Deleted => ("deleted", "Deleted by"),
            Self::Failed => ("failed", "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range"),
        }
    }
}

const EXPIRES_AFTER: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 60 * 60);

pub fn missing(ids: &[&str]) -> Refusal {
    missing_ids("InvalidVpcPeeringConnectionID.NotFound", "vpcPeeringConnection", ids)
}

impl Ec2 {
    pub fn peering(&self, id: &str) -> Result<&Peering, Refusal> {
        self.peerings.get(id).ok_or_else(|| missing(&[id]))
    }

    /// Whether a connection that is not over still needs the VPC.
    pub fn is_peered(&self, vpc: &VpcId) -> bool {
        let of = |peering: &Peering| peering.requester == *vpc || peering.accepter == *vpc;
        self.peerings.values().any(|peering| peering.state == State::Active && of(peering))
    }

    fn show_side(&self, vpc: &VpcId, dns: bool, state: State) -> VpcPeeringConnectionVpcInfo {
        let kept = self.vpcs.get(vpc);
        let blocks = kept.into_iter().flat_map(|vpc| vpc.cidrs());
        let blocks: Vec<CidrBlock> = blocks.map(|cidr| CidrBlock { cidr_block: Some(cidr.to_string()) }).collect();
        VpcPeeringConnectionVpcInfo {
            cidr_block: blocks.first().and_then(|block| block.cidr_block.clone()),
            cidr_block_set: Some(blocks),
            owner_id: Some(self.place.account.clone()),
            peering_options: (state == State::Active).then_some(VpcPeeringConnectionOptionsDescription {
                allow_dns_resolution_from_remote_vpc: Some(dns),
                allow_egress_from_local_classic_link_to_remote_vpc: Some(false),
                allow_egress_from_local_vpc_to_remote_classic_link: Some(false),
            }),
            vpc_id: Some(vpc.to_string()),
            region: Some(self.place.region.clone()),
            ..Default::default()
        }
    }

    fn show_peering(&self, id: &str, peering: &Peering) -> VpcPeeringConnection {
        let (code, words) = peering.state.describe();
        let by = words.ends_with(" by");
        let message = if by { format!("{words} {}", self.place.account) } else { words.to_string() };
        VpcPeeringConnection {
            vpc_peering_connection_id: Some(id.to_string()),
            requester_vpc_info: Some(self.show_side(&peering.requester, peering.requester_dns, peering.state)),
            accepter_vpc_info: Some(self.show_side(&peering.accepter, peering.accepter_dns, peering.state)),
            expiration_time: (peering.state == State::Pending).then_some(peering.expires_at),
            status: Some(VpcPeeringConnectionStateReason { code: Some(code.into()), message: Some(message) }),
            tags: self.tags.of(id),
        }
    }

    /// Moves a connection from one of `from` to another state.
    fn move_peering(&mut self, id: &str, from: &[State], to: State) -> Result<(), Refusal> {
        let peering = self.peerings.get_mut(id).ok_or_else(|| missing(&[id]))?;
        if !from.contains(&peering.state) {
            let (state, _) = peering.state.describe();
            let message =
                format!("The vpc peering connection {id} is in the {state} state, which does not allow this.");
            return Err(refuse("InvalidStateTransition", message));
        }
        peering.state = to;
        Ok(())
    }
}

fn create(
    region: &mut Region,
    call: &Call,
    input: CreateVpcPeeringConnectionInput,
) -> Result<CreateVpcPeeringConnectionOutput, Refusal> {
    let tags = new_tags(input.tag_specifications, "vpc-peering-connection")?;
    let ec2 = &mut region.ec2;
    let elsewhere = [
        ("PeerRegion", input.peer_region.filter(|name| *name != ec2.place.region)),
        ("PeerOwnerId", input.peer_owner_id.filter(|account| *account != ec2.place.account)),
    ];
    if let Some((name, Some(value))) = elsewhere.iter().find(|(_, value)| value.is_some()) {
        let message = format!("Peering with {name} {value} is not reproduced by scaleproof's sandbox");
        return Err(refuse("UnsupportedOperation", message));
    }
    let requester = VpcId(required(input.vpc_id, "vpcId")?);
    let accepter = VpcId(required(input.peer_vpc_id, "peerVpcId")?);
    let own: Vec<_> = ec2.vpc(requester.as_str())?.cidrs().collect();
    let overlaps = match ec2.vpcs.get(&accepter) {
        Some(peer) => peer.cidrs().any(|theirs| own.iter().any(|ours| ours.overlaps(theirs))),
        // "An incorrect VPC id" fails the connection, not the call.
        None => true,
    };
    let peering = Peering {
        requester,
        accepter,
        state: if overlaps { State::Failed } else { State::Pending },
        expires_at: super::whole_second(call.now) + EXPIRES_AFTER,
        requester_dns: false,
        accepter_dns: false,
    };
    let id = ec2.ids.ec2("pcx");
    ec2.peerings.insert(id.clone(), peering.clone());
    ec2.tags.put(&id, tags);
    let mut shown = ec2.show_peering(&id, &peering);
    // The answer is about the moment of the call.
    shown.status = Some(VpcPeeringConnectionStateReason {
        code: Some("initiating-request".into()),
        message: Some(format!("Initiating Request to {}", ec2.place.account)),
    });
    Ok(CreateVpcPeeringConnectionOutput { vpc_peering_connection: Some(shown) })
}

fn accept(
    region: &mut Region,
    call: &Call,
    input: AcceptVpcPeeringConnectionInput,
) -> Result<AcceptVpcPeeringConnectionOutput, Refusal> {
    let id = required(input.vpc_peering_connection_id, "vpcPeeringConnectionId")?;
    let ec2 = &mut region.ec2;
    if ec2.peering(&id)?.expires_at <= call.now {
        return Err(refuse("InvalidStateTransition", format!("The vpc peering connection {id} has expired.")));
    }
    ec2.move_peering(&id, &[State::Pending, State::Active], State::Active)?;
    let shown = ec2.show_peering(&id, ec2.peering(&id)?);
    Ok(AcceptVpcPeeringConnectionOutput { vpc_peering_connection: Some(shown) })
}

fn reject(
    region: &mut Region,
    _: &Call,
    input: RejectVpcPeeringConnectionInput,
) -> Result<RejectVpcPeeringConnectionOutput, Refusal> {
    let id = required(input.vpc_peering_connection_id, "vpcPeeringConnectionId")?;
    region.ec2.move_peering(&id, &[State::Pending], State::Rejected)?;
    Ok(RejectVpcPeeringConnectionOutput { r#return: Some(true) })
}

fn delete(
    region: &mut Region,
    _: &Call,
    input: DeleteVpcPeeringConnectionInput,
) -> Result<DeleteVpcPeeringConnectionOutput, Refusal> {
    let id = required(input.vpc_peering_connection_id, "vpcPeeringConnectionId")?;
    region.ec2.move_peering(&id, &[State::Pending, State::Active, State::Failed], State::Deleted)?;
    Ok(DeleteVpcPeeringConnectionOutput { r#return: Some(true) })
}

fn modify_options(
    region: &mut Region,
    _: &Call,
    input: ModifyVpcPeeringConnectionOptionsInput,
) -> Result<ModifyVpcPeeringConnectionOptionsOutput, Refusal> {
    let id = required(input.vpc_peering_connection_id, "vpcPeeringConnectionId")?;
    let peering = region.ec2.peerings.get_mut(&id).ok_or_else(|| missing(&[&id]))?;
    if peering.state != State::Active {
        let message = format!("The vpc peering connection {id} is not active.");
        return Err(refuse("OperationNotPermitted", message));
    }
    let dns = |options: &Option<PeeringConnectionOptionsRequest>| {
        options.as_ref().and_then(|options| options.allow_dns_resolution_from_remote_vpc)
    };
    let show = |value: bool| PeeringConnectionOptions {
        allow_dns_resolution_from_remote_vpc: Some(value),
        allow_egress_from_local_classic_link_to_remote_vpc: Some(false),
        allow_egress_from_local_vpc_to_remote_classic_link: Some(false),
    };
    peering.requester_dns = dns(&input.requester_peering_connection_options).unwrap_or(peering.requester_dns);
    peering.accepter_dns = dns(&input.accepter_peering_connection_options).unwrap_or(peering.accepter_dns);
    Ok(ModifyVpcPeeringConnectionOptionsOutput {
        requester_peering_connection_options: input
            .requester_peering_connection_options
            .map(|_| show(peering.requester_dns)),
        accepter_peering_connection_options: input
            .accepter_peering_connection_options
            .map(|_| show(peering.accepter_dns)),
    })
}

macro_rules! side {
    ($connection:ident.$side:ident.$member:ident) => {
        $connection.$side.iter().flat_map(|side| one(&side.$member)).collect()
    };
}

const PEERINGS: Kind<VpcPeeringConnection> = Kind {
    id: |peering| &peering.vpc_peering_connection_id,
    id_parameter: "vpcPeeringConnectionIdSet",
    missing,
    tags: |peering| &peering.tags,
    filters: &[
        ("accepter-vpc-info.cidr-block", |p| side!(p.accepter_vpc_info.cidr_block)),
        ("accepter-vpc-info.owner-id", |p| side!(p.accepter_vpc_info.owner_id)),
        ("accepter-vpc-info.vpc-id", |p| side!(p.accepter_vpc_info.vpc_id)),
        ("expiration-time", |p| one(&p.expiration_time)),
        ("requester-vpc-info.cidr-block", |p| side!(p.requester_vpc_info.cidr_block)),
        ("requester-vpc-info.owner-id", |p| side!(p.requester_vpc_info.owner_id)),
        ("requester-vpc-info.vpc-id", |p| side!(p.requester_vpc_info.vpc_id)),
        ("status-code", |p| side!(p.status.code)),
        ("status-message", |p| side!(p.status.message)),
        ("vpc-peering-connection-id", |p| one(&p.vpc_peering_connection_id)),
    ],
};

fn describe(
    region: &mut Region,
    _: &Call,
    input: DescribeVpcPeeringConnectionsInput,
) -> Result<DescribeVpcPeeringConnectionsOutput, Refusal> {
    let ec2 = &region.ec2;
    let all = ec2.peerings.iter().map(|(id, peering)| ec2.show_peering(id, peering)).collect();
    let (connections, next_token) = PEERINGS.select(all, ask!(input.vpc_peering_connection_ids))?.set();
    Ok(DescribeVpcPeeringConnectionsOutput { vpc_peering_connections: connections, next_token })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, create, CreateVpcPeeringConnectionInput "CreateVpcPeeringConnection":
        "Asks for a peering connection between two VPCs of the account and region.",
        takes PeerOwnerId PeerRegion PeerVpcId TagSpecifications VpcId
    );
    operation!(operations, accept, AcceptVpcPeeringConnectionInput "AcceptVpcPeeringConnection":
        "Accepts a peering connection.",
        takes VpcPeeringConnectionId
    );
    operation!(operations, reject, RejectVpcPeeringConnectionInput "RejectVpcPeeringConnection":
        "Rejects a peering connection.",
        takes VpcPeeringConnectionId
    );
    operation!(operations, delete, DeleteVpcPeeringConnectionInput "DeleteVpcPeeringConnection":
        "Deletes a peering connection, which stays visible.",
        takes VpcPeeringConnectionId
    );
    operation!(operations, modify_options, ModifyVpcPeeringConnectionOptionsInput "ModifyVpcPeeringConnectionOptions":
        "Sets whether a side resolves names of the other.",
        takes AccepterPeeringConnectionOptions RequesterPeeringConnectionOptions VpcPeeringConnectionId
    );
    operation!(operations, describe, DescribeVpcPeeringConnectionsInput "DescribeVpcPeeringConnections":
        "Lists peering connections.",
        takes Filters MaxResults NextToken VpcPeeringConnectionIds
    );
}
