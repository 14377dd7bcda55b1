//! Many simulations: each seed and each variant is one of its own, so they share the machine's cores. The order of the
//! answers is that of the questions, whichever was done first. Start at [`run_all`].

use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::load::Plan;
use super::summary::{Summary, Watcher};
use super::{Observer, Options, SetupError, Simulation};
use crate::clock::Timestamp;
use crate::model::Stack;

/// One simulation to run.
#[derive(Debug, Clone)]
pub struct Job<'a> {
    pub stack: &'a Stack,
    pub plan: &'a Plan,
    pub start: Timestamp,
    pub length: Duration,
    pub seed: u64,
}

impl Job<'_> {
    /// Runs it and tells `observer`.
    ///
    /// # Errors
    /// What AWS would refuse to make.
    pub fn run(&self, observer: &mut dyn Observer) -> Result<Summary, SetupError> {
        let options = Options { seed: self.seed, start: self.start, ..Options::default() };
        let mut simulation = Simulation::new(self.stack, &options)?;
        simulation.set_source(self.plan.source(&self.stack.load, self.start, self.seed));
        let end = self.start + self.length;
        let mut both = (Watcher::new(self.stack), observer);
        simulation.advance_to(end, &mut both);
        Ok(both.0.finish(self.stack, self.seed, self.start, end))
    }
}

/// Runs all jobs on `workers` threads.
///
/// # Errors
/// The first job's that fails, in their order.
pub fn run_all(jobs: &[Job<'_>], workers: NonZero<usize>) -> Result<Vec<Summary>, SetupError> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<Option<Result<Summary, SetupError>>>> = Mutex::new(jobs.iter().map(|_| None).collect());
    let work = || {
        while let Some((place, job)) = {
            let place = next.fetch_add(1, Ordering::Relaxed);
            jobs.get(place).map(|job| (place, job))
        } {
            let summary = job.run(&mut ());
            done.lock().unwrap_or_else(std::sync::PoisonError::into_inner)[place] = Some(summary);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..workers.get().min(jobs.len()) {
            scope.spawn(work);
        }
        work();
    });
    let done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.into_iter().flatten().collect()
}
