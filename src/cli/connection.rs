//! The spec and the endpoint of a command that talks to AWS without terraform. Start at [`Connection`].

use std::path::PathBuf;

use clap::Args;

use super::spec_file::{self, Loaded, print_warnings};
use super::{Exit, Failure};
use crate::aws::{AwsError, Clients, ConnectError, StaticCredentials, Target};
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

    /// Where the journal of `loaded` on this endpoint lies.
    pub fn state_dir(&self, loaded: &Loaded) -> PathBuf {
        state_dir(loaded, self.endpoint.as_deref())
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

/// State of AWS itself under the stack's name; of any other endpoint apart from it, so that the two never mix.
pub fn state_dir(loaded: &Loaded, endpoint: Option<&str>) -> PathBuf {
    let base = loaded.dir.join(".scaleproof").join(&loaded.stack.name);
    let base = std::path::absolute(&base).unwrap_or(base);
    match endpoint {
        None => base,
        Some(url) => {
            let host = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or_default();
            base.join("endpoints").join(host.replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "-"))
        }
    }
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
