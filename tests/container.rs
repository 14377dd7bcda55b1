//! The sandbox's image: the harness that LocalStack passes, how the container behaves as a container, and the compose
//! example. `scripts/container-image` builds the image when something has changed; `./test` has it built beforehand. Where
//! none can be built, because no container engine answers, the tests are skipped and say so.

mod common;

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use common::container::{GATEWAY, image, start};
use common::course::{connect, harness};
use common::{Endpoint, Provider, eventually, skip};
use scaleproof::clock::{Clock, SystemClock};
use serde_json::{Value, json};
use testcontainers::ImageExt;
use testcontainers::core::{Mount, WaitFor};

/// What scripts/container-image exits with where no image can be made.
const IMPOSSIBLE: i32 = 3;
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn the_course_stack_passes_whole_on_the_sandbox_in_a_container() {
    const TEST: &str = "the_course_stack_passes_whole_on_the_sandbox_in_a_container";
    let (provider, name) = match (Provider::pinned(), sandbox_image()) {
        (Ok(provider), Ok(name)) => (provider, name),
        (Err(why), _) | (_, Err(why)) => return skip(TEST, why),
    };
    let ready = image(&name).with_wait_for(WaitFor::message_on_stdout("listening on"));
    let (container, url) = start(ready.with_cmd(["--clock", "60x"])).await;
    assert_eq!(harness(&Endpoint::new(name, url, container), &provider).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_container_needs_no_rights_ends_at_once_and_goes_on_from_its_volume() {
    const TEST: &str = "the_container_needs_no_rights_ends_at_once_and_goes_on_from_its_volume";
    let name = match sandbox_image() {
        Ok(name) => name,
        Err(why) => return skip(TEST, why),
    };
    let volume = Volume::new();
    let request = image(&name)
        .with_wait_for(WaitFor::healthcheck())
        .with_cmd(["--clock", "paused", "--state", "/state/aws"])
        .with_mount(Mount::volume_mount(&volume.0, "/state"))
        .with_readonly_rootfs(true)
        .with_cap_drop("ALL")
        .with_security_opt("no-new-privileges");
    let (container, url) = start(request).await;
    assert_eq!(docker(&["inspect", "--format", "{{.Config.User}}", container.id()]), "65532:65532");

    let said = String::from_utf8(container.stderr_to_vec().await.expect("the log is read")).expect("it is text");
    assert!(said.contains("whoever reaches 0.0.0.0 can call this sandbox"), "{said}");

    let endpoint = Endpoint::new(name, url, ());
    let sqs = connect(&endpoint).await.sqs;
    sqs.create_queue("kept", &Default::default(), &Default::default()).await.expect("the queue is made");
    let made = endpoint.get("/_scaleproof/health")["resources"].clone();
    assert_ne!(made, json!([]));

    let asked = SystemClock.now();
    container.stop_with_timeout(Some(20)).await.expect("the container is stopped");
    let took = SystemClock.now().since(asked);
    // An engine that lost patience would have killed it: 137.
    assert_eq!(container.exit_code().await.expect("it has ended"), Some(0));
    assert!(took < Duration::from_secs(5), "it took {took:?} to end");

    container.start().await.expect("the container is started again");
    let port = container.get_host_port_ipv4(GATEWAY).await.expect("the port is mapped");
    let again = Endpoint::new("again", format!("http://127.0.0.1:{port}"), ());
    healthy(container.id()).await;
    assert_eq!(again.get("/_scaleproof/health")["resources"], made);
    container.rm().await.expect("the container is removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_compose_example_becomes_healthy_and_leaves_nothing() {
    const TEST: &str = "the_compose_example_becomes_healthy_and_leaves_nothing";
    let compose = match sandbox_image().and_then(|_| Compose::find()) {
        Ok(compose) => compose,
        Err(why) => return skip(TEST, why),
    };
    compose.run(&["up", "--detach"]);
    healthy(&compose.run(&["ps", "--quiet", "sandbox"])).await;
    let address = compose.run(&["port", "sandbox", &GATEWAY.to_string()]);
    assert!(address.starts_with("127.0.0.1:"), "{address} is not of this machine alone");
    let endpoint = Endpoint::new("compose", format!("http://{address}"), ());
    assert_eq!(endpoint.get("/_scaleproof/health")["status"], "running");
    assert_eq!(endpoint.get("/_scaleproof/clock")["speed"], 60.0);

    compose.run(&["down", "--volumes"]);
    let ours = format!("label=com.docker.compose.project={}", compose.project);
    assert_eq!(docker(&["ps", "--all", "--quiet", "--filter", &ours]), "");
    assert_eq!(docker(&["volume", "ls", "--quiet", "--filter", &ours]), "");
}

/// The image's name, or why there can be none here. An image that can be made and is not is a failure.
fn sandbox_image() -> Result<String, String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/container-image");
    let built = Command::new(script).output().unwrap_or_else(|error| panic!("cannot run {script}: {error}"));
    let said = String::from_utf8_lossy(&built.stderr);
    match built.status.code() {
        Some(0) => Ok(text(&built.stdout)),
        Some(IMPOSSIBLE) => Err(said.trim().trim_start_matches("error: ").to_string()),
        code => panic!("{script}: exit {code:?}\n{said}"),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_string()
}

#[track_caller]
fn succeeded(what: &str, ended: std::io::Result<Output>) -> String {
    let output = ended.unwrap_or_else(|error| panic!("cannot run {what}: {error}"));
    assert!(output.status.success(), "{what}: {}", text(&output.stderr));
    text(&output.stdout)
}

#[track_caller]
fn docker(args: &[&str]) -> String {
    succeeded(&format!("docker {}", args.join(" ")), Command::new("docker").args(args).output())
}

/// Waits until the image's own health check has succeeded.
async fn healthy(container: &str) {
    let probe = async || {
        let state: Value = serde_json::from_str(&docker(&["inspect", "--format", "{{json .State}}", container]))
            .expect("the engine writes JSON");
        if state["Health"]["Status"] == "healthy" { Ok(()) } else { Err(state) }
    };
    eventually("the container is healthy", PATIENCE, probe).await;
}

/// A volume of this test's own, removed with it.
struct Volume(String);

impl Volume {
    fn new() -> Self {
        Self(docker(&["volume", "create"]))
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["volume", "rm", "--force", &self.0]).output();
    }
}

/// The example under a project name of this test's own, taken down with it.
struct Compose {
    command: Vec<&'static str>,
    project: String,
}

impl Compose {
    /// Docker's plugin, or the program that was before it.
    fn find() -> Result<Self, String> {
        let answers = |command: &Vec<&str>| {
            let version = Command::new(command[0]).args(&command[1..]).arg("version").output();
            version.is_ok_and(|output| output.status.success())
        };
        let command = [vec!["docker", "compose"], vec!["docker-compose"]].into_iter().find(answers);
        let project = format!("scaleproof-test-{}", std::process::id());
        Ok(Self { command: command.ok_or("neither `docker compose` nor `docker-compose` is installed")?, project })
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.command[0]);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/compose");
        // Whatever port is free.
        command
            .args(&self.command[1..])
            .args(["-p", &self.project])
            .args(args)
            .current_dir(folder)
            .env("SANDBOX_PORT", "0");
        command
    }

    #[track_caller]
    fn run(&self, args: &[&str]) -> String {
        succeeded(&format!("{} {}", self.command.join(" "), args.join(" ")), self.command(args).output())
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        let _ = self.command(&["down", "--volumes"]).output();
    }
}
