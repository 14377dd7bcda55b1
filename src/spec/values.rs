//! The single values of a spec: durations, thresholds, CIDR blocks, names. Each type knows its text form, its remedy
//! and its JSON Schema. Start at [`Text`].

use std::net::Ipv4Addr;
use std::time::Duration;

use serde::Serialize;

use super::problem::{Kind, did_you_mean, quote};
use super::reader::{NAME_PATTERN, Read, Reader, is_name, name_remedy};
use super::series::SeriesText;
use super::shape::Shape;
use super::tree::{Node, Value, is_number};

/// A value written as one text.
pub trait Text: Sized {
    /// With its article, as in "a duration such as 300s".
    const WHAT: &'static str;
    /// A regular expression that JSON Schema and the parser agree on.
    const PATTERN: &'static str;
    const KIND: Kind = Kind::InvalidValue;
    /// Stands in for a wrong value where no rule depends on it, so that the rest is still checked in the same run.
    const STAND_IN: Option<&'static str> = None;

    /// # Errors
    /// A whole sentence that says what to write instead.
    fn parse(text: &str) -> Result<Self, String>;
}

fn read_text<T: Text>(node: &Node, reader: &mut Reader) -> Option<T> {
    let text = match &node.value {
        // What the value says tells better how to write it than that it is a number.
        Value::Scalar { text, plain: true } if is_number(text) && T::parse(text).is_err() => text,
        _ => reader.text(node, T::WHAT)?,
    };
    match T::parse(text) {
        Ok(value) => Some(value),
        Err(remedy) => {
            let fact = format!("{} is {}, which is not {}.", reader.path(), quote(text), T::WHAT);
            reader.problem_at(T::KIND, node.place, fact, remedy);
            T::STAND_IN.and_then(|text| T::parse(text).ok())
        }
    }
}

macro_rules! text_values {
    ($($type:ident),*) => {$(
        impl Read for $type {
            fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
                read_text(node, reader)
            }
        }

        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": <$type as Text>::PATTERN })
            }
        }
    )*};
}
text_values!(StackName, Region, Cidr, Span, Threshold, ImageName, InstanceType, PairName, FileName, Email, ActionName);
text_values!(Recurrence, Instant, TimeZone);
text_values!(Script, Description, RuleDescription, Letter, Namespace, MetricName, TagValue);
text_values!(Shape, SeriesText);

/// Whole numbers with their limits.
macro_rules! integers {
    ($($(#[$meta:meta])* $type:ident($inner:ty) from $least:literal to $most:literal;)*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $type(pub $inner);

        impl Read for $type {
            fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
                let number = reader.integer(node, $least, $most)?;
                <$inner>::try_from(number).ok().map(Self)
            }
        }

        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "integer", "minimum": $least, "maximum": $most })
            }
        }
    )*};
}

integers! {
    /// The version of the spec's form.
    Version(u8) from 1 to 1;
    /// A number of instances; the upper limit is ours, far above AWS's default quotas.
    Size(u32) from 0 to 10_000;
    /// A number of periods; the upper limit is what fits into AWS's longest window, a week of minutes.
    Periods(u32) from 1 to 10_080;
    Port(u16) from 1 to 65_535;
    /// Of random numbers; the upper limit is what JSON's readers keep exactly.
    Seed(u64) from 0 to 9_007_199_254_740_991_i64;
    /// How many instances a policy adds, or removes when negative.
    Adjustment(i32) from -10_000 to 10_000;
    /// How much of a group's capacity an instance is.
    Weight(u32) from 1 to 999;
    /// How many Spot pools are drawn from.
    Pools(u32) from 1 to 20;
    /// Of the capacity above a base.
    WholePercent(u32) from 0 to 100;
    /// How many zones; no region has more than six.
    ZoneCount(u8) from 1 to 6;
}

/// A number, with or without decimals, below a quadrillion in size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number(pub f64);

const LARGEST_NUMBER: f64 = 1e15;

impl Read for Number {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let remedy = "Write a number without quotes, such as 50 or 0.5.";
        let number = match &node.value {
            Value::Scalar { text, plain: true } if is_number(text) => text.parse::<f64>().ok(),
            _ => return reader.wrong_shape(node, "a number", remedy),
        };
        if let Some(number) = number.filter(|number| number.abs() <= LARGEST_NUMBER) {
            return Some(Self(number));
        }
        let Value::Scalar { text, .. } = &node.value else { return None };
        let fact = format!("{} is {}.", reader.path(), quote(text));
        reader.problem_at(Kind::InvalidValue, node.place, fact, remedy);
        None
    }
}

