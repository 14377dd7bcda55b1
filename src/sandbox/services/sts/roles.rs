//! Credentials of roles, federated users and sessions.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::identify::USER_ID;
use super::saml::Assertion;
use crate::engine::Refusal;
use crate::sandbox::models::sts as model;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;
use crate::sandbox::services::iam::{DUPLICATE_KEYS, has_twins};

/// Of AWS: seconds of a session that nobody chose, of a session of a session, and of a user.
const ROLE_SECS: i64 = 3600;
const CHAINED_SECS: i64 = 3600;
const USER_SECS: i64 = 43_200;
/// Of AWS: characters of a session policy, against which its packed size is told.
const MAX_POLICY: usize = 2048;

pub(super) fn register(operations: &mut Operations) {
    operations.on(
        "AssumeRole",
        "Gives credentials of a role; whether the caller may is not evaluated, and policies have no effect.",
        &[
            "RoleArn",
            "RoleSessionName",
            "PolicyArns",
            "Policy",
            "DurationSeconds",
            "Tags",
            "TransitiveTagKeys",
            "ExternalId",
            "SourceIdentity",
        ],
        assume_role,
    );
    operations.on(
        "AssumeRoleWithWebIdentity",
        "Gives credentials of a role for a JSON web token, whose signature is not checked.",
        &["RoleArn", "RoleSessionName", "WebIdentityToken", "PolicyArns", "Policy", "DurationSeconds"],
        assume_role_with_web_identity,
    );
    operations.on(
        "AssumeRoleWithSAML",
        "Gives credentials of a role for a SAML assertion, whose signature is not checked.",
        &["RoleArn", "PrincipalArn", "SAMLAssertion", "PolicyArns", "Policy", "DurationSeconds"],
        assume_role_with_saml,
    );
    operations.on(
        "GetFederationToken",
        "Gives credentials of a federated user; policies have no effect.",
        &["Name", "Policy", "PolicyArns", "DurationSeconds", "Tags"],
        get_federation_token,
    );
    operations.on(
        "GetSessionToken",
        "Gives credentials of a session of the caller's own.",
        &["DurationSeconds"],
        get_session_token,
    );
}

/// A role as its ARN names it.
struct Role {
    account: String,
    name: String,
}

/// # Errors
/// `ValidationError` for a text that is no role's ARN.
fn role_of(arn: &str) -> Result<Role, Refusal> {
    let parts: Vec<&str> = arn.split(':').collect();
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_string();
    match parts.as_slice() {
        ["arn", partition, "iam", "", account, resource]
            if partition.starts_with("aws")
                && account.len() == 12
                && account.bytes().all(|b| b.is_ascii_digit())
                && resource.strip_prefix("role/").is_some_and(|path| !name(path).is_empty()) =>
        {
            Ok(Role { account: (*account).to_string(), name: name(resource) })
        }
        _ => Err(Refusal::validation(format!("{arn} is invalid"))),
    }
}

/// # Errors
/// `MalformedPolicyDocument`.
fn packed_size(policy: Option<&String>) -> Result<Option<i64>, Refusal> {
    let Some(policy) = policy else { return Ok(None) };
    let parsed: Option<Value> = serde_json::from_str(policy).ok();
    if parsed.is_none_or(|policy| policy.get("Statement").is_none()) {
        let text = "Syntax errors in policy.";
        return Err(Refusal::new("MalformedPolicyDocument", 400, text));
    }
    Ok(Some((policy.len() * 100).div_ceil(MAX_POLICY).min(100) as i64))
}

