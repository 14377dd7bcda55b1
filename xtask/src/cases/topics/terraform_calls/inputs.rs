//! What the provider sends: the members of each call, what each resource needs, and where answers carry identifiers.

use scaleproof::engine::names::Place;
use serde_json::{Value, json};

use super::Stage;
use crate::cases::api::{ACCOUNT, REGION};

/// Operation, path in its answer, and what is found there.
pub const IDENTIFIERS: &[(&str, &str, &str)] = &[
    ("CreateVpc", "/Vpc/VpcId", "vpc"),
    ("CreateSubnet", "/Subnet/SubnetId", "subnet"),
    ("CreateInternetGateway", "/InternetGateway/InternetGatewayId", "gateway"),
    ("CreateRouteTable", "/RouteTable/RouteTableId", "route table"),
    ("AssociateRouteTable", "/AssociationId", "association"),
    ("CreateSecurityGroup", "/GroupId", "security group"),
    ("CreateLaunchTemplate", "/LaunchTemplate/LaunchTemplateId", "launch template"),
    ("PutScalingPolicy", "/PolicyARN", "policy"),
    ("CreateTopic", "/TopicArn", "topic"),
    ("CreateQueue", "/QueueUrl", "queue"),
    ("Subscribe", "/SubscriptionArn", "subscription"),
];

/// Listings that have nothing to show for a resource that has just been made.
pub const MAY_BE_EMPTY: &[&str] = &["DescribeNetworkInterfaces", "DescribeScalingActivities", "DescribeImages"];

/// The kinds of a resource that have calls of the same names.
pub fn variants(resource: &str) -> &'static [&'static str] {
    match resource {
        "aws_autoscaling_policy" => &["SimpleScaling", "StepScaling", "TargetTrackingScaling"],
        _ => &[""],
    }
}

/// What must be there before the resource.
pub fn needs(resource: &str) -> &'static [&'static str] {
    match resource {
        "aws_subnet" | "aws_internet_gateway" | "aws_security_group" => &["aws_vpc"],
        "aws_route_table" => &["aws_vpc", "aws_internet_gateway"],
        "aws_route_table_association" => &["aws_route_table", "aws_subnet"],
        "aws_route" => &["aws_route_table", "aws_internet_gateway"],
        "aws_security_group_rule" => &["aws_security_group"],
        "aws_autoscaling_group" => &["aws_subnet", "aws_launch_template"],
        "aws_autoscaling_policy" | "aws_autoscaling_schedule" | "aws_autoscaling_lifecycle_hook" => {
            &["aws_autoscaling_group"]
        }
        "aws_autoscaling_notification" => &["aws_autoscaling_group", "aws_sns_topic"],
        "aws_sns_topic_policy" => &["aws_sns_topic"],
        "aws_sns_topic_subscription" => &["aws_sns_topic", "aws_sqs_queue"],
        "aws_cloudwatch_composite_alarm" => &["aws_cloudwatch_metric_alarm"],
        _ => &[],
    }
}

/// The calls that make a resource.
pub fn creation(resource: &str) -> &'static [&'static str] {
    match resource {
        "aws_vpc" => &["ec2:CreateVpc"],
        "aws_subnet" => &["ec2:CreateSubnet"],
        "aws_internet_gateway" => &["ec2:CreateInternetGateway", "ec2:AttachInternetGateway"],
        "aws_route_table" => &["ec2:CreateRouteTable", "ec2:CreateRoute"],
        "aws_route" => &["ec2:CreateRoute"],
        "aws_route_table_association" => &["ec2:AssociateRouteTable"],
        "aws_security_group" => &["ec2:CreateSecurityGroup", "ec2:RevokeSecurityGroupEgress"],
        "aws_security_group_rule" => &["ec2:AuthorizeSecurityGroupIngress"],
        "aws_launch_template" => &["ec2:CreateLaunchTemplate"],
        "aws_launch_configuration" => &["autoscaling:CreateLaunchConfiguration"],
        "aws_autoscaling_group" => &["autoscaling:CreateAutoScalingGroup"],
        "aws_autoscaling_policy" => &["autoscaling:PutScalingPolicy"],
        "aws_autoscaling_schedule" => &["autoscaling:PutScheduledUpdateGroupAction"],
        "aws_autoscaling_lifecycle_hook" => &["autoscaling:PutLifecycleHook"],
        "aws_autoscaling_notification" => &["autoscaling:PutNotificationConfiguration"],
        "aws_sns_topic" => &["sns:CreateTopic"],
        "aws_sns_topic_policy" => &["sns:SetTopicAttributes"],
        "aws_sns_topic_subscription" => &["sns:Subscribe"],
        "aws_sqs_queue" => &["sqs:CreateQueue"],
        "aws_cloudwatch_metric_alarm" => &["monitoring:PutMetricAlarm"],
        "aws_cloudwatch_composite_alarm" => &["monitoring:PutCompositeAlarm"],
        _ => &[],
    }
}

