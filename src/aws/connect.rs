//! From a region and an endpoint to clients that retry, time out and say where they called. Start at [`Clients::connect`].

use std::sync::Arc;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_sts::config::{Credentials, ProvideCredentials, Region};

use super::autoscaling::SdkAutoScaling;
use super::cloudwatch::SdkCloudWatch;
use super::ec2::SdkEc2;
use super::sns::SdkSns;
use super::sqs::SdkSqs;
use super::sts::SdkSts;
use super::watch::Watch;
use super::{Clients, Endpoint, ServerClock};

/// Where to call, and as whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    pub region: String,
    /// `--endpoint`; without it `AWS_ENDPOINT_URL` and the profile decide, as for every AWS tool.
    pub endpoint_url: Option<String>,
    /// Only for an endpoint that we started ourselves; otherwise the standard chain finds them.
    pub credentials: Option<StaticCredentials>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticCredentials {
    pub access_key_id: String,
    pub secret_access_key: String,
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    #[error("no credentials for {endpoint}: {because}")]
    NoCredentials { endpoint: Endpoint, because: String },
    #[error("`{url}` is not an endpoint URL, which starts with http:// or https://")]
    BadUrl { url: String },
}

impl ConnectError {
    /// What to run to get further.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            // Such an endpoint takes any key, but the SDK signs nothing without one.
            Self::NoCredentials { endpoint, .. } if !endpoint.is_aws() => {
                Some("export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test")
            }
            Self::NoCredentials { .. } => Some("aws configure"),
            Self::BadUrl { .. } => None,
        }
    }
}

/// A call is tried so often before it counts as failed. The SDK's own 3 give up within about three seconds, less than
/// an endpoint needs to restart.
const ATTEMPTS: u32 = 6;

/// AWS needs time to recover between attempts; an endpoint on this machine is there or not.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const FIRST_BACKOFF_LOOPBACK: Duration = Duration::from_millis(100);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// One attempt, from the first byte sent to the last received. No operation used here takes longer on AWS.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

impl Clients {
    /// Finds endpoint and credentials and makes the clients. Calls nobody at AWS, save what the credential chain needs.
    ///
    /// # Errors
    /// [`ConnectError`] if there are no credentials, or the endpoint is not a URL.
    pub async fn connect(target: &Target) -> Result<Self, ConnectError> {
        let config = load(target).await?;
        let endpoint = Endpoint { region: target.region.clone(), url: config.endpoint_url().map(Into::into) };
        let clock = Arc::new(ServerClock::default());
        let watch = |service: &str| {
            let aws = format!("https://{service}.{}.amazonaws.com", target.region);
            Watch::new(Arc::clone(&clock), endpoint.url.clone().unwrap_or(aws))
        };
        Ok(Self {
            autoscaling: Arc::new(SdkAutoScaling::new(&config, watch("autoscaling"))),
            cloudwatch: Arc::new(SdkCloudWatch::new(&config, watch("monitoring"))),
            ec2: Arc::new(SdkEc2::new(&config, watch("ec2"))),
            sns: Arc::new(SdkSns::new(&config, watch("sns"))),
            sqs: Arc::new(SdkSqs::new(&config, watch("sqs"))),
            sts: Arc::new(SdkSts::new(&config, watch("sts"))),
            clock,
            endpoint,
        })
    }
}

async fn load(target: &Target) -> Result<aws_config::SdkConfig, ConnectError> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).region(Region::new(target.region.clone()));
    if let Some(url) = &target.endpoint_url {
        check_url(url)?;
        loader = loader.endpoint_url(url);
    }
    if let Some(keys) = &target.credentials {
        let keys = Credentials::new(&keys.access_key_id, &keys.secret_access_key, None, None, "scaleproof");
        loader = loader.credentials_provider(keys);
    }
    let config = loader.timeout_config(timeouts()).load().await;
    let endpoint = Endpoint { region: target.region.clone(), url: config.endpoint_url().map(Into::into) };
    if let Some(url) = &endpoint.url {
        check_url(url)?;
    }
    let mut builder = config.to_builder().retry_config(retries(&endpoint));
    if target.credentials.is_none() && endpoint.is_loopback() {
        builder = builder.credentials_provider(local_credentials());
    }
    let config = builder.build();
    check_credentials(&config, &endpoint).await?;
    Ok(config)
}

/// Environment and profile only: asking an instance's metadata service for the sake of a local endpoint costs seconds.
fn local_credentials() -> aws_sdk_sts::config::SharedCredentialsProvider {
    let chain = CredentialsProviderChain::first_try("Environment", EnvironmentVariableCredentialsProvider::new())
        .or_else("Profile", ProfileFileCredentialsProvider::builder().build());
    aws_sdk_sts::config::SharedCredentialsProvider::new(chain)
}

fn retries(endpoint: &Endpoint) -> RetryConfig {
    let first = if endpoint.is_loopback() { FIRST_BACKOFF_LOOPBACK } else { FIRST_BACKOFF };
    RetryConfig::adaptive().with_max_attempts(ATTEMPTS).with_initial_backoff(first)
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(ATTEMPT_TIMEOUT).build()
}

fn check_url(url: &str) -> Result<(), ConnectError> {
    let parsed: Option<http::Uri> = url.parse().ok();
    match parsed.as_ref().and_then(http::Uri::scheme_str) {
        Some("http" | "https") => Ok(()),
        _ => Err(ConnectError::BadUrl { url: url.into() }),
    }
}

async fn check_credentials(config: &aws_config::SdkConfig, endpoint: &Endpoint) -> Result<(), ConnectError> {
    let missing = |because: String| ConnectError::NoCredentials { endpoint: endpoint.clone(), because };
    let provider = config.credentials_provider().ok_or_else(|| missing("no provider is configured".into()))?;
    match provider.provide_credentials().await {
        Ok(_) => Ok(()),
        Err(error) => Err(missing(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_url_with_a_scheme() {
        assert!(check_url("http://127.0.0.1:4599").is_ok());
        assert!(check_url("localhost:4599").is_err());
        assert!(check_url("ftp://localhost").is_err());
    }
}
