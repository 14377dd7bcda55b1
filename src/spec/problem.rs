//! What is wrong with a spec, as data: a kind, a place, a fact and a remedy. Start at [`Problem`].
//!
//! The first line of a printed problem is constant per kind and holds no user values, so that people learn to
//! recognize it.

use std::fmt::{self, Write as _};

use serde::Serialize;

/// How bad it is: an error stops the command, a warning (a lint) does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// A stretch of one line of the spec; lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    pub line: usize,
    pub column: usize,
    /// In characters, at least 1.
    pub length: usize,
}

/// Declares the kinds once: name, severity, stable code word, first line, why it matters.
macro_rules! kinds {
    ($($name:ident $severity:ident $code:literal $title:literal $advice:literal;)*) => {
        /// What kind of thing is wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind { $($name),* }

        impl Kind {
            /// Every kind, in the order of declaration.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            pub fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity),* }
            }

            /// The stable word for scripts.
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            /// Why it matters, for `scaleproof explain`.
            pub fn advice(self) -> &'static str {
                match self { $(Self::$name => $advice),* }
            }

            /// The first line, the same for every problem of the kind.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }
        }
    };
}

kinds! {
    Unreadable            Error   "unreadable-spec"         "the spec cannot be read"
        "The file is empty or not UTF-8 text. A spec is one YAML or JSON file.";
    Syntax                Error   "yaml-syntax"             "this is not valid YAML"
        "The text cannot be read as YAML, so nothing after this place is known.";
    TooLarge              Error   "spec-too-large"          "the spec is too large"
        "A spec is bounded in bytes, depth and values, so that no file can exhaust the machine.";
    Unsupported           Error   "yaml-unsupported"        "this YAML feature is not used in a spec"
        "Tags, several documents in one file and keys that are not plain words have no meaning here.";
    DuplicateArgument     Error   "duplicate-argument"      "argument written twice"
        "YAML readers keep one of two equal keys silently; which one differs, so neither is taken.";
    UnknownArgument       Error   "unknown-argument"        "unknown argument"
        "A misspelt argument would otherwise be ignored silently.";
    MissingArgument       Error   "missing-argument"        "missing argument"
        "The argument has no default that would be right for everybody.";
    WrongShape            Error   "wrong-shape"             "wrong kind of value"
        "Text, numbers, lists and blocks are not turned into one another: YAML would guess wrong.";
    InvalidValue          Error   "invalid-value"           "invalid value"
        "The value has the right kind, but AWS or scaleproof does not take it.";
    InvalidName           Error   "invalid-name"            "invalid name"
        "Names become parts of names at AWS and labels in terraform, so they keep to what both take.";
    MissingFile           Error   "missing-file"            "cannot read a file that the spec names"
        "Files are looked for relative to the spec's own folder and must be UTF-8 text.";
    UserDataTooLarge      Error   "user-data-too-large"     "user data is larger than 16 KB"
        "EC2 refuses a launch template with more.";
    SizesOutOfOrder       Error   "sizes-out-of-order"      "group sizes are out of order"
        "Auto Scaling asks for min_size <= desired_capacity <= max_size.";
    InvalidCidr           Error   "invalid-cidr"            "invalid CIDR block"
        "A block is an IPv4 address without bits beyond the prefix, a slash and the prefix length.";
    NetworkTooSmall       Error   "network-too-small"       "the network is too small for its zones"
        "Each zone needs a subnet of at least /28, the smallest that EC2 makes.";
    DatapointsTooMany     Error   "datapoints-above-periods" "datapoints_to_alarm is larger than evaluation_periods"
        "An alarm cannot see more breaching datapoints than it looks at.";
    InvalidPeriod         Error   "invalid-period"          "period is not one that CloudWatch takes"
        "CloudWatch takes 10, 20 and 30 seconds, for custom metrics only, and whole minutes.";
    WindowTooLong         Error   "window-too-long"         "the alarm looks too far back"
        "CloudWatch looks back a day at most for periods under an hour, a week for longer ones.";
    UnknownAction         Error   "unknown-action"          "action names nothing in this spec"
        "An alarm action is a policy under scaling, a notification, or a whole ARN.";
    StepsWithGaps         Error   "steps-with-gaps"         "the steps leave a gap"
        "Auto Scaling takes ranges that follow each other without a gap, so that every distance has an answer.";
    StepsOverlap          Error   "steps-overlap"           "the steps overlap"
        "Auto Scaling takes ranges that follow each other, so that no distance has two answers.";
    RunsByItself          Error   "runs-by-itself"          "no alarm sets off this entry"
        "Target tracking makes its own alarms at AWS, and a scheduled action follows the clock.";
    AmbiguousAction       Error   "ambiguous-name"          "a policy and a notification share a name"
        "An alarm action is one word, so a word may not name two things.";
    TooManyActions        Error   "too-many-actions"        "more than five actions for one state"
        "CloudWatch takes five actions for each of an alarm's states.";
    UnknownInTest         Error   "unknown-in-test"         "the test names nothing in this spec"
        "A test of something that is not there would pass for ever.";
    TestInput             Error   "test-input"              "the test cannot be run as it is written"
        "A test feeds values or a load, and says at least once what has to be true.";
    DuplicateEntry        Error   "duplicate-entry"         "the same entry twice"
        "AWS refuses or silently merges the second one.";
    SshOpen               Warning "ssh-open"                "SSH is open to everybody"
        "Machines with port 22 open to the internet are tried by password guessers within minutes.";
    Oscillates            Warning "oscillates"              "the group will oscillate"
        "After a scale-out the same load is spread over more machines. If each then stands below the scale-in threshold, the group goes out and in for as long as the load lasts.";
    TopicWithoutSubscriber Warning "topic-without-subscriber" "nobody receives this notification"
        "SNS accepts messages to a topic without subscribers and drops them.";
    AlarmWithoutAction    Warning "alarm-without-action"    "alarm sets off nothing"
        "The alarm would change its colour in the console and nothing else.";
    PolicyUnused          Warning "policy-unused"           "no alarm sets off this policy"
        "A simple policy only runs when an alarm, or a person, asks for it.";
    RestingAlarm          Warning "alarm-at-rest"           "people are told about a normal state"
        "Low load is how a quiet group looks all night; who is told each time stops reading.";
    WrongDimension        Warning "wrong-dimension"         "the alarm looks at another group"
        "A metric with other dimensions is another metric: the alarm would see no data, or another group's.";
    NeverFires            Warning "never-fires"             "the threshold cannot be reached"
        "The metric never takes such a value, so the alarm stays quiet for ever.";
    MonitoringTooSlow     Warning "monitoring-too-slow"     "the metric is slower than the alarm"
        "Without detailed monitoring EC2 sends a datapoint every five minutes, and shorter periods have none.";
    StepsMissThreshold    Warning "steps-miss-threshold"    "the policy does nothing near the threshold"
        "The alarm goes off at its threshold, and a step policy only acts where a step begins.";
    StepsOnWrongSide      Warning "steps-on-wrong-side"     "the steps lie where the alarm is quiet"
        "Bounds are distances from the threshold: positive above it, negative below.";
    NoHysteresis          Warning "no-hysteresis"           "two alarms can be on at once"
        "Where a scale-out and a scale-in threshold overlap, both policies act on the same value and undo each other.";
    CooldownTooShort      Warning "cooldown-too-short"      "the cooldown ends before the alarm can clear"
        "Until datapoints from after the scaling activity have cleared the alarm it asks again for the same reason, and the group overshoots.";
    TrackedTwice          Warning "tracked-twice"           "two policies follow one metric"
        "Target tracking and an alarm on the same metric pull in two directions; AWS advises against it.";
    CreditsTooLow         Warning "credits-too-low"         "CPU credits cannot carry the threshold"
        "A T machine in standard mode that runs out of CPU credits is held to its baseline. Its CPU utilization then stays there however much work waits, and an alarm above it never goes off.";
    CooldownBelowBoot     Warning "cooldown-below-boot"     "the cooldown ends before a new machine helps"
        "A machine is in service before its application serves. A policy that may act again until then adds more machines than the load needs.";
    WeightAboveSize       Warning "weight-above-size"       "one machine is more than the group's size"
        "Auto Scaling launches until the desired capacity is fulfilled, also if that is more than max_size. AWS advises a desired capacity of two to three times the largest weight.";
    SpotUnused            Warning "spot-unused"             "no Spot Instance is ever launched"
        "Spot capacity is what on_demand_base_capacity and on_demand_percentage_above_base_capacity leave, which is nothing unless the percentage is below 100.";
    UnknownRegion         Warning "unknown-region"          "AWS has no such region, as far as is known"
        "A slip in the region is noticed only when AWS does not answer. AWS opens new ones, so this is no error.";
    UnknownInstanceType   Warning "unknown-instance-type"   "AWS has no such instance type, as far as is known"
        "A slip in the type is noticed only when EC2 refuses the launch. AWS adds new ones, so this is no error.";
    CannotScale           Warning "cannot-scale"            "the group has no room to scale"
        "Policies work between min_size and max_size only.";
}

