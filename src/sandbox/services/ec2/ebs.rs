//! A region's settings for EBS: whether new volumes are encrypted, and with which key.
//! There is no key management here: keys are names, of which AWS's own is the default.

use super::register::operation;
use crate::engine::Refusal;
use crate::engine::ids::Ids;
use crate::engine::names::Place;
use crate::sandbox::models::ec2::{
    DisableEbsEncryptionByDefaultInput, DisableEbsEncryptionByDefaultOutput, EnableEbsEncryptionByDefaultInput,
    EnableEbsEncryptionByDefaultOutput, GetEbsDefaultKmsKeyIdInput, GetEbsDefaultKmsKeyIdOutput,
    GetEbsEncryptionByDefaultInput, GetEbsEncryptionByDefaultOutput,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// The key that AWS makes for EBS in every account and region, under its alias.
const DEFAULT_KEY_ALIAS: &str = "alias/aws/ebs";

/// The ARN of the account's key for EBS.
pub fn default_kms_key(place: &Place) -> String {
    let key = Ids::new(0, &format!("{DEFAULT_KEY_ALIAS} {} {}", place.account, place.region)).uuid();
    place.arn("kms", &format!("key/{key}"))
}

fn enable(
    region: &mut Region,
    _: &Call,
    _: EnableEbsEncryptionByDefaultInput,
) -> Result<EnableEbsEncryptionByDefaultOutput, Refusal> {
    region.ec2.encrypts_by_default = true;
    Ok(EnableEbsEncryptionByDefaultOutput { ebs_encryption_by_default: Some(true) })
}

fn disable(
    region: &mut Region,
    _: &Call,
    _: DisableEbsEncryptionByDefaultInput,
) -> Result<DisableEbsEncryptionByDefaultOutput, Refusal> {
    region.ec2.encrypts_by_default = false;
    Ok(DisableEbsEncryptionByDefaultOutput { ebs_encryption_by_default: Some(false) })
}

fn get(
    region: &mut Region,
    _: &Call,
    _: GetEbsEncryptionByDefaultInput,
) -> Result<GetEbsEncryptionByDefaultOutput, Refusal> {
    let encrypts = region.ec2.encrypts_by_default;
    Ok(GetEbsEncryptionByDefaultOutput { ebs_encryption_by_default: Some(encrypts), ..Default::default() })
}

fn get_key(_: &mut Region, _: &Call, _: GetEbsDefaultKmsKeyIdInput) -> Result<GetEbsDefaultKmsKeyIdOutput, Refusal> {
    Ok(GetEbsDefaultKmsKeyIdOutput { kms_key_id: Some(DEFAULT_KEY_ALIAS.into()) })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, enable, EnableEbsEncryptionByDefaultInput "EnableEbsEncryptionByDefault":
        "Encrypts volumes made from now on.",
        takes
    );
    operation!(operations, disable, DisableEbsEncryptionByDefaultInput "DisableEbsEncryptionByDefault":
        "Leaves encryption to whoever makes a volume.",
        takes
    );
    operation!(operations, get, GetEbsEncryptionByDefaultInput "GetEbsEncryptionByDefault":
        "Shows whether new volumes are encrypted.",
        takes
    );
    operation!(operations, get_key, GetEbsDefaultKmsKeyIdInput "GetEbsDefaultKmsKeyId":
        "Names AWS's own key.",
        takes
    );
}
