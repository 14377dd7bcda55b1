//! A failed test in words: what was expected, the minutes around it, and what the alarms looked at. Start at
//! [`failure_text`].

use std::fmt::Write as _;
use std::time::Duration;

use super::case::Case;
use super::run::{Evidence, Mismatch};
use crate::engine::alarms::AlarmState;
use crate::simulate::{Happening, Record, Sample};

const MINUTE: Duration = Duration::from_secs(60);
/// Minutes shown before and after a wrong moment.
const BEFORE: u64 = 6;
const AFTER: u64 = 2;
/// Wrong moments shown with a timeline of their own; all are named.
const MOST_TIMELINES: usize = 3;

/// `the state of cpu-high at 12m is OK, expected ALARM`.
pub fn mismatch_line(mismatch: &Mismatch) -> String {
    let Mismatch { subject, at, found, wanted, .. } = mismatch;
    format!("{subject} at {} is {found}, expected {wanted}", lapse(*at))
}

/// Everything about a failed test; `file` and `source` are what it is written in.
pub fn failure_text(case: &Case, mismatches: &[Mismatch], record: &Record, file: &str, source: &str) -> String {
    let mut text = String::new();
    for mismatch in mismatches {
        let _ = writeln!(text, "  {}", mismatch_line(mismatch));
        if let Some(place) = mismatch.place {
            let line = source.lines().nth(place.line - 1).unwrap_or_default().trim();
            let _ = writeln!(text, "    {file}:{}:{}: {line}", place.line, place.column);
        }
        text.push_str(&counted_text(mismatch));
    }
    let mut moments: Vec<Duration> = mismatches.iter().map(|mismatch| mismatch.at).collect();
    moments.dedup();
    for at in moments.iter().take(MOST_TIMELINES) {
        let here: Vec<&Mismatch> = mismatches.iter().filter(|mismatch| mismatch.at == *at).collect();
        text.push('\n');
        text.push_str(&timeline(case, record, *at));
        let mut shown: Vec<&str> = Vec::new();
        for evidence in here.iter().flat_map(|mismatch| &mismatch.evidence) {
            if !shown.contains(&evidence.alarm.as_str()) {
                shown.push(&evidence.alarm);
                text.push_str(&evidence_text(evidence));
            }
        }
    }
    if moments.len() > MOST_TIMELINES {
        let _ = writeln!(text, "\n  and {} more moments, left out here", moments.len() - MOST_TIMELINES);
    }
    text
}

/// Counted events listed under one mismatch.
const MOST_COUNTED: usize = 12;

/// What a count is of, an event a line: `counted: 22m29s  a launch begins`; nothing where nothing was counted.
fn counted_text(mismatch: &Mismatch) -> String {
    let all = &mismatch.counted;
    let mut text = String::new();
    for (number, (at, what)) in all.iter().take(MOST_COUNTED).enumerate() {
        let head = if number == 0 { "counted:" } else { "" };
        let what = event_text(what).unwrap_or_default();
        let _ = writeln!(text, "    {head:<8} {:>TIME_WIDTH$}  {what}", lapse(*at));
    }
    if all.len() > MOST_COUNTED {
        let _ = writeln!(text, "    {:8} and {} more", "", all.len() - MOST_COUNTED);
    }
    text
}

/// The minutes around a moment: what was measured, how many machines there were, what happened.
pub fn timeline(case: &Case, record: &Record, at: Duration) -> String {
    let columns = Columns::of(case);
    let mut text = format!("    {}\n", columns.heading());
    let (first, last) = (at.saturating_sub(MINUTE * BEFORE as u32), at + MINUTE * AFTER as u32);
    let mut marked = false;
    for sample in &record.samples {
        let begins = sample.at.since(case.start);
        if begins + MINUTE <= first || begins >= last {
            continue;
        }
        if begins >= at && !marked {
            marked = true;
            let _ = writeln!(text, "  > {} {}", lapse(at), "-".repeat(columns.width().saturating_sub(8)));
        }
        let end = sample.at + MINUTE;
        let from = record.events.partition_point(|event| event.at < sample.at);
        let events = record.events[from..].iter().take_while(|event| event.at < end);
        let mut events = events.filter_map(|event| event_text(&event.what));
        let row = format!("    {}  {}", columns.row(case, sample, begins), events.next().unwrap_or_default());
        let _ = writeln!(text, "{}", row.trim_end());
        for event in events {
            let _ = writeln!(text, "    {:width$}  {event}", "", width = columns.width());
        }
    }
    if !marked {
        let _ = writeln!(text, "  > {}", lapse(at));
    }
    text
}

/// What the columns of a timeline show.
struct Columns {
    names: Vec<String>,
}

const TIME_WIDTH: usize = 7;
const LAST: [&str; 2] = ["wanted", "in service"];

impl Columns {
    fn of(case: &Case) -> Self {
        let series = case.series.iter().map(|series| series.name.clone());
        let load = case.load.map(|_| ["load".to_owned(), "cpu".to_owned()]);
        Self { names: load.into_iter().flatten().chain(series).collect() }
    }

