//! The course stack in virtual time.

use proptest::prelude::*;

use super::*;
use crate::model::{Files, build_stack};
use crate::spec::parse_spec;
use crate::spec::shape::Shape;
use crate::spec::values::Text;

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

/// Seconds from the first change of the desired capacity after the start until a second machine serves, and the price.
fn scale_out_of_warm_example(with_pool: bool) -> (u64, f64) {
    let text = include_str!("../../examples/warm-pool.yaml");
    let parsed = parse_spec("warm-pool.yaml", text.as_bytes());
    let mut stack = build_stack(&parsed.spec.expect("a spec"), &parsed.map, &Files::new()).expect("a stack");
    if !with_pool {
        stack.group.warm_pool = None;
    }
    let options = Options::default();
    let (mut record, mut watcher) = (Record::default(), summary::Watcher::new(&stack));
    let mut simulation = Simulation::new(&stack, &options).expect("a world");
    for (span, load) in [(60, Load::Idle), (20, Load::Cpu(90.0))] {
        simulation.set_load(load);
        simulation.advance_to(simulation.now() + minutes(span), &mut (&mut record, &mut watcher));
    }
    let wanted = record.events.iter().find(|event| matches!(event.what, Happening::DesiredChanged { from: 1, .. }));
    let wanted = wanted.expect("the alarm scales out").at;
    let serving = record.samples.iter().find(|sample| sample.serving >= 2).expect("two machines serve").at;
    let summary = watcher.finish(&stack, options.seed, options.start, simulation.now());
    (serving.since(wanted).as_secs(), summary.cost.instance_hours)
}