/// The keys of the tags that a session is to hand down, with those that its caller's own hands down.
///
/// # Errors
/// `InvalidParameterValue` for keys that differ in case at most, that the caller's session hands down already, or that are
/// not among the tags.
fn transitive_tags(call: &Call, tags: &[model::Tag], transitive: Option<Vec<String>>) -> Result<Vec<String>, Refusal> {
    let refused = |text: &str| Err(Refusal::new("InvalidParameterValue", 400, text));
    let keys: Vec<&str> = tags.iter().map(|tag| tag.key.as_deref().unwrap_or_default()).collect();
    if has_twins(&keys) {
        return refused(DUPLICATE_KEYS);
    }
    let same = |one: &str, other: &str| one.to_lowercase() == other.to_lowercase();
    let inherited = &call.caller.transitive_tags;
    if keys.iter().any(|key| inherited.iter().any(|other| same(key, other))) {
        let text = "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key \
                    from the calling session.";
        return refused(text);
    }
    let transitive = transitive.unwrap_or_default();
    if !transitive.iter().all(|key| keys.iter().any(|other| same(key, other))) {
        return refused("The specified transitive tag key must be included in the requested tags.");
    }
    Ok(inherited.iter().cloned().chain(transitive).collect())
}

/// # Errors
/// `ValidationError` for characters that no session name has.
fn check_name(parameter: &str, name: &str) -> Result<(), Refusal> {
    if name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)) {
        return Ok(());
    }
    Err(Refusal::validation(format!(
        "1 validation error detected: Value '{name}' at '{parameter}' failed to satisfy constraint: Member must satisfy \
         regular expression pattern: [\\w+=,.@-]*"
    )))
}

/// Credentials of `role` for `session`.
///
/// # Errors
/// `ValidationError` for a session longer than the role or AWS allows.
fn assume(
    region: &mut Region,
    call: &Call,
    role: &Role,
    session: &str,
    duration: Option<i64>,
) -> Result<(model::Credentials, model::AssumedRoleUser), Refusal> {
    check_name("roleSessionName", session)?;
    let known = region.iam.role_in(&role.account, &role.name);
    let (role_id, longest) =
        known.unwrap_or_else(|| (super::super::iam::id_of("AROA", &role.account, &role.name), USER_SECS));
    let secs = duration.unwrap_or(ROLE_SECS);
    if call.caller.is_session() && secs > CHAINED_SECS {
        let text = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining";
        return Err(Refusal::validation(text));
    }
    if secs > longest {
        let text = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.";
        return Err(Refusal::validation(text));
    }
    let resource = format!("assumed-role/{}/{session}", role.name);
    let arn = format!("arn:{}:sts::{}:{resource}", region.sts.partition, role.account);
    let id = format!("{role_id}:{session}");
    let credentials = region.sts.issue(call.now, &role.account, Some(resource), id.clone(), secs);
    Ok((credentials, model::AssumedRoleUser { assumed_role_id: Some(id), arn: Some(arn) }))
}

fn assume_role(
    region: &mut Region,
    call: &Call,
    input: model::AssumeRoleInput,
) -> Result<model::AssumeRoleOutput, Refusal> {
    let role = role_of(&input.role_arn.unwrap_or_default())?;
    let packed_policy_size = packed_size(input.policy.as_ref())?;
    let session = input.role_session_name.unwrap_or_default();
    let transitive = transitive_tags(call, &input.tags.unwrap_or_default(), input.transitive_tag_keys)?;
    let (credentials, user) = assume(region, call, &role, &session, input.duration_seconds)?;
    region.sts.hand_down(credentials.access_key_id.as_ref(), transitive);
    Ok(model::AssumeRoleOutput {
        credentials: Some(credentials),
        assumed_role_user: Some(user),
        packed_policy_size,
        source_identity: input.source_identity,
        ..Default::default()
    })
}

/// The claims of a JSON web token.
///
/// # Errors
/// `InvalidIdentityToken` for anything else.
fn claims(token: &str) -> Result<Value, Refusal> {
    let invalid = || {
        let text = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)";
        Refusal::new("InvalidIdentityToken", 400, text)
    };
    let mut parts = token.split('.');
    let (Some(_), Some(body), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(invalid());
    };
    let bytes = URL_SAFE_NO_PAD.decode(body.trim_end_matches('=')).map_err(|_| invalid())?;
    serde_json::from_slice(&bytes).ok().filter(Value::is_object).ok_or_else(invalid)
}

