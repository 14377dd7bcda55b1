//! When an alarm is evaluated, and which slots it then looks at. Start at [`Cadence`].

use std::ops::Range;
use std::time::Duration;

use jiff::civil::Time;

use serde::{Deserialize, Serialize};

use super::choices::{DAYS_INTO_WEEK, HIGH_RESOLUTION_LAG_MILLIS, HOURLY_MINUTE, MORE_SECS, MORE_SLOTS};
use super::zone::Zone;
use crate::clock::Timestamp;
use crate::engine::ids::Ids;
use crate::engine::metrics::Slots;
use crate::engine::names::AlarmName;

const DAY_SECS: u64 = 86_400;

/// How often an alarm is evaluated.
///
/// Source: CloudWatch User Guide, "Alarm evaluation".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cadence {
    /// High resolution: a period of 10, 20 or 30 seconds.
    TenSeconds,
    Minute,
    /// All evaluation periods together are longer than a day.
    Hour,
}

impl Cadence {
    pub fn of(period_secs: u32, evaluation_periods: u32) -> Self {
        match u64::from(period_secs) * u64::from(evaluation_periods) {
            _ if period_secs < 60 => Self::TenSeconds,
            window if window > DAY_SECS => Self::Hour,
            _ => Self::Minute,
        }
    }

    pub fn every(self) -> Duration {
        Duration::from_millis(self.every_millis().unsigned_abs())
    }

    fn every_millis(self) -> i64 {
        match self {
            Self::TenSeconds => 10_000,
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
        }
    }
}

/// The instants at which one alarm is evaluated: its cadence, shifted by an offset that never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvaluationClock {
    pub cadence: Cadence,
    pub offset_millis: u64,
}

impl EvaluationClock {
    /// The offset depends on seed and name alone, so that other alarms do not shift this one.
    pub fn new(cadence: Cadence, seed: u64, name: &AlarmName) -> Self {
        let draw = Ids::new(seed, &format!("alarm clock {name}")).next_u64();
        let offset_millis = match cadence {
            Cadence::TenSeconds => draw % 10_000,
            Cadence::Minute => draw % 60_000,
            Cadence::Hour => HOURLY_MINUTE * 60_000 + draw % 60_000,
        };
        Self { cadence, offset_millis }
    }

    /// The first evaluation later than `now`.
    pub fn next_after(self, now: Timestamp) -> Timestamp {
        let (every, offset) = (self.cadence.every_millis(), self.offset_millis as i64);
        let turns = (now.as_millis() - offset).div_euclid(every) + 1;
        Timestamp::from_millis(turns * every + offset)
    }
}

/// How many slots an evaluation fetches.
pub fn evaluation_range(period_secs: u32, evaluation_periods: u32) -> u32 {
    evaluation_periods + MORE_SLOTS.max(MORE_SECS.div_ceil(period_secs))
}

/// Where the newest slot of an evaluation at `query_date` begins.
///
/// Slots slide with the evaluations instead of being aligned to multiples of the period. Alarms on metric math do not lag
/// behind as those on one metric of high resolution do.
pub fn newest_slot(period_secs: u32, evaluation_periods: u32, query_date: Timestamp, math: bool) -> Timestamp {
    let cadence = Cadence::of(period_secs, evaluation_periods);
    let lag = if cadence == Cadence::TenSeconds && !math { HIGH_RESOLUTION_LAG_MILLIS } else { 0 };
    let every = cadence.every_millis();
    let end = (query_date.as_millis() - lag).div_euclid(every) * every;
    Timestamp::from_millis(end - i64::from(period_secs) * 1000)
}

/// All slots that an evaluation at `query_date` fetches.
pub fn slots(period_secs: u32, evaluation_periods: u32, query_date: Timestamp, math: bool) -> Slots {
    let count = evaluation_range(period_secs, evaluation_periods);
    let newest = newest_slot(period_secs, evaluation_periods, query_date, math);
    let before = i64::from(period_secs) * 1000 * i64::from(count - 1);
    Slots { first: Timestamp::from_millis(newest.as_millis() - before), period_secs, count }
}

