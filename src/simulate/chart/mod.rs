//! Pictures of simulations and back-tests: what is drawn ([`Picture`]), as SVG ([`svg`]) and in one HTML page that needs
//! nothing else ([`page`]); and of sweeps ([`scatter`]).
//!
//! A picture is data without sizes: the same one is drawn wide for a desk and narrow for a phone. Same picture, same
//! bytes. Start at [`Picture::of_record`].

mod axis;
pub mod escape;
pub mod page;
pub mod scatter;
mod style;
pub mod svg;

#[cfg(test)]
mod tests;

use std::time::Duration;

use super::metric_key;
use super::record::{Event, Happening, Record, Sample};
use crate::clock::Timestamp;
use crate::engine::alarms::AlarmState;
use crate::model::{Alarm, Slo, Stack};

const MINUTE: Duration = Duration::from_secs(60);

/// What there is to see over a stretch of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    pub title: String,
    /// What it shows, in a sentence, for whoever cannot see it.
    pub description: String,
    pub start: Timestamp,
    pub end: Timestamp,
    pub panels: Vec<Panel>,
}

/// One strip of a picture.
#[derive(Debug, Clone, PartialEq)]
pub enum Panel {
    Lines(Lines),
    Bands { name: String, rows: Vec<BandRow> },
    Marks { name: String, rows: Vec<MarkRow> },
}

/// Values over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Lines {
    pub name: String,
    pub unit: String,
    pub curves: Vec<Curve>,
    pub limits: Vec<Limit>,
    /// The top of the axis; absent for one that fits the values.
    pub top: Option<f64>,
    /// Tall for what deserves a look.
    pub height: f64,
    /// Whether the values are whole things, such as machines.
    pub whole: bool,
}

/// Values in order of time; a gap where there is none.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    pub name: String,
    pub look: Look,
    /// How long a value lasts.
    pub step: Duration,
    pub points: Vec<(Timestamp, f64)>,
}

/// How a curve is drawn; the words are classes of the style sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    Load,
    Cpu,
    Credits,
    /// A line of steps.
    Wanted,
    /// An area of steps.
    Serving,
}

impl Look {
    fn class(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Cpu => "cpu",
            Self::Credits => "credits",
            Self::Wanted => "wanted",
            Self::Serving => "serving",
        }
    }

    fn has_area(self) -> bool {
        matches!(self, Self::Load | Self::Credits | Self::Serving)
    }

    fn has_line(self) -> bool {
        !matches!(self, Self::Serving)
    }

    fn steps(self) -> bool {
        matches!(self, Self::Wanted | Self::Serving)
    }
}

/// A level that means something, such as an alarm's threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    pub label: String,
    pub value: f64,
}

/// An alarm's states over time.
#[derive(Debug, Clone, PartialEq)]
pub struct BandRow {
    pub name: String,
    /// How often it went to ALARM.
    pub fired: usize,
    pub bands: Vec<Band>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Band {
    pub from: Timestamp,
    pub to: Timestamp,
    pub state: AlarmState,
}

/// Things that happened at instants.
#[derive(Debug, Clone, PartialEq)]
pub struct MarkRow {
    pub name: String,
    pub marks: Vec<Mark>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    pub at: Timestamp,
    pub tone: Tone,
    pub text: String,
}

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    Alarm,
    Ok,
    Group,
}

impl Tone {
    fn class(self) -> &'static str {
        match self {
            Self::Alarm => "tone-alarm",
            Self::Ok => "tone-ok",
            Self::Group => "tone-group",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Alarm => "ALARM",
            Self::Ok => "OK",
            Self::Group => "group",
        }
    }

    fn of(subject: &str) -> Self {
        match subject.split(':').next() {
            Some("ALARM") => Self::Alarm,
            Some("Auto Scaling") => Self::Group,
            _ => Self::Ok,
        }
    }
}

impl Picture {
    /// A simulation: load, CPU with thresholds, credits, capacity, alarms and notices.
    pub fn of_record(title: &str, stack: &Stack, record: &Record, slo: Option<Slo>) -> Self {
        let start = record.samples.first().map_or(Timestamp::default(), |sample| sample.at);
        let end = record.samples.last().map_or(start + MINUTE, |sample| sample.at + MINUTE);
        let mut panels = Vec::new();
        let load = curve(record, "requests per second", Look::Load, |sample| sample.load);
        panels.extend(lines("Load", "requests per second", vec![load], Vec::new(), None, 92.0));
        let cpu = curve(record, "mean of the machines in service", Look::Cpu, |sample| sample.cpu);
        let limits = cpu_limits(stack, slo);
        panels.extend(lines("CPU", "percent", vec![cpu], limits, Some(100.0), 150.0));
        let credits = curve(record, "lowest balance of a machine", Look::Credits, |sample| sample.lowest_credits);
        panels.extend(lines("CPU credits", "lowest balance", vec![credits], Vec::new(), None, 56.0));
        panels.push(capacity(stack, record));
        panels.push(Panel::Bands { name: "Alarms".into(), rows: bands(stack, record, start, end) });
        panels.extend(notices(stack, record));
        let description = describe(stack, record, start, end);
        Self { title: title.to_owned(), description, start, end, panels }
    }

