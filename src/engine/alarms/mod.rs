//! Alarms: windows, missing data, states, reasons, history, actions. Start at [`Alarms`].
//!
//! [`evaluate`] is the rule, [`window`] its clock and slots, [`reason`] and [`message`] what is said about it; this file
//! keeps the alarms and runs them when they are due. [`composite`] holds the alarms that watch others, [`choices`] what AWS
//! does not document and we had to choose.

pub mod choices;
pub mod composite;
pub mod config;
pub mod evaluate;
pub mod event;
pub mod history;
pub mod message;
pub mod mute;
mod queue;
pub mod reason;
pub mod state;
pub mod validate;
pub mod window;
pub mod world;
pub mod zone;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use composite::{Composite, CompositeSnapshot};
pub use config::{
    AlarmState, AlarmTiming, Comparison, LowSamples, MetricAlarm, MetricStat, TreatMissingData, WarmUp, Watched,
};
pub use state::Alarm;
pub use world::check_tags;

use super::Refusal;
use super::metrics::{Metrics, Point};
use super::names::{AlarmName, Place};
use super::shared;
use super::text::Text;
use super::topics::Notice;
use crate::clock::Timestamp;
use composite::Composites;
use history::{AlarmKind, Change, Happening, History, StateSummary};
use mute::{MuteRule, MuteRules};
use queue::Queue;

pub type Tags = BTreeMap<String, String>;

/// One action to run: which alarm, in what state, which ARN.
#[derive(Debug, Clone, PartialEq)]
pub struct Firing {
    pub action_arn: String,
    pub alarm: Subject,
    /// When the mute window ended that had kept the action back.
    pub after_mute_window: Option<Timestamp>,
}

/// The alarm that an action is about.
#[derive(Debug, Clone, PartialEq)]
pub enum Subject {
    Metric(AlarmSnapshot),
    Composite(CompositeSnapshot),
}

impl Subject {
    pub fn name(&self) -> &AlarmName {
        match self {
            Self::Metric(alarm) => &alarm.config.name,
            Self::Composite(alarm) => &alarm.config.name,
        }
    }

    pub fn arn(&self) -> &str {
        match self {
            Self::Metric(alarm) => &alarm.arn,
            Self::Composite(alarm) => &alarm.arn,
        }
    }

    pub fn old_state(&self) -> AlarmState {
        match self {
            Self::Metric(alarm) => alarm.old_state,
            Self::Composite(alarm) => alarm.old_state,
        }
    }

    pub fn new_state(&self) -> AlarmState {
        match self {
            Self::Metric(alarm) => alarm.new_state,
            Self::Composite(alarm) => alarm.new_state,
        }
    }

    pub fn state_changed_at(&self) -> Timestamp {
        match self {
            Self::Metric(alarm) => alarm.state_changed_at,
            Self::Composite(alarm) => alarm.state_changed_at,
        }
    }

    fn kind(&self) -> AlarmKind {
        match self {
            Self::Metric(_) => AlarmKind::MetricAlarm,
            Self::Composite(_) => AlarmKind::CompositeAlarm,
        }
    }
}

/// The alarm as it stood when its action ran: all that a policy decision, an activity's cause, an
/// `InvokingAlarms` entry or an alarm message says about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlarmSnapshot {
    #[serde(with = "shared")]
    pub config: Arc<MetricAlarm>,
    pub arn: String,
    /// Equal to `new_state` when a scaling policy is invoked again because the state lasts.
    pub old_state: AlarmState,
    pub new_state: AlarmState,
    pub reason: Text,
    pub state_changed_at: Timestamp,
    pub configuration_updated_at: Timestamp,
    /// The newest aggregated data point of the evaluation, which step and target tracking policies read.
    pub newest_value: Option<f64>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ActionOutcome {
    Succeeded { published: Option<Notice> },
    Failed { error: String },
}

