//! What belongs together in IAM, as a client sees it. The flows are those of the acceptance tests of Terraform's provider.

use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::engine::groups::Timing;
use crate::sandbox::universe::Universe;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"ec2.amazonaws.com"}}]}"#;

struct Account(Universe);

impl Account {
    fn new() -> Self {
        Self(Universe::new("123456789012", 1, Timing::Instant))
    }

    fn call(&mut self, operation: &str, input: Value) -> Result<Value, String> {
        self.0.call(NOW, "eu-west-1", "iam", operation, input).map_err(|refusal| refusal.to_string())
    }

    fn ask(&mut self, operation: &str, input: Value) -> Value {
        self.call(operation, input).unwrap_or_else(|refusal| panic!("{operation}: {refusal}"))
    }

    #[track_caller]
    fn refused(&mut self, operation: &str, input: Value, code: &str) {
        let refusal = self.call(operation, input).unwrap_err();
        assert!(refusal.starts_with(code), "{operation}: {refusal}");
    }

    fn policy(&mut self, name: &str) -> String {
        let made = self.ask("CreatePolicy", json!({"PolicyName": name, "PolicyDocument": POLICY}));
        made["Policy"]["Arn"].as_str().unwrap().to_string()
    }

    fn version(&mut self, arn: &str, default: bool) -> String {
        let asked = json!({"PolicyArn": arn, "PolicyDocument": POLICY, "SetAsDefault": default});
        self.ask("CreatePolicyVersion", asked)["PolicyVersion"]["VersionId"].as_str().unwrap().to_string()
    }
}

fn column(found: &Value, list: &str, member: &str) -> Vec<String> {
    found[list].as_array().unwrap().iter().map(|each| each[member].as_str().unwrap().to_string()).collect()
}

#[test]
fn a_policy_has_up_to_five_versions_of_which_one_is_in_force() {
    let mut account = Account::new();
    let arn = account.policy("versions");
    let made: Vec<String> = [true, false, true, false].map(|default| account.version(&arn, default)).into();
    assert_eq!(made, ["v2", "v3", "v4", "v5"]);
    let one = |version: &str| json!({"PolicyArn": arn, "VersionId": version});
    account.refused("CreatePolicyVersion", json!({"PolicyArn": arn, "PolicyDocument": POLICY}), "LimitExceeded");
    account.refused("DeletePolicyVersion", one("v4"), "DeleteConflict");
    account.refused("DeletePolicy", json!({"PolicyArn": arn}), "DeleteConflict");
    account.refused("DeletePolicyVersion", one("4"), "ValidationError");
    account.ask("SetDefaultPolicyVersion", one("v2"));
    account.ask("DeletePolicyVersion", one("v4"));
    let listed = account.ask("ListPolicyVersions", json!({"PolicyArn": arn}));
    assert_eq!(column(&listed, "Versions", "VersionId"), ["v5", "v3", "v2", "v1"]);
    assert_eq!(account.version(&arn, true), "v6", "a number is never given again");
    for version in ["v5", "v3", "v2", "v1"] {
        account.ask("DeletePolicyVersion", one(version));
    }
    account.ask("DeletePolicy", json!({"PolicyArn": arn}));
}

#[test]
fn policies_without_the_grammars_elements_are_refused() {
    let mut account = Account::new();
    for statement in [
        r#"{"Effect":"Allow","Resource":"*"}"#,
        r#"{"Effect":"Allow","Action":"*"}"#,
        r#"{"Effect":"Maybe","Action":"*","Resource":"*"}"#,
        r#"{"Effect":"Allow","Action":"*","Resource":"*","Principal":"*"}"#,
        r#"{"Effect":"Allow","Action":"*","Resource":"*","Colour":"red"}"#,
    ] {
        let document = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
        let asked = json!({"PolicyName": "bad", "PolicyDocument": document});
        account.refused("CreatePolicy", asked, "MalformedPolicyDocument");
    }
}

