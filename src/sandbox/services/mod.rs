//! One AWS service per file or folder. Each has `operations()`, its table of typed handlers.

pub mod autoscaling;
pub mod cloudwatch;
pub mod ec2;
pub mod elbv2;
pub mod iam;
pub mod kms;
mod page;
pub mod sns;
pub mod sqs;
pub mod ssm;
pub mod sts;
