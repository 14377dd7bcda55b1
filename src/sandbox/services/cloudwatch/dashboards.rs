//! Dashboards: kept, checked, never drawn.

use serde::{Deserialize, Serialize};

use super::{model, offset, page, widgets};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// Of AWS: what ListDashboards gives at once (API Reference, ListDashboards).
const DASHBOARDS_PER_PAGE: usize = 1000;
/// Of AWS: characters of a name (API Reference, PutDashboard).
const MAX_NAME: usize = 255;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dashboard {
    body: String,
    modified: Timestamp,
}

pub fn register(operations: &mut Operations) {
    operations.on(
        "PutDashboard",
        "Creates or replaces a dashboard after checking its body.",
        &["DashboardName", "DashboardBody"],
        put_dashboard,
    );
    operations.view("GetDashboard", "Returns a dashboard's body.", &["DashboardName"], get_dashboard);
    operations.view(
        "ListDashboards",
        "Lists dashboards by prefix.",
        &["DashboardNamePrefix", "NextToken"],
        list_dashboards,
    );
    operations.on("DeleteDashboards", "Deletes dashboards, all or none.", &["DashboardNames"], delete_dashboards);
}

/// A dashboard belongs to no region.
fn arn(region: &Region, name: &str) -> String {
    let place = &region.world.place;
    format!("arn:{}:cloudwatch::{}:dashboard/{name}", place.partition, place.account)
}

fn not_found(name: &str) -> Refusal {
    Refusal::new("DashboardNotFoundError", 404, format!("Dashboard {name} does not exist"))
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let valid = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if valid && (1..=MAX_NAME).contains(&name.len()) {
        return Ok(());
    }
    // AWS leaves the name out (recorded).
    let text = "The value for field DashboardName contains invalid characters. It can only contain alphanumerics, dash \
                (-) and underscore (_).\n";
    Err(Refusal::new("InvalidParameterValue", 400, text))
}

fn put_dashboard(
    region: &mut Region,
    call: &Call,
    input: model::PutDashboardInput,
) -> Result<model::PutDashboardOutput, Refusal> {
    let (name, body) = (input.dashboard_name.unwrap_or_default(), input.dashboard_body.unwrap_or_default());
    check_name(&name)?;
    let messages = widgets::check(&body)?;
    region.cloudwatch.dashboards.insert(name, Dashboard { body, modified: call.now });
    let message = |found: widgets::Finding| model::DashboardValidationMessage {
        data_path: Some(found.path),
        message: Some(found.message),
    };
    let messages = messages.into_iter().map(message).collect();
    Ok(model::PutDashboardOutput { dashboard_validation_messages: Some(messages) })
}

fn get_dashboard(region: &Region, input: model::GetDashboardInput) -> Result<model::GetDashboardOutput, Refusal> {
    let name = input.dashboard_name.unwrap_or_default();
    let dashboard = region.cloudwatch.dashboards.get(&name).ok_or_else(|| not_found(&name))?;
    Ok(model::GetDashboardOutput {
        dashboard_arn: Some(arn(region, &name)),
        dashboard_body: Some(dashboard.body.clone()),
        dashboard_name: Some(name),
    })
}

fn list_dashboards(region: &Region, input: model::ListDashboardsInput) -> Result<model::ListDashboardsOutput, Refusal> {
    let prefix = input.dashboard_name_prefix.unwrap_or_default();
    let wanted = region.cloudwatch.dashboards.iter().filter(|(name, _)| name.starts_with(&prefix));
    let entries = wanted.map(|(name, dashboard)| model::DashboardEntry {
        dashboard_name: Some(name.clone()),
        dashboard_arn: Some(arn(region, name)),
        last_modified: Some(dashboard.modified),
        size: Some(dashboard.body.len() as i64),
    });
    let (entries, next_token) = page(entries, offset(input.next_token.as_deref())?, DASHBOARDS_PER_PAGE);
    Ok(model::ListDashboardsOutput { dashboard_entries: Some(entries), next_token })
}

fn delete_dashboards(
    region: &mut Region,
    _call: &Call,
    input: model::DeleteDashboardsInput,
) -> Result<model::DeleteDashboardsOutput, Refusal> {
    let names = input.dashboard_names.unwrap_or_default();
    if names.is_empty() {
        return Err(Refusal::new("InvalidParameterValue", 400, "The parameter DashboardNames must not be empty."));
    }
    if let Some(missing) = names.iter().find(|name| !region.cloudwatch.dashboards.contains_key(*name)) {
        return Err(not_found(missing));
    }
    region.cloudwatch.dashboards.retain(|name, _| !names.contains(name));
    Ok(model::DeleteDashboardsOutput {})
}
