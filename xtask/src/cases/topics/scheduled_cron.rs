//! `scheduled-cron`: when scheduled actions run, and what they change.

use std::time::Duration;

use regex::Regex;
use scaleproof::clock::Timestamp;
use scaleproof::engine::groups::cron::Cron;
use scaleproof::engine::groups::group::MAX_SCHEDULED_ACTIONS_PER_GROUP;
use scaleproof::engine::groups::schedule::{MAX_DELAY, Schedule, ScheduleRequest, Sizes, time_zone};
use scaleproof::engine::groups::{Process, Timing};
use serde_json::{Map, Value, json};

use super::lifecycle_health::api_with_group;
use super::scaling::{boots_in, desired};
use crate::cases::api::Api;
use crate::cases::case::{Case, Members};
use crate::cases::failure::Failure;
use crate::cases::group_stage::{GroupStage, group};

const MINUTE: Duration = Duration::from_secs(60);

pub fn check(case: &Case) -> Result<(), Failure> {
    match () {
        () if case.expect.names().any(|name| name.contains("per_group") || name.contains("delay")) => facts(case),
        () if case.expect.has("accepted") || case.expect.has("code") => acceptance(case),
        () if case.expect.has("next") => next(case),
        () if case.expect.has("runs") => runs(case),
        () if case.given.has("ScheduledActions") => suspended(case),
        () => applied(case),
    }
}

/// What is so of every scheduled action.
fn facts(case: &Case) -> Result<(), Failure> {
    // An action at any time.
    case.given.names().map(str::to_string).collect::<Vec<_>>().iter().for_each(|name| case.given.skip(name));
    for name in case.expect.names() {
        let got = match name {
            name if name.contains("per_group") || name.contains("actions") => MAX_SCHEDULED_ACTIONS_PER_GROUP as u64,
            name if name.contains("delay") && name.ends_with("minutes") => MAX_DELAY.as_secs() / 60,
            name if name.contains("delay") => MAX_DELAY.as_secs(),
            other => return Err(format!("nothing here finds out expect.{other}").into()),
        };
        case.expect_eq(name, got)?;
    }
    Ok(())
}

fn instant(text: &str) -> Result<Timestamp, Failure> {
    Timestamp::parse(text).ok_or_else(|| format!("`{text}` is no instant").into())
}

fn opt_instant(given: &Members, name: &str) -> Result<Option<Timestamp>, Failure> {
    given.opt_str(name)?.map(instant).transpose()
}

fn next(case: &Case) -> Result<(), Failure> {
    let given = &case.given;
    let cron = Cron::parse(given.str("recurrence")?).map_err(|bad| bad.to_string())?;
    let name = given.opt_str("time_zone")?.unwrap_or("UTC");
    let zone = time_zone(name).ok_or_else(|| format!("`{name}` is no time zone"))?;
    let mut at = instant(given.str("after")?)?;
    let mut runs = Vec::new();
    while runs.len() < case.expect.list("next")?.len() {
        match cron.next_after(at, &zone) {
            Some(run) => at = run,
            None => break,
        }
        runs.push(at.iso_secs());
    }
    case.expect_eq("next", runs)
}

/// The runs of a schedule; all of them if it ends, else as many as the case has.
fn runs(case: &Case) -> Result<(), Failure> {
    let given = &case.given;
    let recurrence = given.opt_str("recurrence")?.map(Cron::parse).transpose();
    let schedule = Schedule {
        start: opt_instant(given, "start_time")?,
        end: opt_instant(given, "end_time")?,
        recurrence: recurrence.map_err(|bad| bad.to_string())?,
        time_zone: given.opt_str("time_zone")?.map(str::to_string),
    };
    let all = schedule.end.is_some() || schedule.recurrence.is_none();
    let expected = case.expect.list("runs")?.len();
    let before = schedule.start.map(|start| start - MINUTE);
    let mut at = opt_instant(given, "after")?.or(before).ok_or("nothing says from when on")?;
    let mut got = Vec::new();
    while let Some(run) = schedule.next_after(at).filter(|_| got.len() < expected + usize::from(all)) {
        at = run;
        got.push(run.iso_secs());
    }
    case.expect_eq("runs", got)
}

