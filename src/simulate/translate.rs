//! From a [`Stack`] to an engine's world: what terraform and `wire` would make at AWS, made in the engine by the same
//! calls. Start at [`build_world`].

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{Options, SetupError};
use crate::clock::Timestamp;
use crate::engine::alarms::{AlarmTiming, Comparison, MetricAlarm, MetricStat, TreatMissingData};
use crate::engine::groups::credits::{Burstable, CreditMode};
use crate::engine::groups::mixed::{Distribution, MixedInstancesPolicy, OnDemandStrategy, Override, SpotStrategy};
use crate::engine::groups::notice::NotificationType;
use crate::engine::groups::policy::{AdjustmentType, Limits, Policy, PolicyKind};
use crate::engine::groups::preferences::Preferences;
use crate::engine::groups::schedule::{ScheduleRequest, Sizes};
use crate::engine::groups::steps::Step;
use crate::engine::groups::target_tracking::{
    AlarmNames, CustomizedMetric, PredefinedMetric, TargetTracking, TrackedMetric,
};
use crate::engine::groups::termination::TerminationPolicy;
use crate::engine::groups::workload::{Spread, Workload};
use crate::engine::groups::{
    GroupSpec, LaunchSource, Placement, PoolState, Settings, TemplateSpecification, WarmPoolChange, group,
};
use crate::engine::metrics::{MetricKey, Statistic};
use crate::engine::names::{GroupName, Place, PolicyArn, SubnetId, TopicArn, Zone};
use crate::engine::topics::{Links, SubscribeRequest};
use crate::engine::{Refusal, World};
use crate::model::{
    self, ActionRef, Alarm, CreditModeWord, GroupEvent, Image, MixedInstances, PoolStateWord, ScalingPolicy, Stack,
    Zones,
};

/// What the launch template says for an image that only AWS can look up.
const SOME_IMAGE: &str = "ami-00000000000000000";

/// A topic, by the name that events use for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TopicInfo {
    pub key: String,
    pub receivers: usize,
}

/// A world with a stack in it, and what its things are called in the spec.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub world: World,
    pub group: GroupName,
    pub topics: BTreeMap<TopicArn, TopicInfo>,
    /// Keys by names at AWS.
    pub alarms: BTreeMap<String, String>,
}

pub(super) fn build_world(stack: &Stack, options: &Options) -> Result<Scene, SetupError> {
    let mut scene = Scene::empty(&stack.region, options);
    scene.add(stack, options)?;
    Ok(scene)
}

/// A world with several stacks of one region in it, of different names.
///
/// # Errors
/// What AWS would refuse, such as more groups than one region may have.
pub fn world_of(stacks: &[Stack], options: &Options) -> Result<World, SetupError> {
    let region = stacks.first().map_or("us-east-1", |stack| stack.region.as_str());
    let mut scene = Scene::empty(region, options);
    stacks.iter().try_for_each(|stack| scene.add(stack, options))?;
    Ok(scene.world)
}

impl Scene {
    fn empty(region: &str, options: &Options) -> Self {
        let place = Place::new(region, &options.account);
        Self {
            world: World::new(place, options.seed, options.timing),
            group: GroupName::default(),
            topics: BTreeMap::new(),
            alarms: BTreeMap::new(),
        }
    }

    fn add(&mut self, stack: &Stack, options: &Options) -> Result<(), SetupError> {
        let now = options.start;
        self.group = stack.group.name.as_str().into();
        make_group(self, stack, now, options.seed).map_err(|refusal| SetupError::new("the group", refusal))?;
        for action in &stack.schedules {
            let Some(request) = schedule(action, now) else { continue };
            let group = self.group.clone();
            self.world
                .with_groups(now, |groups| groups.put_scheduled_action(now, &group, request))
                .map_err(|refusal| SetupError::new(format!("the scheduled action {}", action.name), refusal))?;
        }
        let policies = make_policies(self, stack, now)?;
        let topics = make_topics(self, stack, now)?;
        for alarm in &stack.alerting.alarms {
            make_alarm(self, alarm, now, &policies, &topics)
                .map_err(|refusal| SetupError::new(format!("the alarm {}", alarm.key), refusal))?;
        }
        Ok(())
    }
}

