//! Launch templates in EC2's words; the engine keeps them ([`crate::engine::groups::LaunchTemplates`]).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::error::{combination, missing_parameter, refuse, required};
use super::instance::instance;
use super::launch_data::{kept, shown};
use super::register::{ask, operation};
use super::select::{Ask, Kind, one};
use super::tag::{new_tags, tag_set};
use crate::engine::Refusal;
use crate::engine::groups::{LaunchTemplate, LaunchTemplateVersion, TemplateRef, version_or_refuse};
use crate::sandbox::models::ec2 as model;
use crate::sandbox::models::ec2::{
    CreateLaunchTemplateInput, CreateLaunchTemplateOutput, CreateLaunchTemplateVersionInput,
    CreateLaunchTemplateVersionOutput, DeleteLaunchTemplateInput, DeleteLaunchTemplateOutput,
    DeleteLaunchTemplateVersionsInput, DeleteLaunchTemplateVersionsOutput,
    DeleteLaunchTemplateVersionsResponseErrorItem, DeleteLaunchTemplateVersionsResponseSuccessItem,
    DescribeLaunchTemplateVersionsInput, DescribeLaunchTemplateVersionsOutput, DescribeLaunchTemplatesInput,
    DescribeLaunchTemplatesOutput, GetLaunchTemplateDataInput, GetLaunchTemplateDataOutput, ModifyLaunchTemplateInput,
    ModifyLaunchTemplateOutput, RequestLaunchTemplateData, ResponseError,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// "User data is limited to 16 KB, in raw form, before it is base64-encoded."
const MOST_USER_DATA: usize = 16 * 1024;

fn creator(region: &Region) -> String {
    let place = &region.world.place;
    format!("arn:{}:iam::{}:root", place.partition, place.account)
}

fn show(region: &Region, template: &LaunchTemplate) -> model::LaunchTemplate {
    model::LaunchTemplate {
        launch_template_id: Some(template.id.clone()),
        launch_template_name: Some(template.name.clone()),
        create_time: Some(template.created_at),
        created_by: Some(creator(region)),
        default_version_number: i64::try_from(template.default_version).ok(),
        latest_version_number: i64::try_from(template.latest_version()).ok(),
        tags: Some(tag_set(&template.tags)),
        ..Default::default()
    }
}

fn show_version(
    region: &Region,
    template: &LaunchTemplate,
    version: &LaunchTemplateVersion,
) -> model::LaunchTemplateVersion {
    model::LaunchTemplateVersion {
        launch_template_id: Some(template.id.clone()),
        launch_template_name: Some(template.name.clone()),
        version_number: i64::try_from(version.number).ok(),
        version_description: version.description.clone(),
        create_time: Some(version.created_at),
        created_by: Some(creator(region)),
        default_version: Some(version.number == template.default_version),
        launch_template_data: Some(shown(&version.data)),
        ..Default::default()
    }
}

/// The template that a call names, by id or by name but not by both.
fn named<'a>(id: &'a Option<String>, name: &'a Option<String>) -> Result<TemplateRef<'a>, Refusal> {
    match (id, name) {
        (Some(id), None) if id.starts_with("lt-") => Ok(TemplateRef::Id(id)),
        (Some(id), None) => {
            let message = format!("Invalid id: \"{id}\" (expecting \"lt-...\")");
            Err(refuse("InvalidLaunchTemplateId.Malformed", message))
        }
        (None, Some(name)) => Ok(TemplateRef::Name(name)),
        (None, None) => Err(missing_parameter("launch template ID or launch template name")),
        (Some(_), Some(_)) => {
            Err(combination("The parameters LaunchTemplateId and LaunchTemplateName cannot be used together"))
        }
    }
}

fn check_data(data: Option<RequestLaunchTemplateData>) -> Result<serde_json::Value, Refusal> {
    let data = required(data, "LaunchTemplateData")?;
    if let Some(user_data) = data.user_data.as_deref().filter(|text| !text.is_empty()) {
        match BASE64_STANDARD.decode(user_data) {
            Err(_) => return Err(refuse("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.")),
            Ok(raw) if raw.len() > MOST_USER_DATA => {
                return Err(refuse("InvalidParameterValue", "User data is limited to 16384 bytes"));
            }
            Ok(_) => {}
        }
    }
    if data.security_groups.is_some() && data.security_group_ids.is_some() {
        let message = "The parameters SecurityGroups and SecurityGroupIds cannot be used together";
        return Err(combination(message));
    }
    Ok(kept(data))
}

fn create(
    region: &mut Region,
    call: &Call,
    input: CreateLaunchTemplateInput,
) -> Result<CreateLaunchTemplateOutput, Refusal> {
    let repeated = region.ec2.made_before(&input.client_token);
    let id = match repeated {
        Some(id) => id,
        None => {
            let name = required(input.launch_template_name, "LaunchTemplateName")?;
            let tags = new_tags(input.tag_specifications, "launch-template")?;
            let data = check_data(input.launch_template_data)?;
            let groups = &mut region.world.groups;
            let id = groups.create_launch_template(call.now, &name, input.version_description, data, tags)?.id.clone();
            region.ec2.remember_token(input.client_token, &id);
            id
        }
    };
    let template = region.world.groups.launch_templates.get(TemplateRef::Id(&id))?;
    Ok(CreateLaunchTemplateOutput { launch_template: Some(show(region, template)), ..Default::default() })
}

fn create_version(
    region: &mut Region,
    call: &Call,
    input: CreateLaunchTemplateVersionInput,
) -> Result<CreateLaunchTemplateVersionOutput, Refusal> {
    let wanted = named(&input.launch_template_id, &input.launch_template_name)?;
    let made_before = region.ec2.made_before(&input.client_token);
    let number = match made_before.as_deref().and_then(|made| made.split_once(' ')) {
        Some((_, number)) => number.to_string(),
        None => {
            let data = check_data(input.launch_template_data)?;
            let templates = &mut region.world.groups.launch_templates;
            let (source, description) = (input.source_version.as_deref(), input.version_description);
            let (template, version) = templates.create_version(call.now, wanted, source, description, data)?;
            let (id, number) = (template.id.clone(), version.number);
            region.ec2.remember_token(input.client_token, &format!("{id} {number}"));
            number.to_string()
        }
    };
    let template = region.world.groups.launch_templates.get(wanted)?;
    let version = version_or_refuse(template, &number)?;
    let launch_template_version = Some(show_version(region, template, version));
    Ok(CreateLaunchTemplateVersionOutput { launch_template_version, ..Default::default() })
}

fn modify(
    region: &mut Region,
    _: &Call,
    input: ModifyLaunchTemplateInput,
) -> Result<ModifyLaunchTemplateOutput, Refusal> {
    if input.launch_template_id.is_some() && input.launch_template_name.is_some() {
        let message = "Either provide launch template ID or launch template name to modify the template.";
        return Err(combination(message));
    }
    let wanted = named(&input.launch_template_id, &input.launch_template_name)?;
    let version = required(input.default_version, "SetDefaultVersion")?;
    if region.world.groups.launch_templates.get(wanted)?.version(&version).is_none() {
        let message = format!("The launch template version {version} is not found for the specified launch template.");
        return Err(refuse("InvalidLaunchTemplateId.VersionNotFound", message));
    }
    region.world.groups.launch_templates.set_default_version(wanted, &version)?;
    let template = region.world.groups.launch_templates.get(wanted)?;
    Ok(ModifyLaunchTemplateOutput { launch_template: Some(show(region, template)) })
}

fn delete(
    region: &mut Region,
    _: &Call,
    input: DeleteLaunchTemplateInput,
) -> Result<DeleteLaunchTemplateOutput, Refusal> {
    let wanted = named(&input.launch_template_id, &input.launch_template_name)?;
    let template = region.world.groups.launch_templates.delete(wanted)?;
    region.ec2.forget_token_of(&template.id);
    Ok(DeleteLaunchTemplateOutput { launch_template: Some(show(region, &template)) })
}

fn delete_versions(
    region: &mut Region,
    _: &Call,
    input: DeleteLaunchTemplateVersionsInput,
) -> Result<DeleteLaunchTemplateVersionsOutput, Refusal> {
    let wanted = named(&input.launch_template_id, &input.launch_template_name)?;
    let templates = &mut region.world.groups.launch_templates;
    let (id, name) = templates.get(wanted).map(|template| (template.id.clone(), template.name.clone()))?;
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for text in required(input.versions, "LaunchTemplateVersion")? {
        let (launch_template_id, launch_template_name) = (Some(id.clone()), Some(name.clone()));
        let number: u64 = text.parse().map_err(|_| {
            let message = format!("Launch template version {text} must be a number");
            refuse("InvalidParameterValue", message)
        })?;
        let version_number = i64::try_from(number).ok();
        match templates.delete_version(wanted, number) {
            Ok(_) => done.push(DeleteLaunchTemplateVersionsResponseSuccessItem {
                launch_template_id,
                launch_template_name,
                version_number,
            }),
            Err(refusal) => {
                let gone = refusal.code.ends_with("VersionNotFound");
                let code = if gone { "launchTemplateVersionDoesNotExist" } else { "unexpectedError" };
                let error = ResponseError { code: Some(code.into()), message: Some(refusal.message) };
                failed.push(DeleteLaunchTemplateVersionsResponseErrorItem {
                    launch_template_id,
                    launch_template_name,
                    version_number,
                    response_error: Some(error),
                });
            }
        }
    }
    Ok(DeleteLaunchTemplateVersionsOutput {
        successfully_deleted_launch_template_versions: Some(done),
        unsuccessfully_deleted_launch_template_versions: Some(failed),
    })
}

const TEMPLATES: Kind<model::LaunchTemplate> = Kind {
    id: |template| &template.launch_template_id,
    id_parameter: "launchTemplateIds",
    // Identifiers and names are looked up before, with the engine's words.
    missing: |ids| refuse("InvalidLaunchTemplateId.NotFound", format!("No launch template {}", ids.join(", "))),
    tags: |template| &template.tags,
    filters: &[
        ("create-time", |template| one(&template.create_time)),
        ("launch-template-name", |template| one(&template.launch_template_name)),
    ],
};

fn describe(
    region: &mut Region,
    _: &Call,
    input: DescribeLaunchTemplatesInput,
) -> Result<DescribeLaunchTemplatesOutput, Refusal> {
    let templates = &region.world.groups.launch_templates;
    let ids = input.launch_template_ids.unwrap_or_default();
    let names = input.launch_template_names.unwrap_or_default();
    let by_id = ids.iter().map(|id| templates.get(TemplateRef::Id(id)));
    let by_name = names.iter().map(|name| {
        templates.get(TemplateRef::Name(name)).map_err(|refusal| {
            // Of several names this call does not say which.
            refuse(&refusal.code, "At least one of the launch templates specified in the request does not exist.")
        })
    });
    let wanted = by_id.chain(by_name).map(|found| found.map(|template| template.id.clone()));
    let wanted: Vec<_> = wanted.collect::<Result<_, _>>()?;
    let mut all: Vec<_> = templates.iter().collect();
    all.sort_by_key(|template| wanted.iter().position(|id| *id == template.id));
    let all = all.into_iter().map(|template| show(region, template)).collect();
    let ask =
        Ask { ids: Some(wanted), filters: input.filters, max_results: input.max_results, next_token: input.next_token };
    let (launch_templates, next_token) = TEMPLATES.select(all, ask)?.set();
    Ok(DescribeLaunchTemplatesOutput { launch_templates, next_token })
}

macro_rules! data {
    ($version:ident.$($member:ident).+) => {
        $version.launch_template_data.iter().flat_map(|data| data!(@ data, $($member).+)).collect()
    };
    (@ $data:ident, $member:ident) => { one(&$data.$member) };
    (@ $data:ident, $part:ident.$member:ident) => {
        $data.$part.iter().flat_map(|part| one(&part.$member)).collect::<Vec<String>>()
    };
}

const VERSIONS: Kind<model::LaunchTemplateVersion> = Kind {
    id: |version| &version.launch_template_id,
    id_parameter: "launchTemplateIds",
    missing: |ids| refuse("InvalidLaunchTemplateId.NotFound", format!("No launch template {}", ids.join(", "))),
    tags: |_| &None,
    filters: &[
        ("create-time", |v| one(&v.create_time)),
        ("ebs-optimized", |v| data!(v.ebs_optimized)),
        ("http-endpoint", |v| data!(v.metadata_options.http_endpoint)),
        ("http-protocol-ipv4", |_| Vec::new()),
        ("http-tokens", |v| data!(v.metadata_options.http_tokens)),
        ("iam-instance-profile", |v| data!(v.iam_instance_profile.arn)),
        ("image-id", |v| data!(v.image_id)),
        ("instance-type", |v| data!(v.instance_type)),
        ("is-default-version", |v| one(&v.default_version)),
        ("kernel-id", |v| data!(v.kernel_id)),
        ("ram-disk-id", |v| data!(v.ram_disk_id)),
    ],
};

/// The versions of a template that a caller asks for, the newest first.
fn wanted_versions<'a>(
    template: &'a LaunchTemplate,
    input: &DescribeLaunchTemplateVersionsInput,
) -> Result<Vec<&'a LaunchTemplateVersion>, Refusal> {
    let bound = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<u64>().ok());
    let (least, most) = (bound(&input.min_version), bound(&input.max_version));
    let mut versions = match input.versions.as_deref() {
        None | Some([]) => template.versions.iter().collect(),
        Some(wanted) => {
            wanted.iter().map(|version| version_or_refuse(template, version)).collect::<Result<Vec<_>, _>>()?
        }
    };
    versions.retain(|version| {
        least.is_none_or(|least| version.number >= least) && most.is_none_or(|most| version.number <= most)
    });
    versions.sort_by_key(|version| std::cmp::Reverse(version.number));
    versions.dedup_by_key(|version| version.number);
    Ok(versions)
}

