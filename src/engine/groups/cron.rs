//! Cron expressions of five fields, and the instants they name in a time zone. Start at [`Cron::next_after`].
//!
//! Source: Amazon EC2 Auto Scaling User Guide, "Scheduled scaling", recurring schedules, which points to the syntax of
//! Unix's crontab. Three things that AWS does not document follow crontab, or the plain reading of the expression:
//! - If day of month and day of week are both restricted, either will do; 7 is Sunday too.
//! - An hour that daylight saving skips does not come, and one that it repeats comes twice.
//! - Steps need a range or `*` before them.

use std::time::Duration;

use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

const MINUTE: Duration = Duration::from_secs(60);

/// How far ahead an instant is looked for: the longest that 29 February can be away, over 2100.
const SEARCHED: Duration = Duration::from_secs(9 * 366 * 24 * 3600);

const MONTHS: &[&str] = &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// `MINUTE HOUR DAY_OF_MONTH MONTH DAY_OF_WEEK`, read and written as such.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cron {
    text: String,
    minutes: Field,
    hours: Field,
    days: Field,
    months: Field,
    /// Sunday is 0.
    weekdays: Field,
}

/// The expression is none of crontab's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Given recurrence string: {0} is invalid")]
pub struct BadCron(pub String);

/// The values that one field allows, a bit for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Field {
    values: u64,
    /// It begins with `*`, and so does not restrict the day.
    star: bool,
}

impl Field {
    fn has(self, value: i8) -> bool {
        u32::try_from(value).is_ok_and(|value| self.values >> value & 1 == 1)
    }

    /// Reads `*`, numbers, names, ranges and steps, with commas between them.
    fn parse(text: &str, least: u32, most: u32, names: &[&str]) -> Option<Self> {
        let value = |word: &str| {
            let named = names.iter().position(|name| name.eq_ignore_ascii_case(word)).map(|place| place as u32 + least);
            let number = || word.bytes().all(|byte| byte.is_ascii_digit()).then(|| word.parse().ok())?;
            named.or_else(number).filter(|value| (least..=most).contains(value))
        };
        let mut values = 0;
        for item in text.split(',') {
            let (range, step) = match item.split_once('/') {
                None => (item, None),
                Some((range, step)) => (range, Some(step.parse::<u32>().ok().filter(|step| *step > 0)?)),
            };
            let (from, to) = match (range, range.split_once('-'), step) {
                ("*", _, _) => (least, most),
                (_, Some((from, to)), _) => (value(from)?, value(to)?),
                (_, None, None) => (value(range)?, value(range)?),
                (_, None, Some(_)) => return None,
            };
            if from > to {
                return None;
            }
            values |= (from..=to).step_by(step.unwrap_or(1) as usize).fold(0, |bits, value| bits | 1 << value);
        }
        Some(Self { values, star: text.starts_with('*') })
    }
}

/// The largest unit of a local time that the expression does not allow: nothing within it will do.
enum Mismatch {
    Day,
    Hour,
    Minute,
}

impl Cron {
    /// # Errors
    /// [`BadCron`] if the text is no expression of five fields.
    pub fn parse(text: &str) -> Result<Self, BadCron> {
        Self::read(text).ok_or_else(|| BadCron(text.to_string()))
    }

    fn read(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields[..] else { return None };
        let mut weekdays = Field::parse(weekdays, 0, 7, WEEKDAYS)?;
        weekdays.values |= weekdays.values >> 7 & 1;
        Some(Self {
            text: text.to_string(),
            minutes: Field::parse(minutes, 0, 59, &[])?,
            hours: Field::parse(hours, 0, 23, &[])?,
            days: Field::parse(days, 1, 31, &[])?,
            months: Field::parse(months, 1, 12, MONTHS)?,
            weekdays,
        })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first instant after `after` that it names in `zone`; `None` if there is none, as for 30 February.
    pub fn next_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let mut at = after.floor_to(MINUTE) + MINUTE;
        let end = at + SEARCHED;
        while at < end {
            let local = zone.to_datetime(at.jiff());
            at = match self.mismatch(local) {
                None => return Some(at),
                Some(Mismatch::Day) => next_day(at, local, zone),
                Some(Mismatch::Hour) => at + MINUTE * (60 - u32::from(local.minute().unsigned_abs())),
                Some(Mismatch::Minute) => at + MINUTE,
            };
        }
        None
    }

