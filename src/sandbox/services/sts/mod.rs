//! STS: who a caller is, and credentials of roles, federated users and sessions, by which later callers are known.
//!
//! Permissions are not evaluated anywhere in the sandbox: a role can be assumed whether or not its trust policy lets the
//! caller, or the sandbox knows the role at all. Assertions and tokens of identity providers are read, their signatures
//! are not checked. Start at [`Sessions`].

mod identify;
mod roles;
mod saml;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::iam::{key_id, secret};
use crate::clock::Timestamp;
use crate::engine::ids::Ids;
use crate::engine::names::Place;
use crate::sandbox::models::sts as model;
use crate::sandbox::operations::{Identity, IdentityKind, Operations};

/// What AWS's session tokens look like: opaque, and this long.
const TOKEN_PREFIX: &str = "FQoGZXIvYXdzE";
const TOKEN_LENGTH: usize = 356;

/// The credentials that one account in one region gave out, by access key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sessions {
    partition: String,
    sessions: BTreeMap<String, Session>,
    ids: Ids,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Session {
    account: String,
    /// `assumed-role/ROLE/SESSION`, `federated-user/NAME`; none for a session of the caller's own.
    resource: Option<String>,
    id: String,
    expires: Timestamp,
    /// Keys of the tags that the sessions of its roles inherit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    transitive: Vec<String>,
}

impl Sessions {
    pub fn new(place: &Place, seed: u64) -> Self {
        Self { partition: place.partition.clone(), sessions: BTreeMap::new(), ids: Ids::new(seed, "sessions") }
    }

    /// Whose key this is, if it was given out here.
    pub fn identity(&self, key: &str) -> Option<Identity> {
        let session = self.sessions.get(key)?;
        let kind = match &session.resource {
            Some(resource) => {
                IdentityKind::Known { service: "sts", resource: resource.clone(), id: session.id.clone() }
            }
            None => IdentityKind::Anybody,
        };
        let (account, transitive_tags) = (session.account.clone(), session.transitive.clone());
        Some(Identity { account, kind, expires: Some(session.expires), transitive_tags })
    }

    /// Notes the keys of the tags that a session hands down.
    fn hand_down(&mut self, key: Option<&String>, tags: Vec<String>) {
        if let Some(session) = key.and_then(|key| self.sessions.get_mut(key)) {
            session.transitive = tags;
        }
    }

    fn issue(
        &mut self,
        now: Timestamp,
        account: &str,
        resource: Option<String>,
        id: String,
        duration_secs: i64,
    ) -> model::Credentials {
        let access_key = key_id(&mut self.ids, "ASIA");
        let expires = now + Duration::from_secs(duration_secs.max(0) as u64);
        let session = Session { account: account.into(), resource, id, expires, transitive: Vec::new() };
        self.sessions.retain(|_, session| session.expires + Duration::from_secs(86_400) > now);
        self.sessions.insert(access_key.clone(), session);
        let mut token = TOKEN_PREFIX.to_string();
        while token.len() < TOKEN_LENGTH {
            token.push_str(&secret(&mut self.ids));
        }
        token.truncate(TOKEN_LENGTH);
        model::Credentials {
            access_key_id: Some(access_key),
            secret_access_key: Some(secret(&mut self.ids)),
            session_token: Some(token),
            expiration: Some(expires),
        }
    }
}

pub fn operations() -> Operations {
    let mut operations = Operations::default();
    identify::register(&mut operations);
    roles::register(&mut operations);
    operations
}

#[cfg(test)]
mod tests;
