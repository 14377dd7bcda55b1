//! Several metrics and expressions that name each other, as GetMetricData and PutMetricAlarm ask for them.
//! Start at [`Queries::check`].

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::evaluate::{Scene, evaluate};
use super::value::{Series, Value};
use super::{Expression, MathError};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::metrics::{Grid, MetricKey, MetricStat, Metrics, Point, Statistic};

/// The period of an expression that names no metric, in seconds. Chosen by us; AWS does not say.
const PERIOD_WITHOUT_METRICS: u32 = 60;

/// Periods that one query may span. Chosen by us, above a year of minutes: each costs memory.
const SLOTS: usize = 1_000_000;

/// No time at all, in which the kinds of values show as well as in any other.
const NO_TIME: Grid<'static> = Grid::Uneven(&[]);

/// One query as it came in; nothing is checked yet.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct QueryRequest {
    pub id: String,
    pub expression: Option<String>,
    pub stat: Option<StatRequest>,
    pub label: Option<String>,
    pub return_data: Option<bool>,
    pub period_secs: Option<i64>,
    pub account_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct StatRequest {
    pub namespace: String,
    pub name: String,
    pub dimensions: Vec<(String, String)>,
    pub statistic: String,
    pub period_secs: i64,
    pub unit: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Query {
    pub id: String,
    pub source: Source,
    pub label: Option<String>,
    /// `None` when the caller left it out, which means that data is returned.
    pub return_data: Option<bool>,
    pub account_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Source {
    Stat(MetricStat),
    Expression { expression: Expression, period_secs: Option<u32> },
}

impl Query {
    pub fn returns_data(&self) -> bool {
        self.return_data.unwrap_or(true)
    }

    /// What its series is called when nothing is said.
    pub fn default_label(&self) -> &str {
        match (&self.label, &self.source) {
            (Some(label), _) => label,
            (None, Source::Stat(stat)) => &stat.key.name,
            (None, Source::Expression { .. }) => &self.id,
        }
    }

    pub fn stat(&self) -> Option<&MetricStat> {
        match &self.source {
            Source::Stat(stat) => Some(stat),
            Source::Expression { .. } => None,
        }
    }
}

impl From<&Query> for QueryRequest {
    /// The request that it came from, or one that comes to the same.
    fn from(query: &Query) -> Self {
        let request = Self {
            id: query.id.clone(),
            label: query.label.clone(),
            return_data: query.return_data,
            account_id: query.account_id.clone(),
            ..Self::default()
        };
        match &query.source {
            Source::Stat(stat) => Self {
                stat: Some(StatRequest {
                    namespace: stat.key.namespace.clone(),
                    name: stat.key.name.clone(),
                    dimensions: stat.key.dimensions.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
                    statistic: stat.statistic.to_string(),
                    period_secs: stat.period_secs.into(),
                    unit: stat.unit.clone(),
                }),
                ..request
            },
            Source::Expression { expression, period_secs } => Self {
                expression: Some(expression.as_str().to_string()),
                period_secs: period_secs.map(i64::from),
                ..request
            },
        }
    }
}

/// Queries whose ids are unique and whose expressions name only each other, and not in a circle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Query>", into = "Vec<Query>")]
pub struct Queries {
    list: Vec<Query>,
    /// Places in `list`, what is named before what names it.
    order: Vec<usize>,
}

impl From<Queries> for Vec<Query> {
    fn from(queries: Queries) -> Self {
        queries.list
    }
}

impl TryFrom<Vec<Query>> for Queries {
    type Error = Refusal;

    fn try_from(list: Vec<Query>) -> Result<Self, Refusal> {
        let queries = Self { order: order(&list)?, list };
        let everything = vec![true; queries.list.len()];
        queries
            .values(&everything, &Metrics::default(), PERIOD_WITHOUT_METRICS, NO_TIME)
            .map_err(|(at, error)| refused(&queries.list[at].id, &error))?;
        Ok(queries)
    }
}

impl Queries {
    /// Checks queries that stand in the member `member` of a call.
    ///
    /// # Errors
    /// `ValidationError` that names the query by its position or the expression by its id.
    pub fn check(list: Vec<QueryRequest>, member: &str) -> Result<Self, Refusal> {
        let mut checked: Vec<Query> = Vec::new();
        for (at, request) in list.into_iter().enumerate() {
            let query = request.check(&format!("{member}.member.{}", at + 1))?;
            if checked.iter().any(|other| other.id == query.id) {
                return Err(Refusal::validation(format!("The values for parameter id in {member} are not unique.")));
            }
            checked.push(query);
        }
        Self::try_from(checked)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Query> {
        self.list.iter()
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn get(&self, place: usize) -> &Query {
        &self.list[place]
    }

    /// The period of a query's data points, in seconds: its own, or the longest of the metrics it is computed from.
    pub fn period_secs(&self, place: usize) -> u32 {
        match &self.list[place].source {
            Source::Stat(stat) => stat.period_secs,
            Source::Expression { period_secs: Some(period), .. } => *period,
            Source::Expression { period_secs: None, .. } => {
                let needed = self.needed(place);
                let stats = self.order.iter().filter(|at| needed[**at]).filter_map(|at| self.list[*at].stat());
                stats.map(|stat| stat.period_secs).max().unwrap_or(PERIOD_WITHOUT_METRICS)
            }
        }
    }

    /// Settles each metric that is asked for without a unit on the first of its units, where it has data in several within
    /// `span`, as GetMetricData does. Returns these units by the place of the query.
    pub fn settle_units(&mut self, metrics: &Metrics, span: &Range<Timestamp>) -> BTreeMap<usize, BTreeSet<String>> {
        let mut several = BTreeMap::new();
        for (place, query) in self.list.iter_mut().enumerate() {
            let Source::Stat(stat) = &mut query.source else { continue };
            let Some(id) = metrics.find(&stat.key).filter(|_| stat.unit.is_none()) else { continue };
            let has_data = |unit: &&str| !metrics.aggregate(id, Some(unit), span.clone()).totals.is_empty();
            let units: BTreeSet<String> = match metrics.units(id).nth(1) {
                Some(_) => metrics.units(id).filter(has_data).map(str::to_string).collect(),
                None => continue,
            };
            if units.len() > 1 {
                stat.unit = units.first().cloned();
                several.insert(place, units);
            }
        }
        several
    }

    /// Every query that this one is computed from, itself included.
    fn needed(&self, place: usize) -> Vec<bool> {
        let mut needed = vec![false; self.list.len()];
        needed[place] = true;
        for at in self.order.iter().rev().copied() {
            if needed[at] {
                named(&self.list, at).into_iter().for_each(|other| needed[other] = true);
            }
        }
        needed
    }

    /// The periods that `grid` gives for a query's period in seconds, and its value in them.
    ///
    /// # Errors
    /// See [`evaluate`].
    pub fn value<'a>(
        &self,
        place: usize,
        metrics: &Metrics,
        grid: &dyn Fn(u32) -> Grid<'a>,
    ) -> Result<(Grid<'a>, Value), MathError> {
        let period_secs = self.period_secs(place);
        let grid = grid(period_secs);
        if grid.count() > SLOTS {
            return Err(MathError::new(format!("the time range has more than {SLOTS} periods")));
        }
        let values = self.values(&self.needed(place), metrics, period_secs, grid).map_err(|(_, error)| error)?;
        let value = values.into_iter().nth(place).flatten();
        value.map(|value| (grid, value)).ok_or_else(|| MathError::new("the expression names itself"))
    }

    /// The values of the queries that are needed; an error comes with the place of the expression it is about.
    fn values(
        &self,
        needed: &[bool],
        metrics: &Metrics,
        period_secs: u32,
        grid: Grid<'_>,
    ) -> Result<Vec<Option<Value>>, (usize, MathError)> {
        let mut values: Vec<Option<Value>> = vec![None; self.list.len()];
        for at in self.order.iter().copied().filter(|at| needed[*at]) {
            let value = match &self.list[at].source {
                Source::Stat(stat) => Value::Series(self.series(at, stat, metrics, grid)),
                Source::Expression { expression, .. } => {
                    self.compute(expression, period_secs, grid, &values).map_err(|error| (at, error))?
                }
            };
            values[at] = Some(value);
        }
        Ok(values)
    }

    fn series(&self, at: usize, stat: &MetricStat, metrics: &Metrics, grid: Grid<'_>) -> Series {
        let values = stat.read(metrics, grid).into_iter().map(|point| point.value).collect();
        Series { label: self.list[at].default_label().to_string(), values }
    }

    fn compute(
        &self,
        expression: &Expression,
        period_secs: u32,
        grid: Grid<'_>,
        values: &[Option<Value>],
    ) -> Result<Value, MathError> {
        let place = |id: &str| self.list.iter().position(|query| query.id == id);
        let series = |(query, value): (&Query, &Option<Value>)| match value {
            Some(Value::Series(series)) if query.stat().is_some() => Some((query.id.clone(), series.clone())),
            _ => None,
        };
        let scene = Scene {
            period_secs,
            slots: grid.count(),
            named: &|id| values[place(id)?].clone(),
            metrics: &|| self.list.iter().zip(values).filter_map(series).collect(),
            is_metric: &|id| place(id).is_some_and(|at| self.list[at].stat().is_some()),
        };
        evaluate(expression, &scene)
    }

    /// The series of a query, each with the label that GetMetricData gives it.
    ///
    /// # Errors
    /// `ValidationError` when an expression comes to no series.
    pub fn results<'a>(
        &self,
        place: usize,
        metrics: &Metrics,
        grid: &dyn Fn(u32) -> Grid<'a>,
    ) -> Result<(Grid<'a>, Vec<Series>), Refusal> {
        let query = &self.list[place];
        let (grid, value) = self.value(place, metrics, grid).map_err(|error| refused(&query.id, &error))?;
        let labelled = |series: Series| {
            let own = query.label.as_deref().filter(|label| !label.is_empty());
            let label = own.map_or_else(|| series.label.clone(), |own| format!("{own} {}", series.label));
            Series { label, ..series }
        };
        match value {
            Value::Series(series) => Ok((grid, vec![Series { label: self.label(query), ..series }])),
            Value::Array(all) => Ok((grid, all.into_iter().map(labelled).collect())),
            other => Err(no_series(&query.id, &other)),
        }
    }

    /// What the series of a query is called: metrics without a label of their own are told apart by statistic and by
    /// period, where those of one call differ in them (LocalStack's label rule, made from answers of AWS).
    fn label(&self, query: &Query) -> String {
        let (None, Some(stat)) = (&query.label, query.stat()) else { return query.default_label().to_string() };
        let stats = || self.list.iter().filter_map(Query::stat);
        let mut label = query.default_label().to_string();
        if stats().any(|other| other.statistic != stat.statistic) {
            label.push_str(&format!(" {}", stat.statistic));
        }
        if stats().any(|other| other.period_secs != stat.period_secs) {
            label.push_str(&format!(" {}", stat.period_secs));
        }
        label
    }

    /// The place of the query that an alarm watches, if these may be an alarm's.
    ///
    /// # Errors
    /// `ValidationError` unless exactly one query returns data, and that one a single time series.
    pub fn watched(&self) -> Result<usize, Refusal> {
        let mut returning = (0..self.list.len()).filter(|at| self.list[*at].returns_data());
        let (Some(place), None) = (returning.next(), returning.next()) else {
            return Err(Refusal::validation("Exactly one element of the metrics list should return data."));
        };
        let id = &self.list[place].id;
        match self.value(place, &Metrics::default(), &|_| NO_TIME).map_err(|error| refused(id, &error))? {
            (_, Value::Series(_)) => Ok(place),
            (_, other) => Err(no_series(id, &other)),
        }
    }

    /// The data points of one query, oldest first, with sample counts where it is a metric.
    pub fn points(&self, place: usize, metrics: &Metrics, grid: Grid<'_>) -> Vec<Point> {
        if let Source::Stat(stat) = &self.list[place].source {
            return stat.read(metrics, grid);
        }
        let values = match self.value(place, metrics, &|_| grid) {
            Ok((_, Value::Series(series))) => series.values,
            // Checked when the alarm was put: only too much work could bring us here, and that is no data.
            _ => vec![None; grid.count()],
        };
        grid.starts().into_iter().zip(values).map(|(start, value)| Point { start, value, sample_count: 0.0 }).collect()
    }
}

fn refused(id: &str, error: &MathError) -> Refusal {
    Refusal::validation(format!("Error in expression '{id}': {error}"))
}

fn no_series(id: &str, value: &Value) -> Refusal {
    let kind = value.kind();
    Refusal::validation(format!("Error in expression '{id}': The result must be a time series, not '{kind}'"))
}

/// The places that a query names directly.
fn named(list: &[Query], at: usize) -> Vec<usize> {
    let Source::Expression { expression, .. } = &list[at].source else { return Vec::new() };
    let ids = expression.ids();
    let all = expression.asks_for_metrics();
    let is_named = |query: &Query| ids.contains(query.id.as_str()) || (all && query.stat().is_some());
    (0..list.len()).filter(|place| is_named(&list[*place])).collect()
}

/// An order in which every query comes after those that it names.
fn order(list: &[Query]) -> Result<Vec<usize>, Refusal> {
    let mut waits: BTreeMap<usize, Vec<usize>> = (0..list.len()).map(|at| (at, named(list, at))).collect();
    let mut order = Vec::new();
    let mut done = vec![false; list.len()];
    while !waits.is_empty() {
        let ready: Vec<usize> =
            waits.iter().filter(|(_, on)| on.iter().all(|at| done[*at])).map(|(at, _)| *at).collect();
        if ready.is_empty() {
            let id = waits.keys().next().map_or("", |at| list[*at].id.as_str());
            return Err(Refusal::validation(format!("Error in expression '{id}': The expression names itself")));
        }
        for at in ready {
            waits.remove(&at);
            done[at] = true;
            order.push(at);
        }
    }
    Ok(order)
}

impl QueryRequest {
    fn check(self, member: &str) -> Result<Query, Refusal> {
        let id = self.id;
        let fits = id.starts_with(|c: char| c.is_ascii_lowercase())
            && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !fits {
            return Err(Refusal::validation(format!(
                "The value {id} for parameter {member}.Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$."
            )));
        }
        let source = match (self.expression, self.stat) {
            (Some(_), Some(_)) => {
                return Err(Refusal::validation(format!(
                    "The parameters {member}.Expression and {member}.MetricStat are mutually exclusive and you have \
                     specified both."
                )));
            }
            (None, None) => {
                return Err(Refusal::validation(format!("The parameter {member}.MetricStat is required.\n")));
            }
            (None, Some(_)) if self.period_secs.is_some() => {
                return Err(Refusal::validation(format!(
                    "The parameters {member}.Period and {member}.MetricStat are mutually exclusive and you have \
                     specified both."
                )));
            }
            (None, Some(stat)) => Source::Stat(stat.check()?),
            (Some(text), None) => Source::Expression {
                expression: Expression::parse(&text).map_err(|error| refused(&id, &error))?,
                period_secs: self.period_secs.map(check_period).transpose()?,
            },
        };
        Ok(Query { id, source, label: self.label, return_data: self.return_data, account_id: self.account_id })
    }
}

impl StatRequest {
    fn check(self) -> Result<MetricStat, Refusal> {
        let statistic = Statistic::parse(&self.statistic).ok_or_else(|| {
            let text = format!("The value {} for parameter MetricStat.Stat is not supported.", self.statistic);
            Refusal::validation(text)
        })?;
        let dimensions = crate::engine::alarms::validate::check_dimensions(&self.dimensions)?;
        let key = MetricKey { namespace: self.namespace, name: self.name, dimensions };
        Ok(MetricStat { key, statistic, period_secs: check_period(self.period_secs)?, unit: self.unit })
    }
}

fn check_period(period_secs: i64) -> Result<u32, Refusal> {
    let fits = matches!(period_secs, 1 | 5 | 10 | 20 | 30) || (period_secs >= 60 && period_secs % 60 == 0);
    let period = u32::try_from(period_secs).ok().filter(|_| fits);
    period.ok_or_else(|| Refusal::validation("The parameter Period must be a multiple of 60."))
}
