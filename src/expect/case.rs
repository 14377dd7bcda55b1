//! A test as it is run: names resolved against the stack, every moment in order. Start at [`build_cases`].

use std::collections::BTreeMap;
use std::time::Duration;

use super::run::{Found, meets};
use crate::clock::Timestamp;
use crate::engine::alarms::AlarmState;
use crate::engine::metrics::MetricKey;
use crate::model::{ActionRef, Alarm, GroupEvent, Stack};
use crate::simulate::{Options, metric_key};
use crate::spec::expectations::{CountSpec, ExpectSpec, TestSpec};
use crate::spec::problem::{Kind, did_you_mean, quote};
use crate::spec::reader::Keyed;
use crate::spec::series::SeriesText;
use crate::spec::shape::Shape;
use crate::spec::values::{AlarmStateWord, ShortMetric, span_text};
use crate::spec::{Place, Problem, SpecMap};

/// Ours: a test is about minutes or days; a longer story is for `simulate`.
pub const LONGEST: Duration = Duration::from_secs(400 * 86_400);
const MINUTE: Duration = Duration::from_secs(60);

/// One test.
#[derive(Debug, Clone)]
pub struct Case {
    pub name: String,
    pub description: Option<String>,
    /// The line of its name.
    pub line: usize,
    pub start: Timestamp,
    pub interval: Duration,
    pub seed: u64,
    pub series: Vec<NamedSeries>,
    pub load: Option<Shape>,
    /// By time, those of one time as written.
    pub moments: Vec<Moment>,
}

/// A metric's values, by the name that the test has for it.
#[derive(Debug, Clone)]
pub struct NamedSeries {
    pub name: String,
    pub key: MetricKey,
    pub values: SeriesText,
}

#[derive(Debug, Clone)]
pub struct Moment {
    /// Since the start.
    pub at: Duration,
    pub since: Duration,
    pub checks: Vec<Check>,
}

/// One thing that has to be true.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    pub subject: Subject,
    pub wanted: Wanted,
    /// Where it is written.
    pub place: Option<Place>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    AlarmState(String),
    Fired(String),
    DesiredCapacity,
    InService,
    Sent(Sender),
    Activities,
    Launches,
    Terminations,
}

/// Whose notices are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sender {
    Topic(String),
    Alarm(String),
    GroupEvent(GroupEvent),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wanted {
    State(AlarmState),
    Count(CountSpec),
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::State(state) => state.fmt(f),
            Self::Count(count) => count.fmt(f),
        }
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AlarmState(alarm) => write!(f, "the state of {alarm}"),
            Self::Fired(alarm) => write!(f, "how often {alarm} fired"),
            Self::DesiredCapacity => f.write_str("desired_capacity"),
            Self::InService => f.write_str("in_service"),
            Self::Sent(Sender::Topic(topic)) => write!(f, "notices sent to {topic}"),
            Self::Sent(Sender::Alarm(alarm)) => write!(f, "notices sent by {alarm}"),
            Self::Sent(Sender::GroupEvent(event)) => write!(f, "notices of {}", event.word()),
            Self::Activities => f.write_str("activities"),
            Self::Launches => f.write_str("launches"),
            Self::Terminations => f.write_str("terminations"),
        }
    }
}

/// Builds every test of a block `tests:`; `map` is of the file that they stand in.
///
/// # Errors
/// Every name that means nothing in the stack, and every test that cannot be run as written.
pub fn build_cases(tests: &Keyed<TestSpec>, stack: &Stack, map: &SpecMap) -> Result<Vec<Case>, Vec<Problem>> {
    let mut builder = Builder { stack, map, problems: Vec::new() };
    let cases: Vec<Case> = tests.entries.iter().map(|(name, test)| builder.case(name, test)).collect();
    if builder.problems.is_empty() { Ok(cases) } else { Err(builder.problems) }
}

struct Builder<'a> {
    stack: &'a Stack,
    map: &'a SpecMap,
    problems: Vec<Problem>,
}