/// All alarms of a world.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "Dump", into = "Dump")]
pub struct Alarms {
    place: Place,
    seed: u64,
    /// In the order of their creation, a hole for each that is gone. [`Queue`] names them by their place here.
    alarms: Vec<Option<Box<Alarm>>>,
    by_name: BTreeMap<AlarmName, usize>,
    queue: Queue,
    composites: Composites,
    mutes: MuteRules,
    history: History,
    /// The data points of the evaluation at hand; kept so that an evaluation allocates nothing.
    points: Vec<Point>,
}

/// What is written to a state dump; the rest follows from it.
#[derive(Serialize, Deserialize)]
struct Dump {
    place: Place,
    seed: u64,
    alarms: Vec<Alarm>,
    #[serde(default)]
    composites: Vec<Composite>,
    #[serde(default)]
    mutes: MuteRules,
    history: History,
}

impl From<Alarms> for Dump {
    fn from(alarms: Alarms) -> Self {
        let Alarms { place, seed, alarms, composites, mutes, history, .. } = alarms;
        let alarms = alarms.into_iter().flatten().map(|alarm| *alarm).collect();
        Self { place, seed, alarms, composites: composites.into_list(), mutes, history }
    }
}

impl From<Dump> for Alarms {
    fn from(dump: Dump) -> Self {
        let mut alarms = Self::new(&dump.place, dump.seed);
        alarms.history = dump.history;
        alarms.mutes = dump.mutes;
        for alarm in dump.alarms {
            alarms.insert(alarm);
        }
        for composite in dump.composites {
            alarms.composites.insert(composite);
        }
        alarms
    }
}

impl Alarms {
    pub fn new(place: &Place, seed: u64) -> Self {
        Self {
            place: place.clone(),
            seed,
            alarms: Vec::new(),
            by_name: BTreeMap::new(),
            queue: Queue::default(),
            composites: Composites::default(),
            mutes: MuteRules::default(),
            history: History::default(),
            points: Vec::new(),
        }
    }

    pub fn next_due(&self) -> Option<Timestamp> {
        match self.composites.next_due() {
            None => self.queue.first().map(|(at, _)| at),
            due => self.queue.first().map(|(at, _)| at).into_iter().chain(due).min(),
        }
    }

    /// Evaluates every alarm due at `due` and says which actions to run, in order.
    pub fn run_due(&mut self, due: Timestamp, metrics: &Metrics) -> Vec<Firing> {
        let mut firings = Vec::new();
        self.run_due_composites(due, &mut firings);
        // The first entry always holds: stale ones are dropped after every change.
        while let Some((at, place)) = self.queue.first().filter(|(at, _)| *at <= due) {
            if let Some(alarm) = &mut self.alarms[place] {
                let change = alarm.run(at, metrics, &mut self.points, &self.mutes, &mut firings);
                self.queue.postpone_first(alarm.cadence(), alarm.due());
                if let Some((old, new)) = change {
                    let name = alarm.config.name.clone();
                    self.history.push(at, &name, Happening::StateUpdate { old, new });
                    self.propagate(at, &name, &mut firings);
                }
            }
            self.skip_stale();
        }
        firings
    }

    /// Evaluates alarms while their dues lie where `passes` says, up to the first one of which there is something to tell.
    pub fn pass_uneventful(&mut self, passes: impl Fn(Timestamp) -> bool, metrics: &Metrics) {
        let mut totals = Vec::new();
        while let Some((at, place)) = self.queue.first().filter(|(at, _)| passes(*at)) {
            let Some(alarm) = self.alarms[place].as_mut().filter(|alarm| alarm.due() == at) else {
                self.queue.drop_first();
                continue;
            };
            if !alarm.pass(at, metrics, &mut totals) {
                break;
            }
            self.queue.postpone_first(alarm.cadence(), alarm.due());
        }
        self.skip_stale();
    }

