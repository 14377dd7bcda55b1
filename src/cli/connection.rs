//! The spec and the endpoint of a command that talks to AWS without terraform. Start at [`Connection`].

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;

use super::spec_file::{self, Loaded, print_warnings};
use super::{Exit, Failure};
use crate::aws::{AwsError, Clients, ConnectError, Endpoint, StaticCredentials, Target};
use crate::model::Stack;

/// Which stack, and where.
#[derive(Debug, Args)]
pub struct Connection {
    /// Spec file, or - for standard input
    spec: PathBuf,
    /// Endpoint to call instead of AWS, such as a sandbox
    #[arg(long, env = "AWS_ENDPOINT_URL", value_name = "URL")]
    endpoint: Option<String>,
}

impl Connection {
    /// Loads the spec and connects.
    ///
    /// # Errors
    /// Exit 2 for a wrong spec or endpoint, exit 4 without credentials.
    pub async fn open(&self) -> Result<(Loaded, Clients), Failure> {
        let loaded = spec_file::load(&self.spec)?;
        print_warnings(&loaded.warnings, &loaded.map);
        let clients = connect(&loaded.stack, self.endpoint.clone(), None).await?;
        Ok((loaded, clients))
    }
}

/// Clients for a stack's region. `credentials` are for an endpoint that we started ourselves.
///
/// # Errors
/// Exit 2 for a wrong endpoint, exit 4 without credentials.
pub async fn connect(
    stack: &Stack,
    endpoint_url: Option<String>,
    credentials: Option<StaticCredentials>,
) -> Result<Clients, Failure> {
    let target = Target { region: stack.region.clone(), endpoint_url, credentials };
    Clients::connect(&target).await.map_err(|error| {
        let exit = if matches!(error, ConnectError::BadUrl { .. }) { Exit::Usage } else { Exit::Aws };
        let remedy = error.remedy();
        Failure::new(exit, error).run_if_any(remedy)
    })
}

/// A call that failed, under what was attempted.
#[derive(Debug, thiserror::Error)]
#[error("cannot {attempt} the stack `{stack}`")]
struct Attempt {
    attempt: &'static str,
    stack: String,
    #[source]
    source: AwsError,
}

pub fn aws_failure(attempt: &'static str, stack: &Stack, source: AwsError) -> Failure {
    Failure::new(Exit::Aws, Attempt { attempt, stack: stack.name.clone(), source })
}

#[derive(Debug, thiserror::Error)]
enum NotAllowed {
    #[error("refusing to {what} on {endpoint} without being told to")]
    NoTerminal { what: &'static str, endpoint: Endpoint },
    #[error("not confirmed; nothing was touched")]
    Declined,
}

/// Asks the person at the terminal, unless `--yes` has said it or the endpoint is not AWS, where nothing costs anything.
///
/// # Errors
/// Exit 2 without a terminal to ask at, or if the answer is not yes.
pub fn confirm(yes: bool, endpoint: &Endpoint, what: &'static str) -> Result<(), Failure> {
    if yes || !endpoint.is_aws() {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        let error = NotAllowed::NoTerminal { what, endpoint: endpoint.clone() };
        return Err(Failure::new(Exit::Usage, error).hint("say so with --yes"));
    }
    anstream::eprint!("This will {what} on {endpoint}. Go on? [y/N] ");
    // A prompt that cannot be shown is answered all the same.
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    match answer.trim() {
        "y" | "Y" | "yes" if read.is_ok() => Ok(()),
        _ => Err(Failure::new(Exit::Usage, NotAllowed::Declined)),
    }
}
