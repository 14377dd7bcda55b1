//! Computing an expression. Start at [`Scene`].

use super::parse::{Function, Node};
use super::value::{SERIES, Series, Value, combine};
use super::{Expression, MathError};

/// Values that one call may touch, so that a short text cannot ask for hours of work.
const WORK: usize = 50_000_000;

/// What the names in an expression stand for.
pub struct Scene<'a> {
    pub period_secs: u32,
    /// Slots of the request: the length of every series.
    pub slots: usize,
    /// The value of a metric or an expression.
    pub named: &'a dyn Fn(&str) -> Option<Value>,
    /// The id and the series of every metric of the request, in its order.
    pub metrics: &'a dyn Fn() -> Vec<(String, Series)>,
    pub is_metric: &'a dyn Fn(&str) -> bool,
}

/// The value of `expression`.
///
/// # Errors
/// Operands and arguments of the wrong kind, or far too much work.
pub fn evaluate(expression: &Expression, scene: &Scene<'_>) -> Result<Value, MathError> {
    Evaluation { scene, work: 0 }.node(&expression.root)
}

struct Evaluation<'a> {
    scene: &'a Scene<'a>,
    work: usize,
}

impl Evaluation<'_> {
    fn node(&mut self, node: &Node) -> Result<Value, MathError> {
        let value = match node {
            Node::Number(number) => Value::Scalar(*number),
            Node::Text(text) => Value::Text(text.clone()),
            Node::Word(word) => Value::Word(word.clone()),
            Node::Id(id) => (self.scene.named)(id).ok_or_else(|| MathError::new(format!("`{id}` is not defined")))?,
            Node::List(nodes) => self.list(nodes)?,
            Node::Call(function, arguments) => self.call(*function, arguments)?,
            Node::Negated(inner) => self.node(inner)?.negated()?,
            Node::Chain(first, rest) => {
                let mut left = self.node(first)?;
                for (operator, node) in rest {
                    let right = self.node(node)?;
                    self.spend(left.size() + right.size())?;
                    left = combine(*operator, left, right)?;
                }
                left
            }
            Node::Power(all) => self.power(all)?,
        };
        self.spend(value.size())?;
        Ok(value)
    }

    fn spend(&mut self, work: usize) -> Result<(), MathError> {
        self.work += work;
        if self.work > WORK { Err(MathError::new("the expression is too large for its time range")) } else { Ok(()) }
    }

    fn power(&mut self, all: &[Node]) -> Result<Value, MathError> {
        let mut right = Value::Scalar(1.0);
        for (at, node) in all.iter().rev().enumerate() {
            let left = self.node(node)?;
            right = if at == 0 { left } else { combine(super::parse::Operator::Power, left, right)? };
        }
        Ok(right)
    }

    fn list(&mut self, nodes: &[Node]) -> Result<Value, MathError> {
        let mut all = Vec::new();
        for node in nodes {
            match self.node(node)? {
                Value::Series(series) => all.push(series),
                Value::Array(series) => all.extend(series),
                other => return Err(MathError::new(format!("A list holds time series, not '{}'", other.kind()))),
            }
            if all.len() > SERIES {
                return Err(MathError::new(format!("An array holds at most {SERIES} time series")));
            }
        }
        Ok(Value::Array(all))
    }

    fn call(&mut self, function: Function, arguments: &[Node]) -> Result<Value, MathError> {
        if function == Function::Period {
            return self.period(arguments);
        }
        let values = arguments.iter().map(|node| self.node(node)).collect::<Result<Vec<_>, _>>()?;
        self.spend(values.iter().map(Value::size).sum())?;
        let kinds: Vec<&str> = values.iter().map(Value::kind).collect();
        let kinds = kinds.join(", ");
        self.apply(function, values)
            .ok_or_else(|| MathError::new(format!("Unsupported argument type(s) for {}: '{kinds}'", function.name())))
    }

    /// Only of a metric itself.
    fn period(&self, arguments: &[Node]) -> Result<Value, MathError> {
        match arguments {
            [Node::Id(id)] if (self.scene.is_metric)(id) => Ok(Value::Scalar(f64::from(self.scene.period_secs))),
            _ => Err(MathError::new("PERIOD takes the id of a metric")),
        }
    }

    /// `None` when the arguments are of the wrong kind or number.
    fn apply(&self, function: Function, mut arguments: Vec<Value>) -> Option<Value> {
        let period = f64::from(self.scene.period_secs);
        if function == Function::If {
            return choose(arguments);
        }
        let first = if arguments.is_empty() { None } else { Some(arguments.remove(0)) };
        let second = arguments.pop();
        if !arguments.is_empty() || (second.is_some() && function != Function::Fill) {
            return None;
        }
        match function {
            Function::Metrics => self.metrics(first),
            Function::TimeSeries => match first? {
                Value::Scalar(number) => Some(Value::Series(Series {
                    label: function.name().to_string(),
                    values: vec![Some(number).filter(|number| number.is_finite()); self.scene.slots],
                })),
                _ => None,
            },
            Function::Avg | Function::Sum | Function::Min | Function::Max => aggregate(function, first?),
            Function::Fill => fill(first?, second?),
            Function::Abs => first?.map(|series| each(series, f64::abs)),
            Function::Ceil => first?.map(|series| each(series, f64::ceil)),
            Function::Floor => first?.map(|series| each(series, f64::floor)),
            Function::Diff => first?.map(|series| differences(series, |_, now, before| now - before)),
            Function::DiffTime => first?.map(|series| differences(series, |slots, _, _| slots * period)),
            Function::Rate => {
                first?.map(|series| differences(series, |slots, now, before| (now - before) / (slots * period)))
            }
            Function::RunningSum => first?.map(running_sum),
            Function::If | Function::Period => None,
        }
    }

    fn metrics(&self, wanted: Option<Value>) -> Option<Value> {
        let wanted = match wanted {
            None => String::new(),
            Some(Value::Text(text)) => text,
            Some(_) => return None,
        };
        let all = (self.scene.metrics)().into_iter().filter(|(id, _)| id.contains(&wanted));
        Some(Value::Array(all.map(|(_, series)| series).collect()))
    }
}

