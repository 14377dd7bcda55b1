//! From what was seen to a verdict. Pure: the same evidence gives the same report. Start at [`judge`].

use std::time::Duration;

use super::evidence::{Direction, Evidence, Ran, Received, ScalingEvidence, Seen};
use super::limits::Limits;
use super::preflight::judge_preflight;
use super::report::{DrillReport, Step, Verdict};
use crate::aws::Activity;
use crate::clock::Timestamp;
use crate::model::Stack;

/// Holds the evidence of one drill against the stack and the limits.
pub fn judge(stack: &Stack, limits: &Limits, evidence: &Evidence) -> DrillReport {
    match evidence {
        Evidence::Preflight(seen) => judge_preflight(stack, seen),
        Evidence::Scaling(ScalingEvidence::Blocked { direction, verdict, because }) => DrillReport {
            drill: direction.drill(),
            verdict: *verdict,
            summary: format!("It could not begin: {because}."),
            breach: None,
            steps: Vec::new(),
        },
        Evidence::Scaling(ScalingEvidence::Ran(ran)) => judge_ran(limits, ran),
    }
}

fn judge_ran(limits: &Limits, ran: &Ran) -> DrillReport {
    let breach = ran.breach.yes().copied();
    let mut steps = vec![breach_step(ran)];
    if breach.is_some() {
        let timeline = Timeline { breach };
        steps.push(timeline.action(limits, ran));
        steps.extend(
            ran.alarm_notices.iter().map(|(topic, notice)| {
                timeline.notice(format!("alarm notice on {topic}"), notice, breach, limits.notice)
            }),
        );
        steps.push(timeline.activity(limits, ran));
        steps.push(timeline.finished(limits, ran));
        let ended = ran.finished.yes().and_then(|activities| activities.last()).and_then(|last| last.end_time);
        let kind = if ran.direction == Direction::Out { "launch" } else { "termination" };
        steps.extend(
            ran.group_notices.iter().map(|(topic, notice)| {
                timeline.notice(format!("{kind} notice on {topic}"), notice, ended, limits.notice)
            }),
        );
        // The timeline is read from top to bottom; what never came stands where it was due.
        let mut at = breach;
        let keyed: Vec<Option<Timestamp>> = steps
            .iter()
            .map(|step| {
                at = step.at.or(at);
                at
            })
            .collect();
        let mut order: Vec<usize> = (0..steps.len()).collect();
        order.sort_by_key(|index| keyed[*index]);
        steps = order.into_iter().map(|index| steps[index].clone()).collect();
    }
    steps.push(Timeline { breach }.restored(limits, ran));
    let verdict = Verdict::all(steps.iter().map(|step| step.verdict));
    DrillReport { drill: ran.direction.drill(), verdict, summary: summary(ran, verdict, &steps), breach, steps }
}

fn summary(ran: &Ran, verdict: Verdict, steps: &[Step]) -> String {
    let Ran { alarm, policy, .. } = ran;
    let first = steps.iter().find(|step| step.verdict == verdict);
    match (verdict, first) {
        (Verdict::Met, _) => {
            let end = steps.iter().filter_map(|step| step.offset).max().unwrap_or_default();
            let moved = if ran.direction == Direction::Out { "added" } else { "removed" };
            format!(
                "{alarm} and {policy} {moved} an instance, and all of it was heard of, in {:.0} s.",
                end.as_secs_f64()
            )
        }
        (_, Some(step)) => format!("{}: {}.", step.step, step.detail.trim_end_matches('.')),
        (_, None) => String::new(),
    }
}

fn breach_step(ran: &Ran) -> Step {
    let detail = if ran.forced { "forced with SetAlarmState" } else { "was in ALARM already" };
    let (at, verdict, detail) = verdict_of(&ran.breach, |_| detail.to_string());
    let offset = at.map(|_| Duration::ZERO);
    Step {
        step: format!("{} in ALARM", ran.alarm),
        at: at.copied(),
        offset,
        latency: None,
        limit: None,
        verdict,
        detail,
    }
}

