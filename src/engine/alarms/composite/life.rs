//! Composite alarms among the others: put, evaluated when a child changes, set, deleted. All methods of [`Alarms`].

use std::collections::VecDeque;
use std::sync::Arc;

use super::suppression::Verdict;
use super::{Composite, CompositeAlarm, Held, Triggering, name_of, reason_data};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::alarms::choices::EVALUATIONS_PER_CHANGE;
use crate::engine::alarms::history::{Change, Happening, StateSummary};
use crate::engine::alarms::message::FOR_PEOPLE;
use crate::engine::alarms::mute::Muted;
use crate::engine::alarms::{AlarmState, Alarms, Firing, Subject, Tags, reason};
use crate::engine::names::AlarmName;

/// Composite alarms that may name one alarm.
///
/// Source: CloudWatch API Reference, PutCompositeAlarm.
pub const PARENTS: usize = 150;

/// Why a rule is evaluated.
#[derive(Debug, Clone, Copy)]
enum Cause<'a> {
    Created,
    Updated,
    /// This alarm changed its state.
    Child(&'a AlarmName),
}

/// A change whose consequences are still to be drawn, with the changes that led to it.
struct Step {
    name: AlarmName,
    path: Vec<AlarmName>,
}

impl Alarms {
    pub fn composites(&self) -> &super::Composites {
        &self.composites
    }

    /// Creates a composite alarm or replaces its configuration, and evaluates it at once.
    ///
    /// # Errors
    /// A name that a metric alarm has, and alarms in the rule or as suppressor that are not there or elsewhere.
    pub fn put_composite(
        &mut self,
        now: Timestamp,
        config: CompositeAlarm,
        tags: Tags,
    ) -> Result<Vec<Firing>, Refusal> {
        self.check_composite(&config)?;
        let name = config.name.clone();
        let mut firings = Vec::new();
        let known = self.composites.all.get(&name).cloned();
        if known.as_ref().is_some_and(|known| *known.config == config) {
            return Ok(firings);
        }
        let cause = if known.is_some() { Cause::Updated } else { Cause::Created };
        let (composite, change) = match known {
            Some(known) => (self.reconfigured(now, known, config), Change::Updated),
            None => (self.new_composite(now, config, tags), Change::Created),
        };
        let data = composite.configuration_document(change);
        self.composites.insert(composite);
        self.remember_composite(now, &name, Happening::ConfigurationUpdate { change, data });
        if self.evaluate_composite(now, &name, cause, &mut firings) {
            self.propagate(now, &name, &mut firings);
        }
        Ok(firings)
    }

    fn new_composite(&self, now: Timestamp, config: CompositeAlarm, tags: Tags) -> Composite {
        let reason = reason::INITIAL_REASON.into();
        Composite {
            arn: self.place.arn("cloudwatch", &format!("alarm:{}", config.name)),
            tags,
            configuration_updated_at: now,
            state: StateSummary { value: AlarmState::InsufficientData, reason, reason_data: None },
            state_updated_at: now,
            triggering: Vec::new(),
            suppression: config.suppressor.as_ref().map(|s| s.suppression(self.is_in_alarm(&s.alarm))),
            muted: None,
            config: Arc::new(config),
        }
    }

    /// Another suppressor discards the wait or the extension under way; the same one keeps it, with new lengths from the
    /// next period on.
    fn reconfigured(&self, now: Timestamp, known: Composite, config: CompositeAlarm) -> Composite {
        let same = |a: &str, b: &str| name_of(a) == name_of(b);
        let suppression = match (&config.suppressor, &known.config.suppressor, known.suppression) {
            (Some(new), Some(old), Some(mut suppression)) if same(&new.alarm, &old.alarm) => {
                suppression.set_periods(new.suppression(false));
                Some(suppression)
            }
            (Some(new), ..) => Some(new.suppression(self.is_in_alarm(&new.alarm))),
            (None, ..) => None,
        };
        Composite { config: Arc::new(config), configuration_updated_at: now, suppression, ..known }
    }

