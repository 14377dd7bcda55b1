//! The waiters and paginators of AWS's SDKs for Rust, each for every operation that the sandbox serves.
//!
//! The sandbox's clock stands still and machines take no time: a waiter that does not see what it waits for in its first
//! look never will. Pages are as small as each operation lets them be, so that tokens are followed.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_autoscaling::client::Waiters as _;
use aws_sdk_cloudwatch::client::Waiters as _;
use aws_sdk_cloudwatch::types::AlarmType;
use aws_sdk_ec2::client::Waiters as _;
use aws_sdk_sts::config::{Credentials, SharedCredentialsProvider};
use scaleproof::clock::Speed;
use scaleproof::engine::groups::Timing;
use scaleproof::sandbox::{Options, Sandbox};
use serde_json::{Value, json};

const REGION: &str = "ap-northeast-2";
/// The smallest page that EC2 takes.
const EC2_PAGE: i32 = 5;
/// More than one page of EC2 holds.
const CROWD: usize = 6;
/// Less than the least pause that a waiter makes between two looks.
const ONE_LOOK: Duration = Duration::from_secs(1);

/// A sandbox, and how to call it as an SDK and without one.
struct Place {
    sandbox: Sandbox,
    config: aws_config::SdkConfig,
}

impl Place {
    async fn new() -> Self {
        let now = scaleproof::clock::Timestamp::from_secs(1_800_000_000);
        let options = Options { speed: Speed::PAUSED, timing: Timing::Instant, ..Options::at(now) };
        let sandbox = Sandbox::start_with(&options).expect("a sandbox starts");
        let keys = Credentials::new("test", "test", None, None, "test");
        let config = aws_config::SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(sandbox.url())
            .credentials_provider(SharedCredentialsProvider::new(keys))
            .build();
        Self { sandbox, config }
    }

    /// Calls an operation without a socket.
    fn call(&self, service: &str, operation: &str, input: Value) -> Value {
        let now = self.sandbox.now();
        let answer = self.sandbox.inspect(|aws| aws.call(now, REGION, service, operation, input.clone()));
        answer.unwrap_or_else(|refusal| panic!("{service}:{operation} {input}: {refusal:?}"))
    }

    /// The same, for the text at `pointer` of the answer.
    fn made(&self, service: &str, operation: &str, input: Value, pointer: &str) -> String {
        let answer = self.call(service, operation, input);
        let found = answer.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_else(|| panic!("{operation} answers no {pointer}: {answer}")).to_string()
    }
}

/// Every page that a paginator brings.
macro_rules! pages {
    ($paginator:expr) => {{
        let pages: Result<Vec<_>, _> = $paginator.send().collect().await;
        pages.unwrap_or_else(|error| panic!("{}: {error:?}", stringify!($paginator)))
    }};
}

/// Pages of a paginator hold what is there, in more than one of them.
macro_rules! parts {
    ($paginator:expr, $items:ident, $count:expr) => {{
        let pages = pages!($paginator);
        let count: usize = pages.iter().map(|page| page.$items().len()).sum();
        assert!(pages.len() > 1 && count >= $count, "{}: {count} in {} pages", stringify!($paginator), pages.len());
    }};
}

macro_rules! waits {
    ($($waiter:expr;)+) => {$(
        let ended = $waiter.wait(ONE_LOOK).await;
        assert!(ended.is_ok(), "{}: {:?}", stringify!($waiter), ended.err());
    )+};
}

/// A VPC and a subnet, with the image that machines are launched from.
struct Network {
    vpc: String,
    subnet: String,
    image: String,
}

impl Network {
    fn new(place: &Place) -> Self {
        let vpc = place.made("ec2", "CreateVpc", json!({"CidrBlock": "10.0.0.0/16"}), "/Vpc/VpcId");
        let block = json!({"VpcId": vpc, "CidrBlock": "10.0.0.0/20"});
        let subnet = place.made("ec2", "CreateSubnet", block, "/Subnet/SubnetId");
        let newest = json!({"Filters": [{"Name": "name", "Values": ["al2023-*"]}]});
        let image = place.made("ec2", "DescribeImages", newest, "/Images/0/ImageId");
        Self { vpc, subnet, image }
    }

