//! `asg-activity`: what a group's activities say, in which order they come, and how long each is shown.

mod events;

use std::ops::RangeInclusive;
use std::time::Duration;

use scaleproof::clock::Timestamp;
use scaleproof::engine::groups::activity::{Activity, ActivityKind, KEPT_FOR};
use scaleproof::engine::groups::{Timing, timing};
use scaleproof::sandbox::models::autoscaling;

use super::lifecycle_health::enumeration;
use crate::cases::case::Case;
use crate::cases::failure::Failure;
use crate::cases::group_stage::{GroupStage, timeless};

pub fn check(case: &Case) -> Result<(), Failure> {
    let given = &case.given;
    if given.has("shape") {
        return enumeration(case);
    }
    if given.has("service") {
        return other_service(case);
    }
    if given.has("at") {
        return recorded_times(case);
    }
    if given.has("behind") && case.expect.has("terminate_activity_at") {
        return order_of_replacement(case);
    }
    if given.has("event") || given.has("health_event") || given.has("error") {
        return event(case);
    }
    constants(case)
}

/// Expectations about all activities.
fn constants(case: &Case) -> Result<(), Failure> {
    for name in case.expect.names() {
        match name {
            "retained_days" => case.expect_eq(name, KEPT_FOR.as_secs() / 86_400)?,
            "retained_weeks" => case.expect_eq(name, KEPT_FOR.as_secs() / (7 * 86_400))?,
            "order" => case.expect_eq(name, events::display_order()?)?,
            "Details_keys" | "details_keys" => case.expect_eq(name, events::details_keys()?)?,
            enumeration => {
                let shape = autoscaling::SERVICE.shape(enumeration);
                let shape = shape.ok_or_else(|| format!("nothing here finds out expect.{enumeration}"))?;
                case.expect_eq(enumeration, shape.rules.values)?;
            }
        }
    }
    Ok(())
}

fn other_service(case: &Case) -> Result<(), Failure> {
    let service = case.given.str("service")?;
    Err(format!("activities of {service} are not reproduced: only EC2 Auto Scaling is served").into())
}

/// Something happens to a group; the activity that it sets off is held to what the case says of it.
fn event(case: &Case) -> Result<(), Failure> {
    let told = events::play(case)?;
    let activity = &told.activity;
    // The cases write instants as <T> and call the instance by a name of theirs.
    let named = |text: &str| match (&activity.instance, case.given.opt_str("instance").ok().flatten()) {
        (Some(id), Some(name)) => text.replace(id.as_str(), name),
        (Some(id), None) => text.replace(id.as_str(), "<id>"),
        (None, _) => text.to_string(),
    };
    let (cause, description) = (timeless(&named(&activity.cause)), named(&activity.description()));
    for stem in ["Cause", "cause"] {
        if case.expects_text(stem) {
            case.expect_text(stem, &cause)?;
        }
    }
    if case.expects_text("Description") {
        case.expect_text("Description", &description)?;
    }
    let sentences: Vec<String> = cause.split(".  ").map(|text| format!("{}.", text.trim_end_matches('.'))).collect();
    case.expect_if("last_sentence", sentences.last().cloned().unwrap_or_default())?;
    case.expect_if("first_sentence", sentences.first().cloned().unwrap_or_default())?;
    case.expect_if("sentences", sentences.len())?;
    case.expect_if("StatusCode", activity.status.name())?;
    case.expect_if("StatusMessage", activity.status_message.clone())?;
    case.expect_if("Progress", activity.progress)?;
    if let Some(keys) = case.expect.opt_list("Details_keys")? {
        let got: Vec<String> =
            activity.details.to_json().as_object().into_iter().flat_map(|it| it.keys().cloned()).collect();
        if keys.iter().any(|key| !got.iter().any(|name| Some(name.as_str()) == key.as_str())) {
            return Err(Failure::differs("Details_keys", &keys.into(), &got.into()));
        }
    }
    case.expect_if("desired", told.desired.clone())?;
    if let Some(expected) = case.expect.get("notification") {
        let message = told.message.as_ref().ok_or("no notification was sent")?;
        for (name, value) in expected.as_object().into_iter().flatten() {
            crate::cases::case::compare(name, value, &message[name])?;
        }
    }
    Ok(())
}

/// Seconds that a recording took, held to what the engine takes: both must lie within what samples of AWS show.
fn hold_delay(name: &str, recorded: u64, ours: u64, seen: &RangeInclusive<u64>) -> Result<(), Failure> {
    if seen.contains(&recorded) && seen.contains(&ours) {
        return Ok(());
    }
    let expected = format!("{recorded}, within the samples {} to {}", seen.start(), seen.end());
    Err(Failure::Differs { at: name.into(), expected, got: ours.to_string() })
}

fn instant(text: &str) -> Result<Timestamp, Failure> {
    Timestamp::parse(text).ok_or_else(|| format!("`{text}` is no instant").into())
}

