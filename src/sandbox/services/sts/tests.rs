use serde_json::json;

use crate::clock::Timestamp;
use crate::engine::groups::Timing;
use crate::sandbox::faults::Strike;
use crate::sandbox::models::SERVICES;
use crate::sandbox::universe::{Reply, Universe};
use crate::sandbox::wire::request::Request;
use crate::sandbox::wire::shape::Protocol;
use crate::sandbox::wire::{json, validate};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// Calls STS or IAM with an access key; what comes back is XML.
fn ask(universe: &mut Universe, now: Timestamp, key: &str, operation: &str, input: serde_json::Value) -> String {
    let found = SERVICES.iter().find_map(|service| Some((*service, service.operation(operation)?)));
    let (service, shape) = found.unwrap();
    let input = json::decode(input, shape.input, "").unwrap();
    let call = validate::check(service, shape.input, &input).map(|()| (shape, input));
    let (protocol, region, access_key) = (Protocol::Query, "eu-west-1".to_string(), key.to_string());
    let reply =
        universe.answer(&Request { service, protocol, region, access_key, call }, now, "http://x", &Strike::default());
    let Reply::Now(answer) = reply else { panic!("{operation} waits") };
    String::from_utf8(answer.body).unwrap()
}

fn between<'t>(text: &'t str, tag: &str) -> &'t str {
    let rest = text.split_once(&format!("<{tag}>")).unwrap_or_else(|| panic!("no {tag} in {text}")).1;
    rest.split_once('<').unwrap().0
}

fn universe() -> Universe {
    Universe::new("123456789012", 1, Timing::Instant)
}

#[test]
fn a_caller_is_who_its_credentials_are_of_until_they_end() {
    let mut universe = universe();
    let role = json!({"RoleArn": "arn:aws:iam::210987654321:role/team/ops", "RoleSessionName": "me"});
    let answer = ask(&mut universe, NOW, "test", "AssumeRole", role.clone());
    let key = between(&answer, "AccessKeyId").to_string();
    assert_eq!(between(&answer, "Arn"), "arn:aws:sts::210987654321:assumed-role/ops/me");
    let identity = ask(&mut universe, NOW, &key, "GetCallerIdentity", json!({}));
    assert_eq!(between(&identity, "Arn"), "arn:aws:sts::210987654321:assumed-role/ops/me");
    assert_eq!(between(&identity, "Account"), "210987654321");
    assert!(between(&identity, "UserId").ends_with(":me"), "{identity}");
    let refused = ask(&mut universe, NOW, &key, "GetSessionToken", json!({}));
    assert_eq!(between(&refused, "Code"), "AccessDenied");
    let hour = std::time::Duration::from_secs(3600);
    let ended = ask(&mut universe, NOW + hour, &key, "GetCallerIdentity", json!({}));
    assert_eq!(between(&ended, "Code"), "ExpiredToken");
    let others = ask(&mut universe, NOW, "210987654321", "GetCallerIdentity", json!({}));
    assert_eq!(between(&others, "Arn"), "arn:aws:iam::210987654321:user/sandbox");
}

#[test]
fn a_user_is_known_by_its_key_and_a_role_by_its_longest_session() {
    let mut universe = universe();
    let mut ask = |operation: &str, key: &str, input: serde_json::Value| ask(&mut universe, NOW, key, operation, input);
    ask("CreateUser", "test", json!({"UserName": "ann", "Path": "/ops/"}));
    let key = between(&ask("CreateAccessKey", "test", json!({"UserName": "ann"})), "AccessKeyId").to_string();
    assert_eq!(between(&ask("GetCallerIdentity", &key, json!({})), "Arn"), "arn:aws:iam::123456789012:user/ops/ann");
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    ask("CreateRole", "test", json!({"RoleName": "deploy", "AssumeRolePolicyDocument": trust}));
    let arn = "arn:aws:iam::123456789012:role/deploy";
    let assume = |secs: i64| json!({"RoleArn": arn, "RoleSessionName": "me", "DurationSeconds": secs});
    assert_eq!(between(&ask("AssumeRole", &key, assume(3601)), "Code"), "ValidationError");
    let session = ask("AssumeRole", &key, assume(900));
    let id = between(&ask("GetRole", "test", json!({"RoleName": "deploy"})), "RoleId").to_string();
    assert_eq!(between(&session, "AssumedRoleId"), format!("{id}:me"));
}

