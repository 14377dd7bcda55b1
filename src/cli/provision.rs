//! `provision`: render, plan, apply the saved plan, wire, and say who has not confirmed yet.

use clap::Args;
use serde::Serialize;

use super::confirm::confirm;
use super::interrupt::watch_signals;
use super::plan::digest;
use super::stages::{StackArgs, Stages};
use super::{Exit, Failure};
use crate::aws::Clients;
use crate::model::KeyPair;
use crate::terraform;
use crate::wire::Applied;

/// Make the stack: terraform first, then the alerting
#[derive(Debug, Args)]
pub struct Provision {
    #[command(flatten)]
    stack: StackArgs,
    /// Apply without asking
    #[arg(long)]
    yes: bool,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

/// What a run has made.
#[derive(Debug, Serialize)]
pub struct Provisioned {
    pub stack: String,
    pub infrastructure: terraform::Plan,
    pub alerting: Applied,
}

/// Runs the command.
///
/// # Errors
/// What a stage says; a second run goes on from there.
pub async fn run(args: &Provision) -> Result<Exit, Failure> {
    let mut stages = Stages::open(&args.stack, None, watch_signals())?;
    let clients = stages.clients().await?;
    let infrastructure = stages.plan(false).await?;
    let alerting = stages.plan_wire(&clients).await?;
    stages.progress.finish();
    let nothing = infrastructure.is_empty() && alerting.is_empty();
    if !infrastructure.is_empty() {
        let checked = key_pair_is_there(&stages, &clients).await;
        checked.inspect_err(|_| stages.forget_plan())?;
    }
    if !nothing {
        anstream::eprint!("{}", digest(&infrastructure, &alerting));
        if let Err(refused) = confirm(args.yes, &clients.endpoint, "make these changes", &mut stages.interrupt).await {
            stages.forget_plan();
            return Err(refused);
        }
    }
    let done = apply(&mut stages, &clients, infrastructure).await?;
    stages.progress.finish();
    if args.json {
        let json = serde_json::to_string_pretty(&done).map_err(|error| Failure::new(Exit::Bug, error))?;
        anstream::println!("{json}");
    } else {
        anstream::print!("{}", summary(&done));
    }
    Ok(Exit::Done)
}

/// AWS refuses a group whose key pair does not exist, but only after terraform has made everything before it.
///
/// # Errors
/// Exit 2 if the account has no such pair. A caller who may not ask, or an endpoint that does not know, goes on.
async fn key_pair_is_there(stages: &Stages, clients: &Clients) -> Result<(), Failure> {
    let stack = &stages.loaded.stack;
    let Some(KeyPair::Existing(name)) = &stack.launch.key_pair else { return Ok(()) };
    match clients.ec2.has_key_pair(name).await {
        Ok(false) => {
            let region = &stack.region;
            let create = format!(
                "aws ec2 create-key-pair --region {region} --key-name {name} --query KeyMaterial --output text > {name}.pem"
            );
            let hint = "name one that does under launch.key_pair, or bring your own with public_key_file; to make this one, run:";
            let text = format!("the key pair `{name}` does not exist in {region}");
            Err(Failure::new(Exit::Usage, text).hint(hint).run(create))
        }
        Ok(true) | Err(_) => Ok(()),
    }
}

/// Applies the plan that was just saved, then wires.
///
/// # Errors
/// What terraform or AWS says.
pub async fn apply(
    stages: &mut Stages,
    clients: &Clients,
    infrastructure: terraform::Plan,
) -> Result<Provisioned, Failure> {
    if infrastructure.is_empty() {
        stages.forget_plan();
    } else {
        stages.apply().await?;
    }
    // The policies' ARNs are known only now.
    let alerting = stages.plan_wire(clients).await?;
    let alerting = stages.wire(clients, &alerting).await?;
    Ok(Provisioned { stack: stages.loaded.stack.name.clone(), infrastructure, alerting })
}

/// One line for each half, then one for each subscriber whom nothing reaches yet.
pub fn summary(done: &Provisioned) -> String {
    let Applied { created, updated, deleted, adopted, .. } = &done.alerting;
    let mut text = format!(
        "provisioned `{}`: infrastructure {}; alerting {created} created, {updated} changed, {adopted} adopted, {deleted} \
         removed (alarms, topics, their policies and subscriptions, group events)\n",
        done.stack,
        done.infrastructure.done_summary(),
    );
    for pending in &done.alerting.unconfirmed {
        text.push_str(&format!(
            "not confirmed yet: {} on {}; until then nothing reaches them\n",
            pending.email, pending.topic
        ));
    }
    text
}
