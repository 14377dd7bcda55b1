//! A measured series as a load: timestamp and value, one a line, as CloudWatch's console and most tools export them.
//! Start at [`parse`].
//!
//! What does not make sense is refused with its line, all of it at once; what does and is odd (rows out of order, a
//! timestamp twice, a gap) is taken in one documented way and said.

use std::time::Duration;

use super::load::Series;
use crate::clock::Timestamp;
use crate::spec::shape::LoadUnit;

/// What the values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Percent of one machine's CPU.
    Percent,
    /// How many requests came between one row and the next.
    Requests,
    RequestsPerSecond,
}

/// A row that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fact}")]
pub struct LineProblem {
    pub line: usize,
    pub fact: String,
}

/// A series, and what was odd about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    pub series: Series,
    pub remarks: Vec<String>,
}

/// Lines before the first row of data: a heading, and what CloudWatch's console writes above it.
const MOST_HEADING_LINES: usize = 20;
/// Ours: enough for two years of minutes.
const MOST_ROWS: usize = 2_000_000;
/// Problems told at once; the rest is counted.
pub const MOST_PROBLEMS: usize = 20;
/// A pause that is longer than so many usual ones is a gap.
const GAP: f64 = 2.5;
/// Values up to this look like percent.
const WHOLE: f64 = 100.0;

/// What the values are of, for messages.
#[derive(Clone, Copy)]
enum Of<'a> {
    Load(Option<Unit>),
    Metric(&'a str),
}

impl Of<'_> {
    fn name(self) -> String {
        match self {
            Self::Load(_) => "load".to_owned(),
            Self::Metric(name) => format!("value of {name}"),
        }
    }

    /// What counts while no value comes.
    fn meanwhile(self) -> &'static str {
        match self {
            Self::Load(_) => "the load before lasts",
            Self::Metric(_) => "missing data to the alarms",
        }
    }
}

/// Reads a load; `unit` says what its values are, and is guessed (and said) where it is left out.
///
/// # Errors
/// Every line that has no timestamp or no number that a load can be, [`MOST_PROBLEMS`] at most.
pub fn parse(text: &str, unit: Option<Unit>) -> Result<Parsed, Vec<LineProblem>> {
    parse_of(text, Of::Load(unit))
}

/// Reads the history of the metric `name`, whose values are taken as they stand. Values that it cannot have are said.
///
/// # Errors
/// As [`parse`].
pub fn parse_metric(text: &str, name: &str) -> Result<Parsed, Vec<LineProblem>> {
    parse_of(text, Of::Metric(name))
}

fn parse_of(text: &str, of: Of<'_>) -> Result<Parsed, Vec<LineProblem>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut rows, mut remarks) = read_rows(text, of)?;
    put_in_order(&mut rows, &mut remarks);
    let usual = usual_step(&rows);
    note_gaps(&rows, usual, of, &mut remarks);
    let unit = match of {
        Of::Load(unit) => unit,
        Of::Metric(name) => {
            // What it says about the whole file comes first.
            remarks.splice(0..0, not_percent(name, &rows));
            Some(Unit::Percent)
        }
    };
    let (unit, values_per) = choose_unit(unit, &rows, usual, &mut remarks);
    let first = rows[0].0;
    let points = rows.iter().map(|(at, value)| (at.as_millis() - first.as_millis(), value / values_per)).collect();
    Ok(Parsed { series: Series { unit, points, last_lasts: usual, sloped: false, begins: Some(first) }, remarks })
}

type Row = (Timestamp, f64);

/// Says so where a percentage has values above 100: most likely the file is of another metric.
fn not_percent(name: &str, rows: &[Row]) -> Option<String> {
    let beyond = rows.iter().filter(|(_, value)| *value > WHOLE).count();
    (is_percentage(name) && beyond > 0).then(|| {
        let of = counted(rows.len(), "value");
        format!(
            "{beyond} of {of} are above 100, and {name} is a percentage: this looks like the history of another metric"
        )
    })
}

/// Whether the metric of this name is a percentage, from 0 to 100.
pub fn is_percentage(metric_name: &str) -> bool {
    metric_name == "CPUUtilization"
}

