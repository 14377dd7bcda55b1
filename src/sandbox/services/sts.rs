//! STS: who the caller is. Left out: roles and sessions, since no key is checked anyway.

use crate::engine::Refusal;
use crate::sandbox::models::sts as model;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// The user that every key belongs to.
const USER: &str = "sandbox";
const USER_ID: &str = "AIDASCALEPROOFSANDBOX";

pub fn operations() -> Operations {
    let mut operations = Operations::default();
    operations.on("GetCallerIdentity", "Says which account the caller's key belongs to.", &[], get_caller_identity);
    operations
}

fn get_caller_identity(
    region: &mut Region,
    _: &Call,
    _: model::GetCallerIdentityInput,
) -> Result<model::GetCallerIdentityOutput, Refusal> {
    let place = &region.world.place;
    Ok(model::GetCallerIdentityOutput {
        user_id: Some(USER_ID.into()),
        account: Some(place.account.clone()),
        // An IAM ARN has no region.
        arn: Some(format!("arn:{}:iam::{}:user/{USER}", place.partition, place.account)),
    })
}
