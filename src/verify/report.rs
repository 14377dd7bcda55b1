//! What `verify` has to say, as text and as JSON from one value. Start at [`Report`].

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::clock::Timestamp;

/// The drills, in the order in which they make sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Drill {
    Preflight,
    ScaleOut,
    ScaleIn,
}

impl Drill {
    pub const ALL: [Drill; 3] = [Self::Preflight, Self::ScaleOut, Self::ScaleIn];

    pub fn name(self) -> &'static str {
        match self {
            Self::Preflight => "preflight",
            Self::ScaleOut => "scale-out",
            Self::ScaleIn => "scale-in",
        }
    }
}

impl fmt::Display for Drill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Drill {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|drill| drill.name() == text).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|drill| drill.name()).collect();
            format!("there is no such drill; there are {}", names.join(", "))
        })
    }
}

/// "Not met" and "could not tell" are different answers. The worse one of several counts for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Met,
    CouldNotTell,
    NotMet,
}

impl Verdict {
    pub fn all(verdicts: impl Iterator<Item = Verdict>) -> Verdict {
        verdicts.max().unwrap_or(Self::CouldNotTell)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Met => "met",
            Self::NotMet => "not met",
            Self::CouldNotTell => "could not tell",
        })
    }
}

/// The whole of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub scaleproof: &'static str,
    pub stack: String,
    pub group: String,
    pub endpoint: String,
    pub account: String,
    pub verdict: Verdict,
    pub drills: Vec<DrillReport>,
    /// What an earlier run left behind and this one removed.
    pub undone: Vec<String>,
}

impl Report {
    pub fn met(&self) -> usize {
        self.drills.iter().filter(|drill| drill.verdict == Verdict::Met).count()
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DrillReport {
    pub drill: Drill,
    pub verdict: Verdict,
    /// One sentence.
    pub summary: String,
    /// The instant that offsets count from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breach: Option<Timestamp>,
    pub steps: Vec<Step>,
}

/// One line of the timeline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    pub step: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Since the breach, in milliseconds.
    #[serde(rename = "offset_ms", serialize_with = "millis", skip_serializing_if = "Option::is_none")]
    pub offset: Option<Duration>,
    /// Since the step that this one follows from.
    #[serde(rename = "latency_ms", serialize_with = "millis", skip_serializing_if = "Option::is_none")]
    pub latency: Option<Duration>,
    #[serde(rename = "limit_ms", serialize_with = "millis", skip_serializing_if = "Option::is_none")]
    pub limit: Option<Duration>,
    pub verdict: Verdict,
    pub detail: String,
}

fn millis<S: Serializer>(span: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    let millis = span.map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
    millis.serialize(serializer)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} on {}, account {}", self.stack, self.endpoint, self.account)?;
        for undone in &self.undone {
            writeln!(f, "left by an earlier run and removed: {undone}")?;
        }
        for drill in &self.drills {
            writeln!(f, "\n{drill}")?;
        }
        writeln!(f, "{}: {} of {} drills met", self.verdict, self.met(), self.drills.len())
    }
}

impl fmt::Display for DrillReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}. {}", self.drill, self.verdict, self.summary)?;
        let timed = self.steps.iter().any(|step| step.offset.is_some() || step.limit.is_some());
        let width = self.steps.iter().map(|step| step.step.chars().count()).max().unwrap_or_default();
        for step in &self.steps {
            let Step { step: name, verdict, detail, .. } = step;
            if timed {
                let (offset, latency, limit) = (seconds(step.offset), seconds(step.latency), seconds(step.limit));
                write!(f, "  {offset:>9}  {name:<width$}  {latency:>8}  {limit:>8}  {verdict:<14}  {detail}")?;
            } else {
                write!(f, "  {name:<width$}  {verdict:<14}  {detail}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// `12.3 s`; nothing for nothing.
fn seconds(span: Option<Duration>) -> String {
    span.map_or_else(String::new, |span| format!("{:.1} s", span.as_secs_f64()))
}
