//! What was seen, before anybody judges it. Start at [`Evidence`].

use std::time::Duration;

use super::preflight::PreflightEvidence;
use super::report::{Drill, Verdict};
use crate::aws::Activity;
use crate::clock::Timestamp;

/// The answer to one question put to AWS.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen<T> {
    Yes(T),
    /// It did not come in time, or went wrong: the last status seen.
    No {
        last: String,
    },
    /// It could not be asked, or made no sense to ask.
    Unknown {
        because: String,
    },
}

impl<T> Seen<T> {
    pub fn yes(&self) -> Option<&T> {
        match self {
            Self::Yes(value) => Some(value),
            Self::No { .. } | Self::Unknown { .. } => None,
        }
    }
}

/// Which way a scaling drill moves the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Out,
    In,
}

impl Direction {
    pub fn drill(self) -> Drill {
        match self {
            Self::Out => Drill::ScaleOut,
            Self::In => Drill::ScaleIn,
        }
    }
}

/// What one drill has gathered.
#[derive(Debug, Clone, PartialEq)]
pub enum Evidence {
    Preflight(Box<PreflightEvidence>),
    Scaling(ScalingEvidence),
}

#[derive(Debug, Clone, PartialEq)]
pub enum ScalingEvidence {
    /// The drill could not begin.
    Blocked {
        direction: Direction,
        verdict: Verdict,
        because: String,
    },
    Ran(Box<Ran>),
}

/// One alarm pulled, and everything that followed.
#[derive(Debug, Clone, PartialEq)]
pub struct Ran {
    pub direction: Direction,
    pub alarm: String,
    pub policy: String,
    /// Forced with SetAlarmState; otherwise the alarm was in ALARM already and acts every minute.
    pub forced: bool,
    /// The instant that all offsets count from: the alarm's change to ALARM or, for one that was there already, the
    /// instant from which its policy was free to act.
    pub breach: Seen<Timestamp>,
    /// The action on the policy.
    pub action: Seen<Timestamp>,
    /// The activities that the alarm and the policy caused, oldest first.
    pub activities: Seen<Vec<Activity>>,
    /// The same activities, all at their end and the group agreeing.
    pub finished: Seen<Vec<Activity>>,
    /// The alarm's message, on each of its topics; empty when it has none.
    pub alarm_notices: Vec<(String, Seen<Received>)>,
    /// The group's message, on each topic that should hear it.
    pub group_notices: Vec<(String, Seen<Received>)>,
    pub restored: Seen<Restored>,
}

/// A message as it arrived in the temporary queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub at: Timestamp,
    pub subject: String,
}

/// The group is back where it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    pub at: Timestamp,
    pub desired_capacity: u32,
    /// How long it took; `None` if nothing had to be done.
    pub took: Option<Duration>,
}