fn make_group(scene: &mut Scene, stack: &Stack, now: Timestamp, seed: u64) -> Result<(), Refusal> {
    let template = make_launch_template(scene, stack, now)?;
    let launch = match &stack.launch.mixed {
        None => LaunchSource::Template(template),
        Some(mixed) => LaunchSource::Mixed(Box::new(policy_of(mixed, template)?)),
    };
    let spec = GroupSpec {
        name: scene.group.clone(),
        limits: Limits { min: stack.group.min_size, max: stack.group.max_size },
        desired_capacity: Some(stack.group.desired_capacity),
        settings: Settings {
            placements: placements(stack),
            by_zone: false,
            launch,
            default_cooldown_secs: group::DEFAULT_COOLDOWN_SECS,
            default_instance_warmup_secs: None,
            health_check_type: "EC2".into(),
            health_check_grace_secs: whole_secs(stack.group.health_check_grace_period),
            termination_policies: vec![TerminationPolicy::Default],
            protect_new_instances: false,
            capacity_rebalance: None,
            service_linked_role_arn: String::new(),
            preferences: Preferences::default(),
        },
        tags: BTreeMap::new(),
        hooks: Vec::new(),
    };
    scene.world.with_groups(now, |groups| groups.create_group(now, spec))?;
    if let Some(pool) = &stack.group.warm_pool {
        let (group, change) = (scene.group.clone(), warm_pool(pool));
        scene.world.with_groups(now, |groups| groups.put_warm_pool(now, &group, change))?;
    }
    let (group, model) = (scene.group.clone(), workload(stack, seed));
    scene.world.groups.measures_instances = false;
    scene.world.groups.set_workload(now, &group, model)?;
    let metrics: Vec<String> = watched_group_metrics(stack);
    if !metrics.is_empty() {
        scene.world.with_groups(now, |groups| groups.enable_metrics(now, &group, &metrics))?;
    }
    Ok(())
}

fn warm_pool(pool: &model::WarmPool) -> WarmPoolChange {
    WarmPoolChange {
        max_prepared: Some(pool.max_group_prepared_capacity),
        min_size: Some(pool.min_size),
        state: Some(match pool.pool_state {
            PoolStateWord::Stopped => PoolState::Stopped,
            PoolStateWord::Running => PoolState::Running,
        }),
        reuse_on_scale_in: Some(pool.reuse_on_scale_in),
    }
}

/// The stack's machines as the engine takes them.
fn workload(stack: &Stack, seed: u64) -> Workload {
    let load = &stack.load;
    let size = Burstable::of(&stack.launch.instance_type);
    Workload {
        requests_per_sec: load.requests_per_second,
        base_cpu: load.base_cpu,
        boot: Spread { min: load.boot.min, typical: load.boot.typical, max: load.boot.max },
        service_ms: load.service_time_ms,
        latency_cap_ms: load.timeout_ms,
        credits: size.map(|size| (size, credit_mode(stack, size))),
        metric_delay: load.metric_delay,
        metric_loss_percent: load.metric_loss,
        seed,
    }
}

/// As written, or the mode that AWS launches the family in.
pub fn credit_mode(stack: &Stack, size: Burstable) -> CreditMode {
    match stack.load.credits {
        Some(CreditModeWord::Standard) => CreditMode::Standard,
        Some(CreditModeWord::Unlimited) => CreditMode::Unlimited,
        None => size.default_mode(),
    }
}

/// Terraform turns all group metrics on; only those that an alarm reads make a difference here.
fn watched_group_metrics(stack: &Stack) -> Vec<String> {
    let read: BTreeSet<&str> = stack
        .alerting
        .alarms
        .iter()
        .filter(|alarm| alarm.namespace == "AWS/AutoScaling")
        .map(|alarm| alarm.metric_name.as_str())
        .collect();
    use crate::engine::groups::measure::GROUP_METRICS;
    GROUP_METRICS.iter().filter(|metric| read.contains(*metric)).map(|metric| (*metric).to_owned()).collect()
}