#[test]
fn a_policy_knows_whom_it_is_attached_to() {
    let mut account = Account::new();
    let (arn, bound) = (account.policy("shared"), account.policy("bound"));
    account.ask(
        "CreateRole",
        json!({"RoleName": "role", "AssumeRolePolicyDocument": TRUST, "PermissionsBoundary": bound}),
    );
    account.ask("CreateUser", json!({"UserName": "user"}));
    account.ask("AttachRolePolicy", json!({"RoleName": "role", "PolicyArn": arn}));
    account.ask("AttachUserPolicy", json!({"UserName": "user", "PolicyArn": arn}));
    let found = account.ask("ListEntitiesForPolicy", json!({"PolicyArn": arn}));
    assert_eq!(column(&found, "PolicyRoles", "RoleName"), ["role"]);
    assert_eq!(column(&found, "PolicyUsers", "UserName"), ["user"]);
    let attached = account.ask("ListPolicies", json!({"OnlyAttached": true}));
    assert_eq!(column(&attached, "Policies", "PolicyName"), ["shared"]);
    assert_eq!(attached["Policies"][0]["AttachmentCount"], 2);
    let bounding = account.ask("ListPolicies", json!({"PolicyUsageFilter": "PermissionsBoundary"}));
    assert_eq!(column(&bounding, "Policies", "PolicyName"), ["bound"]);
    account.refused("DeleteUser", json!({"UserName": "user"}), "DeleteConflict");
    for held in [&arn, &bound] {
        account.refused("DeletePolicy", json!({"PolicyArn": held}), "DeleteConflict");
    }
    account.ask("DeleteRolePermissionsBoundary", json!({"RoleName": "role"}));
    account.ask("DeletePolicy", json!({"PolicyArn": bound}));
    account.ask("DetachUserPolicy", json!({"UserName": "user", "PolicyArn": arn}));
    account.ask("DeleteUser", json!({"UserName": "user"}));
}

#[test]
fn roles_and_users_change_in_place() {
    let mut account = Account::new();
    account.ask("CreateRole", json!({"RoleName": "role", "AssumeRolePolicyDocument": TRUST, "Description": "old"}));
    account.ask("UpdateRole", json!({"RoleName": "role", "MaxSessionDuration": 3700}));
    account.ask("UpdateRoleDescription", json!({"RoleName": "role", "Description": "new"}));
    let role = account.ask("GetRole", json!({"RoleName": "role"}))["Role"].clone();
    assert_eq!((&role["Description"], &role["MaxSessionDuration"]), (&json!("new"), &json!(3700)));

    account.ask("CreateUser", json!({"UserName": "old"}));
    account.ask("UpdateUser", json!({"UserName": "old", "NewUserName": "new", "NewPath": "/a/"}));
    account.refused("GetUser", json!({"UserName": "old"}), "NoSuchEntity");
    let user = account.ask("GetUser", json!({"UserName": "new"}))["User"].clone();
    assert_eq!(user["Arn"], "arn:aws:iam::123456789012:user/a/new");
    account.ask("PutUserPolicy", json!({"UserName": "new", "PolicyName": "own", "PolicyDocument": POLICY}));
    account.refused("DeleteUser", json!({"UserName": "new"}), "DeleteConflict");
    account.ask("DeleteUserPolicy", json!({"UserName": "new", "PolicyName": "own"}));
    account.ask("DeleteUser", json!({"UserName": "new"}));
}

#[test]
fn certificates_are_kept_as_text() {
    let mut account = Account::new();
    let pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----";
    let asked = |body: &str| json!({"ServerCertificateName": "one", "CertificateBody": body, "PrivateKey": "key"});
    account.refused("UploadServerCertificate", asked("text"), "MalformedCertificate");
    account.ask("UploadServerCertificate", asked(pem));
    account.refused("UploadServerCertificate", asked(pem), "EntityAlreadyExists");
    let moved = json!({"ServerCertificateName": "one", "NewServerCertificateName": "two", "NewPath": "/a/"});
    account.ask("UpdateServerCertificate", moved);
    let found = account.ask("GetServerCertificate", json!({"ServerCertificateName": "two"}));
    let metadata = &found["ServerCertificate"]["ServerCertificateMetadata"];
    assert_eq!(metadata["Arn"], "arn:aws:iam::123456789012:server-certificate/a/two");
    assert_eq!(found["ServerCertificate"]["CertificateBody"], pem);
    account.ask("DeleteServerCertificate", json!({"ServerCertificateName": "two"}));
}
