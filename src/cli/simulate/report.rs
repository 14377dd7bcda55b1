//! The text of a simulation, and what it takes for granted. Start at [`text`].

use std::fmt::Write as _;

use super::inputs::Inputs;
use super::sweep::Point;
use super::{Outcome, Outcomes};
use crate::clock::Timestamp;
use crate::engine::groups::credits::{Burstable, CreditMode};
use crate::engine::groups::measure::GROUP_METRICS;
use crate::model::{Alarm, Stack};
use crate::simulate::credit_mode;
use crate::simulate::summary::{AlarmSummary, FIGURES, Summary};
use crate::spec::values::span_text;

/// Instants of one alarm on its line.
const FIRED_SHOWN: usize = 5;

pub fn text(inputs: &Inputs, outcome: &Outcome) -> String {
    let mut text = format!(
        "{} under {}, {} from {}{}\n",
        outcome.stack,
        outcome.load,
        minutes_text(inputs.length.as_secs_f64() / 60.0),
        minute(inputs.start),
        match outcome.seeds.as_slice() {
            [seed] => format!(", seed {seed}"),
            many => format!(", {} seeds from {}", many.len(), many[0]),
        }
    );
    for remark in &inputs.remarks {
        let _ = writeln!(text, "  note: {remark}");
    }
    text.push('\n');
    match &outcome.result {
        Outcomes::Runs(runs) => match runs.as_slice() {
            [one] => text.push_str(&run_text(one)),
            many => text.push_str(&spread_table(many)),
        },
        Outcomes::Points(points) => text.push_str(&points_table(points)),
        Outcomes::Compared(stacks) => text.push_str(&comparison_table(stacks)),
    }
    text.push_str("\nassumptions\n");
    for assumption in &outcome.assumptions {
        let _ = writeln!(text, "  - {assumption}");
    }
    text
}

// ---- one run ---------------------------------------------------------------------------------------------------

fn run_text(run: &Summary) -> String {
    let mut text = String::new();
    section(&mut text, "alarms", run.alarms.iter().map(alarm_line));
    section(&mut text, "group", group_lines(run));
    section(&mut text, "objective", [objective_line(run)]);
    section(&mut text, "load", [load_line(run)]);
    section(&mut text, "credits", run.credits.as_ref().map(|_| credits_line(run)));
    section(&mut text, "cost", [cost_line(run)]);
    section(&mut text, "notices", run.notices.iter().map(|(topic, count)| format!("{topic}  {count}")));
    text
}

/// Lines under a name; nothing for no lines.
fn section(text: &mut String, name: &str, lines: impl IntoIterator<Item = String>) {
    for (number, line) in lines.into_iter().enumerate() {
        let name = if number == 0 { name } else { "" };
        let _ = writeln!(text, "{name:<10} {line}");
    }
}

fn alarm_line(alarm: &AlarmSummary) -> String {
    if alarm.fired == 0 {
        return format!("{}  never fired, {} at the end", alarm.alarm, alarm.state_at_end);
    }
    let shown: Vec<String> = alarm.fired_at.iter().take(FIRED_SHOWN).map(|at| minute(*at)).collect();
    let more = alarm.fired.saturating_sub(shown.len() as u64);
    let more = if more > 0 { format!(" and {more} more times") } else { String::new() };
    let lasted = minutes_text(alarm.minutes_in_alarm);
    format!("{}  fired {}, {lasted} in ALARM: {}{more}", alarm.alarm, times(alarm.fired), shown.join(", "))
}

