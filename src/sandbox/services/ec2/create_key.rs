//! Keys made for CreateKeyPair, drawn from the region's own stream so that a run can be repeated. They open nothing:
//! no machine stands behind this endpoint. Start at [`CreatedKey`].

use std::convert::Infallible;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rsa::pkcs1::{EncodeRsaPrivateKey, LineEnding};
use rsa::pkcs8::EncodePrivateKey;
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::traits::PublicKeyParts;
use sha1::{Digest, Sha1};

use super::key_pair::{ed25519_fingerprint, with_colons};
use crate::engine::ids::Ids;

pub struct CreatedKey {
    pub private_pem: String,
    /// `ssh-rsa AAAA...`, without a comment.
    pub public_key: String,
    pub fingerprint: String,
}

/// A seeded stream in the form that key generation asks for.
struct Stream<'a>(&'a mut Ids);

impl TryRng for Stream<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.0.next_u64() >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.next_u64())
    }

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), Infallible> {
        for chunk in target.chunks_mut(8) {
            chunk.copy_from_slice(&self.0.next_u64().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Stream<'_> {}

/// "2048-bit SSH-2 RSA"; the fingerprint is the SHA-1 of the private key in DER (EC2 User Guide, "Verify the
/// fingerprint").
pub fn create_rsa(ids: &mut Ids) -> Option<CreatedKey> {
    let key = rsa::PrivateKey::new(&mut Stream(ids), 2048).ok()?;
    let private_der = key.to_pkcs8_der().ok()?;
    let public = key.to_public_key();
    let blob = [ssh_string(b"ssh-rsa"), ssh_string(&signed(&public.e_bytes())), ssh_string(&signed(&public.n_bytes()))]
        .concat();
    Some(CreatedKey {
        private_pem: key.to_pkcs1_pem(LineEnding::LF).ok()?.to_string(),
        public_key: format!("ssh-rsa {}", BASE64_STANDARD.encode(blob)),
        fingerprint: with_colons(&Sha1::digest(private_der.as_bytes())),
    })
}

pub fn create_ed25519(ids: &mut Ids, comment: &str) -> Option<CreatedKey> {
    let mut seed = [0; 32];
    let Ok(()) = Stream(ids).try_fill_bytes(&mut seed);
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).ok()?;
    let public = pair.public_key().as_ref();
    let blob = [ssh_string(b"ssh-ed25519"), ssh_string(public)].concat();
    Some(CreatedKey {
        private_pem: openssh_private_key(&blob, public, &seed, comment),
        public_key: format!("ssh-ed25519 {}", BASE64_STANDARD.encode(&blob)),
        fingerprint: ed25519_fingerprint(&blob),
    })
}

/// OpenSSH's own container, without a passphrase. Source: PROTOCOL.key in OpenSSH's sources.
fn openssh_private_key(blob: &[u8], public: &[u8], seed: &[u8], comment: &str) -> String {
    let mut private = [
        // Two equal numbers, by which a reader with a passphrase would see that it was right.
        [0_u8; 8].to_vec(),
        blob.to_vec(),
        ssh_string(&[seed, public].concat()),
        ssh_string(comment.as_bytes()),
    ]
    .concat();
    private.extend((1..).take((8 - private.len() % 8) % 8));
    let whole = [
        b"openssh-key-v1\0".to_vec(),
        ssh_string(b"none"),
        ssh_string(b"none"),
        ssh_string(b""),
        1_u32.to_be_bytes().to_vec(),
        ssh_string(blob),
        ssh_string(&private),
    ]
    .concat();
    let encoded = BASE64_STANDARD.encode(whole);
    let lines: Vec<&str> = encoded.as_bytes().chunks(70).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n", lines.join("\n"))
}

fn ssh_string(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

/// A positive number as SSH and DER write it: without leading zeros, but for the one that keeps the sign bit clear.
fn signed(number: &[u8]) -> Vec<u8> {
    let start = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    let digits = &number[start..];
    match digits.first() {
        Some(byte) if *byte < 0x80 => digits.to_vec(),
        _ => [&[0], digits].concat(),
    }
}

/// A DER integer.
pub fn integer(number: &[u8]) -> Vec<u8> {
    element(2, &signed(number))
}

/// A DER element with `tag`.
pub fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = match content.len() {
        short @ 0..0x80 => vec![short as u8],
        long => {
            let bytes = long.to_be_bytes();
            let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(0);
            [&[0x80 | (bytes.len() - start) as u8], &bytes[start..]].concat()
        }
    };
    [&[tag], length.as_slice(), content].concat()
}
