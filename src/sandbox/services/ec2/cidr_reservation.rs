//! Reserved blocks of subnets. Start at [`Reservation`].
//! Addresses that EC2 picks by itself are not kept out of them here.

use serde::{Deserialize, Serialize};

use super::Ec2;
use super::cidr::{Cidr, canonical_ipv6, ipv6_contains};
use super::error::{invalid_value, missing_ids, refuse, required};
use super::register::{ask, operation};
use super::select::{Kind, one};
use super::tag::new_tags;
use crate::engine::Refusal;
use crate::engine::names::SubnetId;
use crate::sandbox::models::ec2::{
    CreateSubnetCidrReservationInput, CreateSubnetCidrReservationOutput, DeleteSubnetCidrReservationInput,
    DeleteSubnetCidrReservationOutput, GetSubnetCidrReservationsInput, GetSubnetCidrReservationsOutput,
    SubnetCidrReservation,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    pub subnet: SubnetId,
    /// IPv4 or IPv6, in canonical form.
    pub block: String,
    /// `prefix` or `explicit`.
    pub kind: String,
    pub description: Option<String>,
}

impl Reservation {
    fn is_ipv6(&self) -> bool {
        self.block.contains(':')
    }
}

fn missing(ids: &[&str]) -> Refusal {
    missing_ids("InvalidSubnetCidrReservationID.NotFound", "subnet-cidr-reservation", ids)
}

fn overlap(a: &str, b: &str) -> bool {
    match (Cidr::parse(a), Cidr::parse(b)) {
        (Some(a), Some(b)) => a.overlaps(b),
        _ => ipv6_contains(a, b) || ipv6_contains(b, a),
    }
}

impl Ec2 {
    /// The block as one of the subnet that nothing else has reserved.
    fn check_reservation(&self, id: &str, text: &str) -> Result<String, Refusal> {
        let subnet = self.subnet(id)?;
        let ipv6 = text.contains(':');
        let canonical = if ipv6 { canonical_ipv6(text) } else { Cidr::parse(text).map(|cidr| cidr.to_string()) };
        let block = canonical.ok_or_else(|| invalid_value(text, "cidr", "This is not a valid CIDR block."))?;
        let own = if ipv6 { subnet.ipv6.as_ref().map(|own| own.block.clone()) } else { Some(subnet.cidr.to_string()) };
        let inside = own.as_ref().is_some_and(|own| match Cidr::parse(own) {
            Some(own) => Cidr::parse(&block).is_some_and(|block| own.contains(block)),
            None => ipv6_contains(own, &block),
        });
        if !inside {
            let own = own.unwrap_or_else(|| "none".into());
            let message = format!("Reservation CIDR should be within subnet CIDR block ({own})");
            return Err(refuse("InvalidParameterValue", message));
        }
        let mut others = self.cidr_reservations.values().filter(|other| other.subnet.as_str() == id);
        if others.any(|other| overlap(&other.block, &block)) {
            let message = format!("Reservation CIDR {text} has overlap with existing reserved CIDR block");
            return Err(refuse("InvalidParameterValue", message));
        }
        Ok(block)
    }

    fn show_reservation(&self, id: &str, reservation: &Reservation) -> SubnetCidrReservation {
        SubnetCidrReservation {
            subnet_cidr_reservation_id: Some(id.to_string()),
            subnet_id: Some(reservation.subnet.to_string()),
            cidr: Some(reservation.block.clone()),
            reservation_type: Some(reservation.kind.clone()),
            owner_id: Some(self.place.account.clone()),
            description: reservation.description.clone(),
            tags: self.tags.of(id),
        }
    }

    /// The subnet is gone.
    pub fn forget_reservations_of(&mut self, subnet: &str) {
        let of = |reservation: &Reservation| reservation.subnet.as_str() == subnet;
        let ids: Vec<String> =
            self.cidr_reservations.iter().filter(|(_, kept)| of(kept)).map(|(id, _)| id.clone()).collect();
        for id in ids {
            self.cidr_reservations.remove(&id);
            self.tags.forget(&id);
        }
    }
}

