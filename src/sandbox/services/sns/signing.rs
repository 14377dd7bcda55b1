//! Signatures on notifications, and the certificate that clients check them by.
//!
//! The key is made when the first signature is asked for, lives in this process alone and is never written anywhere.
//! AWS's certificate is signed by a public authority; this one signs itself.

use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::signature::{SignatureEncoding as _, Signer as _};
use sha1::Sha1;

use crate::engine::topics::Delivery;
use crate::engine::topics::envelope::SignatureVersion;

struct Key {
    pair: RsaKeyPair,
    /// The same key for SHA1withRSA, which the other library does not make any more.
    legacy: rsa::pkcs1v15::SigningKey<Sha1>,
}

static KEY: OnceLock<Key> = OnceLock::new();

/// Puts the signature into a message that is to carry one.
pub fn sign(delivery: &mut Delivery) {
    if let Some(envelope) = &delivery.envelope {
        delivery.body = envelope.body(&signature(envelope.signature_version, &envelope.string_to_sign())).into();
    }
}

/// The certificate in PEM.
pub(super) fn certificate() -> String {
    let text = STANDARD.encode(certificate_der(key()));
    let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

fn signature(version: SignatureVersion, text: &str) -> String {
    let key = key();
    STANDARD.encode(match version {
        SignatureVersion::Sha1 => key.legacy.sign(text.as_bytes()).to_vec(),
        SignatureVersion::Sha256 => sha256_signature(key, text.as_bytes()),
    })
}

fn sha256_signature(key: &Key, message: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; key.pair.public_modulus_len()];
    key.pair
        .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut bytes)
        .expect("an RSA key of 2048 bits signs with SHA-256; this is a bug in scaleproof");
    bytes
}

fn key() -> &'static Key {
    KEY.get_or_init(|| {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048)
            .expect("the machine has randomness for an RSA key; this is a bug in scaleproof");
        let der: Pkcs8V1Der<'_> = pair.as_der().expect("a key writes itself as PKCS#8; this is a bug in scaleproof");
        let private = rsa::PrivateKey::from_pkcs8_der(der.as_ref())
            .expect("one library reads the other's PKCS#8; this is a bug in scaleproof");
        Key { pair, legacy: rsa::pkcs1v15::SigningKey::new(private) }
    })
}

/// X.509 version 3: the key, signed by itself, for a century.
fn certificate_der(key: &Key) -> Vec<u8> {
    const SHA256_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
    const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
    let algorithm = der(0x30, &[der(0x06, SHA256_WITH_RSA), der(0x05, &[])].concat());
    let attribute = der(0x30, &[der(0x06, COMMON_NAME), der(0x0c, b"sns.amazonaws.com (scaleproof sandbox)")].concat());
    let name = der(0x30, &der(0x31, &attribute));
    let validity = der(0x30, &[der(0x17, b"000101000000Z"), der(0x18, b"20991231235959Z")].concat());
    let public: PublicKeyX509Der<'_> =
        key.pair.public_key().as_der().expect("a public key writes itself; this is a bug in scaleproof");
    let parts = [
        der(0xa0, &der(0x02, &[2])),
        der(0x02, &[1]),
        algorithm.clone(),
        name.clone(),
        validity,
        name,
        public.as_ref().to_vec(),
    ];
    let body = der(0x30, &parts.concat());
    let mut signature = vec![0];
    signature.extend(sha256_signature(key, &body));
    der(0x30, &[body, algorithm, der(0x03, &signature)].concat())
}

/// A DER element: its tag, its length, what it holds.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut element = vec![tag];
    if length < 0x80 {
        element.push(length as u8);
    } else {
        let bytes: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
        element.push(0x80 | bytes.len() as u8);
        element.extend(bytes);
    }
    element.extend(content);
    element
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{
        RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
    };

    use super::*;

    #[test]
    fn both_versions_can_be_verified_with_the_key() {
        let public = key().pair.public_key().as_ref();
        let text = "Message\nhello\n";
        let bytes = |version| STANDARD.decode(signature(version, text)).unwrap();
        let legacy = UnparsedPublicKey::new(&RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, public);
        legacy.verify(text.as_bytes(), &bytes(SignatureVersion::Sha1)).unwrap();
        let modern = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public);
        modern.verify(text.as_bytes(), &bytes(SignatureVersion::Sha256)).unwrap();
    }

    #[test]
    fn lengths_are_written_as_der_wants_them() {
        assert_eq!(der(0x05, &[]), [0x05, 0]);
        assert_eq!(der(0x04, &[7; 0x7f])[..2], [0x04, 0x7f]);
        assert_eq!(der(0x04, &[7; 0x80])[..3], [0x04, 0x81, 0x80]);
        assert_eq!(der(0x04, &[7; 0x100])[..4], [0x04, 0x82, 1, 0]);
    }
}
