//! `termination`: which instance goes, which policies there are, and how zones are balanced.

use std::collections::BTreeMap;

use scaleproof::clock::Timestamp;
use scaleproof::engine::groups::activity::ActivityKind;
use scaleproof::engine::groups::allocation::{Misfit, Purchase};
use scaleproof::engine::groups::rebalance::temporary_max;
use scaleproof::engine::groups::termination::{Candidate, TerminationPolicy, check_policies, choose_termination};
use scaleproof::engine::groups::{GroupSpec, Health, LaunchedFrom};
use scaleproof::engine::names::InstanceId;
use serde_json::{Map, Value, json};

use crate::cases::api::Api;
use crate::cases::case::{Case, compare};
use crate::cases::failure::Failure;
use crate::cases::group_stage::{GroupStage, group};

pub fn check(case: &Case) -> Result<(), Failure> {
    let given = &case.given;
    if given.has("instances") {
        return choice(case);
    }
    if given.has("termination_policies") {
        return case.expect_eq("valid", check_policies(&policy_names(case)?).is_ok());
    }
    if let Some(operation) = given.opt_str("api")? {
        let answer = Api::new().call("autoscaling", operation, json!({}))?;
        return case.expect_eq("types", answer["TerminationPolicyTypes"].clone());
    }
    if given.has("unhealthy") || given.has("replacement") || given.has("reason") {
        return unhealthy_goes(case);
    }
    if given.opt_str("trigger")?.is_some_and(|words| words.contains("unhealthy")) {
        return unhealthy_goes(case);
    }
    match given.opt_u32("max_size")? {
        Some(max) => margin(case, max),
        None => rebalancing(case),
    }
}

fn policy_names(case: &Case) -> Result<Vec<String>, Failure> {
    let names = case.given.list("termination_policies")?.iter();
    names.map(|name| name.as_str().map(str::to_string).ok_or_else(|| format!("{name} is no policy").into())).collect()
}

fn choice(case: &Case) -> Result<(), Failure> {
    let policies: Vec<TerminationPolicy> = policy_names(case)?
        .iter()
        .map(|name| TerminationPolicy::parse(name).ok_or_else(|| Failure::from(format!("`{name}` is no policy"))))
        .collect::<Result<_, _>>()?;
    let instances = case.given.list("instances")?;
    let candidates = instances.iter().map(candidate).collect::<Result<Vec<_>, _>>()?;
    let now = match case.given.opt_i64("now_s")? {
        Some(secs) => secs,
        None => candidates.iter().map(|candidate| candidate.launched_at.as_secs()).max().unwrap_or_default(),
    };
    let current = match case.given.opt_str("current_template")? {
        Some(template) => Some(template.split(':').next().unwrap_or_default().to_string()),
        None => current_template(&candidates),
    };
    let choose = |left: &[Candidate], pick: usize| {
        choose_termination(&policies, left, current.as_deref().as_slice(), Timestamp::from_secs(now), |count| {
            pick % count
        })
    };
    let departures = |count: usize| {
        let mut left = candidates.clone();
        let mut gone = Vec::new();
        for _ in 0..count {
            let Some(id) = choose(&left, 0) else { break };
            gone.extend(left.iter().find(|candidate| candidate.id == id).cloned());
            left.retain(|candidate| candidate.id != id);
        }
        gone
    };
    for (name, expected) in case.expect.object("terminate")? {
        match name.as_str() {
            "id" => {
                // Whichever equal is picked.
                for pick in 0..candidates.len() {
                    compare(name, expected, &json!(choose(&candidates, pick)))?;
                }
            }
            "one_of" => {
                let all: Vec<Value> = (0..candidates.len()).map(|pick| json!(choose(&candidates, pick))).collect();
                let among = expected.as_array().is_some_and(|ids| all.iter().all(|id| ids.contains(id)));
                if !among {
                    return Err(Failure::differs(name, expected, &Value::from(all)));
                }
            }
            "az" => {
                let zone = departures(1).first().map(|candidate| candidate.zone.to_string());
                compare(name, expected, &json!(zone))?;
            }
            "order" => {
                let ids: Vec<InstanceId> = departures(candidates.len()).into_iter().map(|gone| gone.id).collect();
                compare(name, expected, &json!(ids))?;
            }
            "remove_two" => compare(name, expected, &json!(removal(&departures(2))))?,
            "desired_decremented" => compare(name, expected, &json!(desired_falls_without_departure(&candidates)?))?,
            other => return Err(format!("expect.terminate.{other} is unknown").into()),
        }
    }
    Ok(())
}

/// Tells whence two instances went in the words of the cases.
fn removal(gone: &[Candidate]) -> &'static str {
    match gone {
        [one, other] if one.zone != other.zone => "one from each AZ",
        [_, _] => "both from one AZ",
        _ => "fewer than two",
    }
}

fn candidate(described: &Value) -> Result<Candidate, Failure> {
    let members = described.as_object().ok_or("an instance is not an object")?;
    let known = ["id", "az", "launched_at_s", "template", "launch_template", "launch_configuration", "protected"];
    if let Some(other) = members.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(format!("an instance's {other} is unknown").into());
    }
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let launched_at = Timestamp::from_secs(members.get("launched_at_s").and_then(Value::as_i64).unwrap_or_default());
    Ok(Candidate {
        id: text("id").ok_or("an instance has no id")?.into(),
        zone: text("az").unwrap_or("a").into(),
        launched_at,
        launched_from: launched_from(members, launched_at),
        protected: members.get("protected").and_then(Value::as_bool).unwrap_or_default(),
        purchase: Purchase::OnDemand,
        misfit: Misfit::default(),
    })
}