    fn column(name: &str) -> usize {
        name.len().max(7)
    }

    fn width(&self) -> usize {
        let values: usize = self.names.iter().map(|name| Self::column(name) + 2).sum();
        TIME_WIDTH + values + LAST.iter().map(|name| name.len() + 2).sum::<usize>()
    }

    fn heading(&self) -> String {
        let mut text = format!("{:>TIME_WIDTH$}", "minute");
        for name in self.names.iter().map(String::as_str) {
            let _ = write!(text, "  {name:>width$}", width = Self::column(name));
        }
        for name in LAST {
            let _ = write!(text, "  {name}");
        }
        text
    }

    fn row(&self, case: &Case, sample: &Sample, begins: Duration) -> String {
        let mut text = format!("{:>TIME_WIDTH$}", lapse(begins));
        for name in &self.names {
            let _ = write!(text, "  {:>width$}", cell(case, sample, begins, name), width = Self::column(name));
        }
        let [wanted, serving] = LAST.map(str::len);
        let _ = write!(text, "  {:>wanted$}  {:>serving$}", sample.desired, sample.in_service);
        text
    }
}

/// A value of one column: the load, the CPU that came of it, or the first value of a series in that minute.
fn cell(case: &Case, sample: &Sample, begins: Duration, name: &str) -> String {
    let shown = |value: Option<f64>| value.map_or_else(|| "_".to_owned(), number);
    let Some(series) = case.series.iter().find(|series| series.name == name) else {
        return shown(if name == "load" { sample.load } else { sample.cpu });
    };
    let (interval, begins) = (case.interval.as_secs().max(1), begins.as_secs());
    let index = begins.div_ceil(interval);
    if index * interval >= begins + 60 {
        return String::new();
    }
    let value = usize::try_from(index).ok().and_then(|index| series.values.values().nth(index));
    shown(value.flatten())
}

/// Time since the start of a test: `12m`, `24m29s`, `23h54m`.
pub fn lapse(since: Duration) -> String {
    let secs = since.as_secs();
    let units = [(secs / 3_600, "h"), (secs / 60 % 60, "m"), (secs % 60, "s")];
    let parts: String =
        units.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect();
    if parts.is_empty() { "0m".to_owned() } else { parts }
}

/// Two decimals at most.
pub fn number(value: f64) -> String {
    let rounded = (value * 100.0).round() / 100.0;
    format!("{}", if rounded == 0.0 { 0.0 } else { rounded })
}

/// What happened, in a few words; none for what another event says too.
pub fn event_text(what: &Happening) -> Option<String> {
    Some(match what {
        Happening::AlarmChanged { alarm, from, to, .. } => format!("{alarm}: {from} -> {to}"),
        Happening::ActionFailed { alarm, error, .. } => format!("{alarm}: an action failed: {error}"),
        Happening::DesiredChanged { from, to, policy: Some(policy) } => format!("{policy}: {from} -> {to} wanted"),
        Happening::DesiredChanged { from, to, policy: None } => format!("{from} -> {to} wanted"),
        Happening::PolicyDeclined { policy, because } => format!("{policy}: left as it is, {}", reason_word(because)),
        Happening::Launch { .. } => "a launch begins".to_owned(),
        Happening::InService { .. } => "a machine is in service".to_owned(),
        Happening::Terminate { .. } => "a termination begins".to_owned(),
        Happening::Prepare { returns: false, .. } => "a launch into the warm pool begins".to_owned(),
        Happening::Prepare { returns: true, .. } => "a machine goes back to the warm pool".to_owned(),
        Happening::Prepared { .. } => "a machine stands in the warm pool".to_owned(),
        Happening::Discard { .. } => "a termination in the warm pool begins".to_owned(),
        Happening::Terminated { .. } => "a machine is gone".to_owned(),
        Happening::ActivityFailed { message, .. } => format!("an activity failed: {message}"),
        Happening::Notice { topic, subject, .. } => {
            format!("notice to {topic}: {}", subject.as_deref().unwrap_or("no subject"))
        }
    })
}

/// `InCooldown`, without the particulars.
pub fn reason_word(because: &crate::engine::groups::policy::Reason) -> String {
    let words = format!("{because:?}");
    words.split([' ', '{', '(']).next().unwrap_or_default().to_owned()
}

fn evidence_text(evidence: &Evidence) -> String {
    let Evidence { alarm, rule, state, since, reason, datapoints } = evidence;
    let mut text = format!("    {alarm} asks for {rule}\n");
    let points: Vec<String> = datapoints
        .iter()
        .map(|(at, value)| format!("{} {}", lapse(*at), value.map_or_else(|| "_".to_owned(), number)))
        .collect();
    let points = if points.is_empty() { "none yet".to_owned() } else { points.join(" · ") };
    let _ = writeln!(text, "      datapoints: {points}");
    let entered = if since.is_zero() && *state == AlarmState::InsufficientData {
        "from the beginning".to_owned()
    } else {
        format!("from {} on", lapse(*since))
    };
    let _ = writeln!(text, "      {state} {entered}: {reason}");
    text
}
