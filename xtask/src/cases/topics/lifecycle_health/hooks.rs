//! States with and without hooks, what a hook's result does, and how long a wait may last.

use scaleproof::engine::groups::activity::{Activity, ActivityKind};
use scaleproof::engine::groups::hook::{ActionResult, Transition};
use scaleproof::engine::names::InstanceId;
use serde_json::json;

use super::api_with_group;
use crate::cases::case::Case;
use crate::cases::failure::Failure;
use crate::cases::group_stage::{GroupStage, group, hook};

/// Reads `LAUNCHING`, `EC2_INSTANCE_LAUNCHING` and `autoscaling:EC2_INSTANCE_LAUNCHING` alike.
fn transition(text: &str) -> Result<Transition, Failure> {
    let name = text.rsplit(':').next().unwrap_or_default();
    let name = name.strip_prefix("EC2_INSTANCE_").unwrap_or(name);
    Transition::parse(&format!("autoscaling:EC2_INSTANCE_{name}"))
        .ok_or_else(|| format!("`{text}` is no transition").into())
}

pub fn heartbeat(case: &Case) -> Result<(), Failure> {
    let mut input = json!({
        "AutoScalingGroupName": "g", "LifecycleHookName": "h",
        "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
    });
    if let Some(secs) = case.given.get("HeartbeatTimeout").filter(|secs| secs.is_number()) {
        input["HeartbeatTimeout"] = secs.clone();
    }
    let mut api = api_with_group(&json!({}))?;
    let answer = api.call("autoscaling", "PutLifecycleHook", input);
    if case.expect.has("code") || case.expects_text("message") || case.expect.has("http_status") {
        case.expect_refusal(&answer)?;
    }
    case.expect_if("error", answer.as_ref().err().map(|refusal| refusal.code.clone()))?;
    for name in ["valid", "accepted"] {
        case.expect_if(name, answer.is_ok())?;
    }
    let shown = api.call("autoscaling", "DescribeLifecycleHooks", json!({"AutoScalingGroupName": "g"}))?;
    for name in ["GlobalTimeout", "HeartbeatTimeout", "DefaultResult"] {
        case.expect_if(name, shown["LifecycleHooks"][0][name].clone())?;
    }
    case.expect_if("default", shown["LifecycleHooks"][0]["HeartbeatTimeout"].clone())?;
    Ok(())
}

/// The states that an instance passes through, with a hook or without.
pub fn states(case: &Case) -> Result<(), Failure> {
    let hooked = case.given.opt_str("hook")?.map(transition).transpose()?;
    let asked = [case.given.opt_str("transition")?, case.given.opt_str("event")?].into_iter().flatten().next();
    let terminating = match (hooked, asked) {
        (Some(hooked), _) => hooked == Transition::Terminating,
        (None, asked) => asked.is_some_and(|text| text.to_uppercase().contains("TERMINAT")),
    };
    let mut stage = GroupStage::settled(0, u32::from(terminating), 1, |spec| {
        let hooks = hooked.map(|transition| hook("h", transition, ActionResult::Continue));
        spec.hooks = hooks.into_iter().collect();
    })?;
    let mut states: Vec<&'static str> = Vec::new();
    let mut watched: Option<InstanceId> = None;
    if terminating {
        watched = Some(stage.first()?);
        states.push("InService");
        stage.set_desired(0)?;
    } else {
        stage.set_desired(1)?;
    }
    stage.watch_for(1800, |stage| {
        if watched.is_none() {
            watched = stage.ids().into_iter().next();
        }
        let state = watched.as_ref().and_then(|id| stage.state(id));
        if let Some(state) = state.filter(|state| states.last() != Some(state)) {
            states.push(state);
        }
    });
    case.expect_eq("states", states)
}

/// What the result of a hook's action does to its instance, with a second hook that would come after it.
pub fn result(case: &Case) -> Result<(), Failure> {
    let transition = transition(case.given.str("transition")?)?;
    let result = case.given.str("result")?;
    // Without a result in time, the hook's default result is taken.
    let action = match result.to_lowercase().as_str() {
        "timeout" | "heartbeat timeout" | "none" => None,
        _ => Some(ActionResult::parse(result).ok_or_else(|| format!("`{result}` is no result"))?),
    };
    let default = case.given.opt_str("DefaultResult")?.and_then(ActionResult::parse).unwrap_or(ActionResult::Abandon);
    let (token_word, instance_word) = (case.given.opt_str("token")?, case.given.opt_str("instance")?);
    let terminating = transition == Transition::Terminating;
    let mut stage = GroupStage::settled(0, 1, 2, |_| {})?;
    for name in ["h1", "h2"] {
        stage.call(|groups, now| groups.put_lifecycle_hook(now, &group(), hook(name, transition, default)))?;
    }
    let before = stage.ids();
    stage.set_desired(if terminating { 0 } else { 2 })?;
    stage.run_for(120);
    let held = stage.ids().into_iter().find(|id| waiting(&stage, id).is_some()).ok_or("no instance waits")?;
    let (_, token) = waiting(&stage, &held).ok_or("no instance waits")?;
    match action {
        Some(action) => stage
            .call(|groups, now| groups.complete_lifecycle_action(now, &group(), "h1", Some(&token), None, action))?,
        None => stage.run_for(300),
    }
    stage.run_for(2);
    let remaining = match waiting(&stage, &held) {
        Some((hook, _)) if hook == "h2" => "run",
        _ => "skipped",
    };
    if remaining == "run" && action.is_some() {
        let on = ActionResult::Continue;
        stage.call(|groups, now| groups.complete_lifecycle_action(now, &group(), "h2", None, Some(&held), on))?;
    }
    let replaced = !terminating && stage.ids().iter().any(|id| *id != held && !before.contains(id));
    let kind = if terminating { ActivityKind::Terminate } else { ActivityKind::Launch };
    stage.run_for(900);
    let activities = stage.activities_since(0);
    let activity: &Activity = activities
        .into_iter()
        .rfind(|activity| activity.instance.as_ref() == Some(&held) && activity.kind == kind)
        .ok_or("the instance has no activity")?;
    let worded = |text: String| {
        let text = token_word.map_or(text.clone(), |word| text.replace(&token, word));
        instance_word.map_or(text.clone(), |word| text.replace(held.as_str(), word))
    };
    let message = activity.status_message.clone().map(worded);
    case.expect_if("StatusCode", activity.status.name())?;
    case.expect_if("StatusMessage", message.clone())?;
    if let Some(expected) = case.expect.opt_str("Description")? {
        let expected = expected.replace("<StatusMessage>", message.as_deref().unwrap_or_default());
        let got = worded(activity.description());
        if expected != got {
            return Err(Failure::differs("Description", &expected.into(), &got.into()));
        }
    }
    let replaced = replaced || (!terminating && stage.ids().iter().any(|id| *id != held && !before.contains(id)));
    let gone = stage.state(&held) == Some("Terminated");
    for name in ["terminates", "terminated"] {
        case.expect_if(name, gone)?;
    }
    let state = stage.state(&held);
    case.expect_if("in_service", state == Some("InService"))?;
    case.expect_if("state", state)?;
    case.expect_if("replacement_launched", replaced)?;
    case.expect_if("replaced", replaced)?;
    case.expect_if("remaining_hooks", remaining)
}

/// The hook that an instance waits for, and its token.
fn waiting(stage: &GroupStage, id: &InstanceId) -> Option<(String, String)> {
    let action = stage.member(id)?.lifecycle_action.as_ref()?;
    Some((action.hook.clone(), action.token.clone()))
}
