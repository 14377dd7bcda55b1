//! One EC2 instance, in a group or not: its EC2 state, its addresses, and its part in a group's lifecycle.
//! Start at [`Instance`]. Leaves out how it gets from one state to the next: see `lifecycle.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::activity::{Side, Way};
use super::agenda::DueKey;
use super::allocation::Purchase;
use super::cause::HealthFinding;
use super::hook::LifecycleAction;
use super::launch_template::LaunchArguments;
use super::workload::Machine;
use crate::clock::Timestamp;
use crate::engine::names::{ActivityId, GroupName, InstanceId, SubnetId, Zone};

/// Where an instance may be put: a subnet as EC2 describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    pub subnet: SubnetId,
    pub zone: Zone,
    /// The subnet's IPv4 block, from which private addresses are taken.
    pub cidr: String,
    pub vpc: String,
    /// Whether the subnet gives its instances a public address (`MapPublicIpOnLaunch`).
    pub public_ip: bool,
    /// The IPv6 block that it gives its instances addresses of.
    #[serde(default)]
    pub ipv6: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    pub id: InstanceId,
    pub reservation_id: String,
    pub state: Ec2State,
    /// `Client.UserInitiatedShutdown` and its text, once there is a reason.
    pub state_reason: Option<(String, String)>,
    pub state_changed_at: Timestamp,
    pub launched_at: Timestamp,
    pub image_id: String,
    pub instance_type: String,
    pub key_name: Option<String>,
    pub security_groups: Vec<String>,
    pub detailed_monitoring: bool,
    /// Where it stands. Its `public_ip` is the subnet's setting; the address is [`Instance::public_ip`].
    pub placement: Placement,
    /// Empty once terminated, like the other address.
    pub private_ip: Option<String>,
    pub public_ip: Option<String>,
    pub mac_address: String,
    pub eni_id: String,
    pub eni_attachment_id: String,
    pub root_volume_id: String,
    pub tags: BTreeMap<String, String>,
    /// The launch arguments in force, in the words of the launch template API.
    pub launch_data: serde_json::Value,
    /// Its place among the instances of its reservation.
    #[serde(default)]
    pub launch_index: i64,
    /// The token of the call that launched it.
    #[serde(default)]
    pub client_token: Option<String>,
    /// Its public address is an Elastic IP, which it keeps while it is stopped.
    #[serde(default)]
    pub elastic_ip: bool,
    /// The Spot request that it fulfils.
    #[serde(default)]
    pub spot_request_id: Option<String>,
    /// Its part in a group, until it has left it.
    pub membership: Option<Membership>,
    /// Its working side, once it has run.
    #[serde(default)]
    pub machine: Option<Machine>,
    pub(super) due: Option<DueKey>,
    pub(super) health_due: Option<DueKey>,
}

impl Instance {
    pub fn is_running(&self) -> bool {
        self.state == Ec2State::Running
    }

    /// Whether it is launched, and started again, with a public address.
    pub fn gets_public_ip(&self) -> bool {
        LaunchArguments::read(&self.launch_data).public_ip.unwrap_or(self.placement.public_ip)
    }

    pub fn purchase(&self) -> Purchase {
        if self.spot_request_id.is_some() { Purchase::Spot } else { Purchase::OnDemand }
    }

    /// The group that it belongs to now.
    pub fn group(&self) -> Option<&GroupName> {
        self.membership.as_ref().map(|member| &member.group)
    }

    /// How much of its group's capacity it is.
    pub(super) fn weight(&self) -> u32 {
        self.membership.as_ref().map_or(1, |member| member.weight)
    }

    pub(super) fn lifecycle(&self) -> Option<LifecycleState> {
        self.membership.as_ref().map(|member| member.lifecycle)
    }
}

/// An EC2 instance's state. AWS numbers them too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ec2State {
    Pending,
    Running,
    ShuttingDown,
    Terminated,
    Stopping,
    Stopped,
}

impl Ec2State {
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }

    pub fn code(self) -> i64 {
        match self {
            Self::Pending => 0,
            Self::Running => 16,
            Self::ShuttingDown => 32,
            Self::Terminated => 48,
            Self::Stopping => 64,
            Self::Stopped => 80,
        }
    }
}

/// An instance's part in a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Membership {
    pub group: GroupName,
    pub lifecycle: LifecycleState,
    pub health: Health,
    /// Why it is unhealthy.
    pub(super) health_finding: Option<HealthFinding>,
    /// What fails it now besides not running: its load balancer, EC2's status checks.
    pub(super) failing: BTreeSet<HealthFinding>,
    /// Its group's load balancers send it traffic.
    pub registered: bool,
    /// How much of the group's capacity it is.
    pub weight: u32,
    pub protected_from_scale_in: bool,
    pub launched_from: LaunchedFrom,
    pub in_service_since: Option<Timestamp>,
    /// The activity that launches or terminates it now.
    pub(super) activity: Option<ActivityId>,
    /// Where it was before, and where it is or goes to.
    #[serde(default)]
    pub(super) way: Way,
    /// It came from the warm pool, where it was prepared.
    #[serde(default)]
    pub(super) warmed: bool,
    /// The lifecycle action that holds it up now.
    pub lifecycle_action: Option<LifecycleAction>,
}

