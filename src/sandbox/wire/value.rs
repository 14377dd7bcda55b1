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

impl Value {
    /// A structure's members; none of anything else.
    pub fn into_members(self) -> Vec<(&'static str, Value)> {
        match self {
            Value::Structure(members) => members,
            _ => Vec::new(),
        }
    }
}

/// A type that can be read out of a decoded, already validated value. Implemented by `models`.
pub trait FromValue: Sized {
    fn from_value(value: Value) -> Self;
}

/// A type that an encoder can write. Implemented by `models`.
pub trait IntoValue {
    fn into_value(self) -> Value;
}

// The codecs decode by shape, so the kinds agree; a value of another kind reads as the type's default.
macro_rules! scalars {
    ($($type:ty => $variant:ident),*) => {$(
        impl FromValue for $type {
            fn from_value(value: Value) -> Self {
                match value {
                    Value::$variant(inner) => inner,
                    _ => Self::default(),
                }
            }
        }

        impl IntoValue for $type {
            fn into_value(self) -> Value {
                Value::$variant(self)
            }
        }
    )*};
}

scalars! { bool => Bool, i64 => Integer, String => String, Vec<u8> => Blob, Timestamp => Timestamp }

impl FromValue for f64 {
    fn from_value(value: Value) -> Self {
        match value {
            Value::Double(number) => number,
            Value::Integer(number) => number as f64,
            _ => 0.0,
        }
    }
}

impl IntoValue for f64 {
    fn into_value(self) -> Value {
        Value::Double(self)
    }
}

impl<T: FromValue> FromValue for Vec<T> {
    fn from_value(value: Value) -> Self {
        match value {
            Value::List(items) => items.into_iter().map(T::from_value).collect(),
            _ => Vec::new(),
        }
    }
}

impl<T: IntoValue> IntoValue for Vec<T> {
    fn into_value(self) -> Value {
        Value::List(self.into_iter().map(T::into_value).collect())
    }
}

impl<T: FromValue> FromValue for IndexMap<String, T> {
    fn from_value(value: Value) -> Self {
        match value {
            Value::Map(entries) => entries.into_iter().map(|(key, value)| (key, T::from_value(value))).collect(),
            _ => IndexMap::new(),
        }
    }
}

impl<T: IntoValue> IntoValue for IndexMap<String, T> {
    fn into_value(self) -> Value {
        Value::Map(self.into_iter().map(|(key, value)| (key, value.into_value())).collect())
    }
}

impl<T: FromValue> FromValue for Box<T> {
    fn from_value(value: Value) -> Self {
        Box::new(T::from_value(value))
    }
}

impl<T: IntoValue> IntoValue for Box<T> {
    fn into_value(self) -> Value {
        (*self).into_value()
    }
}
