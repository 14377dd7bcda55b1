//! One small file to an Auto Scaling group with alerting on AWS, and a timed proof that it scales.
//!
//! The way through the crate is one way: [`spec`] → [`model`] → [`render`] → [`terraform`] → [`wire`] → [`verify`].
//! [`engine`] stands apart: a pure value that [`sandbox`] and [`simulate`] drive. Only [`cli`] strings stages together.
//! `ARCHITECTURE.md` has the code map and the invariants.

pub mod aws;
pub mod catalogue;
pub mod cli;
pub mod clock;
pub mod engine;
pub mod expect;
mod hex;
pub mod model;
pub mod render;
pub mod sandbox;
pub mod simulate;
pub mod spec;
pub mod terraform;
pub mod verify;
pub mod wire;
