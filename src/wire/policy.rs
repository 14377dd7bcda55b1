//! Who may publish to a topic: our statement in its policy, compared by meaning. Start at [`with_our_statement`].
//!
//! Others may have statements of their own in the same policy (EventBridge, another account); they stay.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::aws::names::TopicArn;

/// Marks our statement among others.
const SID: &str = "ScaleproofAlerting";

pub(super) const CLOUDWATCH: &str = "cloudwatch.amazonaws.com";
const AUTO_SCALING: &str = "autoscaling.amazonaws.com";

/// Lets CloudWatch and Auto Scaling publish what happens in this account, and nothing from another one.
fn our_statement(topic: &TopicArn, account: &str) -> Value {
    json!({
        "Sid": SID,
        "Effect": "Allow",
        "Principal": { "Service": [CLOUDWATCH, AUTO_SCALING] },
        "Action": "SNS:Publish",
        "Resource": topic.as_str(),
        "Condition": { "StringEquals": { "aws:SourceAccount": account } },
    })
}

/// The policy that SNS gives a new topic: its owner may do everything. Setting a policy replaces it, so it is kept here.
fn default_policy(topic: &TopicArn, account: &str) -> Value {
    json!({
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [{
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": { "AWS": "*" },
            "Action": [
                "SNS:GetTopicAttributes", "SNS:SetTopicAttributes", "SNS:AddPermission", "SNS:RemovePermission",
                "SNS:DeleteTopic", "SNS:Subscribe", "SNS:ListSubscriptionsByTopic", "SNS:Publish",
            ],
            "Resource": topic.as_str(),
            "Condition": { "StringEquals": { "AWS:SourceOwner": account } },
        }],
    })
}

/// The policy to set so that our statement is in it, or `None` if it is there already, however it is written.
pub(super) fn with_our_statement(found: Option<&str>, topic: &TopicArn, account: &str) -> Option<String> {
    let ours = our_statement(topic, account);
    let parsed = found.and_then(|text| serde_json::from_str::<Value>(text).ok()).filter(Value::is_object);
    let mut policy = parsed.unwrap_or_else(|| default_policy(topic, account));
    let mut statements = statements(&policy);
    if statements.iter().any(|statement| meaning(statement) == meaning(&ours)) {
        return None;
    }
    statements.retain(|statement| statement["Sid"] != SID);
    statements.push(ours);
    policy["Statement"] = Value::Array(statements);
    Some(policy.to_string())
}

fn statements(policy: &Value) -> Vec<Value> {
    match &policy["Statement"] {
        Value::Array(list) => list.clone(),
        Value::Object(one) => vec![Value::Object(one.clone())],
        _ => Vec::new(),
    }
}

/// A statement without what does not matter: its id, the case of actions and condition keys, one against a list of one.
#[derive(Debug, PartialEq, Eq)]
struct Meaning {
    effect: String,
    principals: BTreeMap<String, BTreeSet<String>>,
    actions: BTreeSet<String>,
    resources: BTreeSet<String>,
    /// By operator and key.
    conditions: BTreeMap<(String, String), BTreeSet<String>>,
    /// `NotAction` and the like, which never stand in ours.
    others: BTreeSet<String>,
}

fn meaning(statement: &Value) -> Meaning {
    let empty = Map::new();
    let fields = statement.as_object().unwrap_or(&empty);
    let known = ["Sid", "Effect", "Principal", "Action", "Resource", "Condition"];
    let principals = match &statement["Principal"] {
        Value::Object(by_kind) => by_kind.iter().map(|(kind, who)| (kind.clone(), texts(who))).collect(),
        who => BTreeMap::from([("*".to_string(), texts(who))]),
    };
    let mut conditions = BTreeMap::new();
    for (operator, keys) in statement["Condition"].as_object().unwrap_or(&empty) {
        for (key, values) in keys.as_object().unwrap_or(&empty) {
            conditions.insert((operator.to_lowercase(), key.to_lowercase()), texts(values));
        }
    }
    Meaning {
        effect: statement["Effect"].as_str().unwrap_or_default().to_string(),
        principals,
        actions: texts(&statement["Action"]).iter().map(|action| action.to_lowercase()).collect(),
        resources: texts(&statement["Resource"]),
        conditions,
        others: fields.keys().filter(|key| !known.contains(&key.as_str())).cloned().collect(),
    }
}

fn texts(value: &Value) -> BTreeSet<String> {
    match value {
        Value::String(one) => BTreeSet::from([one.clone()]),
        Value::Array(list) => list.iter().filter_map(|item| item.as_str().map(Into::into)).collect(),
        _ => BTreeSet::new(),
    }
}

/// Whether this policy lets CloudWatch alarms of `account` publish to `topic`, as far as a reader can tell.
///
/// Looks at statements for the service and for everybody; conditions other than on the account count as not met,
/// except SNS's own default, which AWS documents as sufficient for alarms of the same account.
pub fn lets_publish(policy: &str, topic: &TopicArn, account: &str) -> bool {
    let Ok(policy) = serde_json::from_str::<Value>(policy) else { return false };
    let meanings: Vec<Meaning> = statements(&policy).iter().map(meaning).collect();
    let speaks_of = |m: &Meaning| names_cloudwatch(m) && allows_action(m) && names_topic(m, topic);
    let denied = meanings.iter().any(|m| m.effect == "Deny" && speaks_of(m));
    !denied && meanings.iter().any(|m| m.effect == "Allow" && speaks_of(m) && holds_for(m, account))
}

