//! Alarms on a history that is what it is: how often they would have fired, and when. Start at [`backtest`].
//!
//! Nothing is scaled here, since the history would have been another one; alarms only tell.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::chart::{Curve, Look};
use super::load::Series;
use super::record::{Event, Happening, Observer};
use super::{Options, SetupError, Simulation, metric_key};
use crate::clock::Timestamp;
use crate::engine::alarms::AlarmState;
use crate::engine::metrics::MetricKey;
use crate::engine::text::Text;
use crate::model::{ActionRef, Alarm, Stack, rule_in_words};

/// A row lasts until the next one, unless that is further away than so many usual steps: then data are missing.
const GAP: u32 = 2;
const MINUTE: Duration = Duration::from_secs(60);

/// What the alarms did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct History {
    pub start: Timestamp,
    pub end: Timestamp,
    pub alarms: Vec<AlarmHistory>,
    /// Messages to each topic.
    pub notices: BTreeMap<String, u64>,
    #[serde(skip)]
    pub changes: Vec<Event>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AlarmHistory {
    pub alarm: String,
    pub rule: String,
    pub fired: usize,
    pub secs_in_alarm: u64,
    pub secs_without_data: u64,
    pub firings: Vec<Firing>,
}

/// One stretch of time in ALARM.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Firing {
    pub at: Timestamp,
    /// Absent when it had not ended at the end.
    pub until: Option<Timestamp>,
    pub secs: u64,
    /// In CloudWatch's words.
    pub reason: Text,
}

/// Keeps what the alarms did and nothing else, so that years fit into memory.
#[derive(Debug, Default)]
struct Changes {
    events: Vec<Event>,
    notices: BTreeMap<String, u64>,
}

impl Observer for Changes {
    fn event(&mut self, event: &Event) {
        match &event.what {
            Happening::AlarmChanged { .. } => self.events.push(event.clone()),
            Happening::Notice { topic, .. } => *self.notices.entry(topic.clone()).or_default() += 1,
            _ => {}
        }
    }
}

/// Runs `alarms`, which all watch `key`, over a history. `spread` repeats a row for all periods until the next one, as
/// its average stands for all of them.
///
/// # Errors
/// What AWS would refuse to make.
pub fn backtest(stack: &Stack, alarms: &[&Alarm], series: &Series, spread: bool) -> Result<History, SetupError> {
    let Some(key) = alarms.first().map(|alarm| metric_key(alarm)) else {
        return Ok(History {
            start: Timestamp::default(),
            end: Timestamp::default(),
            alarms: Vec::new(),
            notices: BTreeMap::new(),
            changes: Vec::new(),
        });
    };
    let begins = series.begins.unwrap_or(Options::default().start);
    let start = begins.floor_to(MINUTE);
    let options = Options { start, ..Options::default() };
    let mut simulation = Simulation::new(&only_telling(stack, alarms), &options)?;
    simulation.silence_machines();
    let mut changes = Changes::default();
    let step = spread.then(|| resolution(alarms));
    let mut end = start;
    for (at, lasts, value) in rows(series, begins) {
        put(&mut simulation, &key, at, lasts, step, value);
        end = at + lasts;
        simulation.advance_to(end, &mut changes);
    }
    // Two more minutes, so that the last rows are evaluated too.
    simulation.advance_to(end + 2 * MINUTE, &mut changes);
    let alarms = alarms.iter().map(|alarm| alarm_history(alarm, &changes.events, start, end)).collect();
    Ok(History { start, end, alarms, notices: changes.notices, changes: changes.events })
}

/// The series as a curve for a picture.
pub fn curve(series: &Series, name: &str) -> Curve {
    let begins = series.begins.unwrap_or(Options::default().start);
    let points = series.points.iter().map(|(millis, value)| (at_millis(begins, *millis), *value)).collect();
    Curve { name: name.to_owned(), look: Look::Cpu, step: series.last_lasts, points }
}

/// The stack with these alarms alone, which tell topics and ask no policy.
fn only_telling(stack: &Stack, alarms: &[&Alarm]) -> Stack {
    let mut stack = stack.clone();
    stack.policies.clear();
    stack.schedules.clear();
    stack.alerting.topics.iter_mut().for_each(|topic| topic.group_events.clear());
    stack.alerting.alarms.retain(|alarm| alarms.iter().any(|wanted| wanted.key == alarm.key));
    for alarm in &mut stack.alerting.alarms {
        for actions in [&mut alarm.alarm_actions, &mut alarm.ok_actions, &mut alarm.insufficient_data_actions] {
            actions.retain(|action| matches!(action, ActionRef::Topic(_)));
        }
    }
    stack
}

fn resolution(alarms: &[&Alarm]) -> Duration {
    alarms.iter().map(|alarm| alarm.period).min().unwrap_or(MINUTE).clamp(Duration::from_secs(10), MINUTE)
}

fn at_millis(begins: Timestamp, millis: i64) -> Timestamp {
    Timestamp::from_millis(begins.as_millis().saturating_add(millis))
}

/// When each row began, how long it lasts, and its value.
fn rows(series: &Series, begins: Timestamp) -> impl Iterator<Item = (Timestamp, Duration, f64)> {
    let usual = series.last_lasts.max(Duration::from_secs(1));
    let nexts = series.points.iter().skip(1).map(|(millis, _)| Some(*millis)).chain([None]);
    series.points.iter().zip(nexts).map(move |((millis, value), next)| {
        let at = at_millis(begins, *millis);
        let until = next.map_or(usual, |next| at_millis(begins, next).since(at));
        (at, if until > usual * GAP { usual } else { until }, *value)
    })
}

fn put(
    simulation: &mut Simulation,
    key: &MetricKey,
    at: Timestamp,
    lasts: Duration,
    step: Option<Duration>,
    value: f64,
) {
    simulation.put_metric(key.clone(), at, value);
    let Some(step) = step else { return };
    let mut next = at + step;
    while next < at + lasts {
        simulation.put_metric(key.clone(), next, value);
        next = next + step;
    }
}

fn alarm_history(alarm: &Alarm, events: &[Event], start: Timestamp, end: Timestamp) -> AlarmHistory {
    let changes = events.iter().filter_map(|event| match &event.what {
        Happening::AlarmChanged { alarm: key, to, reason, .. } if *key == alarm.key => Some((event.at, *to, reason)),
        _ => None,
    });
    let mut history = AlarmHistory {
        alarm: alarm.key.clone(),
        rule: rule_in_words(alarm),
        fired: 0,
        secs_in_alarm: 0,
        secs_without_data: 0,
        firings: Vec::new(),
    };
    let (mut since, mut state) = (start, AlarmState::InsufficientData);
    for (at, to, reason) in changes {
        history.leave(state, since, Some(at), end);
        if to == AlarmState::Alarm {
            history.firings.push(Firing { at, until: None, secs: 0, reason: reason.clone() });
        }
        (since, state) = (at, to);
    }
    history.leave(state, since, None, end);
    history.fired = history.firings.len();
    history
}

impl AlarmHistory {
    fn leave(&mut self, state: AlarmState, since: Timestamp, at: Option<Timestamp>, end: Timestamp) {
        let secs = at.unwrap_or(end).since(since).as_secs();
        match state {
            AlarmState::Alarm => {
                self.secs_in_alarm += secs;
                if let Some(last) = self.firings.last_mut() {
                    (last.until, last.secs) = (at, secs);
                }
            }
            AlarmState::InsufficientData => self.secs_without_data += secs,
            AlarmState::Ok => {}
        }
    }
}
