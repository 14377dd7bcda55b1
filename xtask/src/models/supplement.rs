//! What the JSON models leave out and the Query protocol needs: SQS has had JSON in its model since 2023, but still
//! answers Query, with the names of its older model (botocore 1.31 and before) and the error codes of its
//! `awsQueryError` traits. Also what recordings show otherwise than the models have it.

use serde_json::Value;

/// The order in which a service's refusals list the values of an enum, where it is recorded to be another one than its
/// model's: CloudWatch's of `StateValue`.
pub fn recorded_order(service: &str, shape: &str) -> Option<Vec<Value>> {
    match (service, shape) {
        ("cloudwatch", "StateValue") => Some(["INSUFFICIENT_DATA", "ALARM", "OK"].map(Value::from).to_vec()),
        _ => None,
    }
}

/// The element of a flattened list of SQS: the name that stands for the member in forms and in XML.
pub fn sqs_list_item(shape: &str) -> Option<String> {
    let fixed = match shape {
        "AWSAccountIdList" => "AWSAccountId",
        "ActionNameList" => "ActionName",
        "AttributeNameList" => "AttributeName",
        "BinaryList" => "BinaryListValue",
        "MessageAttributeNameList" => "MessageAttributeName",
        "MessageSystemAttributeList" => "MessageSystemAttributeName",
        "StringList" => "StringListValue",
        _ => shape.strip_suffix("List")?,
    };
    Some(fixed.to_string())
}

/// The entry, key and value elements of a flattened map of SQS.
pub fn sqs_map_names(shape: &str) -> Option<(&'static str, &'static str, &'static str)> {
    Some(match shape {
        "QueueAttributeMap" | "MessageSystemAttributeMap" => ("Attribute", "Name", "Value"),
        "MessageBodyAttributeMap" => ("MessageAttribute", "Name", "Value"),
        "MessageBodySystemAttributeMap" => ("MessageSystemAttribute", "Name", "Value"),
        "TagMap" => ("Tag", "Key", "Value"),
        _ => return None,
    })
}

/// Enumerations that SQS does not hold callers to with a `ValidationError`: attribute names, for which it has
/// `InvalidAttributeName`. ReceiveMessage takes those of messages where its model names those of queues.
pub fn sqs_names_its_own_mistakes(shape: &str) -> bool {
    matches!(shape, "QueueAttributeName" | "MessageSystemAttributeName" | "MessageSystemAttributeNameForSends")
}

/// The Query code and status of an SQS error.
pub fn sqs_error(shape: &str) -> (String, u16) {
    let code = match shape {
        "QueueDoesNotExist" => "AWS.SimpleQueueService.NonExistentQueue".to_string(),
        "QueueNameExists" => "QueueAlreadyExists".to_string(),
        "BatchEntryIdsNotDistinct"
        | "BatchRequestTooLong"
        | "EmptyBatchRequest"
        | "InvalidBatchEntryId"
        | "MessageNotInflight"
        | "PurgeQueueInProgress"
        | "QueueDeletedRecently"
        | "TooManyEntriesInBatchRequest"
        | "UnsupportedOperation" => format!("AWS.SimpleQueueService.{shape}"),
        _ => shape.to_string(),
    };
    let status = match shape {
        "InvalidSecurity" | "OverLimit" | "PurgeQueueInProgress" | "RequestThrottled" => 403,
        "InvalidAddress" | "ReceiptHandleIsInvalid" | "ResourceNotFoundException" => 404,
        _ => 400,
    };
    (code, status)
}
