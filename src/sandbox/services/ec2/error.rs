//! EC2's error codes and texts that more than one file needs.

use crate::engine::Refusal;

/// A 400 answer.
pub fn refuse(code: &str, message: impl Into<String>) -> Refusal {
    Refusal::new(code, 400, message)
}

/// `Value (x) for parameter y is invalid. Why.`
pub fn invalid_value(value: impl std::fmt::Display, parameter: &str, why: &str) -> Refusal {
    refuse("InvalidParameterValue", format!("Value ({value}) for parameter {parameter} is invalid. {why}"))
}

pub fn missing_parameter(parameter: &str) -> Refusal {
    refuse("MissingParameter", format!("The request must contain the parameter {parameter}"))
}

pub fn combination(message: impl Into<String>) -> Refusal {
    refuse("InvalidParameterCombination", message)
}

/// Something still needs the resource that the caller wants to delete.
pub fn dependency(message: impl Into<String>) -> Refusal {
    refuse("DependencyViolation", message)
}

/// The value of a required member.
pub fn required<T>(value: Option<T>, parameter: &str) -> Result<T, Refusal> {
    value.ok_or_else(|| missing_parameter(parameter))
}

/// `The vpc ID 'vpc-1' does not exist`, or `The vpc IDs 'vpc-1, vpc-2' do not exist`.
pub fn missing_ids(code: &str, noun: &str, ids: &[&str]) -> Refusal {
    let message = match ids {
        [id] => format!("The {noun} ID '{id}' does not exist"),
        ids => format!("The {noun} IDs '{}' do not exist", ids.join(", ")),
    };
    refuse(code, message)
}

/// The answer to a call that only asks whether it may: every caller of the sandbox may.
pub fn dry_run(asked: Option<bool>) -> Result<(), Refusal> {
    if asked == Some(true) {
        return Err(Refusal::new("DryRunOperation", 412, "Request would have succeeded, but DryRun flag is set."));
    }
    Ok(())
}
