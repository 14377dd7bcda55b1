//! From a [`Spec`] to a [`Stack`]: defaults filled, names derived, rules that span arguments checked.
//! Start at [`build_stack`].

use std::collections::BTreeMap;
use std::time::Duration;

use super::mixed::build_mixed;
use super::{
    Architecture, Group, Image, Inbound, KeyPair, Launch, PolicyKind, PoolStateWord, STACK_TAG, Stack, Topic,
    TrackedMetric, WarmPool,
};
use super::{alarms, load, network, policies};
use crate::spec::arguments::{KeyPairSpec, LaunchSpec, MixedInstancesSpec, NotificationSpec, WarmPoolSpec};
use crate::spec::problem::{Kind, quote};
use crate::spec::values::UBUNTU_RELEASES;
use crate::spec::{Problem, Severity, Spec, SpecMap};

/// AWS's default in the console; ours here because the API's own default, none, replaces machines while they start.
const DEFAULT_HEALTH_CHECK_GRACE: Duration = Duration::from_secs(300);
/// EC2's limit on user data before it is encoded.
const MAX_USER_DATA: usize = 16 * 1024;

/// Texts of the files that the spec names, by argument path; an error says why a file could not be read.
pub type Files = BTreeMap<String, Result<String, String>>;

/// What building needs beside the spec, and the problems found so far.
pub(super) struct Builder<'a> {
    pub map: &'a SpecMap,
    pub problems: Vec<Problem>,
}

impl Builder<'_> {
    pub fn problem(&mut self, kind: Kind, path: &str, fact: impl Into<String>, remedy: impl Into<String>) {
        self.problems.push(self.map.problem(kind, path, fact, remedy));
    }
}

/// Returns the stack that the spec means.
///
/// # Errors
/// Every rule that the spec breaks, in the order of the file.
pub fn build_stack(spec: &Spec, map: &SpecMap, files: &Files) -> Result<Stack, Vec<Problem>> {
    let mut builder = Builder { map, problems: Vec::new() };
    let stack = assemble(spec, files, &mut builder);
    builder.problems.sort_by_key(|p| p.place);
    if builder.problems.iter().any(|p| p.severity() == Severity::Error) {
        return Err(builder.problems);
    }
    Ok(stack)
}

fn assemble(spec: &Spec, files: &Files, builder: &mut Builder) -> Stack {
    let name = &spec.name.0;
    let alarms = alarms::build_alarms(spec, builder);
    let policies = policies::build_policies(spec, builder);
    let short_period = alarms.iter().any(|a| a.namespace == "AWS/EC2" && a.period < Duration::from_secs(300))
        || policies.iter().any(tracks_ec2);
    let mut tags = spec.tags.clone().unwrap_or_default().0;
    tags.insert(STACK_TAG.to_owned(), name.clone());
    Stack {
        name: name.clone(),
        region: spec.region.0.clone(),
        network: network::build_network(spec.network.as_ref(), builder),
        launch: build_launch(&spec.launch, files, short_period, builder),
        group: build_group(name, spec, builder),
        policies,
        schedules: policies::build_schedules(spec, builder),
        alerting: super::Alerting { topics: build_topics(spec, builder), alarms },
        tags,
        load: load::build_load(spec, builder),
        slo: load::build_slo(spec.slo.as_ref(), builder),
    }
}

/// Target tracking's own alarms look at the machines' metrics every minute.
fn tracks_ec2(policy: &super::ScalingPolicy) -> bool {
    match &policy.kind {
        PolicyKind::TargetTracking(tracking) => match &tracking.metric {
            TrackedMetric::Predefined(_) => true,
            TrackedMetric::Custom { namespace, .. } => namespace == "AWS/EC2",
        },
        PolicyKind::Simple { .. } | PolicyKind::Step(_) => false,
    }
}

