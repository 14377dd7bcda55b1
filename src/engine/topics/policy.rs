//! Resource policies: who may do what to a topic or a queue.
//!
//! Evaluates what the policies of topics and queues use: Allow and Deny, principals, actions and resources with
//! wildcards, and conditions on strings, ARNs, booleans and absence. A condition operator that is not among them is
//! refused when the policy is set, so that no policy is half understood. Start at [`Policy`].

use std::str::Chars;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A parsed policy document; read and written as its text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Policy {
    document: Value,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller<'a> {
    /// An AWS service under its own name, such as `sns.amazonaws.com`.
    Service(&'a str),
    /// Somebody of an account, by ARN.
    Identity { account: &'a str, arn: &'a str },
}

/// What is asked, with the condition keys that are known about it.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    pub caller: Caller<'a>,
    /// `SNS:Publish`
    pub action: &'a str,
    pub resource: &'a str,
    keys: Vec<(&'a str, &'a str)>,
}

impl<'a> Request<'a> {
    pub fn new(caller: Caller<'a>, action: &'a str, resource: &'a str) -> Self {
        // Services call each other over TLS, and a sandbox on the loopback stands for an AWS endpoint.
        let request = Self { caller, action, resource, keys: Vec::new() }.with("aws:SecureTransport", "true");
        match caller {
            Caller::Service(_) => request.with("aws:PrincipalIsAWSService", "true"),
            Caller::Identity { account, arn } => {
                request.with("aws:PrincipalArn", arn).with("aws:PrincipalAccount", account)
            }
        }
    }

    /// Adds a condition key; key names ignore case.
    #[must_use]
    pub fn with(mut self, key: &'a str, value: &'a str) -> Self {
        self.keys.push((key, value));
        self
    }

    fn key(&self, name: &str) -> Option<&str> {
        self.keys.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }
}

/// What a policy says about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    /// No statement speaks for it.
    NotAllowed,
    /// A statement speaks against it, which nothing outweighs.
    Denied,
}

/// Why a text is no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    #[error("not a policy document")]
    Malformed,
    /// A condition operator that this endpoint does not evaluate.
    #[error("the condition operator {0} is not evaluated")]
    Operator(String),
}

impl TryFrom<String> for Policy {
    type Error = PolicyError;
    fn try_from(text: String) -> Result<Self, PolicyError> {
        Self::parse(&text)
    }
}

impl From<Policy> for String {
    fn from(policy: Policy) -> Self {
        policy.to_text()
    }
}

impl Policy {
    /// # Errors
    /// [`PolicyError::Malformed`] if the text is no JSON object with statements that have an effect, a principal and
    /// an action.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        Self::from_document(serde_json::from_str(text).map_err(|_| PolicyError::Malformed)?)
    }

    /// # Errors
    /// Those of [`Policy::parse`].
    pub fn from_document(document: Value) -> Result<Self, PolicyError> {
        if !document.is_object() || document.get("Statement").is_none() {
            return Err(PolicyError::Malformed);
        }
        let policy = Self { document };
        policy.statements().iter().try_for_each(check_statement)?;
        Ok(policy)
    }

    /// The document as AWS gives it back: without insignificant white space, keys in the order they were written.
    pub fn to_text(&self) -> String {
        self.document.to_string()
    }

    /// Every action that a statement names.
    pub fn actions(&self) -> impl Iterator<Item = &str> {
        self.statements().iter().flat_map(|statement| strings(statement.get("Action")))
    }

    /// The statement with this `Sid`.
    pub fn statement(&self, sid: &str) -> Option<&Value> {
        self.statements().iter().find(|statement| statement.get("Sid").and_then(Value::as_str) == Some(sid))
    }

    pub fn add_statement(&mut self, statement: Value) {
        let mut statements = self.statements().to_vec();
        statements.push(statement);
        self.document["Statement"] = Value::Array(statements);
    }

    /// Returns whether a statement was there to remove.
    pub fn remove_statement(&mut self, sid: &str) -> bool {
        let mut statements = self.statements().to_vec();
        let before = statements.len();
        statements.retain(|statement| statement.get("Sid").and_then(Value::as_str) != Some(sid));
        let removed = statements.len() < before;
        self.document["Statement"] = Value::Array(statements);
        removed
    }

    pub fn evaluate(&self, request: &Request<'_>) -> Verdict {
        let applies = |effect: &str| {
            self.statements()
                .iter()
                .filter(|statement| statement.get("Effect").and_then(Value::as_str) == Some(effect))
                .any(|statement| applies(statement, request))
        };
        match () {
            () if applies("Deny") => Verdict::Denied,
            () if applies("Allow") => Verdict::Allowed,
            () => Verdict::NotAllowed,
        }
    }

    /// AWS takes one statement as it is and several as a list.
    fn statements(&self) -> &[Value] {
        match &self.document["Statement"] {
            Value::Array(statements) => statements,
            Value::Null => &[],
            single => std::slice::from_ref(single),
        }
    }
}

