//! How fast the laboratory is. One figure a run, as a line of JSON, so that `scripts/bench simulate` can hold it against
//! others in the same minute and measure the memory of the whole process:
//!
//! ```text
//! simulate day | day REPEATS | days N | seeds N | groups N
//! ```

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]

use std::num::NonZero;
use std::time::{Duration, Instant};

use scaleproof::engine::groups::Load;
use scaleproof::engine::topics::DeliveryOutcome;
use scaleproof::engine::{Effect, Event, World};
use scaleproof::model::{Files, Stack, build_stack};
use scaleproof::simulate::load::Plan;
use scaleproof::simulate::many::{Job, run_all};
use scaleproof::simulate::summary::Watcher;
use scaleproof::simulate::{Options, Simulation, world_of};
use scaleproof::spec::parse_spec;
use scaleproof::spec::shape::Shape;
use scaleproof::spec::values::Text;
use serde_json::{Value, json};

const DAY: Duration = Duration::from_secs(86_400);
const ALARMS: usize = 20;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let number = |place: usize, default: u32| match arguments.get(place) {
        None => default,
        Some(text) => text.parse().unwrap_or_else(|_| panic!("`{text}` is no number")),
    };
    let figure = match arguments.first().map_or("day", String::as_str) {
        "day" => day(number(1, 9)),
        "days" => days(number(1, 30)),
        "seeds" => seeds(number(1, 1000)),
        "groups" => groups(number(1, 100)),
        other => panic!("`{other}` is no figure: day, days, seeds, groups"),
    };
    println!("{figure}");
}

/// One group with two simple policies and twenty alarms, two of which scale.
fn stack(name: &str) -> Stack {
    let watching: String = (2..ALARMS)
        .map(|number| {
            let threshold = 40 + number * 3;
            format!(
                "  watch-{number}: {{ metric: cpu, threshold: \">= {threshold}\", period: 1m, evaluation_periods: 3, \
                 datapoints_to_alarm: 2, alarm_actions: [ops] }}\n"
            )
        })
        .collect();
    let text = format!(
        "version: 1\nname: {name}\nregion: us-east-1\nlaunch: {{ instance_type: m5.large }}\n\
         group: {{ min_size: 1, max_size: 6 }}\nscaling:\n  out: {{ type: simple, adjustment: +1 }}\n  \
         in: {{ type: simple, adjustment: -1 }}\nnotifications: {{ ops: {{ email: [ops@example.com] }} }}\nalarms:\n  \
         high: {{ metric: cpu, threshold: \">= 70\", period: 1m, evaluation_periods: 2, alarm_actions: [out, ops] }}\n  \
         low: {{ metric: cpu, threshold: \"<= 25\", period: 1m, evaluation_periods: 5, alarm_actions: [in] }}\n{watching}"
    );
    let parsed = parse_spec("bench.yaml", text.as_bytes());
    assert!(parsed.problems.is_empty(), "{:?}", parsed.problems);
    build_stack(&parsed.spec.expect("a spec"), &parsed.map, &Files::new()).expect("a stack")
}

/// A load that changes each second.
fn plan() -> Plan {
    Plan::Shape(Shape::parse("sine 10..250% over 1d").expect("a shape"))
}

/// One day: the median time, and how many events of the engine that is a second. Counted are changes of load, evaluations
/// of alarms and minutes measured; whatever launches, repeats and notices add is not.
fn day(repeats: u32) -> Value {
    let (stack, plan) = (stack("bench"), plan());
    let mut times = Vec::new();
    let start = Options::default().start;
    let mut source = plan.source(&stack.load, start, 0);
    let changes = std::iter::from_fn(|| source.next_change()).take_while(|(at, _)| *at <= start + DAY).count();
    let minutes = DAY.as_secs() as usize / 60;
    let events = changes + minutes * ALARMS + minutes;
    for seed in 0..u64::from(repeats.max(1)) {
        let options = Options { seed, ..Options::default() };
        let began = Instant::now();
        let mut simulation = Simulation::new(&stack, &options).expect("a world");
        simulation.set_source(plan.source(&stack.load, options.start, seed));
        let mut watcher = Watcher::new(&stack);
        simulation.advance_to(options.start + DAY, &mut watcher);
        times.push(began.elapsed());
        let summary = watcher.finish(&stack, seed, options.start, options.start + DAY);
        assert!(summary.group.launches > 1, "nothing happened");
    }
    times.sort();
    let median = times[times.len() / 2].as_secs_f64();
    json!({ "day_ms": median * 1000.0, "events": events, "events_per_second": events as f64 / median })
}

/// So many days in one go, for the memory of the process.
fn days(days: u32) -> Value {
    let (stack, plan) = (stack("bench"), plan());
    let start = Options::default().start;
    let job = Job { stack: &stack, plan: &plan, start, length: DAY * days, seed: 1 };
    let began = Instant::now();
    let summary = job.run(&mut ()).expect("a world");
    json!({ "days": days, "seconds": began.elapsed().as_secs_f64(), "launches": summary.group.launches })
}

/// So many days of different seeds on two cores.
fn seeds(count: u32) -> Value {
    let (stack, plan) = (stack("bench"), plan());
    let start = Options::default().start;
    let jobs: Vec<Job<'_>> =
        (0..u64::from(count)).map(|seed| Job { stack: &stack, plan: &plan, start, length: DAY, seed }).collect();
    let began = Instant::now();
    let summaries = run_all(&jobs, NonZero::new(2).expect("two")).expect("worlds");
    json!({ "seeds": summaries.len(), "seconds": began.elapsed().as_secs_f64() })
}

/// A day of so many groups with twenty alarms each, in worlds of 500, which is what AWS allows in one region. The load
/// changes each minute.
fn groups(count: u32) -> Value {
    let names: Vec<usize> = (0..count as usize).collect();
    let began = Instant::now();
    for names in names.chunks(500) {
        let stacks: Vec<Stack> = names.iter().map(|name| stack(&format!("bench-{name}"))).collect();
        run_groups(&stacks);
    }
    let seconds = began.elapsed().as_secs_f64();
    json!({ "groups": count, "seconds": seconds, "ms_per_group": seconds * 1000.0 / f64::from(count) })
}

fn run_groups(stacks: &[Stack]) {
    let options = Options::default();
    let mut world: World = world_of(stacks, &options).expect("a world");
    let mut source = plan().source(&stacks[0].load, options.start, 1);
    for minute in 0..DAY.as_secs() / 60 {
        let now = options.start + Duration::from_secs(60 * minute);
        let load = std::iter::from_fn(|| source.next_change()).find(|(at, _)| *at >= now).expect("a load").1;
        for stack in stacks {
            let group = stack.group.name.as_str().into();
            world.groups.set_load(now, &group, Load::Requests(load)).expect("a load");
        }
        let end = now + Duration::from_secs(59);
        for Effect::Deliver(delivery) in world.step(end, Event::Tick) {
            let taken = Event::Delivered { delivery: delivery.id, outcome: DeliveryOutcome::Accepted };
            drop(world.step(end, taken));
        }
    }
}
