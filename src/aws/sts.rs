//! Security Token Service: who we are.

use async_trait::async_trait;

use super::AwsError;
use super::watch::Watch;

/// Whose credentials these are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub account: String,
    pub arn: String,
}

impl Identity {
    /// The partition that this account's ARNs start with.
    pub fn partition(&self) -> &str {
        self.arn.split(':').nth(1).filter(|part| !part.is_empty()).unwrap_or("aws")
    }
}

#[async_trait]
pub trait Sts: Send + Sync {
    async fn get_caller_identity(&self) -> Result<Identity, AwsError>;
}

pub(super) struct SdkSts {
    client: aws_sdk_sts::Client,
    watch: Watch,
}

impl SdkSts {
    pub fn new(config: &aws_config::SdkConfig, watch: Watch) -> Self {
        let config = aws_sdk_sts::config::Builder::from(config).interceptor(watch.clone()).build();
        Self { client: aws_sdk_sts::Client::from_conf(config), watch }
    }
}

#[async_trait]
impl Sts for SdkSts {
    async fn get_caller_identity(&self) -> Result<Identity, AwsError> {
        let answer =
            self.client.get_caller_identity().send().await.map_err(self.watch.failed("sts:GetCallerIdentity"))?;
        Ok(Identity { account: answer.account.unwrap_or_default(), arn: answer.arn.unwrap_or_default() })
    }
}
