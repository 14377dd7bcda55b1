//! The built-in AWS endpoint: HTTP in, codec, typed operation, [`crate::engine`], HTTP out.
//!
//! Like AWS it knows only what arrives on the wire. What it does not reproduce it refuses with an AWS error.
//! `wire/` speaks the protocols from the shape tables in `models/`; `services/` holds one file or folder per AWS
//! service, which registers its operations in an [`operations::Operations`] table; `region.rs` is the state of one account
//! in one region; [`universe`] holds them all; `server.rs` has the only loop. Start at [`Sandbox`].

mod control;
mod direct;
pub mod limits;
mod load;
pub mod models;
pub mod operations;
pub mod region;
mod server;
pub mod services;
pub mod universe;
pub mod wire;

pub use server::{Options, Sandbox};
