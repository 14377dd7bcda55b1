//! One run: undo what an earlier one left, drill by drill observe and judge, undo. Start at [`verify_stack`].

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::drill::{self, Scene};
use super::evidence::{Direction, Evidence};
use super::inbox::Inbox;
use super::journal::{Entry, Journal, UndoError, undo};
use super::judge::judge;
use super::limits::Limits;
use super::preflight;
use super::report::{Drill, DrillReport, Report, Verdict};
use super::wait::{Stop, Wait, poll_every};
use crate::aws::names::{Place, TopicArn};
use crate::aws::{AwsError, Clients};
use crate::clock::Clock;
use crate::model::Stack;
use crate::terraform::Interrupt;

/// What to prove, and within which bounds.
#[derive(Debug, Clone)]
pub struct Options {
    /// In this order.
    pub drills: Vec<Drill>,
    pub limits: Limits,
    /// The longest that one drill may take, on the endpoint's clock.
    pub timeout: Duration,
    /// No drill lets the group grow beyond this.
    pub max_instances: Option<u32>,
    /// How often to look; otherwise as fits the endpoint.
    pub poll: Option<Duration>,
    /// Where the journal lies: `.scaleproof/NAME` beside the spec.
    pub state_dir: PathBuf,
}

impl Options {
    /// An hour covers a launch, two cooldowns of five minutes and a restoration, each at its limit.
    pub const TIMEOUT: Duration = Duration::from_secs(3600);

    pub fn new(state_dir: impl Into<PathBuf>) -> Self {
        Self {
            drills: Drill::ALL.to_vec(),
            limits: Limits::default(),
            timeout: Self::TIMEOUT,
            max_instances: None,
            poll: None,
            state_dir: state_dir.into(),
        }
    }
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    #[error("cannot verify the stack `{stack}`")]
    Aws {
        stack: String,
        #[source]
        source: AwsError,
    },
    #[error("interrupted; what the drills had changed is undone")]
    Interrupted,
    #[error("another verify of this stack is running")]
    Busy,
    #[error("cannot use the journal in `{}`", dir.display())]
    Journal {
        dir: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot leave the stack `{stack}` as it was; the next verify tries again")]
    Undo {
        stack: String,
        #[source]
        source: UndoError,
    },
}

/// Runs the drills and reports. Whatever happens, what they changed is undone, or stays in the journal for the next run.
///
/// # Errors
/// [`VerifyError`]; a drill that is not met, or cannot be decided, is no error but a verdict.
pub async fn verify_stack(
    clients: &Clients,
    stack: &Stack,
    options: &Options,
    interrupt: Interrupt,
    progress: &mut (dyn FnMut(&str) + Send),
) -> Result<Report, VerifyError> {
    let aws = |source| VerifyError::Aws { stack: stack.name.clone(), source };
    let unwound = |source| VerifyError::Undo { stack: stack.name.clone(), source };
    let identity = clients.sts.get_caller_identity().await.map_err(aws)?;
    let place = Place {
        partition: identity.partition().to_string(),
        region: stack.region.clone(),
        account: identity.account.clone(),
    };
    let mut journal = open_journal(clients, &identity.account, options)?;
    let undone = undo(clients, &mut journal).await.map_err(unwound)?;
    let drilled = drill_all(clients, stack, options, place, &mut journal, interrupt, progress).await;
    progress("removing what the drills have made");
    undo(clients, &mut journal).await.map_err(unwound)?;
    let drills = drilled.map_err(|stop| match stop {
        Stop::Aws(source) => aws(source),
        Stop::Interrupted => VerifyError::Interrupted,
        Stop::Journal(source) => VerifyError::Journal { dir: options.state_dir.clone(), source },
    })?;
    Ok(Report {
        scaleproof: env!("CARGO_PKG_VERSION"),
        stack: stack.name.clone(),
        group: stack.group.name.clone(),
        endpoint: clients.endpoint.to_string(),
        account: identity.account,
        verdict: Verdict::all(drills.iter().map(|drill| drill.verdict)),
        drills,
        undone: undone.iter().map(Entry::to_string).collect(),
    })
}

/// Each account at each endpoint has its own: what was left on one cannot be undone on another.
fn open_journal(clients: &Clients, account: &str, options: &Options) -> Result<Journal, VerifyError> {
    let url = clients.endpoint.url.as_deref().unwrap_or("aws");
    let world = format!("{account}-{}-{url}", clients.endpoint.region);
    Journal::open(&options.state_dir, &world).map_err(|source| match source.kind() {
        io::ErrorKind::WouldBlock => VerifyError::Busy,
        _ => VerifyError::Journal { dir: options.state_dir.clone(), source },
    })
}

async fn drill_all(
    clients: &Clients,
    stack: &Stack,
    options: &Options,
    place: Place,
    journal: &mut Journal,
    interrupt: Interrupt,
    progress: &mut (dyn FnMut(&str) + Send),
) -> Result<Vec<DrillReport>, Stop> {
    let poll = options.poll.unwrap_or_else(|| poll_every(&clients.endpoint));
    let wait = Wait { clock: &clients.clock, poll, interrupt };
    let end = clients.clock.now();
    let mut scene = Scene { clients, stack, place, options, wait, inbox: None, journal, progress, end };
    let mut reports = Vec::new();
    for drill in &options.drills {
        scene.wait.check_interrupt()?;
        (scene.progress)(&format!("drill {drill}"));
        scene.end = clients.clock.now() + options.timeout;
        let evidence = observe(&mut scene, *drill).await?;
        reports.push(judge(stack, &options.limits, &evidence));
    }
    Ok(reports)
}

async fn observe(scene: &mut Scene<'_>, drill: Drill) -> Result<Evidence, Stop> {
    let direction = match drill {
        Drill::Preflight => return Ok(Evidence::Preflight(Box::new(preflight::observe(scene).await?))),
        Drill::ScaleOut => Direction::Out,
        Drill::ScaleIn => Direction::In,
    };
    if scene.inbox.is_none() && !scene.stack.alerting.topics.is_empty() {
        let topics = scene.stack.alerting.topics.iter();
        let topics: Vec<TopicArn> = topics.map(|topic| TopicArn(scene.place.arn("sns", &topic.name))).collect();
        let inbox = Inbox::open(scene.clients, &scene.place, &scene.stack.name, &topics, scene.journal).await?;
        scene.inbox = Some(inbox);
    }
    Ok(Evidence::Scaling(drill::observe(scene, direction).await?))
}
