//! Real calls to the sandbox's services, in process, on a clock that the adapter holds.

use std::time::Duration;

use scaleproof::clock::Timestamp;
use scaleproof::engine::groups::Timing;
use scaleproof::engine::{Refusal, World};
use scaleproof::sandbox::region::Region;
use scaleproof::sandbox::universe::Universe;
use serde_json::Value;

/// The account and the region of every case that names none.
pub const ACCOUNT: &str = "123456789012";
pub const REGION: &str = "us-east-1";

/// One account in one region, empty at first, whose instances come up at once.
pub struct Api {
    pub now: Timestamp,
    region: String,
    universe: Universe,
}

impl Api {
    /// A whole minute, so that alarms are evaluated as soon as time moves.
    pub const START: Timestamp = Timestamp::from_secs(1_800_000_000);

    pub fn new() -> Self {
        Self::at(Self::START, REGION)
    }

    pub fn at(now: Timestamp, region: &str) -> Self {
        Self { now, region: region.into(), universe: Universe::new(ACCOUNT, 1, Timing::Instant) }
    }

    /// Calls `operation` of `service` (`autoscaling`, `cloudwatch`, `ec2`, `sns`, `sqs`, `sts`) with the members of its
    /// input; the code of a refusal is the Query protocol's.
    pub fn call(&mut self, service: &str, operation: &str, input: Value) -> Result<Value, Refusal> {
        self.universe.call(self.now, &self.region, service, operation, input)
    }

    /// Lets time pass; everything due in that span happens.
    pub fn advance(&mut self, span: Duration) {
        self.now = self.now + span;
        self.universe.advance(self.now);
    }

    pub fn region(&mut self) -> &mut Region {
        self.universe.region(ACCOUNT, &self.region)
    }

    pub fn world(&mut self) -> &mut World {
        &mut self.region().world
    }

    pub fn universe(&mut self) -> &mut Universe {
        &mut self.universe
    }
}
