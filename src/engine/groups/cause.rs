//! The sentences of an activity's `Cause`, in AWS's words. Start at [`Cause`].
//!
//! Sources: recordings and documentation examples of DescribeScalingActivities, 2013 to 2026. One wording was never
//! seen in full, that of a scheduled action; it follows the user request's. Standby, attach and detach: the examples of
//! their operations in the API reference and a notice of 2018; rebalancing: activities that users published. Those about a
//! warm pool follow the group's; only a volume's failure is recorded.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::policy::Limits;
use crate::clock::Timestamp;
use crate::engine::names::{AlarmName, InstanceId, PolicyName, Zone};

/// One sentence: when, and what happened then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    pub at: Timestamp,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum What {
    Created {
        to: u32,
    },
    Updated {
        limits: Limits,
        from: u32,
        to: u32,
    },
    DesiredCapacitySet {
        from: u32,
        to: u32,
    },
    AlarmTriggered {
        alarm: AlarmName,
        state: String,
        policy: PolicyName,
        from: u32,
        to: u32,
    },
    PolicyExecuted {
        policy: PolicyName,
        from: u32,
        to: u32,
    },
    ScheduledAction {
        limits: Limits,
        from: u32,
        to: u32,
    },
    Started {
        from: u32,
        to: u32,
    },
    TakenOut {
        from: u32,
        to: u32,
    },
    Selected(InstanceId),
    Unhealthy(HealthFinding),
    Replacement,
    UserTerminated {
        instance: InstanceId,
        shrinking: Option<(u32, u32)>,
    },
    MovedToStandby {
        instance: InstanceId,
        shrinking: Option<(u32, u32)>,
    },
    MovedOutOfStandby {
        instance: InstanceId,
        from: u32,
        to: u32,
    },
    Detached {
        instance: InstanceId,
        shrinking: Option<(u32, u32)>,
    },
    Attached {
        to: u32,
    },
    RefreshTermination,
    RefreshLaunch,
    PoolStarted {
        from: u32,
        to: u32,
    },
    PoolTakenOut {
        from: u32,
        to: u32,
    },
    /// A lifecycle action abandoned an instance that was to return to the warm pool.
    ReturnAbandoned,
    /// The zones that have too few instances.
    Rebalanced {
        zones: Vec<Zone>,
    },
}

/// Why a group took an instance for unhealthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum HealthFinding {
    TerminatedOrStopped,
    StatusCheckFailed,
    /// EC2 will reboot its machine for maintenance.
    ScheduledReboot,
    /// A load balancer that sends it traffic finds it unhealthy.
    LoadBalancer,
    /// The volume of an instance that rests in a warm pool is not available.
    EbsVolume,
    /// It was in service for as long as its group lets instances be.
    MaxLifetime,
    /// `SetInstanceHealth` said so.
    ByUser,
}

impl Cause {
    pub fn new(at: Timestamp, what: What) -> Self {
        Self { at, what }
    }
}