/// `suspended 08:00-10:00` around an action at `09:00`.
fn suspended(case: &Case) -> Result<(), Failure> {
    let text = case.given.str("ScheduledActions")?;
    let pattern = Regex::new(r"^suspended (\d\d):(\d\d)-(\d\d):(\d\d)$").map_err(|error| error.to_string())?;
    let found = pattern.captures(text).ok_or_else(|| format!("`{text}` is no span of suspension"))?;
    let part = |place: usize| found.get(place).and_then(|part| part.as_str().parse::<u64>().ok()).unwrap_or_default();
    let (from, to) = (part(1) * 60 + part(2), part(3) * 60 + part(4));
    let at = case.given.str("action_at")?;
    let minute = at.split_once(':').and_then(|(h, m)| Some(h.parse::<u64>().ok()? * 60 + m.parse::<u64>().ok()?));
    let minute = minute.ok_or_else(|| format!("`{at}` is no time of day"))?;
    let midnight = Api::START.floor_to(MINUTE * 60 * 24) + MINUTE * 60 * 24;
    let mut stage = stage(midnight, (0, 1, 10))?;
    put(&mut stage, request(Some(midnight + MINUTE * minute as u32), sizes(None, None, Some(3))))?;
    let run_to = |stage: &mut GroupStage, minute: u64| {
        let span = (midnight + MINUTE * minute as u32).since(stage.now);
        stage.run_for(span.as_secs());
    };
    run_to(&mut stage, from);
    stage.suspend(&[Process::ScheduledActions])?;
    run_to(&mut stage, to);
    let ran_before = desired(&stage)? == 3;
    stage.resume()?;
    stage.run_for(600);
    let ran_on_resume = !ran_before && desired(&stage)? == 3;
    case.expect_if("run_on_resume", ran_on_resume)?;
    stage.run_for(24 * 3600);
    case.expect_if("run", desired(&stage)? == 3)
}

/// A settled group at this instant.
fn stage(at: Timestamp, (min, desired, max): (u32, u32, u32)) -> Result<GroupStage, Failure> {
    let mut stage = GroupStage::empty(at - MINUTE, Timing::Given(boots_in(0)))?;
    stage.create(min, desired, max, |_| {})?;
    stage.run_for(60);
    Ok(stage)
}

fn sizes(min: Option<u32>, max: Option<u32>, desired: Option<u32>) -> Sizes {
    Sizes { min, max, desired }
}

fn request(start: Option<Timestamp>, sizes: Sizes) -> ScheduleRequest {
    ScheduleRequest { name: "scheduled".into(), start, sizes, ..ScheduleRequest::default() }
}

fn put(stage: &mut GroupStage, request: ScheduleRequest) -> Result<(), Failure> {
    Ok(stage.call(|groups, now| groups.put_scheduled_action(now, &group(), request))?)
}

/// An action runs once on a group, whose sizes are then as the case expects.
fn applied(case: &Case) -> Result<(), Failure> {
    let given = &case.given;
    let start = opt_instant(given, "start_time")?;
    // Within `action` stands what it sets; without it the case's own sizes are the action's.
    let (asked, min, max) = match given.has("action") {
        true => {
            let (min, max) = (given.opt_u32("min_size")?, given.opt_u32("max_size")?);
            (read_sizes(given.object("action")?)?, min.unwrap_or(0), max.unwrap_or(1000))
        }
        false => {
            let (min, max) = (given.opt_u32("min_size")?, given.opt_u32("max_size")?);
            (sizes(min, max, given.opt_u32("desired_capacity")?), 0, 1000)
        }
    };
    let now = start.map_or(Api::START, |start| start - MINUTE * 10);
    let current = given.opt_u32("current")?.or(given.opt_u32("current_capacity")?).unwrap_or(min);
    let mut stage = stage(now, (min, current, max))?;
    let recurrence = given.opt_str("recurrence")?.map(str::to_string);
    let start = if recurrence.is_none() { start.or(Some(now + MINUTE)) } else { start };
    let time_zone = given.opt_str("time_zone")?.map(str::to_string);
    put(&mut stage, ScheduleRequest { recurrence, time_zone, ..request(start, asked) })?;
    let run = stage.group()?.schedules.values().next().map(|action| action.next_run).ok_or("no run is planned")?;
    stage.run_for(run.since(stage.now).as_secs());
    let after = desired(&stage)?;
    case.expect_if("desired", after)?;
    case.expect_if("desired_capacity", after)?;
    let limits = stage.group()?.limits;
    case.expect_if("min_size", limits.min)?;
    case.expect_if("max_size", limits.max)?;
    let Some(bounds) = case.expect.opt_list("desired_stays_within")? else { return Ok(()) };
    let within = bounds.first().and_then(Value::as_u64).is_some_and(|least| u64::from(after) >= least)
        && bounds.last().and_then(Value::as_u64).is_some_and(|most| u64::from(after) <= most);
    if within { Ok(()) } else { Err(Failure::differs("desired_stays_within", &json!(bounds), &json!(after))) }
}