fn make_launch_template(scene: &mut Scene, stack: &Stack, now: Timestamp) -> Result<TemplateSpecification, Refusal> {
    let image = match &stack.launch.image {
        Image::Id(id) => id.as_str(),
        Image::Ubuntu { .. } => SOME_IMAGE,
    };
    let data = json!({
        "ImageId": image,
        "InstanceType": stack.launch.instance_type,
        "Monitoring": { "Enabled": stack.launch.detailed_monitoring },
    });
    let groups = &mut scene.world.groups;
    groups.create_launch_template(now, &stack.name, None, data, BTreeMap::new())?;
    groups.template_specification(None, Some(&stack.name), Some("1"))
}

fn policy_of(mixed: &MixedInstances, template: TemplateSpecification) -> Result<MixedInstancesPolicy, Refusal> {
    let over = |one: &model::MixedType| Override {
        instance_type: Some(one.instance_type.clone()),
        weight: one.weighted_capacity,
        ..Override::default()
    };
    let strategy = SpotStrategy::parse(mixed.spot_allocation_strategy.word())?;
    let mut distribution = Distribution {
        on_demand_strategy: OnDemandStrategy::parse(mixed.on_demand_allocation_strategy.word())?,
        on_demand_base: mixed.on_demand_base_capacity,
        on_demand_percent_above_base: mixed.on_demand_percentage_above_base_capacity,
        spot_max_price: mixed.spot_max_price.map(|price| price.to_string()),
        ..Distribution::default()
    }
    .with_spot_strategy(strategy);
    distribution.spot_pools = mixed.spot_instance_pools.or(distribution.spot_pools);
    let overrides = mixed.instance_types.iter().map(over).collect();
    Ok(MixedInstancesPolicy { template, overrides, distribution, counts: None })
}

fn placements(stack: &Stack) -> Vec<Placement> {
    let letters: Vec<char> = match &stack.network.zones {
        Zones::Count(count) => ('a'..='z').take(usize::from(*count)).collect(),
        Zones::Letters(letters) => letters.clone(),
    };
    let subnets = letters.into_iter().zip(&stack.network.subnet_cidrs);
    let placement = |(letter, cidr): (char, &String)| Placement {
        subnet: SubnetId(format!("subnet-{letter}")),
        zone: Zone(format!("{}{letter}", stack.region)),
        cidr: cidr.clone(),
        vpc: "vpc-simulated".into(),
        public_ip: true,
        ipv6: None,
    };
    subnets.map(placement).collect()
}

fn make_policies(scene: &mut Scene, stack: &Stack, now: Timestamp) -> Result<BTreeMap<String, PolicyArn>, SetupError> {
    let group = scene.group.clone();
    let mut arns = BTreeMap::new();
    for policy in &stack.policies {
        let arn = engine_policy(policy)
            .and_then(|put| scene.world.with_groups(now, |groups| groups.put_policy(&group, put)))
            .map_err(|refusal| SetupError::new(format!("the policy {}", policy.name), refusal))?;
        arns.insert(policy.name.clone(), arn);
    }
    Ok(arns)
}

fn engine_policy(policy: &ScalingPolicy) -> Result<Policy, Refusal> {
    let (adjustment_type, min_adjustment_magnitude, kind) = match &policy.kind {
        model::PolicyKind::Simple { adjustment, cooldown } => {
            let kind = PolicyKind::Simple { adjustment: *adjustment, cooldown_secs: Some(whole_secs(*cooldown)) };
            (AdjustmentType::ChangeInCapacity, None, kind)
        }
        model::PolicyKind::Step(step) => {
            let kind = PolicyKind::Step {
                steps: step.steps.iter().map(engine_step).collect(),
                aggregation: Some(step.metric_aggregation_type.clone()),
                estimated_warmup_secs: step.estimated_instance_warmup.map(whole_secs),
            };
            (adjustment_type(step.adjustment_type), step.min_adjustment_magnitude, kind)
        }
        model::PolicyKind::TargetTracking(tracking) => {
            let kind = PolicyKind::TargetTracking(TargetTracking {
                metric: tracked_metric(&tracking.metric)?,
                target: tracking.target_value,
                disable_scale_in: tracking.disable_scale_in,
                estimated_warmup_secs: tracking.estimated_instance_warmup.map(whole_secs),
                alarms: AlarmNames::default(),
            });
            (AdjustmentType::ChangeInCapacity, None, kind)
        }
    };
    let (name, arn) = (policy.name.as_str().into(), PolicyArn::default());
    Ok(Policy { name, arn, enabled: true, adjustment_type, min_adjustment_magnitude, kind, last: None })
}