fn assume_role_with_web_identity(
    region: &mut Region,
    call: &Call,
    input: model::AssumeRoleWithWebIdentityInput,
) -> Result<model::AssumeRoleWithWebIdentityOutput, Refusal> {
    let role = role_of(&input.role_arn.unwrap_or_default())?;
    let packed_policy_size = packed_size(input.policy.as_ref())?;
    let claims = claims(&input.web_identity_token.unwrap_or_default())?;
    let claim = |name: &str| claims[name].as_str().map(str::to_string);
    if claims["exp"].as_i64().is_some_and(|expires| expires <= call.now.as_secs()) {
        return Err(Refusal::new("ExpiredTokenException", 400, "Token expired: the exp claim lies in the past"));
    }
    let session = input.role_session_name.unwrap_or_default();
    let (credentials, user) = assume(region, call, &role, &session, input.duration_seconds)?;
    Ok(model::AssumeRoleWithWebIdentityOutput {
        credentials: Some(credentials),
        assumed_role_user: Some(user),
        packed_policy_size,
        subject_from_web_identity_token: claim("sub"),
        provider: claim("iss"),
        audience: claim("aud"),
        ..Default::default()
    })
}

fn assume_role_with_saml(
    region: &mut Region,
    call: &Call,
    input: model::AssumeRoleWithSAMLInput,
) -> Result<model::AssumeRoleWithSAMLOutput, Refusal> {
    let role = role_of(&input.role_arn.unwrap_or_default())?;
    let packed_policy_size = packed_size(input.policy.as_ref())?;
    let assertion = Assertion::read(&input.saml_assertion.unwrap_or_default())?;
    // The shorter of what the caller and the provider allow (API Reference, AssumeRoleWithSAML).
    let duration = match (input.duration_seconds, assertion.duration_secs) {
        (Some(asked), Some(allowed)) => Some(asked.min(allowed)),
        (asked, allowed) => asked.or(allowed),
    };
    let (credentials, user) = assume(region, call, &role, &assertion.session, duration)?;
    Ok(model::AssumeRoleWithSAMLOutput {
        credentials: Some(credentials),
        assumed_role_user: Some(user),
        packed_policy_size,
        subject: assertion.subject,
        subject_type: assertion.subject_type,
        issuer: assertion.issuer,
        audience: assertion.audience,
        ..Default::default()
    })
}

fn users_only(call: &Call, operation: &str) -> Result<(), Refusal> {
    if !call.caller.is_session() {
        return Ok(());
    }
    Err(Refusal::new("AccessDenied", 403, format!("Cannot call {operation} with session credentials")))
}

fn get_federation_token(
    region: &mut Region,
    call: &Call,
    input: model::GetFederationTokenInput,
) -> Result<model::GetFederationTokenOutput, Refusal> {
    users_only(call, "GetFederationToken")?;
    let packed_policy_size = packed_size(input.policy.as_ref())?;
    let name = input.name.unwrap_or_default();
    check_name("name", &name)?;
    let account = region.world.place.account.clone();
    let (id, resource) = (format!("{account}:{name}"), format!("federated-user/{name}"));
    let arn = format!("arn:{}:sts::{account}:{resource}", region.sts.partition);
    let secs = input.duration_seconds.unwrap_or(USER_SECS);
    let credentials = region.sts.issue(call.now, &account, Some(resource), id.clone(), secs);
    Ok(model::GetFederationTokenOutput {
        credentials: Some(credentials),
        federated_user: Some(model::FederatedUser { federated_user_id: Some(id), arn: Some(arn) }),
        // Told even without a policy (recorded).
        packed_policy_size: packed_policy_size.or(Some(0)),
        ..Default::default()
    })
}

fn get_session_token(
    region: &mut Region,
    call: &Call,
    input: model::GetSessionTokenInput,
) -> Result<model::GetSessionTokenOutput, Refusal> {
    users_only(call, "GetSessionToken")?;
    let account = region.world.place.account.clone();
    let secs = input.duration_seconds.unwrap_or(USER_SECS);
    let credentials = region.sts.issue(call.now, &account, None, USER_ID.into(), secs);
    Ok(model::GetSessionTokenOutput { credentials: Some(credentials), ..Default::default() })
}
