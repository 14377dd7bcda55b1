//! What templates see: every decision made, every list in order. Start at [`View`].

use std::collections::BTreeMap;

use serde::Serialize;

use super::RenderOptions;
use crate::model::{
    self, Architecture, Image, KeyPair, MixedInstances, PolicyKind, ScheduledAction, Stack, TrackedMetric, Zones,
};

/// What all attributes used here exist in; 7.0 is not there to be tried.
const PROVIDER_VERSION: &str = ">= 3.39, < 7.0";
/// Since 4.0 at the latest schedules have time zones; which 3.x release brought them is not known here.
const PROVIDER_VERSION_OF_TIME_ZONES: &str = ">= 4.0, < 7.0";

/// Since 5.0 at the latest warm pools take instances back; 3.39.0 does not have it.
const PROVIDER_VERSION_OF_INSTANCE_REUSE: &str = ">= 5.0, < 7.0";
/// `optional` and preconditions are older; 1.3 is the oldest release that current providers name.
const TERRAFORM_VERSION: &str = ">= 1.3";
/// Canonical's account, by its own page "Find Ubuntu images on AWS".
const CANONICAL: &str = "099720109477";
/// Ours: longer than a t2.nano needs to boot and report healthy, shorter than a person waits.
const CAPACITY_TIMEOUT: &str = "10m";
/// The services that the rendered resources call.
const SERVICES: &[&str] = &["autoscaling", "ec2", "sts"];

/// The context of every template.
#[derive(Debug, Serialize)]
pub(super) struct View<'a> {
    name: &'a str,
    region: &'a str,
    provider_version: &'a str,
    terraform_version: &'a str,
    default_tags: Vec<Tag<'a>>,
    endpoint: Option<&'a str>,
    services: &'a [&'a str],
    skip_ec2_platforms: bool,
    cidr: &'a str,
    subnet_cidrs: &'a [String],
    /// How many zones to take, if they are counted.
    zone_count: Option<u32>,
    /// The zones, if they are named.
    zone_names: Vec<String>,
    zone_pattern: String,
    too_few_zones: String,
    instance_type: &'a str,
    /// One of them is what a zone must offer.
    offered_types: Vec<&'a str>,
    mixed: Option<&'a MixedInstances>,
    image_id: Option<&'a str>,
    image_owner: &'a str,
    image_pattern: Option<String>,
    key_name: Option<&'a str>,
    public_key: Option<&'a str>,
    inbound: Vec<Rule<'a>>,
    user_data_file: Option<&'a str>,
    detailed_monitoring: bool,
    group: &'a str,
    min_size: u32,
    desired_capacity: u32,
    max_size: u32,
    /// The group's attributes that terraform sets once and then leaves alone.
    owned_by_scaling: Vec<&'a str>,
    health_check_grace_period: u64,
    capacity_timeout: &'a str,
    group_metrics: &'a [&'a str],
    /// The stack's tags and the machines' name.
    machine_tags: Vec<Tag<'a>>,
    warm_pool: Option<WarmPool>,
    policies: Vec<Policy<'a>>,
    schedules: Vec<Schedule<'a>>,
}

#[derive(Debug, Serialize)]
struct WarmPool {
    pool_state: &'static str,
    min_size: u32,
    max_group_prepared_capacity: Option<u32>,
    reuse_on_scale_in: bool,
}

impl WarmPool {
    fn new(pool: &model::WarmPool) -> Self {
        Self {
            pool_state: pool.pool_state.word(),
            min_size: pool.min_size,
            max_group_prepared_capacity: pool.max_group_prepared_capacity,
            reuse_on_scale_in: pool.reuse_on_scale_in,
        }
    }
}

#[derive(Debug, Serialize)]
struct Tag<'a> {
    key: &'a str,
    value: &'a str,
}

#[derive(Debug, Serialize)]
struct Rule<'a> {
    port: u16,
    from: &'a str,
    description: Option<&'a str>,
}

/// The arguments of one policy; those of other types are absent.
#[derive(Debug, Default, Serialize)]
struct Policy<'a> {
    name: &'a str,
    r#type: &'a str,
    adjustment_type: Option<&'a str>,
    adjustment: Option<i32>,
    cooldown: Option<String>,
    steps: Vec<StepView>,
    min_adjustment_magnitude: Option<u32>,
    metric_aggregation_type: Option<&'a str>,
    estimated_instance_warmup: Option<String>,
    target: Option<Target<'a>>,
}

/// Bounds are text, as the provider has them.
#[derive(Debug, Serialize)]
struct StepView {
    lower_bound: Option<String>,
    upper_bound: Option<String>,
    adjustment: i32,
}

#[derive(Debug, Serialize)]
struct Target<'a> {
    predefined: Option<&'a str>,
    custom: Option<CustomMetric<'a>>,
    value: Number,
    disable_scale_in: bool,
}

