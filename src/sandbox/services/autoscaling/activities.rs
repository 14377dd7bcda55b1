//! Scaling activities of one group or of all. Those of a deleted group leave with it.

use super::{PageRequest, existing, model, show, wants};
use crate::engine::Refusal;
use crate::engine::groups::activity::{Activity, in_display_order};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

const ACTIVITIES_PER_PAGE: usize = 100;

pub fn register(operations: &mut Operations) {
    operations.on(
        "DescribeScalingActivities",
        "Lists what groups did in the last six weeks, what is in progress first.",
        &["ActivityIds", "AutoScalingGroupName", "MaxRecords", "NextToken"],
        describe,
    );
}

fn describe(
    region: &mut Region,
    call: &Call,
    input: model::DescribeScalingActivitiesInput,
) -> Result<model::DescribeScalingActivitiesOutput, Refusal> {
    let page = PageRequest::new(input.next_token.as_deref(), input.max_records, ACTIVITIES_PER_PAGE)?;
    let all: Vec<&Activity> = match input.auto_scaling_group_name.as_deref() {
        Some(name) => existing(region, Some(name))?.shown_activities(call.now),
        None => {
            let groups = region.world.groups.iter();
            let mut oldest_first: Vec<&Activity> = groups.flat_map(|group| group.shown_activities(call.now)).collect();
            oldest_first.reverse();
            in_display_order(oldest_first)
        }
    };
    let wanted = all.into_iter().filter(|activity| wants(input.activity_ids.as_deref(), activity.id.as_str()));
    let (found, next_token) = page.cut(wanted.map(show::activity));
    Ok(model::DescribeScalingActivitiesOutput { activities: Some(found), next_token })
}
