//! Scheduled actions: a group's sizes change at a time, once or again and again. Start at
//! [`Groups::put_scheduled_action`]; the instants of a recurrence are in `cron.rs`.
//!
//! Source: Amazon EC2 Auto Scaling User Guide, "Scheduled scaling". AWS may be up to two minutes late; here an action runs
//! at its instant. One that never runs again is removed after its last run, where AWS keeps it until its end time.

use std::sync::LazyLock;
use std::time::Duration;

use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};

use super::Groups;
use super::agenda::{Due, DueKey};
use super::cause::What;
use super::cron::Cron;
use super::group::{Group, MAX_SCHEDULED_ACTIONS_PER_GROUP, Process, limit_exceeded};
use super::policy::Limits;
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::names::GroupName;

/// The zones that this program carries, so that a schedule means the same on every machine.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The zone of a schedule that names none. Source: API reference, PutScheduledUpdateGroupAction.
const DEFAULT_ZONE: &str = "Etc/UTC";

/// How late AWS may run an action. Nothing waits for it here. Source: User Guide, "Scheduled scaling".
pub const MAX_DELAY: Duration = Duration::from_secs(120);

/// A zone by its name in the IANA database.
pub fn time_zone(name: &str) -> Option<TimeZone> {
    ZONES.get(name).ok()
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduledAction {
    pub name: String,
    pub arn: String,
    pub schedule: Schedule,
    /// What it sets; what is absent stays as it is.
    pub sizes: Sizes,
    pub next_run: Timestamp,
    pub(super) due: Option<DueKey>,
}

/// When an action runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// The first run, also of a recurrence.
    pub start: Option<Timestamp>,
    /// No run is later.
    pub end: Option<Timestamp>,
    pub recurrence: Option<Cron>,
    /// The zone of the recurrence, by its name in the IANA database.
    pub time_zone: Option<String>,
}

/// Sizes of a group; at least one is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    pub min: Option<u32>,
    pub max: Option<u32>,
    pub desired: Option<u32>,
}

/// What PutScheduledUpdateGroupAction asks for. Nothing is checked yet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScheduleRequest {
    pub name: String,
    pub start: Option<Timestamp>,
    pub end: Option<Timestamp>,
    pub recurrence: Option<String>,
    pub time_zone: Option<String>,
    pub sizes: Sizes,
}

impl Schedule {
    /// The first run after `now`.
    pub fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        let next = match (self.start, &self.recurrence) {
            (Some(start), _) if start > now => Some(start),
            (_, Some(cron)) => cron.next_after(now, &self.zone()),
            (_, None) => None,
        };
        next.filter(|next| self.end.is_none_or(|end| *next <= end))
    }

    fn zone(&self) -> TimeZone {
        time_zone(self.time_zone.as_deref().unwrap_or(DEFAULT_ZONE)).unwrap_or(TimeZone::UTC)
    }

    fn check_times(&self, now: Timestamp, request: &ScheduleRequest) -> Result<(), Refusal> {
        if request.start.is_some_and(|start| start <= now) {
            return Err(Refusal::validation("Given start time is in the past"));
        }
        if request.end.is_some_and(|end| end <= now) {
            return Err(Refusal::validation("Given end time is in the past"));
        }
        if let (Some(start), Some(end)) = (self.start, self.end)
            && end < start
        {
            return Err(Refusal::validation("Given end time must be after start time"));
        }
        if self.start.is_none() && self.recurrence.is_none() {
            let text = "Scheduled start time must be specified for non-recurrent future group action";
            return Err(Refusal::validation(text));
        }
        Ok(())
    }
}

impl Sizes {
    /// What a group has after an action that sets these: limits and desired capacity, which stays within them.
    ///
    /// `None` if the limits would contradict each other; AWS does not document that, and here nothing changes.
    pub fn applied_to(self, limits: Limits, desired: u32) -> Option<(Limits, u32)> {
        let limits = Limits { min: self.min.unwrap_or(limits.min), max: self.max.unwrap_or(limits.max) };
        (limits.min <= limits.max).then(|| (limits, limits.clamp(self.desired.unwrap_or(desired).into())))
    }

