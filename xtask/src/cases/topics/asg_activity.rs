//! `asg-activity`: what a group's activities say, in which order they come, and how long each is shown.

mod events;

use std::time::Duration;

use scaleproof::clock::Timestamp;
use scaleproof::engine::groups::Timing;
use scaleproof::engine::groups::activity::{Activity, ActivityKind, KEPT_FOR};
use scaleproof::engine::groups::timing::Delays;
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

/// A group is scaled in with the delays that were recorded; what it says must fit together as recorded.
fn recorded_times(case: &Case) -> Result<(), Failure> {
    let event = case.given.str("event")?.to_string();
    let instant = |text: &str| Timestamp::parse(text).ok_or_else(|| Failure::from(format!("`{text}` is no instant")));
    let at = instant(case.given.str("at")?)?;
    let (start, end) = (instant(case.expect.str("StartTime")?)?, instant(case.expect.str("EndTime")?)?);
    // How long AWS took is given; that the texts and the instants fit is asked.
    let delays = Delays { terminate: start.since(at), shut_down: end.since(start), ..Delays::REALISTIC };
    let numbers: Vec<u32> = event.split(|c: char| !c.is_ascii_digit()).filter_map(|text| text.parse().ok()).collect();
    let from = numbers.last().copied().unwrap_or(1);
    let mut stage = GroupStage::empty(at - Duration::from_secs(3600), Timing::Given(delays))?;
    stage.create(0, from, from.max(1), |_| {})?;
    stage.run_for(3600);
    let seen = stage.activity_count();
    events::cause_by_words(&mut stage, &event)?;
    stage.run_for(end.since(at).as_secs() + 1);
    let activities = stage.activities_since(seen);
    let activity: &Activity = activities.first().ok_or("nothing happened")?;
    let sentences: Vec<&str> = activity.cause.split(".  ").collect();
    let told_at = |part: &str| -> Result<String, Failure> {
        let sentence = sentences.iter().find(|sentence| sentence.contains(part)).ok_or("a sentence is missing")?;
        Ok(sentence.split(' ').nth(1).unwrap_or_default().to_string())
    };
    case.expect_if("out_of_service", told_at("was taken out of service")?)?;
    case.expect_if("selected", told_at("was selected for termination")?)?;
    case.expect_eq("StartTime", activity.started_at.iso_millis())?;
    case.expect_eq("EndTime", activity.ended_at.unwrap_or_default().iso_millis())?;
    case.expect_if("sentences", sentences.len())?;
    let whole = |from: Timestamp, to: Timestamp| to.as_secs() - from.as_secs();
    case.expect_if("decision_to_action_s", whole(at, activity.started_at))?;
    let took = activity.ended_at.map(|end| end.since(activity.started_at).as_secs());
    case.expect_if("action_s", took)
}

/// An instance behind a load balancer ends outside its group; the delays are the recorded ones.
fn order_of_replacement(case: &Case) -> Result<(), Failure> {
    case.given.skip("event");
    if case.given.str("behind")? != "load balancer" {
        return Err("given.behind is unknown".into());
    }
    let clock = |name: &str| -> Result<Timestamp, Failure> {
        let text = format!("2026-06-30T{}Z", case.expect.str(name)?);
        Timestamp::parse(&text).ok_or_else(|| format!("expect.{name} is no time").into())
    };
    let (terminated_at, launched_at) = (clock("terminate_activity_at")?, clock("launch_activity_at")?);
    let took = Duration::from_secs(u64::from(case.expect.opt_u32("launch_done_after_s")?.unwrap_or(32)));
    let delays = Delays {
        boot: took,
        in_service: Duration::ZERO,
        health_check: Duration::ZERO,
        replacement: launched_at.since(terminated_at),
        ..Delays::REALISTIC
    };
    let mut stage = GroupStage::empty(terminated_at - Duration::from_secs(3600), Timing::Given(delays))?;
    stage.create(1, 1, 2, |_| {})?;
    stage.run_for(1800);
    stage.balance()?;
    stage.run_for(1800);
    let seen = stage.activity_count();
    let id = stage.first()?;
    stage.call(|groups, now| groups.terminate_instances(now, &[id]))?;
    stage.run_for(60);
    let activities = stage.activities_since(seen);
    let of = |kind| activities.iter().find(|activity| activity.kind == kind).ok_or("an activity is missing");
    let (termination, launch) = (of(ActivityKind::Terminate)?, of(ActivityKind::Launch)?);
    let time = |at: Timestamp| at.format("%H:%M:%S");
    case.expect_eq("terminate_activity_at", time(termination.started_at))?;
    case.expect_eq("launch_activity_at", time(launch.started_at))?;
    let done = launch.ended_at.map(|end| end.since(launch.started_at).as_secs());
    case.expect_if("launch_done_after_s", done)?;
    case.expect_if("terminate_status", termination.status.name())
}