/// AWS's words, as recorded.
const HOW_TO_DESCRIBE_VERSIONS: &str = "To describe the launch template data for all your launch templates, for \
    ‘--versions’ specify ‘$Latest’, ‘$Default’, or both, and omit ‘--launch-template-id’, ‘--launch-template-name’, and \
    version numbers. To describe the launch template data for a specific launch template, specify \
    ‘--launch-template-id’ or ‘--launch-template-name’, and for ‘--versions’ specify one or more of the following values: \
    ‘$Latest’, ‘$Default’, or one or more version numbers.";

fn describe_versions(
    region: &mut Region,
    _: &Call,
    input: DescribeLaunchTemplateVersionsInput,
) -> Result<DescribeLaunchTemplateVersionsOutput, Refusal> {
    let templates = &region.world.groups.launch_templates;
    let picked: Vec<&LaunchTemplate> = match (&input.launch_template_id, &input.launch_template_name) {
        (None, None) => {
            // "To describe one or more versions for all templates: $Latest, $Default or both, and nothing else."
            let everywhere = |version: &String| matches!(version.as_str(), "$Latest" | "$Default");
            if !input.versions.as_ref().is_some_and(|all| !all.is_empty() && all.iter().all(everywhere)) {
                let code = if input.versions.is_some() { "InvalidParameterValue" } else { "MissingParameter" };
                return Err(refuse(code, HOW_TO_DESCRIBE_VERSIONS));
            }
            templates.iter().collect()
        }
        (id, name) => vec![templates.get(named(id, name)?)?],
    };
    let mut all = Vec::new();
    for template in picked {
        for version in wanted_versions(template, &input)? {
            all.push(show_version(region, template, version));
        }
    }
    let (launch_template_versions, next_token) = VERSIONS.select(all, ask!(input))?.set();
    Ok(DescribeLaunchTemplateVersionsOutput { launch_template_versions, next_token })
}

