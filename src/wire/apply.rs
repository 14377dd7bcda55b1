//! Makes the difference, phase by phase, no faster than AWS allows. Start at [`apply`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;

use super::find::{IN_FLIGHT, find};
use super::pace::{Pacer, Pacing};
use super::plan::{Action, Change, Conflict, Plan, Verb, plan};
use crate::aws::{AlarmSelection, AwsError, Clients};
use crate::model::{Alerting, Stack};

/// How far an `apply` is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    pub done: usize,
    pub total: usize,
    /// At least so long to go; `None` when nothing holds the calls back.
    pub eta: Option<Duration>,
    /// The change that was made last.
    pub last: String,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.done, self.total)?;
        if let Some(eta) = self.eta.filter(|eta| eta.as_secs() > 0) {
            write!(f, ", {} s to go", eta.as_secs())?;
        }
        write!(f, ": {}", self.last)
    }
}

/// What an `apply` has done.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Applied {
    pub created: usize,
    pub adopted: usize,
    pub updated: usize,
    pub deleted: usize,
    /// Everyone who has been asked to confirm and has not.
    pub unconfirmed: Vec<Pending>,
}

/// A subscriber who has not confirmed: nothing reaches them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Pending {
    pub topic: String,
    pub email: String,
}

/// Why the alerting is not as wanted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    #[error("cannot read the alerting of stack `{stack}`")]
    Find {
        stack: String,
        #[source]
        source: AwsError,
    },
    #[error("{}", not_ours(.conflicts))]
    NotOurs { conflicts: Vec<Conflict> },
    #[error("the group `{group}` has no scaling policy {}", quoted(.policies))]
    MissingPolicies { group: String, policies: Vec<String> },
    #[error("cannot {verb} {resource}; {done} of {total} changes are made")]
    Change {
        verb: Verb,
        resource: String,
        done: usize,
        total: usize,
        #[source]
        source: AwsError,
    },
}

fn not_ours(conflicts: &[Conflict]) -> String {
    let listed: Vec<String> = conflicts.iter().map(Conflict::to_string).collect();
    format!("not ours to change: {}", listed.join("; "))
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

impl WireError {
    /// What to do about it, for a person.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotOurs { conflicts } if conflicts.iter().all(|conflict| conflict.stack.is_none()) => {
                Some("rename them, or let this stack take them over with --adopt")
            }
            Self::NotOurs { .. } => Some("give this stack another name"),
            Self::MissingPolicies { .. } => Some("terraform makes the policies; provision the stack first"),
            Self::Change { .. } => Some("a second run goes on from here"),
            Self::Find { .. } => None,
        }
    }
}

