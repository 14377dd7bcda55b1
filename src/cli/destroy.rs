//! `destroy`: the alerting first, so that nothing alarms about the end, then the infrastructure; then what remains.

use clap::Args;

use super::confirm::confirm;
use super::interrupt::watch_signals;
use super::stages::{StackArgs, Stages};
use super::{Exit, Failure};
use crate::aws::Clients;

/// Remove the stack: the alerting first, then what terraform made
#[derive(Debug, Args)]
pub struct Destroy {
    #[command(flatten)]
    stack: StackArgs,
    /// Destroy without asking
    #[arg(long)]
    yes: bool,
}

/// Runs the command.
///
/// # Errors
/// What a stage says; a second run goes on from there.
pub async fn run(args: &Destroy) -> Result<Exit, Failure> {
    let mut stages = Stages::open(&args.stack, None, watch_signals())?;
    let clients = stages.clients().await?;
    let plan = stages.plan(true).await?;
    stages.progress.finish();
    let name = stages.loaded.stack.name.clone();
    let what = format!("destroy the stack `{name}` (infrastructure {}, and all of its alerting)", plan.summary());
    if let Err(refused) = confirm(args.yes, &clients.endpoint, &what, &mut stages.interrupt).await {
        stages.forget_plan();
        return Err(refused);
    }
    let removed = destroy(&mut stages, &clients, plan.is_empty()).await?;
    stages.progress.finish();
    anstream::println!(
        "destroyed `{name}`: infrastructure {}; alerting {removed} removed (a topic takes its policy and subscriptions along)",
        plan.done_summary()
    );
    Ok(Exit::Done)
}

/// Removes the alerting, then applies the saved destroy plan. Returns how much alerting went.
///
/// # Errors
/// What AWS or terraform says.
pub async fn destroy(stages: &mut Stages, clients: &Clients, nothing_made: bool) -> Result<usize, Failure> {
    let removed = stages.unwire(clients).await?;
    if nothing_made {
        stages.forget_plan();
    } else {
        stages.apply().await?;
    }
    Ok(removed.deleted)
}