    fn check_composite(&self, config: &CompositeAlarm) -> Result<(), Refusal> {
        if self.by_name.contains_key(&config.name) {
            return Err(other_type(&config.name));
        }
        let mut missing = Vec::new();
        for reference in config.rule.children() {
            let name = self.local_name(reference)?;
            if name == config.name {
                return Err(Refusal::validation(
                    "A composite alarm cannot have a child relation with itself via its AlarmRule, as it would introduce \
                     a circular dependency",
                ));
            }
            if !self.exists(&name) {
                missing.push(self.place.arn("cloudwatch", &format!("alarm:{name}")));
            }
            let parents = self.composites.parents(&name).filter(|parent| **parent != config.name).count();
            if parents >= PARENTS {
                return Err(Refusal::new(
                    "LimitExceeded",
                    400,
                    format!("The alarm {name} is already in the rules of {PARENTS} composite alarms"),
                ));
            }
        }
        if !missing.is_empty() {
            let missing = missing.join(", ");
            return Err(Refusal::validation(format!(
                "Could not save the composite alarm as alarms [{missing}] in the alarm rule do not exist"
            )));
        }
        self.check_suppressor(config)
    }

    fn check_suppressor(&self, config: &CompositeAlarm) -> Result<(), Refusal> {
        let Some(suppressor) = &config.suppressor else { return Ok(()) };
        let name = self.local_name(&suppressor.alarm)?;
        if name == config.name {
            return Err(Refusal::validation("A composite alarm cannot be its own ActionsSuppressor"));
        }
        if self.exists(&name) {
            return Ok(());
        }
        let arn = self.place.arn("cloudwatch", &format!("alarm:{name}"));
        Err(Refusal::validation(format!(
            "Could not save the composite alarm as the ActionsSuppressor [{arn}] does not exist"
        )))
    }

    /// The name in a reference to an alarm of this place.
    fn local_name(&self, reference: &str) -> Result<AlarmName, Refusal> {
        let fields: Vec<&str> = reference.splitn(7, ':').collect();
        if let ["arn", _, "cloudwatch", region, account, "alarm", _] = fields[..] {
            if account != self.place.account {
                return Err(Refusal::validation(
                    "A composite alarm cannot have a child relation with alarms from another AWS account",
                ));
            }
            if region != self.place.region {
                let expected = &self.place.region;
                return Err(Refusal::validation(format!(
                    "Error in AlarmRule [Wrong ARN region, it was {region} but {expected} was expected instead]"
                )));
            }
        }
        Ok(name_of(reference))
    }

    /// Whether there is an alarm of this name, of either kind.
    pub fn exists(&self, name: &AlarmName) -> bool {
        self.by_name.contains_key(name) || self.composites.all.contains_key(name)
    }

    /// What an alarm, by name or ARN, looks like from outside.
    fn seen(&self, reference: &str) -> Option<Triggering> {
        let name = name_of(reference);
        if let Some(alarm) = self.get(&name) {
            return Some(Triggering { arn: alarm.arn.clone(), state: alarm.state.value, at: alarm.state_updated_at });
        }
        let composite = self.composites.all.get(&name)?;
        Some(Triggering { arn: composite.arn.clone(), state: composite.state.value, at: composite.state_updated_at })
    }

    fn is_in_alarm(&self, reference: &str) -> bool {
        self.seen(reference).is_some_and(|alarm| alarm.state == AlarmState::Alarm)
    }

    /// Evaluates a rule, and lets the alarm change if it asks for another state. Says whether it did.
    fn evaluate_composite(
        &mut self,
        now: Timestamp,
        name: &AlarmName,
        cause: Cause<'_>,
        firings: &mut Vec<Firing>,
    ) -> bool {
        let Some(composite) = self.composites.all.get(name) else { return false };
        let state_of = |child: &str| self.seen(child).map_or(AlarmState::InsufficientData, |alarm| alarm.state);
        let holds = composite.config.rule.holds(&state_of);
        let value = if holds { AlarmState::Alarm } else { AlarmState::Ok };
        if composite.state.value == value {
            return false;
        }
        let mut triggering: Vec<Triggering> =
            composite.config.rule.explains(holds, &state_of).into_iter().filter_map(|child| self.seen(child)).collect();
        triggering.sort_by_key(|child| std::cmp::Reverse(child.at));
        let reason = self.composite_reason(&composite.arn, value, cause);
        let (reason, reason_data) = (reason.into(), Some(reason_data(&triggering).into()));
        self.change_composite(now, name, StateSummary { value, reason, reason_data }, triggering, firings);
        true
    }