    fn instance(&self, place: &Place) -> String {
        let one = json!({"ImageId": self.image, "MinCount": 1, "MaxCount": 1, "SubnetId": self.subnet});
        place.made("ec2", "RunInstances", one, "/Instances/0/InstanceId")
    }

    fn nat_gateway(&self, place: &Place) -> String {
        let address = place.made("ec2", "AllocateAddress", json!({}), "/AllocationId");
        let gateway = json!({"SubnetId": self.subnet, "AllocationId": address});
        place.made("ec2", "CreateNatGateway", gateway, "/NatGateway/NatGatewayId")
    }

    fn peering(&self, place: &Place, peer: &str) -> String {
        let both = json!({"VpcId": self.vpc, "PeerVpcId": peer});
        place.made("ec2", "CreateVpcPeeringConnection", both, "/VpcPeeringConnection/VpcPeeringConnectionId")
    }

    fn volume(&self, place: &Place) -> String {
        let zone =
            place.made("ec2", "DescribeSubnets", json!({"SubnetIds": [self.subnet]}), "/Subnets/0/AvailabilityZone");
        place.made("ec2", "CreateVolume", json!({"AvailabilityZone": zone, "Size": 1}), "/VolumeId")
    }
}

#[tokio::test]
async fn every_waiter_of_ec2_ends() {
    let place = Place::new().await;
    let ec2 = aws_sdk_ec2::Client::new(&place.config);
    let network = Network::new(&place);
    let (vpc, subnet) = (&network.vpc, &network.subnet);
    let gateway = place.made("ec2", "CreateInternetGateway", json!({}), "/InternetGateway/InternetGatewayId");
    place.call("ec2", "AttachInternetGateway", json!({"InternetGatewayId": gateway, "VpcId": vpc}));
    let [running, stopped, gone] = [(); 3].map(|()| network.instance(&place));
    place.call("ec2", "StopInstances", json!({"InstanceIds": [stopped]}));
    place.call("ec2", "TerminateInstances", json!({"InstanceIds": [gone]}));
    let image = place.made("ec2", "CreateImage", json!({"InstanceId": running, "Name": "own"}), "/ImageId");
    place.call("ec2", "CreateKeyPair", json!({"KeyName": "waited-for", "KeyType": "ed25519"}));
    let interface = json!({"SubnetId": subnet});
    let interface = place.made("ec2", "CreateNetworkInterface", interface, "/NetworkInterface/NetworkInterfaceId");
    let group = json!({"GroupName": "waited-for", "Description": "x", "VpcId": vpc});
    let group = place.made("ec2", "CreateSecurityGroup", group, "/GroupId");
    let [free, used, deleted] = [(); 3].map(|()| network.volume(&place));
    let snapshot = place.made("ec2", "CreateSnapshot", json!({"VolumeId": free}), "/SnapshotId");
    place.call("ec2", "AttachVolume", json!({"VolumeId": used, "InstanceId": running, "Device": "/dev/sdf"}));
    place.call("ec2", "DeleteVolume", json!({"VolumeId": deleted}));
    let [nat, no_nat] = [(); 2].map(|()| network.nat_gateway(&place));
    place.call("ec2", "DeleteNatGateway", json!({"NatGatewayId": no_nat}));
    let peer = place.made("ec2", "CreateVpc", json!({"CidrBlock": "10.9.0.0/16"}), "/Vpc/VpcId");
    let [peering, parted] = [(); 2].map(|()| network.peering(&place, &peer));
    place.call("ec2", "DeleteVpcPeeringConnection", json!({"VpcPeeringConnectionId": parted}));
    waits! {
        ec2.wait_until_image_available().image_ids(&image);
        ec2.wait_until_image_exists().image_ids(&image);
        ec2.wait_until_instance_exists().instance_ids(&running);
        ec2.wait_until_instance_running().instance_ids(&running);
        ec2.wait_until_instance_status_ok().instance_ids(&running);
        ec2.wait_until_instance_stopped().instance_ids(&stopped);
        ec2.wait_until_instance_terminated().instance_ids(&gone);
        ec2.wait_until_internet_gateway_exists().internet_gateway_ids(&gateway);
        ec2.wait_until_key_pair_exists().key_names("waited-for");
        ec2.wait_until_nat_gateway_available().nat_gateway_ids(&nat);
        ec2.wait_until_nat_gateway_deleted().nat_gateway_ids(&no_nat);
        ec2.wait_until_network_interface_available().network_interface_ids(&interface);
        ec2.wait_until_security_group_exists().group_ids(&group);
        ec2.wait_until_snapshot_completed().snapshot_ids(&snapshot);
        ec2.wait_until_subnet_available().subnet_ids(subnet);
        ec2.wait_until_system_status_ok().instance_ids(&running);
        ec2.wait_until_volume_available().volume_ids(&free);
        ec2.wait_until_volume_deleted().volume_ids(&deleted);
        ec2.wait_until_volume_in_use().volume_ids(&used);
        ec2.wait_until_vpc_available().vpc_ids(vpc);
        ec2.wait_until_vpc_exists().vpc_ids(vpc);
        ec2.wait_until_vpc_peering_connection_deleted().vpc_peering_connection_ids(&parted);
        ec2.wait_until_vpc_peering_connection_exists().vpc_peering_connection_ids(&peering);
    }
}

