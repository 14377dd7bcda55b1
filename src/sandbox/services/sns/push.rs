//! Mobile push: platform applications and the endpoints of devices.
//!
//! No push service is reached. Credentials are taken as they are and not kept, and what an endpoint is sent stands in the
//! mailbox. Left out: event topics and delivery logs, which are refused by name. Start at [`Push`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{page, required};
use crate::engine::Refusal;
use crate::engine::ids::Ids;
use crate::engine::topics::message::invalid;
use crate::sandbox::models::sns as model;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// Source: SNS API Reference, CreatePlatformApplication, and developer guide, "Mobile push notifications".
const PLATFORMS: [&str; 10] =
    ["ADM", "APNS", "APNS_SANDBOX", "APNS_VOIP", "APNS_VOIP_SANDBOX", "BAIDU", "GCM", "MACOS", "MPNS", "WNS"];
/// Of AWS, in bytes.
const MAX_USER_DATA: usize = 2048;

type Attributes = BTreeMap<String, String>;

/// The applications of one account in one region, by ARN.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Push {
    applications: BTreeMap<String, Application>,
    ids: Ids,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Application {
    attributes: Attributes,
    /// By ARN.
    endpoints: BTreeMap<String, Attributes>,
}

impl Push {
    pub fn new(seed: u64) -> Self {
        Self { applications: BTreeMap::new(), ids: Ids::new(seed, "push") }
    }

    pub fn application_count(&self) -> usize {
        self.applications.len()
    }

    /// # Errors
    /// `NotFound` if there is no such endpoint, `EndpointDisabled`.
    pub fn check_endpoint(&self, arn: &str) -> Result<(), Refusal> {
        match self.endpoint(arn)?.get("Enabled").map(String::as_str) {
            Some("false") => Err(Refusal::new("EndpointDisabled", 400, "Endpoint is disabled")),
            _ => Ok(()),
        }
    }

    pub fn has_endpoint(&self, arn: &str) -> bool {
        self.endpoint(arn).is_ok()
    }

    fn endpoint(&self, arn: &str) -> Result<&Attributes, Refusal> {
        let found = self.applications.values().find_map(|application| application.endpoints.get(arn));
        found.ok_or_else(|| not_found("Endpoint"))
    }

    fn application(&mut self, arn: &str) -> Result<&mut Application, Refusal> {
        self.applications.get_mut(arn).ok_or_else(|| not_found("PlatformApplication"))
    }
}

fn not_found(what: &str) -> Refusal {
    Refusal::new("NotFound", 404, format!("{what} does not exist"))
}

pub(super) fn register(operations: &mut Operations) {
    operations.on(
        "CreatePlatformApplication",
        "Creates an application of a push service, whose credentials are neither checked nor kept",
        &["Name", "Platform", "Attributes"],
        create_platform_application,
    );
    operations.on(
        "GetPlatformApplicationAttributes",
        "Returns an application's attributes, without credentials",
        &["PlatformApplicationArn"],
        get_platform_application_attributes,
    );
    operations.on(
        "SetPlatformApplicationAttributes",
        "Sets an application's attributes",
        &["PlatformApplicationArn", "Attributes"],
        set_platform_application_attributes,
    );
    operations.on(
        "ListPlatformApplications",
        "Lists applications, a hundred at a time",
        &["NextToken"],
        list_platform_applications,
    );
    operations.on(
        "DeletePlatformApplication",
        "Deletes an application and its endpoints",
        &["PlatformApplicationArn"],
        delete_platform_application,
    );
    operations.on(
        "CreatePlatformEndpoint",
        "Creates the endpoint of a device, or returns the one that exists with the same token and attributes",
        &["PlatformApplicationArn", "Token", "CustomUserData", "Attributes"],
        create_platform_endpoint,
    );
    operations.on(
        "GetEndpointAttributes",
        "Returns an endpoint's attributes",
        &["EndpointArn"],
        get_endpoint_attributes,
    );
    operations.on(
        "SetEndpointAttributes",
        "Sets an endpoint's token and user data, enables or disables it",
        &["EndpointArn", "Attributes"],
        set_endpoint_attributes,
    );
    operations.on(
        "ListEndpointsByPlatformApplication",
        "Lists an application's endpoints, a hundred at a time",
        &["PlatformApplicationArn", "NextToken"],
        list_endpoints_by_platform_application,
    );
    operations.on("DeleteEndpoint", "Deletes an endpoint", &["EndpointArn"], delete_endpoint);
}

