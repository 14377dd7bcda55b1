//! What an instance prints while it boots.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::error::required;
use super::instance::instance;
use super::register::operation;
use crate::engine::Refusal;
use crate::sandbox::models::ec2::{GetConsoleOutputInput, GetConsoleOutputOutput};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// The first line of a Linux kernel, and who really speaks: no machine boots here.
const OUTPUT: &str = "Linux version 6.8.0 (scaleproof sandbox)\n";

fn output(region: &mut Region, _: &Call, input: GetConsoleOutputInput) -> Result<GetConsoleOutputOutput, Refusal> {
    let id = required(input.instance_id, "instanceId")?;
    let kept = instance(region, &id)?;
    Ok(GetConsoleOutputOutput {
        timestamp: Some(kept.state_changed_at),
        output: Some(BASE64_STANDARD.encode(OUTPUT)),
        instance_id: Some(id),
    })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, output, GetConsoleOutputInput "GetConsoleOutput":
        "Shows the same first line for every instance.",
        takes InstanceId Latest
    );
}
