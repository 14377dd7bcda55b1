//! Who a caller or a key is.

use crate::engine::Refusal;
use crate::sandbox::models::sts as model;
use crate::sandbox::operations::{Call, IdentityKind, Operations};
use crate::sandbox::region::Region;

/// The user that keys belong to which this sandbox did not give out.
pub(super) const USER: &str = "sandbox";
pub(super) const USER_ID: &str = "AIDASCALEPROOFSANDBOX";

pub(super) fn register(operations: &mut Operations) {
    operations.on(
        "GetCallerIdentity",
        "Says whose the caller's key is: a user, a session, or the account's.",
        &[],
        get_caller_identity,
    );
    operations.on(
        "GetAccessKeyInfo",
        "Says which account a key belongs to: the one the sandbox takes it for.",
        &["AccessKeyId"],
        get_access_key_info,
    );
    operations.on(
        "DecodeAuthorizationMessage",
        "Refuses every message, since the sandbox encodes none.",
        &["EncodedMessage"],
        decode_authorization_message,
    );
}

fn get_caller_identity(
    region: &mut Region,
    call: &Call,
    _: model::GetCallerIdentityInput,
) -> Result<model::GetCallerIdentityOutput, Refusal> {
    let place = &region.world.place;
    // Neither an IAM nor an STS ARN has a region.
    let arn =
        |service: &str, resource: &str| format!("arn:{}:{service}::{}:{resource}", place.partition, place.account);
    let (user_id, arn) = match &call.caller.kind {
        IdentityKind::Anybody => (USER_ID.to_string(), arn("iam", &format!("user/{USER}"))),
        IdentityKind::Known { service, resource, id } => (id.clone(), arn(service, resource)),
    };
    let account = Some(place.account.clone());
    Ok(model::GetCallerIdentityOutput { user_id: Some(user_id), account, arn: Some(arn) })
}

fn get_access_key_info(
    region: &mut Region,
    call: &Call,
    input: model::GetAccessKeyInfoInput,
) -> Result<model::GetAccessKeyInfoOutput, Refusal> {
    let key = input.access_key_id.unwrap_or_default();
    if !key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(Refusal::validation(format!(
            "1 validation error detected: Value '{key}' at 'accessKeyId' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w]*"
        )));
    }
    let known = region.sts.identity(&key).or_else(|| region.iam.identity(&key));
    let account = known.map_or_else(|| call.caller.account.clone(), |identity| identity.account);
    Ok(model::GetAccessKeyInfoOutput { account: Some(account) })
}

fn decode_authorization_message(
    _: &mut Region,
    _: &Call,
    _: model::DecodeAuthorizationMessageInput,
) -> Result<model::DecodeAuthorizationMessageOutput, Refusal> {
    Err(Refusal::new("InvalidAuthorizationMessageException", 400, "Message is not valid"))
}
