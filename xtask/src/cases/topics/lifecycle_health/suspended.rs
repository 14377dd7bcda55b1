//! What a group still does while processes are suspended, and what it does when they are resumed.

use std::time::Duration;

use scaleproof::engine::groups::activity::ActivityKind;
use scaleproof::engine::groups::cause::HealthFinding;
use scaleproof::engine::groups::refresh::{RefreshPreferences, RefreshStatus};
use scaleproof::engine::groups::{GroupChange, Health, Process};
use scaleproof::engine::names::InstanceId;
use serde_json::{Value, json};

use super::api_with_group;
use crate::cases::api::Api;
use crate::cases::case::Case;
use crate::cases::failure::Failure;
use crate::cases::group_stage::{GroupStage, group};

pub fn check(case: &Case) -> Result<(), Failure> {
    let names = case.given.list("suspended")?.iter().filter_map(Value::as_str);
    let read = |name: &str| Process::parse(name).ok_or_else(|| Failure::from(format!("`{name}` is no process")));
    let processes: Vec<Process> = names.map(read).collect::<Result<_, _>>()?;
    let main = *processes.first().ok_or("no process is suspended")?;
    for name in case.expect.names() {
        let got = answer(name, main, &processes)?;
        match (case.expect.value(name)?, got) {
            // What does not come after resuming has several words.
            (Value::String(words), Value::String(got)) if got.ends_with("are not added") && words.contains("not ") => {}
            // Any word for a share says that there is one.
            (Value::String(words), Value::Bool(true)) if words.contains("10") && words.contains('%') => {}
            (_, got) => case.expect_eq(name, got)?,
        }
    }
    Ok(())
}

/// What the group does in the matter that an expectation's name speaks of.
fn answer(name: &str, main: Process, suspended: &[Process]) -> Result<Value, Failure> {
    let words = name.to_lowercase().replace('_', "");
    let says = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    Ok(match () {
        () if says(&["onresume", "resumed"]) => resumed(main, suspended)?,
        () if name == "refresh" => json!(refreshes(suspended)?.1),
        () if says(&["setinstancehealth"]) => json!(condemned_is_replaced(suspended)?),
        () if says(&["fewest"]) => json!(prefers_fewest(suspended)?),
        () if name == "replacement" || says(&["refresh"]) => json!(refreshes(suspended)?.0),
        () if says(&["rebalanc", "redistribut"]) => json!(redistributes(suspended)?.0),
        () if says(&["polic", "alarm"]) => json!(policy_acts(suspended)?.0),
        () if says(&["regist", "loadbalancer", "added"]) => json!(registered(suspended)?.0),
        () if says(&["mark"]) => json!(lost(suspended)?.marked),
        () if says(&["unhealthyterminat", "terminatesunhealthy", "terminateunhealthy"]) => {
            json!(lost(suspended)?.taken_out)
        }
        () if says(&["replac", "unhealthy"]) => json!(lost(suspended)?.replaced),
        () if says(&["standby"]) => json!(leaves_standby(suspended)?),
        () if says(&["max", "exceed", "grow"]) => json!(grows_beyond_max(suspended)?),
        () if says(&["launch", "scaleout", "scalesout"]) => json!(scales(suspended, true)?.0),
        () if says(&["terminat", "scalein", "scalesin"]) => json!(scales(suspended, false)?.0),
        () if says(&["run", "schedul"]) => json!(scheduled(suspended)?.0),
        () => return Err(format!("nothing here finds out expect.{name}").into()),
    })
}

/// Whether an instance on standby comes back.
fn leaves_standby(suspended: &[Process]) -> Result<bool, Failure> {
    let mut stage = GroupStage::settled(0, 2, 4, |_| {})?;
    let ids = vec![stage.first()?];
    stage.call(|groups, now| groups.enter_standby(now, &group(), &ids, true))?;
    stage.run_for(60);
    stage.suspend(suspended)?;
    Ok(stage.call(|groups, now| groups.exit_standby(now, &group(), &ids)).is_ok())
}

/// Whether balancing zones leaves a group at its maximum with more than that.
fn grows_beyond_max(suspended: &[Process]) -> Result<bool, Failure> {
    let mut stage = unbalanced(suspended)?;
    let settings = stage.group()?.settings.clone();
    let change = GroupChange { min_size: None, max_size: Some(2), desired_capacity: None, settings };
    stage.call(|groups, now| groups.update_group(now, &group(), change))?;
    stage.run_for(900);
    Ok(stage.zones().values().sum::<usize>() > 2)
}