    fn mismatch(&self, local: DateTime) -> Option<Mismatch> {
        let day = self.days.has(local.day());
        let weekday = self.weekdays.has(local.weekday().to_sunday_zero_offset());
        let either = !self.days.star && !self.weekdays.star;
        let day_matches = if either { day || weekday } else { day && weekday };
        match () {
            () if !self.months.has(local.month()) || !day_matches => Some(Mismatch::Day),
            () if !self.hours.has(local.hour()) => Some(Mismatch::Hour),
            () if !self.minutes.has(local.minute()) => Some(Mismatch::Minute),
            () => None,
        }
    }
}

/// The first instant of the local day after that of `at`.
fn next_day(at: Timestamp, local: DateTime, zone: &TimeZone) -> Timestamp {
    let midnight = local.date().tomorrow().ok().map(|day| day.to_datetime(Time::midnight()));
    let instant = midnight.and_then(|midnight| zone.to_timestamp(midnight).ok());
    let next = instant.map(|instant| Timestamp::from_millis(instant.as_millisecond()));
    next.filter(|next| *next > at).unwrap_or(at + MINUTE)
}

impl TryFrom<String> for Cron {
    type Error = BadCron;
    fn try_from(text: String) -> Result<Self, BadCron> {
        Self::parse(&text)
    }
}