/// Applies a plan. Running it again after a failure plans and makes only what is missing.
///
/// # Errors
/// [`WireError::NotOurs`] and [`WireError::MissingPolicies`] before the first call, [`WireError::Change`] at the first
/// call that failed.
pub async fn apply(
    clients: &Clients,
    plan: &Plan,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Applied, WireError> {
    apply_paced(clients, plan, Pacing::for_endpoint(&clients.endpoint), progress).await
}

/// [`apply`], paced as told.
///
/// # Errors
/// As [`apply`].
pub async fn apply_paced(
    clients: &Clients,
    plan: &Plan,
    pacing: Pacing,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Applied, WireError> {
    if !plan.conflicts.is_empty() {
        return Err(WireError::NotOurs { conflicts: plan.conflicts.clone() });
    }
    if !plan.missing_policies.is_empty() {
        let (group, policies) = (plan.group.clone(), plan.missing_policies.clone());
        return Err(WireError::MissingPolicies { group, policies });
    }
    let total = plan.doing().count();
    let applied = Applied { unconfirmed: plan.unconfirmed.clone(), ..Applied::default() };
    let mut run = Run { clients, plan, pacer: Arc::new(Pacer::new(pacing)), applied, done: 0, total };
    for phase in 1..=LAST_PHASE {
        run.phase(phase, progress).await?;
    }
    run.applied.unconfirmed.sort();
    Ok(run.applied)
}

/// Removes everything of the stack's alerting that carries its tag. What is gone already is no trouble.
///
/// # Errors
/// [`WireError::Find`], or [`WireError::Change`] at the first call that failed.
pub async fn unwire(
    clients: &Clients,
    stack: &Stack,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Applied, WireError> {
    let bare = Stack { alerting: Alerting::default(), ..stack.clone() };
    let found = find(clients, &bare).await.map_err(|source| WireError::Find { stack: stack.name.clone(), source })?;
    apply(clients, &plan(&bare, &found), progress).await
}

const LAST_PHASE: u8 = 7;

struct Run<'a> {
    clients: &'a Clients,
    plan: &'a Plan,
    pacer: Arc<Pacer>,
    applied: Applied,
    done: usize,
    total: usize,
}

/// Changes that one call makes: one, or up to a hundred alarms that go.
type Batch = Vec<Change>;

impl Run<'_> {
    async fn phase(&mut self, phase: u8, progress: &mut (dyn FnMut(Progress) + Send)) -> Result<(), WireError> {
        let in_phase = |change: &&Change| change.action.as_ref().is_some_and(|action| action.phase() == phase);
        let mut waiting = batches(self.plan.doing().filter(in_phase).cloned()).into_iter();
        let mut running: JoinSet<(Batch, Result<Option<Pending>, AwsError>)> = JoinSet::new();
        let mut failed = None;
        loop {
            while failed.is_none()
                && running.len() < IN_FLIGHT
                && let Some(batch) = waiting.next()
            {
                let (clients, pacer) = (self.clients.clone(), Arc::clone(&self.pacer));
                let tags = self.plan.tags.clone();
                running.spawn(async move {
                    if let Some(action) = batch.first().and_then(|change| change.action.as_ref()) {
                        pacer.turn(action.operation()).await;
                    }
                    let result = perform(&clients, &tags, &batch).await;
                    (batch, result)
                });
            }
            // Calls on their way are waited for even after a failure, so that the count is true.
            match running.join_next().await {
                None => return failed.map_or(Ok(()), |(batch, source)| Err(self.failure(&batch, source))),
                Some(Ok((batch, Ok(pending)))) => {
                    self.applied.unconfirmed.extend(pending);
                    self.note(&batch, progress);
                }
                Some(Ok((batch, Err(source)))) => {
                    failed.get_or_insert((batch, source));
                }
                Some(Err(panicked)) => std::panic::resume_unwind(panicked.into_panic()),
            }
        }
    }

    fn failure(&self, batch: &Batch, source: AwsError) -> WireError {
        let (verb, resource) = batch.first().map_or((Verb::NoOp, String::new()), |c| (c.verb, c.resource.to_string()));
        WireError::Change { verb, resource, done: self.done, total: self.total, source }
    }

    fn note(&mut self, batch: &Batch, progress: &mut (dyn FnMut(Progress) + Send)) {
        for change in batch {
            self.done += 1;
            *match change.verb {
                Verb::Create => &mut self.applied.created,
                Verb::Adopt => &mut self.applied.adopted,
                Verb::Update | Verb::NoOp => &mut self.applied.updated,
                Verb::Delete => &mut self.applied.deleted,
            } += 1;
            let ahead = self.plan.doing().skip(self.done).filter_map(|change| change.action.as_ref());
            progress(Progress {
                done: self.done,
                total: self.total,
                eta: self.pacer.eta(ahead.map(Action::operation)),
                last: format!("{} {}", change.verb, change.resource),
            });
        }
    }
}

/// Alarms are deleted a hundred a call; everything else goes one by one.
fn batches(changes: impl Iterator<Item = Change>) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    let is_delete = |change: &Change| matches!(change.action, Some(Action::DeleteAlarm(_)));
    for change in changes {
        match batches.last_mut() {
            Some(batch) if batch.len() < AlarmSelection::NAMES && is_delete(&change) && is_delete(&batch[0]) => {
                batch.push(change);
            }
            _ => batches.push(vec![change]),
        }
    }
    batches
}

/// Makes one call. Returns the subscriber who must confirm, if there is one.
async fn perform(
    clients: &Clients,
    tags: &std::collections::BTreeMap<String, String>,
    batch: &Batch,
) -> Result<Option<Pending>, AwsError> {
    let Some(action) = batch.first().and_then(|change| change.action.as_ref()) else { return Ok(None) };
    let Clients { sns, cloudwatch, autoscaling, .. } = clients;
    match action {
        Action::CreateTopic { name } => sns.create_topic(name, tags).await.map(drop)?,
        Action::TagTopic(topic) => sns.tag_resource(topic, tags).await?,
        Action::SetTopicPolicy { topic, policy } => sns.set_topic_attributes(topic, "Policy", policy).await?,
        Action::Subscribe { topic, email } => {
            let confirmed = sns.subscribe(topic, "email", email).await?.is_some();
            let name = topic.as_str().rsplit(':').next().unwrap_or_default();
            return Ok((!confirmed).then(|| Pending { topic: name.to_string(), email: email.clone() }));
        }
        Action::PutNotifications { group, topic, types } => {
            autoscaling.put_notification_configuration(group, topic, types).await?;
        }
        Action::TagAlarm(alarm) => cloudwatch.tag_resource(alarm, tags).await?,
        Action::PutAlarm(alarm) => cloudwatch.put_metric_alarm(alarm, tags).await?,
        Action::DeleteAlarm(_) => {
            let names: Vec<_> = batch
                .iter()
                .filter_map(|change| match &change.action {
                    Some(Action::DeleteAlarm(name)) => Some(name.clone()),
                    _ => None,
                })
                .collect();
            cloudwatch.delete_alarms(&names).await?;
        }
        Action::DeleteNotifications { group, topic } => {
            gone_is_fine(autoscaling.delete_notification_configuration(group, topic).await)?;
        }
        Action::Unsubscribe(subscription) => gone_is_fine(sns.unsubscribe(subscription).await)?,
        Action::DeleteTopic(topic) => gone_is_fine(sns.delete_topic(topic).await)?,
    }
    Ok(None)
}

fn gone_is_fine(result: Result<(), AwsError>) -> Result<(), AwsError> {
    match result {
        Err(error) if error.is_not_found() => Ok(()),
        other => other,
    }
}
