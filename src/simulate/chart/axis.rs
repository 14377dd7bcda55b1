//! Round numbers along axes. Start at [`value_ticks`] and [`time_ticks`].

use crate::clock::Timestamp;

/// From zero to at least `top` in about `count` round steps. The last tick may lie beyond `top`.
pub fn value_ticks(top: f64, count: usize, whole: bool) -> Vec<f64> {
    let raw = (top / count.max(1) as f64).max(1e-9);
    let magnitude = 10_f64.powi(raw.log10().floor() as i32);
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|step| step * magnitude);
    let step = steps.into_iter().find(|step| *step >= raw * 0.999).unwrap_or(raw);
    let step = if whole { step.ceil().max(1.0) } else { step };
    let last = (top / step - 1e-9).ceil().max(1.0) as usize;
    (0..=last).map(|number| step * number as f64).collect()
}

/// `1.2k`, `40`, `0.25`.
pub fn value_label(value: f64) -> String {
    let trimmed = |text: String| {
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    };
    match value.abs() {
        size if size >= 1e6 => format!("{}M", trimmed(format!("{:.1}", value / 1e6))),
        size if size >= 1e4 => format!("{}k", trimmed(format!("{:.1}", value / 1e3))),
        size if size >= 10.0 => trimmed(format!("{value:.1}")),
        _ => trimmed(format!("{value:.3}")),
    }
}

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;
/// In seconds; what people divide time by.
const TIME_STEPS: &[i64] = &[
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    14 * DAY,
    28 * DAY,
    91 * DAY,
    182 * DAY,
    364 * DAY,
    3_640 * DAY,
];

/// Instants at round times with what to write there, `most` at most.
pub fn time_ticks(start: Timestamp, end: Timestamp, most: usize) -> Vec<(Timestamp, String)> {
    let span = end.as_secs() - start.as_secs();
    let fits = |step: &&i64| span / **step < most as i64;
    let step = TIME_STEPS.iter().find(fits).or(TIME_STEPS.last()).copied().unwrap_or(DAY);
    // Days begin at midnight; longer steps begin with the picture, since no week of a year is rounder than another.
    let from = if step > DAY { start.as_secs().div_euclid(DAY) * DAY } else { 0 };
    let first = from + (start.as_secs() - from + step - 1).div_euclid(step) * step;
    let ticks = (0..=most as i64).map(|number| first + number * step).take_while(|at| *at <= end.as_secs());
    ticks.map(|at| (Timestamp::from_secs(at), time_label(at, step))).collect()
}

fn time_label(at: i64, step: i64) -> String {
    let format = match at.rem_euclid(DAY) {
        0 if step >= 91 * DAY => "%b %Y",
        0 => "%-d %b",
        _ => "%H:%M",
    };
    Timestamp::from_secs(at).format(format)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_ticks_are_round_and_cover_the_top() {
        for (top, count, whole, expected) in [
            (100.0, 4, false, vec![0.0, 25.0, 50.0, 75.0, 100.0]),
            (87.0, 3, false, vec![0.0, 50.0, 100.0]),
            (3.45, 3, true, vec![0.0, 2.0, 4.0]),
            (2.3, 3, true, vec![0.0, 1.0, 2.0, 3.0]),
            (0.4, 2, false, vec![0.0, 0.2, 0.4]),
            (0.0, 3, false, vec![0.0, 1e-9]),
        ] {
            let ticks = value_ticks(top, count, whole);
            assert_eq!(ticks.len(), expected.len(), "{top}: {ticks:?}");
            assert!(ticks.iter().zip(&expected).all(|(have, want)| (have - want).abs() < 1e-6), "{top}: {ticks:?}");
        }
        let labels = [0.0, 0.25, 40.0, 1234.0, 12_500.0, 2e6].map(value_label);
        assert_eq!(labels, ["0", "0.25", "40", "1234", "12.5k", "2M"]);
    }

    #[test]
    fn time_ticks_are_round_and_few() {
        let at = |text: &str| Timestamp::parse(text).expect("a time");
        let labels = |start: &str, end: &str, most: usize| {
            time_ticks(at(start), at(end), most).into_iter().map(|(_, label)| label).collect::<Vec<_>>().join(" ")
        };
        let day = labels("2026-01-05T00:00:00Z", "2026-01-06T00:00:00Z", 9);
        assert_eq!(day, "5 Jan 03:00 06:00 09:00 12:00 15:00 18:00 21:00 6 Jan");
        assert_eq!(labels("2026-01-05T00:03:00Z", "2026-01-05T00:43:00Z", 5), "00:10 00:20 00:30 00:40");
        assert_eq!(labels("2014-05-14T01:14:00Z", "2014-07-15T17:19:00Z", 6), "28 May 11 Jun 25 Jun 9 Jul");
    }
}
