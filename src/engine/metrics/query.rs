//! Which periods a query about the past asks for. Start at [`slots_between`].

use std::time::Duration;

use super::Slots;
use crate::clock::Timestamp;
use crate::engine::Refusal;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Source: CloudWatch API Reference, GetMetricStatistics.
const DATAPOINTS_PER_CALL: u64 = 1440;

/// The periods between `start` and `end`, counted from the start after it is rounded down as AWS does: to the minute,
/// to five minutes when older than 15 days, to the hour when older than 63; high-resolution periods to themselves.
///
/// Source: CloudWatch API Reference, GetMetricStatistics and GetMetricData, `StartTime`.
///
/// # Errors
/// A start that is not before the end, and periods that do not exist.
pub fn slots_between(start: Timestamp, end: Timestamp, period_secs: i64, now: Timestamp) -> Result<Slots, Refusal> {
    let invalid = |text: &str| Refusal::new("InvalidParameterValue", 400, text);
    let fits = matches!(period_secs, 1 | 5 | 10 | 20 | 30) || (period_secs >= 60 && period_secs % 60 == 0);
    let period_secs = u32::try_from(period_secs).ok().filter(|_| fits);
    let period_secs = period_secs.ok_or_else(|| invalid("The parameter Period must be a multiple of 60."))?;
    // AWS looks at whole seconds here.
    if start.as_secs() >= end.as_secs() {
        return Err(invalid("The parameter StartTime must be less than the parameter EndTime."));
    }
    let step = match now.since(start) {
        _ if period_secs < 60 => u64::from(period_secs),
        age if age <= DAY * 15 => 60,
        age if age <= DAY * 63 => 300,
        _ => 3600,
    };
    let first = start.floor_to(Duration::from_secs(step));
    let span_secs = end.since(first).as_millis().div_ceil(1000) as u64;
    let count = u32::try_from(span_secs.div_ceil(u64::from(period_secs))).unwrap_or(u32::MAX);
    Ok(Slots { first, period_secs, count })
}

/// # Errors
/// More periods than GetMetricStatistics answers at once. AWS counts before it rounds the start (recorded).
pub fn check_datapoints(start: Timestamp, end: Timestamp, slots: Slots) -> Result<(), Refusal> {
    let count = end.since(start).as_secs().div_ceil(u64::from(slots.period_secs));
    if count <= DATAPOINTS_PER_CALL {
        return Ok(());
    }
    let text = format!(
        "You have requested up to {count} datapoints, which exceeds the limit of {DATAPOINTS_PER_CALL}. You may reduce the \
         datapoints requested by increasing Period, or decreasing the time range."
    );
    Err(Refusal::new("InvalidParameterCombination", 400, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn the_start_is_rounded_down_the_more_the_older_it_is() {
        let now = at("2026-09-14T00:00:00Z");
        for (start, period, first) in [
            ("2026-09-13T12:07:31Z", 300, "2026-09-13T12:07:00Z"),
            ("2026-09-13T12:07:31Z", 10, "2026-09-13T12:07:30Z"),
            ("2026-08-20T12:07:31Z", 300, "2026-08-20T12:05:00Z"),
            ("2026-06-20T12:07:31Z", 3600, "2026-06-20T12:00:00Z"),
        ] {
            assert_eq!(slots_between(at(start), now, period, now).unwrap().first, at(first), "{start} {period}");
        }
    }

    /// Texts recorded from AWS.
    #[test]
    fn a_query_has_limits() {
        let now = at("2026-09-14T00:00:00Z");
        let day = |period| slots_between(now - DAY, now, period, now);
        assert_eq!(day(60).unwrap().count, 1440);
        assert!(check_datapoints(now - DAY, now, day(60).unwrap()).is_ok());
        let uneven = now + Duration::from_secs(7);
        let slots = slots_between(uneven - DAY, uneven, 60, now).unwrap();
        assert_eq!((slots.count, check_datapoints(uneven - DAY, uneven, slots)), (1441, Ok(())));
        assert_eq!(
            check_datapoints(now - DAY, now, day(1).unwrap()).unwrap_err().message,
            "You have requested up to 86400 datapoints, which exceeds the limit of 1440. You may reduce the datapoints \
             requested by increasing Period, or decreasing the time range."
        );
        let refused = |start, period| slots_between(start, now, period, now).unwrap_err();
        assert_eq!(refused(now, 60).message, "The parameter StartTime must be less than the parameter EndTime.");
        for period in [0, -60, 7, 61] {
            assert_eq!(refused(now - DAY, period).code, "InvalidParameterValue");
        }
    }
}