/// More of most kinds of things than go on a page. The list of prefixes that has entries.
fn crowd(place: &Place, network: &Network) -> String {
    let data = json!({"ImageId": network.image, "InstanceType": "t3.micro"});
    let mut lists = Vec::new();
    for at in 0..CROWD {
        let vpc = json!({"CidrBlock": format!("10.{}.0.0/16", 20 + at)});
        let vpc = place.made("ec2", "CreateVpc", vpc, "/Vpc/VpcId");
        place.call("ec2", "CreateSubnet", json!({"VpcId": vpc, "CidrBlock": format!("10.{}.0.0/24", 20 + at)}));
        place.call("ec2", "CreateEgressOnlyInternetGateway", json!({"VpcId": vpc}));
        let gateway = place.made("ec2", "CreateInternetGateway", json!({}), "/InternetGateway/InternetGatewayId");
        place.call("ec2", "CreateTags", json!({"Resources": [gateway], "Tags": [{"Key": "of", "Value": "crowd"}]}));
        let service = json!({"VpcId": vpc, "ServiceName": format!("com.amazonaws.{REGION}.s3")});
        place.call("ec2", "CreateVpcEndpoint", service);
        network.peering(place, &vpc);
        let domain = json!({"DhcpConfigurations": [{"Key": "domain-name", "Values": [format!("example-{at}.com")]}]});
        place.call("ec2", "CreateDhcpOptions", domain);
        let entries: Vec<Value> = (0..CROWD).map(|entry| json!({"Cidr": format!("10.{entry}.0.0/16")})).collect();
        let list = json!({"PrefixListName": format!("list-{at}"), "MaxEntries": CROWD, "AddressFamily": "IPv4",
                          "Entries": entries});
        lists.push(place.made("ec2", "CreateManagedPrefixList", list, "/PrefixList/PrefixListId"));
        let template = json!({"LaunchTemplateName": format!("template-{at}"), "LaunchTemplateData": data});
        place.call("ec2", "CreateLaunchTemplate", template);
        if at > 0 {
            let version = json!({"LaunchTemplateName": "template-0", "LaunchTemplateData": data});
            place.call("ec2", "CreateLaunchTemplateVersion", version);
        }
        let volume = network.volume(place);
        place.call("ec2", "ModifyVolume", json!({"VolumeId": volume, "Size": 2}));
        place.call("ec2", "CreateSnapshot", json!({"VolumeId": volume}));
        place.call("ec2", "CreateNetworkInterface", json!({"SubnetId": network.subnet}));
        network.instance(place);
        network.nat_gateway(place);
    }
    lists.remove(0)
}

