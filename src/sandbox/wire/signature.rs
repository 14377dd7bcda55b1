//! AWS's signature version 4 of a request: whether the caller has the secret key. Start at [`check`].
//!
//! Source: AWS Identity and Access Management User Guide, "AWS Signature Version 4 for API requests". Left out:
//! signatures of chunked uploads and of several regions, which the services here do not use.

use std::borrow::Cow;
use std::fmt::Write;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use http::request::Parts;
use sha2::{Digest, Sha256};

use super::shape::Protocol;
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::hex::hex;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// How far a signature's time may be from now. Source: answers of STS ("15 min."); other services allow five.
const TOLERANCE: Duration = Duration::from_secs(15 * 60);

/// What is wrong with a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flaw {
    Missing,
    Incomplete(String),
    Mismatch,
    Expired { signed_at: String, earliest: String, now: String },
}

impl Flaw {
    /// As the service answers it.
    pub fn refusal(&self, service: &str, protocol: Protocol) -> Refusal {
        let query = matches!(protocol, Protocol::Query | Protocol::Ec2);
        let code = |of_query: &str, of_others: &str| if query { of_query.to_string() } else { of_others.to_string() };
        match self {
            Self::Missing => Refusal::new(
                code("MissingAuthenticationToken", "MissingAuthenticationTokenException"),
                403,
                "Request is missing Authentication Token",
            ),
            Self::Incomplete(text) => {
                Refusal::new(code("IncompleteSignature", "IncompleteSignatureException"), 400, text)
            }
            Self::Mismatch if service == "ec2" => {
                Refusal::new("AuthFailure", 401, "AWS was not able to validate the provided access credentials")
            }
            Self::Mismatch => Refusal::new(
                code("SignatureDoesNotMatch", "InvalidSignatureException"),
                403,
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
                 Access Key and signing method. Consult the service documentation for details.",
            ),
            Self::Expired { signed_at, earliest, now } => {
                let minutes = TOLERANCE.as_secs() / 60;
                let text =
                    format!("Signature expired: {signed_at} is now earlier than {earliest} ({now} - {minutes} min.)");
                Refusal::new(code("SignatureDoesNotMatch", "InvalidSignatureException"), 403, text)
            }
        }
    }
}

/// Checks a request with its body as it was sent.
///
/// `now` is every time that a caller may take for the present: the machine's, and the sandbox's own, by which some SDKs
/// correct theirs.
///
/// # Errors
/// The first flaw.
pub fn check(parts: &Parts, body: &[u8], secret: &str, now: &[Timestamp]) -> Result<(), Flaw> {
    let signature = Signature::read(parts)?;
    let expected = signature.of(parts, body, secret);
    if expected.verify_slice(&signature.bytes).is_err() {
        return Err(Flaw::Mismatch);
    }
    signature.check_time(now)
}

/// What a caller says about how a request was signed.
struct Signature {
    /// The credential without the access key: `DATE/REGION/SERVICE/aws4_request`.
    scope: String,
    headers: Vec<String>,
    bytes: Vec<u8>,
    date: String,
    /// How long a link may be used; `None` where the header is signed.
    expires: Option<Duration>,
}

impl Signature {
    fn read(parts: &Parts) -> Result<Self, Flaw> {
        match header(parts, "authorization") {
            Some(header) => Self::in_header(parts, &header),
            None => Self::in_query(parts),
        }
    }

    fn in_header(parts: &Parts, header_value: &str) -> Result<Self, Flaw> {
        let Some(rest) = header_value.strip_prefix(ALGORITHM) else {
            return Err(incomplete("Authorization header requires the algorithm AWS4-HMAC-SHA256."));
        };
        let part = |name: &str| {
            let mut steps = rest.split(',').filter_map(|step| step.trim().split_once('='));
            let found = steps.find(|(key, _)| *key == name).map(|(_, value)| value.to_string());
            found.ok_or_else(|| incomplete(&format!("Authorization header requires '{name}' parameter.")))
        };
        let date = header(parts, "x-amz-date");
        let date = date.ok_or_else(|| incomplete("Authorization header requires existence of a 'X-Amz-Date' header."));
        Self::new(&part("Credential")?, &part("SignedHeaders")?, &part("Signature")?, date?, None)
    }

