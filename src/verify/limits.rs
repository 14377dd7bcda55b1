//! What each step of a drill is held against, unless told otherwise. Start at [`Limits`].

use std::time::Duration;

/// The longest a step may take. Chosen by us from what AWS documents and from recorded activities (semantics notes 1.6, 2.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Alarm state to the action on the policy. CloudWatch acts on a change within seconds.
    pub action: Duration,
    /// The same for an alarm that was in ALARM before: CloudWatch repeats its scaling action once a minute.
    pub repeated_action: Duration,
    /// Action to the start of the activity. Recorded: 8 to 27 seconds.
    pub activity: Duration,
    /// Start of the activity to `InService`, without a user's lifecycle hooks. Small instances take one to two minutes.
    pub launch: Duration,
    /// Start of the activity to the instance's end. Recorded: 22 to 51 seconds; draining takes longer.
    pub terminate: Duration,
    /// What is announced to the announcement in the queue.
    pub notice: Duration,
    /// SetDesiredCapacity to a settled group.
    pub restore: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            action: Duration::from_secs(15),
            repeated_action: Duration::from_secs(75),
            activity: Duration::from_secs(60),
            launch: Duration::from_secs(300),
            terminate: Duration::from_secs(300),
            notice: Duration::from_secs(60),
            restore: Duration::from_secs(600),
        }
    }
}

/// A step is watched for this long after it became due, so that a late one is reported with its latency, not as absent.
pub(super) fn patience(limit: Duration) -> Duration {
    2 * limit + Duration::from_secs(60)
}