#[derive(Debug, Serialize)]
struct CustomMetric<'a> {
    namespace: &'a str,
    metric_name: &'a str,
    statistic: &'a str,
    dimensions: Vec<Tag<'a>>,
}

/// Whole numbers have no decimals in HCL that people write.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Number {
    Whole(i64),
    Real(f64),
}

#[derive(Debug, Serialize)]
struct Schedule<'a> {
    name: &'a str,
    recurrence: Option<&'a str>,
    time_zone: Option<&'a str>,
    start_time: Option<&'a str>,
    end_time: Option<&'a str>,
    min_size: i64,
    max_size: i64,
    desired_capacity: i64,
}

/// All group metrics without warm pools', which this stack does not have.
const GROUP_METRICS: &[&str] = &[
    "GroupDesiredCapacity",
    "GroupInServiceInstances",
    "GroupMaxSize",
    "GroupMinSize",
    "GroupPendingInstances",
    "GroupStandbyInstances",
    "GroupTerminatingInstances",
    "GroupTotalInstances",
];

impl<'a> View<'a> {
    pub fn new(stack: &'a Stack, options: &'a RenderOptions) -> Self {
        let (launch, group) = (&stack.launch, &stack.group);
        let region = options.region.as_deref().unwrap_or(&stack.region);
        let (zone_count, zone_names, too_few_zones) = zones_of(stack, region);
        let (image_id, image_pattern) = match &launch.image {
            Image::Id(id) => (Some(id.as_str()), None),
            Image::Ubuntu { release, codename } => (None, Some(image_pattern(release, codename, launch.architecture))),
        };
        let (key_name, public_key) = match &launch.key_pair {
            None => (None, None),
            Some(KeyPair::Existing(name)) => (Some(name.as_str()), None),
            Some(KeyPair::Import { public_key }) => (None, Some(public_key.as_str())),
        };
        Self {
            name: &stack.name,
            region,
            provider_version: provider_version(stack),
            terraform_version: TERRAFORM_VERSION,
            default_tags: tags(&stack.tags),
            endpoint: options.endpoint.as_deref(),
            services: SERVICES,
            skip_ec2_platforms: options.skip_ec2_platforms,
            cidr: &stack.network.cidr,
            subnet_cidrs: &stack.network.subnet_cidrs,
            zone_count,
            zone_names,
            zone_pattern: format!("^{region}[a-z]$"),
            too_few_zones,
            instance_type: &launch.instance_type,
            offered_types: offered_types(stack),
            mixed: launch.mixed.as_ref(),
            image_id,
            image_owner: CANONICAL,
            image_pattern,
            key_name,
            public_key,
            inbound: launch.inbound.iter().map(Rule::new).collect(),
            user_data_file: launch.user_data.is_some().then_some(super::USER_DATA_FILE),
            detailed_monitoring: launch.detailed_monitoring,
            group: &group.name,
            min_size: group.min_size,
            desired_capacity: group.desired_capacity,
            max_size: group.max_size,
            owned_by_scaling: owned_by_scaling(stack),
            health_check_grace_period: group.health_check_grace_period.as_secs(),
            capacity_timeout: CAPACITY_TIMEOUT,
            group_metrics: GROUP_METRICS,
            machine_tags: machine_tags(stack),
            warm_pool: group.warm_pool.as_ref().map(WarmPool::new),
            policies: stack.policies.iter().map(Policy::new).collect(),
            schedules: stack.schedules.iter().map(Schedule::new).collect(),
        }
    }
}

impl<'a> Rule<'a> {
    fn new(rule: &'a crate::model::Inbound) -> Self {
        let description = Some(rule.description.as_str()).filter(|d| !d.is_empty());
        Self { port: rule.port, from: &rule.from, description }
    }
}

impl<'a> Policy<'a> {
    fn new(policy: &'a crate::model::ScalingPolicy) -> Self {
        let name = policy.name.as_str();
        match &policy.kind {
            PolicyKind::Simple { adjustment, cooldown } => Self {
                name,
                r#type: "SimpleScaling",
                adjustment_type: Some("ChangeInCapacity"),
                adjustment: Some(*adjustment),
                cooldown: Some(seconds(*cooldown)),
                ..Self::default()
            },
            PolicyKind::Step(step) => Self {
                name,
                r#type: "StepScaling",
                adjustment_type: Some(step.adjustment_type.word()),
                steps: step.steps.iter().map(StepView::new).collect(),
                min_adjustment_magnitude: step.min_adjustment_magnitude,
                metric_aggregation_type: Some(&step.metric_aggregation_type),
                estimated_instance_warmup: step.estimated_instance_warmup.map(seconds),
                ..Self::default()
            },
            PolicyKind::TargetTracking(tracking) => Self {
                name,
                r#type: "TargetTrackingScaling",
                estimated_instance_warmup: tracking.estimated_instance_warmup.map(seconds),
                target: Some(Target::new(tracking)),
                ..Self::default()
            },
        }
    }
}