fn read_rows(text: &str, of: Of<'_>) -> Result<(Vec<Row>, Vec<String>), Vec<LineProblem>> {
    let (mut rows, mut problems, mut empty, mut heading) = (Vec::new(), Vec::new(), 0, 0);
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let problem = |fact: String| LineProblem { line: number + 1, fact };
        match read_row(line) {
            Ok(Some(row)) => rows.push(row),
            Ok(None) => empty += 1,
            Err(Fault::NoTimestamp(_)) if rows.is_empty() && empty == 0 && heading < MOST_HEADING_LINES => heading += 1,
            Err(Fault::NoTimestamp(text)) => problems.push(problem(format!("`{text}` is no time"))),
            Err(Fault::NoValue(text)) => {
                problems.push(problem(format!("`{text}` is no {}: a number, zero or more", of.name())))
            }
        }
        if problems.len() >= MOST_PROBLEMS || rows.len() > MOST_ROWS {
            break;
        }
    }
    if rows.len() > MOST_ROWS {
        problems.push(LineProblem { line: MOST_ROWS, fact: format!("a series has {MOST_ROWS} rows at most") });
    }
    if problems.is_empty() && rows.is_empty() {
        let fact = "there is no row of timestamp and value, such as 2026-01-05 00:00:00,41.5".to_owned();
        problems.push(LineProblem { line: 1, fact });
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut remarks = Vec::new();
    if empty > 0 {
        remarks.push(format!("{} without a value: {}", counted(empty, "row"), of.meanwhile()));
    }
    Ok((rows, remarks))
}

enum Fault {
    NoTimestamp(String),
    NoValue(String),
}

/// A row, or nothing where its value is left out.
fn read_row(line: &str) -> Result<Option<Row>, Fault> {
    let shown = |text: &str| text.chars().take(40).collect::<String>();
    let mut cells = line.split([',', ';', '\t']).map(|cell| cell.trim().trim_matches('"').trim());
    let first = cells.next().unwrap_or_default();
    let at = read_time(first).ok_or_else(|| Fault::NoTimestamp(shown(first)))?;
    let value = cells.next().unwrap_or_default();
    if value.is_empty() {
        return Ok(None);
    }
    match value.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(Some((at, number))),
        _ => Err(Fault::NoValue(shown(value))),
    }
}

/// RFC 3339, the same with a blank or slashes, without a zone (UTC), or seconds or milliseconds since 1970.
fn read_time(text: &str) -> Option<Timestamp> {
    if !text.is_ascii() || text.len() < 9 {
        return None;
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let number: i64 = text.parse().ok()?;
        return match text.len() {
            9 | 10 => Some(Timestamp::from_secs(number)),
            13 => Some(Timestamp::from_millis(number)),
            _ => None,
        };
    }
    plain_time(text.as_bytes()).or_else(|| Timestamp::parse(text))
}