impl From<Cron> for String {
    fn from(cron: Cron) -> Self {
        cron.text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::schedule::time_zone;
    use super::*;

    /// The first instants after `after`, one after the other.
    fn check(expression: &str, zone: &str, after: &str, expected: &[&str]) {
        let (cron, zone) = (Cron::parse(expression).unwrap(), time_zone(zone).unwrap());
        let mut at = Timestamp::parse(after).unwrap();
        for expected in expected {
            at = cron.next_after(at, &zone).unwrap();
            assert_eq!(at.iso_secs(), *expected, "{expression} after {after}");
        }
    }

    #[test]
    fn expressions_name_the_instants_that_the_guide_says() {
        check("30 6 * * 2", "UTC", "2021-04-01T00:00:00Z", &["2021-04-06T06:30:00Z", "2021-04-13T06:30:00Z"]);
        check("0 9 * * *", "UTC", "2021-04-01T09:00:00Z", &["2021-04-02T09:00:00Z"]);
        check("30 0 1 1,6,12 *", "UTC", "2020-08-20T00:00:00Z", &["2020-12-01T00:30:00Z", "2021-01-01T00:30:00Z"]);
        // 08:00 in New York is 13:00 UTC in winter and 12:00 in summer.
        let spring = ["2021-03-13T13:00:00Z", "2021-03-14T12:00:00Z"];
        check("0 8 * * *", "America/New_York", "2021-03-13T00:00:00Z", &spring);
    }

    #[test]
    fn fields_read_as_in_crontab() {
        check(
            "*/20 4-6/2 * jan mon-tue",
            "UTC",
            "2024-01-03T00:00:00Z",
            &["2024-01-08T04:00:00Z", "2024-01-08T04:20:00Z"],
        );
        check("0 5 * * 7", "UTC", "2024-01-01T00:00:00Z", &["2024-01-07T05:00:00Z"]);
        check("0 0 13 * 5", "UTC", "2024-09-01T00:00:00Z", &["2024-09-06T00:00:00Z", "2024-09-13T00:00:00Z"]);
        check("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", &["2104-02-29T00:00:00Z"]);
        for bad in ["", "* * * *", "0 9 * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8"] {
            assert_eq!(Cron::parse(bad), Err(BadCron(bad.into())));
        }
        for bad in ["0 9 ? * *", "5/10 * * * *", "9-5 * * * *", "*/0 * * * *", "1,,2 * * * *", "+1 * * * *", "@daily"] {
            assert_eq!(Cron::parse(bad), Err(BadCron(bad.into())));
        }
        assert_eq!(Cron::parse("0 0 30 2 *").unwrap().next_after(Timestamp::from_secs(0), &TimeZone::UTC), None);
    }

    #[test]
    fn an_hour_that_is_skipped_does_not_come_and_one_that_is_repeated_comes_twice() {
        let zone = "America/New_York";
        check("30 2 * * *", zone, "2021-03-13T12:00:00Z", &["2021-03-15T06:30:00Z"]);
        check("30 1 * * *", zone, "2021-11-07T00:00:00Z", &["2021-11-07T05:30:00Z", "2021-11-07T06:30:00Z"]);
    }

    /// Tries every minute.
    fn oracle(cron: &Cron, after: Timestamp, zone: &TimeZone, until: Timestamp) -> Option<Timestamp> {
        let first = after.floor_to(MINUTE) + MINUTE;
        let minutes = (0..).map(|count| first + MINUTE * count).take_while(|at| *at < until);
        let named = |at: &Timestamp| {
            let local = zone.to_datetime(at.jiff());
            let (day, weekday) =
                (cron.days.has(local.day()), cron.weekdays.has(local.weekday().to_sunday_zero_offset()));
            let either = !cron.days.star && !cron.weekdays.star;
            cron.minutes.has(local.minute())
                && cron.hours.has(local.hour())
                && cron.months.has(local.month())
                && if either { day || weekday } else { day && weekday }
        };
        minutes.into_iter().find(named)
    }

    /// Zones that change their clocks at odd hours, by odd amounts, at midnight, or not at all.
    const ZONES: &[&str] = &[
        "America/New_York",
        "Europe/London",
        "Australia/Lord_Howe",
        "America/Asuncion",
        "America/Havana",
        "Asia/Beirut",
        "Antarctica/Troll",
        "Africa/Casablanca",
        "Asia/Kathmandu",
        "Pacific/Apia",
    ];

    fn field(least: u32, most: u32) -> impl Strategy<Value = String> {
        let number = least..=most;
        let range = (least..=most, least..=most).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b)));
        let list = proptest::collection::vec(least..=most, 1..4);
        prop_oneof![
            3 => Just("*".to_string()),
            1 => (1..=most).prop_map(|step| format!("*/{step}")),
            2 => number.prop_map(|number| number.to_string()),
            1 => range,
            1 => list.prop_map(|numbers| numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(",")),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn the_next_run_lies_ahead_and_is_the_one_that_trying_every_minute_finds(
            fields in (field(0, 59), field(0, 23), field(1, 28), Just("*".to_string()), field(0, 7)),
            zone in proptest::sample::select(ZONES),
            // A day around each change of the clocks of 2011 to 2025, and what lies between.
            start in 1_300_000_000_i64..1_760_000_000,
        ) {
            let (minutes, hours, days, months, weekdays) = fields;
            let cron = Cron::parse(&format!("{minutes} {hours} {days} {months} {weekdays}")).unwrap();
            let zone = time_zone(zone).unwrap();
            let change = zone.following(Timestamp::from_secs(start).jiff()).next();
            let change = change.map_or(start, |change| change.timestamp().as_second());
            for after in [start, change - 86_400, change - 3_600, change - 1, change + 1_800] {
                let after = Timestamp::from_secs(after);
                let until = after + Duration::from_secs(4 * 86_400);
                let next = cron.next_after(after, &zone);
                prop_assert!(next.is_none_or(|next| next > after));
                let expected = oracle(&cron, after, &zone, until);
                prop_assert_eq!(next.filter(|next| *next < until), expected, "{} after {}", cron.as_str(), after);
            }
        }
    }
}