fn check_statement(statement: &Value) -> Result<(), PolicyError> {
    let has = |name: &str| statement.get(name).is_some_and(|value| !value.is_null());
    let effect = statement.get("Effect").and_then(Value::as_str);
    if !matches!(effect, Some("Allow" | "Deny"))
        || !(has("Principal") || has("NotPrincipal"))
        || !(has("Action") || has("NotAction"))
    {
        return Err(PolicyError::Malformed);
    }
    let operators = statement.get("Condition").and_then(Value::as_object).into_iter().flatten();
    for (operator, keys) in operators {
        if !keys.is_object() {
            return Err(PolicyError::Malformed);
        }
        if Test::named(operator).is_none() {
            return Err(PolicyError::Operator(operator.clone()));
        }
    }
    Ok(())
}

fn applies(statement: &Value, request: &Request<'_>) -> bool {
    let either = |yes: &str, no: &str, matches: &dyn Fn(&Value) -> bool| match (statement.get(yes), statement.get(no)) {
        (Some(value), _) => matches(value),
        (None, Some(value)) => !matches(value),
        (None, None) => true,
    };
    either("Principal", "NotPrincipal", &|principal| names_caller(principal, request.caller))
        && either("Action", "NotAction", &|actions| {
            strings(Some(actions)).any(|action| fits(action, request.action, |a, b| a.eq_ignore_ascii_case(&b)))
        })
        && either("Resource", "NotResource", &|resources| {
            strings(Some(resources)).any(|resource| wildcard(resource, request.resource))
        })
        && conditions_hold(statement.get("Condition"), request)
}

fn names_caller(principal: &Value, caller: Caller<'_>) -> bool {
    if principal.as_str() == Some("*") {
        return true;
    }
    // `{"AWS": "*"}` means everybody, services too: the default policy of a topic lets CloudWatch in by it.
    if strings(principal.get("AWS")).any(|name| name == "*") {
        return true;
    }
    match caller {
        Caller::Service(service) => strings(principal.get("Service")).any(|name| name == service),
        Caller::Identity { account, arn } => strings(principal.get("AWS")).any(|name| {
            name == account || name == arn || (name.ends_with(":root") && name.split(':').nth(4) == Some(account))
        }),
    }
}

fn conditions_hold(condition: Option<&Value>, request: &Request<'_>) -> bool {
    condition.and_then(Value::as_object).into_iter().flatten().all(|(operator, keys)| {
        let Some(test) = Test::named(operator) else { return false };
        keys.as_object().into_iter().flatten().all(|(key, wanted)| test.holds(request.key(key), wanted))
    })
}

/// One condition operator.
#[derive(Debug, Clone, Copy)]
struct Test {
    compare: fn(&str, &str) -> bool,
    negated: bool,
    /// What an absent key means.
    when_absent: bool,
    is_null_test: bool,
}