/// The inputs of `api` in the order in which the provider sends them; a case writes repeats of one call once.
pub fn of(stage: &mut Stage, resource: &str, operation: &str, api: &str) -> Result<Vec<Value>, String> {
    let several = match (api, resource) {
        ("DescribeVpcAttribute", _) => {
            let vpc = stage.id("vpc")?;
            let mut attributes = vec!["enableDnsHostnames", "enableDnsSupport"];
            if stage.provider >= 5 {
                attributes.push("enableNetworkAddressUsageMetrics");
            }
            attributes.into_iter().map(|attribute| json!({"VpcId": vpc, "Attribute": attribute})).collect()
        }
        // Fifty instances a call; none in a group that has none.
        ("SetInstanceProtection", _) => {
            let call = |ids: &[Value]| json!({"AutoScalingGroupName": GROUP, "InstanceIds": ids, "ProtectedFromScaleIn": false});
            stage.instances(GROUP)?.chunks(50).map(call).collect()
        }
        ("SetTopicAttributes", "aws_sns_topic") => {
            let topic = stage.id("topic")?;
            let rates = ["Application", "HTTP", "Lambda", "SQS", "Firehose"];
            let rate = |protocol| {
                json!({"TopicArn": topic, "AttributeValue": "0",
                "AttributeName": format!("{protocol}SuccessFeedbackSampleRate")})
            };
            rates.into_iter().map(rate).collect()
        }
        _ => return one(stage, resource, operation, api).map(|input| vec![input]),
    };
    Ok(several)
}

fn one(stage: &mut Stage, resource: &str, operation: &str, api: &str) -> Result<Value, String> {
    if ["CreateLaunchTemplate", "CreateLaunchTemplateVersion", "CreateLaunchConfiguration", "DescribeImages"]
        .contains(&api)
    {
        return launch(stage, api);
    }
    let found = network(stage, resource, api)?;
    let found = found.map_or_else(|| scaling(stage, api), |input| Ok(Some(input)))?;
    let found = found.map_or_else(|| alerting(stage, resource, operation, api), |input| Ok(Some(input)))?;
    found.ok_or_else(|| format!("the adapter does not know what {resource} sends to {api}"))
}

fn filter(name: &str, value: &str) -> Value {
    json!({"Name": name, "Values": [value]})
}

