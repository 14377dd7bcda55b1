//! Mute rules: windows of time in which alarms keep their actions to themselves. Start at [`MuteRule`].
//!
//! Alarms are evaluated and change as ever. An action that was muted runs when the window ends, if the alarm still is in the
//! state in which it was muted.
//!
//! Source: CloudWatch User Guide, "Alarm mute rules" and "How alarm mute rules work"; API Reference, Schedule.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use super::zone::Zone;
use super::{AlarmState, Tags};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::groups::cron::Cron;
use crate::engine::names::{AlarmName, Place};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Source: CloudWatch API Reference, Schedule.
const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST_DAYS: u64 = 15;

/// PutAlarmMuteRule as it came in; nothing is checked yet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MuteRequest {
    pub name: String,
    pub description: Option<String>,
    pub expression: String,
    pub duration: String,
    pub zone: Option<String>,
    pub targets: Vec<String>,
    pub start: Option<Timestamp>,
    pub expire: Option<Timestamp>,
}

/// A rule that mutes some alarms, again and again or once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MuteRule {
    pub name: String,
    pub description: Option<String>,
    pub schedule: MuteSchedule,
    pub targets: BTreeSet<AlarmName>,
    /// No window begins before.
    pub start: Option<Timestamp>,
    /// Nothing is muted from then on.
    pub expire: Option<Timestamp>,
    pub updated_at: Timestamp,
    #[serde(default)]
    pub tags: Tags,
}

/// When a rule mutes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MuteSchedule {
    pub expression: MuteExpression,
    pub duration: MuteDuration,
    /// `UTC` when the caller named none.
    pub zone: Option<Zone>,
}

/// `cron(0 2 * * SUN)`, the same without the word, or `at(2024-05-10T14:00)`. Written as it was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MuteExpression {
    text: String,
    when: When,
}

#[derive(Debug, Clone, PartialEq)]
enum When {
    Again(Cron),
    Once(DateTime),
}

/// `PT4H` or `P2DT12H`: days of the clock, then time. Written as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MuteDuration {
    text: String,
    days: u64,
    time: Duration,
}

/// As the API names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MuteStatus {
    Scheduled,
    Active,
    Expired,
}

/// An action that a rule keeps back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Muted {
    pub until: Timestamp,
    /// The state before the change that the action is about.
    pub old_state: AlarmState,
}

impl MuteStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "SCHEDULED",
            Self::Active => "ACTIVE",
            Self::Expired => "EXPIRED",
        }
    }
}

impl MuteExpression {
    pub fn parse(text: &str) -> Option<Self> {
        let inside = |word: &str| text.strip_prefix(word)?.strip_prefix('(')?.strip_suffix(')');
        let when = match (inside("at"), inside("cron")) {
            (Some(time), _) => When::Once(time.parse().ok()?),
            (_, cron) => When::Again(Cron::parse(cron.unwrap_or(text)).ok()?),
        };
        Some(Self { text: text.to_string(), when })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn recurs(&self) -> bool {
        matches!(self.when, When::Again(_))
    }
}

impl MuteDuration {
    pub fn parse(text: &str) -> Option<Self> {
        let (date, time) = text.strip_prefix('P')?.split_once('T').unwrap_or((text.strip_prefix('P')?, ""));
        let [weeks, days] = units(date, ['W', 'D'])?;
        let [hours, minutes, seconds] = units(time, ['H', 'M', 'S'])?;
        let days = weeks * 7 + days;
        let time = Duration::from_secs(hours * 3600 + minutes * 60 + seconds);
        let whole = DAY * u32::try_from(days).ok()? + time;
        let fits = (SHORTEST..=DAY * LONGEST_DAYS as u32).contains(&whole);
        fits.then(|| Self { text: text.to_string(), days, time })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The end of a stretch that begins at `start`, on the clock of `zone`.
    fn end(&self, start: Timestamp, zone: &Zone) -> Timestamp {
        let mut local = zone.tz().to_datetime(start.jiff());
        for _ in 0..self.days {
            local = local.tomorrow().unwrap_or(local);
        }
        instant(local, zone).unwrap_or(start) + self.time
    }
}

/// `1D` and the like, in the order of `units`, each at most once and with at most four digits.
fn units<const N: usize>(text: &str, units: [char; N]) -> Option<[u64; N]> {
    let mut values = [0; N];
    let (mut rest, mut next) = (text, 0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|digits| (1..=4).contains(digits))?;
        let unit = rest[digits..].chars().next()?;
        let place = next + units[next..].iter().position(|known| *known == unit)?;
        values[place] = rest[..digits].parse().ok()?;
        next = place + 1;
        rest = &rest[digits + unit.len_utf8()..];
    }
    Some(values)
}

fn instant(local: DateTime, zone: &Zone) -> Option<Timestamp> {
    zone.tz().to_timestamp(local).ok().map(|instant| Timestamp::from_millis(instant.as_millisecond()))
}

macro_rules! written_as_read {
    ($($name:ident: $what:literal),*) => {$(
        impl TryFrom<String> for $name {
            type Error = String;
            fn try_from(text: String) -> Result<Self, String> {
                Self::parse(&text).ok_or_else(|| format!(concat!("`{}` is no ", $what), text))
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.text
            }
        }
    )*};
}

written_as_read! { MuteExpression: "mute expression", MuteDuration: "mute duration" }

impl MuteSchedule {
    fn zone(&self) -> Zone {
        self.zone.clone().unwrap_or_else(Zone::utc)
    }