#[tokio::test]
async fn every_paginator_of_ec2_brings_everything() {
    let place = Place::new().await;
    let ec2 = aws_sdk_ec2::Client::new(&place.config);
    let list = crowd(&place, &Network::new(&place));
    macro_rules! of {
        ($($call:ident().$items:ident $count:expr;)+) => {
            $(parts!(ec2.$call().into_paginator().page_size(EC2_PAGE), $items, $count);)+
        };
    }
    of! {
        describe_addresses_attribute().addresses CROWD;
        describe_dhcp_options().dhcp_options CROWD;
        describe_egress_only_internet_gateways().egress_only_internet_gateways CROWD;
        describe_images().images CROWD;
        describe_instance_status().instance_statuses CROWD;
        describe_instance_type_offerings().instance_type_offerings CROWD;
        describe_instance_types().instance_types CROWD;
        describe_instances().reservations CROWD;
        describe_internet_gateways().internet_gateways CROWD;
        describe_launch_templates().launch_templates CROWD;
        describe_managed_prefix_lists().prefix_lists CROWD;
        describe_nat_gateways().nat_gateways CROWD;
        describe_network_acls().network_acls CROWD;
        describe_network_interfaces().network_interfaces CROWD;
        describe_route_tables().route_tables CROWD;
        describe_security_group_rules().security_group_rules CROWD;
        describe_security_groups().security_groups CROWD;
        describe_snapshot_tier_status().snapshot_tier_statuses CROWD;
        describe_snapshots().snapshots CROWD;
        describe_subnets().subnets CROWD;
        describe_tags().tags CROWD;
        describe_volume_status().volume_statuses CROWD;
        describe_volumes().volumes CROWD;
        describe_volumes_modifications().volumes_modifications CROWD;
        describe_vpc_endpoints().vpc_endpoints CROWD;
        describe_vpc_peering_connections().vpc_peering_connections CROWD;
        describe_vpcs().vpcs CROWD;
    }
    let versions = ec2.describe_launch_template_versions().launch_template_name("template-0");
    parts!(versions.into_paginator().page_size(EC2_PAGE), launch_template_versions, CROWD);
    let entries = ec2.get_managed_prefix_list_entries().prefix_list_id(list);
    parts!(entries.into_paginator().page_size(EC2_PAGE), entries, CROWD);
    // Of these there is less than a page here.
    assert_eq!(pages!(ec2.describe_instance_credit_specifications().into_paginator()).len(), 1);
    assert_eq!(pages!(ec2.describe_prefix_lists().into_paginator()).len(), 1);
    assert_eq!(pages!(ec2.describe_vpc_classic_link_dns_support().into_paginator()).len(), 1);
}

