//! Events in the words of the cases, made to happen to a group. Start at [`play`].

use std::time::Duration;

use scaleproof::clock::Timestamp;
use scaleproof::engine::groups::activity::{Activity, in_display_order};
use scaleproof::engine::groups::cause::HealthFinding;
use scaleproof::engine::groups::hook::{ActionResult, Transition};
use scaleproof::engine::groups::refresh::RefreshPreferences;
use scaleproof::engine::groups::{GroupChange, Health, TemplateRef, Timing};
use serde_json::{Value, json};

use crate::cases::case::Case;
use crate::cases::failure::Failure;
use crate::cases::group_stage::{GroupStage, group, hook};
use crate::cases::topics::lifecycle_health::api_with_group;

/// The activity that an event set off, and what went with it.
pub struct Told {
    pub activity: Activity,
    /// What the group's topic heard of it.
    pub message: Option<Value>,
    pub desired: Value,
}

pub fn play(case: &Case) -> Result<Told, Failure> {
    let event = case.given.opt_str("event")?.or(case.given.opt_str("health_event")?).unwrap_or("launch fails");
    if event.contains("scheduled action") {
        return scheduled_action();
    }
    // Read here, written into the texts by the caller.
    case.given.opt_str("instance")?;
    let error = case.given.opt_str("error")?;
    let protected = case.given.opt_bool("all_instances_protected")?.unwrap_or_default();
    let numbers: Vec<u32> = event.split(|c: char| !c.is_ascii_digit()).filter_map(|text| text.parse().ok()).collect();
    let words = event.to_lowercase();
    let after_from = words.split("from ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
    let from = match after_from.or(case.given.opt_u32("from")?) {
        Some(from) => from,
        None if words.contains("create") => 0,
        None if event.contains("->") => numbers.first().copied().unwrap_or(2),
        None => 2,
    };
    let mut stage = GroupStage::settled(0, from, from.max(4) + 2, |spec| {
        spec.settings.health_check_type = "ELB".into();
        spec.settings.protect_new_instances = protected;
        if words.contains("hook") {
            spec.hooks = vec![hook("h", Transition::Terminating, ActionResult::Continue)];
        }
    })?;
    if case.given.opt_str("behind")?.is_some_and(|text| text.contains("load balancer")) {
        stage.balance()?;
    }
    stage.subscribe()?;
    stage.run_for(60);
    stage.heard.clear();
    let (seen, before) = (stage.activity_count(), stage.group()?.desired_capacity);
    let mut seen = seen;
    match (case.given.opt_str("alarm")?, case.given.opt_str("policy")?) {
        _ if error.is_some() => fail_to_launch(&mut stage)?,
        _ if words.contains("create") => {
            stage = GroupStage::empty(stage.start, Timing::Realistic)?;
            let desired = numbers.last().copied().unwrap_or(1);
            stage.create(0, desired, desired.max(1), |_| {})?;
            seen = 0;
        }
        (Some(alarm), policy) => {
            let to = case.given.opt_u32("to")?.and_then(|to| i32::try_from(to).ok()).unwrap_or(from as i32 + 1);
            let arn = stage.put_policy(policy.unwrap_or("p"), to - from as i32)?;
            stage.fire(alarm, &arn)?;
        }
        (None, Some(policy)) => {
            stage.put_policy(policy, 1)?;
            let name = policy.into();
            let decision = stage.call(|groups, now| groups.execute_policy(now, &group(), &name, false, None))?;
            decision.to().ok_or("the policy did not act")?;
        }
        (None, None) => match case.given.opt_u32("to")? {
            Some(to) => stage.set_desired(to)?,
            None => cause_by_words(&mut stage, event)?,
        },
    }
    // A case speaks of the moment at which its activity has the status that it names, or else of its end.
    let status = case.expect.opt_str("StatusCode")?.unwrap_or_default();
    let wanted = if case.given.opt_bool("launch")? == Some(true) { Some(true) } else { wants_launch(event) };
    let means = |activity: &&Activity| {
        let launch = activity.title.starts_with("Launching");
        wanted.is_none_or(|wanted| wanted == launch)
    };
    let mut moment: Option<Activity> = None;
    stage.watch_for(600, |stage| {
        if let Some(found) =
            stage.activities_since(seen).into_iter().find(means).filter(|it| it.status.name() == status)
        {
            moment.get_or_insert_with(|| found.clone());
        }
    });
    let last = stage.activities_since(seen).into_iter().find(means).cloned();
    let mut activity = moment.or(last).ok_or("the event set off no activity")?;
    if let (Some(message), Some(reason)) = (error, activity.status_message.clone()) {
        // The case writes its own message where EC2's stands.
        activity.status_message = Some(reason.replace(&reason, message));
    }
    let heard = stage.heard.iter().find(|(_, message)| message["ActivityId"] == json!(activity.id));
    let after = stage.group()?.desired_capacity;
    let desired = if after < before { json!("decremented") } else { json!(after) };
    Ok(Told { message: heard.map(|(_, message)| message.clone()), activity, desired })
}

/// A scheduled action that asks for one instance more, through the API.
fn scheduled_action() -> Result<Told, Failure> {
    let mut api = api_with_group(&json!({"DesiredCapacity": 1, "MaxSize": 5}))?;
    let input = json!({
        "AutoScalingGroupName": "g", "ScheduledActionName": "N", "StartTime": api.now.as_secs() + 600,
        "DesiredCapacity": 2,
    });
    api.call("autoscaling", "PutScheduledUpdateGroupAction", input)?;
    api.advance(Duration::from_secs(1800));
    let found = api.world().groups.get(&group()).ok_or("the group is gone")?;
    let activity = found.activities.back().cloned().ok_or("the event set off no activity")?;
    Ok(Told { activity, message: None, desired: json!(found.desired_capacity) })
}

/// Of the activities that an event sets off, the case means the launch, the termination, or whichever comes first.
fn wants_launch(event: &str) -> Option<bool> {
    let replacement = event.starts_with("replacement") || event.contains("launch");
    replacement.then_some(true)
}

fn fail_to_launch(stage: &mut GroupStage) -> Result<(), Failure> {
    stage.world.groups.launch_templates.delete(TemplateRef::Name("t"))?;
    let desired = stage.group()?.desired_capacity;
    stage.set_desired(desired + 1)
}

/// Does to a settled group what the words say.
pub fn cause_by_words(stage: &mut GroupStage, event: &str) -> Result<(), Failure> {
    let words = event.to_lowercase();
    let numbers: Vec<u32> = words.split(|c: char| !c.is_ascii_digit()).filter_map(|text| text.parse().ok()).collect();
    let desired = stage.group()?.desired_capacity;
    let says = |part: &str| words.contains(part);
    if says("constraints") {
        let [min, max, desired, ..] = numbers.as_slice() else { return Err("the event names no constraints".into()) };
        return update(stage, Some(*min), Some(*max), Some(*desired));
    }
    if says("policy") {
        return execute_policy(stage, if says("in") && !says("out") { -1 } else { 1 });
    }
    if says("scale in") || says("scale-in") {
        return stage.set_desired(numbers.get(1).copied().unwrap_or(desired.saturating_sub(1)));
    }
    if says("scale out") || says("scale-out") || says("setdesiredcapacity") || says("desired capacity") {
        return stage.set_desired(numbers.get(1).copied().unwrap_or(desired + 1));
    }
    if words.starts_with("launch") {
        return stage.set_desired(numbers.get(1).copied().unwrap_or(desired + 1));
    }
    if says("refresh") {
        let preferences = RefreshPreferences::default();
        stage.call(|groups, now| groups.start_instance_refresh(now, &group(), None, preferences))?;
        return Ok(());
    }
    let id = stage.first()?;
    let finding = |finding: HealthFinding| {
        move |stage: &mut GroupStage| {
            let id = stage.first()?;
            stage.call(|groups, now| groups.report_check(now, &id, finding, true));
            Ok(())
        }
    };
    match () {
        () if says("status") => finding(HealthFinding::StatusCheckFailed)(stage),
        () if says("reboot") => finding(HealthFinding::ScheduledReboot)(stage),
        () if says("elb") || says("load balancer") => {
            stage.balance()?;
            finding(HealthFinding::LoadBalancer)(stage)
        }
        () if says("terminated") || says("stopped") => {
            stage.call(|groups, now| groups.terminate_instances(now, &[id]))?;
            Ok(())
        }
        () if says("unhealthy") || says("user") => {
            Ok(stage.call(|groups, now| groups.set_instance_health(now, &id, Health::Unhealthy, false))?)
        }
        () => Err(format!("nothing here makes `{event}` happen").into()),
    }
}

fn update(stage: &mut GroupStage, min: Option<u32>, max: Option<u32>, desired: Option<u32>) -> Result<(), Failure> {
    let settings = stage.group()?.settings.clone();
    let change = GroupChange { min_size: min, max_size: max, desired_capacity: desired, settings };
    Ok(stage.call(|groups, now| groups.update_group(now, &group(), change))?)
}

fn execute_policy(stage: &mut GroupStage, adjustment: i32) -> Result<(), Failure> {
    stage.put_policy("p", adjustment)?;
    let decision = stage.call(|groups, now| groups.execute_policy(now, &group(), &"p".into(), false, None))?;
    decision.to().map(|_| ()).ok_or_else(|| format!("the policy did not act: {:?}", decision.because).into())
}

/// What the details of a launch name.
pub fn details_keys() -> Result<Value, Failure> {
    let stage = GroupStage::settled(0, 1, 3, |_| {})?;
    let activities = stage.activities_since(0);
    let details = activities.first().ok_or("there is no activity")?.details.to_json();
    Ok(json!(details.as_object().into_iter().flat_map(|it| it.keys().cloned()).collect::<Vec<_>>()))
}

/// How two ended activities and one in progress are listed.
pub fn display_order() -> Result<Value, Failure> {
    let mut stage = GroupStage::settled(0, 1, 3, |_| {})?;
    stage.set_desired(2)?;
    stage.run_for(300);
    stage.set_desired(3)?;
    stage.run_for(10);
    let order: Vec<(bool, Timestamp)> = in_display_order(stage.activities_since(0))
        .into_iter()
        .map(|activity| (activity.ended_at.is_none(), activity.started_at))
        .collect();
    let running_first = order.first().is_some_and(|(running, _)| *running);
    let newest_first = order.windows(2).skip(1).all(|pair| pair[0].1 >= pair[1].1);
    Ok(json!(match (running_first, newest_first) {
        (true, true) => "in progress first, then newest first",
        (true, false) => "in progress first",
        (false, true) => "newest first",
        (false, false) => "none",
    }))
}
