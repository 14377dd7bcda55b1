//! Ctrl-C, counted. Whoever does long work watches the count; nobody is stopped in the middle of a call.

use tokio::sync::watch;

use crate::terraform::Interrupt;

/// Counts SIGINT and SIGTERM from now on. The first asks every stage to stop gently, the second to stop at once.
pub fn watch_signals() -> Interrupt {
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
