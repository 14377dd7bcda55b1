//! Message move tasks: what brings the letters of a dead-letter queue back to where they came from, or elsewhere.
//!
//! A task with a rate moves its first message at once and each further one as the rate lets it; one without a rate, for
//! which AWS finds a rate, moves all of them at once. What it moves are new messages, as on AWS: with an id and a time
//! of their own. Start at [`MoveTask`].

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Sqs, invalid_value};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::sandbox::models::sqs as model;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// Of AWS: messages that a task moves in a second at most.
const MAX_RATE: i64 = 500;
/// Of AWS: tasks of a queue that are told of at most, and without being asked for more.
const MAX_TASKS: i64 = 10;
const TASKS_UNASKED: i64 = 1;

/// One task of a dead-letter queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct MoveTask {
    id: String,
    source_arn: String,
    /// If unset, each message goes back to the queue whose receivers failed with it.
    destination_arn: Option<String>,
    per_second: Option<u32>,
    started: Timestamp,
    to_move: u64,
    moved: u64,
    status: Status,
    failure: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Status {
    Running,
    Completed,
    Cancelled,
    Failed,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELLED",
            Self::Failed => "FAILED",
        }
    }
}

impl MoveTask {
    /// When its next message is due.
    fn due(&self) -> Timestamp {
        let rate = self.per_second.filter(|rate| *rate > 0);
        rate.map_or(self.started, |rate| self.started + Duration::from_secs(self.moved) / rate)
    }

    /// What names it to its caller: AWS's handles are JSON in Base64.
    fn handle(&self) -> String {
        STANDARD.encode(json!({"taskId": self.id, "sourceArn": self.source_arn}).to_string())
    }

    fn shown(&self) -> model::ListMessageMoveTasksResultEntry {
        model::ListMessageMoveTasksResultEntry {
            task_handle: (self.status == Status::Running).then(|| self.handle()),
            status: Some(self.status.as_str().into()),
            source_arn: Some(self.source_arn.clone()),
            destination_arn: self.destination_arn.clone(),
            max_number_of_messages_per_second: self.per_second.map(i64::from),
            approximate_number_of_messages_moved: Some(self.moved.cast_signed()),
            approximate_number_of_messages_to_move: Some(self.to_move.cast_signed()),
            failure_reason: self.failure.clone(),
            started_timestamp: Some(self.started.as_millis()),
        }
    }
}

impl Sqs {
    /// Lets move tasks do what is due by `now`.
    pub fn advance(&mut self, now: Timestamp) {
        let mut tasks = std::mem::take(&mut self.moves);
        for task in &mut tasks {
            while task.status == Status::Running && task.due() <= now {
                self.move_next(task);
            }
        }
        self.moves = tasks;
    }

    fn move_next(&mut self, task: &mut MoveTask) {
        let at = task.due();
        let source = name_of(&task.source_arn).to_string();
        let next = self.queues.get_mut(&source).and_then(|queue| queue.first_visible(at));
        let Some((number, origin)) = next.filter(|_| task.moved < task.to_move) else {
            task.status = Status::Completed;
            return;
        };
        let failed = |task: &mut MoveTask, reason: &str| {
            task.status = Status::Failed;
            task.failure = Some(reason.into());
        };
        let Some(destination) = task.destination_arn.clone().or(origin) else {
            return failed(task, "CouldNotDetermineMessageSource");
        };
        let destination = name_of(&destination).to_string();
        if !self.queues.contains_key(&destination) {
            return failed(task, "AWS.SimpleQueueService.NonExistentQueue");
        }
        let letter = self.queues.get_mut(&source).and_then(|queue| queue.take(number));
        if let Some(letter) = letter {
            // AWS drops what the destination does not take.
            let _ = self.send(at, &destination, letter);
        }
        task.moved += 1;
        if task.moved == task.to_move {
            task.status = Status::Completed;
        }
    }

    fn exists(&self, arn: &str) -> bool {
        self.queues.get(name_of(arn)).is_some_and(|queue| queue.arn == arn)
    }
}

fn name_of(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or_default()
}

pub(super) fn register(operations: &mut Operations) {
    operations.on(
        "StartMessageMoveTask",
        "Moves the messages of a dead-letter queue back to their queues, or to another one",
        &["SourceArn", "DestinationArn", "MaxNumberOfMessagesPerSecond"],
        start_message_move_task,
    );
    operations.on(
        "ListMessageMoveTasks",
        "Lists the last ten move tasks of a dead-letter queue, newest first",
        &["SourceArn", "MaxResults"],
        list_message_move_tasks,
    );
    operations.on(
        "CancelMessageMoveTask",
        "Stops a move task; what it moved stays moved",
        &["TaskHandle"],
        cancel_message_move_task,
    );
}

/// 404 `ResourceNotFoundException`, in AWS's words.
fn not_found(text: impl Into<String>) -> Refusal {
    Refusal::new("ResourceNotFoundException", 404, text)
}

