//! `asg-notification`: what topics are told about a group, in which words, and how many topics may hear of it.

use scaleproof::engine::groups::TemplateRef;
use scaleproof::engine::groups::hook::{ActionResult, HookTarget, Transition};
use serde_json::{Value, json};

use crate::cases::api::{ACCOUNT, Api, REGION};
use crate::cases::case::{Case, compare};
use crate::cases::failure::Failure;
use crate::cases::group_stage::{GroupStage, group, hook};
use crate::cases::topics::lifecycle_health::api_with_group;

/// The name of the group that every message is about.
const GROUP: &str = "g";

pub fn check(case: &Case) -> Result<(), Failure> {
    if let Some(event) = event(case)? {
        let (subject, message) = told(case, &event)?;
        return hold(case, &subject, &message);
    }
    if let Some(operation) = case.given.opt_str("api")? {
        return call(case, operation);
    }
    facts(case)
}

/// The event of the case as the API names it: given, or told from the words for a transition or for a part of a message.
fn event(case: &Case) -> Result<Option<String>, Failure> {
    let mut words = String::new();
    for name in ["event", "transition", "lifecycle_transition", "LifecycleTransition", "kind", "message"] {
        words += case.given.opt_str(name)?.unwrap_or_default();
    }
    let part = ["part", "details", "object"].iter().any(|name| case.given.has(name));
    if words.is_empty() {
        return Ok(part.then(|| "autoscaling:EC2_INSTANCE_LAUNCH".into()));
    }
    if words.starts_with("autoscaling:") && !words[1..].contains("autoscaling:") {
        return Ok(Some(words));
    }
    let upper = words.to_uppercase();
    let name = match () {
        () if upper.contains("LAUNCHING") => "EC2_INSTANCE_LAUNCHING",
        () if upper.contains("TERMINATING") || upper.contains("LIFECYCLE") || upper.contains("HOOK") => {
            "EC2_INSTANCE_TERMINATING"
        }
        () if upper.contains("TEST") => "TEST_NOTIFICATION",
        () if upper.contains("TERMINAT") && upper.contains("ERROR") => "EC2_INSTANCE_TERMINATE_ERROR",
        () if upper.contains("TERMINAT") => "EC2_INSTANCE_TERMINATE",
        () if upper.contains("ERROR") => "EC2_INSTANCE_LAUNCH_ERROR",
        () => "EC2_INSTANCE_LAUNCH",
    };
    Ok(Some(format!("autoscaling:{name}")))
}

/// Whether the change of the case is to come from an alarm: it says so, or asks what a message says of alarms.
fn by_alarm(case: &Case) -> Result<bool, Failure> {
    let told = case.given.opt_str("caused_by")?.is_some_and(|words| words.contains("alarm"));
    let named = ["invoking_alarm", "alarm", "InvokingAlarms"].iter().any(|name| case.given.get(name).is_some());
    let part = ["part", "details", "object"].iter().find_map(|name| case.given.opt_str(name).ok().flatten());
    let asked = case.expect.names().any(|name| name.starts_with("InvokingAlarms"));
    Ok(told || named || asked || part.is_some_and(|part| part.contains("InvokingAlarms")))
}

fn call(case: &Case, operation: &str) -> Result<(), Failure> {
    if operation != "PutNotificationConfiguration" {
        return Err(format!("given.api {operation} is unknown").into());
    }
    let mut stage = GroupStage::settled(0, 1, 3, |_| {})?;
    stage.subscribe()?;
    let (subject, message) = stage.heard.first().cloned().ok_or("nothing was published")?;
    case.expect_if("published_immediately", message["Event"].clone())?;
    hold(case, &subject, &message)
}

