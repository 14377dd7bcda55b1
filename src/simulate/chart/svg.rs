//! A picture as SVG. Start at [`svg_file`] and [`inline_svg`].
//!
//! Many values are put into one column of pixels as their mean with the range around it, so that the size of a drawing
//! depends on its width and not on how long the simulation was.

use std::fmt::Write as _;

use super::axis::{time_ticks, value_label, value_ticks};
use super::escape::escape;
use super::{Band, BandRow, Curve, Lines, Look, MarkRow, Panel, Picture, Tone, style};
use crate::clock::Timestamp;
use crate::engine::alarms::AlarmState;

/// For whom it is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    Desk,
    Phone,
}

/// Sizes in pixels at the size that a picture is made for.
struct Layout {
    width: f64,
    left: f64,
    right: f64,
    ticks: usize,
    phone: bool,
}

impl Layout {
    fn of(width: Width) -> Self {
        match width {
            Width::Desk => Self { width: 960.0, left: 92.0, right: 118.0, ticks: 9, phone: false },
            Width::Phone => Self { width: 390.0, left: 40.0, right: 14.0, ticks: 4, phone: true },
        }
    }

    fn plot(&self) -> f64 {
        self.width - self.left - self.right
    }
}

const ROW: f64 = 22.0;
const BAND: f64 = 12.0;
const PANEL_GAP: f64 = 22.0;
const HEADING: f64 = 24.0;

/// A file of its own.
pub fn svg_file(picture: &Picture) -> String {
    Drawing::new(picture, Width::Desk, true).finish()
}

/// For a page that has the style already.
pub fn inline_svg(picture: &Picture, width: Width) -> String {
    Drawing::new(picture, width, false).finish()
}

struct Drawing<'a> {
    picture: &'a Picture,
    layout: Layout,
    width: Width,
    own_style: bool,
    body: String,
    y: f64,
}

impl<'a> Drawing<'a> {
    fn new(picture: &'a Picture, width: Width, own_style: bool) -> Self {
        Self { picture, layout: Layout::of(width), width, own_style, body: String::new(), y: 0.0 }
    }