impl schemars::JsonSchema for Number {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Number".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "number", "minimum": -LARGEST_NUMBER, "maximum": LARGEST_NUMBER })
    }
}

/// Numbers with their limits, fractions allowed.
macro_rules! decimals {
    ($($(#[$meta:meta])* $type:ident from $least:literal to $most:literal;)*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct $type(pub f64);

        impl Read for $type {
            fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
                reader.number(node, f64::from($least), f64::from($most)).map(Self)
            }
        }

        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "number", "minimum": $least, "maximum": $most })
            }
        }
    )*};
}

decimals! {
    /// Of something that cannot be more than all of it.
    Percentage from 0 to 100;
    /// Requests per second that one machine can take; the limits only keep the arithmetic sound.
    Rate from 0.001 to 1_000_000;
    Millis from 0.001 to 3_600_000;
    /// Of a budget: minutes of one day.
    MinutesOfDay from 0 to 1_440;
    /// US dollars for an hour.
    HourlyPrice from 0 to 1_000;
    /// US dollars for an hour of one unit of capacity; AWS takes none below the least.
    SpotPrice from 0.001 to 1_000;
}

/// One word of a fixed list.
macro_rules! words {
    ($(#[$meta:meta])* $type:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        pub enum $type { $(#[serde(rename = $word)] $variant),* }

        impl $type {
            pub const WORDS: &[&'static str] = &[$($word),*];

            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            fn from_word(text: &str) -> Option<Self> {
                match text { $($word => Some(Self::$variant),)* _ => None }
            }
        }

        impl Read for $type {
            fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
                let text = reader.text(node, concat!("one of ", $("`", $word, "` "),*).trim_end())?;
                let found = Self::from_word(text);
                if found.is_none() {
                    let one_of = format!("Write one of {}.", Self::WORDS.join(", "));
                    let fact = format!("{} is {}.", reader.path(), quote(text));
                    let remedy = did_you_mean(text, Self::WORDS.iter().copied(), &one_of);
                    reader.problem_at(Kind::InvalidValue, node.place, fact, remedy);
                }
                found
            }
        }

        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "enum": Self::WORDS })
            }
        }
    };
}

words! {
    /// What happens to the group's instances, as `group_events` names it.
    GroupEvent { Launch = "launch", Terminate = "terminate", LaunchError = "launch-error", TerminateError = "terminate-error" }
}
words! {
    /// How the datapoints of one period become one number.
    Statistic { Average = "Average", Sum = "Sum", Minimum = "Minimum", Maximum = "Maximum", SampleCount = "SampleCount" }
}
words! {
    /// What an alarm makes of a period without data.
    MissingData { Missing = "missing", Ignore = "ignore", Breaching = "breaching", NotBreaching = "notBreaching" }
}
// One word each, so that a policy's other arguments follow from its type, in the reader and in the schema.
words! { SimpleType { Simple = "simple" } }
words! { StepType { Step = "step" } }
words! { TargetTrackingType { TargetTracking = "target-tracking" } }
words! { ScheduledType { Scheduled = "scheduled" } }
words! {
    /// How a policy decides, where it is not known yet.
    PolicyType { Simple = "simple", Step = "step", TargetTracking = "target-tracking", Scheduled = "scheduled" }
}
words! {
    /// How an adjustment is to be read, in Auto Scaling's words.
    AdjustmentType { ChangeInCapacity = "ChangeInCapacity", PercentChangeInCapacity = "PercentChangeInCapacity", ExactCapacity = "ExactCapacity" }
}
words! {
    /// How the machines' datapoints become one, for a step policy.
    Aggregation { Average = "Average", Minimum = "Minimum", Maximum = "Maximum" }
}
words! {
    /// Which instance type On-Demand capacity comes from.
    OnDemandStrategyWord { Prioritized = "prioritized", LowestPrice = "lowest-price" }
}
words! {
    /// Which instance type Spot capacity comes from.
    SpotStrategyWord {
        PriceCapacityOptimized = "price-capacity-optimized",
        CapacityOptimized = "capacity-optimized",
        CapacityOptimizedPrioritized = "capacity-optimized-prioritized",
        LowestPrice = "lowest-price",
    }
}
words! {
    /// The states of an alarm, as CloudWatch writes them.
    AlarmStateWord { Ok = "OK", Alarm = "ALARM", InsufficientData = "INSUFFICIENT_DATA" }
}
words! {
    /// What becomes of a machine once it is prepared. Hibernated machines need more of their image than a spec says.
    PoolStateWord { Stopped = "Stopped", Running = "Running" }
}
words! {
    /// What happens when CPU credits run out: held to the baseline, or surplus credits that may cost money.
    CreditModeWord { Standard = "standard", Unlimited = "unlimited" }
}
words! {
    /// Metrics with a short name; the long form can say all of them.
    ShortMetric { Cpu = "cpu", NetworkIn = "network-in", NetworkOut = "network-out", StatusCheckFailed = "status-check-failed" }
}

