//! What groups and launch configurations can be made from: an instance, a Spot price, key pairs that are there.

use serde_json::{Value, json};

use super::*;
use crate::sandbox::universe::Universe;

struct Place {
    universe: Universe,
}

impl Place {
    fn new() -> Self {
        Self { universe: Universe::new("123456789012", 7, Timing::Instant) }
    }

    fn call(&mut self, service: &str, operation: &str, input: Value) -> Result<Value, (String, String)> {
        let answer = self.universe.call(NOW, "us-east-1", service, operation, input);
        answer.map_err(|refusal| (refusal.code, refusal.message))
    }

    fn done(&mut self, service: &str, operation: &str, input: Value) -> Value {
        self.call(service, operation, input.clone()).unwrap_or_else(|why| panic!("{operation} {input}: {why:?}"))
    }

    /// A machine with a key pair, detailed monitoring and user data.
    fn instance(&mut self) -> Value {
        self.done("ec2", "CreateKeyPair", json!({"KeyName": "my-key", "KeyType": "ed25519"}));
        let launch = json!({"ImageId": "ami-12c6146b", "InstanceType": "t3.micro", "KeyName": "my-key", "MinCount": 1,
                            "MaxCount": 1, "Monitoring": {"Enabled": true}, "UserData": "aGVsbG8="});
        self.done("ec2", "RunInstances", launch)["Instances"][0].clone()
    }

    fn configuration(&mut self) -> Value {
        self.done("autoscaling", "DescribeLaunchConfigurations", json!({}))["LaunchConfigurations"][0].clone()
    }
}

/// Source: CreateAutoScalingGroup, `InstanceId`, and User Guide, "Create an Auto Scaling group from an existing instance".
#[test]
fn a_group_from_an_instance_launches_more_of_the_same_in_its_subnet() {
    let mut place = Place::new();
    let instance = place.instance();
    let group = json!({"AutoScalingGroupName": "web", "InstanceId": instance["InstanceId"], "MinSize": 0, "MaxSize": 3,
                       "DesiredCapacity": 1});
    place.done("autoscaling", "CreateAutoScalingGroup", group);
    let configuration = place.configuration();
    assert_eq!(configuration["LaunchConfigurationName"], "web");
    for member in ["ImageId", "InstanceType", "KeyName"] {
        assert_eq!(configuration[member], instance[member], "{member}");
    }
    assert_eq!(configuration["SecurityGroups"][0], instance["SecurityGroups"][0]["GroupId"]);
    assert_eq!((&configuration["UserData"], &configuration["BlockDeviceMappings"]), (&json!("aGVsbG8="), &json!([])));
    let shown = place.done("autoscaling", "DescribeAutoScalingGroups", json!({}))["AutoScalingGroups"][0].clone();
    assert_eq!(
        (&shown["LaunchConfigurationName"], &shown["VPCZoneIdentifier"]),
        (&json!("web"), &instance["SubnetId"])
    );
    assert_eq!(shown["Instances"][0]["LifecycleState"], "InService");
}

#[test]
fn a_group_that_cannot_be_created_from_an_instance_leaves_nothing() {
    let mut place = Place::new();
    let instance = place.instance()["InstanceId"].clone();
    let mut check = |group: Value, expected: &str| {
        let (code, message) = place.call("autoscaling", "CreateAutoScalingGroup", group.clone()).unwrap_err();
        assert_eq!(code, "ValidationError", "{group}");
        assert!(message.contains(expected), "{message}");
        assert_eq!(place.configuration(), Value::Null, "{group}");
    };
    let sizes =
        |id: &Value, min: u32| json!({"AutoScalingGroupName": "web", "InstanceId": id, "MinSize": min, "MaxSize": 1});
    check(sizes(&json!("i-0123456789abcdef0"), 0), "Instance [i-0123456789abcdef0] is invalid.");
    check(sizes(&instance, 2), "Max bound, 1");
    let mut two = sizes(&instance, 0);
    two["LaunchConfigurationName"] = json!("other");
    check(two, "Valid requests must contain either");
}

#[test]
fn a_launch_configuration_takes_from_an_instance_what_it_does_not_say() {
    let mut place = Place::new();
    let instance = place.instance();
    let same = json!({"LaunchConfigurationName": "same", "InstanceId": instance["InstanceId"], "InstanceType": "t3.nano",
                      "InstanceMonitoring": {"Enabled": false}});
    place.done("autoscaling", "CreateLaunchConfiguration", same);
    let configuration = place.configuration();
    assert_eq!((&configuration["ImageId"], &configuration["KeyName"]), (&instance["ImageId"], &json!("my-key")));
    assert_eq!(configuration["InstanceType"], "t3.nano");
    assert_eq!(configuration["InstanceMonitoring"]["Enabled"], false);
}

