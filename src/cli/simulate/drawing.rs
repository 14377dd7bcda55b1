//! What `simulate` draws: a run as SVG or as a page, a sweep as SVG. Start at [`write()`].

use std::path::Path;

use super::inputs::Inputs;
use super::sweep::Point;
use super::{Outcome, Outcomes, Simulate};
use crate::cli::{Exit, Failure};
use crate::clock::Timestamp;
use crate::expect::text::{event_text, number};
use crate::simulate::chart::Picture;
use crate::simulate::chart::page::{Card, Page};
use crate::simulate::chart::scatter::{Dot, Scatter};
use crate::simulate::chart::svg::svg_file;
use crate::simulate::record::Record;
use crate::simulate::summary::Summary;

/// Writes the files that were asked for.
///
/// # Errors
/// Exit 2 when one cannot be written.
pub fn write(args: &Simulate, inputs: &Inputs, outcome: &Outcome) -> Result<(), Failure> {
    if args.svg.is_none() && args.html.is_none() {
        return Ok(());
    }
    if let Outcomes::Points(points) = &outcome.result {
        return args.svg.iter().try_for_each(|path| write_file(path, &scatter(outcome, points).svg()));
    }
    // Summaries keep no minutes, so the run that is drawn is run again; the same seed makes it the same.
    let Some(seed) = inputs.seeds.first() else { return Ok(()) };
    let mut record = Record::default();
    let summary =
        inputs.job(&inputs.stack, *seed).run(&mut record).map_err(|error| Failure::new(Exit::Usage, error))?;
    let title = format!("{} under {}", outcome.stack, shown_load(&outcome.load));
    let picture = Picture::of_record(&title, &inputs.stack, &record, inputs.stack.slo);
    if let Some(path) = &args.svg {
        write_file(path, &svg_file(&picture))?;
    }
    match &args.html {
        Some(path) => write_file(path, &page(inputs, outcome, &summary, &record, picture).html()),
        None => Ok(()),
    }
}

/// A file's load without its folder: a picture that is shown to others says nothing about a machine.
fn shown_load(load: &str) -> String {
    load.rsplit('/').next().unwrap_or(load).to_owned()
}

fn write_file(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error| Failure::new(Exit::Usage, format!("cannot write `{}`: {error}", path.display()));
    std::fs::write(path, text).map_err(failed)
}

fn page(inputs: &Inputs, outcome: &Outcome, summary: &Summary, record: &Record, picture: Picture) -> Page {
    let told = record.events.iter().filter_map(|event| Some((event.at, event_text(&event.what)?)));
    let events: Vec<(Timestamp, String)> = told.collect();
    Page {
        title: picture.title.clone(),
        about: format!("{} to {}, seed {}.", outcome.start, outcome.end, summary.seed),
        notes: inputs.remarks.clone(),
        cards: cards(summary),
        picture,
        events,
        assumptions: outcome.assumptions.clone(),
        footer: format!("scaleproof {} · seed {}", outcome.version, summary.seed),
    }
}

fn cards(summary: &Summary) -> Vec<Card> {
    let card = |label: &str, value: String, note: String| Card { label: label.into(), value, note, bad: false };
    let fired: u64 = summary.alarms.iter().map(|alarm| alarm.fired).sum();
    let objective = &summary.objective;
    let mut cards = vec![
        Card {
            label: "Minutes over the objective".into(),
            value: objective.minutes_over.to_string(),
            note: format!("of {}; {} allowed", objective.minutes, objective.allowed),
            bad: !objective.met,
        },
        card("Alarms fired", fired.to_string(), String::new()),
        card(
            "Machines launched",
            summary.group.launches.to_string(),
            format!("{} terminated, {} wanted at most", summary.group.terminations, summary.group.most_desired),
        ),
        card("Instance-hours", number(summary.cost.instance_hours), String::new()),
    ];
    let price = summary.cost.total.map(|total| card("Price", format!("${total:.2}"), "US dollars".into()));
    let credits = summary.credits.as_ref().map(|credits| {
        card(
            "Lowest credit balance",
            number(credits.lowest),
            format!("{} minutes held to the baseline", credits.held_minutes),
        )
    });
    cards.extend(price.into_iter().chain(credits));
    cards
}

/// By price, or by instance-hours where not every price is known.
fn scatter(outcome: &Outcome, points: &[Point]) -> Scatter {
    let priced = points.iter().all(|point| point.price.is_some());
    let dot = |point: &Point| Dot {
        x: point.price.filter(|_| priced).unwrap_or(point.instance_hours),
        y: point.minutes_over,
        churn: point.churn,
        label: label(point, points),
        best: point.unbeaten,
    };
    let names = points.first().map(|point| point.values.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>());
    Scatter {
        title: format!(
            "{} under {}, by {}",
            outcome.stack,
            shown_load(&outcome.load),
            names.unwrap_or_default().join(", ")
        ),
        x_name: if priced { "US dollars".into() } else { "instance-hours".into() },
        y_name: "minutes over the objective".into(),
        dots: points.iter().filter(|point| !point.as_before).map(dot).collect(),
    }
}

/// Variants that one dot stands for are written out so far; the rest is counted.
const MOST_EQUAL: usize = 3;

/// The values of a point, and of all that came to the same figures: they lie on one dot.
fn label(point: &Point, points: &[Point]) -> String {
    let values = |point: &Point| point.values.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(", ");
    let same: Vec<String> = points.iter().filter(|other| other.figures() == point.figures()).map(values).collect();
    let more = same.len().saturating_sub(MOST_EQUAL);
    let shown = same.iter().take(MOST_EQUAL).cloned().collect::<Vec<_>>().join(" = ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}