fn build_launch(launch: &LaunchSpec, files: &Files, short_period: bool, builder: &mut Builder) -> Launch {
    let inbound = launch.inbound.iter().flatten();
    let inbound: Vec<Inbound> = inbound
        .map(|rule| Inbound {
            port: rule.port.0,
            from: rule.from.to_string(),
            description: rule.description.as_ref().map_or_else(String::new, |d| d.0.clone()),
        })
        .collect();
    for (index, rule) in inbound.iter().enumerate() {
        if inbound[..index].iter().any(|r| (r.port, &r.from) == (rule.port, &rule.from)) {
            let path = format!("launch.inbound[{index}]");
            let fact = format!("{path} allows port {} from {} again.", rule.port, rule.from);
            builder.problem(Kind::DuplicateEntry, &path, fact, "Keep one of the two; EC2 refuses the second.");
        }
    }
    let image = launch.image.as_ref().map_or("ubuntu-24.04", |i| i.0.as_str());
    Launch {
        image: image_of(image),
        instance_type: launch.instance_type.0.clone(),
        mixed: build_mixed(launch, builder),
        key_pair: build_key_pair(launch.key_pair.as_ref(), files, builder),
        inbound,
        user_data: build_user_data(launch, files, builder),
        detailed_monitoring: launch.detailed_monitoring.unwrap_or(short_period),
        architecture: architecture_of(&launch.instance_type.0),
    }
}

fn image_of(name: &str) -> Image {
    let release = name.strip_prefix("ubuntu-").and_then(|r| UBUNTU_RELEASES.iter().find(|(release, _)| *release == r));
    match release {
        Some((release, codename)) => Image::Ubuntu { release: (*release).to_owned(), codename: (*codename).to_owned() },
        None => Image::Id(name.to_owned()),
    }
}

/// AWS marks its ARM families with a `g` after the generation's digit (t4g, m7gd, c6gn) and the first one as a1.
pub(super) fn architecture_of(instance_type: &str) -> Architecture {
    let family = instance_type.split('.').next().unwrap_or_default();
    let options =
        family.trim_start_matches(|c: char| c.is_ascii_alphabetic()).trim_start_matches(|c: char| c.is_ascii_digit());
    if family == "a1" || options.starts_with('g') { Architecture::Arm64 } else { Architecture::Amd64 }
}

fn read_file<'f>(path: &str, file: &str, files: &'f Files, builder: &mut Builder) -> Option<&'f str> {
    match files.get(path) {
        Some(Ok(text)) => Some(text),
        Some(Err(why)) => {
            let fact = format!("{path} names {}: {why}.", quote(file));
            builder.problem(Kind::MissingFile, path, fact, "Write a path that is relative to the spec's own folder.");
            None
        }
        None => {
            let fact = format!("{path} names {}, which was not read.", quote(file));
            builder.problem(Kind::MissingFile, path, fact, "Give the spec as a file in the folder of its other files.");
            None
        }
    }
}

fn build_key_pair(key_pair: Option<&KeyPairSpec>, files: &Files, builder: &mut Builder) -> Option<KeyPair> {
    match key_pair? {
        KeyPairSpec::Existing(name) => Some(KeyPair::Existing(name.clone())),
        KeyPairSpec::PublicKeyFile(file) => {
            let path = "launch.key_pair.public_key_file";
            let public_key = read_file(path, file, files, builder)?.trim();
            let known = ["ssh-rsa ", "ssh-ed25519 "].iter().any(|kind| public_key.starts_with(kind));
            if !known || public_key.lines().count() != 1 {
                let fact = format!("{} is not one line that starts with ssh-rsa or ssh-ed25519.", quote(file));
                let remedy = "Name the public half of the key, the file that ends in .pub; EC2 takes RSA and ED25519.";
                builder.problem(Kind::InvalidValue, path, fact, remedy);
            }
            Some(KeyPair::Import { public_key: public_key.to_owned() })
        }
    }
}

fn build_user_data(launch: &LaunchSpec, files: &Files, builder: &mut Builder) -> Option<String> {
    let (path, text) = match (&launch.user_data_file, &launch.user_data) {
        (Some(_), Some(_)) => {
            let remedy = "Keep user_data_file, or keep user_data.";
            builder.problem(
                Kind::InvalidValue,
                "launch.user_data",
                "The script is given twice: as a file and in the spec.",
                remedy,
            );
            return None;
        }
        (Some(file), None) => ("launch.user_data_file", read_file("launch.user_data_file", &file.0, files, builder)?),
        (None, Some(script)) => ("launch.user_data", script.0.as_str()),
        (None, None) => return None,
    };
    if text.len() > MAX_USER_DATA {
        let fact = format!("{path} has {} bytes; EC2 takes {MAX_USER_DATA}.", text.len());
        builder.problem(Kind::UserDataTooLarge, path, fact, "Let the script fetch the larger part.");
    }
    Some(text.to_owned())
}

