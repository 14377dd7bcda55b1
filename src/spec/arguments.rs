//! The arguments of a spec. Each block is declared once; its reader and its JSON Schema come from the declaration,
//! and the doc comments are what `scaleproof explain` prints. Start at [`Spec`].

use std::collections::BTreeMap;

use super::expectations::TestSpec;
use super::problem::{Kind, quote};
use super::reader::{Keyed, NAME_PATTERN, Read, Reader, arguments};
use super::shape::Shape;
use super::tree::{Node, Value};
use super::values::{
    ActionName, Adjustment, AdjustmentType, Aggregation, Cidr, CreditModeWord, Description, Email, FileName,
    GroupEvent, HourlyPrice, ImageName, InstanceType, Instant, MetricName, Millis, MinutesOfDay, MissingData,
    Namespace, Number, OnDemandStrategyWord, PairName, Percentage, Periods, PolicyType, PoolStateWord, Pools, Port,
    Rate, Recurrence, Region, RuleDescription, ScheduledType, Script, ShortMetric, SimpleType, Size, Span, SpotPrice,
    SpotStrategyWord, StackName, Statistic, StepType, TagValue, TargetTrackingType, Text, Threshold, TimeZone, Version,
    Weight, WholePercent, ZonesSpec,
};

arguments! {
    /// One Auto Scaling group with its network, its policies and its alerting.
    pub struct Spec {
        /// The version of this file's form. Always 1.
        pub version: Version,
        /// The stack's name: the group's name at AWS and the first part of every other name.
        pub name: StackName,
        /// The AWS region that everything is made in.
        pub region: Region,
        /// Tags on everything that the stack makes, machines included. `scaleproof:stack` is added.
        pub tags: Option<Tags>,
        /// The network that the machines stand in. Left out: 10.0.0.0/16 in two zones.
        pub network: Option<NetworkSpec>,
        /// What a machine is made from.
        pub launch: LaunchSpec,
        /// How many machines there are.
        pub group: GroupSpec,
        /// Scaling policies and scheduled actions by name: what changes the number of machines.
        pub scaling: Option<Keyed<PolicySpec>>,
        /// Notifications by name: each is one SNS topic, with who is told.
        pub notifications: Option<Keyed<NotificationSpec>>,
        /// CloudWatch alarms by name. The name at AWS is STACK-NAME.
        pub alarms: Option<Keyed<AlarmSpec>>,
        /// What the machines are like under load, for simulate and for tests. Nothing at AWS comes from it.
        pub load: Option<LoadSpec>,
        /// What users are promised, for simulate. Nothing at AWS comes from it.
        pub slo: Option<SloSpec>,
        /// Tests by name: values or a load, and what the alarms and the group have to make of it. `scaleproof test` runs them.
        pub tests: Option<Keyed<TestSpec>>,
    }
}

arguments! {
    /// The network that the machines stand in: a VPC with one public subnet per zone.
    pub struct NetworkSpec {
        /// The VPC's IPv4 block, from /16 to /28. Subnets are cut from it in order. Left out: 10.0.0.0/16.
        pub cidr: Option<Cidr>,
        /// How many zones, or their letters such as [a, c]. Only zones that offer the instance type count. Left out: 2.
        pub zones: Option<ZonesSpec>,
    }
}

arguments! {
    /// What a machine is made from.
    pub struct LaunchSpec {
        /// ubuntu-24.04 (the newest Canonical LTS image of that release) or an image id. Left out: ubuntu-24.04.
        pub image: Option<ImageName>,
        /// The EC2 instance type, such as t2.nano.
        pub instance_type: InstanceType,
        /// Several instance types in one group, On-Demand and Spot. Left out: instance_type alone, On-Demand.
        pub mixed_instances: Option<MixedInstancesSpec>,
        /// An existing key pair's name, or { public_key_file: id_ed25519.pub } to import one. Left out: no SSH key.
        pub key_pair: Option<KeyPairSpec>,
        /// Who may connect, one entry per TCP port and source. Left out: nobody.
        pub inbound: Option<Vec<InboundSpec>>,
        /// A file, relative to the spec, that each machine runs at its first start. At most 16 KB.
        pub user_data_file: Option<FileName>,
        /// The same as user_data_file, written in the spec itself.
        pub user_data: Option<Script>,
        /// One-minute metrics, which cost extra. Left out: on when an alarm on the group's EC2 metrics has a period under 5m.
        pub detailed_monitoring: Option<bool>,
    }
}

