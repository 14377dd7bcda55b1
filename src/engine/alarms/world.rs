//! What API calls do with alarms, with the actions they set off carried on. All methods of [`World`].

use super::composite::life::other_type;
use super::composite::{CompositeAlarm, name_of};
use super::mute::MuteRule;
use super::{AlarmState, MetricAlarm, Tags, validate};
use crate::clock::Timestamp;
use crate::engine::names::AlarmName;
use crate::engine::{Refusal, World};

/// Source: CloudWatch API Reference, TagResource.
const TAGS_PER_ALARM: usize = 50;

impl World {
    /// Creates an alarm, with tags, or replaces the whole configuration of an existing one, whose state and tags stay.
    ///
    /// # Errors
    /// Tags that AWS does not take, and the name of a composite alarm.
    pub fn put_metric_alarm(&mut self, now: Timestamp, alarm: MetricAlarm, tags: Tags) -> Result<(), Refusal> {
        check_tags(&tags)?;
        if self.alarms.composites().get(&alarm.name).is_some() {
            return Err(other_type(&alarm.name));
        }
        self.alarms.put(now, alarm, tags);
        Ok(())
    }

    /// Creates a composite alarm, with tags, or replaces the whole configuration of an existing one; evaluates it at once.
    ///
    /// # Errors
    /// Tags that AWS does not take, the name of a metric alarm, and alarms in the rule that are not there.
    pub fn put_composite_alarm(&mut self, now: Timestamp, alarm: CompositeAlarm, tags: Tags) -> Result<(), Refusal> {
        check_tags(&tags)?;
        let firings = self.alarms.put_composite(now, alarm, tags)?;
        self.route_firings(now, firings);
        Ok(())
    }

    /// Creates a mute rule, with tags, or replaces an existing one, whose tags stay.
    ///
    /// # Errors
    /// Tags that AWS does not take.
    pub fn put_mute_rule(&mut self, now: Timestamp, rule: MuteRule, tags: Tags) -> Result<(), Refusal> {
        check_tags(&tags)?;
        self.alarms.put_mute_rule(now, rule, tags);
        Ok(())
    }

    /// Puts an alarm into a state until its next evaluation and runs that state's actions.
    ///
    /// # Errors
    /// `ResourceNotFound`, and `InvalidFormat` for reason data that are no JSON.
    pub fn set_alarm_state(
        &mut self,
        now: Timestamp,
        name: &AlarmName,
        state: AlarmState,
        reason: &str,
        reason_data: Option<&str>,
    ) -> Result<(), Refusal> {
        let firings = self.alarms.set_state(now, name, state, reason, reason_data)?;
        self.route_firings(now, firings);
        Ok(())
    }

    /// Removes alarms; those that do not exist are passed over.
    ///
    /// # Errors
    /// A name that no alarm can have, an alarm that a composite alarm names (even one that is to go as well), and two
    /// composite alarms at once; then nothing is removed.
    pub fn delete_alarms(&mut self, now: Timestamp, names: &[AlarmName]) -> Result<(), Refusal> {
        names.iter().try_for_each(|name| validate::check_name(name.as_str()))?;
        let composites = self.alarms.composites();
        if let Some(name) = names.iter().find(|name| composites.parents(name).next().is_some()) {
            // Text recorded from AWS.
            let text = format!("Cannot delete {name} as there are composite alarm(s) depending on it.");
            return Err(Refusal::validation(text));
        }
        let unique: std::collections::BTreeSet<_> =
            names.iter().filter(|name| composites.get(name).is_some()).collect();
        if unique.len() > 1 {
            return Err(Refusal::validation("Only one composite alarm can be deleted in one call"));
        }
        for name in names {
            self.alarms.delete(now, name);
            self.alarms.delete_composite(now, name);
        }
        Ok(())
    }

    /// Adds tags to an alarm or changes them.
    ///
    /// # Errors
    /// `ResourceNotFoundException`, or tags that AWS does not take; then nothing changes.
    pub fn tag_alarm(&mut self, arn: &str, tags: Tags) -> Result<(), Refusal> {
        let mut all = self.alarm_tags(arn)?.clone();
        check_tags(&tags)?;
        all.extend(tags);
        check_tags(&all)?;
        *self.alarm_tags_mut(arn)? = all;
        Ok(())
    }

    /// Removes tags by their keys; those that are not there are passed over.
    ///
    /// # Errors
    /// `ResourceNotFoundException`.
    pub fn untag_alarm(&mut self, arn: &str, keys: &[String]) -> Result<(), Refusal> {
        self.alarm_tags_mut(arn)?.retain(|key, _| !keys.contains(key));
        Ok(())
    }

    /// # Errors
    /// `ResourceNotFoundException`.
    pub fn alarm_tags(&self, arn: &str) -> Result<&Tags, Refusal> {
        if let Some(rule) = self.mute_rule_of(arn) {
            return self.alarms.mute_rules().get(rule).map(|rule| &rule.tags).ok_or_else(no_such_resource);
        }
        let name = self.tagged_alarm(arn)?;
        let metric = self.alarms.get(&name).map(|alarm| &alarm.tags);
        let composite = || self.alarms.composites().get(&name).map(|alarm| &alarm.tags);
        metric.or_else(composite).ok_or_else(no_such_resource)
    }

    fn alarm_tags_mut(&mut self, arn: &str) -> Result<&mut Tags, Refusal> {
        if let Some(rule) = self.mute_rule_of(arn).map(str::to_string) {
            return self.alarms.mute_tags_mut(&rule).ok_or_else(no_such_resource);
        }
        let name = self.tagged_alarm(arn)?;
        self.alarms.tags_mut(&name).ok_or_else(no_such_resource)
    }

    /// The name in the ARN of a mute rule.
    fn mute_rule_of<'a>(&self, arn: &'a str) -> Option<&'a str> {
        arn.strip_prefix(&self.place.arn("cloudwatch", "alarm-mute-rule:"))
    }

    fn tagged_alarm(&self, arn: &str) -> Result<AlarmName, Refusal> {
        let prefix = self.place.arn("cloudwatch", "alarm:");
        if arn.starts_with(&prefix) { Ok(name_of(arn)) } else { Err(no_such_resource()) }
    }
}

fn no_such_resource() -> Refusal {
    Refusal::new("ResourceNotFoundException", 404, "")
}

/// # Errors
/// `AccessDenied` for keys that are AWS's, `ValidationError` for too many.
pub fn check_tags(tags: &Tags) -> Result<(), Refusal> {
    if tags.keys().any(|key| key.to_ascii_lowercase().starts_with("aws:")) {
        return Err(Refusal::new(
            "AccessDenied",
            403,
            "The provided tag keys must not start with any case of \"aws:\"",
        ));
    }
    if tags.len() > TAGS_PER_ALARM {
        return Err(Refusal::validation(format!("The number of tags exceeds the limit of {TAGS_PER_ALARM}")));
    }
    Ok(())
}