    /// Writes the `Action` history item.
    ///
    /// An action that is repeated while the state lasts is written again only when its outcome is another one. Whether
    /// AWS writes every repetition is not known; at one a minute they would bury everything else.
    pub fn record_action(&mut self, now: Timestamp, firing: &Firing, outcome: ActionOutcome) {
        let alarm = &firing.alarm;
        let (published, error) = match outcome {
            ActionOutcome::Succeeded { published } => (published, None),
            ActionOutcome::Failed { error } => (None, Some(error)),
        };
        let (name, arn) = (alarm.name(), &firing.action_arn);
        let repeated = alarm.old_state() == alarm.new_state();
        if repeated && self.history.has_run(name, arn, alarm.state_changed_at(), error.as_deref()) {
            return;
        }
        let published = published.map(|notice| Text::later(move || message::published(&notice)));
        let what = Happening::Action {
            arn: arn.clone(),
            state_updated_at: alarm.state_changed_at(),
            published,
            error,
            mute_window_ended_at: firing.after_mute_window,
        };
        self.history.push_of(alarm.kind(), now, name, what);
    }

    /// Creates an alarm or replaces its configuration; state, tags and evaluation clock of an existing one stay.
    pub fn put(&mut self, now: Timestamp, config: MetricAlarm, tags: Tags) {
        match self.by_name.get(&config.name).copied() {
            Some(place) => self.replace(now, place, config),
            None => {
                let alarm = Alarm::new(now, config, tags, &self.place, self.seed);
                self.remember_change(now, &alarm, Change::Created);
                self.insert(alarm);
            }
        }
        self.skip_stale();
    }

    fn replace(&mut self, now: Timestamp, place: usize, config: MetricAlarm) {
        let Some(alarm) = &mut self.alarms[place] else { return };
        if *alarm.config == config {
            // Recorded from AWS: writing the same configuration again changes nothing and is not history.
            return;
        }
        alarm.configure(now, config, self.seed);
        self.queue.schedule(alarm.due(), place);
        let alarm = alarm.clone();
        self.remember_change(now, &alarm, Change::Updated);
    }

    fn insert(&mut self, alarm: Alarm) {
        let place = self.alarms.len();
        self.by_name.insert(alarm.config.name.clone(), place);
        self.queue.schedule(alarm.due(), place);
        self.alarms.push(Some(Box::new(alarm)));
    }

    /// Removes an alarm; its history stays. One that does not exist is no error.
    pub fn delete(&mut self, now: Timestamp, name: &AlarmName) {
        let gone = self.by_name.remove(name).and_then(|place| self.alarms[place].take());
        if let Some(alarm) = gone {
            self.remember_change(now, &alarm, Change::Deleted);
        }
        self.skip_stale();
    }

    /// Creates or replaces an alarm that another part of the world owns (target tracking).
    pub fn put_managed(&mut self, now: Timestamp, alarm: MetricAlarm) {
        self.put(now, alarm, Tags::new());
    }

    pub fn delete_managed(&mut self, now: Timestamp, name: &AlarmName) {
        self.delete(now, name);
    }

    /// Turns the actions of an alarm on or off. What its state would have set off meanwhile is not made up for.
    pub fn enable_actions(&mut self, now: Timestamp, name: &AlarmName, enabled: bool) {
        self.enable_composite_actions(now, name, enabled);
        if let Some(alarm) = self.get(name).filter(|alarm| alarm.config.actions_enabled != enabled) {
            let config = MetricAlarm { actions_enabled: enabled, ..(*alarm.config).clone() };
            self.put(now, config, Tags::new());
        }
    }

    /// Puts an alarm into a state until its next evaluation. The state it already has changes nothing.
    ///
    /// # Errors
    /// `ResourceNotFound` for an unknown alarm, `InvalidFormat` for reason data that are no JSON.
    pub fn set_state(
        &mut self,
        now: Timestamp,
        name: &AlarmName,
        value: AlarmState,
        reason: &str,
        reason_data: Option<&str>,
    ) -> Result<Vec<Firing>, Refusal> {
        if reason_data.is_some_and(|data| serde_json::from_str::<serde_json::Value>(data).is_err()) {
            return Err(Refusal::new("InvalidFormat", 400, ""));
        }
        let new = StateSummary { value, reason: reason.into(), reason_data: reason_data.map(Text::from) };
        let mut firings = Vec::new();
        let place = self.by_name.get(name).copied();
        let Some((place, alarm)) = place.and_then(|place| Some((place, self.alarms[place].as_mut()?))) else {
            return match self.set_composite_state(now, name, new, &mut firings) {
                true => Ok(firings),
                false => Err(Refusal::new("ResourceNotFound", 404, "")),
            };
        };
        if alarm.state.value == value {
            return Ok(firings);
        }
        alarm.newest_value = reason_data.and_then(reason::newest_value).or(alarm.newest_value);
        let (old, new) = alarm.change_state(now, new, &self.mutes, &mut firings);
        self.queue.schedule(alarm.due(), place);
        self.history.push(now, name, Happening::StateUpdate { old, new });
        self.propagate(now, name, &mut firings);
        self.skip_stale();
        Ok(firings)
    }