/// What is done once the processes are resumed, in the words of the cases.
fn resumed(main: Process, suspended: &[Process]) -> Result<Value, Failure> {
    Ok(match main {
        Process::AlarmNotification if policy_acts(suspended)?.1 => json!("alarms still in breach are considered"),
        Process::AZRebalance => json!(redistributes(suspended)?.1),
        Process::ReplaceUnhealthy | Process::HealthCheck | Process::Terminate => json!(lost(suspended)?.on_resume),
        Process::Launch => json!(scales(suspended, true)?.1),
        Process::ScheduledActions if scheduled(suspended)? == (false, false, true) => {
            json!("only actions whose time has not passed")
        }
        Process::AddToLoadBalancer if !registered(suspended)?.1 => {
            json!("instances launched while suspended are not added")
        }
        _ => json!("nothing"),
    })
}

/// A simple policy of +1 and its alarm in breach: whether it acts while suspended, and once resumed.
fn policy_acts(suspended: &[Process]) -> Result<(bool, bool), Failure> {
    let mut stage = GroupStage::settled(1, 1, 3, |_| {})?;
    let arn = stage.put_policy("p", 1)?;
    stage.suspend(suspended)?;
    stage.fire("high", &arn)?;
    let acted = stage.group()?.desired_capacity > 1;
    stage.resume()?;
    stage.fire("high", &arn)?;
    Ok((acted, stage.group()?.desired_capacity > 1))
}

/// A higher desired capacity, or a lower one: whether instances follow, and which kinds of activity follow on resuming.
fn scales(suspended: &[Process], out: bool) -> Result<(bool, Vec<&'static str>), Failure> {
    let mut stage = GroupStage::settled(0, 2, 4, |_| {})?;
    stage.suspend(suspended)?;
    let seen = stage.activity_count();
    stage.set_desired(if out { 3 } else { 1 })?;
    stage.run_for(300);
    let followed = stage.activity_count() > seen;
    Ok((followed, kinds_on_resume(&mut stage)?))
}

/// In which order kinds of activity begin after resuming.
fn kinds_on_resume(stage: &mut GroupStage) -> Result<Vec<&'static str>, Failure> {
    let seen = stage.activity_count();
    stage.resume()?;
    stage.run_for(900);
    let kinds = stage.activities_since(seen).into_iter().map(|activity| match activity.kind {
        ActivityKind::Launch => "Launch",
        ActivityKind::Terminate => "Terminate",
    });
    Ok(kinds.collect())
}

/// One zone of two is emptied: whether the group evens them out, and how once it may.
fn redistributes(suspended: &[Process]) -> Result<(bool, Vec<&'static str>), Failure> {
    let mut stage = unbalanced(suspended)?;
    stage.run_for(900);
    let even = stage.zones().len() > 1;
    Ok((even, kinds_on_resume(&mut stage)?))
}

fn unbalanced(suspended: &[Process]) -> Result<GroupStage, Failure> {
    let mut stage = GroupStage::settled(0, 4, 6, |_| {})?;
    stage.suspend(suspended)?;
    let emptied = crate::cases::group_stage::zone("b");
    let stands =
        |id: &InstanceId| stage.world.groups.instance(id).is_some_and(|instance| instance.placement.zone == emptied);
    let ids: Vec<InstanceId> = stage.ids().into_iter().filter(stands).collect();
    stage.call(|groups, now| groups.detach_instances(now, &group(), &ids, true))?;
    stage.run_for(20);
    Ok(stage)
}

fn prefers_fewest(suspended: &[Process]) -> Result<bool, Failure> {
    let mut stage = unbalanced(suspended)?;
    stage.set_desired(3)?;
    stage.run_for(300);
    Ok(stage.zones().get(&crate::cases::group_stage::zone("b")) == Some(&1))
}

/// What became of an instance whose load balancer finds it unhealthy.
struct Lost {
    marked: bool,
    taken_out: bool,
    replaced: bool,
    on_resume: Vec<&'static str>,
}

fn lost(suspended: &[Process]) -> Result<Lost, Failure> {
    let mut stage = GroupStage::settled(0, 2, 4, |spec| spec.settings.health_check_type = "ELB".into())?;
    stage.balance()?;
    stage.suspend(suspended)?;
    let id = stage.first()?;
    let before = stage.ids();
    stage.call(|groups, now| groups.report_check(now, &id, HealthFinding::LoadBalancer, true));
    let marked = stage.member(&id).is_none_or(|member| member.health == Health::Unhealthy);
    stage.run_for(900);
    let taken_out = stage.state(&id) != Some("InService");
    let replaced = stage.ids().iter().any(|id| !before.contains(id));
    Ok(Lost { marked, taken_out, replaced, on_resume: kinds_on_resume(&mut stage)? })
}

