//! What a subscriber receives: the JSON envelope with its keys in AWS's order, and the string that AWS signs.
//!
//! Pure data. The signature itself is made where a message is handed over, since it needs a key; a body is written
//! with an empty signature and filled by [`Envelope::body`]. Start at [`Envelope`].

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::DeliveryKind;
use super::message::MessageAttribute;
use crate::engine::text::Text;

/// One message as its subscribers see it. Members that are `None` have no key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    pub kind: DeliveryKind,
    pub message_id: String,
    /// Of a FIFO topic's notification. Such a notification is not signed.
    pub sequence_number: Option<String>,
    /// Of a confirmation.
    pub token: Option<String>,
    pub topic_arn: String,
    pub subject: Option<String>,
    pub message: Text,
    /// Of a confirmation.
    pub subscribe_url: Option<String>,
    /// RFC 3339 with milliseconds.
    pub timestamp: String,
    pub signature_version: SignatureVersion,
    pub signing_cert_url: String,
    /// Of a notification.
    pub unsubscribe_url: Option<String>,
    pub message_attributes: BTreeMap<String, MessageAttribute>,
}

/// The topic attribute of that name: which hash the signature is made over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum SignatureVersion {
    /// SHA1withRSA
    #[default]
    #[serde(rename = "1")]
    Sha1,
    /// SHA256withRSA
    #[serde(rename = "2")]
    Sha256,
}

impl SignatureVersion {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "1",
            Self::Sha256 => "2",
        }
    }
}

impl DeliveryKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Notification => "Notification",
            Self::SubscriptionConfirmation => "SubscriptionConfirmation",
            Self::UnsubscribeConfirmation => "UnsubscribeConfirmation",
        }
    }
}

impl Envelope {
    /// Whether it carries a signature: all but the notifications of FIFO topics do.
    pub fn is_signed(&self) -> bool {
        self.sequence_number.is_none()
    }

    /// The canonical string of AWS: `key\nvalue\n` for the signed keys in byte order, values unescaped.
    pub fn string_to_sign(&self) -> String {
        let mut pairs = vec![("Message", self.message.as_str()), ("MessageId", &self.message_id)];
        match self.kind {
            DeliveryKind::Notification => {
                pairs.extend(self.subject.as_deref().map(|subject| ("Subject", subject)));
                pairs.push(("Timestamp", &self.timestamp));
            }
            DeliveryKind::SubscriptionConfirmation | DeliveryKind::UnsubscribeConfirmation => {
                pairs.extend(self.subscribe_url.as_deref().map(|url| ("SubscribeURL", url)));
                pairs.push(("Timestamp", &self.timestamp));
                pairs.extend(self.token.as_deref().map(|token| ("Token", token)));
            }
        }
        pairs.extend([("TopicArn", self.topic_arn.as_str()), ("Type", self.kind.as_str())]);
        pairs.into_iter().fold(String::new(), |mut text, (key, value)| {
            let _ = write!(text, "{key}\n{value}\n");
            text
        })
    }

    /// The keys and values in AWS's order, without the attributes.
    fn members(&self, signature: &str) -> Vec<(&'static str, String)> {
        let mut members = vec![("Type", self.kind.as_str().to_string()), ("MessageId", self.message_id.clone())];
        members.extend(self.sequence_number.clone().map(|number| ("SequenceNumber", number)));
        members.extend(self.token.clone().map(|token| ("Token", token)));
        members.push(("TopicArn", self.topic_arn.clone()));
        members.extend(self.subject.clone().map(|subject| ("Subject", subject)));
        members.push(("Message", self.message.to_string()));
        members.extend(self.subscribe_url.clone().map(|url| ("SubscribeURL", url)));
        members.push(("Timestamp", self.timestamp.clone()));
        if self.is_signed() {
            members.push(("SignatureVersion", self.signature_version.as_str().to_string()));
            members.push(("Signature", signature.to_string()));
            members.push(("SigningCertURL", self.signing_cert_url.clone()));
        }
        members.extend(self.unsubscribe_url.clone().map(|url| ("UnsubscribeURL", url)));
        members
    }

