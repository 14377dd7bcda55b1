//! `terraform-calls`: the calls of Terraform's provider, in its order, against the sandbox's services.
//!
//! What the resource needs is made first; each call is then sent with the members that the provider sends, and must be
//! served. A call written `op!Code` must be refused with that code: so the provider learns that something is gone.

mod inputs;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use scaleproof::engine::Refusal;
use serde_json::Value;

use super::sns::text;
use crate::cases::api::Api;
use crate::cases::case::Case;
use crate::cases::failure::Failure;

/// How long the provider waits between two tries, and how often it tries.
const PATIENCE: Duration = Duration::from_secs(30);
const TRIES: usize = 20;
/// What the provider waits for instead of giving up.
const PASSING: [&str; 4] = ["ResourceInUse", "ScalingActivityInProgress", "DependencyViolation", "ResourceContention"];

pub fn check(case: &Case) -> Result<(), Failure> {
    let client = case.given.str("client")?;
    let resource = case.given.str("resource")?;
    let operation = case.given.str("operation")?;
    // Says how the list was shortened, which the order of the calls shows.
    case.expect.skip("note");
    let calls = case.expect.list("api_calls_in_order")?;
    for variant in inputs::variants(resource) {
        let mut stage = Stage::new(client, variant)?;
        match operation {
            "create" => stage.make_needs(resource)?,
            "destroy" | "delete" | "read" | "update" => stage.make(resource)?,
            other => return Err(format!("given.operation is not known: {other}").into()),
        }
        for call in calls {
            let call = call.as_str().ok_or("a call is not text")?;
            stage.play(resource, operation, call).map_err(|why| named(variant, call, &why))?;
        }
    }
    Ok(())
}

fn named(variant: &str, call: &str, why: &str) -> Failure {
    let variant = if variant.is_empty() { String::new() } else { format!(" ({variant})") };
    Failure::Differs { at: format!("api_calls_in_order{variant}"), expected: call.into(), got: why.into() }
}

/// An account in which resources are made and unmade.
pub(super) struct Stage {
    api: Api,
    /// 3, 5 or 6.
    provider: u32,
    /// Which of several kinds of the resource is made.
    variant: &'static str,
    made: BTreeSet<String>,
    /// Identifiers that answers gave, by what they identify.
    ids: BTreeMap<&'static str, String>,
}

impl Stage {
    /// `terraform-provider-aws 5.100.0`
    fn new(client: &str, variant: &'static str) -> Result<Self, Failure> {
        let version = client.rsplit(' ').next().and_then(|version| version.split('.').next());
        let provider = version.and_then(|major| major.parse().ok());
        let provider = provider.ok_or_else(|| format!("given.client has no version: {client}"))?;
        Ok(Self { api: Api::new(), provider, variant, made: BTreeSet::new(), ids: BTreeMap::new() })
    }

    fn make_needs(&mut self, resource: &str) -> Result<(), Failure> {
        inputs::needs(resource).iter().try_for_each(|need| self.make(need))
    }

    fn make(&mut self, resource: &str) -> Result<(), Failure> {
        if !self.made.insert(resource.to_string()) {
            return Ok(());
        }
        self.make_needs(resource)?;
        let calls = inputs::creation(resource);
        if calls.is_empty() {
            return Err(format!("given.resource is not known: {resource}").into());
        }
        for call in calls {
            self.play(resource, "create", call).map_err(|why| format!("cannot make {resource}: {call}: {why}"))?;
        }
        Ok(())
    }

    /// Sends one call, `service:Operation` or `service:Operation!Code`.
    fn play(&mut self, resource: &str, operation: &str, call: &str) -> Result<(), String> {
        let (call, code) = call.split_once('!').map_or((call, None), |(call, code)| (call, Some(code)));
        let (service, api) = call.split_once(':').ok_or("it is not `service:Operation`")?;
        for input in inputs::of(self, resource, operation, api)? {
            let answer = self.patiently(service, api, &input);
            match (answer, code) {
                (Err(refusal), Some(code)) if refusal.code == code => {}
                (Err(refusal), _) => return Err(format!("{refusal} to {input}")),
                (Ok(output), Some(code)) => return Err(format!("{output} instead of {code}")),
                (Ok(output), None) => self.learn(operation, api, &output)?,
            }
        }
        Ok(())
    }

    /// Tries again for a while where the provider does.
    fn patiently(&mut self, service: &str, api: &str, input: &Value) -> Result<Value, Refusal> {
        let mut answer = self.api.call(service, api, input.clone());
        for _ in 0..TRIES {
            match &answer {
                Err(refusal) if PASSING.contains(&refusal.code.as_str()) => self.api.advance(PATIENCE),
                _ => break,
            }
            answer = self.api.call(service, api, input.clone());
        }
        answer
    }

    /// Keeps the identifiers in an answer; while something is made, a listing must show it.
    fn learn(&mut self, operation: &str, api: &str, output: &Value) -> Result<(), String> {
        for (from, path, name) in inputs::IDENTIFIERS {
            if *from == api {
                let found = output.pointer(path).and_then(Value::as_str);
                let found = found.ok_or_else(|| format!("{output} has nothing at {path}"))?;
                self.ids.insert(name, found.to_string());
            }
        }
        let lists: Vec<_> =
            output.as_object().into_iter().flatten().filter_map(|(_, value)| value.as_array()).collect();
        let shows = api.starts_with("Describe") && operation == "create" && !inputs::MAY_BE_EMPTY.contains(&api);
        if shows && !lists.is_empty() && lists.iter().all(|items| items.is_empty()) {
            return Err(format!("{output} lists nothing"));
        }
        Ok(())
    }

    /// An identifier that an earlier answer gave.
    fn id(&self, name: &str) -> Result<&str, String> {
        self.ids.get(name).map(String::as_str).ok_or_else(|| format!("no {name} was made"))
    }

    /// The instances of the group.
    fn instances(&mut self, group: &str) -> Result<Vec<Value>, String> {
        let input = serde_json::json!({"AutoScalingGroupNames": [group]});
        let groups = self.api.call("autoscaling", "DescribeAutoScalingGroups", input);
        let groups = groups.map_err(|refusal| refusal.to_string())?;
        let instances = groups["AutoScalingGroups"][0]["Instances"].as_array().cloned().unwrap_or_default();
        Ok(instances.iter().map(|instance| instance["InstanceId"].clone()).collect())
    }

    /// The image that launches are made from.
    fn image(&mut self) -> Result<String, String> {
        let input = serde_json::json!({"Owners": ["amazon", "099720109477"]});
        let images = self.api.call("ec2", "DescribeImages", input).map_err(|refusal| refusal.to_string())?;
        Ok(text(&images["Images"][0], "ImageId"))
    }
}
