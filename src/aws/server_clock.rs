//! What time it is at the endpoint. Start at [`ServerClock`].

use std::sync::atomic::{AtomicI64, Ordering};

use crate::clock::{Clock, SystemClock, Timestamp};

/// The endpoint's time: the `Date` header of its newest answer.
///
/// A sandbox may run at sixty times real time and a laptop's clock may be minutes off; deadlines and windows must be
/// counted on the clock that stamps the alarms. It never goes back, and shows the machine's time before the first answer.
#[derive(Debug)]
pub struct ServerClock {
    newest_millis: AtomicI64,
}

const NOTHING_SEEN: i64 = i64::MIN;

impl Default for ServerClock {
    fn default() -> Self {
        Self { newest_millis: AtomicI64::new(NOTHING_SEEN) }
    }
}

impl ServerClock {
    /// Takes note of a `Date` header.
    pub fn note_date(&self, header: &str) {
        if let Some(at) = parse_http_date(header) {
            self.note(at);
        }
    }

    pub fn note(&self, at: Timestamp) {
        self.newest_millis.fetch_max(at.as_millis(), Ordering::Relaxed);
    }
}

impl Clock for ServerClock {
    fn now(&self) -> Timestamp {
        match self.newest_millis.load(Ordering::Relaxed) {
            NOTHING_SEEN => SystemClock.now(),
            millis => Timestamp::from_millis(millis),
        }
    }
}

/// Reads `Mon, 14 Sep 2026 11:18:52 GMT`.
fn parse_http_date(header: &str) -> Option<Timestamp> {
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(header).ok()?;
    Some(Timestamp::from_millis(at.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shows_the_newest_date_and_never_goes_back() {
        let clock = ServerClock::default();
        clock.note_date("Mon, 14 Sep 2026 11:18:52 GMT");
        clock.note_date("Mon, 14 Sep 2026 11:18:50 GMT");
        clock.note_date("not a date");
        assert_eq!(clock.now(), Timestamp::parse("2026-09-14T11:18:52Z").unwrap());
    }
}