impl Test {
    fn named(operator: &str) -> Option<Self> {
        let (set, name) = match operator.split_once(':') {
            Some((set @ ("ForAllValues" | "ForAnyValue"), name)) => (Some(set), name),
            Some(_) => return None,
            None => (None, operator),
        };
        let (name, if_exists) = match name.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let exact: fn(&str, &str) -> bool = |wanted, found| wanted == found;
        let (compare, negated): (fn(&str, &str) -> bool, bool) = match name {
            "StringEquals" => (exact, false),
            "StringNotEquals" => (exact, true),
            "StringEqualsIgnoreCase" | "Bool" => (str::eq_ignore_ascii_case, false),
            "StringNotEqualsIgnoreCase" => (str::eq_ignore_ascii_case, true),
            "StringLike" | "ArnLike" | "ArnEquals" => (wildcard, false),
            "StringNotLike" | "ArnNotLike" | "ArnNotEquals" => (wildcard, true),
            "Null" => (exact, false),
            _ => return None,
        };
        let when_absent = negated || if_exists || set == Some("ForAllValues");
        Some(Self { compare, negated, when_absent, is_null_test: name == "Null" })
    }

    fn holds(self, found: Option<&str>, wanted: &Value) -> bool {
        if self.is_null_test {
            return strings(Some(wanted)).any(|wanted| (wanted == "true") == found.is_none());
        }
        let Some(found) = found else { return self.when_absent };
        strings(Some(wanted)).any(|wanted| (self.compare)(wanted, found)) != self.negated
    }
}

/// The strings of a value that may be one or a list; booleans count as their names.
fn strings(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let items = match value {
        Some(Value::Array(items)) => items.as_slice(),
        Some(single) => std::slice::from_ref(single),
        None => &[],
    };
    items.iter().filter_map(|item| match item {
        Value::String(text) => Some(text.as_str()),
        Value::Bool(true) => Some("true"),
        Value::Bool(false) => Some("false"),
        _ => None,
    })
}

/// Whether `text` fits a pattern of `*` (any run of characters) and `?` (any one).
pub fn wildcard(pattern: &str, text: &str) -> bool {
    fits(pattern, text, |a, b| a == b)
}