fn network(stage: &Stage, resource: &str, api: &str) -> Result<Option<Value>, String> {
    let id = |name: &str| stage.id(name);
    Ok(Some(match (api, resource) {
        ("CreateVpc", _) => json!({"CidrBlock": "10.0.0.0/16", "InstanceTenancy": "default",
            "AmazonProvidedIpv6CidrBlock": false}),
        ("ModifyVpcAttribute", _) => json!({"VpcId": id("vpc")?, "EnableDnsHostnames": {"Value": true}}),
        ("DescribeVpcs" | "DescribeVpcClassicLink" | "DescribeVpcClassicLinkDnsSupport", _) => {
            json!({"VpcIds": [id("vpc")?]})
        }
        ("DeleteVpc", _) => json!({"VpcId": id("vpc")?}),
        ("DescribeNetworkAcls", _) => {
            json!({"Filters": [filter("default", "true"), filter("vpc-id", id("vpc")?)]})
        }
        ("DescribeRouteTables", "aws_vpc") => {
            json!({"Filters": [filter("association.main", "true"), filter("vpc-id", id("vpc")?)]})
        }
        ("DescribeRouteTables", "aws_route_table_association") => {
            json!({"Filters": [filter("association.route-table-association-id", id("association")?)]})
        }
        ("DescribeRouteTables", _) => json!({"RouteTableIds": [id("route table")?]}),
        ("DescribeSecurityGroups", "aws_vpc") => {
            json!({"Filters": [filter("group-name", "default"), filter("vpc-id", id("vpc")?)]})
        }
        ("DescribeSecurityGroups", _) => json!({"GroupIds": [id("security group")?]}),
        ("CreateSubnet", _) => json!({"VpcId": id("vpc")?, "CidrBlock": "10.0.1.0/24",
            "AvailabilityZone": format!("{REGION}a")}),
        ("DescribeSubnets", _) => json!({"SubnetIds": [id("subnet")?]}),
        ("ModifySubnetAttribute", _) => {
            json!({"SubnetId": id("subnet")?, "MapPublicIpOnLaunch": {"Value": true}})
        }
        ("DeleteSubnet", _) => json!({"SubnetId": id("subnet")?}),
        ("DescribeNetworkInterfaces", "aws_security_group") => {
            json!({"Filters": [filter("group-id", id("security group")?)]})
        }
        ("DescribeNetworkInterfaces", _) => json!({"Filters": [filter("subnet-id", id("subnet")?)]}),
        ("CreateInternetGateway", _) => json!({}),
        ("AttachInternetGateway" | "DetachInternetGateway", _) => {
            json!({"InternetGatewayId": id("gateway")?, "VpcId": id("vpc")?})
        }
        ("DescribeInternetGateways", _) => json!({"InternetGatewayIds": [id("gateway")?]}),
        ("DeleteInternetGateway", _) => json!({"InternetGatewayId": id("gateway")?}),
        ("CreateRouteTable", _) => json!({"VpcId": id("vpc")?}),
        ("CreateRoute", "aws_route") => json!({"RouteTableId": id("route table")?, "GatewayId": id("gateway")?,
            "DestinationCidrBlock": "192.168.0.0/16"}),
        ("CreateRoute", _) => json!({"RouteTableId": id("route table")?, "GatewayId": id("gateway")?,
            "DestinationCidrBlock": "0.0.0.0/0"}),
        ("DeleteRoute", _) => {
            json!({"RouteTableId": id("route table")?, "DestinationCidrBlock": "192.168.0.0/16"})
        }
        ("DeleteRouteTable", _) => json!({"RouteTableId": id("route table")?}),
        ("AssociateRouteTable", _) => json!({"RouteTableId": id("route table")?, "SubnetId": id("subnet")?}),
        ("DisassociateRouteTable", _) => json!({"AssociationId": id("association")?}),
        ("CreateSecurityGroup", _) => json!({"GroupName": "web", "Description": "web", "VpcId": id("vpc")?}),
        ("RevokeSecurityGroupEgress", _) => {
            json!({"GroupId": id("security group")?, "IpPermissions": [rule("-1", None)]})
        }
        ("AuthorizeSecurityGroupEgress", _) => {
            json!({"GroupId": id("security group")?, "IpPermissions": [rule("-1", None)]})
        }
        ("AuthorizeSecurityGroupIngress" | "RevokeSecurityGroupIngress", _) => {
            json!({"GroupId": id("security group")?, "IpPermissions": [rule("tcp", Some(22))]})
        }
        ("DescribeSecurityGroupRules", _) => json!({"Filters": [filter("group-id", id("security group")?)]}),
        ("DeleteSecurityGroup", _) => json!({"GroupId": id("security group")?}),
        ("DescribeLaunchTemplates", _) => json!({"LaunchTemplateIds": [id("launch template")?]}),
        ("DescribeLaunchTemplateVersions", _) => {
            json!({"LaunchTemplateId": id("launch template")?, "Versions": ["1"]})
        }
        ("ModifyLaunchTemplate", _) => {
            json!({"LaunchTemplateId": id("launch template")?, "DefaultVersion": "1"})
        }
        ("DeleteLaunchTemplate", _) => json!({"LaunchTemplateId": id("launch template")?}),
        ("DescribeAccountAttributes", _) => json!({"AttributeNames": ["supported-platforms"]}),
        ("DescribeAvailabilityZones", _) => json!({"Filters": [filter("state", "available")]}),
        _ => return Ok(None),
    }))
}

fn rule(protocol: &str, port: Option<u32>) -> Value {
    let mut rule = json!({"IpProtocol": protocol, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]});
    if let Some(port) = port {
        rule["FromPort"] = port.into();
        rule["ToPort"] = port.into();
    }
    rule
}