#[test]
fn a_warm_pool_lets_the_group_grow_sooner_and_its_stopped_machines_are_not_billed() {
    let ((cold, cold_hours), (warm, warm_hours)) = (scale_out_of_warm_example(false), scale_out_of_warm_example(true));
    assert!(warm + 120 <= cold, "{warm} s with a pool, {cold} s without");
    // Three machines that run for an hour beside the group would be three hours.
    assert!(warm_hours < cold_hours + 1.0, "{warm_hours} hours with a pool, {cold_hours} without");
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the load, its noise and the delay of metrics: however the time is cut, everything happens at its instant.
    #[test]
    fn a_simulation_does_not_depend_on_how_its_time_is_cut(
        load in prop::sample::select(&["sine 5..300% over 2h", "square 10..250% over 40m", "ramp 0..260% over 3h", "weekly 5..200%"]),
        noise in prop::sample::select(&[0.0, 15.0]),
        delay_secs in 0_u64..150,
        step_secs in 1_u64..2000,
        seed: u64,
    ) {
        let mut stack = course();
        (stack.load.noise, stack.load.metric_delay) = (noise, Duration::from_secs(delay_secs));
        let plan = load::Plan::Shape(shape(load));
        let run = |step: u64| {
            let options = Options { seed, ..Options::default() };
            let mut record = Record::default();
            let mut simulation = Simulation::new(&stack, &options).expect("a world");
            simulation.set_source(plan.source(&stack.load, options.start, seed));
            let end = options.start + minutes(360);
            while simulation.now() < end {
                let next = (simulation.now() + Duration::from_secs(step)).min(end);
                simulation.advance_to(next, &mut record);
            }
            (serde_json::to_string(&record).expect("JSON"), serde_json::to_string(simulation.world()).expect("JSON"))
        };
        prop_assert_eq!(run(step_secs), run(6 * 3600));
    }
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

fn shape(text: &str) -> Shape {
    Shape::parse(text).expect("a shape")
}

/// Runs a job of the course under a load in words.
fn job(load: &str, hours: u64, change: impl FnOnce(&mut Stack)) -> summary::Summary {
    let mut stack = course();
    change(&mut stack);
    let plan = load::Plan::Shape(shape(load));
    let start = Options::default().start;
    let length = Duration::from_secs(3600 * hours);
    many::Job { stack: &stack, plan: &plan, start, length, seed: 1 }.run(&mut ()).expect("a world")
}

/// A t2.nano at 45 % spends 27 credits an hour and earns 3: its 30 launch credits last 75 minutes. Then it shows 5 %, and
/// no alarm says that users wait.
#[test]
fn the_course_machine_runs_out_of_credits_below_its_alarm() {
    let summary = job("constant 45%", 4, |_| {});
    let credits = summary.credits.as_ref().expect("a T machine");
    let held = credits.first_held.expect("held").since(summary.start).as_secs() / 60;
    assert!((74..=78).contains(&held), "{held}");
    assert_eq!((summary.alarms[0].fired, credits.charged, summary.cost.surplus), (0, 0.0, 0.0));
    assert!(summary.objective.minutes_over > 150 && !summary.objective.met, "{:?}", summary.objective);
    assert_eq!(summary.cost.price_per_hour, Some(0.0072));
    // Running from 32 s on: the launch begins after 8 s, booting takes 24 s.
    assert!((summary.cost.instance_hours - (4.0 - 32.0 / 3600.0)).abs() < 1e-9, "{}", summary.cost.instance_hours);
}

#[test]
fn in_unlimited_mode_it_goes_on_and_the_surplus_costs_money() {
    let summary = job("constant 45%", 4, |stack| stack.load.credits = Some(crate::model::CreditModeWord::Unlimited));
    let credits = summary.credits.as_ref().expect("a T machine");
    // 45 % for four hours but the start, without launch credits.
    assert!((93.0..96.0).contains(&credits.charged), "{credits:?}");
    assert!((summary.cost.surplus - credits.charged * 0.05 / 60.0).abs() < 1e-9);
    assert_eq!((credits.held_minutes, summary.objective.minutes_over), (0, 0));
}

/// Spot prices are between 38 and 56 percent of the list price here; which one is the pool's.
#[test]
fn spot_machines_cost_less_and_the_price_says_what_it_is() {
    use crate::model::{MixedInstances, MixedType, OnDemandStrategyWord, SpotStrategyWord};
    let cost = |percent: u32| {
        job("constant 40%", 2, |stack| {
            stack.launch.mixed = Some(MixedInstances {
                instance_types: vec![MixedType { instance_type: "t2.nano".into(), weighted_capacity: None }],
                on_demand_base_capacity: 0,
                on_demand_percentage_above_base_capacity: percent,
                on_demand_allocation_strategy: OnDemandStrategyWord::Prioritized,
                spot_allocation_strategy: SpotStrategyWord::PriceCapacityOptimized,
                spot_instance_pools: None,
                spot_max_price: None,
            });
        })
        .cost
    };
    let (on_demand, spot) = (cost(100), cost(0));
    assert!((on_demand.price_per_hour.expect("a price") - 0.0072).abs() < 1e-9, "{on_demand:?}");
    let share = spot.price_per_hour.expect("a price") / 0.0072;
    assert!((0.379..=0.561).contains(&share) && spot.price_source.contains("Spot"), "{spot:?}");
}

/// 150 % of one unit's work on two machines of two units each: 150 ÷ 4.
#[test]
fn work_is_shared_in_proportion_to_weights() {
    let text = "version: 1\nname: web\nregion: us-east-2\n\
                launch: { instance_type: m5.large, mixed_instances: { instance_types: [{ instance_type: m5.large, weighted_capacity: 2 }] } }\n\
                group: { min_size: 4, max_size: 8 }\nload: { base_cpu: 0 }\n";
    let parsed = parse_spec("web.yaml", text.as_bytes());
    let stack = build_stack(&parsed.spec.expect("a spec"), &parsed.map, &Files::new()).expect("a stack");
    let mut record = Record::default();
    let mut simulation = Simulation::new(&stack, &Options::default()).expect("a world");
    simulation.set_load(Load::Demand(150.0));
    simulation.advance_to(simulation.now() + minutes(10), &mut record);
    let last = record.samples.last().expect("a sample");
    assert_eq!((last.desired, last.in_service, last.serving, last.cpu), (4, 4, 4, Some(37.5)));
}

#[test]
fn the_figures_of_a_burst_are_what_the_record_says() {
    let summary = job("spike 10..130% at 1h for 30m", 3, |stack| {
        stack.launch.instance_type = "m5.large".into();
        stack.slo = Some(crate::model::Slo { latency_ms: Some(500.0), cpu: None, minutes_over: 8.0 });
    });
    assert_eq!((summary.alarms[0].alarm.as_str(), summary.group.most_desired), ("cpu-high", 3));
    assert_eq!(summary.figure("churn"), Some((summary.group.launches + summary.group.terminations) as f64));
    let over = &summary.objective;
    assert!(over.minutes_over > 2 && over.met == (over.minutes_over as f64 <= 1.0), "{over:?}");
    assert_eq!((summary.credits.is_none(), summary.cost.total), (true, None));
    assert!(summary.figure("nothing").is_none() && summary::FIGURES.iter().all(|(name, _)| *name != "nothing"));
}

#[test]
fn answers_come_in_the_order_of_the_questions() {
    let stack = course();
    let plan = load::Plan::Shape(stack.load.shape);
    let start = Options::default().start;
    let jobs: Vec<many::Job<'_>> = (0..7)
        .map(|seed| many::Job { stack: &stack, plan: &plan, start, length: Duration::from_secs(3600), seed })
        .collect();
    let run = |workers| many::run_all(&jobs, std::num::NonZero::new(workers).expect("some")).expect("worlds");
    let alone = run(1);
    assert_eq!(alone.iter().map(|summary| summary.seed).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(run(4), alone);
}

#[test]
fn a_long_run_leaves_no_more_behind_than_a_day() {
    let mut simulation = Simulation::new(&course(), &Options::default()).expect("a world");
    simulation.set_load(Load::Demand(60.0));
    simulation.advance_to(simulation.now() + Duration::from_secs(5 * 86_400), &mut ());
    let (now, world) = (simulation.now(), simulation.world());
    let kept = world.alarms.history().since_two_weeks(now).map(|item| item.at).min();
    assert!(kept.is_none_or(|at| at + Duration::from_secs(86_400) >= now), "{kept:?}");
    let activities = world.groups.iter().map(|group| group.activities.len()).sum::<usize>();
    assert!(activities < 20, "{activities}");
}

fn built(text: &str) -> Stack {
    let parsed = parse_spec("spec.yaml", text.as_bytes());
    assert_eq!(parsed.problems, [], "{text}");
    build_stack(&parsed.spec.expect("a spec"), &parsed.map, &Files::new()).expect("a stack")
}

/// 200 % of a machine at 50 % each are four machines.
#[test]
fn target_tracking_keeps_its_metric_with_alarms_of_its_own() {
    let stack = built(
        "version: 1\nname: web\nregion: us-east-1\nlaunch: { instance_type: m5.large }\n\
         group: { min_size: 1, max_size: 9 }\nscaling:\n  \
         keep: { type: target-tracking, metric: cpu, target_value: 50 }\nload: { base_cpu: 0 }\n",
    );
    let plan = load::Plan::Shape(shape("constant 200%"));
    let start = Options::default().start;
    let length = Duration::from_secs(2 * 3600);
    let mut record = Record::default();
    let summary = many::Job { stack: &stack, plan: &plan, start, length, seed: 1 }.run(&mut record).expect("a world");
    let last = record.samples.last().expect("samples");
    assert_eq!((last.desired, last.cpu), (4, Some(50.0)));
    assert!(
        summary.alarms.iter().any(|alarm| alarm.alarm.contains("AlarmHigh") && alarm.fired > 0),
        "{:?}",
        summary.alarms
    );
}

#[test]
fn scheduled_actions_run_on_the_days_that_they_name() {
    let stack = built(
        "version: 1\nname: web\nregion: us-east-1\nlaunch: { instance_type: m5.large }\n\
         group: { min_size: 0, max_size: 9 }\nscaling:\n  \
         open: { type: scheduled, recurrence: \"0 8 * * 1-5\", min_size: 2, desired_capacity: 3 }\n  \
         close: { type: scheduled, recurrence: \"0 18 * * *\", min_size: 0, desired_capacity: 0 }\n",
    );
    let mut record = Record::default();
    let mut simulation = Simulation::new(&stack, &Options::default()).expect("a world");
    // From Monday to Sunday.
    simulation.advance_to(simulation.now() + Duration::from_secs(7 * 86_400), &mut record);
    let changes: Vec<String> = record
        .events
        .iter()
        .filter_map(|event| match event.what {
            Happening::DesiredChanged { to, .. } => Some(format!("{} {to}", event.at.format("%a %H"))),
            _ => None,
        })
        .collect();
    let days = ["Mon", "Tue", "Wed", "Thu", "Fri"];
    let expected: Vec<String> = days.iter().flat_map(|day| [format!("{day} 08 3"), format!("{day} 18 0")]).collect();
    assert_eq!(changes, expected);
}
