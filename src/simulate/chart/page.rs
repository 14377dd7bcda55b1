//! One HTML page that needs nothing else: no script, no font, no picture from anywhere. Start at [`Page`].

use std::fmt::Write as _;

use super::escape::escape;
use super::svg::{Width, inline_svg};
use super::{Picture, style};
use crate::clock::Timestamp;

/// Everything on a page.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    pub title: String,
    /// One sentence below the title.
    pub about: String,
    pub notes: Vec<String>,
    pub cards: Vec<Card>,
    pub picture: Picture,
    /// What happened, for whoever cannot or would rather not look at the picture.
    pub events: Vec<(Timestamp, String)>,
    pub assumptions: Vec<String>,
    /// How to make the same page again.
    pub footer: String,
}

/// A figure that matters.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    pub label: String,
    pub value: String,
    pub note: String,
    /// Whether it is a promise that was broken.
    pub bad: bool,
}

/// Rows of the table; a page is for looking at, `--json` has them all.
const MOST_EVENTS: usize = 500;

const PAGE: &str = "\
:root{color-scheme:light dark;--page:#f4f6f9;--card:#fff;--text:#1b2330;--soft:#5a6677;--edge:#e1e6ed;--bad:#cf2f49}
@media(prefers-color-scheme:dark){:root{--page:#0b0e13;--card:#12161d;--text:#e8ecf2;--soft:#9aa7b8;--edge:#262d38;--bad:#ff6b80}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);font:15px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Helvetica Neue\",\"Liberation Sans\",sans-serif}
main{max-width:1060px;margin:0 auto;padding:32px 20px 48px}
h1{font-size:26px;line-height:1.2;margin:0 0 6px;font-weight:680;letter-spacing:-.01em}
h2{font-size:16px;margin:32px 0 10px;font-weight:650}
.about,.note,footer{color:var(--soft)}.about{margin:0}.note{margin:6px 0 0;font-size:14px}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(148px,1fr));gap:12px;margin:22px 0}
.card,figure,.list{background:var(--card);border:1px solid var(--edge);border-radius:10px}
.card{padding:12px 14px}.card dt{color:var(--soft);font-size:13px}
.card dd{margin:2px 0 0;font-size:22px;font-weight:650;line-height:1.25;font-variant-numeric:tabular-nums}
.card .more{display:block;font-size:13px;font-weight:400;color:var(--soft);line-height:1.35;margin-top:2px}
.card.bad dd>b{color:var(--bad)}.card b{font-weight:inherit}
figure{margin:0;padding:14px 8px 10px}figure svg{display:block;width:100%;height:auto}
.phone{display:none}
.list{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:14px}
th,td{text-align:left;padding:7px 14px;border-top:1px solid var(--edge);vertical-align:top}
thead th{border-top:0;color:var(--soft);font-weight:500}td:first-child{white-space:nowrap;font-variant-numeric:tabular-nums;color:var(--soft)}
ul{margin:0;padding:12px 14px 12px 32px;font-size:14px}li{margin:3px 0}
footer{margin-top:28px;font-size:13px}
@media(max-width:640px){main{padding:20px 12px 32px}h1{font-size:22px}.desk{display:none}.phone{display:block}
.cards{grid-template-columns:1fr 1fr;gap:8px}.card{padding:10px 12px}.card dd{font-size:19px}figure{padding:10px 0 6px}
th,td{padding:6px 10px}}
@media print{body{background:#fff}.card,figure,.list{break-inside:avoid}}
";

impl Page {
    pub fn html(&self) -> String {
        let title = escape(&self.title);
        let mut html = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
             <style>\n{PAGE}{}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n<p class=\"about\">{}</p>\n",
            style::PICTURE,
            escape(&self.about)
        );
        for note in &self.notes {
            let _ = writeln!(html, "<p class=\"note\">Note: {}</p>", escape(note));
        }
        self.write_cards(&mut html);
        let _ = writeln!(html, "<figure class=\"desk\">\n{}</figure>", inline_svg(&self.picture, Width::Desk));
        let _ = writeln!(html, "<figure class=\"phone\">\n{}</figure>", inline_svg(&self.picture, Width::Phone));
        self.write_events(&mut html);
        if !self.assumptions.is_empty() {
            html.push_str("<h2>What this takes for granted</h2>\n<div class=\"list\"><ul>\n");
            for assumption in &self.assumptions {
                let _ = writeln!(html, "<li>{}</li>", escape(assumption));
            }
            html.push_str("</ul></div>\n");
        }
        let _ = write!(html, "<footer>{}</footer>\n</main>\n</body>\n</html>\n", escape(&self.footer));
        html
    }

    fn write_cards(&self, html: &mut String) {
        if self.cards.is_empty() {
            return;
        }
        html.push_str("<dl class=\"cards\">\n");
        for card in &self.cards {
            let class = if card.bad { "card bad" } else { "card" };
            let (label, value, note) = (escape(&card.label), escape(&card.value), escape(&card.note));
            let more = if note.is_empty() { String::new() } else { format!("<span class=\"more\">{note}</span>") };
            let _ = writeln!(html, "<div class=\"{class}\"><dt>{label}</dt><dd><b>{value}</b>{more}</dd></div>");
        }
        html.push_str("</dl>\n");
    }

    fn write_events(&self, html: &mut String) {
        if self.events.is_empty() {
            return;
        }
        html.push_str("<h2>What happened</h2>\n<div class=\"list\"><table>\n");
        html.push_str(
            "<thead><tr><th scope=\"col\">Time (UTC)</th><th scope=\"col\">Event</th></tr></thead>\n<tbody>\n",
        );
        for (at, what) in self.events.iter().take(MOST_EVENTS) {
            let at = at.format("%Y-%m-%d %H:%M:%S");
            let _ = writeln!(html, "<tr><td>{at}</td><td>{}</td></tr>", escape(what));
        }
        html.push_str("</tbody></table></div>\n");
        let more = self.events.len().saturating_sub(MOST_EVENTS);
        if more > 0 {
            let _ = writeln!(html, "<p class=\"note\">and {more} more; --json has the figures</p>");
        }
    }
}
