//! IAM: users and their keys, roles, policies and instance profiles, as documents that belong together.
//!
//! Nothing is permitted or denied by them: permissions are not evaluated anywhere in the sandbox, and say so in the table of
//! operations. Left out: groups, login profiles, identity providers, and the policies that AWS manages, which are taken to exist
//! where they are attached. Start at [`Iam`].

mod attached;
mod certificates;
mod policies;
mod profiles;
mod roles;
mod users;

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::engine::Refusal;
use crate::engine::ids::Ids;
use crate::engine::names::Place;
use crate::sandbox::models::iam as model;
use crate::sandbox::operations::{Identity, IdentityKind, Operations};
use attached::Attached;

/// Of AWS: what a list gives at once, and gives when not told.
const ITEMS_PER_PAGE: i64 = 100;

type Tags = BTreeMap<String, String>;

/// What one account has, by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Iam {
    place: Place,
    users: BTreeMap<String, users::User>,
    roles: BTreeMap<String, roles::Role>,
    profiles: BTreeMap<String, profiles::Profile>,
    /// By ARN.
    policies: BTreeMap<String, policies::Policy>,
    certificates: BTreeMap<String, certificates::Certificate>,
    ids: Ids,
}

impl Iam {
    pub fn new(place: &Place, seed: u64) -> Self {
        Self {
            place: place.clone(),
            users: BTreeMap::new(),
            roles: BTreeMap::new(),
            profiles: BTreeMap::new(),
            policies: BTreeMap::new(),
            certificates: BTreeMap::new(),
            ids: Ids::new(seed, "iam"),
        }
    }

    pub fn certificate_count(&self) -> usize {
        self.certificates.len()
    }

    pub fn role_count(&self) -> usize {
        self.roles.len()
    }

    pub fn user_count(&self) -> usize {
        self.users.len()
    }

    pub fn profile_count(&self) -> usize {
        self.profiles.len()
    }

    /// The user whose key this is.
    pub fn identity(&self, key: &str) -> Option<Identity> {
        let user = self.users.values().find(|user| user.keys.get(key).is_some_and(|key| key.active))?;
        let kind = IdentityKind::Known { service: "iam", resource: format!("user{}", user.full), id: user.id.clone() };
        Some(Identity { account: self.place.account.clone(), kind, ..Identity::default() })
    }

    /// A role's id and the longest session that it allows, in seconds.
    pub fn role_in(&self, account: &str, name: &str) -> Option<(String, i64)> {
        let role = self.roles.get(name).filter(|_| account == self.place.account)?;
        Some((role.id.clone(), role.max_session_secs))
    }

    fn arn(&self, resource: &str) -> String {
        format!("arn:{}:iam::{}:{resource}", self.place.partition, self.place.account)
    }

    fn unique_id(&mut self, prefix: &str) -> String {
        letters(&mut self.ids, prefix, 21)
    }
}

/// `prefix`, filled up with the letters and digits of AWS's identifiers.
fn letters(ids: &mut Ids, prefix: &str, length: usize) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut id = prefix.to_string();
    while id.len() < length {
        id.push(char::from(ALPHABET[(ids.next_u64() % 32) as usize]));
    }
    id
}

/// An access key's id: `AKIA…` of users, `ASIA…` of sessions.
pub fn key_id(ids: &mut Ids, prefix: &str) -> String {
    letters(ids, prefix, 20)
}

/// Forty characters that nobody checks.
pub fn secret(ids: &mut Ids) -> String {
    let bytes: Vec<u8> = (0..4).flat_map(|_| ids.next_u64().to_le_bytes()).collect();
    URL_SAFE_NO_PAD.encode(bytes).chars().take(40).collect()
}

/// The id of a role that the sandbox does not know: the same for each call.
pub fn id_of(prefix: &str, account: &str, name: &str) -> String {
    letters(&mut Ids::new(0, &format!("{account}/{name}")), prefix, 21)
}

pub fn operations() -> Operations {
    let mut operations = Operations::default();
    users::register(&mut operations);
    roles::register(&mut operations);
    policies::register(&mut operations);
    profiles::register(&mut operations);
    certificates::register(&mut operations);
    operations
}

/// 404 `NoSuchEntity`, in AWS's words.
fn no_such(what: &str, name: &str) -> Refusal {
    Refusal::new("NoSuchEntity", 404, format!("The {what} with name {name} cannot be found."))
}

fn exists(what: &str, name: &str) -> Refusal {
    Refusal::new("EntityAlreadyExists", 409, format!("{what} with name {name} already exists."))
}

/// 409 `DeleteConflict`: what has to go first.
fn conflict(text: &str) -> Refusal {
    Refusal::new("DeleteConflict", 409, text)
}

/// # Errors
/// `ValidationError` for a name that AWS does not take.
fn check_name(parameter: &str, name: &str) -> Result<(), Refusal> {
    if !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)) {
        return Ok(());
    }
    Err(Refusal::validation(format!(
        "The specified value for {parameter} is invalid. It must contain only alphanumeric characters and/or the \
         following: +=,.@_-"
    )))
}

/// A path that begins and ends with a slash; `/` where none is given.
///
/// # Errors
/// `ValidationError`.
fn check_path(path: Option<String>) -> Result<String, Refusal> {
    let path = path.unwrap_or_else(|| "/".into());
    if path.starts_with('/') && path.ends_with('/') {
        return Ok(path);
    }
    let text = "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric \
                characters and/or / characters.";
    Err(Refusal::validation(text))
}