fn create(
    region: &mut Region,
    _: &Call,
    input: CreateSubnetCidrReservationInput,
) -> Result<CreateSubnetCidrReservationOutput, Refusal> {
    let tags = new_tags(input.tag_specifications, "subnet-cidr-reservation")?;
    let subnet = required(input.subnet_id, "subnetId")?;
    let ec2 = &mut region.ec2;
    let block = ec2.check_reservation(&subnet, &required(input.cidr, "cidr")?)?;
    let reservation = Reservation {
        subnet: SubnetId(subnet),
        block,
        kind: required(input.reservation_type, "reservationType")?,
        description: input.description,
    };
    let id = ec2.ids.ec2("scr");
    ec2.tags.put(&id, tags);
    ec2.cidr_reservations.insert(id.clone(), reservation.clone());
    let shown = ec2.show_reservation(&id, &reservation);
    Ok(CreateSubnetCidrReservationOutput { subnet_cidr_reservation: Some(shown) })
}

fn delete(
    region: &mut Region,
    _: &Call,
    input: DeleteSubnetCidrReservationInput,
) -> Result<DeleteSubnetCidrReservationOutput, Refusal> {
    let id = required(input.subnet_cidr_reservation_id, "subnetCidrReservationId")?;
    let ec2 = &mut region.ec2;
    let Some(reservation) = ec2.cidr_reservations.remove(&id) else { return Err(missing(&[&id])) };
    let shown = ec2.show_reservation(&id, &reservation);
    ec2.tags.forget(&id);
    Ok(DeleteSubnetCidrReservationOutput { deleted_subnet_cidr_reservation: Some(shown) })
}

const RESERVATIONS: Kind<SubnetCidrReservation> = Kind {
    id: |reservation| &reservation.subnet_cidr_reservation_id,
    id_parameter: "subnetCidrReservationId",
    missing,
    tags: |reservation| &reservation.tags,
    filters: &[
        ("reservationType", |r| one(&r.reservation_type)),
        ("reservation-type", |r| one(&r.reservation_type)),
        ("subnet-id", |r| one(&r.subnet_id)),
    ],
};

fn get(
    region: &mut Region,
    _: &Call,
    input: GetSubnetCidrReservationsInput,
) -> Result<GetSubnetCidrReservationsOutput, Refusal> {
    let subnet = required(input.subnet_id, "subnetId")?;
    let ec2 = &region.ec2;
    ec2.subnet(&subnet)?;
    let kept = ec2.cidr_reservations.iter().filter(|(_, kept)| kept.subnet.as_str() == subnet);
    let all = kept.map(|(id, kept)| ec2.show_reservation(id, kept)).collect();
    let (page, next_token) = RESERVATIONS.select(all, ask!(input))?.set();
    let is_ipv6 = |shown: &SubnetCidrReservation| {
        shown
            .subnet_cidr_reservation_id
            .as_ref()
            .and_then(|id| ec2.cidr_reservations.get(id))
            .is_some_and(Reservation::is_ipv6)
    };
    let (ipv6, ipv4): (Vec<_>, Vec<_>) = page.into_iter().flatten().partition(is_ipv6);
    Ok(GetSubnetCidrReservationsOutput {
        subnet_ipv4_cidr_reservations: Some(ipv4),
        subnet_ipv6_cidr_reservations: Some(ipv6),
        next_token,
    })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, create, CreateSubnetCidrReservationInput "CreateSubnetCidrReservation":
        "Reserves a block of a subnet.",
        takes Cidr Description ReservationType SubnetId TagSpecifications
    );
    operation!(operations, delete, DeleteSubnetCidrReservationInput "DeleteSubnetCidrReservation":
        "Ends a reservation.",
        takes SubnetCidrReservationId
    );
    operation!(operations, get, GetSubnetCidrReservationsInput "GetSubnetCidrReservations":
        "Lists the reservations of a subnet.",
        takes Filters MaxResults NextToken SubnetId
    );
}