#[tokio::test]
async fn groups_are_waited_for_and_come_in_pages() {
    let place = Place::new().await;
    let autoscaling = aws_sdk_autoscaling::Client::new(&place.config);
    let Network { subnet, image, .. } = Network::new(&place);
    let data = json!({"ImageId": image, "InstanceType": "t3.micro"});
    place.call("ec2", "CreateLaunchTemplate", json!({"LaunchTemplateName": "few", "LaunchTemplateData": data}));
    let group = |name: &str| {
        json!({"AutoScalingGroupName": name, "MinSize": 1, "MaxSize": 9, "VPCZoneIdentifier": subnet,
               "LaunchTemplate": {"LaunchTemplateName": "few"}, "Tags": [{"Key": "of", "Value": "few"}]})
    };
    for at in 0..3 {
        place.call("autoscaling", "CreateAutoScalingGroup", group(&format!("few-{at}")));
        let named = |name: &str| json!({"AutoScalingGroupName": "few-0", name: format!("few-{at}")});
        let with = |mut input: Value, more: Value| {
            input.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            input
        };
        let simple = json!({"AdjustmentType": "ChangeInCapacity", "ScalingAdjustment": 1});
        place.call("autoscaling", "PutScalingPolicy", with(named("PolicyName"), simple));
        let daily = json!({"Recurrence": format!("{at} 3 * * *"), "MaxSize": 9});
        place.call("autoscaling", "PutScheduledUpdateGroupAction", with(named("ScheduledActionName"), daily));
        let topic = place.made("sns", "CreateTopic", json!({"Name": format!("few-{at}")}), "/TopicArn");
        let events = json!({"AutoScalingGroupName": "few-0", "TopicARN": topic,
                            "NotificationTypes": ["autoscaling:EC2_INSTANCE_LAUNCH"]});
        place.call("autoscaling", "PutNotificationConfiguration", events);
        let configuration = json!({"LaunchConfigurationName": format!("few-{at}")});
        place.call("autoscaling", "CreateLaunchConfiguration", with(configuration, data.clone()));
    }
    place.call("autoscaling", "PutWarmPool", json!({"AutoScalingGroupName": "few-0", "MinSize": 2}));
    place.call("autoscaling", "CreateAutoScalingGroup", group("gone"));
    place.call("autoscaling", "DeleteAutoScalingGroup", json!({"AutoScalingGroupName": "gone", "ForceDelete": true}));
    place.sandbox.advance(Duration::from_secs(60));
    waits! {
        autoscaling.wait_until_group_exists().auto_scaling_group_names("few-0");
        autoscaling.wait_until_group_in_service().auto_scaling_group_names("few-0");
        autoscaling.wait_until_group_not_exists().auto_scaling_group_names("gone");
    }
    macro_rules! of {
        ($($call:ident($($argument:ident)?).$items:ident $count:expr;)+) => {
            $(parts!(autoscaling.$call()$(.$argument("few-0"))?.into_paginator().page_size(1), $items, $count);)+
        };
    }
    of! {
        describe_auto_scaling_groups().auto_scaling_groups 3;
        describe_auto_scaling_instances().auto_scaling_instances 3;
        describe_launch_configurations().launch_configurations 3;
        describe_notification_configurations().notification_configurations 3;
        describe_policies().scaling_policies 3;
        describe_scaling_activities().activities 3;
        describe_scheduled_actions().scheduled_update_group_actions 3;
        describe_tags().tags 3;
        describe_warm_pool(auto_scaling_group_name).instances 2;
    }
    for _ in 0..2 {
        place.call("autoscaling", "StartInstanceRefresh", json!({"AutoScalingGroupName": "few-1"}));
        place.sandbox.advance(Duration::from_secs(600));
    }
    let refreshes = autoscaling.describe_instance_refreshes().auto_scaling_group_name("few-1");
    parts!(refreshes.into_paginator().page_size(1), instance_refreshes, 2);
    // A group here has none of these.
    let one = |pages: usize| assert_eq!(pages, 1);
    one(pages!(autoscaling.describe_load_balancers().auto_scaling_group_name("few-0").into_paginator()).len());
    one(pages!(autoscaling.describe_load_balancer_target_groups().auto_scaling_group_name("few-0").into_paginator())
        .len());
    one(pages!(autoscaling.describe_traffic_sources().auto_scaling_group_name("few-0").into_paginator()).len());
}

#[tokio::test]
async fn alarms_are_waited_for_and_come_in_pages() {
    let place = Place::new().await;
    let cloudwatch = aws_sdk_cloudwatch::Client::new(&place.config);
    for at in 0..3 {
        let name = format!("few-{at}");
        let alarm = json!({"AlarmName": name, "Namespace": "Few", "MetricName": "Depth", "Statistic": "Maximum",
                           "Period": 60, "EvaluationPeriods": 1, "Threshold": 1,
                           "ComparisonOperator": "GreaterThanThreshold"});
        place.call("cloudwatch", "PutMetricAlarm", alarm);
        let any = json!({"AlarmName": format!("any-{at}"), "AlarmRule": format!("ALARM(\"{name}\")")});
        place.call("cloudwatch", "PutCompositeAlarm", any);
        let nightly = json!({"Schedule": {"Expression": "cron(0 2 * * *)", "Duration": "PT4H"}});
        place.call("cloudwatch", "PutAlarmMuteRule", json!({"Name": name, "Rule": nightly}));
        place.call("cloudwatch", "PutDashboard", json!({"DashboardName": name, "DashboardBody": "{\"widgets\": []}"}));
        let rule = json!({"Schema": {"Name": "CloudWatchLogRule", "Version": 1}, "AggregateOn": "Count",
                          "Contribution": {"Filters": [], "Keys": ["$.ip"]}, "LogFormat": "JSON",
                          "LogGroupNames": ["few"]});
        place.call("cloudwatch", "PutInsightRule", json!({"RuleName": name, "RuleDefinition": rule.to_string()}));
        let datum = json!({"MetricName": format!("Depth{at}"), "Value": 1});
        place.call("cloudwatch", "PutMetricData", json!({"Namespace": "Few", "MetricData": [datum]}));
    }
    waits! {
        cloudwatch.wait_until_alarm_exists().alarm_names("few-0");
        cloudwatch.wait_until_composite_alarm_exists().alarm_names("any-0").alarm_types(AlarmType::CompositeAlarm);
        cloudwatch.wait_until_alarm_mute_rule_exists().alarm_mute_rule_name("few-0");
    }
    parts!(cloudwatch.describe_alarms().into_paginator().page_size(1), metric_alarms, 3);
    parts!(cloudwatch.describe_alarm_history().into_paginator().page_size(1), alarm_history_items, 3);
    parts!(cloudwatch.describe_insight_rules().into_paginator().page_size(1), insight_rules, 3);
    parts!(cloudwatch.list_alarm_mute_rules().into_paginator().page_size(1), alarm_mute_rule_summaries, 3);
    assert_eq!(pages!(cloudwatch.list_dashboards().into_paginator()).len(), 1);
    assert_eq!(pages!(cloudwatch.list_metrics().namespace("Few").into_paginator()).len(), 1);
}

