//! A region to try handlers in.

use crate::clock::Timestamp;
use crate::engine::groups::Timing;
use crate::engine::names::Place;
use crate::sandbox::operations::Call;
use crate::sandbox::region::Region;

/// Where machines take no time.
pub fn region() -> Region {
    Region::new(Place::new("eu-west-1", "123456789012"), 1, Timing::Instant)
}

pub fn call() -> Call {
    Call::new(Timestamp::from_secs(1_000), "request".into(), "http://127.0.0.1:1".into())
}