    fn finish(mut self) -> String {
        self.y = if self.own_style { 40.0 } else { 8.0 };
        let top = self.y;
        for (number, panel) in self.picture.panels.iter().enumerate() {
            self.y += if number > 0 { PANEL_GAP } else { 0.0 };
            match panel {
                Panel::Lines(lines) => self.lines(lines),
                Panel::Bands { name, rows } => self.bands(name, rows),
                Panel::Marks { name, rows } => self.marks(name, rows),
            }
        }
        let bottom = self.y + 6.0;
        let grid = self.time_axis(top, bottom);
        let (width, height) = (self.layout.width, bottom + 26.0);
        let title = escape(&self.picture.title);
        let id = match (self.own_style, self.width) {
            (true, _) => "file",
            (false, Width::Desk) => "desk",
            (false, Width::Phone) => "phone",
        };
        let mut text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"sp\" viewBox=\"0 0 {} {}\" role=\"img\" \
             aria-labelledby=\"{id}-title {id}-text\">\n<title id=\"{id}-title\">{title}</title>\n\
             <desc id=\"{id}-text\">{}</desc>\n",
            px(width),
            px(height),
            escape(&self.picture.description)
        );
        if self.own_style {
            let _ = writeln!(text, "<style>\n{}</style>", style::PICTURE);
            let _ = writeln!(text, "<rect class=\"ground\" width=\"100%\" height=\"100%\" rx=\"8\"/>");
            let _ = writeln!(text, "<text class=\"title\" x=\"16\" y=\"26\">{title}</text>");
        }
        text.push_str(&grid);
        text.push_str(&self.body);
        text.push_str("</svg>\n");
        text
    }

    fn x(&self, at: Timestamp) -> f64 {
        let whole = (self.picture.end.as_millis() - self.picture.start.as_millis()).max(1) as f64;
        let part = (at.as_millis() - self.picture.start.as_millis()) as f64 / whole;
        self.layout.left + part.clamp(0.0, 1.0) * self.layout.plot()
    }

    fn time_axis(&self, top: f64, bottom: f64) -> String {
        let mut text = String::new();
        for (at, label) in time_ticks(self.picture.start, self.picture.end, self.layout.ticks) {
            let x = self.x(at);
            let _ = writeln!(text, "<path class=\"grid\" d=\"M{} {}V{}\"/>", px(x), px(top + HEADING), px(bottom));
            // At the edge there is no room on both sides.
            let class = if x + 18.0 > self.layout.width { "end num" } else { "mid num" };
            let x = if class == "end num" { self.layout.width - 4.0 } else { x };
            let _ =
                writeln!(text, "<text class=\"{class}\" x=\"{}\" y=\"{}\">{label}</text>", px(x), px(bottom + 16.0));
        }
        text
    }

    /// The name of a panel, and what its colours mean.
    fn heading(&mut self, name: &str, unit: &str, legend: &[(String, &str)]) {
        let y = self.y + 11.0;
        let _ =
            write!(self.body, "<text class=\"name\" x=\"{}\" y=\"{}\">{}", px(self.heading_x()), px(y), escape(name));
        let _ = writeln!(self.body, "</text>");
        // Names are bold.
        let mut x = self.heading_x() + text_width(name, 14.5) + 12.0;
        if !unit.is_empty() {
            let _ = writeln!(self.body, "<text x=\"{}\" y=\"{}\">{}</text>", px(x), px(y), escape(unit));
            x += text_width(unit, 12.0) + 16.0;
        }
        for (label, class) in legend {
            let _ = writeln!(
                self.body,
                "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"10\" height=\"10\" rx=\"2\"/>\
                 <text x=\"{}\" y=\"{}\">{}</text>",
                px(x),
                px(y - 9.0),
                px(x + 15.0),
                px(y),
                escape(label)
            );
            x += 15.0 + text_width(label, 12.0) + 16.0;
        }
        self.y += HEADING;
    }

    fn heading_x(&self) -> f64 {
        if self.layout.phone { 8.0 } else { 16.0 }
    }

    // ---- lines -----------------------------------------------------------------------------------------------------

    fn lines(&mut self, lines: &Lines) {
        let legend: Vec<(String, &str)> = match lines.curves.as_slice() {
            [_] => Vec::new(),
            many => many.iter().map(|curve| (curve.name.clone(), legend_class(curve.look))).collect(),
        };
        self.heading(&lines.name, &lines.unit, &legend);
        let (top_y, height) = (self.y, lines.height);
        let most = lines.curves.iter().flat_map(|curve| &curve.points).map(|point| point.1).fold(0.0, f64::max);
        let limits = lines.limits.iter().map(|limit| limit.value).fold(0.0, f64::max);
        let ticks = value_ticks(lines.top.unwrap_or(most.max(limits)), tick_count(lines), lines.whole);
        let top = lines.top.map_or(ticks.last().copied().unwrap_or(1.0), |top| top.max(most).max(limits));
        let scale = Scale { y: top_y, height, top };
        for tick in ticks.iter().filter(|tick| **tick <= top * 1.0001) {
            let y = px(scale.y_of(*tick));
            let class = if *tick == 0.0 { "base" } else { "grid" };
            let (left, right) = (self.layout.left, self.layout.left + self.layout.plot());
            let _ = writeln!(self.body, "<path class=\"{class}\" d=\"M{} {y}H{}\"/>", px(left), px(right));
            let (x, text_y) = (px(left - 8.0), px(scale.y_of(*tick) + 4.0));
            let _ =
                writeln!(self.body, "<text class=\"end num\" x=\"{x}\" y=\"{text_y}\">{}</text>", value_label(*tick));
        }
        for curve in &lines.curves {
            self.curve(curve, &scale);
        }
        self.limits(lines, &scale);
        self.y += height;
    }

    fn limits(&mut self, lines: &Lines, scale: &Scale) {
        let right = self.layout.left + self.layout.plot();
        let mut labels: Vec<(f64, &str)> = Vec::new();
        for limit in &lines.limits {
            let y = scale.y_of(limit.value);
            let _ =
                writeln!(self.body, "<path class=\"limit\" d=\"M{} {}H{}\"/>", px(self.layout.left), px(y), px(right));
            labels.push((y, &limit.label));
        }
        // From the top down, each at least a line below the one before.
        labels.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut free = f64::NEG_INFINITY;
        for (y, label) in labels {
            let (x, y, class) = match self.layout.phone {
                true => (right - 2.0, (y - 4.0).max(free), "limit-label end"),
                false => (right + 7.0, (y + 4.0).max(free), "limit-label"),
            };
            free = y + 12.5;
            let (x, y, label) = (px(x), px(y), escape(label));
            let _ = writeln!(self.body, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{label}</text>");
        }
    }

    fn curve(&mut self, curve: &Curve, scale: &Scale) {
        let class = curve.look.class();
        for run in self.columns(curve) {
            let path = if curve.look.steps() { step_path(&run, scale) } else { mean_path(&run, scale) };
            let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
            if curve.look.has_area() {
                let base = px(scale.y_of(0.0));
                let area = format!("{path}V{base}H{}Z", px(first.x));
                let _ = writeln!(self.body, "<path class=\"fill area {class}\" d=\"{area}\"/>");
            }
            if !curve.look.steps() && run.iter().any(|column| column.most - column.least > scale.top * 0.004) {
                let _ = writeln!(self.body, "<path class=\"fill spread {class}\" d=\"{}\"/>", spread_path(&run, scale));
            }
            if curve.look.has_line() {
                let _ = writeln!(self.body, "<path class=\"line {class}\" d=\"{path}\"/>");
            }
            // A value that stands alone would be a line without length.
            if last.end - first.x < 1.5 && curve.look.has_line() {
                let (x, y) = (px(first.x), px(scale.y_of(first.mean)));
                let _ = writeln!(self.body, "<circle class=\"fill {class}\" cx=\"{x}\" cy=\"{y}\" r=\"1.5\"/>");
            }
        }
    }

    /// A curve by columns of pixels, in runs without a gap.
    fn columns(&self, curve: &Curve) -> Vec<Vec<Column>> {
        let mut runs: Vec<Vec<Column>> = Vec::new();
        let mut expected = None;
        for (at, value) in &curve.points {
            let (x, end) = (self.x(*at), self.x(*at + curve.step));
            let gap = expected.is_none_or(|expected: Timestamp| *at > expected + curve.step / 2);
            expected = Some(*at + curve.step);
            let run = match runs.last_mut() {
                Some(run) if !gap => run,
                _ => {
                    runs.push(Vec::new());
                    let Some(run) = runs.last_mut() else { continue };
                    run
                }
            };
            match run.last_mut() {
                Some(column) if x - column.x < 1.0 => column.add(*value, end),
                _ => run.push(Column::new(x, end, *value)),
            }
        }
        runs
    }

    // ---- rows ------------------------------------------------------------------------------------------------------

    fn row_name(&mut self, name: &str, note: &str) {
        let y = self.y + 12.5;
        let name = escape(name);
        if self.layout.phone {
            let _ =
                writeln!(self.body, "<text class=\"row\" x=\"{}\" y=\"{}\">{name}</text>", px(self.layout.left), px(y));
            let x = px(self.layout.width - self.layout.right);
            let _ = writeln!(self.body, "<text class=\"end num\" x=\"{x}\" y=\"{}\">{note}</text>", px(y));
            self.y += 17.0;
        } else {
            let x = px(self.layout.left - 8.0);
            let _ = writeln!(self.body, "<text class=\"row end\" x=\"{x}\" y=\"{}\">{name}</text>", px(y));
            let x = px(self.layout.left + self.layout.plot() + 7.0);
            let _ = writeln!(self.body, "<text class=\"num\" x=\"{x}\" y=\"{}\">{note}</text>", px(y));
        }
    }

    fn bands(&mut self, name: &str, rows: &[BandRow]) {
        if rows.is_empty() {
            return;
        }
        let legend = [("ALARM".to_owned(), "band-alarm"), ("no data".to_owned(), "band-none")];
        self.heading(name, "", &legend);
        for row in rows {
            let note = match row.fired {
                0 => "never fired".to_owned(),
                1 => "fired once".to_owned(),
                times => format!("fired {times} times"),
            };
            self.row_name(&row.name, &note);
            let (x, y, width) = (self.layout.left, self.y + 2.0, self.layout.plot());
            let _ = writeln!(
                self.body,
                "<rect class=\"track\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{BAND}\" rx=\"3\"/>",
                px(x),
                px(y),
                px(width)
            );
            for (x, end, alarm, title) in self.merged(&row.bands) {
                let class = if alarm { "band-alarm" } else { "band-none" };
                let width = px((end - x).max(1.5));
                let _ = write!(
                    self.body,
                    "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{width}\" height=\"{BAND}\" rx=\"2\">",
                    px(x),
                    px(y)
                );
                let _ = writeln!(self.body, "<title>{title}</title></rect>");
            }
            self.y += ROW;
        }
        self.y -= ROW - BAND - 2.0;
    }

    /// Bands that are no column apart are one, so that a year of them stays small. OK is the ground that they lie on.
    fn merged(&self, bands: &[Band]) -> Vec<(f64, f64, bool, String)> {
        let mut merged: Vec<(f64, f64, bool, String)> = Vec::new();
        for band in bands.iter().filter(|band| band.state != AlarmState::Ok) {
            let (x, end, alarm) = (self.x(band.from), self.x(band.to), band.state == AlarmState::Alarm);
            if let Some(last) = merged.iter_mut().rev().find(|last| last.2 == alarm).filter(|last| x - last.1 < 1.0) {
                last.1 = end;
                last.3 = "several times".to_owned();
                continue;
            }
            let word = if alarm { "ALARM" } else { "no data" };
            merged.push((x, end, alarm, format!("{word} from {} to {}", band.from.iso_secs(), band.to.iso_secs())));
        }
        merged
    }

    fn marks(&mut self, name: &str, rows: &[MarkRow]) {
        let mut tones: Vec<Tone> = rows.iter().flat_map(|row| &row.marks).map(|mark| mark.tone).collect();
        tones.sort();
        tones.dedup();
        let legend: Vec<(String, &str)> = tones.iter().map(|tone| (tone.word().to_owned(), tone.class())).collect();
        self.heading(name, "", &legend);
        for row in rows {
            let note = match row.marks.len() {
                0 => "none".to_owned(),
                1 => "1 notice".to_owned(),
                many => format!("{many} notices"),
            };
            self.row_name(&row.name, &note);
            let (left, right) = (px(self.layout.left), px(self.layout.left + self.layout.plot()));
            let y = self.y + 8.0;
            let _ = writeln!(self.body, "<path class=\"base\" d=\"M{left} {}H{right}\"/>", px(y));
            let mut last: Option<(f64, Tone)> = None;
            for mark in &row.marks {
                let x = self.x(mark.at);
                // Notices on one spot would hide each other; the count at the end of the row has them all.
                if last.is_some_and(|(before, tone)| tone == mark.tone && x - before < 2.0) {
                    continue;
                }
                last = Some((x, mark.tone));
                let class = mark.tone.class();
                let title = escape(&format!("{} {}", mark.at.iso_secs(), mark.text));
                let _ = writeln!(
                    self.body,
                    "<circle class=\"{class}\" cx=\"{}\" cy=\"{}\" r=\"3.5\"><title>{title}</title></circle>",
                    px(x),
                    px(y)
                );
            }
            self.y += ROW;
        }
        self.y -= ROW - BAND - 2.0;
    }
}

