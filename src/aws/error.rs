//! Why a call to AWS did not do what was asked. Start at [`AwsError`].

use std::error::Error;
use std::fmt;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// An operation as IAM and the documentation write it: `cloudwatch:PutMetricAlarm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Operation(pub &'static str);

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A call that failed after every retry: the last link of an error chain, which names the call and the endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsError {
    pub operation: Operation,
    /// Scheme and host that the call went to.
    pub endpoint: String,
    pub trouble: Trouble,
}

/// What came back, if anything did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// AWS said no.
    Answered { code: String, message: String, status: u16 },
    /// There was no answer: the innermost cause.
    NoAnswer { because: String },
    /// An answer that says nothing we understand.
    Unreadable { because: String },
}

impl AwsError {
    /// AWS's error code, if AWS answered.
    pub fn code(&self) -> Option<&str> {
        match &self.trouble {
            Trouble::Answered { code, .. } => Some(code),
            Trouble::NoAnswer { .. } | Trouble::Unreadable { .. } => None,
        }
    }

    pub fn message(&self) -> &str {
        match &self.trouble {
            Trouble::Answered { message, .. } => message,
            Trouble::NoAnswer { because } | Trouble::Unreadable { because } => because,
        }
    }

    /// Whether the endpoint does not have this operation at all, as emulators answer for what they leave out.
    ///
    /// LocalStack answers 501 `InternalFailure` for a service outside its licence; moto and the sandbox answer
    /// `InvalidAction`, `UnknownOperationException` or `NotImplemented`.
    pub fn is_not_served(&self) -> bool {
        match &self.trouble {
            Trouble::Answered { code, message, status } => {
                *status == 501
                    || matches!(
                        code.as_str(),
                        "InvalidAction" | "UnknownOperation" | "UnknownOperationException" | "NotImplemented"
                    )
                    || (code == "InternalFailure"
                        && (message.contains("license") || message.contains("not yet been emulated")))
            }
            Trouble::NoAnswer { .. } | Trouble::Unreadable { .. } => false,
        }
    }

    /// Whether the thing asked about does not exist, in the words of the service that was asked.
    pub fn is_not_found(&self) -> bool {
        let Trouble::Answered { code, message, .. } = &self.trouble else { return false };
        matches!(
            code.as_str(),
            "NotFound" | "NotFoundException" | "ResourceNotFound" | "ResourceNotFoundException" | "QueueDoesNotExist"
        ) || code.ends_with("NonExistentQueue")
            || (code == "ValidationError" && message.contains("not found"))
    }

    pub(super) fn from_sdk<E>(operation: Operation, endpoint: String, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let trouble = match error {
            SdkError::ServiceError(context) => match context.err().code() {
                Some(code) => Trouble::Answered {
                    code: code.to_string(),
                    message: context.err().message().unwrap_or("no message").to_string(),
                    status: context.raw().status().as_u16(),
                },
                None => Trouble::Unreadable {
                    because: format!("status {} without an error code", context.raw().status().as_u16()),
                },
            },
            SdkError::ResponseError(_) => Trouble::Unreadable { because: innermost(error) },
            _ => Trouble::NoAnswer { because: innermost(error) },
        };
        Self { operation, endpoint, trouble }
    }
}

/// The text of the last cause: `Connection refused (os error 111)` rather than `dispatch failure`.
fn innermost(error: &dyn Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, endpoint, trouble } = self;
        match trouble {
            _ if self.is_not_served() => write!(f, "`{operation}` is not served by this endpoint, {endpoint}"),
            Trouble::Answered { code, message, .. } => {
                write!(f, "{code} for `{operation}` at {endpoint}: {}", message.trim_end_matches('.'))
            }
            Trouble::NoAnswer { because } => write!(f, "no answer to `{operation}` from {endpoint}: {because}"),
            Trouble::Unreadable { because } => {
                write!(f, "cannot read the answer to `{operation}` from {endpoint}: {because}")
            }
        }
    }
}

impl Error for AwsError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(code: &str, message: &str, status: u16) -> AwsError {
        AwsError {
            operation: Operation("autoscaling:DescribeAutoScalingGroups"),
            endpoint: "http://127.0.0.1:4566".into(),
            trouble: Trouble::Answered { code: code.into(), message: message.into(), status },
        }
    }

    #[test]
    fn an_emulator_without_auto_scaling_is_told_from_a_failing_one() {
        let licence = "The API for service 'autoscaling' is either not included in your current license plan or has \
                       not yet been emulated by LocalStack.";
        assert!(answered("InternalFailure", licence, 501).is_not_served());
        assert!(answered("InvalidAction", "Could not find operation", 400).is_not_served());
        assert!(!answered("InternalFailure", "The request processing has failed", 500).is_not_served());
        assert_eq!(
            answered("InternalFailure", licence, 501).to_string(),
            "`autoscaling:DescribeAutoScalingGroups` is not served by this endpoint, http://127.0.0.1:4566"
        );
    }

    #[test]
    fn the_last_link_names_the_call_and_the_endpoint() {
        let refused = AwsError {
            trouble: Trouble::NoAnswer { because: "Connection refused (os error 111)".into() },
            ..answered("", "", 0)
        };
        assert_eq!(
            refused.to_string(),
            "no answer to `autoscaling:DescribeAutoScalingGroups` from http://127.0.0.1:4566: Connection refused (os \
             error 111)"
        );
    }
}
