//! The policies of a role or a user: those written into it, and the managed ones attached to it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Page, model, page};
use crate::engine::Refusal;
use crate::sandbox::region::Region;

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Attached {
    pub inline: BTreeMap<String, String>,
    /// ARNs of managed policies.
    pub managed: Vec<String>,
}

impl Attached {
    pub(super) fn attach(&mut self, arn: String) {
        if !self.managed.contains(&arn) {
            self.managed.push(arn);
        }
    }

    /// # Errors
    /// `NoSuchEntity` if it is not attached.
    pub(super) fn detach(&mut self, arn: &str) -> Result<(), Refusal> {
        let place = self.managed.iter().position(|other| other == arn);
        let missing = || Refusal::new("NoSuchEntity", 404, format!("Policy {arn} was not found."));
        self.managed.remove(place.ok_or_else(missing)?);
        Ok(())
    }

    /// The managed policies whose path begins so, in the order of their ARNs.
    pub(super) fn listed(
        &self,
        prefix: Option<String>,
        max_items: Option<i64>,
        marker: Option<String>,
    ) -> Result<Page<model::AttachedPolicy>, Refusal> {
        let prefix = prefix.unwrap_or_else(|| "/".into());
        let mut arns = self.managed.clone();
        arns.retain(|arn| arn.split_once(":policy").is_some_and(|(_, path)| path.starts_with(&prefix)));
        arns.sort();
        let attached = arns.into_iter().map(|arn| {
            let policy_name = arn.rsplit('/').next().map(str::to_string);
            (arn.clone(), model::AttachedPolicy { policy_name, policy_arn: Some(arn) })
        });
        page(attached, max_items, marker)
    }
}

/// # Errors
/// `ValidationError` if it is no ARN, `NoSuchEntity` if the account has no such policy. Those that AWS manages are taken to
/// exist.
pub(super) fn check_attachable(region: &Region, arn: &str) -> Result<(), Refusal> {
    if arn.split(':').count() < 6 {
        return Err(Refusal::validation(format!("ARN {arn} is not valid.")));
    }
    if !arn.contains(":iam::aws:policy/") && !region.iam.policies.contains_key(arn) {
        let text = format!("Policy {arn} does not exist or is not attachable.");
        return Err(Refusal::new("NoSuchEntity", 404, text));
    }
    Ok(())
}