/// The states of a member that this engine reproduces, printed as AWS prints them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LifecycleState {
    Pending,
    #[serde(rename = "Pending:Wait")]
    PendingWait,
    #[serde(rename = "Pending:Proceed")]
    PendingProceed,
    InService,
    Terminating,
    #[serde(rename = "Terminating:Wait")]
    TerminatingWait,
    #[serde(rename = "Terminating:Proceed")]
    TerminatingProceed,
    EnteringStandby,
    Standby,
    Detaching,
    #[serde(rename = "Warmed:Pending")]
    WarmedPending,
    #[serde(rename = "Warmed:Pending:Wait")]
    WarmedPendingWait,
    #[serde(rename = "Warmed:Pending:Proceed")]
    WarmedPendingProceed,
    #[serde(rename = "Warmed:Stopped")]
    WarmedStopped,
    #[serde(rename = "Warmed:Running")]
    WarmedRunning,
    #[serde(rename = "Warmed:Hibernated")]
    WarmedHibernated,
    #[serde(rename = "Warmed:Terminating")]
    WarmedTerminating,
    #[serde(rename = "Warmed:Terminating:Wait")]
    WarmedTerminatingWait,
    #[serde(rename = "Warmed:Terminating:Proceed")]
    WarmedTerminatingProceed,
}

impl LifecycleState {
    /// Counts towards the desired capacity: there to stay, or on the way there.
    pub fn is_active(self) -> bool {
        self.is_pending() || self == Self::InService
    }

    /// Nothing happens to it by itself.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::InService | Self::Standby)
    }

    /// On its way out of service, but not to its end.
    pub fn is_moving_out(self) -> bool {
        matches!(self, Self::EnteringStandby | Self::Detaching)
    }

    pub fn is_pending(self) -> bool {
        matches!(self, Self::Pending | Self::PendingWait | Self::PendingProceed)
    }

    pub fn is_terminating(self) -> bool {
        matches!(
            self,
            Self::Terminating
                | Self::TerminatingWait
                | Self::TerminatingProceed
                | Self::WarmedTerminating
                | Self::WarmedTerminatingWait
                | Self::WarmedTerminatingProceed
        )
    }

    /// On its way into a warm pool.
    pub fn is_warming(self) -> bool {
        matches!(self, Self::WarmedPending | Self::WarmedPendingWait | Self::WarmedPendingProceed)
    }

    /// Ready in a warm pool.
    pub fn is_warmed(self) -> bool {
        matches!(self, Self::WarmedStopped | Self::WarmedRunning | Self::WarmedHibernated)
    }

    /// At the hook of an instance that goes this way.
    pub(super) fn waiting_on(way: Way) -> Self {
        match (way.from, way.to) {
            (_, Side::WarmPool) => Self::WarmedPendingWait,
            (_, Side::Group) => Self::PendingWait,
            (Side::WarmPool, Side::Ec2) => Self::WarmedTerminatingWait,
            (_, Side::Ec2) => Self::TerminatingWait,
        }
    }

    /// Past all hooks of that way.
    pub(super) fn proceeding_on(way: Way) -> Self {
        match (way.from, way.to) {
            (_, Side::WarmPool) => Self::WarmedPendingProceed,
            (_, Side::Group) => Self::PendingProceed,
            (Side::WarmPool, Side::Ec2) => Self::WarmedTerminatingProceed,
            (_, Side::Ec2) => Self::TerminatingProceed,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::PendingWait => "Pending:Wait",
            Self::PendingProceed => "Pending:Proceed",
            Self::InService => "InService",
            Self::Terminating => "Terminating",
            Self::TerminatingWait => "Terminating:Wait",
            Self::TerminatingProceed => "Terminating:Proceed",
            Self::EnteringStandby => "EnteringStandby",
            Self::Standby => "Standby",
            Self::Detaching => "Detaching",
            Self::WarmedPending => "Warmed:Pending",
            Self::WarmedPendingWait => "Warmed:Pending:Wait",
            Self::WarmedPendingProceed => "Warmed:Pending:Proceed",
            Self::WarmedStopped => "Warmed:Stopped",
            Self::WarmedRunning => "Warmed:Running",
            Self::WarmedHibernated => "Warmed:Hibernated",
            Self::WarmedTerminating => "Warmed:Terminating",
            Self::WarmedTerminatingWait => "Warmed:Terminating:Wait",
            Self::WarmedTerminatingProceed => "Warmed:Terminating:Proceed",
        }
    }
}

impl fmt::Display for LifecycleState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Health {
    Healthy,
    Unhealthy,
}

impl Health {
    pub fn name(self) -> &'static str {
        match self {
            Self::Healthy => "Healthy",
            Self::Unhealthy => "Unhealthy",
        }
    }
}

/// What a member was launched from, as it stood then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LaunchedFrom {
    Template {
        id: String,
        name: String,
        version: u64,
    },
    Configuration {
        name: String,
        created_at: Timestamp,
    },
    /// It was attached, and what it came from is not known.
    Elsewhere,
}

/// How busy a group's machines are: where their `CPUUtilization` comes from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Load {
    /// Nothing to do: [`IDLE_CPU_PERCENT`].
    Idle,
    /// Each instance shows this, in percent.
    Cpu(f64),
    /// Work worth this many percent of one machine, shared by the instances in service.
    Demand(f64),
    /// Requests per second to the whole group, of which its [`super::Workload`] makes CPU and latency.
    Requests(f64),
    /// They measure nothing: whoever drives the world puts their metrics itself.
    Silent,
}

/// What an instance without work shows. Ours: a freshly booted Ubuntu on a burstable type settles at one to three percent.
pub const IDLE_CPU_PERCENT: f64 = 2.0;

impl Load {
    /// The CPU utilization of one of `in_service` instances, in percent.
    pub fn cpu_percent(self, in_service: usize) -> f64 {
        let percent = match self {
            Self::Idle | Self::Requests(_) | Self::Silent => IDLE_CPU_PERCENT,
            Self::Cpu(percent) => percent,
            Self::Demand(percent) => percent / in_service.max(1) as f64,
        };
        percent.clamp(0.0, 100.0)
    }
}
