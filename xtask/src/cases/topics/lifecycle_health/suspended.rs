//! What a group still does while processes are suspended, and what it does when they are resumed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use scaleproof::engine::alarms::{AlarmSnapshot, AlarmState, Comparison, MetricAlarm, MetricStat};
use scaleproof::engine::groups::activity::ActivityKind;
use scaleproof::engine::groups::cause::HealthFinding;
use scaleproof::engine::groups::policy::{AdjustmentType, Policy, PolicyKind};
use scaleproof::engine::groups::{Health, Process};
use scaleproof::engine::metrics::{MetricKey, Statistic};
use scaleproof::engine::names::{InstanceId, PolicyArn};
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
        case.expect_eq(name, got)?;
    }
    Ok(())
}

/// What the group does in the matter that an expectation names.
fn answer(name: &str, main: Process, suspended: &[Process]) -> Result<Value, Failure> {
    Ok(match name {
        "policies_invoked" | "policies_act" => json!(policy_acts(suspended)?.0),
        "launches" | "launched" | "scale_out" | "scales_out" | "replacement_launched" | "launch" => {
            json!(scales(suspended, true)?.0)
        }
        "terminates" | "terminated" | "scale_in" | "scales_in" | "terminate" => json!(scales(suspended, false)?.0),
        "redistribute" | "rebalance" | "rebalances" | "az_rebalance" => json!(redistributes(suspended)?.0),
        "scale_out_still_prefers_fewest" => json!(prefers_fewest(suspended)?),
        "marks_unhealthy" | "marked_unhealthy" => json!(lost(suspended)?.marked),
        "unhealthy_terminated" | "terminates_unhealthy" => json!(lost(suspended)?.taken_out),
        "replaced" => json!(lost(suspended)?.replaced),
        "unhealthy_replaced" | "replacements_launched" | "replaces" => json!(lost(suspended)?.replaced),
        "manual_SetInstanceHealth_still_replaced" => json!(condemned_is_replaced(suspended)?),
        "registered" | "added" | "added_to_load_balancer" | "registers" | "registered_with_load_balancer" => {
            json!(registered(suspended)?.0)
        }
        "run" | "runs" | "actions_run" => json!(scheduled(suspended)?.0),
        "instances_launched" => json!(scales(suspended, true)?.0),
        "on_resume" => resumed(main, suspended)?,
        other => return Err(format!("nothing here finds out expect.{other}").into()),
    })
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
    let arn = put_policy(&mut stage, 1)?;
    stage.suspend(suspended)?;
    fire(&mut stage, &arn)?;
    let acted = stage.group()?.desired_capacity > 1;
    stage.resume()?;
    fire(&mut stage, &arn)?;
    Ok((acted, stage.group()?.desired_capacity > 1))
}

fn put_policy(stage: &mut GroupStage, adjustment: i32) -> Result<PolicyArn, Failure> {
    let policy = Policy {
        name: "p".into(),
        arn: PolicyArn::default(),
        enabled: true,
        adjustment_type: AdjustmentType::ChangeInCapacity,
        min_adjustment_magnitude: None,
        kind: PolicyKind::Simple { adjustment, cooldown_secs: None },
        last: None,
    };
    Ok(stage.call(|groups, _| groups.put_policy(&group(), policy))?)
}

/// An alarm in ALARM asks the policy to act, as it does each minute.
fn fire(stage: &mut GroupStage, arn: &PolicyArn) -> Result<(), Failure> {
    let metric = MetricStat {
        key: MetricKey { namespace: "AWS/EC2".into(), name: "CPUUtilization".into(), dimensions: BTreeMap::new() },
        statistic: Statistic::Average,
        period_secs: 60,
        unit: None,
    };
    let config = MetricAlarm {
        name: "high".into(),
        description: None,
        actions_enabled: true,
        ok_actions: Vec::new(),
        alarm_actions: Vec::new(),
        insufficient_data_actions: Vec::new(),
        metric,
        evaluation_periods: 1,
        datapoints_to_alarm: None,
        threshold: 50.0,
        comparison: Comparison::GreaterThanOrEqualToThreshold,
        treat_missing_data: None,
        evaluate_low_sample_count_percentile: None,
    };
    let now = stage.now;
    let alarm = AlarmSnapshot {
        config: Arc::new(config),
        arn: stage.world.place.arn("cloudwatch", "alarm:high"),
        old_state: AlarmState::Alarm,
        new_state: AlarmState::Alarm,
        reason: String::new(),
        state_changed_at: now,
        configuration_updated_at: now,
        newest_value: Some(90.0),
    };
    let outcomes = stage.world.groups.invoke_policy(now, arn.as_str(), &alarm, &|_| None)?;
    stage.world.route_outcomes(now, outcomes);
    Ok(())
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
