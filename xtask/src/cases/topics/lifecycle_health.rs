//! `lifecycle-health`: states and hooks, health checks and their replacements, suspended processes, group metrics,
//! instance refreshes.

mod hooks;
mod replacements;
mod suspended;

use std::time::Duration;

use scaleproof::engine::groups::group::CONSOLE_GRACE_SECS;
use scaleproof::engine::groups::refresh::{LONGEST_REFRESH, RefreshPreferences, WAIT_FOR_BLOCKED};
use scaleproof::engine::groups::timing::LAUNCH_FAILURES_END_AFTER;
use scaleproof::engine::groups::{Process, TemplateRef};
use scaleproof::sandbox::models::autoscaling;
use serde_json::{Value, json};

use crate::cases::api::Api;
use crate::cases::case::Case;
use crate::cases::failure::Failure;
use crate::cases::group_stage::GroupStage;
use crate::cases::topics::Adapter;

/// How long an instance refresh lets new instances warm up.
fn refresh_warmup(case: &Case) -> Result<(), Failure> {
    let secs = |name: &str| -> Result<Option<u32>, Failure> {
        Ok(case.given.opt_i64(name)?.and_then(|secs| u32::try_from(secs).ok()))
    };
    let stage = GroupStage::settled(0, 0, 1, |_| {})?;
    let mut settings = stage.group()?.settings.clone();
    settings.default_instance_warmup_secs = secs("DefaultInstanceWarmup")?;
    settings.health_check_grace_secs = secs("HealthCheckGracePeriod")?.unwrap_or(0);
    let instance_warmup_secs = secs("InstanceWarmup")?;
    let preferences = RefreshPreferences { instance_warmup_secs, ..RefreshPreferences::default() };
    let warmup = preferences.effective_warmup_secs(&settings);
    ["effective_warmup", "warmup", "InstanceWarmup"].iter().try_for_each(|name| case.expect_if(name, warmup))
}

/// The first of these that a case gives says what it asks.
const QUESTIONS: &[(&str, Adapter)] = &[
    ("suspended", suspended::check),
    ("HeartbeatTimeout", hooks::heartbeat),
    ("hook", hooks::states),
    ("transition", hooks::result),
    ("MinHealthyPercentage", replacements::refresh_batch),
    ("InstanceWarmup", refresh_warmup),
    ("unhealthy", replacements::batch),
    ("HealthCheckType", replacements::replaced),
    ("grace_period", replacements::replaced),
    ("elb", replacements::replaced),
    ("SetInstanceHealth", replacements::replaced),
    ("ec2_state", replacements::replaced),
    ("created_with", group_defaults),
    ("api", lists),
    ("launch_failures_hours", administrative_suspension),
    ("EnableMetricsCollection", metrics),
    ("shape", enumeration),
];

pub fn check(case: &Case) -> Result<(), Failure> {
    let asked = QUESTIONS.iter().find(|(name, _)| case.given.has(name));
    match asked {
        Some((_, question)) => question(case),
        // Nothing given: what is so by default.
        None if case.expect.has("HeartbeatTimeout") || case.expect.has("DefaultResult") => hooks::heartbeat(case),
        None => refresh_defaults(case),
    }
}

/// Holds the values of an enum to the service model's.
pub fn enumeration(case: &Case) -> Result<(), Failure> {
    let name = case.given.str("shape")?;
    let shape = autoscaling::SERVICE.shape(name).ok_or_else(|| format!("no operation reaches a shape {name}"))?;
    case.expect_eq("values", shape.rules.values)
}

/// A group of that name made through the API, from nothing but what is required.
pub fn api_with_group(minimal: &Value) -> Result<Api, Failure> {
    let mut api = Api::new();
    let data =
        json!({"LaunchTemplateName": "web", "LaunchTemplateData": {"ImageId": "ami-1", "InstanceType": "t2.nano"}});
    let mut images = api.call("ec2", "DescribeImages", json!({"Owners": ["amazon"]}))?;
    let image = images["Images"][0]["ImageId"].take();
    let mut data = data;
    if image.is_string() {
        data["LaunchTemplateData"]["ImageId"] = image;
    }
    api.call("ec2", "CreateLaunchTemplate", data)?;
    let mut input = json!({
        "AutoScalingGroupName": "g", "MinSize": 0, "MaxSize": 3, "AvailabilityZones": ["us-east-1a"],
        "LaunchTemplate": {"LaunchTemplateName": "web"},
    });
    for (name, value) in minimal.as_object().into_iter().flatten() {
        input[name] = value.clone();
    }
    api.call("autoscaling", "CreateAutoScalingGroup", input)?;
    Ok(api)
}

