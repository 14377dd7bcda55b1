//! The block `tests:` of a spec, and files of tests beside one. What is written; whether the names in it exist is for
//! [`crate::expect`] to say. Start at [`TestSpec`].

use super::arguments::Spec;
use super::problem::{Kind, quote};
use super::reader::{Keyed, Read, Reader, arguments};
use super::series::SeriesText;
use super::shape::Shape;
use super::tree::{Node, Value, is_number};
use super::values::{AlarmStateWord, Description, FileName, Instant, Seed, Span, Text, Threshold};

arguments! {
    /// Tests beside a spec, in a file of their own.
    pub struct TestFile {
        /// The spec that is tested, relative to this file.
        pub spec: TestedSpec,
        /// Tests by name.
        pub tests: Keyed<TestSpec>,
    }
}

arguments! {
    /// One test: what the metrics show or what load comes, and what has to be true at which time.
    pub struct TestSpec {
        /// What the test is for, shown when it fails.
        pub description: Option<Description>,
        /// When it starts, in UTC. Left out: Monday, 2026-01-05T00:00:00Z.
        pub start: Option<Instant>,
        /// How far apart the values of series are; the first one is at the start. Left out: 1m.
        pub interval: Option<Span>,
        /// Values by metric (cpu, network-in, or an alarm's name for the metric it watches): "30 x10, 90+2 x5, _ x3".
        pub series: Option<Keyed<SeriesText>>,
        /// A load on the machines instead of values, such as sine 10..90% over 1d. The group's answer changes the CPU.
        pub load: Option<Shape>,
        /// The seed of everything that varies. Left out: 1.
        pub seed: Option<Seed>,
        /// What has to be true, moment by moment.
        pub expect: Moments,
    }
}

/// The name of the spec that a file of tests is for.
#[derive(Debug, Clone, PartialEq)]
pub struct TestedSpec(pub FileName);

impl Read for TestedSpec {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        FileName::read(node, reader).map(Self)
    }

    /// `web.test.yaml` stands beside `web.yaml`.
    fn remedy_where_missing(_: &str, file: &str) -> String {
        let name = file.rsplit('/').next().unwrap_or(file);
        let near = name.split(".test.").next().filter(|near| *near != name).unwrap_or("web");
        format!("Add a line such as spec: {near}.yaml, the spec that is tested, relative to this file.")
    }
}

impl schemars::JsonSchema for TestedSpec {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TestedSpec".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        generator.subschema_for::<FileName>()
    }
}

/// The moments of a test. One that cannot be read is left out after its problem is recorded, so that the names in the
/// others are still checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    /// Each with its number, from 0.
    pub readable: Vec<(usize, ExpectSpec)>,
    /// How many are written.
    pub written: usize,
}

impl Read for Moments {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Value::List(items) = &node.value else {
            let remedy = "Write one moment per line after a dash: - { at: 10m, alarms: { cpu-high: OK } }.";
            return reader.wrong_shape(node, "a list of moments", remedy);
        };
        let mut readable = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let moment = reader.inside(&format!("[{index}]"), item.place, item, ExpectSpec::read);
            readable.extend(moment.map(|moment| (index, moment)));
        }
        Some(Self { readable, written: items.len() })
    }
}

impl schemars::JsonSchema for Moments {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Moments".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        <Vec<ExpectSpec>>::json_schema(generator)
    }
}

arguments! {
    /// What has to be true at one moment.
    pub struct ExpectSpec {
        /// The moment, counted from the start of the test.
        pub at: Span,
        /// From which moment on things are counted. Left out: 0s, the start of the test.
        pub since: Option<Span>,
        /// The states of alarms by name: OK, ALARM or INSUFFICIENT_DATA.
        pub alarms: Option<Keyed<AlarmStateWord>>,
        /// How often alarms went to ALARM, by name.
        pub fired: Option<Keyed<CountSpec>>,
        /// How many machines the group wants.
        pub desired_capacity: Option<CountSpec>,
        /// How many machines are in service.
        pub in_service: Option<CountSpec>,
        /// How many notices were sent: by notification, by alarm, or by group event (launch, terminate, launch-error, terminate-error).
        pub sent: Option<Keyed<CountSpec>>,
        /// Notifications, alarms and group events that sent nothing.
        pub not_sent: Option<Vec<SenderName>>,
        /// How many scaling activities began, launches and terminations.
        pub activities: Option<CountSpec>,
        /// How many machines were launched, the ones that the group started with among them.
        pub launches: Option<CountSpec>,
        /// How many machines were terminated.
        pub terminations: Option<CountSpec>,
    }
}

/// A name of something that sends notices; whether it exists is checked against the stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SenderName(pub String);

impl Read for SenderName {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let wanted = "the name of a notification, an alarm or a group event";
        reader.text(node, wanted).map(|text| Self(text.to_owned()))
    }
}

impl schemars::JsonSchema for SenderName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SenderName".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string" })
    }
}

/// `2`, or a comparison: `">= 2"`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CountSpec {
    Exactly(u32),
    Compared(Threshold),
}

impl Read for CountSpec {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const REMEDY: &str = "Write a whole number such as 2, or a comparison in quotes: \">= 2\".";
        let Value::Scalar { text, plain } = &node.value else {
            return reader.wrong_shape(node, "a count", REMEDY);
        };
        if *plain && is_number(text) {
            let count = text.parse::<u32>().ok();
            if count.is_none() {
                let fact = format!("{} is {}.", reader.path(), quote(text));
                reader.problem_at(Kind::InvalidValue, node.place, fact, REMEDY);
            }
            return count.map(Self::Exactly);
        }
        match Threshold::parse(text) {
            Ok(threshold) => Some(Self::Compared(threshold)),
            Err(_) => {
                let fact = format!("{} is {}, which is not a count.", reader.path(), quote(text));
                reader.problem_at(Kind::InvalidValue, node.place, fact, REMEDY);
                None
            }
        }
    }
}

impl schemars::JsonSchema for CountSpec {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Count".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let compared = generator.subschema_for::<Threshold>();
        schemars::json_schema!({ "anyOf": [{ "type": "integer", "minimum": 0, "maximum": u32::MAX }, compared] })
    }
}

impl std::fmt::Display for CountSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exactly(count) => write!(f, "{count}"),
            Self::Compared(threshold) => write!(f, "{} {}", threshold.comparison.sign(), threshold.value),
        }
    }
}

impl Spec {
    /// Whether it has tests of its own.
    pub fn has_tests(&self) -> bool {
        self.tests.as_ref().is_some_and(|tests| tests.names().next().is_some())
    }
}
