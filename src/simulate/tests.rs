//! The course stack in virtual time.

use super::*;
use crate::model::{Files, build_stack};
use crate::spec::parse_spec;

pub fn course() -> Stack {
    let text = include_str!("../../examples/course.yaml");
    let parsed = parse_spec("course.yaml", text.as_bytes());
    let files = Files::from([("launch.user_data_file".to_owned(), Ok("#!/bin/sh\n".to_owned()))]);
    build_stack(&parsed.spec.expect("a spec"), &parsed.map, &files).expect("a stack")
}

fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

/// Runs the course from its start; each entry is so many minutes of a load.
fn run(loads: &[(u64, Load)]) -> Record {
    let mut record = Record::default();
    let mut simulation = Simulation::new(&course(), &Options::default()).expect("a world");
    for (span, load) in loads {
        simulation.set_load(*load);
        simulation.advance_to(simulation.now() + minutes(*span), &mut record);
    }
    record
}

/// `12 cpu-high ALARM` and so on, by the minute since the start.
fn story(record: &Record) -> Vec<String> {
    let start = Options::default().start;
    let told = record.events.iter().filter_map(|event| {
        let what = match &event.what {
            Happening::AlarmChanged { alarm, to, .. } => format!("{alarm} {to}"),
            Happening::DesiredChanged { from, to, policy } => {
                format!("{from}->{to} {}", policy.as_deref().unwrap_or("-"))
            }
            Happening::Notice { topic, subject, .. } => format!("{topic}: {}", subject.as_deref().unwrap_or("-")),
            _ => return None,
        };
        Some(format!("{} {what}", event.at.since(start).as_secs() / 60))
    });
    told.collect()
}

#[test]
fn a_burst_scales_the_course_out_and_everybody_is_told() {
    let record = run(&[(30, Load::Idle), (15, Load::Cpu(90.0))]);
    let story = story(&record);
    let has = |what: &str| story.iter().any(|line| line.contains(what));
    for what in [
        "0->1 -",
        "cpu-low ALARM",
        "cpu-high ALARM",
        "1->2 scale-out",
        "2->3 scale-out",
        "ops: ALARM: \"course-cpu-high\"",
    ] {
        assert!(has(what), "{what} in {story:#?}");
    }
    let last = record.samples.last().expect("samples");
    assert_eq!((record.samples.len(), last.desired, last.cpu), (45, 3, Some(90.0)));
    let launches = record.events.iter().filter(|event| matches!(event.what, Happening::Launch { .. })).count();
    let served = record.events.iter().filter(|event| matches!(event.what, Happening::InService { .. })).count();
    assert_eq!((launches, served), (3, 3));
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_one_other_instants() {
    let bytes = |seed| {
        let mut record = Record::default();
        let options = Options { seed, ..Options::default() };
        let mut simulation = Simulation::new(&course(), &options).expect("a world");
        simulation.set_load(Load::Demand(70.0));
        simulation.advance_to(options.start + minutes(120), &mut record);
        serde_json::to_string(&record).expect("JSON")
    };
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
}

#[test]
fn going_in_one_step_or_in_many_is_the_same() {
    let record = |step: u64| {
        let mut record = Record::default();
        let mut simulation = Simulation::new(&course(), &Options::default()).expect("a world");
        simulation.set_load(Load::Demand(70.0));
        for _ in 0..(7200 / step) {
            simulation.advance_to(simulation.now() + Duration::from_secs(step), &mut record);
        }
        record
    };
    assert_eq!(record(7200), record(5));
}

#[test]
fn a_series_put_by_hand_is_what_alarms_see() {
    let stack = course();
    let key = metric_key(&stack.alerting.alarms[0]);
    let mut record = Record::default();
    let mut simulation = Simulation::new(&stack, &Options::default()).expect("a world");
    simulation.silence_machines();
    let start = simulation.now();
    for (minute, value) in [30.0, 30.0, 30.0, 60.0, 60.0, 60.0].into_iter().enumerate() {
        simulation.put_metric(key.clone(), start + minutes(minute as u64), value);
    }
    simulation.advance_to(start + minutes(6), &mut record);
    let cpu: Vec<_> = record.samples.iter().map(|sample| sample.cpu.unwrap_or_default()).collect();
    assert_eq!(cpu, [30.0, 30.0, 30.0, 60.0, 60.0, 60.0]);
    assert!(story(&record).iter().any(|line| line.starts_with("5 cpu-high ALARM")), "{:#?}", story(&record));
}
