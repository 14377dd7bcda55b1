//! The wire layer: protocols on one side, [`value::Value`] on the other, shape tables in between.
//! [`request`] finds out what was called, [`answer`] writes what comes back, [`validate`] holds input to the model.

pub mod answer;
mod cbor;
mod form;
pub(super) mod json;
mod pattern;
pub mod request;
pub mod shape;
pub mod signature;
pub mod validate;
pub mod value;
mod xml;
