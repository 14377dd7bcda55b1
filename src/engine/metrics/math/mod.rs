//! Metric math: `100 * errors / requests` over time series. Start at [`Expression`].
//!
//! [`parse`] reads the text, [`value`] is what it computes with, [`evaluate`] computes, [`queries`] is a request of several
//! metrics and expressions that name each other. Everything is pure and bounded: any text gives a value or an error.
//!
//! Reproduced: the arithmetic, comparison and logical operators, and [`parse::Function`]. Every other function of AWS is
//! refused by its name.
//!
//! Source: CloudWatch User Guide, "Using math expressions with CloudWatch metrics".

pub mod evaluate;
pub mod parse;
pub mod queries;
pub mod value;

pub use parse::Expression;
pub use queries::{Queries, Query, QueryRequest, Source, StatRequest};
pub use value::{Series, Value};

/// Why an expression cannot be computed. The text says what is wrong; who asks adds which expression it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MathError(pub String);

impl MathError {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

#[cfg(test)]
mod tests;
