//! AWS's service models: typed requests and responses, and the shape tables that the codecs read.
//! All files but this one are written by `cargo xtask models`; do not edit them by hand.

pub mod autoscaling;
pub mod cloudwatch;
pub mod ec2;
pub mod elbv2;
pub mod iam;
pub mod kms;
pub mod sns;
pub mod sqs;
pub mod ssm;
pub mod sts;

use super::wire::shape::Service;

/// Every service that the sandbox has a model of.
pub static SERVICES: &[&Service] = &[
    &autoscaling::SERVICE,
    &cloudwatch::SERVICE,
    &ec2::SERVICE,
    &elbv2::SERVICE,
    &iam::SERVICE,
    &kms::SERVICE,
    &sns::SERVICE,
    &sqs::SERVICE,
    &ssm::SERVICE,
    &sts::SERVICE,
];