/// One thing that is wrong, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub kind: Kind,
    /// Where in the spec; absent when the whole file is meant.
    pub place: Option<Place>,
    /// The argument, as `alarms.cpu-high.period`; empty for the whole file.
    pub path: String,
    /// One or two whole sentences: what is there.
    pub fact: String,
    /// What to do, a whole sentence.
    pub remedy: String,
}

impl Problem {
    pub fn severity(&self) -> Severity {
        self.kind.severity()
    }

    /// The text for people: first line, place and fact, remedy, and the line of the spec with a mark below.
    pub fn to_text(&self, file: &str, source: &str) -> String {
        let mut text = format!("{}: {}\n", self.severity(), self.kind.title());
        let at = self.place.map_or(String::new(), |p| format!(":{}:{}", p.line, p.column));
        let _ = writeln!(text, "  {file}{at}: {}", self.fact);
        if !self.remedy.is_empty() {
            let _ = writeln!(text, "  {}", self.remedy);
        }
        if let Some(place) = self.place {
            mark_line(&mut text, source, place);
        }
        text
    }

    /// The same for programs.
    pub fn to_json(&self, file: &str) -> serde_json::Value {
        serde_json::json!({
            "severity": self.severity(),
            "code": self.kind.code(),
            "title": self.kind.title(),
            "file": file,
            "line": self.place.map(|p| p.line),
            "column": self.place.map(|p| p.column),
            "path": self.path,
            "fact": self.fact,
            "remedy": self.remedy,
        })
    }
}

