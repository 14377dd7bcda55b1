//! The built-in AWS endpoint: HTTP in, codec, typed operation, [`crate::engine`], HTTP out.
//!
//! Like AWS it knows only what arrives on the wire. What it does not reproduce it refuses with an AWS error.
//! `wire/` speaks the protocols from the shape tables in `models/`; `services/` holds one file or folder per AWS
//! service, which registers its operations in an [`operations::Operations`] table; `region.rs` is the state of one account
//! in one region; [`universe`] holds them all; `server.rs` has the only loop. Start at [`Sandbox`].
//!
//! # In your own tests
//!
//! ```
//! use std::time::Duration;
//!
//! use scaleproof::sandbox::Sandbox;
//! use serde_json::json;
//!
//! // A port and a world of its own, gone when it is dropped; start as many side by side as there are tests.
//! let sandbox = Sandbox::start()?;
//!
//! // Point any AWS SDK at `sandbox.url()`, with any keys. Without a socket, a call is JSON:
//! let topic = sandbox.inspect(|aws| aws.call(sandbox.now(), "eu-west-1", "sns", "CreateTopic", json!({"Name": "ops"})))?;
//! let person = json!({"TopicArn": topic["TopicArn"], "Protocol": "email", "Endpoint": "ops@example.com"});
//! sandbox.inspect(|aws| aws.call(sandbox.now(), "eu-west-1", "sns", "Subscribe", person))?;
//!
//! // The clock stands still until it is told to move; then everything due in that span has happened.
//! sandbox.advance(Duration::from_secs(60));
//! assert_eq!(sandbox.mailbox()[0].subject.as_deref(), Some("AWS Notification - Subscription Confirmation"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answers;
mod console;
mod control;
#[cfg(test)]
mod corpus_tests;
mod direct;
pub mod faults;
pub mod limits;
mod load;
pub mod models;
pub mod operations;
pub mod region;
mod respond;
mod restore;
mod server;
pub mod services;
pub mod store;
pub mod universe;
pub mod wire;

pub use server::{Options, Sandbox, StartError};

/// Answers the bytes of an HTTP request as a new sandbox would, from the codec to the operation, without a socket.
/// Whether they were a request of any service. For fuzzing: nothing panics.
pub fn answer_bytes(bytes: &[u8]) -> bool {
    let Some(split) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&bytes[..split]);
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let builder =
        http::Request::builder().method(first.next().unwrap_or_default()).uri(first.next().unwrap_or_default());
    let builder = lines
        .filter_map(|line| line.split_once(':'))
        .fold(builder, |builder, (name, value)| builder.header(name.trim(), value.trim()));
    let Ok(request) = builder.body(()) else { return false };
    let Some(request) = wire::request::Request::read(&request.into_parts().0, &bytes[split + 4..]) else {
        return false;
    };
    let mut universe = universe::Universe::new("123456789012", 1, crate::engine::groups::Timing::Realistic);
    let now = crate::clock::Timestamp::from_secs(1_800_000_000);
    universe.answer(&request, now, "http://127.0.0.1:4599", &faults::Strike::default());
    true
}
