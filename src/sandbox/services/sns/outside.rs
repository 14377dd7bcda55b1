//! Messages that leave without a topic: to a telephone or to a device. They stand in the mailbox beside the rest.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use super::sms::is_e164;
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::names::{SubscriptionArn, TopicArn};
use crate::engine::topics::message::{Publication, invalid, platform_of};
use crate::engine::topics::{Delivery, DeliveryKind};
use crate::sandbox::operations::Call;
use crate::sandbox::region::Region;

/// Of AWS: characters of one message to a telephone (Publish, `PhoneNumber`).
const MAX_SMS_CHARACTERS: usize = 1600;

/// Sends a message to one telephone.
///
/// # Errors
/// `InvalidParameter` for what is no number, or too long a text.
pub(super) fn publish_to_phone(
    region: &mut Region,
    call: &Call,
    number: &str,
    publication: &Publication,
) -> Result<String, Refusal> {
    if !is_e164(number) {
        return Err(invalid(format!("PhoneNumber Reason: {number} is not valid to publish to")));
    }
    let texts = publication.check()?;
    let text = texts.for_protocol("sms");
    if text.chars().count() > MAX_SMS_CHARACTERS {
        return Err(invalid(format!("Message Reason: SMS message size must be less than {MAX_SMS_CHARACTERS}")));
    }
    Ok(leave(region, call.now, "sms", number, text, None))
}

/// Sends a message to one device.
///
/// # Errors
/// `InvalidParameter` if there is no such device, `EndpointDisabled`, or AWS's refusal of the message.
pub(super) fn publish_to_endpoint(
    region: &mut Region,
    call: &Call,
    arn: &str,
    publication: &Publication,
) -> Result<String, Refusal> {
    if !region.sns.push.has_endpoint(arn) {
        return Err(invalid("TargetArn Reason: No endpoint found for the target arn specified"));
    }
    region.sns.push.check_endpoint(arn)?;
    let texts = publication.check()?;
    let text = texts.for_protocol(platform_of(arn));
    Ok(leave(region, call.now, "application", arn, text, publication.subject.clone()))
}

/// Puts a message into the mailbox. Returns its id.
pub(super) fn leave(
    region: &mut Region,
    now: Timestamp,
    protocol: &str,
    endpoint: &str,
    body: &str,
    subject: Option<String>,
) -> String {
    let (id, message_id) = (region.sns.ids.uuid(), region.sns.ids.uuid());
    region.mailbox.push(Delivery {
        id,
        at: now,
        topic_arn: TopicArn::default(),
        subscription_arn: SubscriptionArn::default(),
        protocol: protocol.into(),
        endpoint: endpoint.into(),
        kind: DeliveryKind::Notification,
        message_id: message_id.clone(),
        subject,
        body: body.into(),
        raw: false,
        envelope: None,
        attributes: BTreeMap::new(),
        headers: IndexMap::new(),
        order: None,
        group_id: None,
        dead_letter: false,
    });
    message_id
}
