//! The wire layer: protocols on one side, [`value::Value`] on the other.

pub mod shape;
pub mod value;
