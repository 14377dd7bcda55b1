//! One test through the simulation: drive, look at each moment, compare. Start at [`run_case`].

use std::time::Duration;

use super::case::{Case, Check, Moment, Sender, Subject, Wanted, cpu_key};
use crate::engine::alarms::message::subject;
use crate::engine::alarms::{Alarm, AlarmState};
use crate::engine::groups::LifecycleState;
use crate::engine::groups::notice::NotificationType;
use crate::engine::text::Text;
use crate::model::{self, ActionRef, Stack, rule_in_words};
use crate::simulate::load::Plan;
use crate::simulate::{Event, Happening, Options, Record, SetupError, Simulation};
use crate::spec::Place;
use crate::spec::expectations::CountSpec;

/// How much is run beyond the last moment, for the timeline of a failure.
const AFTER: Duration = Duration::from_secs(3 * 60);

/// What came of a test.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// In the order of time; none when it passed.
    pub mismatches: Vec<Mismatch>,
    pub record: Record,
}

/// One thing that was not as expected.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    /// Since the start.
    pub at: Duration,
    pub subject: Subject,
    pub wanted: Wanted,
    pub found: Found,
    pub place: Option<Place>,
    /// What was counted, each with its time since the start; empty for what is no count of events.
    pub counted: Vec<(Duration, Happening)>,
    /// What the alarms behind it had seen at that moment.
    pub evidence: Vec<Evidence>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    State(AlarmState),
    Count(u32),
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::State(state) => state.fmt(f),
            Self::Count(count) => count.fmt(f),
        }
    }
}

/// An alarm as it stood, with the datapoints that an evaluation looks at.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    pub alarm: String,
    /// `CPUUtilization Average >= 50 in 2 of 2 periods of 1m`.
    pub rule: String,
    pub state: AlarmState,
    pub since: Duration,
    /// In CloudWatch's words.
    pub reason: Text,
    /// When each began, since the start, and its value; the oldest first, none from before the start.
    pub datapoints: Vec<(Duration, Option<f64>)>,
}

/// Runs a test.
///
/// # Errors
/// What AWS would refuse to make.
pub fn run_case(stack: &Stack, case: &Case) -> Result<Outcome, SetupError> {
    let options = Options { seed: case.seed, start: case.start, ..Options::default() };
    let mut simulation = Simulation::new(stack, &options)?;
    feed(&mut simulation, stack, case);
    let (mut record, mut mismatches) = (Record::default(), Vec::new());
    for moment in &case.moments {
        simulation.advance_to(case.start + moment.at, &mut record);
        let scene = Scene { stack, case, moment, simulation: &simulation, record: &record };
        mismatches.extend(moment.checks.iter().filter_map(|check| scene.compare(check)));
    }
    simulation.advance_to(simulation.now() + AFTER, &mut record);
    Ok(Outcome { mismatches, record })
}

fn feed(simulation: &mut Simulation, stack: &Stack, case: &Case) {
    if let Some(shape) = case.load {
        simulation.set_source(Plan::Shape(shape).source(&stack.load, case.start, case.seed));
    }
    let cpu = cpu_key(stack);
    for series in &case.series {
        if series.key == cpu {
            simulation.silence_machines();
        }
        let mut at = case.start;
        for value in series.values.values() {
            value.into_iter().for_each(|value| simulation.put_metric(series.key.clone(), at, value));
            at = at + case.interval;
        }
    }
}

/// A world at one moment of a test.
struct Scene<'a> {
    stack: &'a Stack,
    case: &'a Case,
    moment: &'a Moment,
    simulation: &'a Simulation,
    record: &'a Record,
}