/// Where values lie in a panel.
struct Scale {
    y: f64,
    height: f64,
    top: f64,
}

impl Scale {
    fn y_of(&self, value: f64) -> f64 {
        self.y + self.height - (value / self.top).clamp(0.0, 1.0) * self.height
    }
}

/// The values of one column of pixels.
#[derive(Debug, Clone, Copy)]
struct Column {
    x: f64,
    end: f64,
    least: f64,
    most: f64,
    mean: f64,
    count: f64,
    last: f64,
}

impl Column {
    fn new(x: f64, end: f64, value: f64) -> Self {
        Self { x, end, least: value, most: value, mean: value, count: 1.0, last: value }
    }

    fn add(&mut self, value: f64, end: f64) {
        self.count += 1.0;
        self.mean += (value - self.mean) / self.count;
        self.least = self.least.min(value);
        self.most = self.most.max(value);
        self.last = value;
        self.end = end;
    }
}

fn mean_path(run: &[Column], scale: &Scale) -> String {
    let mut path = String::new();
    for (number, column) in run.iter().enumerate() {
        let command = if number == 0 { 'M' } else { 'L' };
        let _ = write!(path, "{command}{} {}", px(column.x), px(scale.y_of(column.mean)));
    }
    if let Some(last) = run.last() {
        let _ = write!(path, "H{}", px(last.end));
    }
    path
}

