//! What expressions compute with: numbers, time series, and arrays of time series. Start at [`Value`].

use super::MathError;
use super::parse::Operator;

/// Series in one array, at most; also the most that one call may ask for.
///
/// Source: CloudWatch API Reference, GetMetricData: 500 metrics in one call.
pub const SERIES: usize = 500;

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Scalar(f64),
    Series(Series),
    Array(Vec<Series>),
    /// Only an argument of `METRICS`.
    Text(String),
    /// Only an argument of `FILL`.
    Word(String),
}

/// One value per slot of the request; the slots are the same for all series.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    pub label: String,
    pub values: Vec<Option<f64>>,
}

impl Series {
    /// The same series with other values. What is no number is no data point.
    pub fn with(&self, values: impl Iterator<Item = Option<f64>>) -> Self {
        Self { label: self.label.clone(), values: values.map(finite).collect() }
    }

    pub fn present(&self) -> impl DoubleEndedIterator<Item = f64> {
        self.values.iter().copied().flatten()
    }
}

fn finite(value: Option<f64>) -> Option<f64> {
    value.filter(|value| value.is_finite())
}

impl Value {
    /// As AWS names the kinds.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Scalar(_) => "Scalar",
            Self::Series(_) => "TimeSeries",
            Self::Array(_) => "Array[TimeSeries]",
            Self::Text(_) | Self::Word(_) => "String",
        }
    }

    /// How many values an operation on it touches.
    pub fn size(&self) -> usize {
        match self {
            Self::Series(series) => series.values.len(),
            Self::Array(all) => all.iter().map(|series| series.values.len()).sum(),
            Self::Scalar(_) | Self::Text(_) | Self::Word(_) => 1,
        }
    }

    /// Applies `to` to each series.
    pub fn map(self, to: impl Fn(&Series) -> Series) -> Option<Self> {
        match self {
            Self::Series(series) => Some(Self::Series(to(&series))),
            Self::Array(all) => Some(Self::Array(all.iter().map(to).collect())),
            Self::Scalar(_) | Self::Text(_) | Self::Word(_) => None,
        }
    }

    pub fn negated(self) -> Result<Self, MathError> {
        match self {
            Self::Scalar(number) => Ok(Self::Scalar(-number)),
            other => {
                let kind = other.kind();
                let negated = other.map(|series| series.with(series.values.iter().map(|value| value.map(|v| -v))));
                negated.ok_or_else(|| MathError::new(format!("Unsupported operand type for -: '{kind}'")))
            }
        }
    }
}

/// `left OPERATOR right`. Between two series a missing value counts as 0 where the other has one; between a series and a
/// number it stays missing.
pub fn combine(operator: Operator, left: Value, right: Value) -> Result<Value, MathError> {
    let of = |a: f64, b: f64| compute(operator, a, b);
    let number = |series: &Series, of: &dyn Fn(f64) -> f64| series.with(series.values.iter().map(|v| v.map(of)));
    let series = |a: &Series, b: &Series| a.with(a.values.iter().zip(&b.values).map(|(a, b)| either(*a, *b, &of)));
    let kinds = (left.kind(), right.kind());
    Ok(match (left, right) {
        (Value::Scalar(a), Value::Scalar(b)) => Value::Scalar(of(a, b)),
        (Value::Series(a), Value::Scalar(b)) => Value::Series(number(&a, &|a| of(a, b))),
        (Value::Scalar(a), Value::Series(b)) => Value::Series(number(&b, &|b| of(a, b))),
        (Value::Series(a), Value::Series(b)) => Value::Series(series(&a, &b)),
        (Value::Array(all), Value::Scalar(b)) if is_arithmetic(operator) => {
            Value::Array(all.iter().map(|a| number(a, &|a| of(a, b))).collect())
        }
        (Value::Scalar(a), Value::Array(all)) if is_arithmetic(operator) => {
            Value::Array(all.iter().map(|b| number(b, &|b| of(a, b))).collect())
        }
        (Value::Array(all), Value::Series(b)) if is_arithmetic(operator) => {
            Value::Array(all.iter().map(|a| series(a, &b)).collect())
        }
        (Value::Series(a), Value::Array(all)) if is_arithmetic(operator) => {
            let labelled = |b: &Series| Series { label: b.label.clone(), ..series(&a, b) };
            Value::Array(all.iter().map(labelled).collect())
        }
        _ => {
            let text =
                format!("Unsupported operand type(s) for {}: '{}' and '{}'", operator.symbol(), kinds.0, kinds.1);
            return Err(MathError::new(text));
        }
    })
}

fn either(a: Option<f64>, b: Option<f64>, of: &dyn Fn(f64, f64) -> f64) -> Option<f64> {
    match (a, b) {
        (None, None) => None,
        (a, b) => Some(of(a.unwrap_or(0.0), b.unwrap_or(0.0))),
    }
}

fn is_arithmetic(operator: Operator) -> bool {
    matches!(operator, Operator::Plus | Operator::Minus | Operator::Times | Operator::Divide | Operator::Power)
}

fn compute(operator: Operator, a: f64, b: f64) -> f64 {
    let truth = |holds: bool| f64::from(u8::from(holds));
    match operator {
        Operator::Plus => a + b,
        Operator::Minus => a - b,
        Operator::Times => a * b,
        Operator::Divide => a / b,
        Operator::Power => a.powf(b),
        Operator::Equal => truth(a == b),
        Operator::NotEqual => truth(a != b),
        Operator::LessOrEqual => truth(a <= b),
        Operator::GreaterOrEqual => truth(a >= b),
        Operator::Less => truth(a < b),
        Operator::Greater => truth(a > b),
        Operator::And => truth(a != 0.0 && b != 0.0),
        Operator::Or => truth(a != 0.0 || b != 0.0),
    }
}