    fn or(self, other: Self) -> Self {
        Self { min: self.min.or(other.min), max: self.max.or(other.max), desired: self.desired.or(other.desired) }
    }

    fn check(self) -> Result<(), Refusal> {
        let Self { min, max, desired } = self;
        let above = |size: Option<u32>, other: Option<u32>| matches!((size, other), (Some(a), Some(b)) if a > b);
        let broken = match () {
            () if self == Self::default() => {
                Some("At least one of max size, min size, or desired capacity must be specified")
            }
            () if above(min, max) => Some("Min size must be less than or equal to max size"),
            () if above(desired, max) => Some("Desired capacity must be less than or equal to max size"),
            () if above(min, desired) => Some("Desired capacity must be greater than or equal to min size"),
            () => None,
        };
        broken.map_or(Ok(()), |text| Err(Refusal::validation(text)))
    }
}

impl Groups {
    /// `PutScheduledUpdateGroupAction`: creates an action, or changes what is mentioned of one that is there.
    ///
    /// # Errors
    /// `ValidationError` for times and sizes that make no sense, `AlreadyExists` if another action of the group starts at
    /// the same time, `LimitExceeded` beyond 125 actions.
    pub fn put_scheduled_action(
        &mut self,
        now: Timestamp,
        group: &GroupName,
        request: ScheduleRequest,
    ) -> Result<(), Refusal> {
        let uuid = self.ids.arns.uuid();
        let resource = format!(
            "scheduledUpdateGroupAction:{uuid}:autoScalingGroupName/{group}:scheduledActionName/{}",
            request.name
        );
        let new_arn = self.place.arn("autoscaling", &resource);
        let state = self.group_or_refuse(group)?;
        let mut action = merge(now, state.schedules.get(&request.name), request, new_arn)?;
        let others = || state.schedules.values().filter(|other| other.name != action.name);
        if others().any(|other| other.next_run == action.next_run) {
            let text = "Scheduled action with this scheduled start time already exists";
            return Err(Refusal::new("AlreadyExists", 400, text));
        }
        if others().count() >= MAX_SCHEDULED_ACTIONS_PER_GROUP {
            return Err(limit_exceeded("scheduled actions per group", MAX_SCHEDULED_ACTIONS_PER_GROUP));
        }
        self.agenda.cancel(&mut action.due);
        self.plan_scheduled(group, action);
        Ok(())
    }

    fn plan_scheduled(&mut self, group: &GroupName, mut action: ScheduledAction) {
        let due = Due::Scheduled { group: group.clone(), action: action.name.clone() };
        action.due = Some(self.agenda.add(action.next_run, due));
        if let Some(state) = self.groups.get_mut(group) {
            state.schedules.insert(action.name.clone(), action);
        }
    }

    /// # Errors
    /// `ValidationError` if the group has no such action.
    pub fn delete_scheduled_action(&mut self, group: &GroupName, name: &str) -> Result<(), Refusal> {
        let state = self.group_or_refuse(group)?;
        let gone = state.schedules.remove(name);
        let mut gone = gone.ok_or_else(|| Refusal::validation(format!("Scheduled action name not found: {name}")))?;
        self.agenda.cancel(&mut gone.due);
        Ok(())
    }

    /// Runs an action and plans its next run. What comes due while the process is suspended is not made up for.
    pub(super) fn on_scheduled(&mut self, now: Timestamp, group: &GroupName, name: &str) {
        let Some(action) = self.groups.get_mut(group).and_then(|state| state.schedules.remove(name)) else { return };
        let sizes = action.sizes;
        if let Some(next_run) = action.schedule.next_after(now) {
            self.plan_scheduled(group, ScheduledAction { next_run, ..action });
        }
        let suspended = |state: &Group| state.deleting || state.is_suspended(Process::ScheduledActions);
        if self.groups.get(group).is_some_and(|state| !suspended(state)) {
            self.apply_sizes(now, group, sizes);
        }
    }