/// How a datapoint is held against the threshold, in CloudWatch's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Comparison {
    GreaterThanOrEqualToThreshold,
    GreaterThanThreshold,
    LessThanThreshold,
    LessThanOrEqualToThreshold,
}

impl Comparison {
    /// `>=` and so on.
    pub fn sign(self) -> &'static str {
        match self {
            Self::GreaterThanOrEqualToThreshold => ">=",
            Self::GreaterThanThreshold => ">",
            Self::LessThanThreshold => "<",
            Self::LessThanOrEqualToThreshold => "<=",
        }
    }

    /// Whether values above the threshold breach.
    pub fn is_upper(self) -> bool {
        matches!(self, Self::GreaterThanOrEqualToThreshold | Self::GreaterThanThreshold)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackName(pub String);

impl Text for StackName {
    const WHAT: &'static str = "a stack name";
    const PATTERN: &'static str = NAME_PATTERN;
    const KIND: Kind = Kind::InvalidName;
    const STAND_IN: Option<&'static str> = Some("stack");

    fn parse(text: &str) -> Result<Self, String> {
        if is_name(text) { Ok(Self(text.to_owned())) } else { Err(name_remedy(text)) }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region(pub String);

impl Text for Region {
    const WHAT: &'static str = "a region such as ap-northeast-2";
    const PATTERN: &'static str = "^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$";
    const STAND_IN: Option<&'static str> = Some("us-east-1");

    fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('-').collect();
        let lower =
            |p: &&str, most: usize| !p.is_empty() && p.len() <= most && p.chars().all(|c| c.is_ascii_lowercase());
        let digits = |p: &&str| (1..=2).contains(&p.len()) && p.chars().all(|c| c.is_ascii_digit());
        let ok = match parts.as_slice() {
            [head, middle @ .., last] if !middle.is_empty() => {
                head.len() >= 2 && lower(head, 4) && middle.iter().all(|p| lower(p, 20)) && digits(last)
            }
            _ => false,
        };
        if ok {
            Ok(Self(text.to_owned()))
        } else {
            Err("Write the region's code, such as us-east-1, without a zone letter.".into())
        }
    }
}

/// An IPv4 block whose address has no bits beyond the prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    pub address: Ipv4Addr,
    pub prefix: u8,
}

impl std::fmt::Display for Cidr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Cidr {
    fn mask(prefix: u8) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
    }

    /// The `index`th block of `prefix` bits inside this one.
    pub fn subnet(self, prefix: u8, index: u32) -> Option<Self> {
        let fits = prefix >= self.prefix && prefix <= 32 && u64::from(index) < 1 << (prefix - self.prefix);
        let offset = u64::from(index) << (32 - u32::from(prefix.min(32)));
        let address = u32::try_from(u64::from(u32::from(self.address)) + offset).ok().filter(|_| fits)?;
        Some(Self { address: address.into(), prefix })
    }
}

impl Text for Cidr {
    const WHAT: &'static str = "an IPv4 CIDR block";
    const PATTERN: &'static str = r"^([0-9]{1,3}\.){3}[0-9]{1,3}/[0-9]{1,2}$";
    const KIND: Kind = Kind::InvalidCidr;