arguments! {
    /// Several instance types and purchase options in one group.
    pub struct MixedInstancesSpec {
        /// The types, the preferred one first; instance_type is one of them. At most 40, all for the same processor.
        pub instance_types: Vec<MixedTypeSpec>,
        /// How much capacity is On-Demand before any is Spot. Left out: 0.
        pub on_demand_base_capacity: Option<Size>,
        /// How much of the capacity above the base is On-Demand, in percent; the rest is Spot. Left out: 100.
        pub on_demand_percentage_above_base_capacity: Option<WholePercent>,
        /// Which type On-Demand capacity comes from: prioritized takes the first in the list that EC2 has, lowest-price the cheapest. Left out: prioritized.
        pub on_demand_allocation_strategy: Option<OnDemandStrategyWord>,
        /// Which type Spot capacity comes from. Left out: price-capacity-optimized, which AWS recommends.
        pub spot_allocation_strategy: Option<SpotStrategyWord>,
        /// With lowest-price, how many of the cheapest types Spot capacity is spread over. Left out: 2.
        pub spot_instance_pools: Option<Pools>,
        /// The most that an hour of one unit of Spot capacity may cost, in US dollars. Left out: the On-Demand price, as AWS advises.
        pub spot_max_price: Option<SpotPrice>,
    }
}

arguments! {
    /// One instance type of several.
    pub struct MixedTypeSpec {
        /// The EC2 instance type.
        pub instance_type: InstanceType,
        /// How many units of the group's capacity a machine of this type is; min_size, max_size and all other sizes then count units. For all types or for none. Left out: 1.
        pub weighted_capacity: Option<Weight>,
    }
}

arguments! {
    /// One rule for traffic to the machines.
    pub struct InboundSpec {
        /// The TCP port.
        pub port: Port,
        /// Who may connect: an IPv4 CIDR block. 0.0.0.0/0 is everybody.
        pub from: Cidr,
        /// What the rule is for, shown in the console.
        pub description: Option<RuleDescription>,
    }
}

arguments! {
    /// A public key to import under the stack's name.
    pub struct PublicKeySpec {
        /// A file with one public key, relative to the spec.
        pub public_key_file: FileName,
    }
}

arguments! {
    /// How many machines there are.
    pub struct GroupSpec {
        /// The group never has fewer machines.
        pub min_size: Size,
        /// How many machines the group starts with. Left out: min_size.
        pub desired_capacity: Option<Size>,
        /// The group never has more machines.
        pub max_size: Size,
        /// Whether an apply resets the group to desired_capacity. Left out: no, scaling owns the number.
        pub own_desired_capacity: Option<bool>,
        /// How long a new machine may take before its health counts. Left out: 5m.
        pub health_check_grace_period: Option<Span>,
        /// Machines that stand prepared beside the group, so that it grows sooner. Left out: none.
        pub warm_pool: Option<WarmPoolSpec>,
    }
}

arguments! {
    /// Machines that stand prepared beside the group. AWS stops a machine as soon as it runs: what it does at its first start must be short, or be done at every start.
    pub struct WarmPoolSpec {
        /// Whether prepared machines are Stopped, which costs their disks alone, or Running. Left out: Stopped.
        pub pool_state: Option<PoolStateWord>,
        /// The pool never wants fewer machines. Left out: 0.
        pub min_size: Option<Size>,
        /// How many machines group and pool may have together; the pool is what the group leaves of it. Left out: the group's max_size.
        pub max_group_prepared_capacity: Option<Size>,
        /// Whether machines go back to the pool when the group shrinks. Needs AWS provider 5.0 or newer. Left out: no, they are terminated.
        pub reuse_on_scale_in: Option<bool>,
    }
}

arguments! {
    /// A policy that adds or removes a fixed number of machines when an alarm asks for it.
    pub struct SimplePolicySpec {
        /// How the policy decides: simple adds or removes a fixed number, step does so by how far the metric is from the threshold, target-tracking keeps a metric at a value, scheduled acts at times.
        pub r#type: SimpleType,
        /// How many machines to add, or to remove when negative: +1, -1.
        pub adjustment: Adjustment,
        /// How long the policy waits after a scaling activity before the next. Left out: 300s, AWS's default.
        pub cooldown: Option<Span>,
    }
}