fn group_defaults(case: &Case) -> Result<(), Failure> {
    // AWS's console sends a grace period of its own where the API has none.
    let by_console = case.given.str("created_with")?.to_lowercase().contains("console");
    let settings = if by_console { json!({"HealthCheckGracePeriod": CONSOLE_GRACE_SECS}) } else { json!({}) };
    case.expect_if("console_default", CONSOLE_GRACE_SECS)?;
    let mut api = api_with_group(&settings)?;
    let answer = api.call("autoscaling", "DescribeAutoScalingGroups", json!({}))?;
    for name in case.expect.names().filter(|name| *name != "console_default") {
        case.expect_eq(name, answer["AutoScalingGroups"][0][name].clone())?;
    }
    Ok(())
}

fn lists(case: &Case) -> Result<(), Failure> {
    let operation = case.given.str("api")?;
    if operation == "StartInstanceRefresh" {
        return refresh_defaults(case);
    }
    let mut api = Api::new();
    let answer = api.call("autoscaling", operation, json!({}))?;
    let names = |list: &str, name: &str| -> Vec<Value> {
        answer[list].as_array().into_iter().flatten().map(|item| item[name].clone()).collect()
    };
    match operation {
        "DescribeScalingProcessTypes" => case.expect_eq("processes", names("Processes", "ProcessName"))?,
        "DescribeMetricCollectionTypes" => {
            case.expect_if("metrics", names("Metrics", "Metric"))?;
            case.expect_if("granularities", names("Granularities", "Granularity"))?;
        }
        _ => {
            for name in case.expect.names().filter(|name| *name != "also_ignored") {
                let found = answer.as_object().into_iter().flatten().map(|(_, list)| plain_items(list)).next();
                case.expect_eq(name, found.unwrap_or_default())?;
            }
        }
    }
    if let Some(ignored) = case.expect.opt_str("also_ignored")? {
        let mut api = api_with_group(&json!({}))?;
        let input = json!({"AutoScalingGroupName": "g", "ScalingProcesses": [ignored]});
        api.call("autoscaling", "SuspendProcesses", input)?;
        let answer = api.call("autoscaling", "DescribeAutoScalingGroups", json!({}))?;
        case.expect_eq("also_ignored", if suspends_nothing(&answer) { ignored } else { "not ignored" })?;
    }
    Ok(())
}

/// What a lifecycle hook has that nobody set.
fn hook_default(name: &str) -> Result<Value, Failure> {
    let mut api = api_with_group(&json!({}))?;
    let input = json!({"AutoScalingGroupName": "g", "LifecycleHookName": "h",
        "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING"});
    api.call("autoscaling", "PutLifecycleHook", input)?;
    let shown = api.call("autoscaling", "DescribeLifecycleHooks", json!({"AutoScalingGroupName": "g"}))?;
    let member = if name == "default_result" { "DefaultResult" } else { "HeartbeatTimeout" };
    Ok(shown["LifecycleHooks"][0][member].clone())
}

/// A list whose items have one member each, as that member's values.
fn plain_items(list: &Value) -> Value {
    let one = |item: &Value| match item.as_object() {
        Some(members) if members.len() == 1 => members.values().next().cloned().unwrap_or_default(),
        _ => item.clone(),
    };
    list.as_array().map_or_else(|| list.clone(), |items| items.iter().map(one).collect())
}

/// What a refresh that was asked for nothing in particular shows.
fn refresh_defaults(case: &Case) -> Result<(), Failure> {
    // Says that nothing in particular is asked for.
    case.given.get("defaults");
    let mut api = api_with_group(&json!({}))?;
    let checkpoints = json!({"CheckpointPercentages": [50, 100]});
    let input = json!({"AutoScalingGroupName": "g", "Preferences": checkpoints});
    api.call("autoscaling", "StartInstanceRefresh", input)?;
    let answer = api.call("autoscaling", "DescribeInstanceRefreshes", json!({"AutoScalingGroupName": "g"}))?;
    let shown = &answer["InstanceRefreshes"][0];
    for name in case.expect.names() {
        let got = match name {
            "max_days" | "maximum_days" => json!(LONGEST_REFRESH.as_secs() / 86_400),
            "wait_s" | "wait_seconds" => json!(WAIT_FOR_BLOCKED.as_secs()),
            "default_HeartbeatTimeout" | "default_result" => hook_default(name)?,
            name if shown["Preferences"].get(name).is_some() => shown["Preferences"][name].clone(),
            name => shown[name].clone(),
        };
        case.expect_eq(name, got)?;
    }
    Ok(())
}

