//! Ctrl-C, counted. Whoever does long work watches the count; nobody is stopped in the middle of a call.

use tokio::sync::watch;

#[cfg(feature = "stacks")]
use super::{Exit, Failure};

/// Counts SIGINT and SIGTERM from now on. The first asks every stage to stop gently, the second to stop at once.
pub fn watch_signals() -> watch::Receiver<u32> {
    let (sender, receiver) = watch::channel(0);
    tokio::spawn(async move {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        else {
            return;
        };
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            sender.send_modify(|count| *count += 1);
        }
    });
    receiver
}

/// Does work that can be dropped at any point until it is done or a Ctrl-C comes.
///
/// # Errors
/// Exit 130 after a Ctrl-C, else what the work says.
#[cfg(feature = "stacks")]
pub async fn until_interrupted<T>(
    interrupt: &mut watch::Receiver<u32>,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        biased;
        Ok(_) = interrupt.wait_for(|count| *count > 0) => Err(Failure::new(Exit::Interrupted, Interrupted)),
        done = work => done,
    }
}

#[cfg(feature = "stacks")]
#[derive(Debug, thiserror::Error)]
#[error("interrupted; what was done so far stays, and a second run goes on from there")]
struct Interrupted;
