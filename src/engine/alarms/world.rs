//! What API calls do with alarms, with the actions they set off carried on. All methods of [`World`].

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
    /// Tags that AWS does not take.
    pub fn put_metric_alarm(&mut self, now: Timestamp, alarm: MetricAlarm, tags: Tags) -> Result<(), Refusal> {
        check_tags(&tags)?;
        self.alarms.put(now, alarm, tags);
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
    /// A name that no alarm can have; then nothing is removed.
    pub fn delete_alarms(&mut self, now: Timestamp, names: &[AlarmName]) -> Result<(), Refusal> {
        names.iter().try_for_each(|name| validate::check_name(name.as_str()))?;
        names.iter().for_each(|name| self.alarms.delete(now, name));
        Ok(())
    }

    /// Adds tags to an alarm or changes them.
    ///
    /// # Errors
    /// `ResourceNotFoundException`, or tags that AWS does not take; then nothing changes.
    pub fn tag_alarm(&mut self, arn: &str, tags: Tags) -> Result<(), Refusal> {
        let name = self.tagged_alarm(arn)?;
        let Some(alarm) = self.alarms.get_mut(&name) else { return Err(no_such_resource()) };
        check_tags(&tags)?;
        let mut all = alarm.tags.clone();
        all.extend(tags);
        check_tags(&all)?;
        alarm.tags = all;
        Ok(())
    }

    /// Removes tags by their keys; those that are not there are passed over.
    ///
    /// # Errors
    /// `ResourceNotFoundException`.
    pub fn untag_alarm(&mut self, arn: &str, keys: &[String]) -> Result<(), Refusal> {
        let name = self.tagged_alarm(arn)?;
        let alarm = self.alarms.get_mut(&name).ok_or_else(no_such_resource)?;
        alarm.tags.retain(|key, _| !keys.contains(key));
        Ok(())
    }

    /// # Errors
    /// `ResourceNotFoundException`.
    pub fn alarm_tags(&self, arn: &str) -> Result<&Tags, Refusal> {
        let name = self.tagged_alarm(arn)?;
        self.alarms.get(&name).map(|alarm| &alarm.tags).ok_or_else(no_such_resource)
    }

    fn tagged_alarm(&self, arn: &str) -> Result<AlarmName, Refusal> {
        let prefix = self.place.arn("cloudwatch", "alarm:");
        arn.strip_prefix(&prefix).map(AlarmName::from).ok_or_else(no_such_resource)
    }
}

fn no_such_resource() -> Refusal {
    Refusal::new("ResourceNotFoundException", 404, "")
}

fn check_tags(tags: &Tags) -> Result<(), Refusal> {
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
