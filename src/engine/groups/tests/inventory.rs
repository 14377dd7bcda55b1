//! Launches that name what the account does not have.

use super::*;

fn web() -> GroupName {
    "web".into()
}

fn set<T: From<&'static str> + Ord>(items: &[&'static str]) -> BTreeSet<T> {
    items.iter().copied().map(T::from).collect()
}

/// Everything that the template `web` of these tests names.
fn whole() -> Inventory {
    Inventory {
        key_pairs: set(&["my-key"]),
        security_groups: set(&["sg-1"]),
        images_gone: BTreeSet::new(),
        zones: ["us-east-1a", "us-east-1b", "us-east-1c"].map(|zone| (Zone::from(zone), BTreeSet::new())).into(),
        ..Inventory::default()
    }
}

/// An empty group whose template names a key pair and a security group.
fn stage() -> Stage {
    let mut stage = Stage::new(Timing::Realistic);
    stage.groups.inventory = Some(whole());
    let more = json!({"KeyName": "my-key", "SecurityGroupIds": ["sg-1"]});
    let web = TemplateRef::Name("web");
    stage.groups.launch_templates.create_version(stage.now, web, Some("1"), None, more).unwrap();
    stage.create("web", 0, 0, 3);
    stage
}

type Change = fn(&mut Inventory);

/// Texts of the User Guide, "Troubleshoot Amazon EC2 Auto Scaling: EC2 instance launch failures" and "AMI issues"; the
/// image's and the key pair's as activities and refusals that users published have them.
const CASES: &[(&str, Change, &str)] = &[
    ("key pair", |it| it.key_pairs.clear(), "The key pair 'my-key' does not exist"),
    ("security group", |it| it.security_groups.clear(), "The security group 'sg-1' does not exist"),
    ("image", |it| it.images_gone = set(&["ami-1"]), "The image id '[ami-1]' does not exist"),
];

#[test]
fn a_launch_that_names_what_was_deleted_fails_and_is_tried_again() {
    for (what, take, reason) in CASES {
        let mut stage = stage();
        take(stage.groups.inventory.as_mut().unwrap());
        stage.call(|groups, now| groups.set_desired_capacity(now, &web(), 1, false)).unwrap();
        stage.run_for(10);
        let expected =
            format!("Launching a new EC2 instance.  Status Reason: {reason}. Launching EC2 instance failed.");
        let (title, status, _) = stage.activities().remove(0);
        assert_eq!((title, status), (expected, "Failed"), "{what}");
        stage.groups.inventory = Some(whole());
        stage.run_for(300);
        assert_eq!(stage.states(), "InService", "{what}");
    }
}

#[test]
fn a_group_is_not_given_a_template_that_names_what_is_not_there() {
    for (what, take, reason) in CASES {
        let mut stage = stage();
        take(stage.groups.inventory.as_mut().unwrap());
        let expected = format!("You must use a valid fully-formed launch template. {reason}");
        let spec = stage.spec("other", 0, 0, 1);
        let refused = stage.call(|groups, now| groups.create_group(now, spec)).unwrap_err();
        assert_eq!((refused.code.as_str(), refused.message), ("ValidationError", expected), "{what}");
        // What a group has already is not looked at again.
        let settings = stage.group().settings.clone();
        let change = GroupChange { min_size: None, max_size: Some(2), desired_capacity: None, settings };
        stage.call(|groups, now| groups.update_group(now, &web(), change)).unwrap();
    }
}

#[test]
fn a_launch_configuration_names_what_is_there() {
    for (what, take, reason) in CASES {
        let mut stage = stage();
        take(stage.groups.inventory.as_mut().unwrap());
        let data = json!({"ImageId": "ami-1", "KeyName": "my-key", "SecurityGroupIds": ["sg-1"]});
        let refused = stage.groups.create_launch_configuration(stage.now, "old", data).unwrap_err();
        assert_eq!((refused.code.as_str(), refused.message.as_str()), ("ValidationError", *reason), "{what}");
    }
}

#[test]
fn a_zone_without_the_instance_type_leaves_launches_to_the_others() {
    let mut stage = stage();
    let zones = &mut stage.groups.inventory.as_mut().unwrap().zones;
    zones.insert("us-east-1a".into(), set(&["t2.nano"]));
    stage.call(|groups, now| groups.set_desired_capacity(now, &web(), 2, false)).unwrap();
    stage.run_for(120);
    let found: Vec<&str> =
        stage.groups.members(stage.group()).map(|(instance, _)| instance.placement.zone.as_str()).collect();
    assert_eq!(found, ["us-east-1b", "us-east-1b"]);
    stage.groups.inventory.as_mut().unwrap().zones.insert("us-east-1b".into(), set(&["t2.nano"]));
    stage.call(|groups, now| groups.set_desired_capacity(now, &web(), 3, false)).unwrap();
    stage.run_for(60);
    let text = "Your requested instance type (t2.nano) is not supported in your requested Availability Zone (us-east-1b). Please \
                retry your request by not specifying an Availability Zone or choosing us-east-1c. Launching EC2 instance failed.";
    let told = stage.activities().into_iter().any(|(title, _, _)| title.ends_with(text));
    assert!(told, "{:?}", stage.activities());
}