fn each(series: &Series, of: fn(f64) -> f64) -> Series {
    series.with(series.values.iter().map(|value| value.map(of)))
}

/// `of` gets the slots between a data point and the one before it, and both values. The first has none before it.
fn differences(series: &Series, of: impl Fn(f64, f64, f64) -> f64) -> Series {
    let mut before: Option<(usize, f64)> = None;
    series.with(series.values.iter().enumerate().map(|(at, value)| {
        let now = (*value)?;
        let before = before.replace((at, now));
        before.map(|(then, value)| of((at - then) as f64, now, value))
    }))
}

fn running_sum(series: &Series) -> Series {
    let mut sum = 0.0;
    series.with(series.values.iter().map(|value| {
        sum += (*value)?;
        Some(sum)
    }))
}

/// Of one series a number, of an array the series of each slot.
///
/// A missing value counts as 0 in `AVG` of an array, as the guide says; elsewhere it is left out.
fn aggregate(function: Function, of: Value) -> Option<Value> {
    match of {
        Value::Series(series) => Some(Value::Scalar(reduce(function, series.present(), None))),
        Value::Array(all) => {
            let slots = all.iter().map(|series| series.values.len()).max().unwrap_or(0);
            let slot = |at: usize| {
                let mut present = all.iter().filter_map(move |series| *series.values.get(at)?).peekable();
                present.peek()?;
                Some(reduce(function, present, Some(all.len())))
            };
            let frame = Series { label: function.name().to_string(), values: Vec::new() };
            Some(Value::Series(frame.with((0..slots).map(slot))))
        }
        Value::Scalar(_) | Value::Text(_) | Value::Word(_) => None,
    }
}

fn reduce(function: Function, values: impl Iterator<Item = f64>, out_of: Option<usize>) -> f64 {
    let (mut count, mut sum, mut least, mut most) = (0_usize, 0.0, f64::NAN, f64::NAN);
    for value in values {
        (count, sum, least, most) = (count + 1, sum + value, value.min(least), value.max(most));
    }
    match function {
        Function::Sum => sum,
        Function::Min => least,
        Function::Max => most,
        _ => sum / out_of.unwrap_or(count) as f64,
    }
}

fn fill(what: Value, with: Value) -> Option<Value> {
    match with {
        Value::Scalar(number) => what.map(|series| series.with(series.values.iter().map(|v| v.or(Some(number))))),
        Value::Series(other) => {
            what.map(|series| series.with(series.values.iter().zip(&other.values).map(|(v, other)| v.or(*other))))
        }
        Value::Word(word) if word == "REPEAT" => what.map(repeat),
        Value::Word(word) if word == "LINEAR" => what.map(linear),
        _ => None,
    }
}

fn repeat(series: &Series) -> Series {
    let mut last = None;
    series.with(series.values.iter().map(|value| {
        last = value.or(last);
        last
    }))
}

/// Between two data points on the straight line; before the first and after the last there is none.
fn linear(series: &Series) -> Series {
    let known: Vec<(usize, f64)> =
        series.values.iter().enumerate().filter_map(|(at, value)| Some((at, (*value)?))).collect();
    let between = |at: usize| {
        let after = known.partition_point(|(place, _)| *place < at);
        let ((from, a), (to, b)) = (*known.get(after.checked_sub(1)?)?, *known.get(after)?);
        Some(a + (b - a) * (at - from) as f64 / (to - from) as f64)
    };
    series.with(series.values.iter().enumerate().map(|(at, value)| value.or_else(|| between(at))))
}

/// `IF(condition, when true, when false)`; the last may be left out.
fn choose(arguments: Vec<Value>) -> Option<Value> {
    let mut arguments = arguments.into_iter();
    let (condition, then, otherwise) = (arguments.next()?, arguments.next()?, arguments.next());
    let fits = |value: &Value| matches!(value, Value::Scalar(_) | Value::Series(_));
    if arguments.next().is_some() || !fits(&condition) || !fits(&then) || !otherwise.as_ref().is_none_or(fits) {
        return None;
    }
    let at = |value: &Value, slot: usize| match value {
        Value::Scalar(number) => Some(*number),
        Value::Series(series) => series.values.get(slot).copied().flatten(),
        _ => None,
    };
    let frame =
        [Some(&condition), Some(&then), otherwise.as_ref()].into_iter().flatten().find_map(|value| match value {
            Value::Series(series) => Some(series.clone()),
            _ => None,
        });
    let Some(frame) = frame else {
        let holds = at(&condition, 0) != Some(0.0);
        let chosen = if holds { Some(then) } else { otherwise };
        return Some(chosen.unwrap_or(Value::Scalar(f64::NAN)));
    };
    let by_slot = matches!(condition, Value::Series(_));
    Some(Value::Series(frame.with((0..frame.values.len()).map(|slot| {
        match at(&condition, slot)? {
            0.0 => at(otherwise.as_ref()?, slot),
            // The guide's table: where the condition holds in a slot and the metric has no value there, it is 0.
            _ if by_slot => at(&then, slot).or(Some(0.0)),
            _ => at(&then, slot),
        }
    }))))
}