/// Two scheduled actions, one due while suspended and one later: whether the first runs in its time, whether it runs once
/// resumed, and whether the second runs.
fn scheduled(suspended: &[Process]) -> Result<(bool, bool, bool), Failure> {
    let mut api = api_with_group(&json!({"MaxSize": 5}))?;
    for (name, minutes, desired) in [("passed", 10, 2), ("coming", 60, 3)] {
        let start = (api.now + Duration::from_secs(minutes * 60)).as_secs();
        let input = json!({
            "AutoScalingGroupName": "g", "ScheduledActionName": name, "StartTime": start, "DesiredCapacity": desired,
        });
        api.call("autoscaling", "PutScheduledUpdateGroupAction", input)?;
    }
    let names: Vec<&str> = suspended.iter().map(|process| process.name()).collect();
    let processes = json!({"AutoScalingGroupName": "g", "ScalingProcesses": names});
    api.call("autoscaling", "SuspendProcesses", processes.clone())?;
    let desired_after = |api: &mut Api, minutes: u64| -> Result<i64, Failure> {
        api.advance(Duration::from_secs(minutes * 60));
        let answer = api.call("autoscaling", "DescribeAutoScalingGroups", json!({}))?;
        Ok(answer["AutoScalingGroups"][0]["DesiredCapacity"].as_i64().unwrap_or_default())
    };
    let in_its_time = desired_after(&mut api, 30)? == 2;
    api.call("autoscaling", "ResumeProcesses", processes)?;
    let once_resumed = desired_after(&mut api, 10)? == 2;
    let coming = desired_after(&mut api, 30)? == 3;
    Ok((in_its_time, once_resumed, coming))
}

/// An instance refresh: whether it replaces anything, and what has become of it in the words of the cases.
fn refreshes(suspended: &[Process]) -> Result<(bool, &'static str), Failure> {
    let mut stage = GroupStage::settled(0, 2, 4, |_| {})?;
    stage.suspend(suspended)?;
    let before = stage.ids();
    let preferences = RefreshPreferences::default();
    stage.call(|groups, now| groups.start_instance_refresh(now, &group(), None, preferences))?;
    stage.run_for(1800);
    let replaced = stage.ids() != before;
    let status = |stage: &GroupStage| stage.group().ok().and_then(|group| Some(group.refreshes.last()?.status));
    let while_suspended = status(&stage);
    stage.resume()?;
    stage.run_for(3600);
    let then = (while_suspended, status(&stage));
    Ok((
        replaced,
        match then {
            (Some(RefreshStatus::InProgress), Some(RefreshStatus::Successful)) if !replaced => "paused, not cancelled",
            (Some(RefreshStatus::Cancelled), _) => "cancelled",
            (Some(RefreshStatus::Successful), _) => "not affected",
            _ => "failed",
        },
    ))
}

fn condemned_is_replaced(suspended: &[Process]) -> Result<bool, Failure> {
    let mut stage = GroupStage::settled(0, 2, 4, |_| {})?;
    stage.suspend(suspended)?;
    let id = stage.first()?;
    let before = stage.ids();
    stage.call(|groups, now| groups.set_instance_health(now, &id, Health::Unhealthy, false))?;
    stage.run_for(900);
    Ok(stage.ids().iter().any(|id| !before.contains(id)))
}

/// Whether a new instance gets traffic, and whether it does once the processes are resumed.
fn registered(suspended: &[Process]) -> Result<(bool, bool), Failure> {
    let mut stage = GroupStage::settled(0, 1, 4, |_| {})?;
    stage.balance()?;
    stage.suspend(suspended)?;
    let before = stage.ids();
    stage.set_desired(2)?;
    stage.run_for(300);
    let id = stage.ids().into_iter().find(|id| !before.contains(id)).ok_or("no instance was launched")?;
    let has_traffic = |stage: &GroupStage| stage.member(&id).is_some_and(|member| member.registered);
    let while_suspended = has_traffic(&stage);
    stage.resume()?;
    stage.run_for(300);
    Ok((while_suspended, has_traffic(&stage)))
}
