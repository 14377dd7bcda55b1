//! One harness, several endpoints: the real LocalStack in a container, the sandbox, and (in `container.rs`) the sandbox in a
//! container. The course stack is rendered, applied by real terraform and wired; then its alarms are forced and the notices
//! received in a queue.
//!
//! LocalStack without a licence has no Auto Scaling: what needs it is reported as left out there, and must pass on the
//! sandbox. Where no container engine or no image is, the LocalStack test is skipped and says so; `scripts/localstack-image`
//! builds the image, and `SCALEPROOF_LOCALSTACK_IMAGE` names another one.

mod common;

use std::process::Command;

use common::container::{image, start};
use common::course::{AUTO_SCALING_STEPS, harness};
use common::{Endpoint, Provider, skip};
use testcontainers::core::WaitFor;

#[tokio::test(flavor = "multi_thread")]
async fn the_course_stack_passes_whole_on_the_sandbox() {
    const TEST: &str = "the_course_stack_passes_whole_on_the_sandbox";
    match Provider::pinned() {
        Ok(provider) => assert_eq!(harness(&Endpoint::sandbox(), &provider).await, [""; 0]),
        Err(why) => skip(TEST, why),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_course_stack_passes_on_localstack_but_for_auto_scaling() {
    const TEST: &str = "the_course_stack_passes_on_localstack_but_for_auto_scaling";
    let (provider, image) = match (Provider::pinned(), localstack_image()) {
        (Ok(provider), Ok(image)) => (provider, image),
        (Err(why), _) | (_, Err(why)) => return skip(TEST, why),
    };
    eprintln!("LocalStack from the image {image}");
    let left_out = harness(&localstack(&image).await, &provider).await;
    // A LocalStack with a licence serves it all.
    assert!(left_out.is_empty() || left_out == AUTO_SCALING_STEPS, "left out: {left_out:?}");
}

/// The image that is on this machine, as `scripts/localstack-image --find` names it.
fn localstack_image() -> Result<String, String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/localstack-image");
    let found = Command::new(script).arg("--find").output().map_err(|error| format!("{script}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_string();
    match (found.status.success(), text(&found.stderr)) {
        (true, _) => Ok(text(&found.stdout)),
        (false, said) if said.is_empty() => Err("no LocalStack image; run scripts/localstack-image".into()),
        (false, said) => Err(said.trim_start_matches("error: ").lines().next().unwrap_or_default().to_string()),
    }
}

async fn localstack(name: &str) -> Endpoint {
    let ready = image(name).with_wait_for(WaitFor::message_on_stdout("Ready."));
    let (container, url) = start(ready.into()).await;
    Endpoint::new(name, url, container)
}