fn group_lines(run: &Summary) -> Vec<String> {
    let group = &run.group;
    let machines = match (group.least_desired, group.most_desired) {
        (least, most) if least == most => format!("{most} wanted throughout"),
        (least, most) => format!("{least} to {most} wanted"),
    };
    let mut lines = vec![format!(
        "{machines}, {} launched, {} terminated, {:.1} instance-hours",
        group.launches, group.terminations, run.cost.instance_hours
    )];
    if group.failures > 0 {
        lines.push(format!("{} of them failed or were cancelled", group.failures));
    }
    lines.extend(group.first_changes.iter().map(|change| {
        let by = change.policy.as_deref().unwrap_or("the group itself");
        format!("{}  {} -> {}  {by}", minute(change.at), change.from, change.to)
    }));
    let more = group.changes - group.first_changes.len() as u64;
    if more > 0 {
        lines.push(format!("and {more} more changes"));
    }
    lines.extend(
        group.declined.iter().map(|(why, count)| format!("asked and left as it was, {}: {why}", times(*count))),
    );
    lines
}

fn objective_line(run: &Summary) -> String {
    let objective = &run.objective;
    let limits = [
        objective.objective.cpu.map(|limit| format!("CPU at most {limit} %")),
        objective.objective.latency_ms.map(|limit| format!("latency at most {limit} ms")),
    ];
    let limits: Vec<String> = limits.into_iter().flatten().collect();
    let since = objective.first_over.map_or_else(String::new, |at| format!(", the first at {}", minute(at)));
    let verdict = if objective.met { "met" } else { "not met" };
    format!(
        "{}: {} of {} minutes over{since}; {} allowed: {verdict}",
        limits.join(", "),
        objective.minutes_over,
        objective.minutes,
        objective.allowed
    )
}