    /// Texts recorded from AWS.
    fn composite_reason(&self, arn: &str, value: AlarmState, cause: Cause<'_>) -> String {
        match cause {
            Cause::Created => format!("{arn} was created and its alarm rule evaluates to {value}"),
            Cause::Updated => format!("{arn} was updated and its new alarm rule evaluates to {value}"),
            Cause::Child(name) => self.seen(name.as_str()).map_or_else(String::new, |child| {
                let at = child.at.format(FOR_PEOPLE);
                format!("{} transitioned to {} at {at}", child.arn, child.state)
            }),
        }
    }

    fn change_composite(
        &mut self,
        now: Timestamp,
        name: &AlarmName,
        new: StateSummary,
        triggering: Vec<Triggering>,
        firings: &mut Vec<Firing>,
    ) {
        let Some(composite) = self.composites.all.get_mut(name) else { return };
        let old = std::mem::replace(&mut composite.state, new.clone());
        composite.state_updated_at = now;
        composite.triggering = triggering;
        // What was muted was about another state.
        composite.muted = None;
        let verdict = match &mut composite.suppression {
            Some(suppression) => suppression.composite_changed(now),
            None => Verdict::Act,
        };
        self.act(now, name, verdict, (old.value, None), firings);
        self.composites.reschedule();
        self.remember_composite(now, name, Happening::StateUpdate { old, new });
    }

    fn act(
        &mut self,
        now: Timestamp,
        name: &AlarmName,
        verdict: Verdict,
        (old_state, held): (AlarmState, Option<Held>),
        firings: &mut Vec<Firing>,
    ) {
        if verdict == Verdict::Hold {
            return;
        }
        match self.mutes.muted_until(name, now) {
            Some(until) => {
                if let Some(composite) = self.composites.all.get_mut(name) {
                    composite.muted = Some(Muted { until, old_state });
                }
            }
            None => self.fire_composite(name, (old_state, held), None, firings),
        }
    }

    fn fire_composite(
        &self,
        name: &AlarmName,
        (old_state, held): (AlarmState, Option<Held>),
        after_mute_window: Option<Timestamp>,
        firings: &mut Vec<Firing>,
    ) {
        let Some(composite) = self.composites.all.get(name).filter(|composite| composite.config.actions_enabled) else {
            return;
        };
        for arn in composite.config.actions(composite.state.value) {
            let alarm = Subject::Composite(composite.snapshot(old_state, held));
            firings.push(Firing { action_arn: arn.clone(), alarm, after_mute_window });
        }
    }

    /// Runs what was muted, once no window mutes it any longer.
    fn unmute(&mut self, now: Timestamp, name: &AlarmName, firings: &mut Vec<Firing>) {
        let still = self.mutes.muted_until(name, now);
        let Some(composite) = self.composites.all.get_mut(name) else { return };
        let Some(muted) = composite.muted.filter(|muted| muted.until <= now) else { return };
        composite.muted = still.map(|until| Muted { until, ..muted });
        if still.is_none() {
            self.fire_composite(name, (muted.old_state, None), Some(muted.until), firings);
        }
    }

    /// Draws the consequences of a change for the composite alarms that name the alarm, and for those that name these.
    pub(in crate::engine::alarms) fn propagate(
        &mut self,
        now: Timestamp,
        changed: &AlarmName,
        firings: &mut Vec<Firing>,
    ) {
        if self.composites.parents.is_empty() {
            return;
        }
        let mut steps = VecDeque::from([Step { name: changed.clone(), path: Vec::new() }]);
        let mut evaluations = 0;
        while let Some(Step { name, mut path }) = steps.pop_front() {
            let parents: Vec<AlarmName> = self.composites.parents(&name).cloned().collect();
            path.push(name.clone());
            for parent in parents {
                evaluations += 1;
                if evaluations > EVALUATIONS_PER_CHANGE {
                    return;
                }
                self.suppressor_changed(now, &parent, &name, firings);
                // AWS stops where an evaluation comes back to an alarm that it has passed.
                let in_rule = self.has_child(&parent, &name) && !path.contains(&parent);
                if in_rule && self.evaluate_composite(now, &parent, Cause::Child(&name), firings) {
                    steps.push_back(Step { name: parent, path: path.clone() });
                }
            }
        }
    }

    fn has_child(&self, parent: &AlarmName, child: &AlarmName) -> bool {
        let composite = self.composites.all.get(parent);
        composite.is_some_and(|composite| composite.config.rule.children().iter().any(|name| name_of(name) == *child))
    }

