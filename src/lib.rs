//! One small file to an Auto Scaling group with alerting on AWS, and a timed proof that it scales.
//!
//! The way through the crate is one way: [`spec`] → [`model`] → [`render`] → [`terraform`] → [`wire`] → [`verify`].
//! [`engine`] stands apart: a pure value that [`sandbox`] and [`simulate`] drive. Only [`cli`] strings stages together.
//! `ARCHITECTURE.md` has the code map and the invariants.
//!
//! Without the default feature `stacks` only [`sandbox`] is left, with what it stands on and its command: for whoever
//! wants an AWS endpoint for tests without compiling one AWS SDK.

#[cfg(feature = "stacks")]
pub mod aws;
#[cfg(feature = "stacks")]
pub mod catalogue;
#[cfg(feature = "stacks")]
pub mod cli;
#[cfg(not(feature = "stacks"))]
#[path = "cli/alone.rs"]
pub mod cli;
pub mod clock;
pub mod engine;
#[cfg(feature = "stacks")]
pub mod expect;
mod hex;
#[cfg(feature = "stacks")]
pub mod model;
#[cfg(feature = "stacks")]
pub mod render;
pub mod sandbox;
#[cfg(feature = "stacks")]
pub mod simulate;
#[cfg(feature = "stacks")]
pub mod spec;
#[cfg(feature = "stacks")]
pub mod terraform;
#[cfg(feature = "stacks")]
pub mod verify;
#[cfg(feature = "stacks")]
pub mod wire;