fn names_cloudwatch(statement: &Meaning) -> bool {
    let any = |kind: &str, who: &str| statement.principals.get(kind).is_some_and(|names| names.contains(who));
    any("*", "*") || any("AWS", "*") || any("Service", CLOUDWATCH) || any("Service", "*")
}

fn allows_action(statement: &Meaning) -> bool {
    statement.actions.iter().any(|action| matches!(action.as_str(), "sns:publish" | "sns:*" | "*" | "sns:pub*"))
}

fn names_topic(statement: &Meaning, topic: &TopicArn) -> bool {
    statement.resources.iter().any(|resource| {
        resource == topic.as_str() || resource.strip_suffix('*').is_some_and(|head| topic.as_str().starts_with(head))
    })
}

fn holds_for(statement: &Meaning, account: &str) -> bool {
    statement.conditions.iter().all(|((_, key), values)| match key.as_str() {
        "aws:sourceaccount" | "aws:sourceowner" => values.contains(account),
        "aws:sourcearn" => values.iter().any(|arn| arn.contains(":cloudwatch:") || arn == "*"),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "123456789012";

    fn topic() -> TopicArn {
        TopicArn::from("arn:aws:sns:ap-northeast-2:123456789012:course-ops")
    }

    #[test]
    fn a_new_topic_keeps_its_owner_and_gets_our_statement_once() {
        let first = with_our_statement(None, &topic(), ACCOUNT).unwrap();
        let policy: Value = serde_json::from_str(&first).unwrap();
        assert_eq!(policy["Statement"][0]["Sid"], "__default_statement_ID");
        assert_eq!(policy["Statement"][1]["Sid"], SID);
        assert_eq!(with_our_statement(Some(&first), &topic(), ACCOUNT), None);
        assert!(lets_publish(&first, &topic(), ACCOUNT));
    }

    #[test]
    fn the_same_statement_in_other_words_plans_nothing() {
        let rewritten = json!({ "Version": "2012-10-17", "Statement": {
            "Sid": "byHand",
            "Effect": "Allow",
            "Principal": { "Service": ["autoscaling.amazonaws.com", "cloudwatch.amazonaws.com"] },
            "Action": ["sns:publish"],
            "Resource": [topic().as_str()],
            "Condition": { "stringEquals": { "AWS:SourceAccount": [ACCOUNT] } },
        }});
        assert_eq!(with_our_statement(Some(&rewritten.to_string()), &topic(), ACCOUNT), None);
    }

    #[test]
    fn an_outdated_statement_of_ours_is_replaced_and_those_of_others_stay() {
        let found = json!({ "Statement": [
            { "Sid": SID, "Effect": "Allow", "Principal": "*", "Action": "SNS:Publish", "Resource": "*" },
            { "Sid": "events", "Effect": "Allow", "Principal": { "Service": "events.amazonaws.com" },
              "Action": "sns:Publish", "Resource": topic().as_str() },
        ]});
        let set = with_our_statement(Some(&found.to_string()), &topic(), ACCOUNT).unwrap();
        let set: Value = serde_json::from_str(&set).unwrap();
        let sids: Vec<Value> = statements(&set).iter().map(|s| s["Sid"].clone()).collect();
        assert_eq!(sids, ["events", SID]);
        assert_eq!(set["Statement"][1]["Condition"]["StringEquals"]["aws:SourceAccount"], ACCOUNT);
    }

    #[test]
    fn a_policy_lets_alarms_publish_only_if_some_statement_says_so_and_none_denies_it() {
        let allow = |principal: Value, condition: Value| {
            json!({ "Effect": "Allow", "Principal": principal, "Action": "sns:Publish",
                    "Resource": topic().as_str(), "Condition": condition })
        };
        let service = json!({ "Service": CLOUDWATCH });
        let owner = json!({ "StringEquals": { "AWS:SourceOwner": ACCOUNT } });
        let deny = json!({ "Effect": "Deny", "Principal": "*", "Action": "sns:*", "Resource": "*" });
        let cases = [
            (vec![allow(service.clone(), json!({}))], true),
            (vec![allow(json!({ "AWS": "*" }), owner)], true),
            (vec![allow(service.clone(), json!({ "StringEquals": { "aws:SourceAccount": "999" } }))], false),
            (vec![allow(json!({ "Service": "events.amazonaws.com" }), json!({}))], false),
            (vec![allow(service, json!({})), deny], false),
            (vec![], false),
        ];
        for (statements, expected) in cases {
            let policy = json!({ "Statement": statements }).to_string();
            assert_eq!(lets_publish(&policy, &topic(), ACCOUNT), expected, "{policy}");
        }
        assert!(!lets_publish("not json", &topic(), ACCOUNT));
    }
}
