//! Credentials, the endpoint, and which of the services that scaleproof calls it serves.
//! One harmless read each: an AWS error that is not "there is no such operation" also proves that the service is there.

use super::{Finding, Verdict};
use crate::aws::names::{AlarmName, GroupName, InstanceId};
use crate::aws::{AlarmSelection, AwsError, Clients, ConnectError, Target, Trouble};

/// A name that no account has.
const NOBODY: &str = "scaleproof-doctor-asks";

pub(super) async fn look(region: &str, endpoint_url: Option<&str>) -> Vec<Finding> {
    let target = Target { region: region.to_string(), endpoint_url: endpoint_url.map(Into::into), credentials: None };
    let clients = match Clients::connect(&target).await {
        Ok(clients) => clients,
        Err(error) => return vec![no_credentials(&error)],
    };
    let credentials = Finding::new("credentials", Verdict::Met, "found");
    let endpoint = endpoint(&clients).await;
    let answers = endpoint.verdict == Verdict::Met;
    let mut findings = vec![credentials, endpoint];
    if answers {
        findings.extend(services(&clients).await);
    }
    findings
}

fn no_credentials(error: &ConnectError) -> Finding {
    let remedy =
        error.remedy().map_or_else(|| "correct the endpoint's URL".into(), |command| format!("run: {command}"));
    Finding::new("credentials", Verdict::NotMet, error.to_string()).remedy(remedy)
}

async fn endpoint(clients: &Clients) -> Finding {
    let at = &clients.endpoint;
    match clients.sts.get_caller_identity().await {
        Ok(identity) => Finding::new("endpoint", Verdict::Met, format!("{at} answers as account {}", identity.account)),
        Err(error) => Finding::new("endpoint", Verdict::NotMet, error.to_string()).remedy(match &error.trouble {
            Trouble::Answered { .. } => "check the credentials: `aws sts get-caller-identity`",
            _ if at.is_aws() => "check the network and the proxy",
            _ => "start it, for example: `scaleproof sandbox`",
        }),
    }
}

async fn services(clients: &Clients) -> Vec<Finding> {
    let (group, alarms) = (GroupName::from(NOBODY), [AlarmName::from(NOBODY)]);
    let instances = [InstanceId::from("i-00000000000000000")];
    let (autoscaling, cloudwatch, ec2, sns, sqs) = tokio::join!(
        clients.autoscaling.describe_auto_scaling_groups(&group),
        clients.cloudwatch.describe_alarms(AlarmSelection::Names(&alarms)),
        clients.ec2.describe_instances(&instances),
        clients.sns.list_topics(),
        clients.sqs.get_queue_url(NOBODY),
    );
    vec![
        service("autoscaling", autoscaling.map(drop)),
        service("cloudwatch", cloudwatch.map(drop)),
        service("ec2", ec2.map(drop)),
        service("sns", sns.map(drop)),
        service("sqs", sqs.map(drop)),
    ]
}

fn service(name: &str, answer: Result<(), AwsError>) -> Finding {
    let Err(error) = answer else { return Finding::new(name, Verdict::Met, "served") };
    if error.is_not_served() {
        return Finding::new(name, Verdict::NotMet, "not served by this endpoint")
            .remedy("use AWS or `scaleproof sandbox` for what needs it");
    }
    match &error.trouble {
        Trouble::Answered { code, .. } if is_denied(code) => {
            Finding::new(name, Verdict::NotMet, error.to_string()).remedy("give this identity the permission")
        }
        Trouble::Answered { .. } => Finding::new(name, Verdict::Met, "served"),
        Trouble::NoAnswer { .. } | Trouble::Unreadable { .. } => {
            Finding::new(name, Verdict::CouldNotTell, error.to_string())
        }
    }
}

/// EC2 writes it in its own way (EC2 API reference, "Common error codes").
fn is_denied(code: &str) -> bool {
    matches!(code, "AccessDenied" | "AccessDeniedException" | "AuthorizationError" | "UnauthorizedOperation")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Operation;

    fn answered(code: &str, status: u16) -> Result<(), AwsError> {
        Err(AwsError {
            operation: Operation("ec2:DescribeInstances"),
            endpoint: "http://127.0.0.1:4566".into(),
            trouble: Trouble::Answered { code: code.into(), message: "text".into(), status },
        })
    }

    #[test]
    fn an_error_about_the_question_is_an_answer_and_one_about_the_service_is_not() {
        let cases = [
            (Ok(()), Verdict::Met, "served"),
            (answered("InvalidInstanceID.NotFound", 400), Verdict::Met, "served"),
            (answered("InternalFailure", 501), Verdict::NotMet, "not served by this endpoint"),
            (
                answered("UnauthorizedOperation", 403),
                Verdict::NotMet,
                "UnauthorizedOperation for `ec2:DescribeInstances` at http://127.0.0.1:4566: text",
            ),
        ];
        for (answer, verdict, found) in cases {
            let finding = service("ec2", answer);
            assert_eq!((finding.verdict, finding.found.as_str()), (verdict, found));
        }
    }
}
