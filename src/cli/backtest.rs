//! `scaleproof backtest`: a spec's alarms on a history. Start at [`run`].

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::simulate::inputs::read_file;
use super::spec_file::{Checked, check, refusal};
use super::{Exit, Failure};
use crate::clock::Timestamp;
use crate::engine::metrics::MetricKey;
use crate::expect::text::number;
use crate::model::{Alarm, Stack};
use crate::simulate::chart::Picture;
use crate::simulate::chart::page::{Card, Page};
use crate::simulate::chart::svg::svg_file;
use crate::simulate::history::{AlarmHistory, Firing, History, backtest, curve};
use crate::simulate::load::Series;
use crate::simulate::{csv, metric_key};
use crate::spec::problem::did_you_mean;
use crate::spec::values::span_text;

/// Put a metric's history to a spec's alarms: how often each would have fired, and when
///
/// Nothing is scaled, since the history would have been another one. A row stands for all the time until the next row.
#[derive(Debug, Args)]
pub struct Backtest {
    /// The spec, or - for standard input
    spec: PathBuf,
    /// The history: CSV of timestamp and value, as CloudWatch exports it
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Only this alarm; again for more. Without it all alarms, which then have to watch one metric
    #[arg(long, value_name = "NAME")]
    alarm: Vec<String>,
    /// Put each row once, at its time, instead of in every period until the next row
    #[arg(long)]
    as_it_is: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Draw it as SVG too
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Write it as one HTML page too
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Firings of one alarm in the text.
const MOST_LISTED: usize = 10;

pub fn run(args: &Backtest) -> Result<Exit, Failure> {
    let Checked { good, problems, map, .. } = check(&args.spec)?;
    let mut wrong = Vec::new();
    let Some((_, stack)) = good else {
        wrong.push(refusal(problems, map).error.to_string());
        wrong.extend(read_history(&args.data, None).err().into_iter().flatten());
        return Err(Failure::new(Exit::Usage, Wrong(wrong)));
    };
    let alarms = choose(&stack, &args.alarm).map_err(|found| wrong.extend(found)).ok();
    let metric = alarms.as_ref().and_then(|alarms| alarms.first()).map(|alarm| alarm.metric_name.as_str());
    let data = read_history(&args.data, metric).map_err(|found| wrong.extend(found)).ok();
    let (Some(data), Some(alarms)) = (data, alarms) else { return Err(Failure::new(Exit::Usage, Wrong(wrong))) };
    let history =
        backtest(&stack, &alarms, &data.series, !args.as_it_is).map_err(|error| Failure::new(Exit::Usage, error))?;
    let report = Report {
        stack: &stack,
        name: args.data.display().to_string(),
        alarms: &alarms,
        data: &data,
        history: &history,
    };
    if let Some(path) = &args.svg {
        write_file(path, &svg_file(&report.picture()))?;
    }
    if let Some(path) = &args.html {
        write_file(path, &report.page().html())?;
    }
    match args.json {
        true => anstream::println!("{:#}", report.json()),
        false => anstream::print!("{}", report.text()),
    }
    Ok(Exit::Done)
}

/// Everything that is wrong with the flags and the data.
#[derive(Debug)]
struct Wrong(Vec<String>);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\nerror: "))
    }
}

impl std::error::Error for Wrong {}

/// `metric` is what the alarms watch, where that is known.
fn read_history(path: &Path, metric: Option<&str>) -> Result<csv::Parsed, Vec<String>> {
    let shown = path.display();
    let text = read_file(path).map_err(|why| vec![format!("cannot read `{shown}`: {why}")])?;
    csv::parse_metric(&text, metric.unwrap_or("the metric")).map_err(|problems| {
        problems.into_iter().map(|problem| format!("{shown}:{}: {}", problem.line, problem.fact)).collect()
    })
}