/// What is kept of an application's attributes.
///
/// # Errors
/// `InvalidParameter` for unknown attributes and for those that would have no effect.
fn application_attributes(asked: Option<indexmap::IndexMap<String, String>>) -> Result<Attributes, Refusal> {
    let mut kept = Attributes::new();
    for (name, value) in asked.unwrap_or_default() {
        match name.as_str() {
            "PlatformCredential" | "PlatformPrincipal" => {}
            "Enabled" | "ApplePlatformTeamID" | "ApplePlatformBundleID" => {
                kept.insert(name, value);
            }
            _ if value.is_empty() => {}
            // About logs of deliveries, which only CloudWatch Logs would show.
            "SuccessFeedbackRoleArn" | "FailureFeedbackRoleArn" | "SuccessFeedbackSampleRate" => {
                kept.insert(name, value);
            }
            _ if name.starts_with("Event") => {
                return Err(invalid(format!("Attributes Reason: {name} has no effect on this endpoint")));
            }
            _ => return Err(invalid(format!("Attributes Reason: Invalid attribute name: {name}"))),
        }
    }
    Ok(kept)
}

fn create_platform_application(
    region: &mut Region,
    _: &Call,
    input: model::CreatePlatformApplicationInput,
) -> Result<model::CreatePlatformApplicationOutput, Refusal> {
    let (name, platform) = (required(input.name, "Name")?, required(input.platform, "Platform")?);
    if !PLATFORMS.contains(&platform.as_str()) {
        return Err(invalid(format!("Platform Reason: {platform} is not supported")));
    }
    let valid = name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    if !valid || !(1..=256).contains(&name.len()) {
        return Err(invalid(format!(
            "{name} Reason: must contain only characters 'a'-'z', 'A'-'Z', '0'-'9', '_', '-', and '.' and be between 1 \
             and 256 characters long"
        )));
    }
    let attributes = application_attributes(input.attributes)?;
    let arn = region.world.place.arn("sns", &format!("app/{platform}/{name}"));
    let application = Application { attributes, endpoints: BTreeMap::new() };
    let present = region.sns.push.applications.entry(arn.clone()).or_insert_with(|| application.clone());
    if present.attributes != application.attributes {
        return Err(invalid("Attributes Reason: Platform application already exists with different attributes"));
    }
    Ok(model::CreatePlatformApplicationOutput { platform_application_arn: Some(arn) })
}

fn get_platform_application_attributes(
    region: &mut Region,
    _: &Call,
    input: model::GetPlatformApplicationAttributesInput,
) -> Result<model::GetPlatformApplicationAttributesOutput, Refusal> {
    let application =
        region.sns.push.application(&required(input.platform_application_arn, "PlatformApplicationArn")?)?;
    let attributes = application.attributes.clone().into_iter().collect();
    Ok(model::GetPlatformApplicationAttributesOutput { attributes: Some(attributes) })
}

fn set_platform_application_attributes(
    region: &mut Region,
    _: &Call,
    input: model::SetPlatformApplicationAttributesInput,
) -> Result<model::SetPlatformApplicationAttributesOutput, Refusal> {
    let application =
        region.sns.push.application(&required(input.platform_application_arn, "PlatformApplicationArn")?)?;
    application.attributes.extend(application_attributes(input.attributes)?);
    Ok(model::SetPlatformApplicationAttributesOutput {})
}

fn list_platform_applications(
    region: &mut Region,
    _: &Call,
    input: model::ListPlatformApplicationsInput,
) -> Result<model::ListPlatformApplicationsOutput, Refusal> {
    let shown = |(arn, application): (&String, &Application)| {
        let attributes = Some(application.attributes.clone().into_iter().collect());
        (arn.clone(), model::PlatformApplication { platform_application_arn: Some(arn.clone()), attributes })
    };
    let (found, next_token) = page(region.sns.push.applications.iter().map(shown), input.next_token.as_deref())?;
    let applications = found.into_iter().map(|(_, application)| application).collect();
    Ok(model::ListPlatformApplicationsOutput { platform_applications: Some(applications), next_token })
}

fn delete_platform_application(
    region: &mut Region,
    _: &Call,
    input: model::DeletePlatformApplicationInput,
) -> Result<model::DeletePlatformApplicationOutput, Refusal> {
    let arn = required(input.platform_application_arn, "PlatformApplicationArn")?;
    region.sns.push.applications.remove(&arn);
    Ok(model::DeletePlatformApplicationOutput {})
}

