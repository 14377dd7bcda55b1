//! A command as a process: the threads that it runs on, and how it ends.

use std::process::ExitCode;

use super::{Exit, Failure};

/// Commands that talk to somebody are asynchronous; the others start no threads.
pub fn in_runtime(command: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Failure::new(Exit::Bug, error))?;
    let ended = runtime.block_on(command);
    // A question that was answered with Ctrl-C still waits for its line; nobody waits for the question.
    runtime.shutdown_background();
    ended
}

/// Prints what went wrong, if anything did.
pub fn end(ended: Result<Exit, Failure>) -> ExitCode {
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => {
            anstream::eprint!("{failure}");
            failure.exit.into()
        }
    }
}
