//! `sns-signature`: the string that is signed, from the keys of a message.

use std::collections::BTreeMap;

use scaleproof::engine::topics::DeliveryKind;
use scaleproof::engine::topics::envelope::{Envelope, SignatureVersion};
use serde_json::Value;

use crate::cases::case::Case;
use crate::cases::failure::Failure;

pub fn check(case: &Case) -> Result<(), Failure> {
    let envelope = envelope(case.given.value("message")?)?;
    case.expect_eq("string_to_sign", envelope.string_to_sign())
}

fn envelope(message: &Value) -> Result<Envelope, Failure> {
    let mut members: BTreeMap<String, String> = serde_json::from_value(message.clone())
        .map_err(|error| format!("given.message is not an object of texts: {error}"))?;
    let mut take = |name: &str| members.remove(name);
    let kind = take("Type").ok_or("given.message has no Type")?;
    let envelope = Envelope {
        kind: read_kind(&kind)?,
        message_id: take("MessageId").unwrap_or_default(),
        sequence_number: None,
        token: take("Token"),
        topic_arn: take("TopicArn").unwrap_or_default(),
        subject: take("Subject"),
        message: take("Message").unwrap_or_default().into(),
        subscribe_url: take("SubscribeURL"),
        timestamp: take("Timestamp").unwrap_or_default(),
        signature_version: read_version(take("SignatureVersion").as_deref())?,
        signing_cert_url: take("SigningCertURL").unwrap_or_default(),
        unsubscribe_url: take("UnsubscribeURL"),
        message_attributes: BTreeMap::new(),
    };
    // The signature is not part of what is signed.
    take("Signature");
    match members.keys().next() {
        Some(name) => Err(format!("given.message has an unknown key `{name}`").into()),
        None => Ok(envelope),
    }
}

pub fn read_kind(text: &str) -> Result<DeliveryKind, Failure> {
    let kinds =
        [DeliveryKind::Notification, DeliveryKind::SubscriptionConfirmation, DeliveryKind::UnsubscribeConfirmation];
    kinds.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| format!("`{text}` is no type of message").into())
}

fn read_version(text: Option<&str>) -> Result<SignatureVersion, Failure> {
    match text {
        None | Some("1") => Ok(SignatureVersion::Sha1),
        Some("2") => Ok(SignatureVersion::Sha256),
        Some(other) => Err(format!("`{other}` is no signature version").into()),
    }
}
