//! What AWS does not document about alarms and we had to choose, each with its evidence. `docs/semantics.md` lists them.

use std::time::Duration;

use jiff::civil::Weekday;

/// Slots fetched beyond `evaluation_periods`, at least.
///
/// Inferred from the guide's example (3 periods of 300 s, a range of 5) and from field reports (900 s: 8 → 10, 1 → 3).
pub const MORE_SLOTS: u32 = 2;

/// Time fetched beyond `evaluation_periods`, at least, in seconds.
///
/// Inferred from recordings with a period of 10 s, where 3 periods have a range of 9.
pub const MORE_SECS: u32 = 60;

/// How far behind the clock an alarm on one high-resolution metric looks. Seen in 19 recordings.
pub const HIGH_RESOLUTION_LAG_MILLIS: i64 = 10_000;

/// The minute of the hour in which an alarm over more than a day is evaluated: the guide's example runs at :03.
pub const HOURLY_MINUTE: u64 = 3;

/// How far a day is into its week, for wall-clock windows. The guide says "the start of the calendar week"; ISO 8601 says
/// that this is Monday.
pub const DAYS_INTO_WEEK: fn(Weekday) -> i8 = Weekday::to_monday_zero_offset;

/// How often an Auto Scaling action is invoked while the state lasts.
///
/// Source: CloudWatch User Guide, "Alarm actions". That the minutes are counted from the change of state is our reading.
pub const REPEATED_EVERY: Duration = Duration::from_secs(60);

/// Evaluations of composite alarms that one change of state may set off. AWS stops when an evaluation comes back to an
/// alarm it has passed; rules that turn around and around without that are stopped here.
pub const EVALUATIONS_PER_CHANGE: usize = 10_000;
