//! What STS reads in a SAML assertion. Signatures and times are not checked.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::engine::Refusal;

/// The attributes that AWS defines. Source: IAM User Guide, "Configure SAML assertions for the authentication response".
const SESSION_NAME: &str = "https://aws.amazon.com/SAML/Attributes/RoleSessionName";
const SESSION_DURATION: &str = "https://aws.amazon.com/SAML/Attributes/SessionDuration";

/// What an assertion says about its user.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Assertion {
    pub session: String,
    pub duration_secs: Option<i64>,
    pub subject: Option<String>,
    /// `persistent`, `transient`, or the format in full.
    pub subject_type: Option<String>,
    pub issuer: Option<String>,
    pub audience: Option<String>,
}

impl Assertion {
    /// Reads a response in Base64. Elements are known by their names without prefixes.
    ///
    /// # Errors
    /// `InvalidIdentityToken` for what is no XML or names no session.
    pub fn read(text: &str) -> Result<Self, Refusal> {
        let invalid =
            |why: &str| Refusal::new("InvalidIdentityToken", 400, format!("Invalid base64 SAMLResponse: {why}"));
        let bytes = STANDARD.decode(text.trim()).map_err(|_| invalid("it is not Base64"))?;
        let xml = String::from_utf8(bytes).map_err(|_| invalid("it is not text"))?;
        let found = Self::scan(xml.trim()).ok_or_else(|| invalid("it is not XML"))?;
        if found.session.is_empty() {
            return Err(Refusal::new("InvalidIdentityToken", 400, "RoleSessionName is required in AuthnResponse"));
        }
        Ok(found)
    }

    fn scan(xml: &str) -> Option<Self> {
        let mut reader = Reader::from_str(xml);
        let (mut found, mut attribute, mut element) = (Self::default(), String::new(), String::new());
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) => {
                    element = start.local_name().as_ref().to_string();
                    match element.as_str() {
                        "Attribute" => attribute = value_of(&start, "Name").unwrap_or_default(),
                        "NameID" => found.subject_type = value_of(&start, "Format").map(|format| short(&format)),
                        _ => {}
                    }
                }
                Event::Text(text) => {
                    let text = text.xml10_content().trim().to_string();
                    if !text.is_empty() {
                        found.take(&element, &attribute, text);
                    }
                }
                Event::End(_) => element.clear(),
                Event::Eof => return Some(found),
                _ => {}
            }
        }
    }

    fn take(&mut self, element: &str, attribute: &str, text: String) {
        match (element, attribute) {
            ("AttributeValue", SESSION_NAME) => self.session = text,
            ("AttributeValue", SESSION_DURATION) => self.duration_secs = text.parse().ok(),
            ("NameID", _) => self.subject = Some(text),
            ("Issuer", _) => self.issuer = Some(text),
            ("Audience", _) => self.audience = Some(text),
            _ => {}
        }
    }
}

fn value_of(start: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = start.attributes().flatten().find(|attribute| attribute.key.as_ref() == name)?;
    Some(found.value.into_owned())
}

fn short(format: &str) -> String {
    format.strip_prefix("urn:oasis:names:tc:SAML:2.0:nameid-format:").unwrap_or(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The form of the IAM User Guide's example.
    fn response(attributes: &str) -> String {
        STANDARD.encode(format!(
            r#"<?xml version="1.0"?><samlp:Response xmlns:samlp="p" xmlns:saml="a"><saml:Assertion><saml:Issuer>https://idp.example.com</saml:Issuer><saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">me</saml:NameID></saml:Subject><saml:AttributeStatement>{attributes}</saml:AttributeStatement></saml:Assertion></samlp:Response>"#
        ))
    }

    fn attribute(name: &str, value: &str) -> String {
        format!(r#"<saml:Attribute Name="{name}"><saml:AttributeValue>{value}</saml:AttributeValue></saml:Attribute>"#)
    }

    #[test]
    fn an_assertion_names_its_session_in_any_order_and_under_any_prefix() {
        let name = attribute(SESSION_NAME, "ops");
        let duration = attribute(SESSION_DURATION, "900");
        for attributes in [format!("{name}{duration}"), format!("{duration}{name}")] {
            let found = Assertion::read(&response(&attributes)).unwrap();
            assert_eq!((found.session.as_str(), found.duration_secs), ("ops", Some(900)));
            assert_eq!((found.subject.as_deref(), found.subject_type.as_deref()), (Some("me"), Some("persistent")));
        }
        assert_eq!(Assertion::read(&response(&name)).unwrap().duration_secs, None);
        for wrong in ["????", &response(&duration)] {
            assert_eq!(Assertion::read(wrong).unwrap_err().code, "InvalidIdentityToken");
        }
    }
}
