//! What an alarm remembers of itself for two weeks. Start at [`History`].

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::config::AlarmState;
use crate::clock::Timestamp;
use crate::engine::names::AlarmName;
use crate::engine::text::Text;

/// Source: CloudWatch User Guide, "Using Amazon CloudWatch alarms".
const KEPT: Duration = Duration::from_secs(14 * 24 * 3600);

/// What happened to all alarms, those that are gone included; oldest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "VecDeque<HistoryItem>", into = "VecDeque<HistoryItem>")]
pub struct History {
    items: VecDeque<HistoryItem>,
    /// How each alarm ran each of its actions last. Follows from `items`, in which nobody wants to search each minute.
    runs: BTreeMap<AlarmName, BTreeMap<String, Run>>,
}

#[derive(Debug, Clone)]
struct Run {
    state_updated_at: Timestamp,
    error: Option<String>,
}

impl From<VecDeque<HistoryItem>> for History {
    fn from(items: VecDeque<HistoryItem>) -> Self {
        let mut history = Self::default();
        items.iter().for_each(|item| history.remember_run(&item.alarm, &item.what));
        Self { items, ..history }
    }
}

impl From<History> for VecDeque<HistoryItem> {
    fn from(history: History) -> Self {
        history.items
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryItem {
    pub at: Timestamp,
    pub alarm: AlarmName,
    #[serde(default)]
    pub kind: AlarmKind,
    pub what: Happening,
}

/// As `AlarmType` names it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlarmKind {
    #[default]
    MetricAlarm,
    CompositeAlarm,
}

impl AlarmKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MetricAlarm => "MetricAlarm",
            Self::CompositeAlarm => "CompositeAlarm",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Happening {
    ConfigurationUpdate {
        change: Change,
        data: Text,
    },
    StateUpdate {
        old: StateSummary,
        new: StateSummary,
    },
    Action {
        arn: String,
        state_updated_at: Timestamp,
        published: Option<Text>,
        error: Option<String>,
        /// When the mute window ended that had kept the action back.
        #[serde(default)]
        mute_window_ended_at: Option<Timestamp>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    Created,
    Updated,
    Deleted,
}

/// A state with what was said about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateSummary {
    pub value: AlarmState,
    pub reason: Text,
    pub reason_data: Option<Text>,
}

impl History {
    pub fn push(&mut self, at: Timestamp, alarm: &AlarmName, what: Happening) {
        self.push_of(AlarmKind::MetricAlarm, at, alarm, what);
    }

    pub fn push_composite(&mut self, at: Timestamp, alarm: &AlarmName, what: Happening) {
        self.push_of(AlarmKind::CompositeAlarm, at, alarm, what);
    }

    pub(super) fn push_of(&mut self, kind: AlarmKind, at: Timestamp, alarm: &AlarmName, what: Happening) {
        while self.items.front().is_some_and(|item| item.at + KEPT < at) {
            self.items.pop_front();
        }
        self.remember_run(alarm, &what);
        self.items.push_back(HistoryItem { at, alarm: alarm.clone(), kind, what });
    }

    fn remember_run(&mut self, alarm: &AlarmName, what: &Happening) {
        if let Happening::Action { arn, state_updated_at, error, .. } = what {
            let run = Run { state_updated_at: *state_updated_at, error: error.clone() };
            self.runs.entry(alarm.clone()).or_default().insert(arn.clone(), run);
        }
    }

    /// Drops what is older than `at`, for a driver that has read it.
    pub fn forget_before(&mut self, at: Timestamp) {
        while self.items.front().is_some_and(|item| item.at < at) {
            self.items.pop_front();
        }
    }

    /// Everything that is remembered, oldest first.
    pub(super) fn all(&self) -> impl Iterator<Item = &HistoryItem> {
        self.items.iter()
    }

    /// What is younger than two weeks, oldest first.
    pub fn since_two_weeks(&self, now: Timestamp) -> impl DoubleEndedIterator<Item = &HistoryItem> {
        self.items.iter().filter(move |item| item.at + KEPT >= now)
    }

    /// Whether `alarm` ran `arn` before in the state that it changed to at `since`, and it came to the same.
    pub(super) fn has_run(&self, alarm: &AlarmName, arn: &str, since: Timestamp, error: Option<&str>) -> bool {
        let run = self.runs.get(alarm).and_then(|runs| runs.get(arn));
        run.is_some_and(|run| run.state_updated_at == since && run.error.as_deref() == error)
    }
}

impl HistoryItem {
    /// `ConfigurationUpdate`, `StateUpdate` or `Action`.
    pub fn item_type(&self) -> &'static str {
        match self.what {
            Happening::ConfigurationUpdate { .. } => "ConfigurationUpdate",
            Happening::StateUpdate { .. } => "StateUpdate",
            Happening::Action { .. } => "Action",
        }
    }

    pub fn summary(&self) -> String {
        match &self.what {
            Happening::ConfigurationUpdate { change, .. } => {
                let done = match change {
                    Change::Created => "created",
                    Change::Updated => "updated",
                    Change::Deleted => "deleted",
                };
                format!("Alarm \"{}\" {done}", self.alarm)
            }
            Happening::StateUpdate { old, new } => format!("Alarm updated from {} to {}", old.value, new.value),
            Happening::Action { arn, error: None, .. } => format!("Successfully executed action {arn}"),
            Happening::Action { arn, error: Some(_), .. } => format!("Failed to execute action {arn}"),
        }
    }

    /// The JSON document about it.
    pub fn data(&self) -> String {
        match &self.what {
            Happening::ConfigurationUpdate { data, .. } => data.to_string(),
            Happening::StateUpdate { old, new } => {
                json!({ "version": "1.0", "oldState": old.document(), "newState": new.document() }).to_string()
            }
            Happening::Action { arn, state_updated_at, published, error, mute_window_ended_at } => json!({
                "actionState": if error.is_none() { "Succeeded" } else { "Failed" },
                "stateUpdateTimestamp": state_updated_at.as_millis(),
                "notificationResource": arn,
                "publishedMessage": published,
                "error": error,
                "muteWindowEndTimestamp": mute_window_ended_at.map(Timestamp::as_millis),
            })
            .to_string(),
        }
    }
}

impl StateSummary {
    fn document(&self) -> serde_json::Value {
        let mut document = json!({ "stateValue": self.value, "stateReason": self.reason });
        if let Some(data) = &self.reason_data {
            // The data are a JSON document themselves and stand here as one.
            document["stateReasonData"] =
                serde_json::from_str(data).unwrap_or_else(|_| serde_json::Value::String(data.to_string()));
        }
        document
    }
}
