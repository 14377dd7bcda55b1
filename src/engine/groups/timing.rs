//! How long things take. AWS promises no times; each constant names the samples that it was taken from.
//! Start at [`Timing`].

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long instances take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Timing {
    /// Boot, status checks and shut-down take about as long as on AWS.
    Realistic,
    /// Everything is done in the call that asked for it.
    Instant,
    /// As long as this, for example as a recording of AWS says.
    Given(Delays),
}

/// How long each part of an instance's life takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delays {
    /// From a higher desired capacity to the launch.
    pub launch: Duration,
    /// From a lower desired capacity to the termination.
    pub terminate: Duration,
    /// From the launch to `running`.
    pub boot: Duration,
    /// From `running`, from the end of the last hook, or from the call that brings an instance back, to `InService`.
    pub in_service: Duration,
    /// From `Terminating` to the first hook's wait.
    pub hook: Duration,
    /// From the termination, or the end of its last hook, to `terminated`.
    pub shut_down: Duration,
    /// How long a load balancer drains an instance that leaves.
    pub draining: Duration,
    /// From the end of an instance that EC2 shut down to its group's notice.
    pub health_check: Duration,
    /// From the termination of an unhealthy instance to the launch of its replacement.
    pub replacement: Duration,
    /// From the call that moves an instance to standby, or out of its group, to the end of the move.
    pub move_out: Duration,
    /// From the launch of an instance that rests stopped in a warm pool to `running`.
    pub warm_start: Duration,
    /// From the end of the last hook to the rest in a warm pool that stops its instances.
    pub warm_stop: Duration,
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Realistic => "realistic",
            Self::Instant => "instant",
            Self::Given(_) => "recorded",
        })
    }
}

impl Delays {
    /// What [`Timing::Realistic`] takes.
    pub const REALISTIC: Self = Self {
        launch: LAUNCH_DELAY,
        terminate: TERMINATE_DELAY,
        boot: BOOT,
        in_service: IN_SERVICE_DELAY,
        hook: HOOK_DELAY,
        shut_down: SHUT_DOWN,
        draining: DRAINING,
        health_check: HEALTH_CHECK_DELAY,
        replacement: REPLACEMENT_DELAY,
        move_out: MOVE_OUT_DELAY,
        warm_start: WARM_START,
        warm_stop: WARM_STOP,
    };

    const NONE: Self = Self {
        launch: Duration::ZERO,
        terminate: Duration::ZERO,
        boot: Duration::ZERO,
        in_service: Duration::ZERO,
        hook: Duration::ZERO,
        shut_down: Duration::ZERO,
        draining: Duration::ZERO,
        health_check: Duration::ZERO,
        replacement: Duration::ZERO,
        move_out: Duration::ZERO,
        warm_start: Duration::ZERO,
        warm_stop: Duration::ZERO,
    };
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

/// From `Terminating` to `Terminating:Wait`. Ours: the user guide shows both states and no time between them.
pub const HOOK_DELAY: Duration = Duration::from_secs(1);

/// A target group's deregistration delay when nobody changes it. Source: Elastic Load Balancing, "Deregistration delay".
pub const DRAINING: Duration = Duration::from_secs(300);

/// From EnterStandby or DetachInstances to the end of the move. Ours: as long as the way into service.
pub const MOVE_OUT_DELAY: Duration = Duration::from_secs(8);

/// From the start of an instance that rests in a warm pool to `running`. With [`IN_SERVICE_DELAY`] it makes the shortest
/// published launch from a pool, 19 s (2021); others are 36 s with a hook and 69 to 126 s for five at once.
pub const WARM_START: Duration = Duration::from_secs(11);

/// From the end of the last hook to `Warmed:Stopped`. Sample: AWS's workshop (2021) shows launches of one template of 260 s
/// into a pool and 243 s into a group.
pub const WARM_STOP: Duration = Duration::from_secs(17);

/// From a launch that failed to the next try; doubles with each failure. Ours: AWS backs off without saying how.
pub const LAUNCH_RETRY: Duration = Duration::from_secs(60);

/// The longest pause between two tries. Ours.
pub const LONGEST_LAUNCH_RETRY: Duration = Duration::from_secs(900);

/// From StartInstanceRefresh to the first replacement. Ours: AWS shows `Pending` for some seconds.
pub const REFRESH_START: Duration = Duration::from_secs(5);

/// From the end of a group's last activity to the start of rebalancing. Ours: AWS says that it compares zones by and by.
pub const REBALANCE_DELAY: Duration = Duration::from_secs(60);

/// Launches that fail for this long suspend the process. Source: User Guide, "Suspend and resume processes".
pub const LAUNCH_FAILURES_END_AFTER: Duration = Duration::from_secs(24 * 3600);

/// How long EC2 shows terminated instances. Source: EC2 User Guide, "Terminate your instance": about an hour.
pub const TERMINATED_SHOWN_FOR: Duration = Duration::from_secs(3600);

/// What samples of AWS show of a delay, shortest and longest, in seconds: how far a recording may be from what is chosen
/// here. From a higher desired capacity to the launch.
pub const LAUNCH_SEEN: RangeInclusive<u64> = 8..=14;
/// From a lower desired capacity to the termination.
pub const TERMINATE_SEEN: RangeInclusive<u64> = 21..=27;
/// From the termination to `terminated`.
pub const SHUT_DOWN_SEEN: RangeInclusive<u64> = 22..=51;
/// From the launch to the end of its activity: 5 s (2026), 32 s (2013, 2020).
pub const READY_SEEN: RangeInclusive<u64> = 5..=32;
/// From the termination of an unhealthy instance to the launch of its replacement.
pub const REPLACEMENT_SEEN: RangeInclusive<u64> = 1..=1;

impl Timing {
    fn delays(self) -> Delays {
        match self {
            Self::Realistic => Delays::REALISTIC,
            Self::Instant => Delays::NONE,
            Self::Given(delays) => delays,
        }
    }

    pub(super) fn launch_delay(self) -> Duration {
        self.delays().launch
    }

    pub(super) fn terminate_delay(self) -> Duration {
        self.delays().terminate
    }

    pub(super) fn boot(self) -> Duration {
        self.delays().boot
    }

    pub(super) fn in_service(self) -> Duration {
        self.delays().in_service
    }

    pub(super) fn hook(self) -> Duration {
        self.delays().hook
    }

    pub(super) fn shut_down(self) -> Duration {
        self.delays().shut_down
    }

    pub(super) fn draining(self) -> Duration {
        self.delays().draining
    }

    pub(super) fn health_check(self) -> Duration {
        self.delays().health_check
    }

    pub(super) fn replacement(self) -> Duration {
        self.delays().replacement
    }

    pub(super) fn move_out(self) -> Duration {
        self.delays().move_out
    }

    pub(super) fn warm_start(self) -> Duration {
        self.delays().warm_start
    }

    pub(super) fn warm_stop(self) -> Duration {
        self.delays().warm_stop
    }

    /// From a launch that failed the `failures`th time to the next try.
    pub(super) fn launch_retry(failures: u32) -> Duration {
        let doubled = LAUNCH_RETRY.checked_mul(1 << failures.saturating_sub(1).min(16));
        doubled.map_or(LONGEST_LAUNCH_RETRY, |retry| retry.min(LONGEST_LAUNCH_RETRY))
    }
}
