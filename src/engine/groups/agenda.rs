//! What happens by itself and when. Each instance and group keeps the keys of its own entries, so that an entry whose
//! reason went away leaves with it and an idle world has nothing due. Start at [`Agenda`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Outcome;
use crate::clock::Timestamp;
use crate::engine::names::{GroupName, InstanceId};

/// An entry's place: its instant, then the order in which entries for that instant were made.
pub(super) type DueKey = (Timestamp, u64);

/// What is due.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Due {
    /// Compare a group's desired capacity with what it has.
    Converge(GroupName),
    /// An EC2 instance has booted.
    Running(InstanceId),
    /// An instance that runs takes up its work in its group.
    InService(InstanceId),
    /// An EC2 instance has stopped.
    Stopped(InstanceId),
    /// An EC2 instance has shut down.
    Terminated(InstanceId),
    /// A terminated instance is no longer shown.
    Forget(InstanceId),
    /// The group's health check notices that an instance does not run.
    HealthCheck(InstanceId),
    /// The load balancers sent the last traffic to an instance that terminates.
    Drained(InstanceId),
    /// An instance that terminates meets its first hook.
    TerminatingHook(InstanceId),
    /// An instance is on standby, or out of its group.
    MovedOut(InstanceId),
    /// Even out a group's zones.
    Rebalance(GroupName),
    /// Go on with a group's instance refresh.
    Refresh(GroupName),
    /// Compare a warm pool with the size it should have.
    WarmPool(GroupName),
    /// An instance rests in its warm pool.
    Warmed(InstanceId),
    /// A lifecycle action got no heartbeat in time.
    HookTimeout(InstanceId),
    /// A scheduled action runs.
    Scheduled { group: GroupName, action: String },
    /// A minute is over: measure it.
    Minute,
    /// An instance in service has started up and takes its share of the load.
    Serves(InstanceId),
    /// Metrics that were held up arrive.
    Arrives(Vec<Outcome>),
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<(DueKey, Due)>", into = "Vec<(DueKey, Due)>")]
pub(super) struct Agenda(BTreeMap<DueKey, Due>);

impl Agenda {
    pub fn add(&mut self, at: Timestamp, due: Due) -> DueKey {
        let last = self.0.range((at, 0)..=(at, u64::MAX)).next_back();
        let key = (at, last.map_or(0, |((_, order), _)| order + 1));
        self.0.insert(key, due);
        key
    }

    /// Takes the entry off; `key` is empty afterwards.
    pub fn cancel(&mut self, key: &mut Option<DueKey>) {
        if let Some(key) = key.take() {
            self.0.remove(&key);
        }
    }

    pub fn next_due(&self) -> Option<Timestamp> {
        self.0.keys().next().map(|(at, _)| *at)
    }

    /// The first entry at or before `now`.
    pub fn take_due(&mut self, now: Timestamp) -> Option<Due> {
        let entry = self.0.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(entry.remove())
    }
}

impl From<Vec<(DueKey, Due)>> for Agenda {
    fn from(entries: Vec<(DueKey, Due)>) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl From<Agenda> for Vec<(DueKey, Due)> {
    fn from(agenda: Agenda) -> Self {
        agenda.0.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_one_instant_leave_in_the_order_they_came() {
        let mut agenda = Agenda::default();
        let at = Timestamp::from_secs(60);
        agenda.add(at, Due::Running("i-2".into()));
        let mut gone = Some(agenda.add(at, Due::Minute));
        agenda.add(at, Due::Running("i-1".into()));
        agenda.cancel(&mut gone);
        assert_eq!(agenda.take_due(Timestamp::from_secs(59)), None);
        assert_eq!(agenda.take_due(at), Some(Due::Running("i-2".into())));
        assert_eq!(agenda.take_due(at), Some(Due::Running("i-1".into())));
        assert_eq!(agenda, Agenda::default());
    }
}
