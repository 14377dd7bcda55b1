//! Composite alarms: alarms whose state follows from the states of others. Start at [`Composite`].
//!
//! [`rule`] is the language and [`suppression`] says when actions wait; both are pure. [`life`] lets composite alarms live
//! among the others: it evaluates them at the very instant at which one of their children changes.

pub mod life;
pub mod rule;
pub mod suppression;
pub mod validate;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Tags;
use super::config::AlarmState;
use super::history::{Change, StateSummary};
use super::mute::Muted;
use super::state::change_document;
use crate::clock::Timestamp;
use crate::engine::names::AlarmName;
use crate::engine::shared;
use crate::engine::text::Text;
use rule::AlarmRule;
use suppression::Suppression;

/// Children that a message names.
///
/// Source: the email text recorded from AWS, "Triggering children (max. 10)".
pub const CHILDREN_IN_MESSAGE: usize = 10;

/// What a composite alarm watches and sets off, as PutCompositeAlarm checked it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CompositeAlarm {
    pub name: AlarmName,
    pub description: Option<String>,
    pub actions_enabled: bool,
    pub ok_actions: Vec<String>,
    pub alarm_actions: Vec<String>,
    pub insufficient_data_actions: Vec<String>,
    pub rule: AlarmRule,
    pub suppressor: Option<Suppressor>,
}

/// The alarm that holds actions back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppressor {
    /// Its name or ARN, as the caller wrote it.
    pub alarm: String,
    pub wait_secs: u32,
    pub extension_secs: u32,
}

impl Suppressor {
    fn suppression(&self, in_alarm: bool) -> Suppression {
        let span = |secs: u32| Duration::from_secs(secs.into());
        Suppression::new(span(self.wait_secs), span(self.extension_secs), in_alarm)
    }
}

impl CompositeAlarm {
    pub fn actions(&self, state: AlarmState) -> &[String] {
        match state {
            AlarmState::Ok => &self.ok_actions,
            AlarmState::Alarm => &self.alarm_actions,
            AlarmState::InsufficientData => &self.insufficient_data_actions,
        }
    }
}

/// A composite alarm and the state it is in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Composite {
    #[serde(with = "shared")]
    pub config: Arc<CompositeAlarm>,
    pub arn: String,
    pub tags: Tags,
    pub configuration_updated_at: Timestamp,
    pub state: StateSummary,
    pub state_updated_at: Timestamp,
    /// The children that explain the state.
    pub triggering: Vec<Triggering>,
    pub suppression: Option<Suppression>,
    /// An action that a mute rule keeps back.
    #[serde(default)]
    pub(super) muted: Option<Muted>,
}

/// A child as it stood when the composite alarm changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Triggering {
    pub arn: String,
    pub state: AlarmState,
    pub at: Timestamp,
}

/// The alarm as it stood when its action ran.
#[derive(Debug, Clone, PartialEq)]
pub struct CompositeSnapshot {
    pub config: Arc<CompositeAlarm>,
    pub arn: String,
    /// Equal to `new_state` when the action had to wait for the suppressor.
    pub old_state: AlarmState,
    pub new_state: AlarmState,
    pub reason: Text,
    pub state_changed_at: Timestamp,
    pub triggering: Vec<Triggering>,
    /// What held the action back until now (`ActionsSuppressedBy`), and since when.
    pub held: Option<Held>,
}