#[test]
fn a_spot_price_is_shown_and_has_to_be_paid() {
    let mut place = Place::new();
    for (name, price) in [("enough", "0.05"), ("little", "0.0001")] {
        let configuration = json!({"LaunchConfigurationName": name, "ImageId": "ami-12c6146b", "InstanceType": "t3.micro",
                                   "SpotPrice": price});
        place.done("autoscaling", "CreateLaunchConfiguration", configuration);
        let group = json!({"AutoScalingGroupName": name, "LaunchConfigurationName": name, "MinSize": 1, "MaxSize": 1,
                           "AvailabilityZones": ["us-east-1a"]});
        place.done("autoscaling", "CreateAutoScalingGroup", group);
    }
    assert_eq!(place.configuration()["SpotPrice"], "0.05");
    let found = place.done("ec2", "DescribeInstances", json!({}));
    let instances = &found["Reservations"][0]["Instances"];
    assert_eq!((&instances[0]["InstanceLifecycle"], &found["Reservations"][1]), (&json!("spot"), &Value::Null));
    let asked = json!({"AutoScalingGroupName": "little"});
    let activity = place.done("autoscaling", "DescribeScalingActivities", asked)["Activities"][0].clone();
    assert_eq!(activity["StatusCode"], "Failed");
    let text = activity["StatusMessage"].as_str().unwrap();
    assert!(text.starts_with("Your Spot request price of 0.0001 is lower than the minimum required"), "{text}");
}

#[test]
fn a_key_pair_that_does_not_exist_is_refused_where_it_is_named_and_where_it_is_gone() {
    let mut place = Place::new();
    let data = json!({"ImageId": "ami-12c6146b", "InstanceType": "t3.micro", "KeyName": "my-key"});
    place.done("ec2", "CreateLaunchTemplate", json!({"LaunchTemplateName": "web", "LaunchTemplateData": data}));
    let group = json!({"AutoScalingGroupName": "web", "LaunchTemplate": {"LaunchTemplateName": "web"}, "MinSize": 0,
                       "MaxSize": 1, "AvailabilityZones": ["us-east-1a"]});
    let refused = |text: &str| Err(("ValidationError".to_string(), text.to_string()));
    // As users published them.
    let text = "You must use a valid fully-formed launch template. The key pair 'my-key' does not exist";
    assert_eq!(place.call("autoscaling", "CreateAutoScalingGroup", group.clone()), refused(text));
    let mut configuration = data.clone();
    configuration["LaunchConfigurationName"] = json!("web");
    let created = place.call("autoscaling", "CreateLaunchConfiguration", configuration);
    assert_eq!(created, refused("The key pair 'my-key' does not exist"));
    place.done("ec2", "CreateKeyPair", json!({"KeyName": "my-key", "KeyType": "ed25519"}));
    place.done("autoscaling", "CreateAutoScalingGroup", group);
    place.done("ec2", "DeleteKeyPair", json!({"KeyName": "my-key"}));
    place.done("autoscaling", "SetDesiredCapacity", json!({"AutoScalingGroupName": "web", "DesiredCapacity": 1}));
    let activity = place.done("autoscaling", "DescribeScalingActivities", json!({}))["Activities"][0].clone();
    let told = "The key pair 'my-key' does not exist. Launching EC2 instance failed.";
    assert_eq!((&activity["StatusCode"], &activity["StatusMessage"]), (&json!("Failed"), &json!(told)));
}

#[test]
fn a_version_is_a_number_or_one_of_two_words() {
    let mut place = Place::new();
    let data = json!({"ImageId": "ami-12c6146b", "InstanceType": "t3.micro"});
    place.done("ec2", "CreateLaunchTemplate", json!({"LaunchTemplateName": "web", "LaunchTemplateData": data}));
    let mut create = |name: &str, version: &str| {
        let template = json!({"LaunchTemplateName": "web", "Version": version});
        let group = json!({"AutoScalingGroupName": name, "LaunchTemplate": template, "MinSize": 0, "MaxSize": 1,
                           "AvailabilityZones": ["us-east-1a"]});
        place.call("autoscaling", "CreateAutoScalingGroup", group)
    };
    for (name, version) in [("a", "$Latest"), ("b", "$Default"), ("c", "1")] {
        assert!(create(name, version).is_ok(), "{version}");
    }
    // Recorded.
    let text = "Invalid launch template version: either '$Default', '$Latest', or a numeric version are allowed.";
    for version in ["$latest", "v1", "latest", "-1"] {
        assert_eq!(create("d", version), Err(("ValidationError".into(), text.into())), "{version}");
    }
    let (code, message) = create("d", "2").unwrap_err();
    assert_eq!(code, "ValidationError");
    assert!(message.contains("Could not find the specified version 2"), "{message}");
}

#[test]
fn capacity_rebalancing_is_kept_as_it_was_given() {
    let mut place = Place::new();
    let data = json!({"ImageId": "ami-12c6146b", "InstanceType": "t3.micro"});
    place.done("ec2", "CreateLaunchTemplate", json!({"LaunchTemplateName": "web", "LaunchTemplateData": data}));
    let group = json!({"AutoScalingGroupName": "web", "LaunchTemplate": {"LaunchTemplateName": "web"}, "MinSize": 0,
                       "MaxSize": 1, "AvailabilityZones": ["us-east-1a"], "CapacityRebalance": true});
    place.done("autoscaling", "CreateAutoScalingGroup", group);
    for update in [json!({}), json!({"CapacityRebalance": false})] {
        let shown = place.done("autoscaling", "DescribeAutoScalingGroups", json!({}));
        assert_eq!(shown["AutoScalingGroups"][0]["CapacityRebalance"], true);
        let mut named = update;
        named["AutoScalingGroupName"] = json!("web");
        place.done("autoscaling", "UpdateAutoScalingGroup", named);
    }
    let shown = place.done("autoscaling", "DescribeAutoScalingGroups", json!({}));
    assert_eq!(shown["AutoScalingGroups"][0]["CapacityRebalance"], false);
}