fn tracked_metric(metric: &model::TrackedMetric) -> Result<TrackedMetric, Refusal> {
    match metric {
        model::TrackedMetric::Predefined(name) => {
            let kind = PredefinedMetric::parse(name)
                .ok_or_else(|| Refusal::validation(format!("the predefined metric {name} is not known")))?;
            Ok(TrackedMetric::Predefined { kind, resource_label: None })
        }
        model::TrackedMetric::Custom { namespace, metric_name, dimensions, statistic } => {
            Ok(TrackedMetric::Customized(CustomizedMetric {
                name: metric_name.clone(),
                namespace: namespace.clone(),
                dimensions: dimensions.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
                statistic: statistic.clone(),
                unit: None,
                period_secs: None,
            }))
        }
    }
}

/// What PutScheduledUpdateGroupAction is asked for at `now`; nothing for an action whose time has passed.
fn schedule(action: &model::ScheduledAction, now: Timestamp) -> Option<ScheduleRequest> {
    let time = |text: &Option<String>| text.as_deref().and_then(Timestamp::parse);
    let (start, end) = (time(&action.start_time), time(&action.end_time));
    let is_over =
        end.is_some_and(|end| end <= now) || (action.recurrence.is_none() && start.is_some_and(|start| start <= now));
    (!is_over).then(|| ScheduleRequest {
        name: action.name.clone(),
        // A recurrence that has begun goes on.
        start: start.filter(|start| *start > now),
        end,
        recurrence: action.recurrence.clone(),
        time_zone: action.time_zone.clone(),
        sizes: Sizes { min: action.min_size, max: action.max_size, desired: action.desired_capacity },
    })
}

fn engine_step(step: &model::Step) -> Step {
    Step { lower: step.lower_bound, upper: step.upper_bound, adjustment: step.adjustment }
}

fn adjustment_type(kind: model::AdjustmentType) -> AdjustmentType {
    match kind {
        model::AdjustmentType::ChangeInCapacity => AdjustmentType::ChangeInCapacity,
        model::AdjustmentType::PercentChangeInCapacity => AdjustmentType::PercentChangeInCapacity,
        model::AdjustmentType::ExactCapacity => AdjustmentType::ExactCapacity,
    }
}

/// The stack's topics by key, and by ARN those that alarms name and somebody else owns.
fn make_topics(scene: &mut Scene, stack: &Stack, now: Timestamp) -> Result<BTreeMap<String, TopicArn>, SetupError> {
    let mut arns = BTreeMap::new();
    for topic in &stack.alerting.topics {
        let arn = make_topic(scene, &topic.name, &topic.key, topic.emails.len(), now)?;
        let types: BTreeSet<NotificationType> =
            topic.group_events.iter().filter_map(|event| notification_type(*event)).collect();
        if !types.is_empty() {
            let (group, to) = (scene.group.clone(), arn.clone());
            scene
                .world
                .with_groups(now, |groups| groups.put_notification(now, &group, to, types))
                .map_err(|refusal| SetupError::new(format!("the notification {}", topic.key), refusal))?;
        }
        arns.insert(topic.key.clone(), arn);
    }
    for (number, arn) in foreign_topics(stack).into_iter().enumerate() {
        // Somebody reads it, or it would not be named.
        let made = make_topic(scene, &format!("foreign-{number}"), &arn, 1, now)?;
        arns.insert(arn, made);
    }
    Ok(arns)
}

fn make_topic(
    scene: &mut Scene,
    name: &str,
    key: &str,
    receivers: usize,
    now: Timestamp,
) -> Result<TopicArn, SetupError> {
    let place = scene.world.place.clone();
    let topics = &mut scene.world.topics;
    let failed = |refusal| SetupError::new(format!("the topic {key}"), refusal);
    let arn = topics.create_topic(name, &BTreeMap::new(), &Vec::new(), Links::of_aws(&place)).map_err(failed)?;
    // One reader for each topic, a queue of its own account that is confirmed at once: what it receives is what was
    // published. Addresses are only counted.
    let request = SubscribeRequest {
        topic_arn: arn.to_string(),
        protocol: "sqs".into(),
        endpoint: place.arn("sqs", "observer"),
        attributes: BTreeMap::new(),
    };
    topics.subscribe(now, &request).map_err(failed)?;
    scene.topics.insert(arn.clone(), TopicInfo { key: key.to_owned(), receivers });
    Ok(arn)
}