/// The widest line that is quoted; a longer one (a whole spec as JSON on one line) would hide the message.
const WIDEST_QUOTE: usize = 160;

fn mark_line(text: &mut String, source: &str, place: Place) {
    let Some(line) = source.lines().nth(place.line - 1) else { return };
    if line.trim().is_empty()
        || line.chars().count() > WIDEST_QUOTE
        || line.chars().any(|c| c.is_control() && c != '\t')
    {
        return;
    }
    let number = place.line.to_string();
    // A tab stays a tab and a wide character becomes two blanks, so that the mark stands below its word.
    let indent: String = line.chars().take(place.column - 1).map(blank_as_wide).collect();
    let marked: usize = line.chars().skip(place.column - 1).take(place.length).map(width).sum();
    let _ = writeln!(text, "    {number} | {line}");
    let _ = writeln!(text, "    {} | {indent}{}", " ".repeat(number.len()), "^".repeat(marked.max(1)));
}

fn width(c: char) -> usize {
    // From U+1100 (Hangul Jamo) on, nearly everything that people write in a spec is two columns wide.
    if c >= '\u{1100}' { 2 } else { 1 }
}

fn blank_as_wide(c: char) -> &'static str {
    match c {
        '\t' => "\t",
        c if width(c) == 2 => "  ",
        _ => " ",
    }
}

/// A value as it may stand in a message: in backticks, on one line, and not endless.
pub fn quote(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    // Quotes and apostrophes need no escape between backticks.
    shown = shown.replace("\\\"", "\"").replace("\\'", "'");
    let more = if text.chars().nth(LONGEST).is_some() { "…" } else { "" };
    format!("`{shown}{more}`")
}

/// Returns the candidate most like `word`, if one is near enough to be meant.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let normal = |s: &str| s.to_lowercase().replace(['_', ' '], "-");
    let wanted = normal(word);
    candidates
        .into_iter()
        .map(|candidate| (edit_distance(&wanted, &normal(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + wanted.chars().count().max(candidate.len()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

/// `Did you mean X?`, or the fallback where nothing is near.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>, otherwise: &str) -> String {
    nearest(word, candidates).map_or_else(|| otherwise.to_owned(), |name| format!("Did you mean {name}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_across_typing_slips() {
        let names = ["cooldown", "adjustment", "type", "scale-out", "scale-in"];
        for (word, expected) in [
            ("cooldwon", Some("cooldown")),
            ("scale_out", Some("scale-out")),
            ("ScaleOut", Some("scale-out")),
            ("adjustmnt", Some("adjustment")),
            ("banana", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, names), expected, "{word}");
        }
    }

    #[test]
    fn codes_are_unique() {
        let codes: std::collections::BTreeSet<_> = Kind::ALL.iter().map(|k| k.code()).collect();
        assert_eq!(codes.len(), Kind::ALL.len());
    }

    #[test]
    fn the_mark_stands_below_a_word_after_wide_letters() {
        let problem = Problem {
            kind: Kind::InvalidValue,
            place: Some(Place { line: 1, column: 7, length: 3 }),
            path: "tags.이름".into(),
            fact: "tags.이름 is bad.".into(),
            remedy: "Change it.".into(),
        };
        let text = problem.to_text("웹.yaml", "a 이름: bad");
        assert!(text.ends_with("    1 | a 이름: bad\n      |         ^^^\n"), "{text}");
    }
}