/// What an endpoint is to have, on top of `base`.
fn endpoint_attributes(
    mut base: Attributes,
    asked: Option<indexmap::IndexMap<String, String>>,
) -> Result<Attributes, Refusal> {
    for (name, value) in asked.unwrap_or_default() {
        match name.as_str() {
            "Enabled" | "Token" | "CustomUserData" => base.insert(name, value),
            _ => return Err(invalid(format!("Attributes Reason: Invalid attribute name: {name}"))),
        };
    }
    if base.get("CustomUserData").is_some_and(|data| data.len() > MAX_USER_DATA) {
        return Err(invalid(format!(
            "Attributes Reason: Invalid value for attribute: CustomUserData: must be at most {MAX_USER_DATA} bytes long \
             in UTF-8 encoding"
        )));
    }
    Ok(base)
}

fn create_platform_endpoint(
    region: &mut Region,
    _: &Call,
    input: model::CreatePlatformEndpointInput,
) -> Result<model::CreatePlatformEndpointOutput, Refusal> {
    let application_arn = required(input.platform_application_arn, "PlatformApplicationArn")?;
    let token = required(input.token, "Token")?;
    let id = region.sns.push.ids.uuid();
    let application = region.sns.push.application(&application_arn)?;
    let mut base =
        Attributes::from([("Enabled".to_string(), "true".to_string()), ("Token".to_string(), token.clone())]);
    base.extend(input.custom_user_data.map(|data| ("CustomUserData".to_string(), data)));
    let wanted = endpoint_attributes(base, input.attributes)?;
    let present = application.endpoints.iter().find(|(_, attributes)| attributes.get("Token") == Some(&token));
    if let Some((arn, attributes)) = present {
        if *attributes != wanted {
            return Err(invalid(format!(
                "Token Reason: Endpoint {arn} already exists with the same Token, but different attributes."
            )));
        }
        return Ok(model::CreatePlatformEndpointOutput { endpoint_arn: Some(arn.clone()) });
    }
    let arn = format!("{}/{id}", application_arn.replacen(":app/", ":endpoint/", 1));
    application.endpoints.insert(arn.clone(), wanted);
    Ok(model::CreatePlatformEndpointOutput { endpoint_arn: Some(arn) })
}

fn get_endpoint_attributes(
    region: &mut Region,
    _: &Call,
    input: model::GetEndpointAttributesInput,
) -> Result<model::GetEndpointAttributesOutput, Refusal> {
    let attributes = region.sns.push.endpoint(&required(input.endpoint_arn, "EndpointArn")?)?.clone();
    Ok(model::GetEndpointAttributesOutput { attributes: Some(attributes.into_iter().collect()) })
}

fn set_endpoint_attributes(
    region: &mut Region,
    _: &Call,
    input: model::SetEndpointAttributesInput,
) -> Result<model::SetEndpointAttributesOutput, Refusal> {
    let arn = required(input.endpoint_arn, "EndpointArn")?;
    let changed = endpoint_attributes(region.sns.push.endpoint(&arn)?.clone(), input.attributes)?;
    for application in region.sns.push.applications.values_mut() {
        if let Some(attributes) = application.endpoints.get_mut(&arn) {
            attributes.clone_from(&changed);
        }
    }
    Ok(model::SetEndpointAttributesOutput {})
}

fn list_endpoints_by_platform_application(
    region: &mut Region,
    _: &Call,
    input: model::ListEndpointsByPlatformApplicationInput,
) -> Result<model::ListEndpointsByPlatformApplicationOutput, Refusal> {
    let application =
        region.sns.push.application(&required(input.platform_application_arn, "PlatformApplicationArn")?)?;
    let shown = |(arn, attributes): (&String, &Attributes)| {
        let attributes = Some(attributes.clone().into_iter().collect());
        (arn.clone(), model::Endpoint { endpoint_arn: Some(arn.clone()), attributes })
    };
    let (found, next_token) = page(application.endpoints.iter().map(shown), input.next_token.as_deref())?;
    let endpoints = found.into_iter().map(|(_, endpoint)| endpoint).collect();
    Ok(model::ListEndpointsByPlatformApplicationOutput { endpoints: Some(endpoints), next_token })
}

fn delete_endpoint(
    region: &mut Region,
    _: &Call,
    input: model::DeleteEndpointInput,
) -> Result<model::DeleteEndpointOutput, Refusal> {
    let arn = required(input.endpoint_arn, "EndpointArn")?;
    region.sns.push.applications.values_mut().for_each(|application| {
        application.endpoints.remove(&arn);
    });
    Ok(model::DeleteEndpointOutput {})
}