    fn in_query(parts: &Parts) -> Result<Self, Flaw> {
        let query = pairs(parts);
        let find = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.to_string());
        if find("X-Amz-Signature").is_none() && find("X-Amz-Credential").is_none() {
            return Err(Flaw::Missing);
        }
        let part = |name: &str| {
            find(name).ok_or_else(|| incomplete(&format!("AWS query-string parameters must include '{name}'.")))
        };
        let expires = find("X-Amz-Expires").and_then(|secs| secs.parse().ok()).map(Duration::from_secs);
        Self::new(
            &part("X-Amz-Credential")?,
            &part("X-Amz-SignedHeaders")?,
            &part("X-Amz-Signature")?,
            part("X-Amz-Date")?,
            Some(expires.unwrap_or(TOLERANCE)),
        )
    }

    fn new(
        credential: &str,
        headers: &str,
        signature: &str,
        date: String,
        expires: Option<Duration>,
    ) -> Result<Self, Flaw> {
        let scope = credential.split_once('/').map(|(_, scope)| scope.to_string());
        let scope = scope.filter(|scope| scope.split('/').count() == 4).ok_or_else(|| {
            incomplete("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term")
        })?;
        let headers = headers.split(';').map(str::to_ascii_lowercase).collect();
        Ok(Self { scope, headers, bytes: unhex(signature).unwrap_or_default(), date, expires })
    }

    /// The authentication code that the holder of `secret` makes.
    fn of(&self, parts: &Parts, body: &[u8], secret: &str) -> Hmac<Sha256> {
        let request = hex(Sha256::digest(self.canonical_request(parts, body)));
        let text = format!("{ALGORITHM}\n{}\n{}\n{request}", self.date, self.scope);
        let first = format!("AWS4{secret}").into_bytes();
        let key = self.scope.split('/').fold(first, |key, step| mac(&key, step).finalize().into_bytes().to_vec());
        mac(&key, &text)
    }

    fn canonical_request(&self, parts: &Parts, body: &[u8]) -> String {
        let headers = self.headers.iter().map(|name| format!("{name}:{}\n", canonical_header(parts, name)));
        let payload = match header(parts, "x-amz-content-sha256").as_deref() {
            Some("UNSIGNED-PAYLOAD") => "UNSIGNED-PAYLOAD".to_string(),
            _ => hex(Sha256::digest(body)),
        };
        format!(
            "{}\n{}\n{}\n{}\n{}\n{payload}",
            parts.method,
            encode(parts.uri.path(), true),
            canonical_query(parts),
            headers.collect::<String>(),
            self.headers.join(";"),
        )
    }

    fn check_time(&self, now: &[Timestamp]) -> Result<(), Flaw> {
        let signed_at = parse_date(&self.date)
            .ok_or_else(|| incomplete("Date must be in ISO-8601 'basic format', such as 20260914T111852Z."))?;
        let valid_for = self.expires.unwrap_or(TOLERANCE);
        let fits = |now: &&Timestamp| now.since(signed_at) <= valid_for && signed_at.since(**now) <= TOLERANCE;
        match now.first() {
            Some(now_there) if !now.iter().any(|now| fits(&now)) => Err(Flaw::Expired {
                signed_at: self.date.clone(),
                earliest: basic(*now_there - valid_for),
                now: basic(*now_there),
            }),
            _ => Ok(()),
        }
    }
}

fn incomplete(text: &str) -> Flaw {
    Flaw::Incomplete(text.to_string())
}

fn header(parts: &Parts, name: &str) -> Option<String> {
    Some(parts.headers.get(name)?.to_str().ok()?.to_string())
}

fn pairs(parts: &Parts) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).collect()
}

/// All values, without the spaces around them and with one space where there are several.
fn canonical_header(parts: &Parts, name: &str) -> String {
    let values = parts.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    let values = values.map(|value| value.split_ascii_whitespace().collect::<Vec<_>>().join(" "));
    values.collect::<Vec<_>>().join(",")
}

fn canonical_query(parts: &Parts) -> String {
    let signed = pairs(parts).into_iter().filter(|(key, _)| key != "X-Amz-Signature");
    let mut encoded: Vec<String> =
        signed.map(|(key, value)| format!("{}={}", encode(&key, false), encode(&value, false))).collect();
    encoded.sort();
    encoded.join("&")
}