/// # Errors
/// `MalformedPolicyDocument`: no JSON object with statements of known elements.
fn check_document(text: &str) -> Result<(), Refusal> {
    let refused = |text: &str| Err(Refusal::new("MalformedPolicyDocument", 400, text));
    match serde_json::from_str::<serde_json::Value>(text) {
        Err(_) => refused("This policy contains invalid Json"),
        Ok(document) if document.get("Statement").is_none() => refused("Syntax errors in policy."),
        Ok(document) if !each(&document["Statement"]).all(is_statement) => refused("Syntax errors in policy."),
        Ok(_) => Ok(()),
    }
}

/// Source: IAM User Guide, "Grammar of the IAM JSON policy language".
fn is_statement(statement: &serde_json::Value) -> bool {
    const ELEMENTS: [&str; 9] =
        ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];
    let Some(statement) = statement.as_object() else { return false };
    let effect = statement.get("Effect").and_then(serde_json::Value::as_str);
    matches!(effect, Some("Allow" | "Deny"))
        && statement.keys().all(|key| ELEMENTS.iter().any(|element| element.eq_ignore_ascii_case(key)))
}

/// AWS gives documents back percent-encoded (RFC 3986).
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// # Errors
/// `MalformedPolicyDocument`: as any, or no trust policy: about other actions, or about a resource.
fn check_trust(text: &str) -> Result<(), Refusal> {
    check_document(text)?;
    let refused = |text: &str| Err(Refusal::new("MalformedPolicyDocument", 400, text));
    let document: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    for statement in each(&document["Statement"]) {
        if statement.get("Resource").is_some() {
            return refused("Has prohibited field Resource");
        }
        if !each(&statement["Action"]).filter_map(serde_json::Value::as_str).all(is_trust_action) {
            return refused("AssumeRole policy may only specify STS AssumeRole actions.");
        }
    }
    Ok(())
}

/// The elements of a list, or what stands in place of a list of one.
fn each(value: &serde_json::Value) -> impl Iterator<Item = &serde_json::Value> {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice).iter()
}

fn is_trust_action(action: &str) -> bool {
    let action = action.to_ascii_lowercase();
    let others = ["sts:tagsession", "sts:setsourceidentity", "sts:setcontext", "sts:*", "*"];
    action.starts_with("sts:assumerole") || others.contains(&action.as_str())
}

/// # Errors
/// `InvalidInput` for keys that differ in case at most, `ValidationError` for characters that no key has.
fn tags_of(tags: Option<Vec<model::Tag>>) -> Result<Tags, Refusal> {
    let tags = tags.unwrap_or_default();
    let keys: Vec<&str> = tags.iter().map(|tag| tag.key.as_deref().unwrap_or_default()).collect();
    let allowed = |c: char| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c);
    if let Some(at) = keys.iter().position(|key| !key.chars().all(allowed)) {
        return Err(no_match(&format!("tags.{}.member.key", at + 1), r"[\p{L}\p{Z}\p{N}_.:/=+\-@]+"));
    }
    if has_twins(&keys) {
        return Err(Refusal::new("InvalidInput", 400, DUPLICATE_KEYS));
    }
    let pair = |tag: model::Tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default());
    Ok(tags.into_iter().map(pair).collect())
}

/// What IAM and STS say of such keys.
pub const DUPLICATE_KEYS: &str = "Duplicate tag keys found. Please note that Tag keys are case insensitive.";

pub fn has_twins(keys: &[&str]) -> bool {
    let distinct: BTreeSet<String> = keys.iter().map(|key| key.to_lowercase()).collect();
    distinct.len() < keys.len()
}

/// The validation error of a member that is not of a pattern.
fn no_match(member: &str, pattern: &str) -> Refusal {
    Refusal::validation(format!(
        "1 validation error detected: Value at '{member}' failed to satisfy constraint: Member must satisfy regular \
         expression pattern: {pattern}"
    ))
}

fn shown_tags(tags: &Tags) -> Vec<model::Tag> {
    let tag = |(key, value): (&String, &String)| model::Tag { key: Some(key.clone()), value: Some(value.clone()) };
    tags.iter().map(tag).collect()
}

/// One page, whether there is more, and where that begins.
struct Page<T> {
    items: Vec<T>,
    truncated: bool,
    marker: Option<String>,
}

fn page<T>(
    items: impl Iterator<Item = (String, T)>,
    max_items: Option<i64>,
    marker: Option<String>,
) -> Result<Page<T>, Refusal> {
    let size = max_items.unwrap_or(ITEMS_PER_PAGE).max(1) as usize;
    let invalid = || Refusal::validation("Invalid Marker.");
    let (page, marker) = super::page::after(items, marker.as_deref(), size, invalid)?;
    Ok(Page { items: page.into_iter().map(|(_, item)| item).collect(), truncated: marker.is_some(), marker })
}

fn page_of_tags(tags: &Tags, max_items: Option<i64>, marker: Option<String>) -> Result<Page<model::Tag>, Refusal> {
    page(shown_tags(tags).into_iter().map(|tag| (tag.key.clone().unwrap_or_default(), tag)), max_items, marker)
}

#[cfg(test)]
mod tests;