fn foreign_topics(stack: &Stack) -> BTreeSet<String> {
    let actions = stack.alerting.alarms.iter().flat_map(all_actions);
    let arns = actions.filter_map(|action| match action {
        ActionRef::Arn(arn) if arn.split(':').nth(2) == Some("sns") => Some(arn.clone()),
        _ => None,
    });
    arns.collect()
}

fn all_actions(alarm: &Alarm) -> impl Iterator<Item = &ActionRef> {
    alarm.alarm_actions.iter().chain(&alarm.ok_actions).chain(&alarm.insufficient_data_actions)
}

fn notification_type(event: GroupEvent) -> Option<NotificationType> {
    NotificationType::parse(event.notification_type())
}

fn make_alarm(
    scene: &mut Scene,
    alarm: &Alarm,
    now: Timestamp,
    policies: &BTreeMap<String, PolicyArn>,
    topics: &BTreeMap<String, TopicArn>,
) -> Result<(), Refusal> {
    let arns = |actions: &[ActionRef]| actions.iter().filter_map(|action| arn_of(action, policies, topics)).collect();
    let statistic = Statistic::parse(&alarm.statistic)
        .ok_or_else(|| Refusal::validation(format!("the statistic {} is not known", alarm.statistic)))?;
    let config = MetricAlarm {
        name: alarm.name.as_str().into(),
        description: Some(alarm.description.clone()),
        actions_enabled: true,
        ok_actions: arns(&alarm.ok_actions),
        alarm_actions: arns(&alarm.alarm_actions),
        insufficient_data_actions: arns(&alarm.insufficient_data_actions),
        watched: MetricStat { key: metric_key(alarm), statistic, period_secs: whole_secs(alarm.period), unit: None }
            .into(),
        evaluation_periods: alarm.evaluation_periods,
        datapoints_to_alarm: Some(alarm.datapoints_to_alarm),
        threshold: alarm.threshold,
        comparison: comparison(alarm.comparison),
        treat_missing_data: TreatMissingData::parse(&alarm.treat_missing_data),
        evaluate_low_sample_count_percentile: None,
        timing: AlarmTiming::default(),
    };
    scene.alarms.insert(alarm.name.clone(), alarm.key.clone());
    scene.world.put_metric_alarm(now, config, BTreeMap::new())
}

/// The metric that an alarm watches.
pub fn metric_key(alarm: &Alarm) -> MetricKey {
    MetricKey {
        namespace: alarm.namespace.clone(),
        name: alarm.metric_name.clone(),
        dimensions: alarm.dimensions.clone(),
    }
}

fn arn_of(
    action: &ActionRef,
    policies: &BTreeMap<String, PolicyArn>,
    topics: &BTreeMap<String, TopicArn>,
) -> Option<String> {
    match action {
        ActionRef::Policy(name) => policies.get(name).map(|arn| arn.0.clone()),
        ActionRef::Topic(key) => topics.get(key).map(|arn| arn.0.clone()),
        ActionRef::Arn(arn) => Some(topics.get(arn).map_or_else(|| arn.clone(), |own| own.0.clone())),
    }
}

fn comparison(comparison: crate::model::Comparison) -> Comparison {
    use crate::model::Comparison as Written;
    match comparison {
        Written::GreaterThanOrEqualToThreshold => Comparison::GreaterThanOrEqualToThreshold,
        Written::GreaterThanThreshold => Comparison::GreaterThanThreshold,
        Written::LessThanThreshold => Comparison::LessThanThreshold,
        Written::LessThanOrEqualToThreshold => Comparison::LessThanOrEqualToThreshold,
    }
}

/// The spec's durations are whole seconds, nine digits at most.
fn whole_secs(duration: std::time::Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