fn build_group(name: &str, spec: &Spec, builder: &mut Builder) -> Group {
    let group = &spec.group;
    if group.warm_pool.is_some() {
        check_pool_without_spot(&spec.launch, builder);
    }
    let (min, max) = (group.min_size.0, group.max_size.0);
    let desired = group.desired_capacity.map_or(min, |d| d.0);
    if min > max {
        let fact = format!("group.min_size is {min} and group.max_size is {max}.");
        builder.problem(
            Kind::SizesOutOfOrder,
            "group.max_size",
            fact,
            format!("Raise max_size to at least {min}, or lower min_size."),
        );
    } else if !(min..=max).contains(&desired) {
        let fact = format!("group.desired_capacity is {desired}, outside {min} to {max}.");
        builder.problem(
            Kind::SizesOutOfOrder,
            "group.desired_capacity",
            fact,
            format!("Write a number from {min} to {max}, or leave it out."),
        );
    }
    Group {
        name: name.to_owned(),
        min_size: min,
        desired_capacity: desired,
        max_size: max,
        own_desired_capacity: group.own_desired_capacity.unwrap_or(false),
        health_check_grace_period: group.health_check_grace_period.map_or(DEFAULT_HEALTH_CHECK_GRACE, |g| g.0),
        warm_pool: group.warm_pool.as_ref().map(|pool| build_warm_pool(pool, builder)),
    }
}

/// Auto Scaling refuses a warm pool beside Spot Instances only when it is put, with the group already there.
fn check_pool_without_spot(launch: &LaunchSpec, builder: &mut Builder) {
    let on_demand = |mixed: &MixedInstancesSpec| mixed.on_demand_percentage_above_base_capacity.map_or(100, |it| it.0);
    let Some(percent) = launch.mixed_instances.as_ref().map(on_demand).filter(|percent| *percent < 100) else { return };
    let fact =
        format!("launch.mixed_instances buys {} % as Spot Instances, and a warm pool holds none.", 100 - percent);
    builder.problem(Kind::InvalidValue, "group.warm_pool", fact, "Leave warm_pool out, or buy On-Demand alone.");
}

fn build_warm_pool(pool: &WarmPoolSpec, builder: &mut Builder) -> WarmPool {
    let min_size = pool.min_size.map_or(0, |size| size.0);
    let most = pool.max_group_prepared_capacity.map(|size| size.0);
    if most == Some(0) && min_size == 0 {
        let fact = "group.warm_pool may hold no machine at all.".to_owned();
        let path = "group.warm_pool.max_group_prepared_capacity";
        builder.problem(Kind::InvalidValue, path, fact, "Raise it or min_size, or leave warm_pool out.");
    }
    WarmPool {
        pool_state: pool.pool_state.unwrap_or(PoolStateWord::Stopped),
        min_size,
        max_group_prepared_capacity: most,
        reuse_on_scale_in: pool.reuse_on_scale_in.unwrap_or(false),
    }
}

fn build_topics(spec: &Spec, builder: &mut Builder) -> Vec<Topic> {
    let entries = spec.notifications.iter().flat_map(|n| &n.entries);
    entries.map(|(key, notification)| build_topic(&spec.name.0, key, notification, builder)).collect()
}

fn build_topic(stack: &str, key: &str, notification: &NotificationSpec, builder: &mut Builder) -> Topic {
    let emails: Vec<String> = notification.email.iter().flatten().map(|e| e.0.clone()).collect();
    for (index, email) in emails.iter().enumerate() {
        if emails[..index].contains(email) {
            let path = format!("notifications.{key}.email[{index}]");
            let fact = format!("{path} is {} again.", quote(email));
            builder.problem(
                Kind::DuplicateEntry,
                &path,
                fact,
                "Keep one of the two; SNS has one subscription per address.",
            );
        }
    }
    let mut group_events = notification.group_events.clone().unwrap_or_default();
    group_events.sort_unstable();
    group_events.dedup();
    Topic { key: key.to_owned(), name: format!("{stack}-{key}"), emails, group_events }
}
