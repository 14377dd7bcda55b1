//! A sweep as a picture: price against minutes over the objective, with the points that nothing beats. Start at
//! [`Scatter`].

use std::fmt::Write as _;

use super::axis::{value_label, value_ticks};
use super::escape::escape;
use super::style;
use super::svg::{px, text_width};

/// One variant of a sweep.
#[derive(Debug, Clone, PartialEq)]
pub struct Dot {
    pub x: f64,
    pub y: f64,
    /// Launches and terminations: the larger, the larger the dot.
    pub churn: f64,
    pub label: String,
    /// Nothing is better in one figure and as good in the others.
    pub best: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Scatter {
    pub title: String,
    pub x_name: String,
    pub y_name: String,
    pub dots: Vec<Dot>,
}

const WIDTH: f64 = 960.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 32.0;
const TOP: f64 = 84.0;
const HEIGHT: f64 = 340.0;
/// Points with their values written beside them.
const MOST_LABELS: usize = 24;

impl Scatter {
    pub fn svg(&self) -> String {
        let title = escape(&self.title);
        let mut text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"sp\" viewBox=\"0 0 {} {}\" role=\"img\" \
             aria-labelledby=\"title text\">\n<title id=\"title\">{title}</title>\n<desc id=\"text\">{}</desc>\n\
             <style>\n{}</style>\n<rect class=\"ground\" width=\"100%\" height=\"100%\" rx=\"8\"/>\n\
             <text class=\"title\" x=\"16\" y=\"26\">{title}</text>\n",
            px(WIDTH),
            px(TOP + HEIGHT + 48.0),
            escape(&self.description()),
            style::PICTURE
        );
        self.legend(&mut text);
        self.axes(&mut text);
        self.front(&mut text);
        // The best on top of the others.
        for best in [false, true] {
            self.dots.iter().filter(|dot| dot.best == best).for_each(|dot| self.dot(&mut text, dot));
        }
        self.labels(&mut text);
        text.push_str("</svg>\n");
        text
    }

    fn description(&self) -> String {
        let best = self.best();
        let points: Vec<String> = best
            .iter()
            .map(|dot| {
                format!("{}: {} {}, {} {}", dot.label, value_label(dot.x), self.x_name, value_label(dot.y), self.y_name)
            })
            .collect();
        format!("{} variants, of which nothing beats {}. {}.", self.dots.len(), best.len(), points.join("; "))
    }

    fn best(&self) -> Vec<&Dot> {
        let mut best: Vec<&Dot> = self.dots.iter().filter(|dot| dot.best).collect();
        best.sort_by(|a, b| a.x.total_cmp(&b.x).then(b.y.total_cmp(&a.y)));
        best
    }

    fn legend(&self, text: &mut String) {
        let mut x = 16.0;
        for (class, label) in [
            ("dot best", "nothing beats it"),
            ("dot", "another is better"),
            ("", "larger: more launches and terminations"),
        ] {
            if !class.is_empty() {
                let _ = write!(text, "<circle class=\"{class}\" cx=\"{}\" cy=\"48\" r=\"5\"/>", px(x + 5.0));
                x += 15.0;
            }
            let _ = writeln!(text, "<text x=\"{}\" y=\"52\">{label}</text>", px(x));
            x += text_width(label, 12.0) + 18.0;
        }
        let name = escape(&self.y_name);
        let _ = writeln!(text, "<text class=\"name\" x=\"16\" y=\"{}\">{name}</text>", px(TOP - 10.0));
    }

    fn axes(&self, text: &mut String) {
        let bottom = TOP + HEIGHT;
        for tick in value_ticks(self.top(), 5, false) {
            let y = px(self.y(tick));
            let class = if tick == 0.0 { "base" } else { "grid" };
            let _ = writeln!(text, "<path class=\"{class}\" d=\"M{} {y}H{}\"/>", px(LEFT), px(WIDTH - RIGHT));
            let (x, text_y) = (px(LEFT - 8.0), px(self.y(tick) + 4.0));
            let _ = writeln!(text, "<text class=\"end num\" x=\"{x}\" y=\"{text_y}\">{}</text>", value_label(tick));
        }
        let (first, last) = self.range();
        let step = value_ticks(last - first, 6, false).get(1).copied().unwrap_or(1.0);
        let mut number = (first / step - 1e-9).ceil();
        while number * step <= last * (1.0 + 1e-9) {
            let x = px(self.x(number * step));
            let _ = writeln!(text, "<path class=\"grid\" d=\"M{x} {}V{}\"/>", px(TOP), px(bottom));
            let label = value_label(number * step);
            let _ = writeln!(text, "<text class=\"mid num\" x=\"{x}\" y=\"{}\">{label}</text>", px(bottom + 17.0));
            number += 1.0;
        }
        let (x, y) = (px(WIDTH - RIGHT), px(bottom + 37.0));
        let _ = writeln!(text, "<text class=\"name end\" x=\"{x}\" y=\"{y}\">{}</text>", escape(&self.x_name));
    }