/// `NAME:VERSION` is a template; a name without a version, or one that says so, is a launch configuration.
fn launched_from(members: &Map<String, Value>, launched_at: Timestamp) -> LaunchedFrom {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let written = text("launch_configuration").or(text("template")).or(text("launch_template")).unwrap_or("t:1");
    let version = written.split_once(':').and_then(|(id, version)| Some((id, version.parse::<u64>().ok()?)));
    match version {
        Some((id, version)) if !written.starts_with("lc") => {
            LaunchedFrom::Template { id: id.into(), name: id.into(), version }
        }
        _ => {
            // A number at the end says which configuration is older; without one, its instance does.
            let head = written.trim_end_matches(|c: char| c.is_ascii_digit());
            let number: Option<i64> = written[head.len()..].parse().ok();
            let created_at = number.map_or(launched_at, Timestamp::from_secs);
            LaunchedFrom::Configuration { name: written.into(), created_at }
        }
    }
}

/// The template that is called the current one, or else that of the instance launched last.
fn current_template(candidates: &[Candidate]) -> Option<String> {
    let templates: BTreeMap<Timestamp, &String> = candidates
        .iter()
        .filter_map(|candidate| match &candidate.launched_from {
            LaunchedFrom::Template { id, .. } => Some((candidate.launched_at, id)),
            _ => None,
        })
        .collect();
    let named = templates.values().find(|id| id.contains("current"));
    named.or(templates.values().next_back()).map(|id| (*id).clone())
}

/// Scales a group in whose instances are protected as the case's are.
fn desired_falls_without_departure(candidates: &[Candidate]) -> Result<bool, Failure> {
    let count = u32::try_from(candidates.len()).unwrap_or_default();
    let mut stage = GroupStage::settled(0, count, count.max(1), |_| {})?;
    let protected = candidates.iter().all(|candidate| candidate.protected);
    let ids = stage.ids();
    stage.call(|groups, now| groups.set_instance_protection(now, &group(), &ids, protected))?;
    stage.set_desired(count.saturating_sub(1))?;
    stage.run_for(900);
    Ok(stage.group()?.desired_capacity + 1 == count && stage.ids() == ids)
}

/// A protected instance that is not the policy's choice is found unhealthy.
fn unhealthy_goes(case: &Case) -> Result<(), Failure> {
    // What the case gives says only that there is such an instance.
    case.given.names().map(str::to_string).collect::<Vec<_>>().iter().for_each(|name| case.given.skip(name));
    let newest = |spec: &mut GroupSpec| spec.settings.termination_policies = vec![TerminationPolicy::OldestInstance];
    let mut stage = GroupStage::settled(0, 1, 2, newest)?;
    stage.set_desired(2)?;
    stage.run_for(600);
    let ids = stage.ids();
    stage.call(|groups, now| groups.set_instance_protection(now, &group(), &ids, true))?;
    let newest = ids.last().cloned().ok_or("the group has no instance")?;
    stage.call(|groups, now| groups.set_instance_health(now, &newest, Health::Unhealthy, false))?;
    stage.run_for(900);
    let gone = !stage.ids().contains(&newest);
    let replaced = gone && stage.ids().len() == 2;
    for name in case.expect.names() {
        let got = match name {
            "replaced" => replaced,
            "terminated" | "terminates" | "protected_is_terminated" => gone,
            name if name.contains("polic") || name.contains("protect") => !gone,
            other => return Err(format!("nothing here finds out expect.{other}").into()),
        };
        case.expect_eq(name, got)?;
    }
    Ok(())
}

fn margin(case: &Case, max: u32) -> Result<(), Failure> {
    let rebalancing = case.given.opt_bool("rebalancing")?.unwrap_or(true);
    case.expect_eq("temporary_max", if rebalancing { temporary_max(max) } else { max })
}

/// Empties one zone of two and tells what the group does about it.
fn rebalancing(case: &Case) -> Result<(), Failure> {
    if case.given.str("trigger")? != "AZ imbalance" {
        return Err("given.trigger is unknown".into());
    }
    let mut stage = GroupStage::settled(0, 4, 4, |_| {})?;
    let (fuller, emptier) = ("us-east-1a", "us-east-1b");
    let stands = |id: &InstanceId, zone: &str| {
        stage.world.groups.instance(id).is_some_and(|instance| instance.placement.zone.as_str() == zone)
    };
    let detached: Vec<InstanceId> = stage.ids().into_iter().filter(|id| stands(id, emptier)).collect();
    stage.call(|groups, now| groups.detach_instances(now, &group(), &detached, true))?;
    stage.run_for(30);
    let seen = stage.activity_count();
    stage.run_for(900);
    let steps = stage.activities_since(seen).into_iter().map(|activity| {
        let zone = activity.details.zone.as_ref().map(ToString::to_string).unwrap_or_default();
        match activity.kind {
            ActivityKind::Launch if zone == emptier => "launch in AZ with fewest",
            ActivityKind::Terminate if zone == fuller => "terminate elsewhere",
            _ => "something else",
        }
    });
    case.expect_eq("order", steps.collect::<Vec<_>>())
}