#[tokio::test]
async fn topics_and_queues_come_in_pages() {
    let place = Place::new().await;
    let (sns, sqs) = (aws_sdk_sns::Client::new(&place.config), aws_sdk_sqs::Client::new(&place.config));
    let dead = place.made("sqs", "CreateQueue", json!({"QueueName": "dead"}), "/QueueUrl");
    let redrive =
        json!({"deadLetterTargetArn": format!("arn:aws:sqs:{REGION}:123456789012:dead"), "maxReceiveCount": 1});
    let key = json!({"PlatformCredential": "not checked"});
    let application = json!({"Name": "few", "Platform": "GCM", "Attributes": key});
    let application = place.made("sns", "CreatePlatformApplication", application, "/PlatformApplicationArn");
    let topic = place.made("sns", "CreateTopic", json!({"Name": "few"}), "/TopicArn");
    // SNS lets nobody choose how much a page of these holds: a hundred.
    for at in 0..101 {
        place.call("sns", "CreateTopic", json!({"Name": format!("few-{at}")}));
        let queue = format!("arn:aws:sqs:{REGION}:123456789012:few-{at}");
        place.call("sns", "Subscribe", json!({"TopicArn": topic, "Protocol": "sqs", "Endpoint": queue}));
        let device = json!({"PlatformApplicationArn": application, "Token": format!("few-{at}")});
        place.call("sns", "CreatePlatformEndpoint", device);
        let another = json!({"Name": format!("few-{at}"), "Platform": "GCM", "Attributes": key});
        place.call("sns", "CreatePlatformApplication", another);
    }
    for at in 0..3 {
        let attributes = json!({"RedrivePolicy": redrive.to_string()});
        place.call("sqs", "CreateQueue", json!({"QueueName": format!("few-{at}"), "Attributes": attributes}));
        place.call("sns", "CreateSMSSandboxPhoneNumber", json!({"PhoneNumber": format!("+8210123456{at}0")}));
    }
    parts!(sns.list_topics().into_paginator(), topics, 102);
    parts!(sns.list_subscriptions().into_paginator(), subscriptions, 101);
    parts!(sns.list_subscriptions_by_topic().topic_arn(&topic).into_paginator(), subscriptions, 101);
    parts!(sns.list_platform_applications().into_paginator(), platform_applications, 102);
    let devices = sns.list_endpoints_by_platform_application().platform_application_arn(&application);
    parts!(devices.into_paginator(), endpoints, 101);
    parts!(sns.list_sms_sandbox_phone_numbers().into_paginator().page_size(1), phone_numbers, 3);
    assert_eq!(pages!(sns.list_origination_numbers().into_paginator()).len(), 1);
    assert_eq!(pages!(sns.list_phone_numbers_opted_out().into_paginator()).len(), 1);
    parts!(sqs.list_queues().into_paginator().page_size(1), queue_urls, 4);
    parts!(sqs.list_dead_letter_source_queues().queue_url(&dead).into_paginator().page_size(1), queue_urls, 3);
}

#[tokio::test]
async fn sts_says_who_calls() {
    let place = Place::new().await;
    let who = aws_sdk_sts::Client::new(&place.config).get_caller_identity().send().await.expect("an answer");
    assert_eq!(who.account(), Some("123456789012"));
}
