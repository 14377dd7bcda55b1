//! Key pairs. Start at [`KeyPair`]; `create_key.rs` makes the keys of CreateKeyPair.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use md5::Md5;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Ec2;
use super::create_key::{CreatedKey, create_ed25519, create_rsa, element, integer};
use super::error::{invalid_value, missing_parameter, refuse, required};
use super::register::operation;
use super::select::{Ask, Kind, one};
use super::tag::{Tags, new_tags};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::sandbox::models::ec2::{
    CreateKeyPairInput, CreateKeyPairOutput, DeleteKeyPairInput, DeleteKeyPairOutput, DescribeKeyPairsInput,
    DescribeKeyPairsOutput, ImportKeyPairInput, ImportKeyPairOutput, KeyPairInfo,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeyPair {
    pub id: String,
    pub key_type: KeyType,
    pub fingerprint: String,
    /// In OpenSSH's form, with its comment.
    pub public_key: String,
    pub created_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyType {
    Rsa,
    Ed25519,
}

impl KeyType {
    fn name(self) -> &'static str {
        match self {
            Self::Rsa => "rsa",
            Self::Ed25519 => "ed25519",
        }
    }
}

fn missing(names: &[&str]) -> Refusal {
    let message = match names {
        [name] => format!("The key pair '{name}' does not exist"),
        names => format!("The key pairs '{}' do not exist", names.join(", ")),
    };
    refuse("InvalidKeyPair.NotFound", message)
}

/// A public key that a caller brings.
struct Imported {
    key_type: KeyType,
    fingerprint: String,
    public_key: String,
}

impl Imported {
    /// Reads `ssh-rsa AAAA... comment` or its Ed25519 sister, or an SSH2 public key file as of RFC 4716.
    fn read(material: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(material).ok()?.trim();
        let (encoded, public_key) = match rfc4716_body(text) {
            Some(encoded) => (encoded, None),
            None => (text.split_whitespace().nth(1)?.to_string(), Some(text.to_string())),
        };
        let blob = BASE64_STANDARD.decode(&encoded).or_else(|_| BASE64_STANDARD_NO_PAD.decode(&encoded)).ok()?;
        let fields = ssh_fields(&blob)?;
        let kind = std::str::from_utf8(fields.first()?).ok()?;
        let (key_type, fingerprint) = match (kind, &fields[1..]) {
            ("ssh-rsa", [exponent, modulus]) => (KeyType::Rsa, rsa_fingerprint(exponent, modulus)),
            ("ssh-ed25519", [_]) => (KeyType::Ed25519, ed25519_fingerprint(&blob)),
            _ => return None,
        };
        let public_key = public_key.unwrap_or_else(|| format!("{kind} {encoded}"));
        (public_key.split_whitespace().next() == Some(kind)).then_some(Self { key_type, fingerprint, public_key })
    }
}

/// The base64 text of a key file between its marker lines, without headers, which a backslash continues.
fn rfc4716_body(text: &str) -> Option<String> {
    let inner = text.strip_prefix("---- BEGIN SSH2 PUBLIC KEY ----")?.strip_suffix("---- END SSH2 PUBLIC KEY ----")?;
    let (mut body, mut in_header) = (String::new(), false);
    for line in inner.lines() {
        let is_header = in_header || line.contains(':');
        if !is_header {
            body.push_str(line.trim());
        }
        in_header = is_header && line.ends_with('\\');
    }
    Some(body)
}

/// The length-prefixed fields of an SSH key blob.
fn ssh_fields(mut blob: &[u8]) -> Option<Vec<&[u8]>> {
    let mut fields = Vec::new();
    while !blob.is_empty() {
        let (length, rest) = blob.split_first_chunk::<4>()?;
        let (field, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        fields.push(field);
        blob = rest;
    }
    Some(fields)
}

/// "MD5 public key fingerprint as specified in section 4 of RFC 4716", which for AWS is taken of the DER form.
fn rsa_fingerprint(exponent: &[u8], modulus: &[u8]) -> String {
    const RSA_ENCRYPTION: &[u8] = &[0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
    let key = element(0x30, &[integer(modulus), integer(exponent)].concat());
    let bits = element(3, &[&[0], key.as_slice()].concat());
    with_colons(&Md5::digest(element(0x30, &[RSA_ENCRYPTION, &bits].concat())))
}

/// The SHA-256 that `ssh-keygen -l` prints, with the padding that AWS keeps.
pub fn ed25519_fingerprint(blob: &[u8]) -> String {
    BASE64_STANDARD.encode(Sha256::digest(blob))
}

pub fn with_colons(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

impl Ec2 {
    fn add_key_pair(&mut self, name: &str, tags: Tags, pair: impl FnOnce(String) -> KeyPair) -> KeyPair {
        let pair = pair(self.ids.ec2("key"));
        self.tags.put(&pair.id, tags);
        self.key_pairs.insert(name.to_string(), pair.clone());
        pair
    }

    fn check_key_name(&self, name: Option<String>) -> Result<String, Refusal> {
        let name = required(name.filter(|name| !name.is_empty()), "KeyName")?;
        // "Up to 255 ASCII characters."
        if name.len() > 255 || !name.is_ascii() {
            return Err(invalid_value(&name, "KeyName", "Key names have up to 255 ASCII characters."));
        }
        if self.key_pairs.contains_key(&name) {
            return Err(refuse("InvalidKeyPair.Duplicate", "The keypair already exists"));
        }
        Ok(name)
    }
}

fn import(region: &mut Region, call: &Call, input: ImportKeyPairInput) -> Result<ImportKeyPairOutput, Refusal> {
    let ec2 = &mut region.ec2;
    let name = ec2.check_key_name(input.key_name)?;
    let tags = new_tags(input.tag_specifications, "key-pair")?;
    let material = required(input.public_key_material, "PublicKeyMaterial")?;
    let Some(key) = Imported::read(&material) else {
        return Err(refuse("InvalidKey.Format", "Key is not in valid OpenSSH public key format"));
    };
    let pair = ec2.add_key_pair(&name, tags, |id| KeyPair {
        id,
        key_type: key.key_type,
        fingerprint: key.fingerprint,
        public_key: key.public_key,
        created_at: call.now,
    });
    Ok(ImportKeyPairOutput {
        tags: ec2.tags.of(&pair.id),
        key_fingerprint: Some(pair.fingerprint),
        key_name: Some(name),
        key_pair_id: Some(pair.id),
    })
}

fn create(region: &mut Region, call: &Call, input: CreateKeyPairInput) -> Result<CreateKeyPairOutput, Refusal> {
    let ec2 = &mut region.ec2;
    let name = ec2.check_key_name(input.key_name)?;
    let tags = new_tags(input.tag_specifications, "key-pair")?;
    if input.key_format.is_some_and(|format| format != "pem") {
        return Err(refuse("UnsupportedOperation", "This endpoint writes private keys as pem only"));
    }
    let (key_type, key) = match input.key_type.as_deref() {
        None | Some("rsa") => (KeyType::Rsa, create_rsa(&mut ec2.ids)),
        Some("ed25519") => (KeyType::Ed25519, create_ed25519(&mut ec2.ids, &name)),
        Some(other) => return Err(invalid_value(other, "keyType", "Unknown type of key.")),
    };
    let CreatedKey { private_pem, public_key, fingerprint } =
        key.ok_or_else(|| Refusal::new("InternalError", 500, "An internal error has occurred"))?;
    let pair = ec2.add_key_pair(&name, tags, |id| KeyPair {
        id,
        key_type,
        fingerprint,
        public_key: format!("{public_key} {name}"),
        created_at: call.now,
    });
    Ok(CreateKeyPairOutput {
        tags: ec2.tags.of(&pair.id),
        key_pair_id: Some(pair.id),
        key_name: Some(name),
        key_fingerprint: Some(pair.fingerprint),
        key_material: Some(private_pem),
    })
}

fn delete(region: &mut Region, _: &Call, input: DeleteKeyPairInput) -> Result<DeleteKeyPairOutput, Refusal> {
    let ec2 = &mut region.ec2;
    let name = match (input.key_name, input.key_pair_id) {
        (Some(name), _) => Some(name),
        (None, Some(id)) => {
            let found = ec2.key_pairs.iter().find(|(_, pair)| pair.id == id);
            Some(found.map(|(name, _)| name.clone()).ok_or_else(|| missing(&[&id]))?)
        }
        (None, None) => None,
    };
    let name = name.ok_or_else(|| missing_parameter("KeyName"))?;
    // Deleting a key that is not there succeeds.
    let removed = ec2.key_pairs.remove(&name);
    if let Some(pair) = &removed {
        ec2.tags.forget(&pair.id);
    }
    Ok(DeleteKeyPairOutput { r#return: Some(true), key_pair_id: removed.map(|pair| pair.id) })
}

const KEY_PAIRS: Kind<KeyPairInfo> = Kind {
    id: |pair| &pair.key_name,
    id_parameter: "keyName",
    missing,
    tags: |pair| &pair.tags,
    filters: &[
        ("fingerprint", |pair| one(&pair.key_fingerprint)),
        ("key-name", |pair| one(&pair.key_name)),
        ("key-pair-id", |pair| one(&pair.key_pair_id)),
    ],
};

fn describe(region: &mut Region, _: &Call, input: DescribeKeyPairsInput) -> Result<DescribeKeyPairsOutput, Refusal> {
    let ec2 = &region.ec2;
    let shown = ec2.key_pairs.iter().map(|(name, pair)| KeyPairInfo {
        key_pair_id: Some(pair.id.clone()),
        key_type: Some(pair.key_type.name().into()),
        tags: ec2.tags.of(&pair.id),
        public_key: (input.include_public_key == Some(true)).then(|| pair.public_key.clone()),
        create_time: Some(pair.created_at),
        key_name: Some(name.clone()),
        key_fingerprint: Some(pair.fingerprint.clone()),
    });
    let mut names = input.key_names.unwrap_or_default();
    for id in input.key_pair_ids.unwrap_or_default() {
        let found = ec2.key_pairs.iter().find(|(_, pair)| pair.id == id);
        names.push(found.map(|(name, _)| name.clone()).ok_or_else(|| missing(&[&id]))?);
    }
    let ask = Ask { ids: Some(names), filters: input.filters, ..Ask::default() };
    Ok(DescribeKeyPairsOutput { key_pairs: KEY_PAIRS.select(shown.collect(), ask)?.set().0 })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, import, ImportKeyPairInput "ImportKeyPair":
        "Keeps a public key, RSA or Ed25519, in OpenSSH's form.",
        takes KeyName PublicKeyMaterial TagSpecifications
    );
    operation!(operations, create, CreateKeyPairInput "CreateKeyPair":
        "Makes a key pair and answers the private key once.",
        takes KeyName KeyType KeyFormat TagSpecifications
    );
    operation!(operations, delete, DeleteKeyPairInput "DeleteKeyPair":
        "Forgets a key pair.",
        takes KeyName KeyPairId
    );
    operation!(operations, describe, DescribeKeyPairsInput "DescribeKeyPairs":
        "Lists key pairs.",
        takes KeyNames KeyPairIds IncludePublicKey Filters
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of RFC 8032's first test, as `ssh-keygen` writes it.
    const ED25519: &str = "AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";

    fn key_type(material: &str) -> Option<&'static str> {
        Imported::read(material.as_bytes()).map(|key| key.key_type.name())
    }

    #[test]
    fn keys_are_read_in_both_forms() {
        assert_eq!(key_type(&format!("ssh-ed25519 {ED25519} me@example.com")), Some("ed25519"));
        let (first, second) = ED25519.split_at(30);
        let headers = "Comment: a key that \\\n is long\nx-own: 1\n";
        let file =
            format!("---- BEGIN SSH2 PUBLIC KEY ----\n{headers}{first}\n{second}\n---- END SSH2 PUBLIC KEY ----\n");
        assert_eq!(key_type(&file), Some("ed25519"));
        assert_eq!(key_type(&format!("ssh-rsa {ED25519}")), None);
        assert_eq!(key_type("ssh-ed25519 AAAA"), None);
        assert_eq!(key_type("garbage"), None);
    }
}