    fn suppressor_changed(
        &mut self,
        now: Timestamp,
        parent: &AlarmName,
        changed: &AlarmName,
        firings: &mut Vec<Firing>,
    ) {
        let in_alarm = self.is_in_alarm(changed.as_str());
        let Some(composite) = self.composites.all.get_mut(parent) else { return };
        let (Some(suppressor), Some(suppression)) = (&composite.config.suppressor, &mut composite.suppression) else {
            return;
        };
        if name_of(&suppressor.alarm) != *changed {
            return;
        }
        let held = suppression.held(now);
        let verdict = suppression.suppressor_changed(now, in_alarm);
        let state = composite.state.value;
        self.act(now, parent, verdict, (state, held), firings);
        self.composites.reschedule();
    }

    /// Ends the periods of suppressors and the mute windows that have run out.
    pub(in crate::engine::alarms) fn run_due_composites(&mut self, now: Timestamp, firings: &mut Vec<Firing>) {
        if self.composites.next_due.is_none_or(|due| due > now) {
            return;
        }
        let is_due = |composite: &&Composite| composite.due().is_some_and(|due| due <= now);
        let due: Vec<AlarmName> =
            self.composites.all.values().filter(is_due).map(|composite| composite.config.name.clone()).collect();
        for name in due {
            let Some(composite) = self.composites.all.get_mut(&name) else { continue };
            let held = composite.suppression.and_then(|suppression| suppression.held(now));
            let verdict = composite.suppression.as_mut().map_or(Verdict::Hold, |suppression| suppression.expire(now));
            let state = composite.state.value;
            self.act(now, &name, verdict, (state, held), firings);
            self.unmute(now, &name, firings);
        }
        self.composites.reschedule();
    }

    /// Puts a composite alarm into a state until one of its children changes. Says whether there is such an alarm.
    pub(in crate::engine::alarms) fn set_composite_state(
        &mut self,
        now: Timestamp,
        name: &AlarmName,
        new: StateSummary,
        firings: &mut Vec<Firing>,
    ) -> bool {
        let Some(composite) = self.composites.all.get(name) else { return false };
        if composite.state.value != new.value {
            self.change_composite(now, name, new, Vec::new(), firings);
            self.propagate(now, name, firings);
        }
        true
    }

    pub(in crate::engine::alarms) fn enable_composite_actions(&mut self, now: Timestamp, name: &AlarmName, on: bool) {
        let Some(composite) = self.composites.all.get_mut(name) else { return };
        if composite.config.actions_enabled == on {
            return;
        }
        composite.config = Arc::new(CompositeAlarm { actions_enabled: on, ..(*composite.config).clone() });
        composite.configuration_updated_at = now;
        let change = Change::Updated;
        let data = composite.configuration_document(change);
        self.remember_composite(now, name, Happening::ConfigurationUpdate { change, data });
    }

    pub(in crate::engine::alarms) fn delete_composite(&mut self, now: Timestamp, name: &AlarmName) {
        if let Some(gone) = self.composites.remove(name) {
            let change = Change::Deleted;
            let data = gone.configuration_document(change);
            self.remember_composite(now, name, Happening::ConfigurationUpdate { change, data });
        }
    }

    /// Why the actions of a composite alarm are suppressed by `by`, in the words recorded from AWS.
    pub fn suppressed_reason(&self, name: &AlarmName, by: &str) -> String {
        let suppressor = self.composites.all.get(name).and_then(|composite| composite.config.suppressor.as_ref());
        match suppressor.and_then(|suppressor| self.seen(&suppressor.alarm)).filter(|_| by == "Alarm") {
            Some(seen) => format!(
                "Actions suppressed by {} that transitioned to {} at {}",
                seen.arn,
                seen.state,
                seen.at.format(FOR_PEOPLE)
            ),
            None => format!("Actions suppressed by {by}"),
        }
    }

    pub(in crate::engine::alarms) fn composite_tags_mut(&mut self, name: &AlarmName) -> Option<&mut Tags> {
        self.composites.all.get_mut(name).map(|composite| &mut composite.tags)
    }

    fn remember_composite(&mut self, now: Timestamp, name: &AlarmName, what: Happening) {
        self.history.push_composite(now, name, what);
    }
}

/// A metric alarm cannot become a composite one under its name, nor the other way. Text recorded from AWS.
pub(in crate::engine::alarms) fn other_type(name: &AlarmName) -> Refusal {
    Refusal::validation(format!("AlarmName [{name}] is already used by another alarm of a different type"))
}
