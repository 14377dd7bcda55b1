//! Asking for a yes before something costs money or is lost. Start at [`confirm`].

use std::io::{IsTerminal, Write};

use super::interrupt::until_interrupted;
use super::{Exit, Failure};
use crate::aws::Endpoint;
use crate::terraform::Interrupt;

#[derive(Debug, thiserror::Error)]
enum NotAllowed {
    #[error("refusing to {what} on {endpoint} without being told to")]
    NoTerminal { what: String, endpoint: Endpoint },
    #[error("not confirmed; nothing was changed")]
    Declined,
}

/// Asks the person at the terminal, unless `--yes` has said it or the endpoint is not AWS, where nothing costs anything.
///
/// # Errors
/// Exit 2 without a terminal to ask at, or if the answer is not yes; 130 for a Ctrl-C instead of an answer.
pub async fn confirm(yes: bool, endpoint: &Endpoint, what: &str, interrupt: &mut Interrupt) -> Result<(), Failure> {
    if yes || !endpoint.is_aws() {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        let error = NotAllowed::NoTerminal { what: what.into(), endpoint: endpoint.clone() };
        return Err(Failure::new(Exit::Usage, error).hint("say so with --yes"));
    }
    anstream::eprint!("This will {what} on {endpoint}. Only `yes` is taken as yes: ");
    // A prompt that cannot be shown is answered all the same.
    let _ = std::io::stderr().flush();
    let answered = until_interrupted(interrupt, async {
        match tokio::task::spawn_blocking(read_line).await {
            Ok(Ok(answer)) if answer.trim() == "yes" => Ok(()),
            _ => Err(Failure::new(Exit::Usage, NotAllowed::Declined)),
        }
    })
    .await;
    if matches!(&answered, Err(failure) if failure.exit == Exit::Interrupted) {
        // The line of the question has no end of its own.
        anstream::eprintln!();
    }
    answered
}

fn read_line() -> std::io::Result<String> {
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(answer)
}