fn spread_path(run: &[Column], scale: &Scale) -> String {
    let mut path = String::new();
    for (number, column) in run.iter().enumerate() {
        let command = if number == 0 { 'M' } else { 'L' };
        let _ = write!(path, "{command}{} {}", px(column.x), px(scale.y_of(column.most)));
    }
    for column in run.iter().rev() {
        let _ = write!(path, "L{} {}", px(column.x), px(scale.y_of(column.least)));
    }
    path.push('Z');
    path
}

/// Steps; what went up and down again within a column is a stroke there.
fn step_path(run: &[Column], scale: &Scale) -> String {
    let mut path = String::new();
    let mut y = String::new();
    for (number, column) in run.iter().enumerate() {
        if number == 0 {
            y = px(scale.y_of(column.least));
            let _ = write!(path, "M{} {y}", px(column.x));
        }
        let turns = [column.least, column.most, column.last].map(|value| px(scale.y_of(value)));
        if turns.iter().all(|turn| *turn == y) {
            continue;
        }
        let _ = write!(path, "H{}", px(column.x));
        for turn in turns {
            if turn != y {
                let _ = write!(path, "V{turn}");
                y = turn;
            }
        }
    }
    if let Some(last) = run.last() {
        let _ = write!(path, "H{}", px(last.end));
    }
    path
}

fn tick_count(lines: &Lines) -> usize {
    match lines.height {
        _ if lines.whole => 4,
        height if height < 70.0 => 2,
        height if height < 120.0 => 3,
        _ => 4,
    }
}

fn legend_class(look: Look) -> &'static str {
    match look {
        Look::Load => "fill load",
        Look::Cpu => "fill cpu",
        Look::Credits => "fill credits",
        Look::Wanted => "fill wanted",
        Look::Serving => "fill serving",
    }
}

/// About how wide a text is; fonts differ, so with some room.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * size * 0.56
}

/// A number of pixels: one decimal, none if it is zero.
pub(super) fn px(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), |whole| if whole == "-0" { "0".into() } else { whole.into() })
}
