//! Auto Scaling over the wire. Every rule is in [`crate::engine::groups`]; here requests and answers are translated.
//!
//! Refused by name: distribution segments, reservations of capacity, traffic sources of VPC Lattice.
//! Start at [`operations`].

mod activities;
mod group_request;
mod groups;
mod hooks;
mod instances;
mod launch_configurations;
mod mixed;
mod moves;
mod notifications;
mod policies;
mod processes;
mod refreshes;
mod schedules;
mod show;
mod tags;
mod traffic;
mod warm_pools;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::engine::Refusal;
use crate::engine::groups::Group;
use crate::engine::groups::group::group_not_found;
use crate::engine::names::GroupName;
use crate::sandbox::models::autoscaling as model;
use crate::sandbox::operations::Operations;
use crate::sandbox::region::Region;

pub fn operations() -> Operations {
    let mut operations = Operations::default();
    groups::register(&mut operations);
    instances::register(&mut operations);
    moves::register(&mut operations);
    policies::register(&mut operations);
    schedules::register(&mut operations);
    activities::register(&mut operations);
    notifications::register(&mut operations);
    processes::register(&mut operations);
    tags::register(&mut operations);
    hooks::register(&mut operations);
    refreshes::register(&mut operations);
    launch_configurations::register(&mut operations);
    warm_pools::register(&mut operations);
    traffic::register(&mut operations);
    operations
}

/// The request's group.
///
/// # Errors
/// `ValidationError` if there is none of that name.
fn existing<'a>(region: &'a Region, name: Option<&str>) -> Result<&'a Group, Refusal> {
    let name = group_name(name);
    region.world.groups.get(&name).ok_or_else(|| group_not_found(&name))
}

fn group_name(name: Option<&str>) -> GroupName {
    GroupName::from(name.unwrap_or_default())
}

/// An argument whose value has no effect here.
fn not_reproduced(argument: &str) -> Refusal {
    let text = format!("{argument} is not reproduced by scaleproof's sandbox");
    Refusal::new("InvalidParameterCombination", 400, text)
}

/// Sizes and times are never negative.
fn not_negative(argument: &str, value: i64) -> Result<u32, Refusal> {
    let text = || Refusal::validation(format!("{argument} must be between 0 and {}, not {value}", i32::MAX));
    u32::try_from(value).ok().filter(|value| i32::try_from(*value).is_ok()).ok_or_else(text)
}

fn small(argument: &str, value: i64) -> Result<i32, Refusal> {
    i32::try_from(value).map_err(|_| Refusal::validation(format!("{argument} is out of range")))
}

/// Reads a word of the API.
fn word<T>(argument: &str, text: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, Refusal> {
    parse(text).ok_or_else(|| Refusal::validation(format!("'{text}' is not a valid {argument}")))
}

/// What is wanted of a list that comes in pages.
struct PageRequest {
    from: usize,
    size: usize,
}

impl PageRequest {
    /// # Errors
    /// `InvalidNextToken` for a token that no answer held.
    fn new(next_token: Option<&str>, max_records: Option<i64>, default: usize) -> Result<Self, Refusal> {
        /// Source: the service model's descriptions of `MaxRecords`.
        const MOST: i64 = 100;
        let invalid = |token: &str| Refusal::new("InvalidNextToken", 400, format!("Invalid pagination token: {token}"));
        let read = |token: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?.parse().ok();
        let from = next_token.map_or(Ok(0), |token| read(token).ok_or_else(|| invalid(token)))?;
        let size = max_records.map_or(default, |wanted| usize::try_from(wanted.clamp(1, MOST)).unwrap_or(default));
        Ok(Self { from, size })
    }

    /// This page of `items`, and the token of the next.
    fn cut<T>(&self, items: impl IntoIterator<Item = T>) -> (Vec<T>, Option<String>) {
        let mut items = items.into_iter().skip(self.from);
        let page: Vec<T> = items.by_ref().take(self.size).collect();
        let more = items.next().is_some();
        (page, more.then(|| URL_SAFE_NO_PAD.encode((self.from + self.size).to_string())))
    }
}

/// `None` wants everything, as AWS reads an absent or empty list.
fn wants(list: Option<&[String]>, item: &str) -> bool {
    list.is_none_or(|list| list.is_empty() || list.iter().any(|wanted| wanted == item))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod warm_pool_tests;