    /// From best to best, as steps: between two of them the better one is what can be had for that price.
    fn front(&self, text: &mut String) {
        let mut path = String::new();
        let mut least = f64::INFINITY;
        for dot in self.best() {
            // Points that only less churn keeps on the front are not on this line.
            if dot.y >= least {
                continue;
            }
            least = dot.y;
            let (x, y) = (px(self.x(dot.x)), px(self.y(dot.y)));
            let _ = if path.is_empty() { write!(path, "M{x} {y}") } else { write!(path, "H{x}V{y}") };
        }
        let _ = writeln!(text, "<path class=\"front\" d=\"{path}\"/>");
    }

    fn dot(&self, text: &mut String, dot: &Dot) {
        let most = self.dots.iter().map(|dot| dot.churn).fold(1.0, f64::max);
        let radius = 4.0 + 5.0 * (dot.churn / most).max(0.0).sqrt();
        let class = if dot.best { "dot best" } else { "dot" };
        let title = format!(
            "{}: {} {}, {} {}, {} launches and terminations",
            dot.label,
            value_label(dot.x),
            self.x_name,
            value_label(dot.y),
            self.y_name,
            value_label(dot.churn)
        );
        let _ = writeln!(
            text,
            "<circle class=\"{class}\" cx=\"{}\" cy=\"{}\" r=\"{}\"><title>{}</title></circle>",
            px(self.x(dot.x)),
            px(self.y(dot.y)),
            px(radius),
            escape(&title)
        );
    }

    /// Beside the best points, where there is room: a label that would lie on another is left to the point's title.
    fn labels(&self, text: &mut String) {
        let mut taken: Vec<(f64, f64, f64)> = Vec::new();
        for dot in self.best().into_iter().take(MOST_LABELS) {
            let width = text_width(&dot.label, 12.0);
            let right = self.x(dot.x) + 13.0;
            let x = if right + width > WIDTH - 8.0 { self.x(dot.x) - 13.0 - width } else { right };
            // Above the highest point stands the axis's name.
            let y = if self.y(dot.y) < TOP + 16.0 { self.y(dot.y) + 17.0 } else { self.y(dot.y) - 7.0 };
            let overlaps =
                |(ox, oy, ow): &(f64, f64, f64)| (y - oy).abs() < 14.0 && x < ox + ow + 6.0 && *ox < x + width + 6.0;
            if taken.iter().any(overlaps) {
                continue;
            }
            taken.push((x, y, width));
            let _ =
                writeln!(text, "<text class=\"best\" x=\"{}\" y=\"{}\">{}</text>", px(x), px(y), escape(&dot.label));
        }
    }

    /// At least one, so that an axis of noughts has two ends.
    fn top(&self) -> f64 {
        self.dots.iter().map(|dot| dot.y).fold(1.0, f64::max)
    }

    /// Prices do not begin at zero: what differs would be lost.
    fn range(&self) -> (f64, f64) {
        let least = self.dots.iter().map(|dot| dot.x).fold(f64::INFINITY, f64::min);
        let most = self.dots.iter().map(|dot| dot.x).fold(f64::NEG_INFINITY, f64::max);
        if !(least.is_finite() && most.is_finite()) {
            return (0.0, 1.0);
        }
        let room = ((most - least) * 0.06).max(most.abs() * 0.01).max(1e-6);
        ((least - room).max(0.0), most + room)
    }

    fn x(&self, value: f64) -> f64 {
        let (first, last) = self.range();
        LEFT + (value - first) / (last - first) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        let top = value_ticks(self.top(), 5, false).last().copied().unwrap_or(1.0);
        TOP + HEIGHT - value / top * HEIGHT
    }
}