    fn parse(text: &str) -> Result<Self, String> {
        let Some((address, prefix)) = text.split_once('/') else {
            return Err(match text.parse::<Ipv4Addr>() {
                Ok(one) => format!("Write {one}/32 for this one address."),
                Err(_) => "Write an address and a prefix length, such as 10.0.0.0/16.".into(),
            });
        };
        if text.contains(':') {
            return Err("IPv6 blocks are not supported yet; write an IPv4 block.".into());
        }
        let plain = !prefix.is_empty() && prefix.chars().all(|c| c.is_ascii_digit());
        let prefix = prefix.parse::<u8>().ok().filter(|p| plain && *p <= 32);
        let (Ok(address), Some(prefix)) = (address.parse::<Ipv4Addr>(), prefix) else {
            return Err("Write four numbers up to 255 and a prefix length up to 32, such as 10.0.0.0/16.".into());
        };
        let base = Ipv4Addr::from(u32::from(address) & Self::mask(prefix));
        if base != address {
            return Err(format!("The block of this prefix length starts at {base}: write {base}/{prefix}."));
        }
        Ok(Self { address, prefix })
    }
}

/// A span of time, written as `300s`, `5m`, `1h` or `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl Text for Span {
    const WHAT: &'static str = "a duration such as 300s or 5m";
    const PATTERN: &'static str = "^[0-9]{1,9}[smhd]$";

    fn parse(text: &str) -> Result<Self, String> {
        const REMEDY: &str = "Write a whole number and one unit: s, m, h or d, such as 300s or 5m.";
        let unit = match text.chars().last() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3_600,
            Some('d') => 86_400,
            _ if is_number(text) => {
                return Err(format!("Write the unit too: {text}s for seconds, {text}m for minutes."));
            }
            _ => return Err(REMEDY.into()),
        };
        let digits = &text[..text.len() - 1];
        if digits.len() > 9 || digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit()) {
            return Err(REMEDY.into());
        }
        let number: u64 = digits.parse().map_err(|_| REMEDY.to_owned())?;
        Ok(Self(Duration::from_secs(number * unit)))
    }
}

/// The shortest text for a duration: `5m`, not `300s`, unless seconds remain.
pub fn span_text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        s if s > 0 && s % 86_400 == 0 => format!("{}d", s / 86_400),
        s if s > 0 && s % 3_600 == 0 => format!("{}h", s / 3_600),
        s if s > 60 && s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}

/// `">= 50"`: a comparison and a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    pub comparison: Comparison,
    pub value: f64,
}

impl Text for Threshold {
    const WHAT: &'static str = "a threshold such as \">= 50\"";
    const PATTERN: &'static str = r"^(>=|>|<=|<) ?-?[0-9]{1,15}(\.[0-9]{1,15})?$";

    fn parse(text: &str) -> Result<Self, String> {
        let (comparison, rest) = [
            (">=", Comparison::GreaterThanOrEqualToThreshold),
            ("<=", Comparison::LessThanOrEqualToThreshold),
            (">", Comparison::GreaterThanThreshold),
            ("<", Comparison::LessThanThreshold),
        ]
        .into_iter()
        .find_map(|(sign, comparison)| Some((comparison, text.strip_prefix(sign)?)))
        .ok_or_else(|| {
            let number = if is_number(text) { text } else { "50" };
            format!("Start with >=, >, <= or <, then the number, in quotes: \">= {number}\".")
        })?;
        let number = rest.strip_prefix(' ').unwrap_or(rest);
        if number.ends_with('%') {
            return Err(format!(
                "Leave out the percent sign: \"{} {}\".",
                comparison.sign(),
                number.trim_end_matches('%').trim()
            ));
        }
        let digits = number.strip_prefix('-').unwrap_or(number);
        let part = |p: &str| (1..=15).contains(&p.len()) && p.chars().all(|c| c.is_ascii_digit());
        let shaped = match digits.split_once('.') {
            Some((whole, fraction)) => part(whole) && part(fraction),
            None => part(digits),
        };
        match number.parse::<f64>() {
            Ok(value) if shaped => Ok(Self { comparison, value }),
            _ => {
                Err(format!("Write a plain number after {}, such as \"{} 50\".", comparison.sign(), comparison.sign()))
            }
        }
    }
}

/// `ubuntu-24.04` or an image id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageName(pub String);

/// Canonical's LTS releases that AWS still offers, with the code names in their image names.
pub const UBUNTU_RELEASES: &[(&str, &str)] = &[("24.04", "noble"), ("22.04", "jammy"), ("20.04", "focal")];

