//! The service as a client calls it, with groups beside it.

use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::engine::groups::Timing;
use crate::sandbox::universe::Universe;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// A default network in which somebody calls.
struct Account {
    universe: Universe,
    now: Timestamp,
    vpc: String,
    /// One in each of the first two zones.
    subnets: Vec<String>,
}

impl Account {
    fn new(timing: Timing) -> Self {
        let universe = Universe::new("123456789012", 1, timing);
        let mut account = Self { universe, now: NOW, vpc: String::new(), subnets: Vec::new() };
        let subnets = account.ask("ec2", "DescribeSubnets", json!({}));
        let mut found: Vec<&Value> = subnets["Subnets"].as_array().unwrap().iter().collect();
        found.sort_by_key(|subnet| subnet["AvailabilityZone"].as_str());
        account.vpc = text(&found[0]["VpcId"]);
        account.subnets = found.iter().take(2).map(|subnet| text(&subnet["SubnetId"])).collect();
        account
    }

    fn call(&mut self, service: &str, operation: &str, input: Value) -> Result<Value, String> {
        let called = self.universe.call(self.now, "eu-west-1", service, operation, input);
        called.map_err(|refusal| refusal.to_string())
    }

    fn ask(&mut self, service: &str, operation: &str, input: Value) -> Value {
        self.call(service, operation, input).unwrap_or_else(|refusal| panic!("{operation}: {refusal}"))
    }

    fn elb(&mut self, operation: &str, input: Value) -> Value {
        self.ask("elbv2", operation, input)
    }

    fn refused(&mut self, operation: &str, input: Value) -> String {
        self.call("elbv2", operation, input).unwrap_err()
    }

    fn wait(&mut self, secs: u64) {
        self.now = self.now + std::time::Duration::from_secs(secs);
    }

    fn balancer(&mut self, name: &str) -> String {
        let subnets = self.subnets.clone();
        let made = self.elb("CreateLoadBalancer", json!({"Name": name, "Subnets": subnets}));
        text(&made["LoadBalancers"][0]["LoadBalancerArn"])
    }

    fn target_group(&mut self, name: &str) -> String {
        let vpc = self.vpc.clone();
        let wanted = json!({"Name": name, "Protocol": "HTTP", "Port": 80, "VpcId": vpc});
        text(&self.elb("CreateTargetGroup", wanted)["TargetGroups"][0]["TargetGroupArn"])
    }

    fn listener(&mut self, balancer: &str, target_group: &str) -> String {
        let made = self.elb(
            "CreateListener",
            json!({
                "LoadBalancerArn": balancer, "Protocol": "HTTP", "Port": 80,
                "DefaultActions": [{"Type": "forward", "TargetGroupArn": target_group}],
            }),
        );
        text(&made["Listeners"][0]["ListenerArn"])
    }

    fn instance(&mut self) -> String {
        let images = self.ask("ec2", "DescribeImages", json!({"Owners": ["amazon"]}));
        let wanted = json!({
            "ImageId": images["Images"][0]["ImageId"], "MinCount": 1, "MaxCount": 1, "InstanceType": "t3.nano",
            "SubnetId": self.subnets[0],
        });
        let made = self.ask("ec2", "RunInstances", wanted);
        text(&made["Instances"][0]["InstanceId"])
    }

    /// State and reason of every target, or of one.
    fn health(&mut self, target_group: &str, targets: Value) -> Vec<String> {
        let described = self.elb("DescribeTargetHealth", json!({"TargetGroupArn": target_group, "Targets": targets}));
        let described = described["TargetHealthDescriptions"].as_array().cloned().unwrap_or_default();
        let show = |one: &Value| {
            let health = &one["TargetHealth"];
            format!("{} {}", text(&health["State"]), health["Reason"].as_str().unwrap_or_default()).trim().to_string()
        };
        described.iter().map(show).collect()
    }

