//! Launch configurations: what groups were launched from before templates. Start at [`LaunchConfiguration`].

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Groups;
use super::group::{LaunchSource, MAX_LAUNCH_CONFIGURATIONS, limit_exceeded};
use super::launch_template::LaunchArguments;
use crate::clock::Timestamp;
use crate::engine::Refusal;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LaunchConfiguration {
    pub name: String,
    pub arn: String,
    pub created_at: Timestamp,
    /// What it launches, in the words of launch templates.
    pub launch_data: Value,
}

impl Groups {
    /// The launch configurations by name.
    pub fn launch_configurations(&self) -> impl Iterator<Item = &LaunchConfiguration> {
        self.launch_configurations.values()
    }

    /// # Errors
    /// `AlreadyExists`, `LimitExceeded`, or `ValidationError` for a key pair or a security group that does not exist.
    pub fn create_launch_configuration(
        &mut self,
        now: Timestamp,
        name: &str,
        launch_data: Value,
    ) -> Result<(), Refusal> {
        if self.launch_configurations.contains_key(name) {
            let text = format!(
                "Launch Configuration by this name already exists - A launch configuration already exists with the name {name}"
            );
            return Err(Refusal::new("AlreadyExists", 400, text));
        }
        if self.has_default_quotas && self.launch_configurations.len() >= MAX_LAUNCH_CONFIGURATIONS {
            return Err(limit_exceeded("launch configurations", MAX_LAUNCH_CONFIGURATIONS));
        }
        if let Some(inventory) = &self.inventory {
            let found = inventory.check(&LaunchArguments::read(&launch_data));
            found.map_err(|refusal| Refusal::validation(refusal.message))?;
        }
        let resource = format!("launchConfiguration:{}:launchConfigurationName/{name}", self.ids.arns.uuid());
        let arn = self.place.arn("autoscaling", &resource);
        let configuration = LaunchConfiguration { name: name.to_string(), arn, created_at: now, launch_data };
        self.launch_configurations.insert(name.to_string(), configuration);
        Ok(())
    }

    /// # Errors
    /// `ResourceInUse` while a group launches from it.
    pub fn delete_launch_configuration(&mut self, name: &str) -> Result<(), Refusal> {
        let used = |source: &LaunchSource| matches!(source, LaunchSource::Configuration { name: used } if used == name);
        if let Some(group) = self.groups.values().find(|group| used(&group.settings.launch)) {
            let text = format!(
                "Cannot delete launch configuration {name} because it is attached to AutoScalingGroup {}",
                group.name
            );
            return Err(Refusal::new("ResourceInUse", 400, text));
        }
        match self.launch_configurations.remove(name) {
            Some(_) => Ok(()),
            None => Err(Refusal::validation(format!(
                "Launch configuration name not found - Launch configuration {name} not found"
            ))),
        }
    }
}
