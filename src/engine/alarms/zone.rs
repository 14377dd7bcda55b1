//! A time zone as CloudWatch takes it. Start at [`Zone`].

use std::sync::LazyLock;

use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};

/// The zones that this program carries, so that a window means the same on every machine.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// Offsets are multiples of this.
///
/// Source: CloudWatch API Reference, WallClockWindow.
const OFFSET_STEP_MINUTES: i32 = 5;

/// The farthest that a zone lies from UTC, in hours.
const FARTHEST_HOURS: i32 = 18;

/// A zone by its IANA name (`America/New_York`), as an offset (`+05:30`), or as both (`UTC+05:30`). Written as it was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone {
    text: String,
    tz: TimeZone,
}

impl Zone {
    pub fn utc() -> Self {
        Self { text: "UTC".into(), tz: TimeZone::UTC }
    }

    pub fn parse(text: &str) -> Option<Self> {
        let offset = text.strip_prefix("UTC").or_else(|| text.strip_prefix("GMT")).unwrap_or(text);
        let tz = fixed(offset).or_else(|| ZONES.get(text).ok())?;
        Some(Self { text: text.to_string(), tz })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn tz(&self) -> &TimeZone {
        &self.tz
    }
}

/// `+05:30` or `-08:00`.
fn fixed(text: &str) -> Option<TimeZone> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = digits.split_once(':')?;
    let number = |text: &str| (text.len() == 2).then(|| text.parse::<u8>().ok()).flatten().map(i32::from);
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    if hours > FARTHEST_HOURS || minutes > 59 || minutes % OFFSET_STEP_MINUTES != 0 {
        return None;
    }
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok().map(TimeZone::fixed)
}

impl TryFrom<String> for Zone {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("`{text}` is no time zone"))
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_a_name_an_offset_or_both() {
        for text in ["UTC", "America/New_York", "+05:30", "-08:00", "UTC+05:45", "Asia/Seoul"] {
            assert_eq!(Zone::parse(text).map(String::from).as_deref(), Some(text));
        }
        for text in ["", "+", "Mars/Olympus", "+5:30", "+05:31", "+19:00", "UTC+", "+05", "\u{e9}"] {
            assert_eq!(Zone::parse(text), None, "{text}");
        }
    }
}