/// What AWS answered to session tags (recorded in 2024) and to documents and tags of roles (recorded in 2026).
#[test]
fn tags_and_trust_policies_are_refused_in_awss_words() {
    let mut universe = universe();
    let mut ask = |operation: &str, key: &str, input: serde_json::Value| ask(&mut universe, NOW, key, operation, input);
    let trust = |action: &str, rest: &str| {
        format!(
            r#"{{"Statement":[{{"Effect":"Allow","Principal":{{"Service":"ec2.amazonaws.com"}},"Action":"{action}"{rest}}}]}}"#
        )
    };
    let role = |trust: String, tags: serde_json::Value| json!({"RoleName": "r", "AssumeRolePolicyDocument": trust, "Tags": tags});
    let plain = || trust("sts:AssumeRole", "");
    let assume = |tags: serde_json::Value, transitive: serde_json::Value| {
        let arn = "arn:aws:iam::123456789012:role/r";
        json!({"RoleArn": arn, "RoleSessionName": "me", "Tags": tags, "TransitiveTagKeys": transitive})
    };
    let twins = json!([{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}]);
    let one = || json!([{"Key": "a", "Value": "1"}]);
    let duplicate = "Duplicate tag keys found. Please note that Tag keys are case insensitive.";
    let key = between(&ask("AssumeRole", "test", assume(one(), json!(["a"]))), "AccessKeyId").to_string();
    for (operation, key, input, code, text) in [
        (
            "CreateRole",
            "test",
            role(trust("sts:InvalidAction", ""), json!([])),
            "MalformedPolicyDocument",
            "AssumeRole policy may only specify STS AssumeRole actions.",
        ),
        (
            "CreateRole",
            "test",
            role(trust("sts:AssumeRole", r#","Resource":"*""#), json!([])),
            "MalformedPolicyDocument",
            "Has prohibited field Resource",
        ),
        ("CreateRole", "test", role(plain(), twins.clone()), "InvalidInput", duplicate),
        (
            "CreateRole",
            "test",
            role(plain(), json!([{"Key": "invalid^", "Value": "1"}])),
            "ValidationError",
            "1 validation error detected: Value at 'tags.1.member.key' failed to satisfy constraint: Member must satisfy \
             regular expression pattern: [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+",
        ),
        (
            "CreateRole",
            "test",
            role(plain(), json!([{"Key": "k", "Value": "v".repeat(257)}])),
            "ValidationError",
            "1 validation error detected: Value at 'tags.1.member.value' failed to satisfy constraint: Member must have \
             length less than or equal to 256",
        ),
        ("AssumeRole", "test", assume(twins, json!([])), "InvalidParameterValue", duplicate),
        (
            "AssumeRole",
            "test",
            assume(one(), json!(["b"])),
            "InvalidParameterValue",
            "The specified transitive tag key must be included in the requested tags.",
        ),
        (
            "AssumeRole",
            &key,
            assume(json!([{"Key": "A", "Value": "2"}]), json!([])),
            "InvalidParameterValue",
            "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from \
             the calling session.",
        ),
    ] {
        let answer = ask(operation, key, input);
        let message = between(&answer, "Message").replace("&apos;", "'").replace("&#39;", "'");
        assert_eq!((between(&answer, "Code"), message.as_str()), (code, text));
    }
}

#[test]
fn a_token_that_is_none_is_refused() {
    let mut universe = universe();
    let mut ask =
        |operation: &str, input| between(&ask(&mut universe, NOW, "test", operation, input), "Code").to_string();
    let role = "arn:aws:iam::123456789012:role/web";
    let token = json!({"RoleArn": role, "RoleSessionName": "me", "WebIdentityToken": "????"});
    assert_eq!(ask("AssumeRoleWithWebIdentity", token), "InvalidIdentityToken");
    let wrong = json!({"RoleArn": "arn:aws:iam::123456789012:user/web", "RoleSessionName": "me"});
    assert_eq!(ask("AssumeRole", wrong), "ValidationError");
    assert_eq!(
        ask("DecodeAuthorizationMessage", json!({"EncodedMessage": "x"})),
        "InvalidAuthorizationMessageException"
    );
}