fn load_line(run: &Summary) -> String {
    let load = &run.load;
    let pair = |name: &str, mean: Option<f64>, most: Option<f64>, unit: &str| {
        let (mean, most) = (mean?, most?);
        Some(format!("{name} {} {unit} on average, {} at most", number(mean), number(most)))
    };
    let parts = [
        pair("requests", load.mean_requests_per_sec, load.peak_requests_per_sec, "a second"),
        pair("CPU", load.mean_cpu, load.peak_cpu, "%"),
        pair("latency", load.mean_latency_ms, load.worst_latency_ms, "ms"),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn credits_line(run: &Summary) -> String {
    let Some(credits) = &run.credits else { return String::new() };
    let mut line = format!("lowest balance {} at {}", number(credits.lowest), minute(credits.lowest_at));
    if let Some(at) = credits.first_held {
        let _ =
            write!(line, "; out of credits for {} from {} on", minutes_text(credits.held_minutes as f64), minute(at));
    }
    if credits.charged > 0.0 {
        let _ = write!(line, "; {} surplus credits cost money", number(credits.charged));
    }
    line
}

fn cost_line(run: &Summary) -> String {
    let cost = &run.cost;
    let Some((total, price)) = cost.total.zip(cost.price_per_hour) else {
        return format!("{:.1} instance-hours; the price is {}", cost.instance_hours, cost.price_source);
    };
    let surplus =
        if cost.surplus > 0.0 { format!(" and {:.2} for surplus credits", cost.surplus) } else { String::new() };
    format!("{total:.2} USD: {:.1} instance-hours at {price}{surplus} ({})", cost.instance_hours, cost.price_source)
}

// ---- tables ----------------------------------------------------------------------------------------------------

fn spread_table(runs: &[Summary]) -> String {
    let mut rows = vec![["figure", "least", "median", "95 %", "most"].map(str::to_owned).to_vec()];
    for (name, _) in FIGURES {
        let mut values: Vec<f64> = runs.iter().filter_map(|run| run.figure(name)).collect();
        values.sort_by(f64::total_cmp);
        if values.is_empty() {
            continue;
        }
        let rank = |part: f64| values[((values.len() as f64 * part).ceil() as usize).clamp(1, values.len()) - 1];
        let cells = [rank(0.0), rank(0.5), rank(0.95), rank(1.0)].map(number);
        rows.push([vec![(*name).to_owned()], cells.to_vec()].concat());
    }
    table(&rows)
}

fn points_table(points: &[Point]) -> String {
    let names = points.first().map(|point| point.values.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>());
    let priced = points.iter().all(|point| point.price.is_some());
    let cost = if priced { "price" } else { "instance_hours" };
    let figures = [cost, "minutes_over", "churn", ""].map(str::to_owned);
    let mut rows = vec![[names.unwrap_or_default(), figures.to_vec()].concat()];
    for point in points {
        let values = point.values.iter().map(|(_, value)| value.clone());
        let cost = point.price.filter(|_| priced).unwrap_or(point.instance_hours);
        let mark = match (point.unbeaten, point.as_before) {
            (true, false) => "*",
            (true, true) => "=",
            (false, _) => "",
        };
        let cells = [price_cell(cost), number(point.minutes_over), number(point.churn), mark.to_owned()];
        rows.push(values.chain(cells).collect());
    }
    let mut text = format!("{}\n", table(&rows).trim_end());
    let first = |point: &Point| !point.as_before;
    if points.len() > 1 && points.iter().filter(|point| first(point)).count() == 1 {
        text.push_str(
            "all of these come to the same: this load does not tell them apart. A larger one may; a run without --sweep shows \
             what the alarms do\n",
        );
        return text;
    }
    text.push_str("* nothing beats these: whatever is better in one figure is worse in another\n");
    if points.iter().any(|point| point.unbeaten && point.as_before) {
        text.push_str("= the same figures as one above, so this load does not tell the two apart\n");
    }
    text
}

fn comparison_table(stacks: &[(String, Vec<Summary>)]) -> String {
    let names = stacks.iter().map(|(name, _)| name.clone());
    let mut rows =
        vec![std::iter::once("figure".to_owned()).chain(names).chain(["difference".to_owned()]).collect::<Vec<_>>()];
    for (name, _) in FIGURES {
        let mean = |runs: &[Summary]| {
            let values: Option<Vec<f64>> = runs.iter().map(|run| run.figure(name)).collect();
            values.filter(|values| !values.is_empty()).map(|values| values.iter().sum::<f64>() / values.len() as f64)
        };
        let means: Vec<Option<f64>> = stacks.iter().map(|(_, runs)| mean(runs)).collect();
        if means.iter().all(Option::is_none) {
            continue;
        }
        let cell = |value: &Option<f64>| value.map_or_else(|| "-".to_owned(), number);
        let difference = match means.as_slice() {
            [Some(one), Some(other)] => signed(other - one),
            _ => "-".to_owned(),
        };
        rows.push(std::iter::once((*name).to_owned()).chain(means.iter().map(cell)).chain([difference]).collect());
    }
    table(&rows)
}

/// Columns as wide as their widest cell, all but the first to the right.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    text
}

// ---- what is taken for granted ------------------------------------------------------------------------------------

/// Everything that is not AWS's word or the spec's, and what of the spec's the run went by. Of two specs, what only one of them does stands first and under its name.
pub fn assumptions(inputs: &Inputs) -> Vec<String> {
    let own = assumptions_of(&inputs.stack);
    let Some(other) = &inputs.other else { return own };
    let others = assumptions_of(&other.stack);
    let only = |name: &str, list: &[String], beside: &[String]| -> Vec<String> {
        list.iter().filter(|line| !beside.contains(line)).map(|line| format!("{name}: {line}")).collect()
    };
    let both = own.iter().filter(|line| others.contains(line)).cloned().collect();
    [only(&inputs.name, &own, &others), only(&other.name, &others, &own), both].concat()
}

fn assumptions_of(stack: &Stack) -> Vec<String> {
    let load = &stack.load;
    let mut list = vec![
        format!(
            "machines that serve share requests equally; {} requests a second keep one at full CPU, at rest it shows {} %",
            load.requests_per_second, load.base_cpu
        ),
        format!("a machine serves {} after its launch, never before it is in service", boot_text(stack)),
        format!(
            "latency is {} ms / (1 - utilisation), as of a queue with one server, and {} ms at most",
            load.service_time_ms, load.timeout_ms
        ),
    ];
    list.extend(mixed_text(stack));
    list.extend(credit_text(stack));
    list.extend(stack.alerting.alarms.iter().filter(|alarm| !is_measured(alarm, stack)).map(|alarm| {
        format!("nothing measures {} {} here, so {} sees no data", alarm.namespace, alarm.metric_name, alarm.key)
    }));
    if !load.metric_delay.is_zero() || load.metric_loss > 0.0 {
        let delay = span_text(load.metric_delay);
        list.push(format!("metrics arrive {delay} later than usual, and {} of a hundred never", load.metric_loss));
    }
    if load.noise > 0.0 {
        list.push(format!("the load wavers by up to {} % from second to second", load.noise));
    }
    list.push("delays of launches, terminations and evaluations are the engine's; AWS promises none".to_owned());
    if stack.slo.is_none() {
        list.push("no slo in the spec: a minute is over when requests take ten times load.service_time_ms".to_owned());
    }
    list.push("minutes before the first machine serves do not count as over".to_owned());
    list.push(format!("scaleproof {}", env!("CARGO_PKG_VERSION")));
    list
}

/// Whether the machines, or the group, make the metric that an alarm watches.
fn is_measured(alarm: &Alarm, stack: &Stack) -> bool {
    let of_group = alarm.dimensions.len() == 1
        && alarm.dimensions.get("AutoScalingGroupName").is_some_and(|name| *name == stack.group.name);
    let known = match alarm.namespace.as_str() {
        "AWS/EC2" => matches!(alarm.metric_name.as_str(), "CPUUtilization" | "CPUCreditBalance"),
        "AWS/AutoScaling" => GROUP_METRICS.contains(&alarm.metric_name.as_str()),
        _ => false,
    };
    of_group && known
}

fn boot_text(stack: &Stack) -> String {
    let boot = stack.load.boot;
    match boot.min == boot.max {
        true => span_text(boot.typical),
        false => format!("{} to {}, mostly {},", span_text(boot.min), span_text(boot.max), span_text(boot.typical)),
    }
}

fn mixed_text(stack: &Stack) -> Option<String> {
    let mixed = stack.launch.mixed.as_ref()?;
    let machines = match mixed.largest_weight() {
        1 => "machines of all types are alike",
        _ => "a machine does as much as it weighs, and a unit of capacity what is said of a machine",
    };
    let spot = match mixed.uses_spot(stack.group.max_size) {
        true => "; Spot prices are 38 to 56 % of On-Demand's, and no Spot Instance is interrupted",
        false => "",
    };
    Some(format!("{machines}{spot}"))
}

fn credit_text(stack: &Stack) -> Option<String> {
    let instance_type = &stack.launch.instance_type;
    let Some(size) = Burstable::of(instance_type) else {
        let unknown = instance_type.starts_with('t');
        return unknown.then(|| format!("CPU credits of {instance_type} are not known, so it never runs out"));
    };
    let mode = match credit_mode(stack, size) {
        CreditMode::Standard => "standard mode: held to the baseline when they run out",
        CreditMode::Unlimited => "unlimited mode: surplus credits beyond a day's are charged",
    };
    Some(format!(
        "{instance_type} earns {} CPU credits an hour (baseline {} %), {mode}",
        size.credits_per_hour,
        number(size.baseline_percent())
    ))
}

// ---- words -----------------------------------------------------------------------------------------------------

fn minute(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M")
}

fn times(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        many => format!("{many} times"),
    }
}

/// `3d`, `1h 12m`: the parts that there are.
fn minutes_text(minutes: f64) -> String {
    let whole = minutes.round() as u64;
    let parts = [(whole / 1440, "d"), (whole / 60 % 24, "h"), (whole % 60, "m")];
    let there: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect();
    if there.is_empty() { "0m".to_owned() } else { there.join(" ") }
}

/// One decimal for large numbers, two for small ones, none where there is nothing behind the point.
fn number(value: f64) -> String {
    let shown = if value.abs() >= 100.0 { format!("{value:.1}") } else { format!("{value:.2}") };
    match shown.contains('.') {
        true => shown.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => shown,
    }
}

fn price_cell(value: f64) -> String {
    format!("{value:.3}")
}

fn signed(value: f64) -> String {
    if value > 0.0 { format!("+{}", number(value)) } else { number(value) }
}
