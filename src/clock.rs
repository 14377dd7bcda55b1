//! Time: what an instant is, how AWS writes it, and the only places that read it.
//!
//! Pure code takes a [`Timestamp`]; the edges hold a [`Clock`], ask once per turn and pass the answer down.
//! Start at [`Timestamp`].

use std::fmt;
use std::ops::{Add, Sub};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use jiff::fmt::temporal::DateTimePrinter;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    pub const fn from_secs(secs: i64) -> Self {
        Self(secs * 1000)
    }

    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds, rounded towards the past.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The latest multiple of `step` since the epoch that is not after this instant.
    pub fn floor_to(self, step: Duration) -> Self {
        let step = step.as_millis() as i64;
        Self(self.0.div_euclid(step) * step)
    }

    /// How long `self` lies after `earlier`; zero when it does not.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }

    /// `2026-09-14T11:18:52Z`, as Auto Scaling writes it in causes.
    pub fn iso_secs(self) -> String {
        const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(0));
        PRINTER.timestamp_to_string(&self.jiff())
    }

    /// `2026-09-14T11:18:52.123Z`, as the Query protocol and SNS write it.
    pub fn iso_millis(self) -> String {
        const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));
        PRINTER.timestamp_to_string(&self.jiff())
    }

    /// `2026-09-14T11:18:52.123+0000`, as CloudWatch writes it in alarm messages and state data.
    pub fn cloudwatch_millis(self) -> String {
        self.format("%Y-%m-%dT%H:%M:%S.%3f+0000")
    }

    /// `Mon, 14 Sep 2026 11:18:52 GMT`, as HTTP writes it.
    pub fn http_date(self) -> String {
        let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
        // Years that HTTP cannot write are thousands of years away.
        printer.timestamp_to_rfc9110_string(&self.jiff()).unwrap_or_default()
    }

    /// Formats in UTC with strftime directives.
    pub fn format(self, format: &str) -> String {
        self.jiff().strftime(format).to_string()
    }

    /// Reads RFC 3339 and the `+0000` form of CloudWatch.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix("+0000").map_or_else(|| text.to_string(), |head| format!("{head}Z"));
        let instant: jiff::Timestamp = text.parse().ok()?;
        Some(Self(instant.as_millisecond()))
    }

    /// The same instant for calendar arithmetic.
    pub fn jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::MAX)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iso_millis())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not an RFC 3339 time")))
    }
}

/// Where an edge reads the time.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Timestamp(since.map_or(0, |d| d.as_millis() as i64))
    }
}

/// How fast a [`VirtualClock`] runs: a multiple of real time; zero stands still.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed(pub f64);

impl Speed {
    pub const REAL: Speed = Speed(1.0);
    pub const PAUSED: Speed = Speed(0.0);
}

/// A clock that can run faster than the machine's, stand still, and be moved forward. It never goes back.
#[derive(Debug)]
pub struct VirtualClock {
    state: Mutex<Anchor>,
}

#[derive(Debug, Clone, Copy)]
struct Anchor {
    virtual_then: Timestamp,
    real_then: Instant,
    speed: Speed,
}

impl VirtualClock {
    #[expect(clippy::disallowed_methods, reason = "a virtual clock is anchored to the machine's")]
    pub fn new(start: Timestamp, speed: Speed) -> Self {
        Self { state: Mutex::new(Anchor { virtual_then: start, real_then: Instant::now(), speed }) }
    }

    pub fn speed(&self) -> Speed {
        self.lock().speed
    }

    pub fn set_speed(&self, speed: Speed) {
        let mut anchor = self.lock();
        *anchor = Anchor { speed, ..anchor.rebased() };
    }

    /// Moves the clock forward to `to`; an instant in the past is ignored.
    pub fn move_to(&self, to: Timestamp) {
        let mut anchor = self.lock();
        let now = anchor.rebased();
        *anchor = Anchor { virtual_then: now.virtual_then.max(to), ..now };
    }

    /// The real time until the clock shows `at`; `None` while it stands still before that.
    pub fn real_until(&self, at: Timestamp) -> Option<Duration> {
        let anchor = self.lock().rebased();
        let left = at.since(anchor.virtual_then);
        match anchor.speed {
            _ if left.is_zero() => Some(Duration::ZERO),
            Speed(speed) if speed > 0.0 => Some(left.div_f64(speed)),
            _ => None,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Anchor> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Anchor {
    #[expect(clippy::disallowed_methods, reason = "a virtual clock is anchored to the machine's")]
    fn rebased(self) -> Self {
        let real_now = Instant::now();
        let passed = real_now.duration_since(self.real_then).mul_f64(self.speed.0);
        Self { virtual_then: self.virtual_then + passed, real_then: real_now, speed: self.speed }
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.lock().rebased().virtual_then
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_print_as_aws_prints_them() {
        let at = Timestamp::parse("2026-09-14T11:18:52.123Z").unwrap();
        assert_eq!(at.iso_secs(), "2026-09-14T11:18:52Z");
        assert_eq!(at.iso_millis(), "2026-09-14T11:18:52.123Z");
        assert_eq!(at.iso_secs(), "2026-09-14T11:18:52Z");
        assert_eq!(at.http_date(), "Mon, 14 Sep 2026 11:18:52 GMT");
        assert_eq!(at.cloudwatch_millis(), "2026-09-14T11:18:52.123+0000");
        assert_eq!(Timestamp::parse("2026-09-14T11:18:52.123+0000"), Some(at));
    }

    #[test]
    fn a_paused_clock_moves_only_when_told() {
        let start = Timestamp::from_secs(1000);
        let clock = VirtualClock::new(start, Speed::PAUSED);
        assert_eq!(clock.now(), start);
        assert_eq!(clock.real_until(start + Duration::from_secs(1)), None);
        clock.move_to(start + Duration::from_secs(60));
        clock.move_to(start);
        assert_eq!(clock.now(), start + Duration::from_secs(60));
    }
}