    /// The body as AWS writes it: two spaces of indentation and ` : `, attributes each on a line of its own
    /// (recorded from AWS in 2026).
    pub fn body(&self, signature: &str) -> String {
        let mut lines: Vec<String> = self
            .members(signature)
            .into_iter()
            .map(|(key, value)| format!("  {} : {}", quoted(key), quoted(&value)))
            .collect();
        if !self.message_attributes.is_empty() {
            let attributes: Vec<String> = self
                .message_attributes
                .iter()
                .map(|(name, attribute)| {
                    let (kind, value) = (quoted(&attribute.data_type), quoted(&attribute.value));
                    format!("    {} : {{\"Type\":{kind},\"Value\":{value}}}", quoted(name))
                })
                .collect();
            lines.push(format!("  \"MessageAttributes\" : {{\n{}\n  }}", attributes.join(",\n")));
        }
        format!("{{\n{}\n}}", lines.join(",\n"))
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notification() -> Envelope {
        Envelope {
            kind: DeliveryKind::Notification,
            message_id: "4d4dc071-ddbf-465d-bba8-08f81c89da64".into(),
            sequence_number: None,
            token: None,
            topic_arn: "arn:aws:sns:us-east-2:123456789012:s4-MySNSTopic-1G1WEFCOXTC0P".into(),
            subject: Some("My subject".into()),
            message: "My Test Message".into(),
            subscribe_url: None,
            timestamp: "2019-01-31T04:37:04.321Z".into(),
            signature_version: SignatureVersion::Sha1,
            signing_cert_url: "https://sns.us-east-2.amazonaws.com/cert.pem".into(),
            unsubscribe_url: Some("https://sns.us-east-2.amazonaws.com/?Action=Unsubscribe".into()),
            message_attributes: BTreeMap::new(),
        }
    }

    fn confirmation() -> Envelope {
        Envelope {
            kind: DeliveryKind::SubscriptionConfirmation,
            token: Some("tok".into()),
            subject: None,
            subscribe_url: Some("https://sns.us-east-2.amazonaws.com/?Action=ConfirmSubscription&Token=tok".into()),
            unsubscribe_url: None,
            ..notification()
        }
    }

    fn keys(envelope: &Envelope) -> Vec<String> {
        let body: serde_json::Value = serde_json::from_str(&envelope.body("c2lnbmVk")).unwrap();
        body.as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn keys_come_in_the_order_of_awss() {
        let attribute = MessageAttribute { data_type: "Number".into(), value: "99.12".into() };
        let with_attributes =
            Envelope { message_attributes: BTreeMap::from([("attr1".to_string(), attribute)]), ..notification() };
        let fifo = Envelope { sequence_number: Some("10000000000000000001".into()), subject: None, ..notification() };
        for (name, envelope, expected) in [
            (
                "notification",
                with_attributes,
                "Type MessageId TopicArn Subject Message Timestamp SignatureVersion Signature SigningCertURL \
                 UnsubscribeURL MessageAttributes",
            ),
            (
                "without subject and attributes",
                Envelope { subject: None, ..notification() },
                "Type MessageId TopicArn Message Timestamp SignatureVersion Signature SigningCertURL UnsubscribeURL",
            ),
            (
                "confirmation",
                confirmation(),
                "Type MessageId Token TopicArn Message SubscribeURL Timestamp SignatureVersion Signature \
                 SigningCertURL",
            ),
            ("FIFO", fifo, "Type MessageId SequenceNumber TopicArn Message Timestamp UnsubscribeURL"),
        ] {
            assert_eq!(keys(&envelope).join(" "), expected, "{name}");
        }
    }

    #[test]
    fn the_body_is_laid_out_as_recorded() {
        let attribute = MessageAttribute { data_type: "Number".into(), value: "1e3".into() };
        let envelope = Envelope {
            message: "say \"hi\"\n".into(),
            message_attributes: BTreeMap::from([("numeric".to_string(), attribute)]),
            ..notification()
        };
        let body = envelope.body("sig");
        assert!(body.starts_with("{\n  \"Type\" : \"Notification\",\n  \"MessageId\" : \"4d4dc071-"), "{body}");
        assert!(body.contains("\n  \"Message\" : \"say \\\"hi\\\"\\n\",\n"), "{body}");
        let tail = "\n  \"MessageAttributes\" : {\n    \"numeric\" : {\"Type\":\"Number\",\"Value\":\"1e3\"}\n  }\n}";
        assert!(body.ends_with(tail), "{body}");
    }

    #[test]
    fn the_string_to_sign_is_the_documented_one() {
        // Amazon SNS developer guide, "Verifying the signatures of Amazon SNS messages".
        let topic = "TopicArn\narn:aws:sns:us-east-2:123456789012:s4-MySNSTopic-1G1WEFCOXTC0P\n";
        let head = "Message\nMy Test Message\nMessageId\n4d4dc071-ddbf-465d-bba8-08f81c89da64\n";
        let time = "Timestamp\n2019-01-31T04:37:04.321Z\n";
        let url = "SubscribeURL\nhttps://sns.us-east-2.amazonaws.com/?Action=ConfirmSubscription&Token=tok\n";
        for (name, envelope, expected) in [
            ("notification", notification(), format!("{head}Subject\nMy subject\n{time}{topic}Type\nNotification\n")),
            (
                "no subject",
                Envelope { subject: None, ..notification() },
                format!("{head}{time}{topic}Type\nNotification\n"),
            ),
            (
                "confirmation",
                confirmation(),
                format!("{head}{url}{time}Token\ntok\n{topic}Type\nSubscriptionConfirmation\n"),
            ),
        ] {
            assert_eq!(envelope.string_to_sign(), expected, "{name}");
        }
    }
}