fn launch(stage: &mut Stage, api: &str) -> Result<Value, String> {
    let image = stage.image()?;
    let data = json!({"ImageId": image, "InstanceType": "t2.nano"});
    Ok(match api {
        "CreateLaunchTemplate" => json!({"LaunchTemplateName": "web", "LaunchTemplateData": data}),
        "CreateLaunchTemplateVersion" => {
            json!({"LaunchTemplateId": stage.id("launch template")?, "LaunchTemplateData": data})
        }
        "CreateLaunchConfiguration" => json!({"LaunchConfigurationName": "web", "ImageId": image,
            "InstanceType": "t2.nano", "InstanceMonitoring": {"Enabled": true}, "EbsOptimized": false}),
        _ => json!({"ImageIds": [image]}),
    })
}

const GROUP: &str = "web";

fn scaling(stage: &Stage, api: &str) -> Result<Option<Value>, String> {
    Ok(Some(match api {
        "DescribeLaunchConfigurations" => json!({"LaunchConfigurationNames": ["web"]}),
        "DeleteLaunchConfiguration" => json!({"LaunchConfigurationName": "web"}),
        "CreateAutoScalingGroup" => json!({
            "AutoScalingGroupName": GROUP,
            "LaunchTemplate": {"LaunchTemplateId": stage.id("launch template")?, "Version": "1"},
            "MinSize": 1, "MaxSize": 3, "DesiredCapacity": 1,
            "VPCZoneIdentifier": stage.id("subnet")?,
            "HealthCheckType": "EC2", "HealthCheckGracePeriod": 300,
            "NewInstancesProtectedFromScaleIn": false,
            "Tags": [{"Key": "Name", "Value": "web", "PropagateAtLaunch": true, "ResourceId": GROUP,
                "ResourceType": "auto-scaling-group"}],
        }),
        "DescribeScalingActivities" => json!({"AutoScalingGroupName": GROUP}),
        "DescribeAutoScalingGroups" => json!({"AutoScalingGroupNames": [GROUP]}),
        "EnableMetricsCollection" => json!({"AutoScalingGroupName": GROUP, "Granularity": "1Minute",
            "Metrics": ["GroupDesiredCapacity", "GroupInServiceInstances"]}),
        "DisableMetricsCollection" => json!({"AutoScalingGroupName": GROUP}),
        "UpdateAutoScalingGroup" => {
            json!({"AutoScalingGroupName": GROUP, "MinSize": 0, "MaxSize": 0, "DesiredCapacity": 0})
        }
        "DeleteAutoScalingGroup" => json!({"AutoScalingGroupName": GROUP, "ForceDelete": false}),
        "PutScalingPolicy" => scaling_policy(stage.variant),
        "DescribePolicies" => json!({"AutoScalingGroupName": GROUP, "PolicyNames": ["policy"]}),
        "DeletePolicy" => json!({"AutoScalingGroupName": GROUP, "PolicyName": "policy"}),
        "PutScheduledUpdateGroupAction" => json!({"AutoScalingGroupName": GROUP, "ScheduledActionName": "morning",
            "Recurrence": "0 8 * * 1-5", "MinSize": 1, "MaxSize": 3, "DesiredCapacity": 2}),
        "DescribeScheduledActions" => {
            json!({"AutoScalingGroupName": GROUP, "ScheduledActionNames": ["morning"]})
        }
        "DeleteScheduledAction" => json!({"AutoScalingGroupName": GROUP, "ScheduledActionName": "morning"}),
        "PutLifecycleHook" => json!({"AutoScalingGroupName": GROUP, "LifecycleHookName": "hook",
            "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING", "DefaultResult": "CONTINUE",
            "HeartbeatTimeout": 60}),
        "DescribeLifecycleHooks" => json!({"AutoScalingGroupName": GROUP, "LifecycleHookNames": ["hook"]}),
        "DeleteLifecycleHook" => json!({"AutoScalingGroupName": GROUP, "LifecycleHookName": "hook"}),
        "PutNotificationConfiguration" => json!({"AutoScalingGroupName": GROUP, "TopicARN": stage.id("topic")?,
            "NotificationTypes": ["autoscaling:EC2_INSTANCE_LAUNCH", "autoscaling:EC2_INSTANCE_TERMINATE"]}),
        "DescribeNotificationConfigurations" => json!({"AutoScalingGroupNames": [GROUP]}),
        "DeleteNotificationConfiguration" => {
            json!({"AutoScalingGroupName": GROUP, "TopicARN": stage.id("topic")?})
        }
        _ => return Ok(None),
    }))
}