    /// A history with the alarms that watch it; `changes` are what the alarms did.
    pub fn of_history(title: &str, metric: &str, alarms: &[&Alarm], points: Curve, changes: &[Event]) -> Self {
        let start = points.points.first().map_or(Timestamp::default(), |point| point.0);
        let end = points.points.last().map_or(start, |point| point.0) + points.step;
        let limits = alarms.iter().map(|alarm| limit(alarm)).collect();
        let top = metric.contains("Utilization").then_some(100.0);
        let rows: Vec<BandRow> = alarms.iter().map(|alarm| band_row(alarm, changes, start, end)).collect();
        let fired: Vec<String> = rows.iter().map(|row| format!("{} fired {} times", row.name, row.fired)).collect();
        let description = format!("{metric} from {} to {}. {}.", start.iso_secs(), end.iso_secs(), fired.join(", "));
        let unit = if top.is_some() { "percent" } else { "" };
        let mut panels: Vec<Panel> = lines(metric, unit, vec![points], limits, top, 220.0).into_iter().collect();
        panels.push(Panel::Bands { name: "Alarms".into(), rows });
        Self { title: title.to_owned(), description, start, end, panels }
    }
}

/// Nothing where no curve has a value.
fn lines(
    name: &str,
    unit: &str,
    curves: Vec<Curve>,
    limits: Vec<Limit>,
    top: Option<f64>,
    height: f64,
) -> Option<Panel> {
    let seen = curves.iter().any(|curve| !curve.points.is_empty());
    let lines = Lines { name: name.into(), unit: unit.into(), curves, limits, top, height, whole: false };
    seen.then_some(Panel::Lines(lines))
}

fn curve(record: &Record, name: &str, look: Look, value: impl Fn(&Sample) -> Option<f64>) -> Curve {
    let points = record.samples.iter().filter_map(|sample| Some((sample.at, value(sample)?))).collect();
    Curve { name: name.to_owned(), look, step: MINUTE, points }
}

fn capacity(stack: &Stack, record: &Record) -> Panel {
    let max = f64::from(stack.group.max_size);
    let limits = vec![Limit { label: format!("max_size {max}"), value: max }];
    Panel::Lines(Lines {
        name: "Machines".into(),
        unit: String::new(),
        curves: vec![
            curve(record, "in service", Look::Serving, |sample| Some(f64::from(sample.in_service))),
            curve(record, "wanted", Look::Wanted, |sample| Some(f64::from(sample.desired))),
        ],
        limits,
        top: Some((max * 1.15).max(1.15)),
        height: 84.0,
        whole: true,
    })
}

fn cpu_limits(stack: &Stack, slo: Option<Slo>) -> Vec<Limit> {
    let on_cpu = stack.alerting.alarms.iter().filter(|alarm| {
        let key = metric_key(alarm);
        key.namespace == "AWS/EC2" && key.name == "CPUUtilization"
    });
    let promised = slo.and_then(|slo| slo.cpu).map(|value| Limit { label: format!("objective {value}"), value });
    on_cpu.map(limit).chain(promised).collect()
}

fn limit(alarm: &Alarm) -> Limit {
    let sign = match alarm.comparison.sign() {
        ">=" => "≥",
        "<=" => "≤",
        other => other,
    };
    Limit { label: format!("{} {sign} {}", alarm.key, alarm.threshold), value: alarm.threshold }
}

fn bands(stack: &Stack, record: &Record, start: Timestamp, end: Timestamp) -> Vec<BandRow> {
    stack.alerting.alarms.iter().map(|alarm| band_row(alarm, &record.events, start, end)).collect()
}

fn band_row(alarm: &Alarm, events: &[Event], start: Timestamp, end: Timestamp) -> BandRow {
    let changes = events.iter().filter_map(|event| match &event.what {
        Happening::AlarmChanged { alarm: key, to, .. } if *key == alarm.key => Some((event.at, *to)),
        _ => None,
    });
    let mut row = BandRow { name: alarm.key.clone(), fired: 0, bands: Vec::new() };
    let (mut since, mut state) = (start, AlarmState::InsufficientData);
    for (at, to) in changes.chain([(end, state)]) {
        let at = at.min(end);
        if at > since {
            row.bands.push(Band { from: since, to: at, state });
        }
        row.fired += usize::from(to == AlarmState::Alarm);
        (since, state) = (at, to);
    }
    row
}

/// One row for each topic of the stack; nothing where nobody was told anything.
fn notices(stack: &Stack, record: &Record) -> Option<Panel> {
    let row = |topic: &crate::model::Topic| {
        let marks = record.events.iter().filter_map(|event| match &event.what {
            Happening::Notice { topic: key, subject, .. } if *key == topic.key => {
                let text = subject.clone().unwrap_or_default();
                Some(Mark { at: event.at, tone: Tone::of(&text), text })
            }
            _ => None,
        });
        MarkRow { name: topic.key.clone(), marks: marks.collect() }
    };
    let rows: Vec<MarkRow> = stack.alerting.topics.iter().map(row).collect();
    let told = rows.iter().any(|row| !row.marks.is_empty());
    told.then_some(Panel::Marks { name: "Notices".into(), rows })
}

fn describe(stack: &Stack, record: &Record, start: Timestamp, end: Timestamp) -> String {
    let peak = |value: fn(&Sample) -> Option<f64>| record.samples.iter().filter_map(value).fold(0.0, f64::max);
    let most = record.samples.iter().map(|sample| sample.desired).max().unwrap_or(0);
    let rows = bands(stack, record, start, end);
    let fired: Vec<String> = rows.iter().map(|row| format!("{} fired {} times", row.name, row.fired)).collect();
    format!(
        "From {} to {}: CPU up to {:.0} percent, at most {most} machines wanted. {}.",
        start.iso_secs(),
        end.iso_secs(),
        peak(|sample| sample.cpu),
        fired.join(", ")
    )
}
