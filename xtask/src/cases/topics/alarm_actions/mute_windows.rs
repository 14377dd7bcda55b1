//! Mute windows: a rule put by the real call, and the windows it then has against those the case tells of in words.

use scaleproof::clock::Timestamp;
use serde_json::{Value, json};

use crate::cases::api::Api;
use crate::cases::case::Case;
use crate::cases::failure::Failure;

/// Windows looked at, from a year before which no case begins.
const WINDOWS: usize = 5;
const BEFORE: &str = "2024-01-01T00:00:00Z";

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Words that say nothing about an instant.
const FILLERS: [&str; 17] = [
    "of", "the", "month", "every", "each", "day", "daily", "at", "from", "to", "until", "on", "and", "next", "year",
    "UTC", "for",
];

/// Words for several days of the week.
const GROUPS: [(&str, &str); 4] =
    [("weekdays", "MonTueWedThuFri"), ("weekday", "MonTueWedThuFri"), ("weekends", "SatSun"), ("weekend", "SatSun")];

pub fn check(case: &Case) -> Result<(), Failure> {
    let mut schedule = json!({"Expression": case.given.str("expression")?, "Duration": case.given.str("duration")?});
    if let Some(zone) = case.given.opt_str("timezone")? {
        schedule["Timezone"] = json!(zone);
    }
    let mut api = Api::new();
    let input = json!({"Name": "quiet", "Rule": {"Schedule": schedule}, "MuteTargets": {"AlarmNames": ["subject"]}});
    let answer = api.call("cloudwatch", "PutAlarmMuteRule", input);
    case.expect_if("accepted", answer.is_ok())?;
    let Some(text) = case.expect.opt_str("muted")? else { return Ok(()) };
    answer?;
    let rule = api.world().alarms.mute_rules().get("quiet").cloned().ok_or("there is no rule")?;
    let told = Told::parse(text)?;
    let mut after = Timestamp::parse(BEFORE).ok_or("no instant")?;
    let mut seen = 0;
    while let Some(window) = rule.schedule.next_window(after).filter(|_| seen < WINDOWS) {
        (after, seen) = (window.start, seen + 1);
        if !told.from.is(window.start) || !told.to.is(window.end) {
            return Err(Failure::differs(
                "muted",
                &Value::from(text),
                &json!([window.start.iso_secs(), window.end.iso_secs()]),
            ));
        }
    }
    if seen == 0 { Err("the rule has no window".into()) } else { Ok(()) }
}

/// Whether a word is names of days after each other.
fn is_days(word: &str) -> bool {
    word.as_bytes().chunks(3).all(|day| WEEKDAYS.iter().any(|name| name.as_bytes() == day))
}

/// `Monday to Friday` as all of its days' names.
fn in_groups(words: &str) -> Result<String, Failure> {
    let names = WEEKDAYS.join("|");
    let span = regex::Regex::new(&format!(r"({names})[a-z]*\s*(?:to|-|\u{{2013}}|through)\s*({names})[a-z]*"));
    let span = span.map_err(|error| error.to_string())?;
    let Some(found) = span.captures(words) else { return Ok(words.into()) };
    let place = |nth: usize| WEEKDAYS.iter().position(|day| *day == &found[nth]).unwrap_or_default();
    let (first, last) = (place(1), place(2));
    let days = if first <= last { last - first } else { last + 7 - first };
    let all: String = (0..=days).map(|day| WEEKDAYS[(first + day) % 7]).collect();
    Ok(words.replace(&found[0], &all))
}

/// A window in words: `Friday 18:00 - Monday 06:00`.
struct Told {
    from: Instant,
    to: Instant,
}

/// What the words say of an instant; what they leave out is open.
#[derive(Default)]
struct Instant {
    time: String,
    date: Option<String>,
    /// One day's name or several after each other.
    weekday: Option<String>,
    day: Option<u32>,
    month: Option<String>,
}

impl Told {
    fn parse(text: &str) -> Result<Self, Failure> {
        let times = regex::Regex::new(r"\d{2}:\d{2}").map_err(|error| error.to_string())?;
        let found: Vec<_> = times.find_iter(text).collect();
        let [first, second] = &found[..] else { return Err(format!("expect.muted has no two times: {text}").into()) };
        let after = text[second.end()..].trim_matches([' ', '.', ')']);
        let from = Instant::parse(&in_groups(&text[..first.start()])?, first.as_str())?;
        let mut to = Instant::parse(&format!("{} {after}", &text[first.end()..second.start()]), second.as_str())?;
        // Days named after the second time alone, as in `22:00-06:00 weekdays`, are those of the first.
        let several = |days: &Option<String>| days.as_ref().is_some_and(|days| days.len() > 3);
        let mut from = from;
        if several(&to.weekday) && from.weekday.is_none() {
            from.weekday = to.weekday.take();
        }
        Ok(Self { from, to })
    }
}

impl Instant {
    fn parse(words: &str, time: &str) -> Result<Self, Failure> {
        let mut instant = Self { time: time.into(), ..Self::default() };
        let date = regex::Regex::new(r"^\d{4}-\d{2}-\d{2}$").map_err(|error| error.to_string())?;
        let begins =
            |word: &str, names: &[&str]| names.iter().find(|name| word.starts_with(*name)).map(|n| n.to_string());
        let words = words.split([' ', ',', '(', '\u{2013}']).map(|word| word.trim_end_matches('T'));
        for word in words.filter(|word| !word.is_empty() && *word != "-") {
            let number = word.trim_end_matches(|c: char| c.is_ascii_alphabetic()).parse::<u32>().ok();
            match word {
                word if date.is_match(word) => instant.date = Some(word.into()),
                word if GROUPS.iter().any(|(group, _)| group.eq_ignore_ascii_case(word)) => {
                    let group = GROUPS.iter().find(|(group, _)| group.eq_ignore_ascii_case(word));
                    instant.weekday = group.map(|(_, days)| (*days).to_string());
                }
                word if FILLERS.iter().any(|filler| filler.eq_ignore_ascii_case(word)) => {}
                word if word.len() % 3 == 0 && word.len() > 3 && is_days(word) => instant.weekday = Some(word.into()),
                word if begins(word, &WEEKDAYS).is_some() => instant.weekday = begins(word, &WEEKDAYS),
                word if begins(word, &MONTHS).is_some() => instant.month = begins(word, &MONTHS),
                _ if number.is_some() => instant.day = number,
                other => return Err(format!("expect.muted has a word that is not known: {other}").into()),
            }
        }
        Ok(instant)
    }

    fn is(&self, at: Timestamp) -> bool {
        let fits = |told: &Option<String>, format: &str| told.as_ref().is_none_or(|told| *told == at.format(format));
        self.time == at.format("%H:%M")
            && fits(&self.date, "%Y-%m-%d")
            && self.weekday.as_ref().is_none_or(|days| days.contains(&at.format("%a")))
            && fits(&self.month, "%b")
            && self.day.is_none_or(|day| at.format("%d").trim_start_matches('0') == day.to_string())
    }
}
