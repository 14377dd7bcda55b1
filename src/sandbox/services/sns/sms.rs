//! Telephones: settings, numbers that opted out, and the numbers of the SMS sandbox.
//!
//! Messages to telephones stand in the mailbox. Nobody answers them, so that no number ever opts out, and an account is
//! out of the SMS sandbox from the start; numbers can be verified in it all the same. Left out: delivery logs and usage
//! reports. Start at [`Sms`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::outside::leave;
use super::required;
use crate::engine::Refusal;
use crate::engine::ids::Ids;
use crate::engine::topics::message::invalid;
use crate::sandbox::models::sns as model;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// The settings and numbers of one account in one region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sms {
    attributes: BTreeMap<String, String>,
    /// Numbers of the SMS sandbox: the password they were sent, or none once they are verified.
    numbers: BTreeMap<String, Option<String>>,
    ids: Ids,
}

impl Sms {
    pub fn new(seed: u64) -> Self {
        // What AWS shows before anybody set anything (recorded).
        let attributes = BTreeMap::from([("MonthlySpendLimit".to_string(), "1".to_string())]);
        Self { attributes, numbers: BTreeMap::new(), ids: Ids::new(seed, "sms") }
    }
}

/// E.164, as AWS takes it for direct publishing.
pub(super) fn is_e164(number: &str) -> bool {
    let digits = number.strip_prefix('+').unwrap_or_default();
    (2..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0')
}

pub(super) fn register(operations: &mut Operations) {
    operations.on(
        "SetSMSAttributes",
        "Sets the kind, sender and spending limit of messages to telephones",
        &["attributes"],
        set_sms_attributes,
    );
    operations.on(
        "GetSMSAttributes",
        "Returns the settings of messages to telephones",
        &["attributes"],
        get_sms_attributes,
    );
    operations.on(
        "CheckIfPhoneNumberIsOptedOut",
        "Says whether a number opted out: none ever does",
        &["phoneNumber"],
        check_if_phone_number_is_opted_out,
    );
    operations.on(
        "ListPhoneNumbersOptedOut",
        "Lists the numbers that opted out: none",
        &["nextToken"],
        list_phone_numbers_opted_out,
    );
    operations.on("OptInPhoneNumber", "Opts a number in, as every number is", &["phoneNumber"], opt_in_phone_number);
    operations.on(
        "ListOriginationNumbers",
        "Lists the account's own numbers: none",
        &["NextToken", "MaxResults"],
        list_origination_numbers,
    );
    operations.on(
        "GetSMSSandboxAccountStatus",
        "Says whether the account is in the SMS sandbox: it is not",
        &[],
        get_sms_sandbox_account_status,
    );
    operations.on(
        "CreateSMSSandboxPhoneNumber",
        "Adds a number to verify, and sends it a password, which stands in the mailbox",
        &["PhoneNumber"],
        create_sms_sandbox_phone_number,
    );
    operations.on(
        "VerifySMSSandboxPhoneNumber",
        "Verifies a number by the password it was sent",
        &["PhoneNumber", "OneTimePassword"],
        verify_sms_sandbox_phone_number,
    );
    operations.on(
        "ListSMSSandboxPhoneNumbers",
        "Lists the numbers of the SMS sandbox",
        &["NextToken", "MaxResults"],
        list_sms_sandbox_phone_numbers,
    );
    operations.on(
        "DeleteSMSSandboxPhoneNumber",
        "Deletes a number of the SMS sandbox",
        &["PhoneNumber"],
        delete_sms_sandbox_phone_number,
    );
}

/// Source: Amazon SNS API reference, SetSMSAttributes.
const SMS_ATTRIBUTES: [&str; 6] = [
    "DefaultSMSType",
    "DefaultSenderID",
    "DeliveryStatusIAMRole",
    "DeliveryStatusSuccessSamplingRate",
    "MonthlySpendLimit",
    "UsageReportS3Bucket",
];

fn set_sms_attributes(
    region: &mut Region,
    _: &Call,
    input: model::SetSMSAttributesInput,
) -> Result<model::SetSMSAttributesOutput, Refusal> {
    let refused = |text: String| Err(Refusal::new("InvalidParameter", 400, text));
    let wanted = input.attributes.unwrap_or_default();
    for (name, value) in &wanted {
        match name.as_str() {
            _ if SMS_ATTRIBUTES.contains(&name.as_str()) && value.is_empty() => {}
            "DefaultSMSType" if !matches!(value.as_str(), "Promotional" | "Transactional") => {
                return refused("DefaultSMSType is invalid".into());
            }
            "DefaultSMSType" | "DefaultSenderID" | "MonthlySpendLimit" => {}
            // Both are about logs of deliveries, which only CloudWatch Logs would show.
            "DeliveryStatusIAMRole" | "DeliveryStatusSuccessSamplingRate" => {}
            "UsageReportS3Bucket" => {
                return Err(invalid(format!("Attributes Reason: {name} has no effect on this endpoint")));
            }
            _ => return refused(format!("{name} is not a valid attribute")),
        }
    }
    // Nothing in place of a value takes the setting back: terraform's provider sends every setting that way.
    let (none, some): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|(_, value)| value.is_empty());
    none.iter().for_each(|(name, _)| {
        region.sns.sms.attributes.remove(name);
    });
    region.sns.sms.attributes.extend(some);
    Ok(model::SetSMSAttributesOutput {})
}

