//! Associations of instances with instance profiles: looked at, made, replaced and ended. Start at
//! [`ProfileAssociation`]. A launch with a profile makes one too. What is said of a profile is its name: whether IAM
//! has it is not asked.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Ec2;
use super::error::{missing_parameter, refuse, required};
use super::instance::{check_id, instance, show_profile};
use super::register::{ask, operation_without_dry_run};
use super::select::{Kind, one};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::groups::{Ec2State, Groups, Instance};
use crate::engine::names::InstanceId;
use crate::sandbox::models::ec2::{
    AssociateIamInstanceProfileInput, AssociateIamInstanceProfileOutput, DescribeIamInstanceProfileAssociationsInput,
    DescribeIamInstanceProfileAssociationsOutput, DisassociateIamInstanceProfileInput,
    DisassociateIamInstanceProfileOutput, IamInstanceProfileAssociation, IamInstanceProfileSpecification,
    ReplaceIamInstanceProfileAssociationInput, ReplaceIamInstanceProfileAssociationOutput,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// One that was made after its instance was launched. The launch data says with which profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileAssociation {
    pub id: String,
    pub at: Timestamp,
}

fn missing(ids: &[&str]) -> Refusal {
    let message = format!("An invalid association-id of '{}' was given", ids.join(", "));
    refuse("InvalidAssociationID.NotFound", message)
}

fn ended(instance: &Instance) -> bool {
    matches!(instance.state, Ec2State::ShuttingDown | Ec2State::Terminated)
}

impl Ec2 {
    /// That of a launch has the digits of its instance.
    fn profile_association(&self, instance: &Instance) -> ProfileAssociation {
        let of_launch = || ProfileAssociation {
            id: instance.id.as_str().replacen("i-", "iip-assoc-", 1),
            at: instance.launched_at,
        };
        self.profile_associations.get(&instance.id).cloned().unwrap_or_else(of_launch)
    }

    /// Forgets the associations of instances that have terminated.
    pub fn part_profiles(&mut self, groups: &Groups) {
        self.profile_associations
            .retain(|id, _| groups.instance(id).is_some_and(|instance| instance.state != Ec2State::Terminated));
    }
}

/// The association of an instance, if it has one.
fn show(region: &Region, instance: &Instance, state: &str) -> Option<IamInstanceProfileAssociation> {
    let profile = show_profile(region, instance)?;
    let association = region.ec2.profile_association(instance);
    Some(IamInstanceProfileAssociation {
        association_id: Some(association.id),
        instance_id: Some(instance.id.to_string()),
        iam_instance_profile: Some(profile),
        state: Some(state.into()),
        timestamp: Some(super::whole_second(association.at)),
    })
}

fn all(region: &Region) -> Vec<IamInstanceProfileAssociation> {
    let living = region.world.groups.instances().filter(|instance| !ended(instance));
    living.filter_map(|instance| show(region, instance, "associated")).collect()
}

/// The instance of an association.
fn holder(region: &Region, association: &str) -> Result<InstanceId, Refusal> {
    let found = all(region).into_iter().find(|shown| shown.association_id.as_deref() == Some(association));
    let id = found.and_then(|shown| shown.instance_id).ok_or_else(|| missing(&[association]))?;
    Ok(InstanceId(id))
}

/// The profile that a call names, as launch data has it.
fn profile(wanted: Option<IamInstanceProfileSpecification>) -> Result<Value, Refusal> {
    let wanted = required(wanted, "iamInstanceProfile")?;
    match (wanted.arn, wanted.name) {
        (Some(arn), _) => Ok(serde_json::json!({ "Arn": arn })),
        (None, Some(name)) => Ok(serde_json::json!({ "Name": name })),
        (None, None) => Err(missing_parameter("iamInstanceProfile.name")),
    }
}

/// Gives an instance a profile under a new association, and shows it as the answer of the call does.
fn give(region: &mut Region, call: &Call, id: &InstanceId, profile: Value) -> Option<IamInstanceProfileAssociation> {
    let association = ProfileAssociation { id: region.ec2.ids.ec2("iip-assoc"), at: call.now };
    region.ec2.profile_associations.insert(id.clone(), association);
    let kept = region.world.groups.instance_mut(id)?;
    kept.launch_data["IamInstanceProfile"] = profile;
    show(region, region.world.groups.instance(id)?, "associating")
}

fn associate(
    region: &mut Region,
    call: &Call,
    input: AssociateIamInstanceProfileInput,
) -> Result<AssociateIamInstanceProfileOutput, Refusal> {
    let id = required(input.instance_id, "instanceId")?;
    let profile = profile(input.iam_instance_profile)?;
    check_id(&id)?;
    let kept = instance(region, &id)?;
    if ended(kept) {
        let message = format!("The instance '{id}' is not in the 'running' or 'stopped' states.");
        return Err(refuse("IncorrectInstanceState", message));
    }
    if show_profile(region, kept).is_some() {
        let message = format!("There is an existing association for instance {id}");
        return Err(refuse("IncorrectState", message));
    }
    let iam_instance_profile_association = give(region, call, &InstanceId(id), profile);
    Ok(AssociateIamInstanceProfileOutput { iam_instance_profile_association })
}