fn scaling_policy(kind: &str) -> Value {
    let mut policy = json!({"AutoScalingGroupName": GROUP, "PolicyName": "policy", "PolicyType": kind});
    match kind {
        "StepScaling" => {
            policy["AdjustmentType"] = "ChangeInCapacity".into();
            policy["MetricAggregationType"] = "Average".into();
            policy["EstimatedInstanceWarmup"] = 60.into();
            policy["StepAdjustments"] = json!([
                {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 20, "ScalingAdjustment": 1},
                {"MetricIntervalLowerBound": 20, "ScalingAdjustment": 2},
            ]);
        }
        "TargetTrackingScaling" => {
            policy["TargetTrackingConfiguration"] = json!({
                "PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"},
                "TargetValue": 50.0, "DisableScaleIn": false,
            });
        }
        _ => {
            policy["AdjustmentType"] = "ChangeInCapacity".into();
            policy["ScalingAdjustment"] = 1.into();
            policy["Cooldown"] = 300.into();
        }
    }
    policy
}

fn alerting(stage: &Stage, resource: &str, operation: &str, api: &str) -> Result<Option<Value>, String> {
    let alarm = |name: &str| format!("arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}");
    let composite = resource == "aws_cloudwatch_composite_alarm";
    let name = if composite { "any" } else { "high" };
    Ok(Some(match (api, resource) {
        ("CreateTopic", _) => json!({"Name": "alerts"}),
        ("SetTopicAttributes", "aws_sns_topic_policy") => json!({"TopicArn": stage.id("topic")?,
            "AttributeName": "Policy", "AttributeValue": topic_policy(stage.id("topic")?, operation)}),
        ("GetTopicAttributes" | "DeleteTopic" | "ListSubscriptionsByTopic", _) => {
            json!({"TopicArn": stage.id("topic")?})
        }
        ("ListTagsForResource", "aws_sns_topic") => json!({"ResourceArn": stage.id("topic")?}),
        ("Subscribe", _) => json!({"TopicArn": stage.id("topic")?, "Protocol": "sqs", "Endpoint": queue_arn(),
            "ReturnSubscriptionArn": true}),
        ("GetSubscriptionAttributes" | "Unsubscribe", _) => {
            json!({"SubscriptionArn": stage.id("subscription")?})
        }
        ("CreateQueue", _) => json!({"QueueName": "inbox", "Attributes": {"VisibilityTimeout": "30"}}),
        ("GetQueueAttributes", _) => json!({"QueueUrl": stage.id("queue")?, "AttributeNames": ["All"]}),
        ("SetQueueAttributes", _) => {
            json!({"QueueUrl": stage.id("queue")?, "Attributes": {"VisibilityTimeout": "60"}})
        }
        ("ListQueueTags" | "DeleteQueue", _) => json!({"QueueUrl": stage.id("queue")?}),
        ("PutMetricAlarm", _) => json!({
            "AlarmName": "high", "AlarmDescription": "", "ActionsEnabled": true,
            "Namespace": "AWS/EC2", "MetricName": "CPUUtilization", "Statistic": "Average",
            "Dimensions": [{"Name": "AutoScalingGroupName", "Value": GROUP}],
            "ComparisonOperator": "GreaterThanThreshold", "Threshold": 50.0, "Period": 60, "EvaluationPeriods": 2,
            "TreatMissingData": "missing",
        }),
        ("PutCompositeAlarm", _) => {
            json!({"AlarmName": "any", "AlarmRule": "ALARM(high)", "ActionsEnabled": true})
        }
        // Older providers do not say which kind of alarm they mean.
        ("DescribeAlarms", _) if stage.provider < 5 && !composite => json!({"AlarmNames": [name]}),
        ("DescribeAlarms", _) => {
            let kind = if composite { "CompositeAlarm" } else { "MetricAlarm" };
            json!({"AlarmNames": [name], "AlarmTypes": [kind]})
        }
        ("ListTagsForResource", _) => json!({"ResourceARN": alarm(name)}),
        ("DeleteAlarms", _) => json!({"AlarmNames": [name]}),
        ("GetCallerIdentity", _) => json!({}),
        _ => return Ok(None),
    }))
}

fn queue_arn() -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:inbox")
}

/// Destroying a topic's policy puts the default one back.
fn topic_policy(topic: &str, operation: &str) -> String {
    if operation == "destroy" {
        let place = Place::new(REGION, ACCOUNT);
        return scaleproof::engine::topics::default_policy(&place, &topic.into()).to_string();
    }
    json!({"Version": "2012-10-17", "Statement": [{
        "Sid": "alarms", "Effect": "Allow", "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": "sns:Publish", "Resource": topic,
    }]})
    .to_string()
}
