//! Elastic Load Balancing of version 2 over the wire. Every rule about load balancers is in
//! [`crate::engine::load_balancers`]; here requests and answers are translated, and EC2's networks are looked up.
//!
//! Refused by name: gateway load balancers, Lambda functions and load balancers as targets, clients that show certificates,
//! actions that authenticate, transforms and regular expressions in rules, addresses of a caller's choice. Certificates
//! and security policies are taken by their form, since no connection is ever made. Start at [`operations`].

mod actions;
mod attributes;
mod balancers;
mod conditions;
mod hosted_zones;
mod limits;
mod listeners;
mod rules;
mod tags;
mod target_groups;
mod targets;

use super::page;
use crate::engine::Refusal;
use crate::sandbox::models::elbv2 as model;
use crate::sandbox::operations::Operations;

pub fn operations() -> Operations {
    let mut operations = Operations::default();
    balancers::register(&mut operations);
    target_groups::register(&mut operations);
    targets::register(&mut operations);
    listeners::register(&mut operations);
    rules::register(&mut operations);
    attributes::register(&mut operations);
    tags::register(&mut operations);
    limits::register(&mut operations);
    operations
}

/// An argument whose value has no effect here.
fn not_reproduced(argument: &str) -> Refusal {
    let text = format!("{argument} is not reproduced by scaleproof's sandbox");
    Refusal::new("InvalidParameterCombination", 400, text)
}

/// Of AWS: what a page holds at most and when not told. Source: the service model.
const ITEMS_PER_PAGE: i64 = 400;

/// A page of `items`, which are in the order of their names.
///
/// # Errors
/// `ValidationError` for a marker that no answer held.
fn cut<T>(
    items: impl Iterator<Item = (String, T)>,
    marker: Option<&str>,
    size: Option<i64>,
) -> Result<(Vec<T>, Option<String>), Refusal> {
    let size = usize::try_from(size.unwrap_or(ITEMS_PER_PAGE)).unwrap_or(1);
    let invalid = || Refusal::validation("The specified marker is not valid");
    let (items, next) = page::after(items, marker, size, invalid)?;
    Ok((items.into_iter().map(|(_, item)| item).collect(), next))
}

/// A port, which the service model holds to 1 to 65535.
fn port(port: i64) -> Result<u16, Refusal> {
    u16::try_from(port).map_err(|_| Refusal::validation("Port must be between 1 and 65535"))
}

fn number(argument: &str, value: i64) -> Result<u32, Refusal> {
    u32::try_from(value).map_err(|_| Refusal::validation(format!("{argument} is out of range")))
}

#[cfg(test)]
mod tests;
