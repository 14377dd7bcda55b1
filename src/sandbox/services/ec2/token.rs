//! Client tokens: a create call that is repeated, because its answer was lost, makes nothing new.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Ec2;

/// What was made under which token, until it is deleted: an id, and for a launch template's version its number after a
/// space.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tokens(BTreeMap<String, String>);

impl Ec2 {
    /// The id of what an earlier call with this token made.
    pub fn made_before(&self, token: &Option<String>) -> Option<String> {
        self.tokens.0.get(token.as_ref()?).cloned()
    }

    pub fn remember_token(&mut self, token: Option<String>, id: &str) {
        if let Some(token) = token {
            self.tokens.0.insert(token, id.to_string());
        }
    }

    pub fn forget_token_of(&mut self, id: &str) {
        self.tokens.0.retain(|_, made| made.split(' ').next() != Some(id));
    }
}
