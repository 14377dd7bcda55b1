//! Encryption keys: who may use one. Nothing is encrypted; a topic or queue under a key is reached by those alone whom the
//! key's policy lets in.
//!
//! Left out: grants, key material, and keys of other accounts and regions, which count as keys that do not exist. Start
//! at [`Keys::lets_in`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Refusal;
use super::ids::Ids;
use super::names::Place;
use super::topics::policy::{Caller, Policy, PolicyError, Request, Verdict};
use crate::clock::Timestamp;

/// What a service does with the key of a topic or queue that it sends to. Source: SNS Developer Guide, "Managing Amazon
/// SNS encryption keys and costs", and CloudWatch user guide on encrypted topics.
const ACTIONS_OF_SENDERS: [&str; 2] = ["kms:Decrypt", "kms:GenerateDataKey"];

/// The keys of one account in one region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Keys {
    place: Place,
    /// By id.
    keys: BTreeMap<String, Key>,
    /// By name, `alias/…`.
    aliases: BTreeMap<String, Alias>,
    ids: Ids,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Key {
    pub id: String,
    pub arn: String,
    pub created: Timestamp,
    pub description: String,
    pub state: KeyState,
    pub rotation_days: Option<u32>,
    pub tags: BTreeMap<String, String>,
    policy_text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyState {
    Enabled,
    Disabled,
    PendingDeletion { at: Timestamp, days: u32 },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alias {
    /// The id of the key.
    pub key: String,
    pub created: Timestamp,
    pub updated: Timestamp,
}

impl Key {
    pub fn policy(&self) -> &str {
        &self.policy_text
    }

    fn evaluate(&self, caller: Caller<'_>, action: &str, about: &[(&str, &str)]) -> Verdict {
        let Ok(policy) = Policy::parse(&self.policy_text) else { return Verdict::NotAllowed };
        let mut request = Request::new(caller, action, &self.arn);
        for (key, value) in about {
            request = request.with(key, value);
        }
        policy.evaluate(&request)
    }
}

impl Keys {
    pub fn new(place: &Place, seed: u64) -> Self {
        let ids = Ids::new(seed, "keys");
        Self { place: place.clone(), keys: BTreeMap::new(), aliases: BTreeMap::new(), ids }
    }

    /// Whether a sender may use the key that `name` names: an id, an alias, or the ARN of either. `about` are condition
    /// keys of the request.
    ///
    /// A statement for the account itself only hands the decision to IAM, which says nothing of keys for the roles of
    /// services. The keys that AWS manages (`alias/aws/sns`) are for the account's own users alone.
    pub fn lets_in(&self, name: &str, caller: Caller<'_>, about: &[(&str, &str)]) -> bool {
        let Ok(key) = self.find(name) else { return false };
        let caller = match caller {
            Caller::Identity { arn, .. } => Caller::Identity { account: "", arn },
            service => service,
        };
        let account = self.place.account.as_str();
        let mut about = about.to_vec();
        about.extend([("aws:SourceAccount", account), ("kms:CallerAccount", account)]);
        let allowed = |action: &&str| key.evaluate(caller, action, &about) == Verdict::Allowed;
        key.state == KeyState::Enabled && ACTIONS_OF_SENDERS.iter().all(allowed)
    }

    /// Whether `name` is the key that AWS manages for a service.
    pub fn is_managed_for(&self, name: &str, service: &str) -> bool {
        name.ends_with(&format!("alias/aws/{service}"))
    }

    /// Whether somebody of the account can publish through the key.
    ///
    /// # Errors
    /// `KMSNotFound`, `KMSDisabled`, or `KMSInvalidState` for a key that is to be deleted.
    pub fn usable(&self, name: &str) -> Result<(), Refusal> {
        let refused = |code: &str, text: String| Err(Refusal::new(code, 400, text));
        match self.find(name) {
            Err(refusal) => refused("KMSNotFound", refusal.message),
            Ok(Key { state: KeyState::Enabled, .. }) => Ok(()),
            Ok(key @ Key { state: KeyState::Disabled, .. }) => {
                refused("KMSDisabled", format!("{} is disabled.", key.arn))
            }
            Ok(key) => refused("KMSInvalidState", format!("{} is pending deletion.", key.arn)),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        self.keys.values()
    }

    /// Keys that nobody has asked to delete.
    pub fn usable_count(&self) -> usize {
        self.keys.values().filter(|key| !matches!(key.state, KeyState::PendingDeletion { .. })).count()
    }

    pub fn aliases(&self) -> impl Iterator<Item = (&String, &Alias)> {
        self.aliases.iter()
    }

    pub fn alias_arn(&self, name: &str) -> String {
        self.place.arn("kms", name)
    }

    /// # Errors
    /// `MalformedPolicyDocument`.
    pub fn create(
        &mut self,
        now: Timestamp,
        description: String,
        policy: Option<&str>,
        locks_out: bool,
        tags: BTreeMap<String, String>,
    ) -> Result<&Key, Refusal> {
        let id = self.ids.uuid();
        let policy_text = match policy {
            Some(text) => self.checked(text, locks_out)?,
            None => self.default_policy(),
        };
        let arn = self.place.arn("kms", &format!("key/{id}"));
        let state = KeyState::Enabled;
        let key = Key { id: id.clone(), arn, created: now, description, state, rotation_days: None, tags, policy_text };
        Ok(self.keys.entry(id).or_insert(key))
    }

    /// # Errors
    /// `MalformedPolicyDocument`, `NotFoundException`.
    pub fn put_policy(&mut self, name: &str, text: &str, locks_out: bool) -> Result<(), Refusal> {
        let policy_text = self.checked(text, locks_out)?;
        self.find_mut(name)?.policy_text = policy_text;
        Ok(())
    }

    /// The policy, if it leaves the account in control of the key or `locks_out` says that it need not.
    fn checked(&self, text: &str, locks_out: bool) -> Result<String, Refusal> {
        let refused = |text: String| Err(Refusal::new("MalformedPolicyDocumentException", 400, text));
        let policy = match Policy::parse(text) {
            Ok(policy) => policy,
            Err(PolicyError::Malformed) => {
                return refused("Policy contains a statement with one or more errors".into());
            }
            Err(PolicyError::Operator(operator)) => {
                return refused(format!("The condition operator {operator} is not evaluated by this endpoint"));
            }
        };
        let root = format!("arn:{}:iam::{}:root", self.place.partition, self.place.account);
        let owner = Caller::Identity { account: &self.place.account, arn: &root };
        let arn = self.place.arn("kms", "key/*");
        let allowed = policy.evaluate(&Request::new(owner, "kms:PutKeyPolicy", &arn)) == Verdict::Allowed;
        if !allowed && !locks_out {
            return refused("The new key policy will not allow you to update the key policy in the future.".into());
        }
        Ok(text.to_string())
    }

    /// Source: KMS Developer Guide, "Default key policy" of keys made by the API.
    fn default_policy(&self) -> String {
        let root = format!("arn:{}:iam::{}:root", self.place.partition, self.place.account);
        let statement = json!({
            "Sid": "Enable IAM User Permissions",
            "Effect": "Allow",
            "Principal": {"AWS": root},
            "Action": "kms:*",
            "Resource": "*",
        });
        json!({"Version": "2012-10-17", "Id": "key-default-1", "Statement": [statement]}).to_string()
    }

    /// The key of an id, an alias, or the ARN of either.
    ///
    /// # Errors
    /// `NotFoundException`.
    pub fn find(&self, name: &str) -> Result<&Key, Refusal> {
        let missing = |text: String| Refusal::new("NotFoundException", 400, text);
        let prefix = self.place.arn("kms", "");
        let region = name.strip_prefix("arn:").and_then(|arn| arn.split(':').nth(2));
        if let Some(other) = region.filter(|region| *region != self.place.region) {
            return Err(missing(format!("Invalid arn {other}")));
        }
        let own = name.strip_prefix(&prefix).unwrap_or(name);
        if own.starts_with("alias/") {
            let alias = self.aliases.get(own).and_then(|alias| self.keys.get(&alias.key));
            return alias.ok_or_else(|| missing(format!("Alias {} is not found.", self.alias_arn(own))));
        }
        let id = own.strip_prefix("key/").unwrap_or(own);
        if !id.starts_with("arn:") && !is_key_id(id) {
            return Err(missing(format!("Invalid keyId '{id}'")));
        }
        self.keys.get(id).ok_or_else(|| missing(format!("Key '{prefix}key/{id}' does not exist")))
    }

    /// # Errors
    /// `NotFoundException`.
    pub fn find_mut(&mut self, name: &str) -> Result<&mut Key, Refusal> {
        let key = self.find(name)?;
        let (id, arn) = (key.id.clone(), key.arn.clone());
        let missing = || Refusal::new("NotFoundException", 400, format!("Key '{arn}' does not exist"));
        self.keys.get_mut(&id).ok_or_else(missing)
    }

    /// # Errors
    /// `AlreadyExistsException`, `NotFoundException`, `ValidationException`, `NotAuthorizedException` for AWS's own.
    pub fn put_alias(&mut self, now: Timestamp, name: &str, key: &str, update: bool) -> Result<(), Refusal> {
        check_alias(name)?;
        let id = self.find(key)?.id.clone();
        let arn = self.alias_arn(name);
        let created = match (self.aliases.get(name), update) {
            (Some(alias), true) => alias.created,
            (None, false) => now,
            (Some(_), false) => {
                let text = format!("An alias with the name {arn} already exists");
                return Err(Refusal::new("AlreadyExistsException", 400, text));
            }
            (None, true) => {
                return Err(Refusal::new("NotFoundException", 400, format!("Alias {arn} is not found.")));
            }
        };
        self.aliases.insert(name.to_string(), Alias { key: id, created, updated: now });
        Ok(())
    }

    /// # Errors
    /// `NotFoundException`.
    pub fn delete_alias(&mut self, name: &str) -> Result<(), Refusal> {
        let arn = self.alias_arn(name);
        let missing = || Refusal::new("NotFoundException", 400, format!("Alias {arn} is not found."));
        self.aliases.remove(name).map(|_| ()).ok_or_else(missing)
    }

    /// Forgets keys whose time has come.
    pub fn purge(&mut self, now: Timestamp) {
        self.keys.retain(|_, key| !matches!(key.state, KeyState::PendingDeletion { at, .. } if at <= now));
        let keys = &self.keys;
        self.aliases.retain(|_, alias| keys.contains_key(&alias.key));
    }
}

/// A UUID, or a multi-Region key's 32 hexadecimal digits.
fn is_key_id(id: &str) -> bool {
    let hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
    match id.strip_prefix("mrk-") {
        Some(digits) => digits.len() == 32 && hex(digits),
        None => {
            let parts: Vec<&str> = id.split('-').collect();
            parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]) && parts.iter().all(|part| hex(part))
        }
    }
}

fn check_alias(name: &str) -> Result<(), Refusal> {
    if name.starts_with("alias/aws/") {
        return Err(Refusal::new("NotAuthorizedException", 400, ""));
    }
    match name.strip_prefix("alias/") {
        Some(rest) if !rest.is_empty() => Ok(()),
        _ => {
            let text = "Alias must start with the prefix \"alias/\". Please see \
                        https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html";
            Err(Refusal::new("ValidationException", 400, text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOUDWATCH: Caller<'_> = Caller::Service("cloudwatch.amazonaws.com");

    fn keys() -> Keys {
        Keys::new(&Place::new("eu-west-1", "123456789012"), 1)
    }

    fn create(keys: &mut Keys, statement: &str) -> String {
        let owner = r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"kms:*","Resource":"*"}"#;
        let policy = format!(r#"{{"Version":"2012-10-17","Statement":[{owner}{statement}]}}"#);
        let now = Timestamp::from_secs(1_800_000_000);
        keys.create(now, String::new(), Some(&policy), false, BTreeMap::new()).unwrap().id.clone()
    }

    /// Source of the statement that lets CloudWatch in: its user guide, on encrypted topics.
    #[test]
    fn a_service_uses_a_key_only_where_the_policy_names_it_for_both_actions() {
        let service = |actions: &str| {
            format!(
                r#",{{"Effect":"Allow","Principal":{{"Service":"cloudwatch.amazonaws.com"}},"Action":{actions},"Resource":"*"}}"#
            )
        };
        for (statement, expected) in [
            (String::new(), false),
            (service(r#"["kms:Decrypt","kms:GenerateDataKey*"]"#), true),
            (service(r#""kms:Decrypt""#), false),
            (service(r#""kms:*""#), true),
            (service(r#""kms:*""#).replace("cloudwatch", "events"), false),
        ] {
            let mut keys = keys();
            let id = create(&mut keys, &statement);
            assert_eq!(keys.lets_in(&id, CLOUDWATCH, &[]), expected, "{statement}");
        }
    }

    #[test]
    fn a_key_is_found_by_its_id_its_alias_and_their_arns() {
        let mut keys = keys();
        let id = create(&mut keys, "");
        let now = Timestamp::from_secs(1_800_000_001);
        keys.put_alias(now, "alias/alerts", &id, false).unwrap();
        for name in [id.clone(), format!("arn:aws:kms:eu-west-1:123456789012:key/{id}"), "alias/alerts".into()] {
            assert_eq!(keys.find(&name).map(|key| key.id.clone()), Ok(id.clone()), "{name}");
        }
        assert!(keys.find("arn:aws:kms:eu-west-1:123456789012:alias/alerts").is_ok());
        assert_eq!(keys.find("alias/other").unwrap_err().code, "NotFoundException");
        assert_eq!(keys.put_alias(now, "alias/alerts", &id, false).unwrap_err().code, "AlreadyExistsException");
        assert!(!keys.lets_in("alias/aws/sns", CLOUDWATCH, &[]));
        // AWS's texts (recorded in 2024).
        for (name, text) in [
            ("fake-key-id", "Invalid keyId 'fake-key-id'"),
            ("mrk-fake-key-id", "Invalid keyId 'mrk-fake-key-id'"),
            ("134f2428cec14b25a1ae9048164dba47", "Invalid keyId '134f2428cec14b25a1ae9048164dba47'"),
            (
                "134f2428-cec1-4b25-a1ae-9048164dba47",
                "Key 'arn:aws:kms:eu-west-1:123456789012:key/134f2428-cec1-4b25-a1ae-9048164dba47' does not exist",
            ),
            ("arn:aws:kms:us-east-1:123456789012:key/134f2428-cec1-4b25-a1ae-9048164dba47", "Invalid arn us-east-1"),
        ] {
            assert_eq!(keys.find(name).unwrap_err().message, text);
        }
    }

    #[test]
    fn a_policy_that_locks_its_owner_out_is_refused_unless_asked_for() {
        let mut keys = keys();
        let policy = r#"{"Statement":[{"Effect":"Allow","Principal":{"Service":"x.amazonaws.com"},"Action":"kms:*","Resource":"*"}]}"#;
        let now = Timestamp::from_secs(1_800_000_000);
        let mut put = |locks_out| keys.create(now, String::new(), Some(policy), locks_out, BTreeMap::new()).map(|_| ());
        assert_eq!(put(false).unwrap_err().code, "MalformedPolicyDocumentException");
        assert_eq!(put(true), Ok(()));
    }

    #[test]
    fn a_key_that_is_disabled_or_to_be_deleted_lets_nobody_in() {
        let mut keys = keys();
        let id = create(&mut keys, "");
        assert_eq!(keys.usable(&id), Ok(()));
        keys.find_mut(&id).unwrap().state = KeyState::Disabled;
        assert_eq!(keys.usable(&id).unwrap_err().code, "KMSDisabled");
        let at = Timestamp::from_secs(1_800_600_000);
        keys.find_mut(&id).unwrap().state = KeyState::PendingDeletion { at, days: 7 };
        assert_eq!(keys.usable(&id).unwrap_err().code, "KMSInvalidState");
        keys.purge(at);
        assert_eq!(keys.usable(&id).unwrap_err().code, "KMSNotFound");
    }
}
