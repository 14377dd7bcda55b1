//! Waiting has one form: a condition, a deadline on the endpoint's clock, and the last status seen. Start at [`Wait`].

use std::time::Duration;

use crate::aws::{AwsError, Endpoint, ServerClock};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::terraform::Interrupt;

/// What a look at the world gives.
pub(super) enum Look<T> {
    Done(T),
    /// Not yet: the status to report should time run out.
    NotYet(String),
    /// It cannot come any more.
    Never(String),
}

/// How a wait ended.
pub(super) enum Waited<T> {
    Done(T),
    GaveUp { last: String },
}

/// Why a drill stops in the middle. Everything it did is undone.
#[derive(Debug)]
pub(super) enum Stop {
    Aws(AwsError),
    Interrupted,
    Journal(std::io::Error),
}

impl From<AwsError> for Stop {
    fn from(error: AwsError) -> Self {
        Self::Aws(error)
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::Journal(error)
    }
}

/// How often to look: AWS charges for calls and throttles them, an endpoint on this machine does neither.
pub(super) fn poll_every(endpoint: &Endpoint) -> Duration {
    if endpoint.is_loopback() { Duration::from_millis(200) } else { Duration::from_secs(5) }
}

/// If the endpoint's clock has not moved for so long in real time, no deadline on it will ever pass.
const STANDSTILL: Duration = Duration::from_secs(20);

pub(super) struct Wait<'a> {
    pub clock: &'a ServerClock,
    pub poll: Duration,
    pub interrupt: Interrupt,
}

impl Wait<'_> {
    /// Looks until the condition holds or the endpoint's clock has passed `deadline`.
    pub async fn until<T>(
        &mut self,
        deadline: Timestamp,
        mut look: impl AsyncFnMut() -> Result<Look<T>, Stop>,
    ) -> Result<Waited<T>, Stop> {
        let mut moved = (self.clock.now(), SystemClock.now());
        loop {
            self.check_interrupt()?;
            let last = match look().await? {
                Look::Done(value) => return Ok(Waited::Done(value)),
                Look::Never(last) => return Ok(Waited::GaveUp { last }),
                Look::NotYet(last) => last,
            };
            let now = self.clock.now();
            if now > deadline {
                return Ok(Waited::GaveUp { last });
            }
            let real_now = SystemClock.now();
            if now > moved.0 {
                moved = (now, real_now);
            } else if real_now.since(moved.1) > STANDSTILL {
                return Ok(Waited::GaveUp { last: format!("{last} (the endpoint's clock stands still at {now})") });
            }
            self.pause().await;
        }
    }

    pub fn check_interrupt(&self) -> Result<(), Stop> {
        if *self.interrupt.borrow() > 0 { Err(Stop::Interrupted) } else { Ok(()) }
    }

    /// Sleeps until the next look is due or somebody interrupts.
    async fn pause(&mut self) {
        tokio::select! {
            () = tokio::time::sleep(self.poll) => {}
            // Without a sender left, nobody can interrupt any more.
            true = async { self.interrupt.changed().await.is_ok() } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn wait(seconds_per_look: u64, done_at_look: usize) -> (usize, Result<&'static str, String>) {
        let clock = ServerClock::default();
        let start = Timestamp::from_secs(1000);
        clock.note(start);
        let (_sender, interrupt) = tokio::sync::watch::channel(0);
        let mut wait = Wait { clock: &clock, poll: Duration::ZERO, interrupt };
        let mut looks = 0;
        let waited = wait
            .until(start + Duration::from_secs(60), async || {
                looks += 1;
                clock.note(start + Duration::from_secs(seconds_per_look) * looks as u32);
                Ok(if looks == done_at_look { Look::Done("seen") } else { Look::NotYet(format!("look {looks}")) })
            })
            .await;
        match waited {
            Ok(Waited::Done(seen)) => (looks, Ok(seen)),
            Ok(Waited::GaveUp { last }) => (looks, Err(last)),
            Err(stop) => panic!("{stop:?}"),
        }
    }

    #[tokio::test]
    async fn it_counts_the_endpoints_seconds_and_keeps_the_last_status() {
        assert_eq!(wait(12, 3).await, (3, Ok("seen")));
        assert_eq!(wait(12, 100).await, (6, Err("look 6".into())));
    }

    #[tokio::test]
    async fn an_interrupt_ends_it() {
        let clock = ServerClock::default();
        let (sender, interrupt) = tokio::sync::watch::channel(0);
        let mut wait = Wait { clock: &clock, poll: Duration::from_secs(3600), interrupt };
        let ended = wait
            .until(Timestamp::from_millis(i64::MAX), async || {
                sender.send_modify(|count| *count += 1);
                Ok(Look::<()>::NotYet("waiting".into()))
            })
            .await;
        assert!(matches!(ended, Err(Stop::Interrupted)));
    }
}