    /// The first window that begins after `after`.
    pub fn next_window(&self, after: Timestamp) -> Option<Range<Timestamp>> {
        let zone = self.zone();
        let start = match &self.expression.when {
            When::Again(cron) => cron.next_after(after, zone.tz())?,
            When::Once(local) => instant(*local, &zone).filter(|start| *start > after)?,
        };
        Some(start..self.duration.end(start, &zone))
    }

    /// The window that `now` lies in; of several the one that ends last.
    fn window_at(&self, now: Timestamp) -> Option<Range<Timestamp>> {
        // Two days more than a window lasts: clocks that are put back make it longer.
        let mut after = now - DAY * (self.duration.days as u32 + 2) - self.duration.time;
        let mut found: Option<Range<Timestamp>> = None;
        while let Some(window) = self.next_window(after).filter(|window| window.start <= now) {
            after = window.start;
            if window.end > now && found.as_ref().is_none_or(|found| found.end < window.end) {
                found = Some(window);
            }
        }
        found
    }
}

impl MuteRule {
    /// # Errors
    /// An expression, duration or time zone that AWS does not take.
    pub fn check(request: MuteRequest, now: Timestamp) -> Result<Self, Refusal> {
        let invalid =
            |what: &str, text: &str| Refusal::validation(format!("The {what} {text} of the mute rule is not valid"));
        let zone = request.zone.map(|zone| Zone::parse(&zone).ok_or_else(|| invalid("Timezone", &zone))).transpose()?;
        let schedule = MuteSchedule {
            expression: MuteExpression::parse(&request.expression)
                .ok_or_else(|| invalid("Expression", &request.expression))?,
            duration: MuteDuration::parse(&request.duration).ok_or_else(|| invalid("Duration", &request.duration))?,
            zone,
        };
        if let (Some(start), Some(expire)) = (request.start, request.expire)
            && start >= expire
        {
            return Err(Refusal::validation("StartDate must be before ExpireDate"));
        }
        Ok(Self {
            name: request.name,
            description: request.description,
            schedule,
            targets: request.targets.into_iter().map(AlarmName).collect(),
            start: request.start,
            expire: request.expire,
            updated_at: now,
            tags: Tags::new(),
        })
    }

    pub fn arn(&self, place: &Place) -> String {
        place.arn("cloudwatch", &format!("alarm-mute-rule:{}", self.name))
    }

    /// When the muting that is on at `now` ends; `None` when nothing is muted.
    pub fn muted_until(&self, now: Timestamp) -> Option<Timestamp> {
        if self.expire.is_some_and(|expire| now >= expire) {
            return None;
        }
        let window = self.schedule.window_at(now)?;
        if self.start.is_some_and(|start| window.start < start) {
            return None;
        }
        Some(self.expire.map_or(window.end, |expire| expire.min(window.end)))
    }

    pub fn status(&self, now: Timestamp) -> MuteStatus {
        let is_over = self.expire.is_some_and(|expire| now >= expire);
        match self.muted_until(now) {
            Some(_) => MuteStatus::Active,
            None if is_over || self.schedule.next_window(now).is_none() => MuteStatus::Expired,
            None => MuteStatus::Scheduled,
        }
    }
}

/// All mute rules of a world, by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MuteRules {
    all: BTreeMap<String, MuteRule>,
}

