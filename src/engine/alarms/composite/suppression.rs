//! When a composite alarm may run its actions while another alarm can suppress them. Start at [`Suppression`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// The suppressor of one composite alarm, and what it holds back.
///
/// Whoever owns it reports each change of the two alarms, comes back when [`Suppression::due`], and runs the actions of
/// the state the composite alarm then has whenever an answer is [`Verdict::Act`].
///
/// Source: CloudWatch User Guide, "Suppressing composite alarm actions", with its six examples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    wait: Duration,
    extension: Duration,
    phase: Phase,
    /// A change of the composite alarm has not been acted upon.
    ///
    /// The guide says that after an extension the actions are those of the current state. Whether they run when that state was
    /// acted upon before is not known; here they do not.
    pending: bool,
}

/// What keeps the actions from running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    Open,
    /// The suppressor still has time to go to ALARM.
    WaitPeriod {
        until: Timestamp,
    },
    /// The suppressor is in ALARM.
    Alarm,
    /// The suppressor has left ALARM; the composite alarm still has time to change.
    ExtensionPeriod {
        until: Timestamp,
    },
}

#[must_use = "actions that nobody runs are lost"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Act,
    Hold,
}

impl Suppression {
    pub fn new(wait: Duration, extension: Duration, suppressor_in_alarm: bool) -> Self {
        let phase = if suppressor_in_alarm { Phase::Alarm } else { Phase::Open };
        Self { wait, extension, phase, pending: false }
    }

    /// Takes the lengths of another; the period under way keeps its end.
    pub fn set_periods(&mut self, other: Self) {
        (self.wait, self.extension) = (other.wait, other.extension);
    }

    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// `ActionsSuppressedBy`.
    pub fn suppressed_by(&self) -> Option<&'static str> {
        match self.phase {
            Phase::Open => None,
            Phase::WaitPeriod { .. } => Some("WaitPeriod"),
            Phase::Alarm => Some("Alarm"),
            Phase::ExtensionPeriod { .. } => Some("ExtensionPeriod"),
        }
    }

    /// What holds actions back and since when, as far as its length tells.
    pub fn held(&self, now: Timestamp) -> Option<(&'static str, Timestamp)> {
        let since = match self.phase {
            Phase::Open => return None,
            Phase::WaitPeriod { until } => until - self.wait,
            Phase::ExtensionPeriod { until } => until - self.extension,
            Phase::Alarm => now,
        };
        Some((self.suppressed_by()?, since))
    }

    /// When [`Suppression::expire`] has something to do.
    pub fn due(&self) -> Option<Timestamp> {
        match self.phase {
            Phase::WaitPeriod { until } | Phase::ExtensionPeriod { until } => Some(until),
            Phase::Open | Phase::Alarm => None,
        }
    }

    /// The composite alarm changed its state. A wait or an extension under way is discarded for a new wait.
    pub fn composite_changed(&mut self, now: Timestamp) -> Verdict {
        self.pending = true;
        match self.phase {
            Phase::Alarm => Verdict::Hold,
            _ => self.start(Phase::WaitPeriod { until: now + self.wait }, self.wait),
        }
    }

    /// The suppressor changed its state.
    pub fn suppressor_changed(&mut self, now: Timestamp, in_alarm: bool) -> Verdict {
        match (in_alarm, self.phase) {
            (true, _) => {
                self.phase = Phase::Alarm;
                Verdict::Hold
            }
            (false, Phase::Alarm) => self.start(Phase::ExtensionPeriod { until: now + self.extension }, self.extension),
            // From OK to INSUFFICIENT_DATA or back: nothing was suppressed by it.
            (false, _) => Verdict::Hold,
        }
    }

    /// A period has run out, if it has.
    pub fn expire(&mut self, now: Timestamp) -> Verdict {
        match self.due() {
            Some(due) if due <= now => self.open(),
            _ => Verdict::Hold,
        }
    }

    fn start(&mut self, phase: Phase, period: Duration) -> Verdict {
        if period.is_zero() {
            return self.open();
        }
        self.phase = phase;
        Verdict::Hold
    }

    fn open(&mut self) -> Verdict {
        self.phase = Phase::Open;
        if std::mem::take(&mut self.pending) { Verdict::Act } else { Verdict::Hold }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a timeline of `C` (the composite alarm changes), `A` (the suppressor goes to ALARM) and `O` (it leaves it) with a
    /// wait of 2 and an extension of 3; says when actions ran and what suppresses them in the end.
    fn check(started_in_alarm: bool, timeline: &[(i64, char)], acts: &[i64], suppressed_by: Option<&str>) {
        let mut suppression = Suppression::new(Duration::from_secs(2), Duration::from_secs(3), started_in_alarm);
        let mut acted = Vec::new();
        for second in 0..20 {
            let now = Timestamp::from_secs(second);
            let mut verdicts = vec![suppression.expire(now)];
            for (_, event) in timeline.iter().filter(|(at, _)| *at == second) {
                verdicts.push(match event {
                    'C' => suppression.composite_changed(now),
                    'A' => suppression.suppressor_changed(now, true),
                    _ => suppression.suppressor_changed(now, false),
                });
            }
            acted.extend(verdicts.into_iter().filter(|verdict| *verdict == Verdict::Act).map(|_| second));
        }
        assert_eq!((acted.as_slice(), suppression.suppressed_by()), (acts, suppressed_by), "{timeline:?}");
    }

    /// Source: CloudWatch User Guide, "Suppressing composite alarm actions", examples 1 to 6.
    #[test]
    fn the_documented_examples_hold() {
        check(false, &[(2, 'C')], &[4], None);
        check(false, &[(2, 'C'), (3, 'A')], &[], Some("Alarm"));
        check(false, &[(2, 'C'), (3, 'C')], &[5], None);
        check(false, &[(1, 'A'), (2, 'C')], &[], Some("Alarm"));
        check(false, &[(2, 'C'), (3, 'A'), (6, 'O')], &[9], None);
        check(false, &[(2, 'C'), (3, 'A'), (6, 'O'), (7, 'C')], &[9], None);
    }

    #[test]
    fn a_suppressor_that_comes_late_takes_nothing_back() {
        check(false, &[(2, 'C'), (5, 'A')], &[4], Some("Alarm"));
        check(true, &[(2, 'O')], &[], None);
    }

    #[test]
    fn without_periods_only_the_suppressor_counts() {
        let mut suppression = Suppression::new(Duration::ZERO, Duration::ZERO, false);
        let now = Timestamp::from_secs(1);
        assert_eq!(suppression.composite_changed(now), Verdict::Act);
        assert_eq!(suppression.suppressor_changed(now, true), Verdict::Hold);
        assert_eq!(suppression.composite_changed(now), Verdict::Hold);
        assert_eq!(suppression.suppressor_changed(now, false), Verdict::Act);
    }
}
