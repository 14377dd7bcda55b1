//! How long things take. AWS promises no times; each constant names the samples that it was taken from.
//! Start at [`Timing`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long instances take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Timing {
    /// Boot, status checks and shut-down take about as long as on AWS.
    Realistic,
    /// Everything is done in the call that asked for it.
    Instant,
}

/// From a higher desired capacity to the launch. Samples: SetDesiredCapacity 9 s, ExecutePolicy 8, 8 and 14 s.
pub const LAUNCH_DELAY: Duration = Duration::from_secs(8);

/// From a lower desired capacity to the termination. Samples: policy 21 s (2020), changed constraints 27 s (2016).
pub const TERMINATE_DELAY: Duration = Duration::from_secs(21);

/// From the launch to `running`. Ours: with [`IN_SERVICE_DELAY`] it makes the 32 s of the documentation's launch activity
/// (2013, 2020); the split is not published.
pub const BOOT: Duration = Duration::from_secs(24);

/// From `running`, or from the end of the last hook, to `InService`.
pub const IN_SERVICE_DELAY: Duration = Duration::from_secs(8);

/// From the termination to `terminated`. Samples: 22 s (2020), 43 s (2021), 51 s (2016).
pub const SHUT_DOWN: Duration = Duration::from_secs(35);

/// From the end of an instance that EC2 shut down to its group's notice. Ours: EC2's state reaches Auto Scaling well
/// within the minute of its checks.
pub const HEALTH_CHECK_DELAY: Duration = Duration::from_secs(15);

/// From the termination of an unhealthy instance to the launch of its replacement. Sample: 1 s (2026).
pub const REPLACEMENT_DELAY: Duration = Duration::from_secs(1);

/// From a launch that failed to the next try. Ours: AWS backs off without saying how.
pub const LAUNCH_RETRY: Duration = Duration::from_secs(60);

/// Launches that fail for this long suspend the process. Source: User Guide, "Suspend and resume processes".
pub const LAUNCH_FAILURES_END_AFTER: Duration = Duration::from_secs(24 * 3600);

/// How long EC2 shows terminated instances. Source: EC2 User Guide, "Terminate your instance": about an hour.
pub const TERMINATED_SHOWN_FOR: Duration = Duration::from_secs(3600);

impl Timing {
    fn take(self, realistic: Duration) -> Duration {
        match self {
            Self::Realistic => realistic,
            Self::Instant => Duration::ZERO,
        }
    }

    pub(super) fn launch_delay(self) -> Duration {
        self.take(LAUNCH_DELAY)
    }

    pub(super) fn terminate_delay(self) -> Duration {
        self.take(TERMINATE_DELAY)
    }

    pub(super) fn boot(self) -> Duration {
        self.take(BOOT)
    }

    pub(super) fn in_service(self) -> Duration {
        self.take(IN_SERVICE_DELAY)
    }

    pub(super) fn hook_proceed(self) -> Duration {
        self.take(IN_SERVICE_DELAY)
    }

    pub(super) fn shut_down(self) -> Duration {
        self.take(SHUT_DOWN)
    }

    pub(super) fn health_check(self) -> Duration {
        self.take(HEALTH_CHECK_DELAY)
    }

    pub(super) fn replacement(self) -> Duration {
        self.take(REPLACEMENT_DELAY)
    }
}