/// `2026-01-05 00:00:00`, also with slashes, a T, a Z, or without seconds. The common case, and quick for a million rows.
fn plain_time(text: &[u8]) -> Option<Timestamp> {
    let text = text.strip_suffix(b"Z").unwrap_or(text);
    let number = |from: usize, to: usize| {
        let digits = text.get(from..to)?;
        digits.iter().try_fold(0_i64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
    };
    let at = |place: usize, wanted: &[u8]| text.get(place).is_some_and(|byte| wanted.contains(byte));
    let shaped = at(4, b"-/") && at(7, b"-/") && at(10, b" T") && at(13, b":");
    let seconds = match text.len() {
        16 => 0,
        19 if at(16, b":") => number(17, 19)?,
        _ => return None,
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute) = (number(11, 13)?, number(14, 16)?);
    let real = shaped && (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    if !real || hour > 23 || minute > 59 || seconds > 59 {
        return None;
    }
    Some(Timestamp::from_secs(days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + seconds))
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// In the proleptic Gregorian calendar, counting years from March so that the leap day comes last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Sorts by time; of rows with one timestamp the last in the file stays.
fn put_in_order(rows: &mut Vec<Row>, remarks: &mut Vec<String>) {
    let backwards = rows.windows(2).filter(|pair| pair[1].0 < pair[0].0).count();
    if backwards > 0 {
        remarks.push(format!("time goes backwards at {}: sorted", counted(backwards, "row")));
        rows.sort_by_key(|(at, _)| *at);
    }
    let before = rows.len();
    // From the back, so that the last of equal ones is the first that is met.
    rows.reverse();
    rows.dedup_by_key(|(at, _)| *at);
    rows.reverse();
    if rows.len() < before {
        remarks.push(format!(
            "{} with a timestamp that comes again: the last counts",
            counted(before - rows.len(), "row")
        ));
    }
}

/// The median time from row to row; five minutes, CloudWatch's usual, for a single row.
fn usual_step(rows: &[Row]) -> Duration {
    let mut steps: Vec<Duration> = rows.windows(2).map(|pair| pair[1].0.since(pair[0].0)).collect();
    steps.sort_unstable();
    steps.get(steps.len() / 2).copied().unwrap_or(Duration::from_secs(300))
}

fn note_gaps(rows: &[Row], usual: Duration, of: Of<'_>, remarks: &mut Vec<String>) {
    let is_gap = |pair: &&[Row]| pair[1].0.since(pair[0].0) > usual.mul_f64(GAP);
    let gaps: Vec<Duration> = rows.windows(2).filter(is_gap).map(|pair| pair[1].0.since(pair[0].0)).collect();
    if let Some(longest) = gaps.iter().max() {
        let minutes = longest.as_secs().div_ceil(60);
        let meanwhile = of.meanwhile();
        remarks.push(format!("{}, the longest {minutes} minutes: {meanwhile}", counted(gaps.len(), "gap")));
    }
}

/// The series' unit, and what values are divided by.
fn choose_unit(unit: Option<Unit>, rows: &[Row], usual: Duration, remarks: &mut Vec<String>) -> (LoadUnit, f64) {
    let unit = unit.unwrap_or_else(|| {
        let most = rows.iter().map(|(_, value)| *value).fold(0.0, f64::max);
        let (guess, why) = match most <= WHOLE {
            true => (Unit::Percent, "percent of one machine's CPU, since none is above 100"),
            false => (Unit::Requests, "requests from row to row, since some are above 100"),
        };
        remarks.push(format!("values are taken for {why}; --unit says otherwise"));
        guess
    });
    match unit {
        Unit::Percent => (LoadUnit::MachinePercent, 1.0),
        Unit::RequestsPerSecond => (LoadUnit::RequestsPerSecond, 1.0),
        Unit::Requests => (LoadUnit::RequestsPerSecond, usual.as_secs_f64().max(0.001)),
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).expect("a time")
    }

    #[test]
    fn times_come_in_many_forms() {
        for (text, expected) in [
            ("2014-05-14 01:14:00", Some("2014-05-14T01:14:00Z")),
            ("2014/05/14 01:14:00", Some("2014-05-14T01:14:00Z")),
            ("2014-05-14T01:14", Some("2014-05-14T01:14:00Z")),
            ("2014-05-14T01:14:00Z", Some("2014-05-14T01:14:00Z")),
            ("2014-05-14T01:14:00+02:00", Some("2014-05-13T23:14:00Z")),
            ("2014-05-14T01:14:00.500Z", Some("2014-05-14T01:14:00.500Z")),
            ("1400030040", Some("2014-05-14T01:14:00Z")),
            ("1400030040000", Some("2014-05-14T01:14:00Z")),
            ("2024-02-29 00:00:00", Some("2024-02-29T00:00:00Z")),
            ("2023-02-29 00:00:00", None),
            ("2014-05-14 24:00:00", None),
            ("timestamp", None),
            ("14.05.2014 01:14", None),
            ("", None),
        ] {
            assert_eq!(read_time(text), expected.map(at), "{text}");
        }
    }

    /// The form that CloudWatch's console exports, and the one of the Numenta benchmark.
    #[test]
    fn a_heading_is_passed_over_however_long() {
        let console = "Full label,CPUUtilization\nLabel,CPU\nPeriod,300\nStatistic,Average\nUnit,Percent\n\n\
                       \"2026/01/05 00:00:00\",\"41.5\"\n\"2026/01/05 00:05:00\",\"42\"\n";
        let read = parse(console, None).expect("a series");
        assert_eq!(read.series.points, [(0, 41.5), (300_000, 42.0)]);
        assert_eq!((read.series.begins, read.series.last_lasts.as_secs()), (Some(at("2026-01-05T00:00:00Z")), 300));
        let plain = parse("timestamp,value\n2014-05-14 01:14:00,85.835\n", None).expect("a series");
        assert_eq!(plain.series.points, [(0, 85.835)]);
    }

    #[test]
    fn what_is_odd_is_taken_and_said() {
        let text = "t,v\n2026-01-05 00:10:00,30\n2026-01-05 00:00:00,10\n2026-01-05 00:05:00,20\n2026-01-05 00:05:00,25\n\
                    2026-01-05 00:15:00,\n2026-01-05 01:00:00,40\n";
        let read = parse(text, Some(Unit::Percent)).expect("a series");
        let minutes: Vec<_> = read.series.points.iter().map(|(millis, value)| (millis / 60_000, *value)).collect();
        assert_eq!(minutes, [(0, 10.0), (5, 25.0), (10, 30.0), (60, 40.0)]);
        assert_eq!(
            read.remarks,
            [
                "1 row without a value: the load before lasts",
                "time goes backwards at 1 row: sorted",
                "1 row with a timestamp that comes again: the last counts",
                "1 gap, the longest 50 minutes: the load before lasts",
            ]
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_line() {
        for (text, expected) in [
            ("", "line 1: there is no row"),
            ("timestamp,value\n", "line 1: there is no row"),
            ("t,v\n2026-01-05 00:00:00,NaN\n", "line 2: `NaN` is no load"),
            ("2026-01-05 00:00:00,1\n2026-01-05 00:05:00,inf\n", "line 2: `inf` is no load"),
            ("2026-01-05 00:00:00,1\n2026-01-05 00:05:00,-3\n", "line 2: `-3` is no load"),
            ("2026-01-05 00:00:00,1\nyesterday,3\n", "line 2: `yesterday` is no time"),
            ("2026-01-05 00:00:00,1e999\n", "line 1: `1e999` is no load"),
        ] {
            let problems = parse(text, None).expect_err(text);
            assert!(problems[0].to_string().starts_with(expected), "{problems:?} for {text}");
        }
        let many: String = (0..100).map(|_| "2026-01-05 00:00:00,x\n").collect();
        assert_eq!(parse(&many, None).expect_err("100 wrong rows").len(), MOST_PROBLEMS);
    }

    #[test]
    fn units_are_guessed_and_said_unless_given() {
        let rows = "2026-01-05 00:00:00,60\n2026-01-05 00:05:00,600\n";
        let read = parse(rows, None).expect("a series");
        assert_eq!((read.series.unit, read.series.points[1].1), (LoadUnit::RequestsPerSecond, 2.0));
        assert!(read.remarks[0].starts_with("values are taken for requests"));
        let read = parse(rows, Some(Unit::RequestsPerSecond)).expect("a series");
        assert_eq!((read.series.points[1].1, read.remarks.len()), (600.0, 0));
    }

    #[test]
    fn a_metrics_history_names_the_metric() {
        let wrong = parse_metric("2026-01-05 00:00:00,-3\n2026-01-05 00:05:00,NaN\n", "CPUUtilization");
        let facts: Vec<String> = wrong.expect_err("no values").into_iter().map(|problem| problem.fact).collect();
        let no = |text: &str| format!("`{text}` is no value of CPUUtilization: a number, zero or more");
        assert_eq!(facts, [no("-3"), no("NaN")]);
        let gap = "2026-01-05 00:00:00,60\n2026-01-05 00:05:00,70\n2026-01-05 00:10:00,75\n2026-01-05 01:05:00,80\n";
        let read = parse_metric(gap, "CPUUtilization").expect("a history");
        assert_eq!(read.remarks, ["1 gap, the longest 55 minutes: missing data to the alarms"]);
    }

    #[test]
    fn requests_are_not_taken_for_percent_in_silence() {
        let rows = "2026-01-05 00:00:00,100\n2026-01-05 00:05:00,100.1\n2026-01-05 00:10:00,4711\n";
        let said = "2 of 3 values are above 100, and CPUUtilization is a percentage: this looks like the history of \
                    another metric";
        assert_eq!(parse_metric(rows, "CPUUtilization").expect("a history").remarks, [said]);
        assert_eq!(parse_metric(rows, "RequestCount").expect("a history").remarks, [""; 0]);
    }

    #[test]
    fn a_million_rows_are_read() {
        let rows: String = (0..1_000_000).map(|n| format!("{},{}\n", 1_700_000_000 + n * 60, n % 100)).collect();
        let read = parse(&rows, None).expect("a series");
        assert_eq!((read.series.points.len(), read.series.length().as_secs()), (1_000_000, 60_000_000));
    }
}