impl Scene<'_> {
    fn compare(&self, check: &Check) -> Option<Mismatch> {
        let (found, counted) = self.found(&check.subject)?;
        if meets(check.wanted, found) {
            return None;
        }
        let alarms = self.alarms_behind(&check.subject);
        Some(Mismatch {
            at: self.moment.at,
            subject: check.subject.clone(),
            wanted: check.wanted,
            found,
            place: check.place,
            counted,
            evidence: alarms.into_iter().filter_map(|alarm| self.evidence(alarm)).collect(),
        })
    }

    /// What there is, and the events that it counts.
    fn found(&self, subject: &Subject) -> Option<(Found, Vec<(Duration, Happening)>)> {
        Some(match subject {
            Subject::AlarmState(_) | Subject::DesiredCapacity | Subject::InService => {
                (self.standing(subject)?, Vec::new())
            }
            counted => {
                let events = self.counted(counted);
                (Found::Count(u32::try_from(events.len()).unwrap_or(u32::MAX)), events)
            }
        })
    }

    /// How something stands at the moment.
    fn standing(&self, subject: &Subject) -> Option<Found> {
        let group = self.simulation.world().groups.get(&self.stack.group.name.as_str().into());
        Some(match subject {
            Subject::AlarmState(key) => Found::State(self.alarm(self.stack_alarm(key)?)?.state.value),
            Subject::DesiredCapacity => Found::Count(group?.desired_capacity),
            Subject::InService => {
                let members = self.simulation.world().groups.members(group?);
                let serving = members.filter(|(_, member)| member.lifecycle == LifecycleState::InService);
                Found::Count(u32::try_from(serving.count()).unwrap_or(u32::MAX))
            }
            _ => return None,
        })
    }

    /// The events that a count is of.
    fn counted(&self, subject: &Subject) -> Vec<(Duration, Happening)> {
        match subject {
            Subject::Fired(key) => self.events(
                |what| matches!(what, Happening::AlarmChanged { alarm, to: AlarmState::Alarm, .. } if alarm == key),
            ),
            Subject::Sent(sender) => self.sent(sender),
            Subject::Activities => {
                self.events(|what| matches!(what, Happening::Launch { .. } | Happening::Terminate { .. }))
            }
            Subject::Launches => self.events(|what| matches!(what, Happening::Launch { .. })),
            Subject::Terminations => self.events(|what| matches!(what, Happening::Terminate { .. })),
            Subject::AlarmState(_) | Subject::DesiredCapacity | Subject::InService => Vec::new(),
        }
    }

    /// The events of the moment's stretch of time that are meant.
    fn events(&self, is_meant: impl Fn(&Happening) -> bool) -> Vec<(Duration, Happening)> {
        let since = self.case.start + self.moment.since;
        let late = self.record.events.partition_point(|event| event.at < since);
        let meant = self.record.events[late..].iter().filter(|event: &&Event| is_meant(&event.what));
        meant.map(|event| (event.at.since(self.case.start), event.what.clone())).collect()
    }

    fn sent(&self, sender: &Sender) -> Vec<(Duration, Happening)> {
        match sender {
            Sender::Topic(key) => self.events(|what| matches!(what, Happening::Notice { topic, .. } if topic == key)),
            Sender::Alarm(key) => {
                let subjects = self.stack_alarm(key).map(|alarm| alarm_subjects(self.stack, alarm)).unwrap_or_default();
                self.events(|what| {
                    matches!(what, Happening::Notice { subject: Some(subject), .. } if subjects.contains(subject))
                })
            }
            Sender::GroupEvent(event) => {
                let kind = NotificationType::parse(event.notification_type());
                let wanted = kind.map(|kind| kind.subject(&self.stack.group.name.as_str().into()));
                self.events(|what| matches!(what, Happening::Notice { subject, .. } if *subject == wanted))
            }
        }
    }

    fn stack_alarm(&self, key: &str) -> Option<&model::Alarm> {
        self.stack.alerting.alarms.iter().find(|alarm| alarm.key == key)
    }

    fn alarm(&self, alarm: &model::Alarm) -> Option<&Alarm> {
        self.simulation.world().alarms.get(&alarm.name.as_str().into())
    }

    /// The alarms whose doing decides about a subject.
    fn alarms_behind(&self, subject: &Subject) -> Vec<&model::Alarm> {
        let all = self.stack.alerting.alarms.iter();
        let acts_on = |alarm: &&model::Alarm, wanted: &dyn Fn(&ActionRef) -> bool| {
            let lists = [&alarm.alarm_actions, &alarm.ok_actions, &alarm.insufficient_data_actions];
            lists.into_iter().flatten().any(wanted)
        };
        match subject {
            Subject::AlarmState(key) | Subject::Fired(key) | Subject::Sent(Sender::Alarm(key)) => {
                self.stack_alarm(key).into_iter().collect()
            }
            Subject::Sent(Sender::Topic(topic)) => all
                .filter(|alarm| acts_on(alarm, &|action| matches!(action, ActionRef::Topic(key) if key == topic)))
                .collect(),
            _ => all.filter(|alarm| acts_on(alarm, &|action| matches!(action, ActionRef::Policy(_)))).collect(),
        }
    }

    fn evidence(&self, alarm: &model::Alarm) -> Option<Evidence> {
        let (now, start) = (self.simulation.now(), self.case.start);
        let state = self.alarm(alarm)?;
        let points = state.config.evaluation_points(now, &self.simulation.world().metrics);
        let of_test = points.iter().filter(|point| point.start >= start);
        Some(Evidence {
            alarm: alarm.key.clone(),
            rule: rule_in_words(alarm),
            state: state.state.value,
            since: state.state_updated_at.since(start),
            reason: state.state.reason.clone(),
            datapoints: of_test.map(|point| (point.start.since(start), point.value)).collect(),
        })
    }
}

fn alarm_subjects(stack: &Stack, alarm: &model::Alarm) -> Vec<String> {
    let states = [AlarmState::Ok, AlarmState::Alarm, AlarmState::InsufficientData];
    states.map(|state| subject(state, &alarm.name, &stack.region)).into()
}

pub(super) fn meets(wanted: Wanted, found: Found) -> bool {
    match (wanted, found) {
        (Wanted::State(wanted), Found::State(found)) => wanted == found,
        (Wanted::Count(CountSpec::Exactly(wanted)), Found::Count(found)) => wanted == found,
        (Wanted::Count(CountSpec::Compared(limit)), Found::Count(found)) => {
            use model::Comparison;
            let found = f64::from(found);
            match limit.comparison {
                Comparison::GreaterThanOrEqualToThreshold => found >= limit.value,
                Comparison::GreaterThanThreshold => found > limit.value,
                Comparison::LessThanOrEqualToThreshold => found <= limit.value,
                Comparison::LessThanThreshold => found < limit.value,
            }
        }
        _ => false,
    }
}