fn get_sms_attributes(
    region: &mut Region,
    _: &Call,
    input: model::GetSMSAttributesInput,
) -> Result<model::GetSMSAttributesOutput, Refusal> {
    let wanted = input.attributes.unwrap_or_default();
    let asked = |(name, _): &(&String, &String)| wanted.is_empty() || wanted.contains(name);
    let found = region.sns.sms.attributes.iter().filter(asked).map(|(name, value)| (name.clone(), value.clone()));
    Ok(model::GetSMSAttributesOutput { attributes: Some(found.collect()) })
}

fn number(number: Option<String>) -> Result<String, Refusal> {
    let number = required(number, "PhoneNumber")?;
    match is_e164(&number) {
        true => Ok(number),
        false => Err(invalid("PhoneNumber Reason: input incorrectly formatted")),
    }
}

fn check_if_phone_number_is_opted_out(
    _: &mut Region,
    _: &Call,
    input: model::CheckIfPhoneNumberIsOptedOutInput,
) -> Result<model::CheckIfPhoneNumberIsOptedOutOutput, Refusal> {
    number(input.phone_number)?;
    Ok(model::CheckIfPhoneNumberIsOptedOutOutput { is_opted_out: Some(false) })
}

fn list_phone_numbers_opted_out(
    _: &mut Region,
    _: &Call,
    _: model::ListPhoneNumbersOptedOutInput,
) -> Result<model::ListPhoneNumbersOptedOutOutput, Refusal> {
    Ok(model::ListPhoneNumbersOptedOutOutput { phone_numbers: Some(Vec::new()), next_token: None })
}

fn opt_in_phone_number(
    _: &mut Region,
    _: &Call,
    input: model::OptInPhoneNumberInput,
) -> Result<model::OptInPhoneNumberOutput, Refusal> {
    number(input.phone_number)?;
    Ok(model::OptInPhoneNumberOutput {})
}

fn list_origination_numbers(
    _: &mut Region,
    _: &Call,
    _: model::ListOriginationNumbersInput,
) -> Result<model::ListOriginationNumbersOutput, Refusal> {
    Ok(model::ListOriginationNumbersOutput { phone_numbers: Some(Vec::new()), next_token: None })
}

fn get_sms_sandbox_account_status(
    _: &mut Region,
    _: &Call,
    _: model::GetSMSSandboxAccountStatusInput,
) -> Result<model::GetSMSSandboxAccountStatusOutput, Refusal> {
    Ok(model::GetSMSSandboxAccountStatusOutput { is_in_sandbox: Some(false) })
}

fn create_sms_sandbox_phone_number(
    region: &mut Region,
    call: &Call,
    input: model::CreateSMSSandboxPhoneNumberInput,
) -> Result<model::CreateSMSSandboxPhoneNumberOutput, Refusal> {
    let number = number(input.phone_number)?;
    let password = format!("{:06}", region.sns.sms.ids.next_u64() % 1_000_000);
    let text = format!("Your Amazon SNS verification code is {password}");
    region.sns.sms.numbers.insert(number.clone(), Some(password));
    leave(region, call.now, "sms", &number, &text, None);
    Ok(model::CreateSMSSandboxPhoneNumberOutput {})
}

fn no_number() -> Refusal {
    Refusal::new("ResourceNotFound", 404, "Phone number does not exist")
}

fn verify_sms_sandbox_phone_number(
    region: &mut Region,
    _: &Call,
    input: model::VerifySMSSandboxPhoneNumberInput,
) -> Result<model::VerifySMSSandboxPhoneNumberOutput, Refusal> {
    let number = number(input.phone_number)?;
    let sent = region.sns.sms.numbers.get_mut(&number).ok_or_else(no_number)?;
    if sent.is_some() && *sent != input.one_time_password {
        return Err(Refusal::new("VerificationException", 400, "The verification code is not correct"));
    }
    *sent = None;
    Ok(model::VerifySMSSandboxPhoneNumberOutput {})
}

fn list_sms_sandbox_phone_numbers(
    region: &mut Region,
    _: &Call,
    input: model::ListSMSSandboxPhoneNumbersInput,
) -> Result<model::ListSMSSandboxPhoneNumbersOutput, Refusal> {
    let shown = |(number, sent): (&String, &Option<String>)| {
        let status = if sent.is_some() { "Pending" } else { "Verified" };
        let shown = model::SMSSandboxPhoneNumber { phone_number: Some(number.clone()), status: Some(status.into()) };
        (number.clone(), shown)
    };
    let size = input.max_results.and_then(|size| usize::try_from(size).ok());
    let numbers = region.sns.sms.numbers.iter().map(shown);
    let (found, next_token) =
        super::page_of(numbers, input.next_token.as_deref(), size.unwrap_or(super::ITEMS_PER_PAGE))?;
    let phone_numbers = found.into_iter().map(|(_, shown)| shown).collect();
    Ok(model::ListSMSSandboxPhoneNumbersOutput { phone_numbers: Some(phone_numbers), next_token })
}

fn delete_sms_sandbox_phone_number(
    region: &mut Region,
    _: &Call,
    input: model::DeleteSMSSandboxPhoneNumberInput,
) -> Result<model::DeleteSMSSandboxPhoneNumberOutput, Refusal> {
    region.sns.sms.numbers.remove(&number(input.phone_number)?).ok_or_else(no_number)?;
    Ok(model::DeleteSMSSandboxPhoneNumberOutput {})
}