arguments! {
    /// A policy whose answer depends on how far the metric is from the alarm's threshold.
    pub struct StepPolicySpec {
        /// How the policy decides.
        pub r#type: StepType,
        /// How the steps' adjustments are meant: ChangeInCapacity is a number of machines, PercentChangeInCapacity a share of those there are, ExactCapacity the number to have. Left out: ChangeInCapacity.
        pub adjustment_type: Option<AdjustmentType>,
        /// Ranges of distances from the threshold, without gaps or overlaps, each with what to do in it. At most 20.
        pub steps: Vec<StepSpec>,
        /// The least number of machines that a change in percent adds or removes.
        pub min_adjustment_magnitude: Option<Size>,
        /// Which of the machines' datapoints count. Left out: Average.
        pub metric_aggregation_type: Option<Aggregation>,
        /// How long a new machine takes before its load counts. Left out: the group's default.
        pub estimated_instance_warmup: Option<Span>,
    }
}

arguments! {
    /// One range of a step policy.
    pub struct StepSpec {
        /// Where the range begins, as a distance from the alarm's threshold. Left out: at minus infinity.
        pub lower_bound: Option<Number>,
        /// Where the range ends. Left out: at infinity.
        pub upper_bound: Option<Number>,
        /// What to do in this range, as adjustment_type says.
        pub adjustment: Adjustment,
    }
}

arguments! {
    /// A policy that keeps a metric at a value. Auto Scaling makes the two alarms that it needs.
    pub struct TargetTrackingPolicySpec {
        /// How the policy decides.
        pub r#type: TargetTrackingType,
        /// What to keep: cpu, network-in or network-out of the group, or a block that names a metric that falls when machines are added.
        pub metric: MetricSpec,
        /// The value to keep the metric at, in its unit.
        pub target_value: Number,
        /// Whether the policy only ever adds machines. Left out: no.
        pub disable_scale_in: Option<bool>,
        /// How long a new machine takes before its load counts. Left out: the group's default.
        pub estimated_instance_warmup: Option<Span>,
    }
}

arguments! {
    /// A change of the group's sizes at a time, or again and again.
    pub struct ScheduledActionSpec {
        /// How the policy decides.
        pub r#type: ScheduledType,
        /// When it acts, as a cron expression of five fields in quotes: "0 8 * * 1-5" is 08:00 on working days.
        pub recurrence: Option<Recurrence>,
        /// The zone that the recurrence is in, such as Asia/Seoul. Needs AWS provider 4.0 or newer. Left out: UTC.
        pub time_zone: Option<TimeZone>,
        /// When it acts first, or only, in UTC: 2026-12-01T08:00:00Z.
        pub start_time: Option<Instant>,
        /// When a recurrence ends, in UTC.
        pub end_time: Option<Instant>,
        /// The group's min_size from then on. Terraform then leaves it alone after the group is made.
        pub min_size: Option<Size>,
        /// The group's max_size from then on. Terraform then leaves it alone after the group is made.
        pub max_size: Option<Size>,
        /// How many machines the group is to have then.
        pub desired_capacity: Option<Size>,
    }
}

/// What changes the number of machines: by an alarm, by a metric, or by the clock.
#[derive(Debug, Clone, PartialEq)]
pub enum PolicySpec {
    Simple(SimplePolicySpec),
    Step(StepPolicySpec),
    TargetTracking(TargetTrackingPolicySpec),
    Scheduled(ScheduledActionSpec),
}

impl PolicySpec {
    /// Whether an alarm may set it off.
    pub fn is_set_off_by_alarms(&self) -> bool {
        matches!(self, Self::Simple(_) | Self::Step(_))
    }
}

impl Read for PolicySpec {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.text_of("type") {
            Some("simple") => SimplePolicySpec::read(node, reader).map(Self::Simple),
            Some("step") => StepPolicySpec::read(node, reader).map(Self::Step),
            Some("target-tracking") => TargetTrackingPolicySpec::read(node, reader).map(Self::TargetTracking),
            Some("scheduled") => ScheduledActionSpec::read(node, reader).map(Self::Scheduled),
            // Without the type nothing can be said about the rest.
            _ => {
                reader.one_argument::<PolicyType>(node, "type");
                None
            }
        }
    }
}

impl schemars::JsonSchema for PolicySpec {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Policy".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let kinds = [
            generator.subschema_for::<SimplePolicySpec>(),
            generator.subschema_for::<StepPolicySpec>(),
            generator.subschema_for::<TargetTrackingPolicySpec>(),
            generator.subschema_for::<ScheduledActionSpec>(),
        ];
        schemars::json_schema!({ "anyOf": kinds })
    }
}

arguments! {
    /// One SNS topic and who is told through it.
    pub struct NotificationSpec {
        /// Addresses that receive a mail. Each must confirm once.
        pub email: Option<Vec<Email>>,
        /// What the group announces by itself: launch, terminate, launch-error, terminate-error.
        pub group_events: Option<Vec<GroupEvent>>,
    }
}