impl Text for ImageName {
    const WHAT: &'static str = "an image";
    const PATTERN: &'static str = "^(ubuntu-(24\\.04|22\\.04|20\\.04)|ami-([0-9a-f]{8}|[0-9a-f]{17}))$";

    fn parse(text: &str) -> Result<Self, String> {
        let known = UBUNTU_RELEASES.iter().any(|(release, _)| text.strip_prefix("ubuntu-") == Some(release));
        let id = text
            .strip_prefix("ami-")
            .is_some_and(|id| matches!(id.len(), 8 | 17) && id.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')));
        if known || id {
            Ok(Self(text.to_owned()))
        } else {
            Err("Write ubuntu-24.04, ubuntu-22.04, ubuntu-20.04 or an image id such as ami-0abcdef1234567890.".into())
        }
    }
}

/// Declares texts that only have a length and an alphabet.
macro_rules! simple_texts {
    ($($(#[$meta:meta])* $type:ident: $what:literal, $pattern:literal, $remedy:expr, |$text:ident| $ok:expr;)*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $type(pub String);

        impl Text for $type {
            const WHAT: &'static str = $what;
            const PATTERN: &'static str = $pattern;

            fn parse($text: &str) -> Result<Self, String> {
                if $ok { Ok(Self($text.to_owned())) } else { Err($remedy.into()) }
            }
        }
    )*};
}

/// `YYYY-MM-DDThh:mm:ssZ`, with every part in its range.
fn is_instant(text: &str) -> bool {
    let shape = "dddd-dd-ddTdd:dd:ddZ";
    let fits = |(c, wanted): (char, char)| if wanted == 'd' { c.is_ascii_digit() } else { c == wanted };
    if text.len() != shape.len() || !text.chars().zip(shape.chars()).all(fits) {
        return false;
    }
    let part = |from: usize| text[from..from + 2].parse::<u32>().unwrap_or(u32::MAX);
    let (month, day, hour, minute, second) = (part(5), part(8), part(11), part(14), part(17));
    (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 60
}

/// The length in characters, as JSON Schema's patterns count.
fn within(text: &str, most: usize) -> bool {
    !text.is_empty() && text.chars().count() <= most
}

fn printable(text: &str) -> bool {
    !text.chars().any(|c| c.is_ascii_control())
}

simple_texts! {
    InstanceType: "an instance type such as t3.micro", "^[a-z][a-z0-9-]{0,30}\\.[a-z0-9-]{1,30}$",
        "Write family and size with a dot between, such as t2.nano.",
        |text| text.split_once('.').is_some_and(|(family, size)| {
            let word = |w: &str, most: usize| (1..=most).contains(&w.len())
                && w.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
            word(family, 31) && family.starts_with(|c: char| c.is_ascii_lowercase()) && word(size, 30)
        });
    /// The name of a key pair that exists in the region. 1 to 255 characters at AWS.
    PairName: "the name of a key pair", "^[^\\x00-\\x1f\\x7f]{1,255}$", "Write 1 to 255 printable characters.",
        |text| within(text, 255) && printable(text);
    FileName: "a file name", "^[^\\x00-\\x1f\\x7f]{1,4096}$", "Write a path relative to the spec.",
        |text| within(text, 4096) && printable(text);
    Email: "an email address", "^[^@\\s\\x00-\\x1f\\x7f]{1,64}@[^@\\s\\x00-\\x1f\\x7f]{1,255}$",
        "Write one address, such as ops@example.com.",
        |text| text.split_once('@').is_some_and(|(name, host)| {
            within(name, 64) && within(host, 255) && printable(text) && !text.contains(char::is_whitespace) && !host.contains('@')
        });
    /// A policy, a notification, or an ARN.
    ActionName: "the name of a policy or a notification, or an ARN", "^[^\\x00-\\x1f\\x7f]{1,1024}$",
        "Write a name under scaling or notifications, or a whole ARN.",
        |text| within(text, 1024) && printable(text);
    /// The instance's start script; its size is checked with files' sizes, in the model.
    Script: "a script", "[\\s\\S]", "Write the script after user_data: |.", |text| !text.is_empty();
    /// CloudWatch: up to 1024 characters.
    Description: "a description", "^[^\\x00-\\x1f\\x7f]{1,1024}$", "Write 1 to 1024 characters on one line.",
        |text| within(text, 1024) && printable(text);
    /// EC2 documents this alphabet for descriptions of security group rules.
    RuleDescription: "a description of a rule", "^[a-zA-Z0-9 ._\\-:/()#,@\\[\\]+=&;{}!$*]{1,255}$",
        "Write 1 to 255 of these: letters a to z, digits, blanks and ._-:/()#,@[]+=&;{}!$*",
        |text| within(text, 255) && text.chars().all(|c| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c));
    Letter: "a zone's letter", "^[a-z]$", "Write the letter after the region's code, such as a.",
        |text| text.len() == 1 && text.starts_with(|c: char| c.is_ascii_lowercase());
    /// CloudWatch: 1 to 255 of these characters.
    Namespace: "a metric namespace", "^[a-zA-Z0-9 ._/#:\\-]{1,255}$", "Write it as CloudWatch shows it, such as AWS/EC2.",
        |text| within(text, 255) && text.chars().all(|c| c.is_ascii_alphanumeric() || " ._/#:-".contains(c));
    /// CloudWatch: 1 to 255 printable ASCII characters.
    MetricName: "the name of a metric or a dimension", "^[\\x20-\\x7e]{1,255}$", "Write it as CloudWatch shows it, such as CPUUtilization.",
        |text| within(text, 255) && text.chars().all(|c| c == ' ' || c.is_ascii_graphic());
    /// Minute, hour, day of the month, month, day of the week. Which of them AWS takes is its own to say.
    Recurrence: "a cron expression of five fields, such as \"0 8 * * 1-5\"",
        "^[0-9A-Za-z*,/\\-]{1,64}( [0-9A-Za-z*,/\\-]{1,64}){4}$",
        "Write minute, hour, day of the month, month and day of the week: \"0 8 * * 1-5\" is 08:00 on working days.",
        |text| text.split(' ').count() == 5 && text.split(' ').all(|field| {
            (1..=64).contains(&field.len()) && field.chars().all(|c| c.is_ascii_alphanumeric() || "*,/-".contains(c))
        });
    /// The form that terraform takes.
    Instant: "a time in UTC, such as 2026-12-01T08:00:00Z",
        "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$",
        "Write date and time in UTC: 2026-12-01T08:00:00Z.",
        |text| is_instant(text);
    /// Whether the zone exists is not known here; Auto Scaling refuses others.
    TimeZone: "a time zone such as Asia/Seoul", "^[A-Z][A-Za-z]{0,31}(/[A-Za-z0-9_+\\-]{1,32}){0,2}$",
        "Write the zone's name in the tz database, such as Europe/Berlin.",
        |text| {
            let mut parts = text.split('/');
            let head = parts.next().unwrap_or_default();
            let word = |part: &str| (1..=32).contains(&part.len())
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "_+-".contains(c));
            head.len() <= 32 && head.starts_with(|c: char| c.is_ascii_uppercase())
                && head.chars().all(|c| c.is_ascii_alphabetic())
                && parts.clone().count() <= 2 && parts.all(word)
        };
    /// AWS: up to 256 characters.
    TagValue: "the value of a tag", "^[^\\x00-\\x1f\\x7f]{1,256}$", "Write 1 to 256 characters on one line.",
        |text| within(text, 256) && printable(text);
}

/// Where the group's machines stand: so many zones, or these.
#[derive(Debug, Clone, PartialEq)]
pub enum ZonesSpec {
    Count(u8),
    Letters(Vec<char>),
}

impl Read for ZonesSpec {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::List(items) if items.is_empty() => {
                reader.wrong_shape(node, "a number of zones or their letters", "Write 2, or [a, c].")
            }
            Value::List(_) => {
                let letters = Vec::<Letter>::read(node, reader)?;
                Some(Self::Letters(letters.iter().filter_map(|l| l.0.chars().next()).collect()))
            }
            Value::Scalar { text, plain: true } if is_number(text) => {
                ZoneCount::read(node, reader).map(|n| Self::Count(n.0))
            }
            _ => reader.wrong_shape(node, "a number of zones or their letters", "Write 2, or [a, c]."),
        }
    }
}

impl schemars::JsonSchema for ZonesSpec {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Zones".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let (count, letter) = (generator.subschema_for::<ZoneCount>(), generator.subschema_for::<Letter>());
        schemars::json_schema!({ "anyOf": [count, { "type": "array", "items": letter, "minItems": 1 }] })
    }
}
