//! The proof: breach → alarm → activity *caused by that alarm and policy* → instances → notice received → back to baseline.
//!
//! `observe` gathers what AWS's public API answers, [`judge()`] (pure) holds it against limits and makes the [`Report`].
//! All latencies come from AWS's own timestamps. Whatever a drill creates or changes is in the [`journal`] first and is
//! undone at the end, on Ctrl-C, and by the next run after a crash. Start at [`verify_stack`].

mod cause;
mod distance;
mod drill;
mod evidence;
mod inbox;
pub mod journal;
mod judge;
mod limits;
mod preflight;
mod ready;
mod report;
mod run;
#[cfg(test)]
mod tests;
mod wait;

pub use evidence::{Direction, Evidence, Ran, Received, Restored, ScalingEvidence, Seen};
pub use judge::judge;
pub use limits::Limits;
pub use preflight::{PreflightEvidence, judge_preflight};
pub use report::{Drill, DrillReport, Report, Step, Verdict};
pub use run::{Options, VerifyError, verify_stack};