impl Builder<'_> {
    fn problem(&mut self, kind: Kind, path: &str, fact: String, remedy: impl Into<String>) {
        self.problems.push(self.map.problem(kind, path, fact, remedy));
    }

    /// A problem with a name that stands before a colon.
    fn problem_at_name(&mut self, kind: Kind, path: &str, fact: String, remedy: impl Into<String>) {
        let place = self.map.key_place(path);
        self.problems.push(Problem { place, ..self.map.problem(kind, path, fact, remedy) });
    }

    fn case(&mut self, name: &str, test: &TestSpec) -> Case {
        let path = format!("tests.{name}");
        let interval = test.interval.map_or(MINUTE, |span| span.0);
        let series = self.series(&path, test);
        self.inputs(&path, test, &series, interval);
        let mut moments: Vec<Moment> =
            test.expect.readable.iter().map(|(number, one)| self.moment(&path, *number, one)).collect();
        moments.sort_by_key(|moment| moment.at);
        let start = test.start.as_ref().and_then(|instant| Timestamp::parse(&instant.0));
        Case {
            name: name.to_owned(),
            description: test.description.as_ref().map(|text| text.0.clone()),
            line: self.map.line(&path).unwrap_or(1),
            start: start.unwrap_or(Options::default().start),
            interval,
            seed: test.seed.map_or(1, |seed| seed.0),
            series,
            load: test.load,
            moments,
        }
    }

    /// A test has exactly one source for what its machines show.
    fn inputs(&mut self, path: &str, test: &TestSpec, series: &[NamedSeries], interval: Duration) {
        let is_cpu = |series: &&NamedSeries| series.key == cpu_key(self.stack);
        let cpu = series.iter().find(is_cpu).map(|series| series.name.clone());
        if let (Some(_), Some(cpu)) = (&test.load, cpu) {
            let fact = format!("{path} has a load, which makes the CPU, and values of it as {cpu}.");
            self.problem(Kind::TestInput, &format!("{path}.series.{cpu}"), fact, "Keep one of the two.");
        }
        if test.load.is_none() && test.series.as_ref().is_none_or(|series| series.names().next().is_none()) {
            let fact = format!("{path} has neither series nor load, so nothing would happen.");
            self.problem(Kind::TestInput, path, fact, "Add series: { cpu: \"30 x10, 90 x5\" } or load: constant 55%.");
        }
        if test.expect.written == 0 {
            let remedy = "Write at least one moment, such as - { at: 10m, alarms: { cpu-high: OK } }.";
            self.problem(Kind::TestInput, &format!("{path}.expect"), format!("{path} expects nothing."), remedy);
        }
        if interval.is_zero() {
            let fact = format!("{path}.interval is 0s.");
            self.problem(Kind::InvalidValue, &format!("{path}.interval"), fact, "Write 1m, or 10s at least.");
        }
        let longest = series.iter().map(|series| series.values.len()).max().unwrap_or(0);
        if u32::try_from(longest).ok().and_then(|count| interval.checked_mul(count)).is_none_or(|all| all > LONGEST) {
            let fact = format!("The series of {path} last longer than {}.", span_text(LONGEST));
            self.problem(
                Kind::TestInput,
                &format!("{path}.series"),
                fact,
                "Write fewer values, or a shorter interval.",
            );
        }
    }

    fn series(&mut self, path: &str, test: &TestSpec) -> Vec<NamedSeries> {
        let mut named: Vec<NamedSeries> = Vec::new();
        for (name, values) in test.series.iter().flat_map(|series| &series.entries) {
            let path = format!("{path}.series.{name}");
            let Some(key) = series_key(self.stack, name) else {
                let alarms = self.stack.alerting.alarms.iter().map(|alarm| alarm.key.as_str());
                let names: Vec<&str> = ShortMetric::WORDS.iter().copied().chain(alarms).collect();
                let remedy = did_you_mean(name, names.iter().copied(), &format!("There are {}.", names.join(", ")));
                let fact = format!("{} is no metric and no alarm.", quote(name));
                self.problem_at_name(Kind::UnknownInTest, &path, fact, remedy);
                continue;
            };
            if let Some(other) = named.iter().find(|other| other.key == key).map(|other| other.name.clone()) {
                let fact = format!("{name} and {other} are the same metric, {} of {}.", key.name, key.namespace);
                self.problem_at_name(Kind::DuplicateEntry, &path, fact, "Keep one of the two.");
                continue;
            }
            let beyond = values.values().flatten().find(|value| !(0.0..=100.0).contains(value));
            if let Some(value) = beyond.filter(|_| key == cpu_key(self.stack)) {
                let fact = format!("{path} has the value {value}, and CPUUtilization is a percentage.");
                let remedy = "Write values from 0 to 100; what requests make of it is for load: constant 55%.";
                self.problem(Kind::InvalidValue, &path, fact, remedy);
            }
            named.push(NamedSeries { name: name.clone(), key, values: values.clone() });
        }
        named
    }

    fn moment(&mut self, path: &str, number: usize, one: &ExpectSpec) -> Moment {
        let path = format!("{path}.expect[{number}]");
        let (at, since) = (one.at.0, one.since.map_or(Duration::ZERO, |span| span.0));
        if at > LONGEST {
            let fact = format!("{path}.at is {}.", span_text(at));
            let remedy = format!("Write {} at most; longer stories are for simulate.", span_text(LONGEST));
            self.problem(Kind::InvalidValue, &format!("{path}.at"), fact, remedy);
        }
        if since > at {
            let fact = format!("{path} counts from {} on, which is after {}.", span_text(since), span_text(at));
            self.problem(Kind::InvalidValue, &format!("{path}.since"), fact, "Write a time before at.");
        }
        let mut checks = Vec::new();
        for (alarm, state) in one.alarms.iter().flat_map(|alarms| &alarms.entries) {
            let (path, wanted) = (format!("{path}.alarms.{alarm}"), Wanted::State(state_of(*state)));
            if self.knows_alarm(alarm, &path) {
                checks.push(self.check(&path, Subject::AlarmState(alarm.clone()), wanted));
            }
        }
        for (alarm, count) in one.fired.iter().flat_map(|alarms| &alarms.entries) {
            let path = format!("{path}.fired.{alarm}");
            if self.knows_alarm(alarm, &path) {
                checks.push(self.check(&path, Subject::Fired(alarm.clone()), Wanted::Count(*count)));
            }
        }
        let counts = [
            ("desired_capacity", Subject::DesiredCapacity, one.desired_capacity),
            ("in_service", Subject::InService, one.in_service),
            ("activities", Subject::Activities, one.activities),
            ("launches", Subject::Launches, one.launches),
            ("terminations", Subject::Terminations, one.terminations),
        ];
        for (argument, subject, count) in counts {
            checks.extend(count.map(|count| self.check(&format!("{path}.{argument}"), subject, Wanted::Count(count))));
        }
        for (name, count) in one.sent.iter().flat_map(|sent| &sent.entries) {
            checks.extend(self.sent(&format!("{path}.sent.{name}"), name, *count));
        }
        for (number, name) in one.not_sent.iter().flatten().enumerate() {
            checks.extend(self.sent(&format!("{path}.not_sent[{number}]"), &name.0, CountSpec::Exactly(0)));
        }
        if !expects_anything(one) {
            let remedy = "Say what has to be true then, such as alarms: { cpu-high: OK }, or drop the moment.";
            self.problem(Kind::TestInput, &path, format!("{path} expects nothing."), remedy);
        }
        Moment { at, since, checks }
    }

    fn check(&self, path: &str, subject: Subject, wanted: Wanted) -> Check {
        Check { subject, wanted, place: self.map.place(path) }
    }

    fn knows_alarm(&mut self, name: &str, path: &str) -> bool {
        let mut keys = self.stack.alerting.alarms.iter().map(|alarm| alarm.key.as_str());
        if keys.any(|key| key == name) {
            return true;
        }
        let keys: Vec<&str> = self.stack.alerting.alarms.iter().map(|alarm| alarm.key.as_str()).collect();
        let otherwise =
            if keys.is_empty() { "The spec has none.".to_owned() } else { format!("There are {}.", keys.join(", ")) };
        let remedy = did_you_mean(name, keys.iter().copied(), &otherwise);
        let fact = format!("{} is no alarm of the spec.", quote(name));
        self.problem_at_name(Kind::UnknownInTest, path, fact, remedy);
        false
    }

    /// Notices are not to be waited for from an alarm that tells nobody.
    fn speaks(&mut self, path: &str, sender: &Sender, count: CountSpec) {
        let Sender::Alarm(key) = sender else { return };
        let silent = self.stack.alerting.alarms.iter().any(|alarm| alarm.key == *key && !tells(alarm));
        if silent && !meets(Wanted::Count(count), Found::Count(0)) {
            let fact = format!("{key} has no notification among its actions, so it sends nothing.");
            let remedy = format!("Add one to its alarm_actions, or count fired: {{ {key}: 1 }} instead.");
            self.problem_at_name(Kind::TestInput, path, fact, remedy);
        }
    }

    fn sent(&mut self, path: &str, name: &str, count: CountSpec) -> Option<Check> {
        if let Some(sender) = senders(self.stack).remove(name) {
            self.speaks(path, &sender, count);
            return Some(self.check(path, Subject::Sent(sender), Wanted::Count(count)));
        }
        let senders = senders(self.stack);
        let names = senders.keys().map(String::as_str);
        let all = format!("There are {}.", names.clone().collect::<Vec<_>>().join(", "));
        let remedy = did_you_mean(name, names, &all);
        let fact = format!("{} is no notification, no alarm and no group event.", quote(name));
        self.problem_at_name(Kind::UnknownInTest, path, fact, remedy);
        None
    }
}