fn read_sizes(action: &Map<String, Value>) -> Result<Sizes, Failure> {
    let mut read = Sizes::default();
    for (name, value) in action {
        let size = value.as_u64().and_then(|size| u32::try_from(size).ok());
        match name.as_str() {
            "min_size" | "MinSize" => read.min = size,
            "max_size" | "MaxSize" => read.max = size,
            "desired_capacity" | "DesiredCapacity" => read.desired = size,
            _ => return Err(format!("given.action.{name} is not read").into()),
        }
    }
    Ok(read)
}

/// What PutScheduledUpdateGroupAction says to one action, to two, or to so many.
fn acceptance(case: &Case) -> Result<(), Failure> {
    let given = &case.given;
    let mut api = api_with_group(&json!({}))?;
    let mut calls = Vec::new();
    let counts = ["number_of_actions", "number_of_scheduled_actions", "scheduled_actions", "count"];
    let count = counts.iter().find_map(|name| given.opt_u32(name).ok().flatten());
    if let Some(count) = count {
        calls.extend((0..count).map(|number| json!({"StartTime": (api.now + MINUTE * (number + 1)).iso_secs()})));
    } else if let Some(actions) = given.opt_list("actions")? {
        calls.extend(actions.iter().map(arguments));
    } else {
        let members = given.names().map(str::to_string).collect::<Vec<_>>();
        let members: Map<String, Value> =
            members.into_iter().filter_map(|name| Some((name.clone(), given.get(&name)?.clone()))).collect();
        calls.push(arguments(&Value::Object(members)));
    }
    let earliest = calls.iter().filter_map(|call| Timestamp::parse(call["StartTime"].as_str()?)).min();
    // Starts lie ahead unless the case says when it is.
    match opt_instant(given, "now")? {
        Some(now) => api.now = now,
        None => api.now = earliest.map_or(api.now, |earliest| earliest - MINUTE * 60),
    }
    let mut answer = Ok(Value::Null);
    for (number, mut call) in calls.into_iter().enumerate() {
        call["AutoScalingGroupName"] = json!("g");
        if call["ScheduledActionName"].is_null() {
            call["ScheduledActionName"] = json!(format!("action-{number}"));
        }
        if ["MinSize", "MaxSize", "DesiredCapacity"].iter().all(|name| call[*name].is_null()) {
            call["DesiredCapacity"] = json!(1);
        }
        answer = api.call("autoscaling", "PutScheduledUpdateGroupAction", call);
        if answer.is_err() {
            break;
        }
    }
    case.expect_if("accepted", answer.is_ok())?;
    case.expect.skip("reason");
    match (&answer, case.expect.has("code")) {
        (_, true) => case.expect_refusal(&answer),
        _ => case.expect_if("http_status", answer.as_ref().map_or_else(|refusal| refusal.status, |_| 200)),
    }
}

/// An action's members in the API's words.
fn arguments(action: &Value) -> Value {
    let names = [
        ("name", "ScheduledActionName"),
        ("start_time", "StartTime"),
        ("end_time", "EndTime"),
        ("recurrence", "Recurrence"),
        ("time_zone", "TimeZone"),
        ("min_size", "MinSize"),
        ("max_size", "MaxSize"),
        ("desired_capacity", "DesiredCapacity"),
    ];
    let mut arguments = json!({});
    for (name, argument) in names {
        for value in [&action[name], &action[argument]].into_iter().filter(|value| !value.is_null()) {
            arguments[argument] = value.clone();
        }
    }
    arguments
}