/// All sentences, two spaces apart.
pub fn join(causes: &[Cause]) -> String {
    causes.iter().map(Cause::to_string).collect::<Vec<_>>().join("  ")
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "At {} {}.", self.at.iso_secs(), self.what)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIFFERENCE: &str = "in response to a difference between desired and actual capacity";
        const POOL_DIFFERENCE: &str = "in response to a difference between desired and actual warm pool capacity";
        let changing = |from: &u32, to: &u32| format!("changing the desired capacity from {from} to {to}");
        let constraints = |limits: &Limits, to: &u32| {
            format!("constraints to min: {}, max: {}, desired: {to}", limits.min, limits.max)
        };
        match self {
            Self::Created { to } => write!(f, "a user request created an AutoScalingGroup {}", changing(&0, to)),
            Self::Updated { limits, from, to } => {
                let (constraints, changing) = (constraints(limits, to), changing(from, to));
                write!(f, "a user request update of AutoScalingGroup {constraints} {changing}")
            }
            Self::DesiredCapacitySet { from, to } => {
                write!(f, "a user request explicitly set group desired capacity {}", changing(from, to))
            }
            Self::AlarmTriggered { alarm, state, policy, from, to } => {
                let changing = changing(from, to);
                write!(f, "a monitor alarm {alarm} in state {state} triggered policy {policy} {changing}")
            }
            Self::PolicyExecuted { policy, from, to } => {
                write!(f, "a user request executed policy {policy} {}", changing(from, to))
            }
            Self::ScheduledAction { limits, from, to } => {
                let (constraints, changing) = (constraints(limits, to), changing(from, to));
                write!(f, "a scheduled action update of AutoScalingGroup {constraints} {changing}")
            }
            Self::Started { from, to } => {
                write!(f, "an instance was started {DIFFERENCE}, increasing the capacity from {from} to {to}")
            }
            Self::TakenOut { from, to } => {
                write!(
                    f,
                    "an instance was taken out of service {DIFFERENCE}, shrinking the capacity from {from} to {to}"
                )
            }
            Self::Selected(instance) => write!(f, "instance {instance} was selected for termination"),
            Self::Unhealthy(finding) => write!(f, "an instance was taken out of service in response to {finding}"),
            Self::Replacement => {
                write!(f, "an instance was launched in response to an unhealthy instance needing to be replaced")
            }
            Self::UserTerminated { instance, shrinking } => {
                write!(f, "instance {instance} was taken out of service in response to a user request")?;
                write_shrinking(f, *shrinking)
            }
            Self::MovedToStandby { instance, shrinking } => {
                write!(f, "instance {instance} was moved to standby in response to a user request")?;
                write_shrinking(f, *shrinking)
            }
            Self::MovedOutOfStandby { instance, from, to } => {
                write!(f, "instance {instance} was moved out of standby in response to a user request, ")?;
                write!(f, "increasing the capacity from {from} to {to}")
            }
            Self::Detached { instance, shrinking } => {
                write!(f, "instance {instance} was detached in response to a user request")?;
                write_shrinking(f, *shrinking)
            }
            Self::Attached { to } => {
                write!(f, "an instance was added in response to user request. Keeping the capacity at the new {to}")
            }
            Self::RefreshTermination => {
                write!(f, "an instance was taken out of service in response to an instance refresh")
            }
            Self::RefreshLaunch => write!(f, "an instance was launched in response to an instance refresh"),
            Self::PoolStarted { from, to } => {
                write!(f, "an instance was started {POOL_DIFFERENCE}, increasing the warm pool from {from} to {to}")
            }
            Self::PoolTakenOut { from, to } => write!(
                f,
                "an instance was taken out of the warm pool {POOL_DIFFERENCE}, shrinking the warm pool from {from} to {to}"
            ),
            Self::ReturnAbandoned => {
                write!(f, "an instance was taken out of the warm pool in response to an abandoned lifecycle action")
            }
            Self::Rebalanced { zones } => {
                let zones = zones.iter().map(Zone::as_str).collect::<Vec<_>>().join(" ");
                write!(f, "an instance was launched to balance instances in zones {zones} with other zones ")?;
                write!(f, "resulting in more than desired number of instances in the group")
            }
        }
    }
}

fn write_shrinking(f: &mut fmt::Formatter<'_>, shrinking: Option<(u32, u32)>) -> fmt::Result {
    match shrinking {
        None => Ok(()),
        Some((from, to)) => write!(f, ", shrinking the capacity from {from} to {to}"),
    }
}