/// Holds subject and message to every member of the case: a member is the message's own, `keys` are all of them.
fn hold(case: &Case, subject: &str, message: &Value) -> Result<(), Failure> {
    let mut shown = message.clone();
    if let Some(era) = case.given.opt_str("era")?
        && (era.contains("2014") || era.contains("2016") || era.contains("Origin"))
    {
        // The two keys that came later.
        shown
            .as_object_mut()
            .into_iter()
            .for_each(|keys| keys.retain(|key, _| !["Origin", "Destination"].contains(&key.as_str())));
    }
    let named = ["part", "details", "object"].iter().find_map(|name| case.given.opt_str(name).ok().flatten());
    let part = match named {
        Some(part) => shown.pointer(&pointer(part)).ok_or_else(|| format!("the message has no {part}"))?,
        None => &shown,
    };
    for name in case.expect.names().filter(|name| *name != "published_immediately") {
        let expected = case.expect.value(name)?;
        match name {
            "keys" => compare(name, &sorted(expected), &sorted(&keys(part)))?,
            "Details_keys" => compare(name, &sorted(expected), &sorted(&keys(&part["Details"])))?,
            "InvokingAlarms_keys" => {
                compare(name, &sorted(expected), &sorted(&keys(&part["Details"]["InvokingAlarms"][0])))?;
            }
            "same_value" | "equal" => {
                let names = expected.as_array().into_iter().flatten().filter_map(Value::as_str);
                let values: Vec<&Value> = names.map(|name| &part[name]).collect();
                if values.is_empty() || values.windows(2).any(|pair| pair[0] != pair[1]) {
                    return Err(Failure::differs(name, expected, &json!(values)));
                }
            }
            name if name.starts_with("Subject") => case.expect_text("Subject", subject)?,
            name => member(case, name, expected, part)?,
        }
    }
    Ok(())
}

/// `InvokingAlarms[0]` and `Details.InvokingAlarms[0]` as a pointer into the message.
fn pointer(part: &str) -> String {
    let path = part.replace("[]", "[0]").replace('[', ".").replace(']', "");
    let path = if path.ends_with("InvokingAlarms") { format!("{path}.0") } else { path };
    let path = if path.starts_with("InvokingAlarms") { format!("Details.{path}") } else { path };
    format!("/{}", path.replace('.', "/"))
}

fn member(case: &Case, name: &str, expected: &Value, message: &Value) -> Result<(), Failure> {
    if let Some(stem) = name.strip_suffix("_in") {
        let found = expected.as_array().is_some_and(|list| list.contains(&message[stem]));
        return if found { Ok(()) } else { Err(Failure::differs(name, expected, &message[stem])) };
    }
    // `= ActivityId` and `X_equals: ActivityId`: the value of another member.
    let other = expected.as_str().and_then(|text| text.strip_prefix("= "));
    let stem = name.strip_suffix("_equals").or_else(|| name.strip_suffix("_same_as"));
    if let (Some(other), name) = (other.or_else(|| stem.and(expected.as_str())), stem.unwrap_or(name)) {
        return compare(name, &message[other], &message[name]);
    }
    if name == "keys_absent" || name == "absent" || name == "without" {
        let there =
            expected.as_array().into_iter().flatten().filter_map(Value::as_str).find(|key| message.get(key).is_some());
        return there.map_or(Ok(()), |key| Err(Failure::differs(name, expected, &json!(key))));
    }
    if expected == "may be empty" {
        let there = message.get(name).is_some_and(Value::is_string);
        return if there { Ok(()) } else { Err(Failure::differs(name, expected, &message[name])) };
    }
    let stem = ["_contains", "_prefix", "_suffix", "_regex"].iter().find_map(|suffix| name.strip_suffix(suffix));
    match stem {
        Some(stem) => case.expect_text(stem, message[stem].as_str().unwrap_or_default()),
        None => compare(name, expected, &message[name]),
    }
}

fn keys(value: &Value) -> Value {
    value.as_object().into_iter().flat_map(|members| members.keys().cloned()).collect::<Vec<_>>().into()
}

fn sorted(list: &Value) -> Value {
    let mut names: Vec<&str> = list.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    names.sort_unstable();
    json!(names)
}

