//! Tests of alarms and scaling: what a spec's author expects of a stack, held against the engine in virtual time.
//!
//! [`case`] takes what is written and says which names mean nothing; [`run`] drives one test through the simulation and
//! compares; [`text`] shows a failure with what led to it, [`junit`] speaks to CI. Nothing here opens a file or reads a
//! clock. Start at [`build_cases`] and [`run_case`].

pub mod case;
pub mod junit;
pub mod run;
pub mod text;

#[cfg(test)]
mod tests;

pub use case::{Case, build_cases};
pub use run::{Mismatch, Outcome, run_case};
