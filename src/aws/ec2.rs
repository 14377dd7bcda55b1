//! EC2: what an instance says of itself, and whether a key pair is there. Networks and launch templates are terraform's.

use async_trait::async_trait;

use super::AwsError;
use super::names::InstanceId;
use super::watch::Watch;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningInstance {
    pub id: InstanceId,
    /// `pending`, `running`, `shutting-down` and so on.
    pub state: String,
    pub public_ip: Option<String>,
}

#[async_trait]
pub trait Ec2: Send + Sync {
    /// The instances with these ids; one that is gone is left out where EC2 leaves it out.
    async fn describe_instances(&self, ids: &[InstanceId]) -> Result<Vec<RunningInstance>, AwsError>;

    /// Whether the account has a key pair of this name in the region, by DescribeKeyPairs.
    async fn has_key_pair(&self, name: &str) -> Result<bool, AwsError>;
}

pub(super) struct SdkEc2 {
    client: aws_sdk_ec2::Client,
    watch: Watch,
}

impl SdkEc2 {
    pub fn new(config: &aws_config::SdkConfig, watch: Watch) -> Self {
        let config = aws_sdk_ec2::config::Builder::from(config).interceptor(watch.clone()).build();
        Self { client: aws_sdk_ec2::Client::from_conf(config), watch }
    }
}

#[async_trait]
impl Ec2 for SdkEc2 {
    async fn describe_instances(&self, ids: &[InstanceId]) -> Result<Vec<RunningInstance>, AwsError> {
        // An empty list would mean all instances of the account.
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let ids = ids.iter().map(|id| id.0.clone()).collect();
        let answer = self
            .client
            .describe_instances()
            .set_instance_ids(Some(ids))
            .send()
            .await
            .map_err(self.watch.failed("ec2:DescribeInstances"))?;
        let instances =
            answer.reservations.unwrap_or_default().into_iter().flat_map(|r| r.instances.unwrap_or_default());
        Ok(instances
            .map(|instance| RunningInstance {
                id: InstanceId(instance.instance_id.unwrap_or_default()),
                state: instance
                    .state
                    .and_then(|state| state.name)
                    .map_or_else(String::new, |name| name.as_str().into()),
                public_ip: instance.public_ip_address,
            })
            .collect())
    }

    async fn has_key_pair(&self, name: &str) -> Result<bool, AwsError> {
        // By a filter, because a name that is not there would be an error.
        let named = aws_sdk_ec2::types::Filter::builder().name("key-name").values(name).build();
        let answer = self
            .client
            .describe_key_pairs()
            .filters(named)
            .send()
            .await
            .map_err(self.watch.failed("ec2:DescribeKeyPairs"))?;
        // A filter's asterisks match anything.
        Ok(answer.key_pairs.unwrap_or_default().iter().any(|pair| pair.key_name() == Some(name)))
    }
}
