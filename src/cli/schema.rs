//! `scaleproof schema`: the spec's JSON Schema.

use clap::Args;

use super::{Exit, Failure};
use crate::spec::json_schema;

/// Print the spec's JSON Schema, for editors and other tools
#[derive(Debug, Args)]
pub struct Schema {}

pub fn run(_: &Schema) -> Result<Exit, Failure> {
    anstream::println!("{:#}", json_schema());
    Ok(Exit::Done)
}