/// Text, so that a template can tell none from no seconds.
fn seconds(duration: std::time::Duration) -> String {
    duration.as_secs().to_string()
}

impl StepView {
    fn new(step: &crate::model::Step) -> Self {
        let text = |bound: Option<f64>| bound.map(|bound| bound.to_string());
        Self { lower_bound: text(step.lower_bound), upper_bound: text(step.upper_bound), adjustment: step.adjustment }
    }
}

impl<'a> Target<'a> {
    fn new(tracking: &'a crate::model::TargetTracking) -> Self {
        let (predefined, custom) = match &tracking.metric {
            TrackedMetric::Predefined(kind) => (Some(*kind), None),
            TrackedMetric::Custom { namespace, metric_name, dimensions, statistic } => {
                (None, Some(CustomMetric { namespace, metric_name, statistic, dimensions: tags(dimensions) }))
            }
        };
        let value = tracking.target_value;
        // The spec's numbers are far below what an i64 holds.
        let value = if value.fract() == 0.0 { Number::Whole(value as i64) } else { Number::Real(value) };
        Self { predefined, custom, value, disable_scale_in: tracking.disable_scale_in }
    }
}

/// What the provider takes for "leave it as it is"; its own default, 0, would empty the group.
const UNCHANGED: i64 = -1;

impl<'a> Schedule<'a> {
    fn new(action: &'a ScheduledAction) -> Self {
        let size = |size: Option<u32>| size.map_or(UNCHANGED, i64::from);
        Self {
            name: &action.name,
            recurrence: action.recurrence.as_deref(),
            time_zone: action.time_zone.as_deref(),
            start_time: action.start_time.as_deref(),
            end_time: action.end_time.as_deref(),
            min_size: size(action.min_size),
            max_size: size(action.max_size),
            desired_capacity: size(action.desired_capacity),
        }
    }
}

/// Sizes that scheduled actions set belong to them as the number of machines belongs to the policies.
fn owned_by_scaling(stack: &Stack) -> Vec<&'static str> {
    let scheduled = |size: fn(&ScheduledAction) -> Option<u32>| stack.schedules.iter().any(|a| size(a).is_some());
    [
        ("desired_capacity", !stack.group.own_desired_capacity),
        ("min_size", scheduled(|action| action.min_size)),
        ("max_size", scheduled(|action| action.max_size)),
    ]
    .into_iter()
    .filter_map(|(size, owned)| owned.then_some(size))
    .collect()
}

fn provider_version(stack: &Stack) -> &'static str {
    let zones = stack.schedules.iter().any(|action| action.time_zone.is_some());
    let reuses = stack.group.warm_pool.as_ref().is_some_and(|pool| pool.reuse_on_scale_in);
    match (reuses, zones) {
        (true, _) => PROVIDER_VERSION_OF_INSTANCE_REUSE,
        (false, true) => PROVIDER_VERSION_OF_TIME_ZONES,
        (false, false) => PROVIDER_VERSION,
    }
}

fn tags(tags: &BTreeMap<String, String>) -> Vec<Tag<'_>> {
    tags.iter().map(|(key, value)| Tag { key, value }).collect()
}

fn machine_tags(stack: &Stack) -> Vec<Tag<'_>> {
    let mut tags = tags(&stack.tags);
    tags.retain(|tag| tag.key != "Name");
    tags.insert(0, Tag { key: "Name", value: &stack.name });
    tags
}

fn offered_types(stack: &Stack) -> Vec<&str> {
    match &stack.launch.mixed {
        None => vec![&stack.launch.instance_type],
        Some(mixed) => mixed.instance_types.iter().map(|one| one.instance_type.as_str()).collect(),
    }
}

fn zones_of(stack: &Stack, region: &str) -> (Option<u32>, Vec<String>, String) {
    let machine = match &stack.launch.mixed {
        None => stack.launch.instance_type.as_str(),
        Some(_) => "one of the instance types",
    };
    match &stack.network.zones {
        Zones::Count(count) => (
            Some(u32::from(*count)),
            Vec::new(),
            format!("{region} has fewer than {count} zones that offer {machine}."),
        ),
        Zones::Letters(letters) => {
            let names = letters.iter().map(|letter| format!("{region}{letter}")).collect();
            (None, names, format!("Not every zone named in the spec offers {machine}."))
        }
    }
}

/// `hvm-ssd*` matches both folders that Canonical has used: hvm-ssd until 22.04 and hvm-ssd-gp3 since.
fn image_pattern(release: &str, codename: &str, architecture: Architecture) -> String {
    let architecture = match architecture {
        Architecture::Amd64 => "amd64",
        Architecture::Arm64 => "arm64",
    };
    format!("ubuntu/images/hvm-ssd*/ubuntu-{codename}-{release}-{architecture}-server-*")
}