/// The alarms to run; they all watch the metric that the history is of.
fn choose<'a>(stack: &'a Stack, names: &[String]) -> Result<Vec<&'a Alarm>, Vec<String>> {
    let all = &stack.alerting.alarms;
    let keys = || all.iter().map(|alarm| alarm.key.as_str());
    let unknown: Vec<String> = names
        .iter()
        .filter(|name| !keys().any(|key| key == name.as_str()))
        .map(|name| {
            let otherwise = format!("There are {}.", keys().collect::<Vec<_>>().join(", "));
            format!("--alarm {name} is no alarm of the spec. {}", did_you_mean(name, keys(), &otherwise))
        })
        .collect();
    if !unknown.is_empty() {
        return Err(unknown);
    }
    let chosen: Vec<&Alarm> = all.iter().filter(|alarm| names.is_empty() || names.contains(&alarm.key)).collect();
    let Some(first) = chosen.first().map(|alarm| metric_key(alarm)) else {
        return Err(vec!["the spec has no alarms".to_owned()]);
    };
    match chosen.iter().find(|alarm| metric_key(alarm) != first) {
        None => Ok(chosen),
        Some(other) => {
            let same = chosen.iter().filter(|alarm| metric_key(alarm) == first);
            let flags: Vec<String> = same.map(|alarm| format!("--alarm {}", alarm.key)).collect();
            Err(vec![format!(
                "{} watches {}, and {} watches {}; one file is the history of one metric. Choose, such as {}",
                chosen[0].key,
                metric_name(&first),
                other.key,
                metric_name(&metric_key(other)),
                flags.join(" ")
            )])
        }
    }
}

fn metric_name(key: &MetricKey) -> String {
    format!("{} {}", key.namespace, key.name)
}

fn write_file(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error| Failure::new(Exit::Usage, format!("cannot write `{}`: {error}", path.display()));
    std::fs::write(path, text).map_err(failed)
}

struct Report<'a> {
    stack: &'a Stack,
    /// The data's name.
    name: String,
    alarms: &'a [&'a Alarm],
    data: &'a csv::Parsed,
    history: &'a History,
}