fn fits(pattern: &str, text: &str, same: fn(char, char) -> bool) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    // What follows the last `*`, and the text that it has not taken so far.
    let mut star: Option<(Chars<'_>, Chars<'_>)> = None;
    loop {
        let here = text.clone();
        match (pattern.next(), text.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                text = here;
                star = Some((pattern.clone(), text.clone()));
            }
            (Some(wanted), Some(found)) if wanted == '?' || same(wanted, found) => {}
            _ => {
                let Some((after, left)) = &mut star else { return false };
                if left.next().is_none() {
                    return false;
                }
                (pattern, text) = (after.clone(), left.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:ops";
    const ALARM: &str = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:cpu-high";

    fn statement(effect: &str, principal: &str, action: &str, condition: &str) -> String {
        format!(
            r#"{{"Effect":"{effect}","Principal":{principal},"Action":{action},"Resource":"{TOPIC}","Condition":{condition}}}"#
        )
    }

    fn check(name: &str, statements: &[String], expected: Verdict) {
        let policy = Policy::parse(&format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(",")));
        let request = Request::new(Caller::Service("cloudwatch.amazonaws.com"), "SNS:Publish", TOPIC)
            .with("aws:SourceArn", ALARM)
            .with("aws:SourceAccount", "123456789012")
            .with("AWS:SourceOwner", "123456789012");
        assert_eq!(policy.expect(name).evaluate(&request), expected, "{name}");
    }

    #[test]
    fn a_service_publishes_when_some_statement_allows_it_and_none_denies_it() {
        use Verdict::{Allowed, Denied, NotAllowed};
        let cloudwatch = r#"{"Service":"cloudwatch.amazonaws.com"}"#;
        let allow = |principal: &str, action: &str, condition: &str| statement("Allow", principal, action, condition);
        for (name, statement, expected) in [
            ("its own name", allow(cloudwatch, r#""sns:Publish""#, "{}"), Allowed),
            (
                "a list of services",
                allow(r#"{"Service":["x","cloudwatch.amazonaws.com"]}"#, r#""SNS:Publish""#, "{}"),
                Allowed,
            ),
            ("everybody", allow(r#""*""#, r#"["sns:Subscribe","sns:Publish"]"#, "{}"), Allowed),
            ("everybody of AWS", allow(r#"{"AWS":"*"}"#, r#""sns:*""#, "{}"), Allowed),
            ("another service", allow(r#"{"Service":"events.amazonaws.com"}"#, r#""sns:Publish""#, "{}"), NotAllowed),
            ("an account", allow(r#"{"AWS":"123456789012"}"#, r#""sns:Publish""#, "{}"), NotAllowed),
            ("another action", allow(cloudwatch, r#""sns:Subscribe""#, "{}"), NotAllowed),
            (
                "this alarm",
                allow(cloudwatch, r#""sns:Publish""#, &format!(r#"{{"ArnEquals":{{"aws:SourceArn":"{ALARM}"}}}}"#)),
                Allowed,
            ),
            (
                "any alarm",
                allow(
                    cloudwatch,
                    r#""sns:Publish""#,
                    r#"{"ArnLike":{"aws:sourcearn":"arn:aws:cloudwatch:*:*:alarm:*"}}"#,
                ),
                Allowed,
            ),
            (
                "another alarm",
                allow(
                    cloudwatch,
                    r#""sns:Publish""#,
                    r#"{"ArnLike":{"aws:SourceArn":"arn:aws:cloudwatch:*:*:alarm:web-*"}}"#,
                ),
                NotAllowed,
            ),
            (
                "strings do not take wildcards",
                allow(cloudwatch, r#""sns:Publish""#, r#"{"StringEquals":{"aws:SourceArn":"arn:*"}}"#),
                NotAllowed,
            ),
            (
                "the owner",
                allow(cloudwatch, r#""sns:Publish""#, r#"{"StringEquals":{"AWS:SourceOwner":"123456789012"}}"#),
                Allowed,
            ),
            (
                "two keys, one wrong",
                allow(
                    cloudwatch,
                    r#""sns:Publish""#,
                    r#"{"StringEquals":{"AWS:SourceOwner":"123456789012","aws:SourceAccount":"1"}}"#,
                ),
                NotAllowed,
            ),
            (
                "an absent key",
                allow(cloudwatch, r#""sns:Publish""#, r#"{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}"#),
                NotAllowed,
            ),
            (
                "an absent key, if it exists",
                allow(cloudwatch, r#""sns:Publish""#, r#"{"StringEqualsIfExists":{"aws:PrincipalOrgID":"o-1"}}"#),
                Allowed,
            ),
            ("over TLS", allow(cloudwatch, r#""sns:Publish""#, r#"{"Bool":{"aws:SecureTransport":true}}"#), Allowed),
            (
                "present keys are not null",
                allow(cloudwatch, r#""sns:Publish""#, r#"{"Null":{"AWS:SourceOwner":"false"}}"#),
                Allowed,
            ),
        ] {
            check(name, &[statement], expected);
        }
        let everybody = allow(r#""*""#, r#""*""#, "{}");
        check(
            "a denial outweighs",
            &[everybody.clone(), statement("Deny", r#""*""#, r#""sns:Publish""#, "{}")],
            Denied,
        );
        check(
            "a denial of others",
            &[everybody, statement("Deny", r#"{"AWS":"999999999999"}"#, r#""sns:Publish""#, "{}")],
            Allowed,
        );
    }

    #[test]
    fn a_text_that_is_no_policy_says_so() {
        for (text, expected) in [
            ("{invalid-json", PolicyError::Malformed),
            ("[]", PolicyError::Malformed),
            ("{}", PolicyError::Malformed),
            (r#"{"Statement":[{"Effect":"Maybe","Principal":"*","Action":"*"}]}"#, PolicyError::Malformed),
            (
                r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}]}"#,
                PolicyError::Operator("IpAddress".into()),
            ),
        ] {
            assert_eq!(Policy::parse(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn a_policy_reads_back_as_it_was_written_without_white_space() {
        let written = r#"{ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Principal": "*", "Action": "sns:Publish" } }"#;
        let read = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"sns:Publish"}}"#;
        assert_eq!(Policy::parse(written).unwrap().to_text(), read);
    }

    #[test]
    fn wildcards_take_any_run_of_characters() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abbcd", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*b*", "abc", true),
            ("ab", "abc", false),
        ] {
            assert_eq!(wildcard(pattern, text), expected, "{pattern} {text}");
        }
    }
}