arguments! {
    /// A CloudWatch alarm on one metric.
    pub struct AlarmSpec {
        /// A short name such as cpu (AWS/EC2 CPUUtilization of the group), or a block that names any metric.
        pub metric: MetricSpec,
        /// When a datapoint breaches: a comparison and a number in the metric's unit, in quotes: ">= 50".
        pub threshold: Threshold,
        /// How much time one datapoint covers: 10s, 20s, 30s or whole minutes. AWS's own metrics need 1m or more.
        pub period: Span,
        /// How many periods the alarm looks back.
        pub evaluation_periods: Periods,
        /// How many of those must breach. Left out: all of them.
        pub datapoints_to_alarm: Option<Periods>,
        /// What a period without data counts as. Left out: missing, or notBreaching for sums and counts, where no data means zero.
        pub treat_missing_data: Option<MissingData>,
        /// What the alarm says about itself in a message. Left out: the rule in words.
        pub description: Option<Description>,
        /// What happens when the alarm goes off: policies, notifications or ARNs, at most five.
        pub alarm_actions: Option<Vec<ActionName>>,
        /// What happens when it goes back to OK.
        pub ok_actions: Option<Vec<ActionName>>,
        /// What happens when too little data arrives.
        pub insufficient_data_actions: Option<Vec<ActionName>>,
    }
}

arguments! {
    /// Any CloudWatch metric.
    pub struct LongMetricSpec {
        /// Where the metric lives, such as AWS/EC2 or a name of your own.
        pub namespace: Namespace,
        /// The metric's name, such as CPUUtilization.
        pub name: MetricName,
        /// How the datapoints of one period become one number. Left out: Average.
        pub statistic: Option<Statistic>,
        /// The metric's dimensions, all of them. Left out: the group's name for AWS/EC2 and AWS/AutoScaling, none for others.
        pub dimensions: Option<Dimensions>,
    }
}

arguments! {
    /// What the machines are like under load.
    pub struct LoadSpec {
        /// The load that simulate takes unless told otherwise: constant 40%, ramp 10..90% over 30m, sine 10..90%, spike 20..95% at 10m for 5m, square 10..90% over 1h, weekly 10..90%. Percent of one machine, or rps. Left out: sine 10..90%.
        pub shape: Option<Shape>,
        /// How many requests per second keep one machine at full CPU, or one unit of capacity where types have weights. Left out: 100.
        pub requests_per_second: Option<Rate>,
        /// The CPU that a machine shows without a request, in percent. Left out: 2.
        pub base_cpu: Option<Percentage>,
        /// From the launch until a machine serves: 90s, or { min: 60s, typical: 90s, max: 3m } for one that varies. Left out: 90s.
        pub boot: Option<BootSpec>,
        /// What one request takes on a machine that does nothing else, in milliseconds. Left out: 50.
        pub service_time_ms: Option<Millis>,
        /// After how many milliseconds callers give up; latency does not grow beyond it. Left out: 10000.
        pub timeout_ms: Option<Millis>,
        /// What happens when the CPU credits of a T machine run out. Left out: what AWS launches the family with, standard for T2, unlimited for the others.
        pub credits: Option<CreditModeWord>,
        /// How much later than usual metrics arrive. Left out: 0s.
        pub metric_delay: Option<Span>,
        /// How many of a hundred datapoints never arrive. Left out: 0.
        pub metric_loss: Option<Percentage>,
        /// By how many percent the load wavers from second to second. Left out: 0.
        pub noise: Option<Percentage>,
        /// What a machine costs in an hour, in US dollars. Left out: AWS's list price, where scaleproof knows it.
        pub price_per_hour: Option<HourlyPrice>,
    }
}

arguments! {
    /// A time to start up that varies.
    pub struct BootSpreadSpec {
        /// No machine is faster.
        pub min: Span,
        /// What most machines take.
        pub typical: Span,
        /// No machine is slower.
        pub max: Span,
    }
}

arguments! {
    /// What users are promised: a minute beyond any of these limits counts as over.
    pub struct SloSpec {
        /// The mean latency of a minute in milliseconds, at most.
        pub latency_ms: Option<Millis>,
        /// The group's average CPU utilization of a minute in percent, at most.
        pub cpu: Option<Percentage>,
        /// How many minutes of a day may be over. Left out: 0.
        pub minutes_over: Option<MinutesOfDay>,
    }
}

/// A time to start up: one, or a distribution.
#[derive(Debug, Clone, PartialEq)]
pub enum BootSpec {
    Fixed(Span),
    Spread(BootSpreadSpec),
}