/// How the slots of an evaluation lie.
///
/// Source: CloudWatch User Guide, "Alarm evaluation window".
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub enum EvaluationWindow {
    /// They move on with each evaluation.
    #[default]
    Sliding,
    /// They are the minutes, hours, days or weeks of a clock in a time zone, and only those that are over count.
    WallClock(Zone),
}

impl EvaluationWindow {
    /// The periods that a clock has, in seconds.
    pub const WALL_CLOCK_PERIODS: &[u32] = &[60, 300, 3600, DAY_SECS as u32, 7 * DAY_SECS as u32];

    /// As the API names it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sliding => "SlidingWindow",
            Self::WallClock(_) => "WallClockWindow",
        }
    }
}

/// The newest periods of a clock in `zone` that are over at `query_date`, oldest first. They are no longer than their name
/// says, save days and weeks in which the clock is put forward or back.
pub fn complete_periods(
    zone: &Zone,
    period_secs: u32,
    evaluation_periods: u32,
    query_date: Timestamp,
) -> Vec<Range<Timestamp>> {
    let mut ends = Vec::new();
    let mut end = query_date;
    for _ in 0..=evaluation_periods {
        end = period_start(zone, period_secs, end);
        ends.push(end);
        end = end - Duration::from_millis(1);
    }
    ends.reverse();
    ends.windows(2).map(|pair| pair[0]..pair[1]).collect()
}

