//! What stands between a codec and a typed operation: one value tree for all protocols.

use indexmap::IndexMap;

use crate::clock::Timestamp;

/// A decoded input or an output to encode. Shape tables say how each protocol writes it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Double(f64),
    String(String),
    Blob(Vec<u8>),
    Timestamp(Timestamp),
    List(Vec<Value>),
    Map(IndexMap<String, Value>),
    /// Members by their names in the service model; absent members are absent.
    Structure(Vec<(&'static str, Value)>),
}

/// A type that can be read out of a decoded, already validated value. Implemented by `models`.
pub trait FromValue: Sized {
    fn from_value(value: Value) -> Self;
}

/// A type that an encoder can write. Implemented by `models`.
pub trait IntoValue {
    fn into_value(self) -> Value;
}