impl Read for BootSpec {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Map(_) => BootSpreadSpec::read(node, reader).map(Self::Spread),
            _ => Span::read(node, reader).map(Self::Fixed),
        }
    }
}

/// A key pair that exists, or one to import.
#[derive(Debug, Clone, PartialEq)]
pub enum KeyPairSpec {
    Existing(String),
    PublicKeyFile(String),
}

impl Read for KeyPairSpec {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Map(_) => PublicKeySpec::read(node, reader).map(|k| Self::PublicKeyFile(k.public_key_file.0)),
            _ => PairName::read(node, reader).map(|name| Self::Existing(name.0)),
        }
    }
}

/// A metric by its short name, or written out.
#[derive(Debug, Clone, PartialEq)]
pub enum MetricSpec {
    Short(ShortMetric),
    Long(LongMetricSpec),
}

impl Read for MetricSpec {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Map(_) => LongMetricSpec::read(node, reader).map(Self::Long),
            _ => ShortMetric::read(node, reader).map(Self::Short),
        }
    }
}

/// Either of two forms, in the schema.
macro_rules! either_schema {
    ($type:ident, $name:literal, $short:ty, $long:ty) => {
        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let (short, long) = (generator.subschema_for::<$short>(), generator.subschema_for::<$long>());
                schemars::json_schema!({ "anyOf": [short, long] })
            }
        }
    };
}
either_schema!(KeyPairSpec, "KeyPair", PairName, PublicKeySpec);
either_schema!(MetricSpec, "Metric", ShortMetric, LongMetricSpec);
either_schema!(BootSpec, "Boot", Span, BootSpreadSpec);

impl<T: schemars::JsonSchema> schemars::JsonSchema for Keyed<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Named{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let entry = generator.subschema_for::<T>();
        schemars::json_schema!({
            "type": "object", "propertyNames": { "pattern": NAME_PATTERN }, "additionalProperties": entry
        })
    }
}

/// Tags by key.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tags(pub BTreeMap<String, String>);

const TAG_PATTERN: &str = "^(?!aws:|scaleproof:|Name$)[^\\x00-\\x1f\\x7f]{1,128}$";

impl Read for Tags {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let remedy = "Use 1 to 128 characters; Name, aws: and scaleproof: are taken.";
        let ok = |key: &str| {
            let taken = key == "Name" || key.starts_with("aws:") || key.starts_with("scaleproof:");
            (1..=128).contains(&key.chars().count()) && !key.contains(|c: char| c.is_ascii_control()) && !taken
        };
        read_texts::<TagValue>(node, reader, ok, remedy, |value| value.0).map(Self)
    }
}

/// A metric's dimensions by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Dimensions(pub BTreeMap<String, String>);

const DIMENSION_PATTERN: &str = "^[\\x21-\\x39\\x3b-\\x7e][\\x20-\\x7e]{0,254}$";

impl Read for Dimensions {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let ok = |key: &str| MetricName::parse(key).is_ok() && !key.starts_with([':', ' ']);
        read_texts::<MetricName>(node, reader, ok, "Write it as CloudWatch shows it, such as QueueName.", |value| {
            value.0
        })
        .map(Self)
    }
}

fn read_texts<T: Read>(
    node: &Node,
    reader: &mut Reader,
    key_ok: impl Fn(&str) -> bool,
    key_remedy: &str,
    text: impl Fn(T) -> String,
) -> Option<BTreeMap<String, String>> {
    let Value::Map(entries) = &node.value else {
        return reader.wrong_shape(node, "a block of names and texts", "Write `name: text` lines, indented below.");
    };
    let mut texts = BTreeMap::new();
    for entry in entries {
        if !key_ok(&entry.key) {
            let fact = format!("{} cannot be used as a name in {}.", quote(&entry.key), reader.path());
            reader.problem_at(Kind::InvalidName, entry.key_place, fact, key_remedy);
        }
        if let Some(value) = reader.inside(&entry.key, entry.key_place, &entry.node, T::read) {
            texts.insert(entry.key.clone(), text(value));
        }
    }
    Some(texts)
}

macro_rules! texts_schema {
    ($type:ident, $pattern:ident, $value:ty) => {
        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let value = generator.subschema_for::<$value>();
                schemars::json_schema!({
                    "type": "object", "propertyNames": { "pattern": $pattern }, "additionalProperties": value
                })
            }
        }
    };
}
texts_schema!(Tags, TAG_PATTERN, TagValue);
texts_schema!(Dimensions, DIMENSION_PATTERN, MetricName);
