//! Launch templates with their versions, and what the engine reads in launch data. Start at [`LaunchTemplates`].
//!
//! Launch data is kept as the caller gave it, a JSON object in the words of EC2's `LaunchTemplateData` (`ImageId`,
//! `Monitoring: {"Enabled": true}`, `TagSpecifications`, ...). [`LaunchArguments`] is the part that decides something here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::ids::Ids;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LaunchTemplate {
    pub id: String,
    pub name: String,
    pub created_at: Timestamp,
    pub default_version: u64,
    /// The number the last version got; numbers are never used again.
    pub last_number: u64,
    /// By number, oldest first; never empty.
    pub versions: Vec<LaunchTemplateVersion>,
    pub tags: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LaunchTemplateVersion {
    pub number: u64,
    pub description: Option<String>,
    pub created_at: Timestamp,
    /// As given, returned as is.
    pub data: Value,
}

impl LaunchTemplate {
    pub fn latest_version(&self) -> u64 {
        self.versions.last().map_or(self.last_number, |version| version.number)
    }

    /// The version that `$Latest`, `$Default` or a number names.
    pub fn version(&self, wanted: &str) -> Option<&LaunchTemplateVersion> {
        let number = match wanted {
            "$Latest" => self.latest_version(),
            "$Default" => self.default_version,
            number => number.parse().ok()?,
        };
        self.versions.iter().find(|version| version.number == number)
    }
}

/// Names a template by id or by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateRef<'a> {
    Id(&'a str),
    Name(&'a str),
}

/// The launch templates of one region, by id.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LaunchTemplates {
    by_id: BTreeMap<String, LaunchTemplate>,
}

impl LaunchTemplates {
    pub fn iter(&self) -> impl Iterator<Item = &LaunchTemplate> {
        self.by_id.values()
    }

    /// # Errors
    /// EC2's `NotFound` codes.
    pub fn get(&self, wanted: TemplateRef<'_>) -> Result<&LaunchTemplate, Refusal> {
        match wanted {
            TemplateRef::Id(id) => self.by_id.get(id).ok_or_else(|| unknown_id(id)),
            TemplateRef::Name(name) => self.iter().find(|template| template.name == name).ok_or_else(|| {
                let text = format!("The specified launch template, with template name {name}, does not exist.");
                Refusal::new("InvalidLaunchTemplateName.NotFoundException", 400, text)
            }),
        }
    }

    pub fn get_mut(&mut self, wanted: TemplateRef<'_>) -> Result<&mut LaunchTemplate, Refusal> {
        let id = self.get(wanted)?.id.clone();
        self.by_id.get_mut(&id).ok_or_else(|| unknown_id(&id))
    }

    /// Creates a template whose first version is `data`.
    ///
    /// # Errors
    /// `InvalidLaunchTemplateName.AlreadyExistsException` if the name is taken.
    pub fn create(
        &mut self,
        now: Timestamp,
        ids: &mut Ids,
        name: &str,
        description: Option<String>,
        data: Value,
        tags: BTreeMap<String, String>,
    ) -> Result<&LaunchTemplate, Refusal> {
        if self.get(TemplateRef::Name(name)).is_ok() {
            let text = "Launch template name already in use.";
            return Err(Refusal::new("InvalidLaunchTemplateName.AlreadyExistsException", 400, text));
        }
        let id = ids.ec2("lt");
        let version = LaunchTemplateVersion { number: 1, description, created_at: now, data };
        let template = LaunchTemplate {
            id: id.clone(),
            name: name.to_string(),
            created_at: now,
            default_version: 1,
            last_number: 1,
            versions: vec![version],
            tags,
        };
        Ok(self.by_id.entry(id).or_insert(template))
    }

    /// Adds a version. With a `source`, members that `data` leaves out are taken from that version.
    pub fn create_version(
        &mut self,
        now: Timestamp,
        wanted: TemplateRef<'_>,
        source: Option<&str>,
        description: Option<String>,
        data: Value,
    ) -> Result<(&LaunchTemplate, &LaunchTemplateVersion), Refusal> {
        let template = self.get_mut(wanted)?;
        let data = match source {
            None => data,
            Some(source) => merged(version_or_refuse(template, source)?.data.clone(), data),
        };
        template.last_number += 1;
        let number = template.last_number;
        template.versions.push(LaunchTemplateVersion { number, description, created_at: now, data });
        let template = &*template;
        let version = version_or_refuse(template, &number.to_string())?;
        Ok((template, version))
    }

    pub fn set_default_version(&mut self, wanted: TemplateRef<'_>, version: &str) -> Result<&LaunchTemplate, Refusal> {
        let template = self.get_mut(wanted)?;
        template.default_version = version_or_refuse(template, version)?.number;
        Ok(template)
    }

    /// Deletes one version; the default version stays.
    pub fn delete_version(&mut self, wanted: TemplateRef<'_>, number: u64) -> Result<LaunchTemplateVersion, Refusal> {
        let template = self.get_mut(wanted)?;
        if number == template.default_version {
            let text = "Launch template default version cannot be deleted";
            return Err(Refusal::new("OperationNotPermitted", 400, text));
        }
        let number = version_or_refuse(template, &number.to_string())?.number;
        let place = template.versions.iter().position(|version| version.number == number);
        Ok(template.versions.remove(place.unwrap_or_default()))
    }

    pub fn delete(&mut self, wanted: TemplateRef<'_>) -> Result<LaunchTemplate, Refusal> {
        let id = self.get(wanted)?.id.clone();
        self.by_id.remove(&id).ok_or_else(|| unknown_id(&id))
    }
}