    fn apply_sizes(&mut self, now: Timestamp, name: &GroupName, sizes: Sizes) {
        let Some(group) = self.groups.get_mut(name) else { return };
        let from = group.desired_capacity;
        let Some((limits, to)) = sizes.applied_to(group.limits, from) else { return };
        group.limits = limits;
        if to != from {
            self.set_desired(now, name, to, What::ScheduledAction { limits, from, to });
        }
    }
}

/// The action that a request makes of the one that was there.
fn merge(
    now: Timestamp,
    known: Option<&ScheduledAction>,
    request: ScheduleRequest,
    new_arn: String,
) -> Result<ScheduledAction, Refusal> {
    let before = known.map(|known| known.schedule.clone()).unwrap_or_default();
    let recurrence = request.recurrence.as_deref().map(Cron::parse).transpose();
    let recurrence = recurrence.map_err(|bad| Refusal::validation(bad.to_string()))?;
    if let Some(zone) = request.time_zone.as_deref().filter(|zone| time_zone(zone).is_none()) {
        return Err(Refusal::validation(format!("Given time zone: {zone} is invalid")));
    }
    let schedule = Schedule {
        start: request.start.or(before.start),
        end: request.end.or(before.end),
        recurrence: recurrence.or(before.recurrence),
        time_zone: request.time_zone.clone().or(before.time_zone),
    };
    schedule.check_times(now, &request)?;
    let sizes = request.sizes.or(known.map(|known| known.sizes).unwrap_or_default());
    sizes.check()?;
    let next_run = schedule.next_after(now).ok_or_else(|| match &schedule.recurrence {
        Some(cron) if schedule.end.is_none() => {
            Refusal::validation(super::cron::BadCron(cron.as_str().into()).to_string())
        }
        _ => Refusal::validation("The scheduled action would never run before its end time"),
    })?;
    let (arn, due) = known.map_or((new_arn, None), |known| (known.arn.clone(), known.due));
    Ok(ScheduledAction { name: request.name, arn, schedule, sizes, next_run, due })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_time_is_the_first_run_and_the_recurrence_follows_until_the_end() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let schedule = Schedule {
            start: Some(at("2021-04-01T10:00:00Z")),
            end: Some(at("2021-04-03T09:00:00Z")),
            recurrence: Some(Cron::parse("0 9 * * *").unwrap()),
            time_zone: None,
        };
        let mut runs = Vec::new();
        let mut next = schedule.next_after(at("2021-03-30T00:00:00Z"));
        while let Some(run) = next {
            runs.push(run.iso_secs());
            next = schedule.next_after(run);
        }
        assert_eq!(runs, ["2021-04-01T10:00:00Z", "2021-04-02T09:00:00Z", "2021-04-03T09:00:00Z"]);
    }

    #[test]
    fn an_action_sets_what_it_mentions_and_keeps_the_desired_capacity_within_the_limits() {
        let check = |sizes: (Option<u32>, Option<u32>, Option<u32>), after: Option<(u32, u32, u32)>| {
            let (min, max, desired) = sizes;
            let got = Sizes { min, max, desired }.applied_to(Limits { min: 1, max: 5 }, 2);
            assert_eq!(got.map(|(limits, desired)| (limits.min, limits.max, desired)), after, "{sizes:?}");
        };
        check((None, None, Some(3)), Some((1, 5, 3)));
        check((None, None, Some(9)), Some((1, 5, 5)));
        check((Some(3), None, None), Some((3, 5, 3)));
        check((Some(0), Some(1), None), Some((0, 1, 1)));
        check((Some(2), Some(8), Some(6)), Some((2, 8, 6)));
        check((Some(6), None, None), None);
    }

    #[test]
    fn zones_are_those_of_the_iana_database() {
        assert!(
            time_zone("Pacific/Tahiti").is_some() && time_zone("Etc/GMT+9").is_some() && time_zone("UTC").is_some()
        );
        assert!(time_zone("Mars/Olympus").is_none());
    }
}