/// Whether an alarm tells anybody.
fn tells(alarm: &Alarm) -> bool {
    let lists = [&alarm.alarm_actions, &alarm.ok_actions, &alarm.insufficient_data_actions];
    lists.into_iter().flatten().any(|action| !matches!(action, ActionRef::Policy(_)))
}

/// Whatever sends notices, by name. A notification comes before an alarm of the same name, and that before an event.
fn senders(stack: &Stack) -> BTreeMap<String, Sender> {
    let events = [GroupEvent::Launch, GroupEvent::Terminate, GroupEvent::LaunchError, GroupEvent::TerminateError];
    let events = events.map(|event| (event.word().to_owned(), Sender::GroupEvent(event)));
    let alarms = stack.alerting.alarms.iter().map(|alarm| (alarm.key.clone(), Sender::Alarm(alarm.key.clone())));
    let topics = stack.alerting.topics.iter().map(|topic| (topic.key.clone(), Sender::Topic(topic.key.clone())));
    events.into_iter().chain(alarms).chain(topics).collect()
}

/// Whether a moment says anything besides when it is: one that does not would pass for ever.
fn expects_anything(one: &ExpectSpec) -> bool {
    let ExpectSpec { at: _, since: _, alarms, fired, sent, not_sent, .. } = one;
    let counts = [one.desired_capacity, one.in_service, one.activities, one.launches, one.terminations];
    let named = [fired, sent].into_iter().flatten().any(|names| !names.entries.is_empty());
    counts.iter().any(Option::is_some)
        || named
        || alarms.as_ref().is_some_and(|alarms| !alarms.entries.is_empty())
        || not_sent.as_ref().is_some_and(|names| !names.is_empty())
}

fn state_of(word: AlarmStateWord) -> AlarmState {
    match word {
        AlarmStateWord::Ok => AlarmState::Ok,
        AlarmStateWord::Alarm => AlarmState::Alarm,
        AlarmStateWord::InsufficientData => AlarmState::InsufficientData,
    }
}

/// The metric that machines show by themselves.
pub(super) fn cpu_key(stack: &Stack) -> MetricKey {
    group_metric(stack, "CPUUtilization")
}

fn group_metric(stack: &Stack, name: &str) -> MetricKey {
    MetricKey {
        namespace: "AWS/EC2".into(),
        name: name.into(),
        dimensions: [("AutoScalingGroupName".to_owned(), stack.group.name.clone())].into(),
    }
}

fn series_key(stack: &Stack, name: &str) -> Option<MetricKey> {
    let short = match name {
        "cpu" => "CPUUtilization",
        "network-in" => "NetworkIn",
        "network-out" => "NetworkOut",
        "status-check-failed" => "StatusCheckFailed",
        _ => return stack.alerting.alarms.iter().find(|alarm| alarm.key == name).map(metric_key),
    };
    Some(group_metric(stack, short))
}