fn no_queue(parameter: &str) -> Refusal {
    not_found(format!("The resource that you specified for the {parameter} parameter doesn't exist."))
}

fn invalid(text: &str) -> Refusal {
    Refusal::new("InvalidParameterValue", 400, text)
}

fn start_message_move_task(
    region: &mut Region,
    call: &Call,
    input: model::StartMessageMoveTaskInput,
) -> Result<model::StartMessageMoveTaskOutput, Refusal> {
    let sqs = &mut region.sqs;
    let source_arn = input.source_arn.unwrap_or_default();
    check_start(sqs, &source_arn, input.destination_arn.as_deref())?;
    let task = MoveTask {
        id: sqs.ids.uuid(),
        to_move: sqs.queues.get(name_of(&source_arn)).map_or(0, |queue| queue.counts(call.now).0 as u64),
        source_arn,
        destination_arn: input.destination_arn,
        per_second: input.max_number_of_messages_per_second.map(rate).transpose()?,
        started: call.now,
        moved: 0,
        status: Status::Running,
        failure: None,
    };
    let task_handle = Some(task.handle());
    sqs.moves.push(task);
    sqs.advance(call.now);
    Ok(model::StartMessageMoveTaskOutput { task_handle })
}

/// # Errors
/// Queues that are not there, a source that is no dead-letter queue, or one from which a task moves messages already.
fn check_start(sqs: &Sqs, source: &str, destination: Option<&str>) -> Result<(), Refusal> {
    if !sqs.exists(source) {
        return Err(no_queue("SourceArn"));
    }
    if !sqs.queues.values().any(|queue| queue.redrive().is_some_and(|(target, _)| target == source)) {
        return Err(invalid("Source queue must be configured as a Dead Letter Queue."));
    }
    if destination.is_some_and(|arn| !sqs.exists(arn)) {
        return Err(no_queue("DestinationArn"));
    }
    if destination == Some(source) {
        return Err(invalid("Source queue arn and destination queue arn can't be the same."));
    }
    if sqs.moves.iter().any(|task| task.source_arn == source && task.status == Status::Running) {
        let text = "There is already a task running. Only one active task is allowed for a source queue arn at a given \
                    time.";
        return Err(invalid(text));
    }
    Ok(())
}

fn rate(asked: i64) -> Result<u32, Refusal> {
    u32::try_from(asked).ok().filter(|rate| (1..=MAX_RATE).contains(&i64::from(*rate))).ok_or_else(|| {
        let reason = format!("Must be between 1 and {MAX_RATE}, if provided.");
        invalid_value(asked, "MaxNumberOfMessagesPerSecond", &reason)
    })
}

fn list_message_move_tasks(
    region: &mut Region,
    _: &Call,
    input: model::ListMessageMoveTasksInput,
) -> Result<model::ListMessageMoveTasksOutput, Refusal> {
    let source = input.source_arn.unwrap_or_default();
    if !region.sqs.exists(&source) {
        return Err(no_queue("SourceArn"));
    }
    let most = input.max_results.unwrap_or(TASKS_UNASKED);
    if !(1..=MAX_TASKS).contains(&most) {
        return Err(invalid_value(most, "MaxResults", &format!("Must be between 1 and {MAX_TASKS}, if provided.")));
    }
    let of_source = region.sqs.moves.iter().rev().filter(|task| task.source_arn == source);
    let results = of_source.take(usize::try_from(most).unwrap_or_default()).map(MoveTask::shown).collect();
    Ok(model::ListMessageMoveTasksOutput { results: Some(results) })
}

fn cancel_message_move_task(
    region: &mut Region,
    _: &Call,
    input: model::CancelMessageMoveTaskInput,
) -> Result<model::CancelMessageMoveTaskOutput, Refusal> {
    let handle = parsed(&input.task_handle.unwrap_or_default());
    let (id, source) = handle.ok_or_else(|| invalid("Value for parameter TaskHandle is invalid."))?;
    if !region.sqs.exists(&source) {
        return Err(no_queue("SourceArn"));
    }
    let named = |task: &&mut MoveTask| task.id == id && task.source_arn == source;
    let task = region.sqs.moves.iter_mut().find(named).ok_or_else(|| not_found("Task does not exist."))?;
    if task.status != Status::Running {
        return Err(invalid("Only active tasks can be cancelled."));
    }
    task.status = Status::Cancelled;
    let moved = task.moved.cast_signed();
    Ok(model::CancelMessageMoveTaskOutput { approximate_number_of_messages_moved: Some(moved) })
}

/// The task's id and its source, of a handle.
fn parsed(handle: &str) -> Option<(String, String)> {
    let handle: Value = serde_json::from_slice(&STANDARD.decode(handle).ok()?).ok()?;
    Some((handle["taskId"].as_str()?.to_string(), handle["sourceArn"].as_str()?.to_string()))
}