/// The start of the period that `at` lies in.
fn period_start(zone: &Zone, period_secs: u32, at: Timestamp) -> Timestamp {
    if u64::from(period_secs) < DAY_SECS {
        let offset = i64::from(zone.tz().to_offset(at.jiff()).seconds()) * 1000;
        let step = i64::from(period_secs) * 1000;
        return Timestamp::from_millis((at.as_millis() + offset).div_euclid(step) * step - offset);
    }
    let mut day = zone.tz().to_datetime(at.jiff()).date();
    if u64::from(period_secs) > DAY_SECS {
        for _ in 0..DAYS_INTO_WEEK(day.weekday()) {
            day = day.yesterday().unwrap_or(day);
        }
    }
    let start = zone.tz().to_timestamp(day.to_datetime(Time::midnight()));
    start.map_or(at, |start| Timestamp::from_millis(start.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn an_alarm_is_evaluated_each_minute_unless_it_is_fast_or_long() {
        for (period, n, every) in [
            (10, 3, 10),
            (30, 1, 10),
            (60, 1, 60),
            (60, 1440, 60),
            (86_400, 1, 60),
            (3600, 25, 3600),
            (86_400, 2, 3600),
        ] {
            assert_eq!(Cadence::of(period, n).every(), Duration::from_secs(every), "{period} s x {n}");
        }
    }

    /// Source: CloudWatch User Guide (2 and 3), field reports (4 and 5), recordings of 10 s alarms (the last two).
    #[test]
    fn the_newest_slot_ends_at_the_evaluation_minute() {
        for (period, n, query_date, start) in [
            (300, 3, "2026-01-01T12:15:00Z", "2026-01-01T12:10:00Z"),
            (300, 3, "2026-01-01T12:16:59Z", "2026-01-01T12:11:00Z"),
            (300, 1, "2025-07-03T08:34:06.300Z", "2025-07-03T08:29:00Z"),
            (900, 8, "2026-08-19T08:14:49.319Z", "2026-08-19T07:59:00Z"),
            (180, 1, "2026-08-19T05:53:32.119Z", "2026-08-19T05:50:00Z"),
            (86_400, 2, "2026-08-19T05:03:32.119Z", "2026-08-18T05:00:00Z"),
            (10, 3, "2026-09-14T05:43:07.551Z", "2026-09-14T05:42:40Z"),
            (10, 3, "2026-09-14T05:47:38.775Z", "2026-09-14T05:47:10Z"),
        ] {
            assert_eq!(newest_slot(period, n, at(query_date), false), at(start), "{period} s x {n} at {query_date}");
        }
    }

    /// Recorded from AWS: an expression with a period of 10 s.
    #[test]
    fn math_does_not_lag_behind() {
        let newest = newest_slot(10, 1, at("2026-09-14T07:58:33.125Z"), true);
        assert_eq!(newest, at("2026-09-14T07:58:20Z"));
    }

    /// The zone, the period, when, and how the newest two periods begin and the newest one ends.
    #[test]
    fn the_periods_of_a_clock_are_those_of_its_zone() {
        for (zone, period, query_date, starts) in [
            ("UTC", 300, "2026-08-03T12:16:30Z", ["2026-08-03T12:05", "2026-08-03T12:10", "2026-08-03T12:15"]),
            ("+05:30", 3600, "2026-08-03T12:16:30Z", ["2026-08-03T09:30", "2026-08-03T10:30", "2026-08-03T11:30"]),
            (
                "Asia/Tokyo",
                86_400,
                "2026-08-03T12:15:00Z",
                ["2026-07-31T15:00", "2026-08-01T15:00", "2026-08-02T15:00"],
            ),
            // The clocks of New York went forward on 8 March.
            (
                "America/New_York",
                86_400,
                "2026-03-09T12:00:00Z",
                ["2026-03-07T05:00", "2026-03-08T05:00", "2026-03-09T04:00"],
            ),
            ("UTC", 604_800, "2026-08-05T00:00:00Z", ["2026-07-20T00:00", "2026-07-27T00:00", "2026-08-03T00:00"]),
        ] {
            let periods = complete_periods(&Zone::parse(zone).unwrap(), period, 2, at(query_date));
            let bounds = [periods[0].start, periods[1].start, periods[1].end].map(|at| at.format("%Y-%m-%dT%H:%M"));
            assert_eq!(bounds, starts, "{zone} {period} s at {query_date}");
            assert_eq!(periods[0].end, periods[1].start);
        }
    }

    #[test]
    fn the_range_is_wider_than_the_evaluation_periods() {
        for (period, n, range) in [(300, 3, 5), (900, 8, 10), (900, 1, 3), (60, 5, 7), (10, 3, 9)] {
            assert_eq!(evaluation_range(period, n), range, "{period} s x {n}");
        }
        let starts: Vec<_> =
            slots(300, 3, at("2026-01-01T12:15:07Z"), false).starts().map(|s| s.format("%H:%M")).collect();
        assert_eq!(starts, ["11:50", "11:55", "12:00", "12:05", "12:10"]);
    }

    #[test]
    fn the_offset_stays_with_the_alarm() {
        for cadence in [Cadence::TenSeconds, Cadence::Minute, Cadence::Hour] {
            let clock = EvaluationClock::new(cadence, 7, &"cpu-high".into());
            let first = clock.next_after(at("2026-01-01T00:00:00Z"));
            let second = clock.next_after(first);
            assert_eq!(second.since(first), cadence.every());
            assert_eq!(clock.next_after(second - Duration::from_millis(1)), second);
        }
        let offset = |name: &str, seed| EvaluationClock::new(Cadence::Minute, seed, &name.into()).offset_millis;
        assert_eq!(offset("a", 1), offset("a", 1));
        assert_ne!(offset("a", 1), offset("b", 1));
        assert_ne!(offset("a", 1), offset("a", 2));
    }

    #[test]
    fn an_alarm_over_more_than_a_day_runs_at_minute_three() {
        let clock = EvaluationClock::new(Cadence::Hour, 7, &"weekly".into());
        assert_eq!(clock.next_after(at("2026-01-01T00:30:00Z")).format("%H:%M"), "01:03");
    }
}
