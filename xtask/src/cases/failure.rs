//! Why a case did not pass.

use serde_json::Value;

/// What is said below a case that failed.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// A member of `expect` and what we answered instead.
    Differs { at: String, expected: String, got: String },
    /// The case could not be asked, or parts of it were not.
    NotAsked(String),
}

impl Failure {
    pub fn differs(at: &str, expected: &Value, got: &Value) -> Self {
        Self::Differs { at: at.into(), expected: expected.to_string(), got: got.to_string() }
    }

    pub fn no_adapter(topic: &str) -> Self {
        Self::NotAsked(format!("no adapter knows the topic `{topic}`"))
    }

    pub fn panicked() -> Self {
        Self::NotAsked("a panic, which is a bug in scaleproof or in the adapter; its message is above".into())
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::NotAsked(text)
    }
}

impl From<&str> for Failure {
    fn from(text: &str) -> Self {
        Self::NotAsked(text.into())
    }
}

impl From<scaleproof::engine::Refusal> for Failure {
    /// For calls that prepare a case; a refusal that the case expects goes through `Case::expect_refusal`.
    fn from(refusal: scaleproof::engine::Refusal) -> Self {
        Self::NotAsked(format!("refused with {} ({}): {}", refusal.code, refusal.status, refusal.message))
    }
}