/// A phase of a suppressor that has just ended: its name and its beginning.
pub type Held = (&'static str, Timestamp);

impl Composite {
    fn snapshot(&self, old_state: AlarmState, held: Option<Held>) -> CompositeSnapshot {
        CompositeSnapshot {
            config: Arc::clone(&self.config),
            arn: self.arn.clone(),
            old_state,
            new_state: self.state.value,
            reason: self.state.reason.clone(),
            state_changed_at: self.state_updated_at,
            triggering: self.triggering.clone(),
            held,
        }
    }

    /// The history's document about a change of configuration. Its keys for composite alarms are not recorded; these
    /// follow those of metric alarms.
    fn configuration_document(&self, change: Change) -> Text {
        change_document(change, self.about()).into()
    }

    /// The alarm as its history describes it; what it does not have is null.
    pub(super) fn about(&self) -> Value {
        let config = &self.config;
        let suppressor = config.suppressor.as_ref();
        json!({
            "alarmName": config.name,
            "alarmDescription": config.description,
            "alarmArn": self.arn,
            "alarmConfigurationUpdatedTimestamp": self.configuration_updated_at.cloudwatch_millis(),
            "alarmRule": config.rule,
            "actionsSuppressor": suppressor.map(|suppressor| &suppressor.alarm),
            "actionsSuppressorWaitPeriod": suppressor.map(|suppressor| suppressor.wait_secs),
            "actionsSuppressorExtensionPeriod": suppressor.map(|suppressor| suppressor.extension_secs),
            "stateValue": self.state.value,
            "stateUpdatedTimestamp": self.state_updated_at.cloudwatch_millis(),
            "actionsEnabled": config.actions_enabled,
            "alarmActions": config.alarm_actions,
            "insufficientDataActions": config.insufficient_data_actions,
            "okactions": config.ok_actions,
        })
    }
}

/// `StateReasonData`, with AWS's keys.
fn reason_data(triggering: &[Triggering]) -> String {
    let alarm = |child: &Triggering| json!({"arn": child.arn, "state": {"value": child.state, "timestamp": child.at.cloudwatch_millis()}});
    json!({ "triggeringAlarms": triggering.iter().map(alarm).collect::<Vec<_>>() }).to_string()
}

/// All composite alarms of a world.
#[derive(Debug, Clone, Default)]
pub struct Composites {
    all: BTreeMap<AlarmName, Composite>,
    /// The composite alarms that name an alarm in their rule or as their suppressor, by that alarm. Follows from `all`.
    parents: BTreeMap<AlarmName, BTreeSet<AlarmName>>,
    /// When the first wait or extension period runs out. Follows from `all`.
    next_due: Option<Timestamp>,
}

impl Composites {
    pub fn get(&self, name: &AlarmName) -> Option<&Composite> {
        self.all.get(name)
    }

    /// In the order of their names, from `first` on.
    pub fn from_name(&self, first: &str) -> impl Iterator<Item = &Composite> {
        let from = (std::ops::Bound::Included(first), std::ops::Bound::Unbounded);
        self.all.range::<str, _>(from).map(|(_, composite)| composite)
    }

    pub fn next_due(&self) -> Option<Timestamp> {
        self.next_due
    }

    /// The composite alarms that name this one in their rule or as their suppressor.
    pub fn parents(&self, name: &AlarmName) -> impl Iterator<Item = &AlarmName> {
        self.parents.get(name).into_iter().flatten()
    }

    pub(super) fn insert(&mut self, composite: Composite) {
        let name = composite.config.name.clone();
        self.unlink(&name);
        for child in composite.named_alarms() {
            self.parents.entry(child).or_default().insert(name.clone());
        }
        self.all.insert(name, composite);
        self.reschedule();
    }

    fn remove(&mut self, name: &AlarmName) -> Option<Composite> {
        self.unlink(name);
        let gone = self.all.remove(name);
        self.reschedule();
        gone
    }

    fn unlink(&mut self, parent: &AlarmName) {
        for child in self.all.get(parent).map(Composite::named_alarms).unwrap_or_default() {
            if let Some(parents) = self.parents.get_mut(&child) {
                parents.remove(parent);
            }
        }
        self.parents.retain(|_, parents| !parents.is_empty());
    }

    fn reschedule(&mut self) {
        self.next_due = self.all.values().filter_map(Composite::due).min();
    }

    /// Lets every alarm that keeps an action back ask at `now` whether it still has to.
    pub(super) fn reconsider_muted(&mut self, now: Timestamp) {
        for composite in self.all.values_mut() {
            composite.muted = composite.muted.map(|muted| Muted { until: now, ..muted });
        }
        self.reschedule();
    }

    pub(super) fn into_list(self) -> Vec<Composite> {
        self.all.into_values().collect()
    }
}

impl Composite {
    /// When a period of its suppressor or a mute window runs out.
    fn due(&self) -> Option<Timestamp> {
        let suppression = self.suppression.and_then(|suppression| suppression.due());
        let muted = self.muted.map(|muted| muted.until);
        [suppression, muted].into_iter().flatten().min()
    }

    /// Every alarm whose change concerns this one: the children of its rule and its suppressor.
    fn named_alarms(&self) -> BTreeSet<AlarmName> {
        let suppressor = self.config.suppressor.as_ref().map(|suppressor| suppressor.alarm.as_str());
        self.config.rule.children().into_iter().chain(suppressor).map(name_of).collect()
    }
}

/// The name in a reference that may be an ARN.
pub fn name_of(reference: &str) -> AlarmName {
    let name = reference.strip_prefix("arn:").and_then(|arn| arn.split_once(":alarm:")).map(|(_, name)| name);
    name.unwrap_or(reference).into()
}

#[cfg(test)]
mod tests;