fn suspends_nothing(answer: &Value) -> bool {
    answer["AutoScalingGroups"][0]["SuspendedProcesses"].as_array().is_none_or(Vec::is_empty)
}

/// Lets launches fail for that long.
fn administrative_suspension(case: &Case) -> Result<(), Failure> {
    let hours = case.given.u32("launch_failures_hours")?;
    let mut stage = GroupStage::settled(0, 0, 3, |_| {})?;
    stage.world.groups.launch_templates.delete(TemplateRef::Name("t"))?;
    stage.set_desired(1)?;
    stage.run_for(u64::from(hours) * 3600);
    // The try that finds the time over comes within one pause of it.
    if hours >= u32::try_from(LAUNCH_FAILURES_END_AFTER.as_secs() / 3600).unwrap_or(u32::MAX) {
        stage.run_for(Duration::from_secs(3600).as_secs());
    }
    let reason = stage.group()?.suspended.get(&Process::Launch);
    let administrative = reason.is_some_and(|reason| reason.starts_with("Administratively suspended"));
    case.expect_eq("administrative_suspension", administrative)
}

fn metrics(case: &Case) -> Result<(), Failure> {
    let enabled = case.given.bool("EnableMetricsCollection")?;
    let mut api = api_with_group(&json!({"MinSize": 1}))?;
    let enable = json!({"AutoScalingGroupName": "g", "Granularity": "1Minute"});
    if enabled {
        api.call("autoscaling", "EnableMetricsCollection", enable.clone())?;
    }
    api.advance(Duration::from_secs(600));
    let (_, points) = recorded(&mut api)?;
    if case.expect.opt_u32("datapoints")? == Some(0) {
        case.expect_eq("datapoints", points.len())?;
    }
    if !enabled {
        api.call("autoscaling", "EnableMetricsCollection", enable)?;
        api.advance(Duration::from_secs(600));
    }
    let (metric, points) = recorded(&mut api)?;
    let described = api.call("autoscaling", "DescribeAutoScalingGroups", json!({}))?;
    let enabled = described["AutoScalingGroups"][0]["EnabledMetrics"].as_array().cloned().unwrap_or_default();
    case.expect_if("granularity", enabled.first().map(|one| one["Granularity"].clone()))?;
    if let Some(names) = case.expect.opt_list("metrics")? {
        let got: Vec<&Value> = enabled.iter().map(|one| &one["Metric"]).collect();
        if let Some(missing) = names.iter().find(|name| !got.contains(name)) {
            return Err(Failure::differs("metrics", missing, &json!(got)));
        }
    }
    case.expect_if("namespace", metric["Namespace"].clone())?;
    case.expect_if("dimension", metric["Dimensions"][0]["Name"].clone())?;
    let spacing = match points.as_slice() {
        [.., before, last] => last - before,
        _ => return Err("fewer than two data points were recorded".into()),
    };
    for name in ["enabled_period", "period"] {
        case.expect_if(name, spacing)?;
    }
    Ok(())
}

/// A group's metric as ListMetrics shows it, and the seconds at which it has data points.
fn recorded(api: &mut Api) -> Result<(Value, Vec<i64>), Failure> {
    let listed = api.call("cloudwatch", "ListMetrics", json!({"Namespace": "AWS/AutoScaling"}))?;
    let metric = listed["Metrics"][0].clone();
    if metric.is_null() {
        return Ok((metric, Vec::new()));
    }
    let input = json!({
        "Namespace": metric["Namespace"], "MetricName": metric["MetricName"], "Dimensions": metric["Dimensions"],
        "StartTime": Api::START.as_secs() - 60, "EndTime": api.now.as_secs(), "Period": 60, "Statistics": ["Average"],
    });
    let answer = api.call("cloudwatch", "GetMetricStatistics", input)?;
    let points = answer["Datapoints"].as_array().into_iter().flatten();
    let mut seconds: Vec<i64> =
        points.filter_map(|point| point["Timestamp"].as_f64().map(|secs| secs as i64)).collect();
    seconds.sort_unstable();
    Ok((metric, seconds))
}
