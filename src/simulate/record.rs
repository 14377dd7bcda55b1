//! What a simulation shows while it runs: a sample of each minute and everything that happened. Start at [`Observer`].

use serde::Serialize;

use crate::clock::Timestamp;
use crate::engine::alarms::AlarmState;
use crate::engine::groups::policy::Reason;
use crate::engine::names::InstanceId;
use crate::engine::text::Text;

/// Whoever looks at a simulation while it runs. One that keeps nothing keeps the memory flat.
pub trait Observer {
    /// A minute is over.
    fn sample(&mut self, sample: &Sample) {
        let _ = sample;
    }

    fn event(&mut self, event: &Event) {
        let _ = event;
    }
}

/// Looks away.
impl Observer for () {}

/// How things stood when a minute was over.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample {
    /// When the minute began. The metrics of CloudWatch carry the same time.
    pub at: Timestamp,
    /// Requests per second, the mean of the minute; absent without a load.
    pub load: Option<f64>,
    /// What the machines in service showed on average, in percent, whether or not the datum arrives; a series put by
    /// hand where machines are silent. Absent without a machine or a datum.
    pub cpu: Option<f64>,
    /// Machines, or units of capacity where types have weights, like the two below.
    pub desired: u32,
    pub in_service: u32,
    /// Launching, not yet in service.
    pub pending: u32,
    /// The mean of the minute in milliseconds; absent without a load or without a machine that serves.
    pub latency_ms: Option<f64>,
    /// Machines that serve, in service and started up, or what they weigh.
    pub serving: u32,
    /// Those of them whose credits have run out, so that they are held to their baseline.
    pub held: u32,
    /// The lowest CPU credit balance of the machines in service; absent for machines without credits.
    pub lowest_credits: Option<f64>,
    /// Surplus credits so far that cost money, those of running machines counted as if they stopped now.
    pub charged_credits: f64,
}

/// Which machine a group of several types launched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct MachineKind {
    pub instance_type: String,
    /// The Spot price in percent of the On-Demand price; absent for On-Demand.
    pub spot_percent: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    pub at: Timestamp,
    pub what: Happening,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Happening {
    AlarmChanged {
        /// The alarm's key in the spec; its name at AWS for an alarm that the group made itself.
        alarm: String,
        from: AlarmState,
        to: AlarmState,
        /// In CloudWatch's words.
        reason: Text,
    },
    /// An alarm's action came to nothing: the topic or the policy is not there, or refuses.
    ActionFailed { alarm: String, action: String, error: String },
    DesiredChanged {
        from: u32,
        to: u32,
        /// The policy that asked, if one did.
        policy: Option<String>,
    },
    /// A policy was asked and changed nothing, for this reason. Told once until its answer is another one.
    PolicyDeclined { policy: String, because: Reason },
    /// A scaling activity began that launches a machine.
    Launch {
        instance: Option<InstanceId>,
        cause: String,
        /// In groups of several types.
        #[serde(skip_serializing_if = "Option::is_none")]
        machine: Option<MachineKind>,
    },
    /// It ended well.
    InService { instance: InstanceId },
    /// A scaling activity began that terminates a machine.
    Terminate { instance: Option<InstanceId>, cause: String },
    /// It ended well.
    Terminated { instance: InstanceId },
    /// A scaling activity began that prepares a machine in the warm pool: a new one, or one that leaves the group.
    Prepare { instance: Option<InstanceId>, returns: bool, cause: String, machine: Option<MachineKind> },
    /// It ended well, and the machine stands there running or stopped.
    Prepared { instance: InstanceId, running: bool },
    /// A scaling activity began that terminates a machine of the warm pool.
    Discard { instance: InstanceId, cause: String },
    /// A scaling activity failed or was cancelled.
    ActivityFailed { instance: Option<InstanceId>, status: String, message: String },
    /// A message was published to a topic.
    Notice {
        /// The topic's key in the spec, or the ARN of a topic that is not the stack's.
        topic: String,
        subject: Option<String>,
        /// How many addresses the spec has for it; zero means that nobody reads it.
        receivers: usize,
    },
}

/// Everything that was seen, in order.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Record {
    pub samples: Vec<Sample>,
    pub events: Vec<Event>,
}

impl Observer for Record {
    fn sample(&mut self, sample: &Sample) {
        self.samples.push(sample.clone());
    }

    fn event(&mut self, event: &Event) {
        self.events.push(event.clone());
    }
}

/// Two observers at once.
impl<A: Observer, B: Observer> Observer for (A, B) {
    fn sample(&mut self, sample: &Sample) {
        self.0.sample(sample);
        self.1.sample(sample);
    }

    fn event(&mut self, event: &Event) {
        self.0.event(event);
        self.1.event(event);
    }
}

impl<O: Observer + ?Sized> Observer for &mut O {
    fn sample(&mut self, sample: &Sample) {
        (**self).sample(sample);
    }

    fn event(&mut self, event: &Event) {
        (**self).event(event);
    }
}