    fn group(&mut self, desired: u32, more: Value) {
        let images = self.ask("ec2", "DescribeImages", json!({"Owners": ["amazon"]}));
        let data = json!({"ImageId": images["Images"][0]["ImageId"], "InstanceType": "t3.nano"});
        self.ask("ec2", "CreateLaunchTemplate", json!({"LaunchTemplateName": "web", "LaunchTemplateData": data}));
        let mut wanted = json!({
            "AutoScalingGroupName": "web", "MinSize": 0, "MaxSize": 4, "DesiredCapacity": desired,
            "LaunchTemplate": {"LaunchTemplateName": "web"}, "VPCZoneIdentifier": self.subnets.join(","),
        });
        wanted.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.ask("autoscaling", "CreateAutoScalingGroup", wanted);
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_string()
}

/// The defaults are those of the API reference's examples and of CreateTargetGroup.
#[test]
fn what_is_made_is_described_with_awss_defaults() {
    let mut account = Account::new(Timing::Realistic);
    let (balancer, target_group) = (account.balancer("web"), account.target_group("web"));
    let described = account.elb("DescribeLoadBalancers", json!({"Names": ["web"]}))["LoadBalancers"][0].clone();
    assert_eq!(described["LoadBalancerArn"], json!(balancer));
    assert!(
        balancer.starts_with("arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/"),
        "{balancer}"
    );
    assert_eq!(described["State"], json!({"Code": "provisioning"}));
    assert_eq!((&described["Scheme"], &described["Type"]), (&json!("internet-facing"), &json!("application")));
    assert_eq!((&described["IpAddressType"], &described["VpcId"]), (&json!("ipv4"), &json!(account.vpc)));
    assert_eq!(described["SecurityGroups"].as_array().map(Vec::len), Some(1), "the VPC's default one");
    assert_eq!(described["CanonicalHostedZoneId"], json!("Z32O12XQLNTSW2"));
    account.wait(150);
    let described = account.elb("DescribeLoadBalancers", json!({"LoadBalancerArns": [balancer]}));
    assert_eq!(described["LoadBalancers"][0]["State"], json!({"Code": "active"}));

    let shown =
        account.elb("DescribeTargetGroups", json!({"TargetGroupArns": [target_group]}))["TargetGroups"][0].clone();
    for (member, expected) in [
        ("HealthCheckProtocol", json!("HTTP")),
        ("HealthCheckPort", json!("traffic-port")),
        ("HealthCheckPath", json!("/")),
        ("HealthCheckIntervalSeconds", json!(30)),
        ("HealthCheckTimeoutSeconds", json!(5)),
        ("HealthyThresholdCount", json!(5)),
        ("UnhealthyThresholdCount", json!(2)),
        ("Matcher", json!({"HttpCode": "200"})),
        ("TargetType", json!("instance")),
        ("ProtocolVersion", json!("HTTP1")),
        ("LoadBalancerArns", json!([])),
    ] {
        assert_eq!(shown[member], expected, "{member}");
    }
    let listener = account.listener(&balancer, &target_group);
    let rules = account.elb("DescribeRules", json!({"ListenerArn": listener}))["Rules"].clone();
    assert_eq!((&rules[0]["Priority"], &rules[0]["IsDefault"]), (&json!("default"), &json!(true)));
    assert_eq!(rules[0]["Actions"][0]["ForwardConfig"]["TargetGroups"][0]["Weight"], json!(1));
    let shown = account.elb("DescribeTargetGroups", json!({"LoadBalancerArn": balancer}))["TargetGroups"][0].clone();
    assert_eq!(shown["LoadBalancerArns"], json!([balancer]));
}

/// Codes are those of the service model; texts are AWS's where users published them.
#[test]
fn what_cannot_be_is_refused_in_awss_words() {
    let mut account = Account::new(Timing::Instant);
    let balancer = account.balancer("web");
    let (subnets, vpc) = (account.subnets.clone(), account.vpc.clone());
    let missing = balancer.replace("/web/", "/no/");
    let actions = json!([{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}]);
    let listener = |protocol: &str| json!({"LoadBalancerArn": balancer, "Protocol": protocol, "Port": 80, "DefaultActions": actions});
    for (operation, input, expected) in [
        ("DescribeLoadBalancers", json!({"Names": ["no"]}), "LoadBalancerNotFound: Load balancers '[no]' not found"),
        (
            "DescribeLoadBalancers",
            json!({"LoadBalancerArns": [missing]}),
            "LoadBalancerNotFound: One or more load balancers not found",
        ),
        (
            "DescribeLoadBalancers",
            json!({"LoadBalancerArns": ["web"]}),
            "ValidationError: 'web' is not a valid load balancer ARN",
        ),
        ("DescribeTargetGroups", json!({"Names": ["no"]}), "TargetGroupNotFound: One or more target groups not found"),
        (
            "CreateLoadBalancer",
            json!({"Name": "one", "Subnets": [subnets[0]]}),
            "ValidationError: At least two subnets in two different Availability Zones must be specified",
        ),
        (
            "CreateLoadBalancer",
            json!({"Name": "one", "Subnets": ["subnet-1", subnets[0]]}),
            "SubnetNotFound: The subnet ID 'subnet-1' does not exist",
        ),
        (
            "CreateLoadBalancer",
            json!({"Name": "one", "Subnets": subnets, "SecurityGroups": ["sg-1"]}),
            "InvalidConfigurationRequest: One or more security groups are invalid",
        ),
        (
            "CreateLoadBalancer",
            json!({"Name": "one", "Type": "gateway", "Subnets": subnets}),
            "InvalidParameterCombination: The type gateway of load balancers is not reproduced by scaleproof's sandbox",
        ),
        (
            "CreateTargetGroup",
            json!({"Name": "one", "Protocol": "HTTP", "Port": 80, "VpcId": "vpc-1"}),
            "ValidationError: The VPC ID 'vpc-1' is not found",
        ),
        (
            "CreateTargetGroup",
            json!({"Name": "one", "TargetType": "lambda"}),
            "InvalidParameterCombination: The target type lambda is not reproduced by scaleproof's sandbox",
        ),
        (
            "CreateTargetGroup",
            json!({"Name": "one", "Protocol": "HTTP", "VpcId": vpc}),
            "ValidationError: A port must be specified",
        ),
        ("CreateListener", listener("HTTPS"), "ValidationError: A certificate must be specified for HTTPS listeners"),
        (
            "ModifyLoadBalancerAttributes",
            json!({"LoadBalancerArn": balancer, "Attributes": [{"Key": "access_logs.s3.enabled", "Value": "true"}]}),
            "InvalidParameterCombination: Load balancer attribute 'access_logs.s3.enabled' is not reproduced by scaleproof's \
             sandbox",
        ),
        ("DeleteListener", json!({"ListenerArn": "web"}), "ValidationError: 'web' is not a valid listener ARN"),
    ] {
        assert_eq!(account.refused(operation, input), expected);
    }
    let certificate = "arn:aws:acm:us-east-1:123456789012:certificate/0f4a";
    let mut secure = listener("HTTPS");
    secure["Port"] = json!(443);
    secure["Certificates"] = json!([{"CertificateArn": certificate}]);
    let made = account.elb("CreateListener", secure);
    let made = &made["Listeners"][0];
    assert_eq!(made["Certificates"], json!([{"CertificateArn": certificate}]));
    assert_eq!(made["SslPolicy"], "ELBSecurityPolicy-2016-08");
    let found = account.elb("DescribeListenerCertificates", json!({"ListenerArn": made["ListenerArn"]}));
    assert_eq!(found["Certificates"], json!([{"CertificateArn": certificate, "IsDefault": true}]));
    account.elb("CreateListener", listener("HTTP"));
    let twice = account.refused("CreateListener", listener("HTTP"));
    assert_eq!(
        twice,
        format!("DuplicateListener: A listener already exists on this port for this load balancer '{balancer}'")
    );
}

#[test]
fn targets_are_registered_described_and_deregistered() {
    let mut account = Account::new(Timing::Instant);
    let (balancer, target_group) = (account.balancer("web"), account.target_group("web"));
    let id = account.instance();
    let targets = json!([{"Id": id}]);
    assert_eq!(account.health(&target_group, targets.clone()), ["unused Target.NotRegistered"]);
    let input = json!({"TargetGroupArn": target_group, "Targets": targets});
    account.elb("RegisterTargets", input.clone());
    assert_eq!(account.health(&target_group, json!([])), ["unused Target.NotInUse"]);
    account.listener(&balancer, &target_group);
    assert_eq!(account.health(&target_group, json!([])), ["healthy"]);
    account.ask("ec2", "StopInstances", json!({"InstanceIds": [id]}));
    assert_eq!(account.health(&target_group, json!([])), ["unused Target.InvalidState"]);
    let refused = account.refused("RegisterTargets", input.clone());
    let text = "InvalidTarget: The following targets are not in a running state and cannot be registered";
    assert_eq!(refused, format!("{text}: '{id}'"));
    account.elb("DeregisterTargets", input);
    assert_eq!(account.health(&target_group, json!([])), Vec::<String>::new());
    let nobody = json!({"TargetGroupArn": target_group, "Targets": [{"Id": "i-0123456789abcdef0"}]});
    let refused = account.refused("RegisterTargets", nobody);
    assert_eq!(refused, "InvalidTarget: Instance ID 'i-0123456789abcdef0' is not valid");
}

/// Source: EC2 and Elastic Load Balancing user guides: load balancers have a network interface in each subnet.
#[test]
fn a_load_balancer_keeps_its_subnets_and_security_groups_in_use() {
    let mut account = Account::new(Timing::Instant);
    let vpc = account.vpc.clone();
    let group = json!({"GroupName": "lb", "Description": "of the load balancer", "VpcId": vpc});
    let group = text(&account.ask("ec2", "CreateSecurityGroup", group)["GroupId"]);
    let balancer = account.balancer("web");
    let set = json!({"LoadBalancerArn": balancer, "SecurityGroups": [group]});
    assert_eq!(account.elb("SetSecurityGroups", set)["SecurityGroupIds"], json!([group]));
    let subnet = account.subnets[0].clone();
    let filters = json!([{"Name": "attachment.instance-owner-id", "Values": ["amazon-elb"]}]);
    let count = |account: &mut Account| {
        let found = account.ask("ec2", "DescribeNetworkInterfaces", json!({"Filters": filters}));
        found["NetworkInterfaces"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(count(&mut account), 2);
    for (operation, input) in
        [("DeleteSubnet", json!({"SubnetId": subnet})), ("DeleteSecurityGroup", json!({"GroupId": group}))]
    {
        let refused = account.call("ec2", operation, input).unwrap_err();
        assert!(refused.starts_with("DependencyViolation"), "{operation}: {refused}");
    }
    account.elb("DeleteLoadBalancer", json!({"LoadBalancerArn": balancer}));
    assert_eq!(count(&mut account), 0);
    account.ask("ec2", "DeleteSecurityGroup", json!({"GroupId": group}));
}

#[test]
fn a_groups_sources_go_through_their_states() {
    let mut account = Account::new(Timing::Realistic);
    let (balancer, target_group) = (account.balancer("web"), account.target_group("web"));
    account.listener(&balancer, &target_group);
    account.group(1, json!({"TargetGroupARNs": [target_group], "HealthCheckType": "ELB"}));
    let states = |account: &mut Account| {
        let input = json!({"AutoScalingGroupName": "web"});
        let groups = account.ask("autoscaling", "DescribeLoadBalancerTargetGroups", input.clone());
        let sources = account.ask("autoscaling", "DescribeTrafficSources", input);
        let one = groups["LoadBalancerTargetGroups"][0]["State"].clone();
        assert_eq!(one, sources["TrafficSources"][0]["State"], "both ways say the same");
        one.as_str().unwrap_or("none").to_string()
    };
    assert_eq!(states(&mut account), "Added", "there is no instance to add");
    account.wait(60);
    assert_eq!(states(&mut account), "Adding");
    account.wait(110);
    assert_eq!(states(&mut account), "Added");
    account.wait(30);
    assert_eq!(states(&mut account), "InService");
    let shown = account.ask("autoscaling", "DescribeAutoScalingGroups", json!({}))["AutoScalingGroups"][0].clone();
    assert_eq!(shown["TargetGroupARNs"], json!([target_group]));
    assert_eq!(shown["TrafficSources"], json!([{"Identifier": target_group, "Type": "elbv2"}]));
    let input = json!({"AutoScalingGroupName": "web", "TargetGroupARNs": [target_group]});
    account.ask("autoscaling", "DetachLoadBalancerTargetGroups", input.clone());
    assert_eq!(states(&mut account), "Removing");
    account.wait(300);
    assert_eq!(states(&mut account), "none");
    let refused = account.call("autoscaling", "DetachLoadBalancerTargetGroups", input).unwrap_err();
    assert_eq!(refused, "ValidationError: Trying to remove Target Groups that are not part of the group");
}

/// Texts that users published.
#[test]
fn sources_that_cannot_be_are_refused() {
    let mut account = Account::new(Timing::Instant);
    account.group(0, json!({}));
    let target_group = account.target_group("web");
    let missing = target_group.replace("/web/", "/no/");
    let no_group = "ValidationError: Provided Target Groups may not be valid. Please ensure they exist and try again.";
    let no_balancer =
        "ValidationError: Provided Load Balancers may not be valid. Please ensure they exist and try again.";
    for (operation, input, expected) in [
        ("AttachLoadBalancerTargetGroups", json!({"TargetGroupARNs": [missing]}), no_group),
        ("AttachLoadBalancers", json!({"LoadBalancerNames": ["web"]}), no_balancer),
        ("AttachTrafficSources", json!({"TrafficSources": [{"Identifier": "web", "Type": "elb"}]}), no_balancer),
        (
            "AttachTrafficSources",
            json!({"TrafficSources": [{"Identifier": "arn:aws:vpc-lattice:eu-west-1:123456789012:targetgroup/tg-1"}]}),
            "InvalidParameterCombination: The traffic source type vpc-lattice is not reproduced by scaleproof's sandbox",
        ),
        (
            "DetachLoadBalancers",
            json!({"LoadBalancerNames": ["web"]}),
            "ValidationError: Trying to remove Load Balancers that are not part of the group",
        ),
    ] {
        let mut input = input;
        input["AutoScalingGroupName"] = json!("web");
        assert_eq!(account.call("autoscaling", operation, input).unwrap_err(), expected, "{operation}");
    }
    let input = json!({"AutoScalingGroupName": "web", "TrafficSources": [{"Identifier": target_group}]});
    account.ask("autoscaling", "AttachTrafficSources", input);
}

#[test]
fn tags_belong_to_all_four_kinds() {
    let mut account = Account::new(Timing::Instant);
    let (balancer, target_group) = (account.balancer("web"), account.target_group("web"));
    let listener = account.listener(&balancer, &target_group);
    let rule = account.elb(
        "CreateRule",
        json!({
            "ListenerArn": listener, "Priority": 5,
            "Conditions": [{"Field": "path-pattern", "Values": ["/api/*"]}],
            "Actions": [{"Type": "forward", "TargetGroupArn": target_group}],
        }),
    );
    let rule = text(&rule["Rules"][0]["RuleArn"]);
    let all = json!([balancer, target_group, listener, rule]);
    account.elb("AddTags", json!({"ResourceArns": all, "Tags": [{"Key": "team", "Value": "ops"}, {"Key": "a"}]}));
    account.elb("RemoveTags", json!({"ResourceArns": all, "TagKeys": ["a"]}));
    let described = account.elb("DescribeTags", json!({"ResourceArns": all}))["TagDescriptions"].clone();
    for (place, arn) in all.as_array().unwrap().iter().enumerate() {
        let expected = json!({"ResourceArn": arn, "Tags": [{"Key": "team", "Value": "ops"}]});
        assert_eq!(described[place], expected);
    }
    let twice = json!({"ResourceArns": [balancer], "Tags": [{"Key": "a"}, {"Key": "a"}]});
    assert!(account.refused("AddTags", twice).starts_with("DuplicateTagKeys"));
}

/// What `--state FILE` and the state of the control surface rest on.
#[test]
fn a_state_that_is_written_and_read_goes_on_where_it_was() {
    let mut account = Account::new(Timing::Realistic);
    let (balancer, target_group) = (account.balancer("web"), account.target_group("web"));
    account.listener(&balancer, &target_group);
    account.group(1, json!({"TargetGroupARNs": [target_group]}));
    account.wait(100);
    assert_eq!(account.health(&target_group, json!([])), ["initial Elb.RegistrationInProgress"]);
    let written = serde_json::to_string(&account.universe).unwrap();
    account.universe = serde_json::from_str(&written).unwrap();
    assert_eq!(serde_json::to_string(&account.universe).unwrap(), written);
    account.wait(100);
    assert_eq!(account.health(&target_group, json!([])), ["healthy"]);
}

/// As the acceptance tests of Terraform's provider expect it.
#[test]
fn stickiness_fits_the_protocol() {
    let mut account = Account::new(Timing::Instant);
    let vpc = account.vpc.clone();
    for (protocol, kind) in [("HTTP", "source_ip"), ("TCP", "lb_cookie"), ("UDP", "lb_cookie")] {
        let asked = json!({"Name": protocol, "Protocol": protocol, "Port": 80, "VpcId": vpc});
        let arn = text(&account.elb("CreateTargetGroup", asked)["TargetGroups"][0]["TargetGroupArn"]);
        let asked = json!({"TargetGroupArn": arn, "Attributes": [{"Key": "stickiness.type", "Value": kind}]});
        let refusal = account.refused("ModifyTargetGroupAttributes", asked);
        let text = format!("Stickiness type '{kind}' is not supported for target groups with the {protocol} protocol");
        assert_eq!(refusal, format!("InvalidConfigurationRequest: {text}"));
    }
}
