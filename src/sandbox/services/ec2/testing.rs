//! A region to try handlers in.

use crate::clock::Timestamp;
use crate::engine::groups::{Launch, Timing};
use crate::engine::names::{InstanceId, Place, Zone};
use crate::sandbox::operations::Call;
use crate::sandbox::region::Region;

/// Where machines take no time.
pub fn region() -> Region {
    Region::new(Place::new("eu-west-1", "123456789012"), 1, Timing::Instant)
}

pub fn call() -> Call {
    Call::new(Timestamp::from_secs(1_000), "request".into(), "http://127.0.0.1:1".into())
}

/// Launches one instance of a public image into the default subnet of the first zone.
pub fn launched(region: &mut Region, arguments: serde_json::Value) -> InstanceId {
    let zone = Zone("eu-west-1a".into());
    let placement = region.ec2.default_subnet(&zone).and_then(|id| region.ec2.placement(&id)).unwrap();
    let mut data = serde_json::json!({"ImageId": "ami-12c6146b"});
    data.as_object_mut().unwrap().extend(arguments.as_object().unwrap().clone());
    let launch = Launch { data, placement, private_ip: None, min_count: 1, max_count: 1, client_token: None };
    let now = call().now;
    region.world.with_groups(now, |groups| groups.run_instances(now, &launch)).unwrap().remove(0)
}

/// Terminates an instance, and lets everything follow that follows from it.
pub fn terminate(region: &mut Region, id: &InstanceId) {
    let now = call().now;
    region.world.with_groups(now, |groups| groups.terminate_instances(now, std::slice::from_ref(id))).unwrap();
    region.advance(now);
}