impl fmt::Display for HealthFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            // The form of the captures of 2024 to 2026; the user guide prints "that indicated it had been".
            Self::TerminatedOrStopped => "an EC2 health check indicating it has been terminated or stopped",
            Self::StatusCheckFailed => "an EC2 instance status check failure",
            Self::ScheduledReboot => "an EC2 scheduled reboot",
            Self::LoadBalancer => "an ELB system health check failure",
            Self::EbsVolume => "EBS volume health check failure",
            // Ours; no such activity was published.
            Self::MaxLifetime => "reaching the maximum instance lifetime",
            Self::ByUser => "a user health-check",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_read_as_aws_writes_them() {
        let limits = Limits { min: 0, max: 16 };
        let check = |what: What, text: &str| {
            let at = Timestamp::parse("2020-10-30T19:35:51.766Z").unwrap();
            assert_eq!(Cause::new(at, what).to_string(), format!("At 2020-10-30T19:35:51Z {text}."));
        };
        check(
            What::Created { to: 1 },
            "a user request created an AutoScalingGroup changing the desired capacity from 0 to 1",
        );
        check(
            What::Updated { limits, from: 0, to: 16 },
            "a user request update of AutoScalingGroup constraints to min: 0, max: 16, desired: 16 changing the desired \
             capacity from 0 to 16",
        );
        check(
            What::DesiredCapacitySet { from: 1, to: 2 },
            "a user request explicitly set group desired capacity changing the desired capacity from 1 to 2",
        );
        check(
            What::AlarmTriggered {
                alarm: "cpu-high".into(),
                state: "ALARM".into(),
                policy: "scale-out".into(),
                from: 1,
                to: 2,
            },
            "a monitor alarm cpu-high in state ALARM triggered policy scale-out changing the desired capacity from 1 to 2",
        );
        check(
            What::PolicyExecuted { policy: "p".into(), from: 1, to: 2 },
            "a user request executed policy p changing the desired capacity from 1 to 2",
        );
        check(
            What::Started { from: 0, to: 16 },
            "an instance was started in response to a difference between desired and actual capacity, increasing the \
             capacity from 0 to 16",
        );
        check(
            What::TakenOut { from: 3, to: 2 },
            "an instance was taken out of service in response to a difference between desired and actual capacity, \
             shrinking the capacity from 3 to 2",
        );
        check(What::Selected("i-9".into()), "instance i-9 was selected for termination");
        check(
            What::Unhealthy(HealthFinding::StatusCheckFailed),
            "an instance was taken out of service in response to an EC2 instance status check failure",
        );
        check(
            What::Unhealthy(HealthFinding::EbsVolume),
            "an instance was taken out of service in response to EBS volume health check failure",
        );
        check(
            What::Unhealthy(HealthFinding::LoadBalancer),
            "an instance was taken out of service in response to an ELB system health check failure",
        );
        check(
            What::MovedToStandby { instance: "i-9".into(), shrinking: Some((2, 1)) },
            "instance i-9 was moved to standby in response to a user request, shrinking the capacity from 2 to 1",
        );
        check(
            What::MovedOutOfStandby { instance: "i-9".into(), from: 0, to: 1 },
            "instance i-9 was moved out of standby in response to a user request, increasing the capacity from 0 to 1",
        );
        check(
            What::Detached { instance: "i-9".into(), shrinking: Some((4, 3)) },
            "instance i-9 was detached in response to a user request, shrinking the capacity from 4 to 3",
        );
        check(
            What::Attached { to: 1 },
            "an instance was added in response to user request. Keeping the capacity at the new 1",
        );
        check(
            What::UserTerminated { instance: "i-9".into(), shrinking: Some((2, 1)) },
            "instance i-9 was taken out of service in response to a user request, shrinking the capacity from 2 to 1",
        );
    }

    #[test]
    fn sentences_stand_two_spaces_apart() {
        let at = Timestamp::from_secs(0);
        let causes = [Cause::new(at, What::TakenOut { from: 1, to: 0 }), Cause::new(at, What::Selected("i-1".into()))];
        assert!(join(&causes).contains("from 1 to 0.  At 1970-01-01T00:00:00Z instance i-1"));
    }
}
