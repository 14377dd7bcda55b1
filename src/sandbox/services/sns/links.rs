//! Where the links in a message lead: to this sandbox instead of `sns.REGION.amazonaws.com`.

use super::signing::certificate;
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::topics::Links;
use crate::sandbox::universe::Universe;

/// The links of a topic that was created through `base_url`.
pub fn links(base_url: &str) -> Links {
    let base = format!("{}/_scaleproof", base_url.trim_end_matches('/'));
    Links {
        confirm: format!("{base}/confirm?"),
        unsubscribe: format!("{base}/unsubscribe?SubscriptionArn="),
        certificate: format!("{base}/SimpleNotificationService.pem"),
    }
}

/// What a visitor of a link sees.
#[derive(Debug, Clone, PartialEq)]
pub enum Page {
    /// The subscription that was confirmed or ended.
    Subscription(String),
    /// PEM.
    Certificate(String),
}

/// Follows a link, given what stands behind `/_scaleproof/`; `None` if it is none of these.
pub fn visit(universe: &mut Universe, now: Timestamp, path: &str, query: &str) -> Option<Result<Page, Refusal>> {
    let value = |name: &str| {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    match path {
        "confirm" => Some(confirm(universe, now, &value("TopicArn"), &value("Token"))),
        "unsubscribe" => Some(unsubscribe(universe, now, &value("SubscriptionArn"))),
        "SimpleNotificationService.pem" => Some(Ok(Page::Certificate(certificate()))),
        _ => None,
    }
}

fn confirm(universe: &mut Universe, now: Timestamp, topic: &str, token: &str) -> Result<Page, Refusal> {
    let (account, region) = place_of(topic)?;
    let arn = universe.region(account, region).world.topics.confirm(now, token)?;
    Ok(Page::Subscription(arn.0))
}

fn unsubscribe(universe: &mut Universe, now: Timestamp, arn: &str) -> Result<Page, Refusal> {
    let (account, region) = place_of(arn)?;
    universe.region(account, region).world.topics.unsubscribe_by_link(now, arn)?;
    Ok(Page::Subscription(arn.to_string()))
}

fn place_of(arn: &str) -> Result<(&str, &str), Refusal> {
    let mut parts = arn.split(':').skip(3);
    match (parts.next(), parts.next()) {
        (Some(region), Some(account)) => Ok((account, region)),
        _ => Err(Refusal::new("InvalidParameter", 400, format!("`{arn}` is not the ARN of a topic or subscription"))),
    }
}
