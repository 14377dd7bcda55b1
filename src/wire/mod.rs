//! The alerting of a stack, through the SDK: topics, their policies and subscribers, group notifications, metric alarms.
//!
//! [`find()`] reads what is there, [`plan()`] (pure) compares it with what the stack wants, [`apply()`] makes the difference.
//! A second run in a settled world plans nothing, so a run that broke off is taken up again by running once more.
//!
//! What carries the tag `scaleproof:stack` with the stack's name is ours: it is changed and, when the spec no longer has
//! it, removed. Subscriptions, topic policies and group notifications cannot carry tags; they belong to whom the topic
//! belongs, as far as the spec can say them: email subscribers, and our own statement in the policy.
//! Left out: the infrastructure, which is terraform's. Start at [`Plan`].

mod apply;
mod find;
mod pace;
mod plan;
mod policy;
#[cfg(test)]
pub mod tests;
mod wanted;

pub use apply::{Applied, Pending, Progress, WireError, apply, apply_paced, unwire};
pub use find::{Found, FoundAlarm, FoundTopic, Owner, find, find_paced};
pub use pace::Pacing;
pub use plan::{
    Action, Adoption, Change, Conflict, FieldDiff, Plan, Reason, Resource, ResourceKind, Verb, plan, plan_adopting,
};
pub use policy::lets_publish;

use std::collections::BTreeMap;

use crate::model::Stack;

/// The tag by which a stack knows its own.
pub const OWNER_TAG: &str = "scaleproof:stack";

/// The tags of everything that `wire` creates: the stack's, and always the owner's.
fn tags_of(stack: &Stack) -> BTreeMap<String, String> {
    let mut tags = stack.tags.clone();
    tags.insert(OWNER_TAG.into(), stack.name.clone());
    tags
}

/// Every name that a stack gives starts like this, which is how leftovers are found.
fn prefix_of(stack: &Stack) -> String {
    format!("{}-", stack.name)
}