/// Makes `event` happen to a group and returns what its topic hears of it, with the case's names put in.
fn told(case: &Case, event: &str) -> Result<(String, Value), Failure> {
    let name = event.rsplit(':').next().unwrap_or_default().to_string();
    let hooked = case.given.opt_bool("terminating_hook")?.unwrap_or_default();
    let (group_word, instance_word) = (case.given.opt_str("group")?, case.given.opt_str("instance")?);
    let mut stage = GroupStage::settled(0, 1, 3, |spec| {
        let hooks = hooked.then(|| hook("h", Transition::Terminating, ActionResult::Continue));
        spec.hooks = hooks.into_iter().collect();
    })?;
    stage.subscribe()?;
    if name != "TEST_NOTIFICATION" {
        stage.run_for(60);
        stage.heard.clear();
    }
    match by_alarm(case)? {
        true => {
            let arn = stage.put_policy("p", if name == "EC2_INSTANCE_TERMINATE" { -1 } else { 1 })?;
            stage.fire("high", &arn)?;
        }
        false => happen(&mut stage, &name)?,
    }
    stage.run_for(3600);
    let of = |(_, message): &&(String, Value)| message["Event"] == event || message["LifecycleTransition"] == event;
    let (subject, message) = stage.heard.iter().find(of).or(stage.heard.first()).cloned().ok_or("nothing was told")?;
    let id = message["EC2InstanceId"].as_str().unwrap_or_default().to_string();
    let word = |text: String| match instance_word {
        Some(word) if !id.is_empty() => text.replace(&id, word),
        _ => text.replace(if id.is_empty() { "\0" } else { &id }, "<id>"),
    };
    let in_words = |text: &str| {
        let text = word(text.to_string());
        group_word.map_or(text.clone(), |word| text.replace(&format!("\"{GROUP}\""), &format!("\"{word}\"")))
    };
    Ok((in_words(&subject), message))
}

fn happen(stage: &mut GroupStage, name: &str) -> Result<(), Failure> {
    match name {
        "TEST_NOTIFICATION" => Ok(()),
        "EC2_INSTANCE_LAUNCH" => stage.set_desired(2),
        "EC2_INSTANCE_TERMINATE" => stage.set_desired(0),
        "EC2_INSTANCE_LAUNCH_ERROR" => {
            stage.world.groups.launch_templates.delete(TemplateRef::Name("t"))?;
            stage.set_desired(2)
        }
        "EC2_INSTANCE_TERMINATE_ERROR" => {
            let ids = stage.ids();
            stage.call(|groups, now| groups.set_instance_protection(now, &group(), &ids, true))?;
            stage.set_desired(0)
        }
        "EC2_INSTANCE_LAUNCHING" | "EC2_INSTANCE_TERMINATING" => {
            let transition = Transition::parse(&format!("autoscaling:{name}")).ok_or("no such transition")?;
            let mut hook = hook("h", transition, ActionResult::Continue);
            hook.target = stage.group()?.notifications.keys().next().cloned().map(HookTarget::Topic);
            stage.call(|groups, now| groups.put_lifecycle_hook(now, &group(), hook))?;
            stage.heard.clear();
            stage.set_desired(if transition == Transition::Launching { 2 } else { 0 })
        }
        other => Err(format!("nothing here makes `{other}` happen").into()),
    }
}

/// Expectations about all notifications.
fn facts(case: &Case) -> Result<(), Failure> {
    for name in case.expect.names() {
        match name {
            "types" => {
                let answer = Api::new().call("autoscaling", "DescribeAutoScalingNotificationTypes", json!({}))?;
                case.expect_eq(name, answer["AutoScalingNotificationTypes"].clone())?;
            }
            "sns_topics_per_group" | "topics_per_group" => case.expect_eq(name, topics_until_refused()?)?,
            other => return Err(format!("nothing here finds out expect.{other}").into()),
        }
    }
    Ok(())
}

/// Tells one topic after the other of a group until the limit is reached.
fn topics_until_refused() -> Result<u32, Failure> {
    let mut api = api_with_group(&json!({}))?;
    for count in 0..100 {
        let input = json!({
            "AutoScalingGroupName": GROUP, "TopicARN": format!("arn:aws:sns:{REGION}:{ACCOUNT}:t{count}"),
            "NotificationTypes": ["autoscaling:EC2_INSTANCE_LAUNCH"],
        });
        match api.call("autoscaling", "PutNotificationConfiguration", input) {
            Ok(_) => {}
            Err(refusal) if refusal.code == "LimitExceeded" => return Ok(count),
            Err(refusal) => return Err(refusal.into()),
        }
    }
    Err("no limit was reached".into())
}