fn data_of_instance(
    region: &mut Region,
    _: &Call,
    input: GetLaunchTemplateDataInput,
) -> Result<GetLaunchTemplateDataOutput, Refusal> {
    let id = required(input.instance_id, "InstanceId")?;
    let instance = instance(region, &id)?;
    let mut data = shown(&instance.launch_data);
    // What the instance is now, also where its launch left that to EC2.
    data.image_id = Some(instance.image_id.clone());
    data.instance_type = Some(instance.instance_type.clone());
    Ok(GetLaunchTemplateDataOutput { launch_template_data: Some(data) })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, create, CreateLaunchTemplateInput "CreateLaunchTemplate":
        "Creates a launch template with its first version.",
        takes LaunchTemplateName LaunchTemplateData VersionDescription TagSpecifications ClientToken
    );
    operation!(operations, create_version, CreateLaunchTemplateVersionInput "CreateLaunchTemplateVersion":
        "Adds a version, on its own or on top of another.",
        takes LaunchTemplateId LaunchTemplateName LaunchTemplateData SourceVersion VersionDescription ClientToken
    );
    operation!(operations, modify, ModifyLaunchTemplateInput "ModifyLaunchTemplate":
        "Sets the default version.",
        takes LaunchTemplateId LaunchTemplateName DefaultVersion ClientToken
    );
    operation!(operations, delete, DeleteLaunchTemplateInput "DeleteLaunchTemplate":
        "Deletes a launch template and its versions.",
        takes LaunchTemplateId LaunchTemplateName
    );
    operation!(operations, delete_versions, DeleteLaunchTemplateVersionsInput "DeleteLaunchTemplateVersions":
        "Deletes versions other than the default.",
        takes LaunchTemplateId LaunchTemplateName Versions
    );
    operation!(operations, describe, DescribeLaunchTemplatesInput "DescribeLaunchTemplates":
        "Lists launch templates.",
        takes LaunchTemplateIds LaunchTemplateNames Filters MaxResults NextToken
    );
    operation!(operations, describe_versions, DescribeLaunchTemplateVersionsInput "DescribeLaunchTemplateVersions":
        "Lists versions with their data, the newest first.",
        takes LaunchTemplateId LaunchTemplateName Versions MinVersion MaxVersion Filters MaxResults NextToken
    );
    operation!(operations, data_of_instance, GetLaunchTemplateDataInput "GetLaunchTemplateData":
        "Shows the data that an instance was launched with.",
        takes InstanceId
    );
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::clock::Timestamp;
    use crate::engine::groups::Timing;
    use crate::sandbox::universe::Universe;

    #[test]
    fn templates_come_in_the_order_they_are_asked_for() {
        let mut universe = Universe::new("123456789012", 1, Timing::Instant);
        let mut call = |operation: &str, input: serde_json::Value| {
            universe.call(Timestamp::from_secs(1_800_000_000), "eu-west-1", "ec2", operation, input).unwrap()
        };
        let names = ["web", "batch", "queue", "cache"];
        let ids = names.map(|name| {
            let data = json!({"LaunchTemplateName": name, "LaunchTemplateData": {"ImageId": "ami-12c6146b"}});
            call("CreateLaunchTemplate", data)["LaunchTemplate"]["LaunchTemplateId"].clone()
        });
        for input in [json!({"LaunchTemplateNames": names}), json!({"LaunchTemplateIds": ids})] {
            let told = call("DescribeLaunchTemplates", input);
            let told = told["LaunchTemplates"].as_array().unwrap();
            assert_eq!(told.iter().map(|one| one["LaunchTemplateName"].clone()).collect::<Vec<_>>(), names);
        }
    }
}