fn replace(
    region: &mut Region,
    call: &Call,
    input: ReplaceIamInstanceProfileAssociationInput,
) -> Result<ReplaceIamInstanceProfileAssociationOutput, Refusal> {
    let profile = profile(input.iam_instance_profile)?;
    let id = holder(region, &required(input.association_id, "associationId")?)?;
    let iam_instance_profile_association = give(region, call, &id, profile);
    Ok(ReplaceIamInstanceProfileAssociationOutput { iam_instance_profile_association })
}

fn disassociate(
    region: &mut Region,
    _: &Call,
    input: DisassociateIamInstanceProfileInput,
) -> Result<DisassociateIamInstanceProfileOutput, Refusal> {
    let id = holder(region, &required(input.association_id, "associationId")?)?;
    let shown = show(region, instance(region, id.as_str())?, "disassociating");
    region.ec2.profile_associations.remove(&id);
    if let Some(kept) = region.world.groups.instance_mut(&id) {
        kept.launch_data["IamInstanceProfile"] = Value::Null;
    }
    Ok(DisassociateIamInstanceProfileOutput { iam_instance_profile_association: shown })
}

const ASSOCIATIONS: Kind<IamInstanceProfileAssociation> = Kind {
    id: |association| &association.association_id,
    id_parameter: "associationId",
    missing,
    tags: |_| &None,
    filters: &[("instance-id", |a| one(&a.instance_id)), ("state", |a| one(&a.state))],
};

fn describe(
    region: &mut Region,
    _: &Call,
    input: DescribeIamInstanceProfileAssociationsInput,
) -> Result<DescribeIamInstanceProfileAssociationsOutput, Refusal> {
    let page = ASSOCIATIONS.select(all(region), ask!(input.association_ids))?;
    let (iam_instance_profile_associations, next_token) = page.set();
    Ok(DescribeIamInstanceProfileAssociationsOutput { iam_instance_profile_associations, next_token })
}

pub fn register(operations: &mut Operations) {
    operation_without_dry_run!(operations, associate, "AssociateIamInstanceProfile":
        "Gives an instance without an instance profile one.",
        takes IamInstanceProfile InstanceId
    );
    operation_without_dry_run!(operations, replace, "ReplaceIamInstanceProfileAssociation":
        "Gives an instance another instance profile.",
        takes AssociationId IamInstanceProfile
    );
    operation_without_dry_run!(operations, disassociate, "DisassociateIamInstanceProfile":
        "Takes an instance's instance profile.",
        takes AssociationId
    );
    operation_without_dry_run!(operations, describe, "DescribeIamInstanceProfileAssociations":
        "Lists which instances have which instance profiles.",
        takes AssociationIds Filters MaxResults NextToken
    );
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::clock::Timestamp;
    use crate::engine::groups::Timing;
    use crate::sandbox::universe::Universe;

    #[test]
    fn an_instance_has_one_profile_under_an_association_that_changes_with_it() {
        let mut universe = Universe::new("123456789012", 1, Timing::Instant);
        let mut call = |operation: &str, input: Value| {
            universe.call(Timestamp::from_secs(1_800_000_000), "eu-west-1", "ec2", operation, input)
        };
        let image = json!({"ImageId": "ami-12c6146b", "MinCount": 1, "MaxCount": 1,
            "IamInstanceProfile": {"Name": "first"}});
        let launched = call("RunInstances", image).unwrap()["Instances"][0]["InstanceId"].clone();
        let held = |call: &mut dyn FnMut(&str, Value) -> Result<Value, crate::engine::Refusal>| {
            let filter = json!({"Filters": [{"Name": "instance-id", "Values": [launched]}]});
            call("DescribeIamInstanceProfileAssociations", filter).unwrap()["IamInstanceProfileAssociations"].clone()
        };
        let first = held(&mut call)[0].clone();
        assert_eq!(first["IamInstanceProfile"]["Arn"], "arn:aws:iam::123456789012:instance-profile/first");
        let second = json!({"InstanceId": launched, "IamInstanceProfile": {"Name": "second"}});
        let refusal = call("AssociateIamInstanceProfile", second.clone()).unwrap_err();
        assert_eq!(refusal.code, "IncorrectState");
        let other = json!({"AssociationId": first["AssociationId"], "IamInstanceProfile": {"Name": "second"}});
        let replaced = call("ReplaceIamInstanceProfileAssociation", other.clone()).unwrap();
        assert_eq!(replaced["IamInstanceProfileAssociation"]["State"], "associating");
        let gone = call("ReplaceIamInstanceProfileAssociation", other).unwrap_err();
        assert_eq!(gone.code, "InvalidAssociationID.NotFound");
        let now = held(&mut call)[0].clone();
        assert_eq!(now["IamInstanceProfile"]["Arn"], "arn:aws:iam::123456789012:instance-profile/second");
        call("DisassociateIamInstanceProfile", json!({"AssociationId": now["AssociationId"]})).unwrap();
        assert_eq!(held(&mut call), json!([]));
        call("AssociateIamInstanceProfile", second).unwrap();
        assert_eq!(held(&mut call)[0]["State"], "associated");
    }
}