fn unknown_id(id: &str) -> Refusal {
    let text = format!("The specified launch template, with template ID {id}, does not exist.");
    Refusal::new("InvalidLaunchTemplateId.NotFound", 400, text)
}

/// The named version, or EC2's refusal.
pub fn version_or_refuse<'a>(template: &'a LaunchTemplate, wanted: &str) -> Result<&'a LaunchTemplateVersion, Refusal> {
    let numeric = wanted.bytes().all(|b| b.is_ascii_digit());
    if !numeric && !["$Default", "$Latest"].contains(&wanted) {
        // As users published it.
        let text = "Invalid launch template version: either '$Default', '$Latest', or a numeric version are allowed.";
        return Err(Refusal::new("InvalidParameterValue", 400, text));
    }
    template.version(wanted).ok_or_else(|| {
        let text =
            format!("Could not find the specified version {wanted} for the launch template with ID {}.", template.id);
        Refusal::new("InvalidLaunchTemplateId.VersionNotFound", 400, text)
    })
}

fn merged(base: Value, over: Value) -> Value {
    match (base, over) {
        (Value::Object(mut base), Value::Object(over)) => {
            base.extend(over);
            Value::Object(base)
        }
        (_, over) => over,
    }
}

/// What the engine reads in launch data; the rest is only kept.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LaunchArguments {
    pub image_id: Option<String>,
    pub instance_type: Option<String>,
    pub key_name: Option<String>,
    pub security_groups: Vec<String>,
    pub detailed_monitoring: bool,
    /// The first network interface's setting, which goes before the subnet's.
    pub public_ip: Option<bool>,
    /// It asks for a Spot Instance.
    pub spot: bool,
    pub placement_group: Option<String>,
    /// Tags for instances.
    pub tags: BTreeMap<String, String>,
}

impl LaunchArguments {
    pub fn read(data: &Value) -> Self {
        let text = |key: &str| data[key].as_str().map(str::to_string);
        let interface = &data["NetworkInterfaces"][0];
        let groups = [&data["SecurityGroupIds"], &interface["Groups"]];
        Self {
            image_id: text("ImageId"),
            instance_type: text("InstanceType"),
            key_name: text("KeyName"),
            security_groups: groups.into_iter().flat_map(strings).collect(),
            detailed_monitoring: data["Monitoring"]["Enabled"].as_bool().unwrap_or_default(),
            public_ip: interface["AssociatePublicIpAddress"].as_bool(),
            spot: data["InstanceMarketOptions"]["MarketType"] == "spot",
            placement_group: data["Placement"]["GroupName"].as_str().map(str::to_string),
            tags: instance_tags(&data["TagSpecifications"]),
        }
    }
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|item| item.as_str().map(str::to_string)).collect()
}

fn instance_tags(specifications: &Value) -> BTreeMap<String, String> {
    let for_instances = specifications
        .as_array()
        .into_iter()
        .flatten()
        .filter(|specification| specification["ResourceType"] == "instance");
    for_instances
        .flat_map(|specification| specification["Tags"].as_array().into_iter().flatten())
        .filter_map(|tag| {
            Some((tag["Key"].as_str()?.to_string(), tag["Value"].as_str().unwrap_or_default().to_string()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with_one() -> LaunchTemplates {
        let mut templates = LaunchTemplates::default();
        let data = json!({"ImageId": "ami-1", "InstanceType": "t2.nano"});
        templates.create(Timestamp::default(), &mut Ids::new(1, "lt"), "web", None, data, BTreeMap::new()).unwrap();
        templates
    }

    #[test]
    fn latest_and_default_name_versions_and_a_source_fills_in() {
        let mut templates = with_one();
        let web = TemplateRef::Name("web");
        let data = json!({"InstanceType": "t3.nano"});
        templates.create_version(Timestamp::default(), web, Some("$Latest"), None, data).unwrap();
        let template = templates.get(web).unwrap();
        assert_eq!(template.version("$Default").unwrap().number, 1);
        assert_eq!(template.version("$Latest").unwrap().data, json!({"ImageId": "ami-1", "InstanceType": "t3.nano"}));
        assert_eq!(template.version("3"), None);
    }

    #[test]
    fn the_default_version_cannot_be_deleted_and_numbers_are_not_used_again() {
        let mut templates = with_one();
        let web = TemplateRef::Name("web");
        assert_eq!(templates.delete_version(web, 1).unwrap_err().code, "OperationNotPermitted");
        for expected in [2, 3] {
            let (_, version) = templates.create_version(Timestamp::default(), web, None, None, json!({})).unwrap();
            assert_eq!(version.number, expected);
            templates.delete_version(web, expected).unwrap();
        }
    }

    #[test]
    fn launch_arguments_come_from_both_places_that_name_security_groups() {
        let read = LaunchArguments::read(&json!({
            "ImageId": "ami-1", "InstanceType": "t2.nano", "Monitoring": {"Enabled": true},
            "NetworkInterfaces": [{"AssociatePublicIpAddress": true, "Groups": ["sg-1"]}],
            "TagSpecifications": [
                {"ResourceType": "volume", "Tags": [{"Key": "v", "Value": "1"}]},
                {"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "web"}]},
            ],
        }));
        assert_eq!(read.security_groups, ["sg-1"]);
        assert_eq!((read.detailed_monitoring, read.public_ip), (true, Some(true)));
        assert_eq!(read.tags, BTreeMap::from([("Name".to_string(), "web".to_string())]));
    }
}