    /// The state that an evaluation at `at` would go to, with what it would say; `None` when the alarm would stay as it is.
    /// Nothing changes.
    pub fn preview(&self, name: &AlarmName, at: Timestamp, metrics: &Metrics) -> Option<StateSummary> {
        self.get(name)?.clone().evaluate(at, metrics, &mut Vec::new())
    }

    pub fn get(&self, name: &AlarmName) -> Option<&Alarm> {
        self.by_name.get(name).and_then(|place| self.alarms[*place].as_deref())
    }

    pub fn get_mut(&mut self, name: &AlarmName) -> Option<&mut Alarm> {
        self.by_name.get(name).and_then(|place| self.alarms[*place].as_deref_mut())
    }

    pub fn mute_rules(&self) -> &MuteRules {
        &self.mutes
    }

    /// Creates a mute rule or replaces it.
    pub fn put_mute_rule(&mut self, now: Timestamp, rule: MuteRule, tags: Tags) {
        // As with alarms, the tags of one that is there already stay.
        let tags = self.mutes.get(&rule.name).map_or(tags, |known| known.tags.clone());
        self.mutes.put(MuteRule { tags, ..rule });
        self.reconsider_muted(now);
    }

    /// Removes a mute rule; one that does not exist is no error.
    pub fn delete_mute_rule(&mut self, now: Timestamp, name: &str) {
        self.mutes.delete(name);
        self.reconsider_muted(now);
    }

    /// Lets every alarm that keeps an action back ask at once whether it still has to.
    fn reconsider_muted(&mut self, now: Timestamp) {
        for (place, alarm) in self.alarms.iter_mut().enumerate() {
            if let Some(alarm) = alarm.as_mut().filter(|alarm| alarm.muted.is_some()) {
                alarm.muted = alarm.muted.map(|muted| mute::Muted { until: now, ..muted });
                self.queue.schedule(alarm.due(), place);
            }
        }
        self.composites.reconsider_muted(now);
        self.skip_stale();
    }

    pub(super) fn mute_tags_mut(&mut self, rule: &str) -> Option<&mut Tags> {
        self.mutes.tags_mut(rule)
    }

    /// The tags of an alarm of either kind.
    pub fn tags_mut(&mut self, name: &AlarmName) -> Option<&mut Tags> {
        if self.by_name.contains_key(name) {
            return self.get_mut(name).map(|alarm| &mut alarm.tags);
        }
        self.composite_tags_mut(name)
    }

    /// In the order of their names, from `first` on.
    pub fn from_name(&self, first: &str) -> impl Iterator<Item = &Alarm> {
        let from = (std::ops::Bound::Included(first), std::ops::Bound::Unbounded);
        self.by_name.range::<str, _>(from).filter_map(|(_, place)| self.alarms[*place].as_deref())
    }

    pub fn history(&self) -> &History {
        &self.history
    }

    pub fn history_mut(&mut self) -> &mut History {
        &mut self.history
    }

    fn remember_change(&mut self, now: Timestamp, alarm: &Alarm, change: Change) {
        let (name, alarm) = (alarm.config.name.clone(), alarm.clone());
        let data = Text::later(move || state::configuration_document(&alarm, change));
        self.history.push(now, &name, Happening::ConfigurationUpdate { change, data });
    }

    fn skip_stale(&mut self) {
        let alarms = &self.alarms;
        self.queue.skip_stale(|due, place| alarms[place].as_ref().is_some_and(|alarm| alarm.due() == due));
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod watched_tests;