impl MuteRules {
    pub fn get(&self, name: &str) -> Option<&MuteRule> {
        self.all.get(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &MuteRule> {
        self.all.values()
    }

    pub(super) fn put(&mut self, rule: MuteRule) {
        self.all.insert(rule.name.clone(), rule);
    }

    pub(super) fn tags_mut(&mut self, name: &str) -> Option<&mut Tags> {
        self.all.get_mut(name).map(|rule| &mut rule.tags)
    }

    pub(super) fn delete(&mut self, name: &str) {
        self.all.remove(name);
    }

    /// When the last of the windows ends that mute this alarm at `now`.
    pub fn muted_until(&self, alarm: &AlarmName, now: Timestamp) -> Option<Timestamp> {
        let rules = self.all.values().filter(|rule| rule.targets.contains(alarm));
        rules.filter_map(|rule| rule.muted_until(now)).max()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn rule(expression: &str, duration: &str, zone: &str) -> MuteRule {
        let request = MuteRequest {
            name: "quiet".into(),
            expression: expression.into(),
            duration: duration.into(),
            zone: Some(zone.into()),
            targets: vec!["cpu".into()],
            ..MuteRequest::default()
        };
        MuteRule::check(request, at("2026-01-01T00:00:00Z")).unwrap()
    }

    /// Source: CloudWatch API Reference, Schedule, its examples.
    #[test]
    fn a_rule_mutes_from_its_instant_for_its_duration() {
        for (expression, duration, zone, muted, until) in [
            ("cron(0 2 * * SUN)", "PT4H", "UTC", "2026-09-13T02:00:00Z", Some("2026-09-13T06:00:00Z")),
            ("0 18 * * FRI", "P2DT12H", "UTC", "2026-09-13T12:00:00Z", Some("2026-09-14T06:00:00Z")),
            ("0 18 * * FRI", "P2DT12H", "UTC", "2026-09-14T06:00:00Z", None),
            ("0 1 1 * *", "PT6H", "Asia/Seoul", "2026-08-31T16:00:00Z", Some("2026-08-31T22:00:00Z")),
            ("at(2024-05-10T14:00)", "PT4H", "UTC", "2024-05-10T17:59:59Z", Some("2024-05-10T18:00:00Z")),
            ("at(2024-05-10T14:00)", "PT4H", "UTC", "2024-05-10T13:59:59Z", None),
            // A day of the clock has 23 hours when it is put forward.
            ("0 12 7 3 *", "P1D", "America/New_York", "2026-03-07T17:00:00Z", Some("2026-03-08T16:00:00Z")),
            ("* * * * *", "P15D", "UTC", "2026-09-13T02:00:30Z", Some("2026-09-28T02:00:00Z")),
        ] {
            let got = rule(expression, duration, zone).muted_until(at(muted)).map(Timestamp::iso_secs);
            assert_eq!(got.as_deref(), until, "{expression} {duration} {zone} at {muted}");
        }
    }

    #[test]
    fn a_rule_is_scheduled_active_or_expired() {
        let once = rule("at(2026-05-10T14:00)", "PT4H", "UTC");
        let status = |rule: &MuteRule, now: &str| rule.status(at(now)).as_str();
        assert_eq!(status(&once, "2026-05-10T13:00:00Z"), "SCHEDULED");
        assert_eq!(status(&once, "2026-05-10T14:00:00Z"), "ACTIVE");
        assert_eq!(status(&once, "2026-05-10T18:00:00Z"), "EXPIRED");
        let expire = Some(at("2026-05-10T03:00:00Z"));
        let daily = MuteRule { expire, ..rule("cron(0 2 * * *)", "PT4H", "UTC") };
        assert_eq!(daily.muted_until(at("2026-05-10T02:30:00Z")), expire);
        assert_eq!(status(&daily, "2026-05-10T03:00:00Z"), "EXPIRED");
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in ["", "P", "PT", "PT59S", "P15DT1S", "P16D", "P1M", "PT1H1H", "PT5M1H", "4H", "PT99999M", "P1Dé"] {
            assert_eq!(MuteDuration::parse(text), None, "{text}");
        }
        for text in ["PT1M", "P15D", "P1W", "P2DT12H", "PT90M"] {
            assert!(MuteDuration::parse(text).is_some(), "{text}");
        }
        for text in
            ["", "at()", "at(14:00)", "cron()", "cron(0 2 * *)", "0 2 * * * *", "rate(5 minutes)", "cron(0 2 * * *"]
        {
            assert_eq!(MuteExpression::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic(expression in ".{0,40}", duration in "P?[0-9WDTHMS]{0,12}", any in ".{0,20}") {
            let _ = (MuteExpression::parse(&expression), MuteDuration::parse(&duration), MuteDuration::parse(&any));
        }
    }
}