/// A group changes at an instant, with the engine's own delays. What the case recorded of it is one sample: its instants must
/// lie as far apart as samples do, and what the activity says must fit its own instants.
fn recorded_times(case: &Case) -> Result<(), Failure> {
    let event = case.given.str("event")?.to_string();
    let at = instant(case.given.str("at")?)?;
    let numbers: Vec<u32> = event.split(|c: char| !c.is_ascii_digit()).filter_map(|text| text.parse().ok()).collect();
    let arrow = event.contains("->").then(|| numbers.first().copied()).flatten();
    let from = arrow.or(numbers.last().copied()).unwrap_or(1);
    let mut stage = GroupStage::empty(at - Duration::from_secs(3600), Timing::Realistic)?;
    stage.create(0, from, from + 2, |_| {})?;
    stage.run_for(3600);
    let seen = stage.activity_count();
    events::cause_by_words(&mut stage, &event)?;
    stage.run_for(600);
    let activities = stage.activities_since(seen);
    let activity: &Activity = activities.first().ok_or("nothing happened")?;
    let out = activity.kind == ActivityKind::Launch;
    let (decided, done) = if out {
        (&timing::LAUNCH_SEEN, &timing::READY_SEEN)
    } else {
        (&timing::TERMINATE_SEEN, &timing::SHUT_DOWN_SEEN)
    };
    let whole = |from: Timestamp, to: Timestamp| to.as_secs().abs_diff(from.as_secs());
    let ended_at = activity.ended_at.ok_or("the activity does not end")?;
    let (waited, took) = (whole(at, activity.started_at), ended_at.since(activity.started_at).as_secs());
    for name in ["decision_to_action_s", "launch_delay_s", "delay_s"] {
        let samples =
            case.expect.get(name).map(|value| value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]));
        for sample in samples.into_iter().flatten() {
            hold_delay(name, sample.as_u64().unwrap_or_default(), waited, decided)?;
        }
    }
    for name in ["action_s", "launch_s", "terminate_s"] {
        if let Some(recorded) = case.expect.opt_u32(name)? {
            hold_delay(name, recorded.into(), took, done)?;
        }
    }
    let start = case.expect.opt_str("StartTime")?.map(instant).transpose()?;
    if let Some(start) = start {
        hold_delay("StartTime", whole(at, start), waited, decided)?;
    }
    if let (Some(start), Some(end)) = (start, case.expect.opt_str("EndTime")?.map(instant).transpose()?) {
        hold_delay("EndTime", end.since(start).as_secs(), took, done)?;
    }
    sentences_fit(case, activity, start)
}

/// A sentence names the second at which its activity starts, ours as in the recording.
fn sentences_fit(case: &Case, activity: &Activity, recorded: Option<Timestamp>) -> Result<(), Failure> {
    let sentences: Vec<&str> = activity.cause.split(".  ").collect();
    case.expect_if("sentences", sentences.len())?;
    for (name, part) in [
        ("out_of_service", "was taken out of service"),
        ("selected", "was selected for termination"),
        ("started", "was started"),
    ] {
        let Some(told) = case.expect.opt_str(name)? else { continue };
        let sentence = sentences.iter().find(|sentence| sentence.contains(part)).ok_or("a sentence is missing")?;
        let ours = instant(sentence.split(' ').nth(1).unwrap_or_default())?;
        let apart = |start: Timestamp, told: Timestamp| start.as_secs() - told.as_secs();
        let theirs = recorded.map(|start| instant(told).map(|told| apart(start, told))).transpose()?;
        if theirs.is_some_and(|theirs| theirs != apart(activity.started_at, ours)) {
            return Err(Failure::differs(name, &told.into(), &(*sentence).into()));
        }
    }
    Ok(())
}

/// An instance behind a load balancer ends outside its group; what was recorded is held to the engine's own delays.
fn order_of_replacement(case: &Case) -> Result<(), Failure> {
    case.given.skip("event");
    if case.given.str("behind")? != "load balancer" {
        return Err("given.behind is unknown".into());
    }
    let clock = |name: &str| instant(&format!("2026-06-30T{}Z", case.expect.str(name)?));
    let (terminated_at, launched_at) = (clock("terminate_activity_at")?, clock("launch_activity_at")?);
    let mut stage = GroupStage::empty(terminated_at - Duration::from_secs(3600), Timing::Realistic)?;
    stage.create(1, 1, 2, |_| {})?;
    stage.run_for(1800);
    stage.balance()?;
    stage.run_for(1800);
    let seen = stage.activity_count();
    let id = stage.first()?;
    stage.call(|groups, now| groups.terminate_instances(now, &[id]))?;
    // Until the replacement is there; the load balancer drains for longer.
    stage.run_for(120);
    let activities = stage.activities_since(seen);
    let of = |kind| activities.iter().find(|activity| activity.kind == kind).ok_or("an activity is missing");
    let (termination, launch) = (of(ActivityKind::Terminate)?, of(ActivityKind::Launch)?);
    let between = launch.started_at.since(termination.started_at).as_secs();
    hold_delay("launch_activity_at", launched_at.since(terminated_at).as_secs(), between, &timing::REPLACEMENT_SEEN)?;
    if let Some(recorded) = case.expect.opt_u32("launch_done_after_s")? {
        let done = launch.ended_at.ok_or("the launch does not end")?.since(launch.started_at).as_secs();
        hold_delay("launch_done_after_s", recorded.into(), done, &timing::READY_SEEN)?;
    }
    case.expect_if("terminate_status", termination.status.name())
}