impl Report<'_> {
    fn series(&self) -> &Series {
        &self.data.series
    }

    /// `course on cpu.csv: 2014-05-14 01:14 to 2014-07-15 17:19, 18050 rows, usually 5m apart`.
    fn heading(&self) -> String {
        let (rows, step) = (self.series().points.len(), span_text(self.series().last_lasts));
        let (from, to) = (minute(self.history.start), minute(self.history.end));
        format!("{} on {}: {from} to {to} UTC, {rows} rows, usually {step} apart", self.stack.name, self.name)
    }

    fn text(&self) -> String {
        let mut text = format!("{}\n", self.heading());
        for remark in &self.data.remarks {
            let _ = writeln!(text, "  note: {remark}");
        }
        for alarm in &self.history.alarms {
            let _ = write!(text, "\n{}  {}\n  {}\n", alarm.alarm, self.how_often(alarm), alarm.rule);
            for firing in alarm.firings.iter().take(MOST_LISTED) {
                let _ = writeln!(text, "  {}", firing_text(firing));
            }
            let more = alarm.firings.len().saturating_sub(MOST_LISTED);
            if more > 0 {
                let _ = writeln!(text, "  and {more} more; --json has them all");
            }
        }
        let told: Vec<String> = self.history.notices.iter().map(|(topic, count)| format!("{topic} {count}")).collect();
        if !told.is_empty() {
            let _ = writeln!(text, "\nnotices from alarms: {}", told.join(", "));
        }
        text
    }

    /// `fired 12 times, 1.4 a week; 3h 12m in ALARM, 0.4 % of the time`.
    fn how_often(&self, alarm: &AlarmHistory) -> String {
        let whole = self.history.end.since(self.history.start).as_secs().max(1) as f64;
        let per_week = alarm.fired as f64 / (whole / 604_800.0);
        let mut text = match alarm.fired {
            0 => "never fired".to_owned(),
            1 => "fired once".to_owned(),
            // A rate from less than a week would be made up.
            times if whole < 604_800.0 => format!("fired {times} times"),
            times => format!("fired {times} times, {} a week", number(per_week)),
        };
        let part = |secs: u64| format!("{} ({} %)", lasted(secs), number(secs as f64 * 100.0 / whole));
        if alarm.fired > 0 {
            let _ = write!(text, "; {} in ALARM", part(alarm.secs_in_alarm));
        }
        // The minutes before the first evaluation are no gap.
        if alarm.secs_without_data > 600 {
            let _ = write!(text, "; {} without enough data", part(alarm.secs_without_data));
        }
        text
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "stack": self.stack.name,
            "data": self.name,
            "rows": self.series().points.len(),
            "step_secs": self.series().last_lasts.as_secs(),
            "remarks": self.data.remarks,
            "history": self.history,
        })
    }

    fn picture(&self) -> Picture {
        let metric = self.alarms.first().map(|alarm| alarm.metric_name.clone()).unwrap_or_default();
        let points = curve(self.series(), &metric);
        let title = format!("Alarms of {} on {}", self.stack.name, self.file_name());
        Picture::of_history(&title, &metric, self.alarms, points, &self.history.changes)
    }

    /// Without its folder: a picture that is shown to others says nothing about a machine.
    fn file_name(&self) -> String {
        Path::new(&self.name).file_name().map_or_else(|| self.name.clone(), |name| name.to_string_lossy().into_owned())
    }

    fn page(&self) -> Page {
        let picture = self.picture();
        let card = |alarm: &AlarmHistory| Card {
            label: alarm.alarm.clone(),
            value: match alarm.fired {
                0 => "never fired".to_owned(),
                1 => "fired once".to_owned(),
                times => format!("fired {times} times"),
            },
            note: if alarm.fired > 0 { format!("{} in ALARM", lasted(alarm.secs_in_alarm)) } else { String::new() },
            bad: false,
        };
        let mut events: Vec<(Timestamp, String)> = self
            .history
            .alarms
            .iter()
            .flat_map(|alarm| alarm.firings.iter().map(move |firing| (firing.at, event_text(alarm, firing))))
            .collect();
        events.sort();
        Page {
            title: picture.title.clone(),
            about: format!(
                "{} to {} UTC, {} rows, usually {} apart. Nothing is scaled here: the alarms only look.",
                minute(self.history.start),
                minute(self.history.end),
                self.series().points.len(),
                span_text(self.series().last_lasts)
            ),
            notes: self.data.remarks.clone(),
            cards: self.history.alarms.iter().map(card).collect(),
            picture,
            events,
            assumptions: self.history.alarms.iter().map(|alarm| format!("{}: {}", alarm.alarm, alarm.rule)).collect(),
            footer: format!("scaleproof {} · backtest", env!("CARGO_PKG_VERSION")),
        }
    }
}

fn event_text(alarm: &AlarmHistory, firing: &Firing) -> String {
    let ends = if firing.until.is_some() { "for" } else { "until the end," };
    format!("{} in ALARM {ends} {}. {}", alarm.alarm, lasted(firing.secs), firing.reason)
}

fn firing_text(firing: &Firing) -> String {
    let lasted = lasted(firing.secs);
    match firing.until {
        Some(_) => format!("{}  for {lasted}", minute(firing.at)),
        None => format!("{}  for {lasted}, until the end", minute(firing.at)),
    }
}

fn minute(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M")
}

/// `3h 12m`, `45m`, `2d 4h`: the two largest units.
fn lasted(secs: u64) -> String {
    let units = [(secs / 86_400, "d"), (secs / 3_600 % 24, "h"), (secs / 60 % 60, "m")];
    let from = units.iter().position(|(count, _)| *count > 0);
    let Some(from) = from else { return format!("{secs}s") };
    let two = units[from..].iter().take(2).filter(|(count, _)| *count > 0);
    two.map(|(count, unit)| format!("{count}{unit}")).collect::<Vec<_>>().join(" ")
}