/// Percent-encodes all but the characters that RFC 3986 does not reserve.
fn encode(text: &str, keep_slash: bool) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            b'/' if keep_slash => encoded.push('/'),
            _ => drop(write!(encoded, "%{byte:02X}")),
        }
        encoded
    })
}

fn mac(key: &[u8], text: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key will do; this is a bug in scaleproof");
    mac.update(text.as_bytes());
    mac
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

/// `20260914T111852Z`
fn parse_date(text: &str) -> Option<Timestamp> {
    let at = |range: std::ops::Range<usize>| text.get(range);
    let form = format!("{}-{}-{}T{}:{}:{}Z", at(0..4)?, at(4..6)?, at(6..8)?, at(9..11)?, at(11..13)?, at(13..15)?);
    Timestamp::parse(&form)
}

fn basic(at: Timestamp) -> String {
    at.format("%Y%m%dT%H%M%SZ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret and the signature of AWS's own example, which lists the users of an account.
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    const SIGNATURE: &str = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";

    fn example(signature: &str, query: &str) -> Parts {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, Signature={signature}"
        );
        let request = http::Request::get(format!("/?{query}"))
            .header("host", "iam.amazonaws.com")
            .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
            .header("x-amz-date", "20150830T123600Z")
            .header("authorization", authorization);
        request.body(()).unwrap().into_parts().0
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn awss_own_example_is_signed_by_its_secret_alone() {
        let now = [at("2015-08-30T12:40:00Z")];
        let query = "Action=ListUsers&Version=2010-05-08";
        assert_eq!(check(&example(SIGNATURE, query), b"", SECRET, &now), Ok(()));
        // The order of a query does not matter.
        assert_eq!(check(&example(SIGNATURE, "Version=2010-05-08&Action=ListUsers"), b"", SECRET, &now), Ok(()));
        assert_eq!(check(&example(SIGNATURE, query), b"", "test", &now), Err(Flaw::Mismatch));
        assert_eq!(check(&example(SIGNATURE, query), b"x", SECRET, &now), Err(Flaw::Mismatch));
        assert_eq!(check(&example(SIGNATURE, "Action=ListRoles"), b"", SECRET, &now), Err(Flaw::Mismatch));
        assert_eq!(check(&example("zz", query), b"", SECRET, &now), Err(Flaw::Mismatch));
    }

    #[test]
    fn a_signature_is_good_for_a_quarter_of_an_hour_by_one_of_the_clocks() {
        let request = example(SIGNATURE, "Action=ListUsers&Version=2010-05-08");
        let check_at = |now: &[&str]| {
            let now: Vec<Timestamp> = now.iter().map(|text| at(text)).collect();
            check(&request, b"", SECRET, &now)
        };
        assert_eq!(check_at(&["2015-08-30T12:51:00Z"]), Ok(()));
        assert_eq!(check_at(&["2026-08-30T12:51:00Z", "2015-08-30T12:21:00Z"]), Ok(()));
        let refusal = check_at(&["2015-08-30T12:51:01Z"]).unwrap_err().refusal("sts", Protocol::Query);
        let text =
            "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T125101Z - 15 min.)";
        assert_eq!((refusal.code.as_str(), refusal.message.as_str()), ("SignatureDoesNotMatch", text));
    }

    #[test]
    fn what_is_not_signed_says_what_it_lacks() {
        let unsigned = http::Request::get("/?Action=ListUsers").body(()).unwrap().into_parts().0;
        assert_eq!(check(&unsigned, b"", SECRET, &[]), Err(Flaw::Missing));
        let header = |text: &str| {
            let request =
                http::Request::get("/").header("x-amz-date", "20150830T123600Z").header("authorization", text);
            check(&request.body(()).unwrap().into_parts().0, b"", SECRET, &[])
        };
        let lacks = |text: &str| Err(Flaw::Incomplete(text.to_string()));
        assert_eq!(header("Basic dGVzdA=="), lacks("Authorization header requires the algorithm AWS4-HMAC-SHA256."));
        assert_eq!(
            header("AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host"),
            lacks("Authorization header requires 'Signature' parameter.")
        );
        let short = header("AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=00");
        assert!(matches!(short, Err(Flaw::Incomplete(text)) if text.starts_with("Credential must have exactly 5")));
    }
}
