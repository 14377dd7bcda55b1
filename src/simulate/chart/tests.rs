//! What is drawn, from the course stack.

use super::page::Page;
use super::scatter::{Dot, Scatter};
use super::svg::{Width, inline_svg, svg_file};
use super::*;
use crate::simulate::load::Plan;
use crate::simulate::many::Job;
use crate::simulate::tests::course;
use crate::spec::shape::Shape;
use crate::spec::values::Text;

fn record(shape: &str, hours: u64) -> Record {
    let (stack, plan) = (course(), Plan::Shape(Shape::parse(shape).expect("a shape")));
    let start = Timestamp::parse("2026-01-05T00:00:00Z").expect("a time");
    let mut record = Record::default();
    let length = Duration::from_secs(3_600 * hours);
    Job { stack: &stack, plan: &plan, start, length, seed: 1 }.run(&mut record).expect("a run");
    record
}

fn picture() -> Picture {
    Picture::of_record("course", &course(), &record("spike 20..170% at 1h for 2h", 6), None)
}

fn page(picture: Picture) -> Page {
    Page {
        title: "a <b> & \"c\"".into(),
        about: "about".into(),
        notes: vec!["1 < 2".into()],
        cards: Vec::new(),
        picture,
        events: vec![(Timestamp::from_secs(0), "<script>alert(1)</script>".into())],
        assumptions: vec!["none".into()],
        footer: "footer".into(),
    }
}

/// Every element is closed, every attribute is quoted: an XML reader takes it.
fn check_well_formed(text: &str) {
    let mut reader = quick_xml::Reader::from_str(text);
    loop {
        match reader.read_event() {
            Ok(quick_xml::events::Event::Eof) => break,
            Ok(quick_xml::events::Event::Start(tag) | quick_xml::events::Event::Empty(tag)) => {
                tag.attributes().for_each(|attribute| drop(attribute.expect("a quoted attribute")));
            }
            Ok(_) => {}
            Err(error) => panic!("{error} at {}", reader.error_position()),
        }
    }
}

#[test]
fn the_same_run_is_drawn_with_the_same_bytes() {
    let (once, again) = (picture(), picture());
    assert_eq!(svg_file(&once), svg_file(&again));
    assert_eq!(page(once).html(), page(again).html());
}

#[test]
fn a_picture_says_in_words_what_it_shows() {
    let svg = svg_file(&picture());
    check_well_formed(&svg);
    for part in ["role=\"img\"", "cpu-high fired 1 times", "prefers-color-scheme:dark", "cpu-high ≥ 50", "max_size 3"]
    {
        assert!(svg.contains(part), "{part}");
    }
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "every number is one");
}

#[test]
fn pages_need_nothing_from_outside_and_run_no_script() {
    let html = page(picture()).html();
    let svg_namespace = "http://www.w3.org/2000/svg";
    let outside = html.replace(svg_namespace, "");
    for forbidden in ["http://", "https://", "<script", "<link", "@import", "url(", "src="] {
        assert!(!outside.contains(forbidden), "{forbidden}");
    }
    assert!(html.contains("a &lt;b&gt; &amp; &quot;c&quot;"));
    assert!(html.contains("name=\"viewport\""));
}

/// The size of a drawing follows its width, not the length of the simulation.
#[test]
fn a_month_is_no_larger_than_a_screen() {
    let month = Picture::of_record("course", &course(), &record("sine 10..140% over 1d", 720), None);
    for width in [Width::Desk, Width::Phone] {
        let size = inline_svg(&month, width).len();
        assert!(size < 400_000, "{size} bytes");
    }
}

#[test]
fn nothing_at_all_is_drawn_too() {
    let empty = Picture::of_record("course", &course(), &Record::default(), None);
    check_well_formed(&svg_file(&empty));
    let none = Scatter { title: "none".into(), x_name: "price".into(), y_name: "minutes".into(), dots: Vec::new() };
    check_well_formed(&none.svg());
}

#[test]
fn a_sweep_names_what_nothing_beats() {
    let dot = |x: f64, y: f64, best| Dot { x, y, churn: x * 10.0, label: format!("threshold={x}"), best };
    let dots = vec![dot(1.0, 50.0, true), dot(2.0, 10.0, true), dot(3.0, 60.0, false), dot(4.0, 0.0, true)];
    let scatter = Scatter { title: "sweep".into(), x_name: "US dollars".into(), y_name: "minutes over".into(), dots };
    let svg = scatter.svg();
    check_well_formed(&svg);
    assert!(svg.contains("4 variants, of which nothing beats 3"));
    assert_eq!(svg.matches("class=\"dot best\"").count(), 3 + 1, "one more stands in the legend");
    assert!(!svg.contains("NaN"));
    assert_eq!(svg, scatter.svg());
}

/// The name of the axis stands above the highest point; its label goes below it.
#[test]
fn a_label_at_the_top_does_not_lie_on_the_axis_name() {
    let dot = Dot { x: 1.0, y: 10.0, churn: 1.0, label: "at the top".into(), best: true };
    let scatter = Scatter { title: "s".into(), x_name: "x".into(), y_name: "y".into(), dots: vec![dot] };
    let svg = scatter.svg();
    let y_of = |mark: &str| {
        let line = svg.lines().find(|line| line.contains(mark)).expect(mark);
        let (_, rest) = line.split_once(" y=\"").expect("a place");
        rest.split('"').next().and_then(|y| y.parse::<f64>().ok()).expect("a number")
    };
    assert!(y_of(">at the top<") > y_of(">y<") + 20.0, "{svg}");
}