/// The value, its verdict before any limit, and what to say.
fn verdict_of<T>(seen: &Seen<T>, say: impl FnOnce(&T) -> String) -> (Option<&T>, Verdict, String) {
    match seen {
        Seen::Yes(value) => (Some(value), Verdict::Met, say(value)),
        Seen::No { last } => (None, Verdict::NotMet, last.clone()),
        Seen::Unknown { because } => (None, Verdict::CouldNotTell, because.clone()),
    }
}

struct Timeline {
    breach: Option<Timestamp>,
}

impl Timeline {
    /// A step that follows from what happened at `from` and must come within `limit` of it.
    fn step<T>(
        &self,
        name: String,
        seen: &Seen<T>,
        at: impl Fn(&T) -> Timestamp,
        from: Option<Timestamp>,
        limit: Duration,
        say: impl Fn(&T) -> String,
    ) -> Step {
        let (value, verdict, detail) = verdict_of(seen, say);
        let at = value.map(at);
        let latency = at.zip(from).map(|(at, from)| at.since(from));
        let late = latency.is_some_and(|latency| latency > limit);
        Step {
            step: name,
            at,
            offset: at.zip(self.breach).map(|(at, breach)| at.since(breach)),
            latency,
            limit: Some(limit),
            verdict: if late { Verdict::NotMet } else { verdict },
            detail: if late { format!("too late; {detail}") } else { detail },
        }
    }

    fn action(&self, limits: &Limits, ran: &Ran) -> Step {
        let limit = if ran.forced { limits.action } else { limits.repeated_action };
        let said = if ran.forced { "the history says that the action succeeded" } else { "says the activity's cause" };
        self.step(format!("{} invoked", ran.policy), &ran.action, |at| *at, self.breach, limit, |_| said.into())
    }

    fn activity(&self, limits: &Limits, ran: &Ran) -> Step {
        let name = "activity started, caused by alarm and policy".to_string();
        let start = |activities: &Vec<Activity>| activities.first().map(|first| first.start_time).unwrap_or_default();
        // A failed or unknown action does not excuse the activity: then it is counted from the breach.
        let from = ran.action.yes().copied().or(self.breach);
        self.step(name, &ran.activities, start, from, limits.activity, |activities| {
            let described: Vec<&str> = activities.iter().map(|activity| activity.description.as_str()).collect();
            described.join("; ")
        })
    }

    fn finished(&self, limits: &Limits, ran: &Ran) -> Step {
        let (name, limit) = match ran.direction {
            Direction::Out => ("instance in service", limits.launch),
            Direction::In => ("instance gone", limits.terminate),
        };
        let end = |activities: &Vec<Activity>| activities.iter().filter_map(|a| a.end_time).max().unwrap_or_default();
        let from = ran.activities.yes().and_then(|activities| activities.first()).map(|first| first.start_time);
        self.step(name.into(), &ran.finished, end, from, limit, |activities| {
            let ids: Vec<String> =
                activities.iter().filter_map(|activity| activity.instance_id()).map(|id| id.0).collect();
            ids.join(", ")
        })
    }

    fn notice(&self, name: String, notice: &Seen<Received>, from: Option<Timestamp>, limit: Duration) -> Step {
        self.step(name, notice, |received| received.at, from, limit, |received| received.subject.clone())
    }

    /// It counts from the request and is no part of the stack's own time.
    fn restored(&self, limits: &Limits, ran: &Ran) -> Step {
        let (restored, verdict, detail) = verdict_of(&ran.restored, |restored| match restored.took {
            None => format!("desired capacity is {}, as before", restored.desired_capacity),
            Some(_) => format!("desired capacity is {} again", restored.desired_capacity),
        });
        let latency = restored.and_then(|restored| restored.took);
        let late = latency.is_some_and(|latency| latency > limits.restore);
        Step {
            step: "back to baseline".into(),
            at: restored.map(|restored| restored.at),
            offset: None,
            latency,
            limit: Some(limits.restore),
            verdict: if late { Verdict::NotMet } else { verdict },
            detail,
        }
    }
}
