//! SNS: topics, subscriptions and publishing. Everything is decided in [`crate::engine::topics`]; here it is translated,
//! and notifications get the signature for which the engine has no key.
//!
//! Messages to telephones, devices and HTTP endpoints are not sent anywhere: they stand in the mailbox beside the emails.
//! Not served: data protection policies, archives, delivery logs. Start at [`operations`].

mod links;
mod outside;
mod publish;
mod push;
mod signing;
mod sms;
mod subscriptions;
mod topics;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::page::Page as Listed;
use crate::engine::Refusal;
use crate::engine::ids::Ids;
use crate::engine::topics::Tags;
use crate::engine::topics::message::{MessageAttribute, invalid};
use crate::sandbox::models::sns as model;
use crate::sandbox::operations::Operations;
pub use links::{Page, links, visit};
pub use signing::sign;

/// What AWS lists at once.
const ITEMS_PER_PAGE: usize = 100;

/// What SNS keeps besides topics and subscriptions, in one account and region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sns {
    pub push: push::Push,
    pub sms: sms::Sms,
    ids: Ids,
}

impl Sns {
    pub fn new(seed: u64) -> Self {
        Self { push: push::Push::new(seed), sms: sms::Sms::new(seed), ids: Ids::new(seed, "sns") }
    }
}

pub fn operations() -> Operations {
    let mut operations = Operations::default();
    topics::register(&mut operations);
    subscriptions::register(&mut operations);
    publish::register(&mut operations);
    push::register(&mut operations);
    sms::register(&mut operations);
    operations
}

fn required(value: Option<String>, name: &str) -> Result<String, Refusal> {
    value.ok_or_else(|| invalid(name))
}

fn pairs(tags: Option<Vec<model::Tag>>) -> Tags {
    let pair = |tag: model::Tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default());
    tags.unwrap_or_default().into_iter().map(pair).collect()
}

/// One page of `items`, which are in the order of their names, and where the next begins.
fn page<T>(items: impl Iterator<Item = (String, T)>, token: Option<&str>) -> Result<Listed<T>, Refusal> {
    page_of(items, token, ITEMS_PER_PAGE)
}

fn page_of<T>(
    items: impl Iterator<Item = (String, T)>,
    token: Option<&str>,
    size: usize,
) -> Result<Listed<T>, Refusal> {
    super::page::after(items, token, size, || invalid("NextToken"))
}

fn attributes(
    values: Option<IndexMap<String, model::MessageAttributeValue>>,
) -> Result<std::collections::BTreeMap<String, MessageAttribute>, Refusal> {
    values.unwrap_or_default().into_iter().map(|(name, value)| attribute(name, value)).collect()
}

/// The value from the field that the type says; the rest is checked by the engine.
fn attribute(name: String, value: model::MessageAttributeValue) -> Result<(String, MessageAttribute), Refusal> {
    let data_type = value.data_type.unwrap_or_default();
    let binary = value.binary_value.filter(|bytes| !bytes.is_empty()).map(|bytes| STANDARD.encode(bytes));
    let text = value.string_value.filter(|text| !text.is_empty());
    let (right, wrong, field) = match data_type.starts_with("Binary") {
        true => (binary, text, "Binary"),
        false => (text, binary, "String"),
    };
    if right.is_none() && wrong.is_some() {
        let text = format!("The message attribute '{name}' with type '{data_type}' must use field '{field}'.");
        return Err(Refusal::new("ParameterValueInvalid", 400, text));
    }
    Ok((name, MessageAttribute { data_type, value: right.unwrap_or_default() }))
}

#[cfg(test)]
mod tests;
