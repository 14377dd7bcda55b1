"""A few of everything that the sandbox keeps, made by boto3, and what its members are called in requests."""

import datetime
import json

ZONE, OTHER_ZONE = "ap-northeast-2a", "ap-northeast-2c"
REGION = "ap-northeast-2"
ACCOUNT = "123456789012"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
)
POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ec2:Describe*", "Resource": "*"}]}
)
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nunread\n-----END CERTIFICATE-----"
# More than one, so that a page of one is not all.
FEW = 3


class World:
    """`values` has what exists, by the name that requests give it: `{"VpcId": "vpc-...", ...}`."""

    def __init__(self, sandbox):
        names = ["autoscaling", "cloudwatch", "ec2", "elbv2", "iam", "kms", "sns", "sqs"]
        self.clients = {name: sandbox.client(name) for name in names}
        self.values = {"Path": "/aws/service/ami-amazon-linux-latest"}
        makers = [self.network, self.group, self.balancers, self.alarms, self.identities, self.keys, self.messages]
        for make in makers:
            made = make(**{name: self.clients[name] for name in make.__code__.co_varnames if name in self.clients})
            self.values.update(made)

    def network(self, ec2):
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24", AvailabilityZone=ZONE)["Subnet"]["SubnetId"]
        image = ec2.describe_images(Filters=[{"Name": "name", "Values": ["al2023-*"]}])["Images"][0]["ImageId"]
        instance = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, SubnetId=subnet)["Instances"][0]
        volume = ec2.create_volume(AvailabilityZone=ZONE, Size=1)["VolumeId"]
        interface = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]
        entries = {"MaxEntries": 1, "AddressFamily": "IPv4", "Entries": [{"Cidr": "10.0.0.0/8"}]}
        prefixes = ec2.create_managed_prefix_list(PrefixListName="few", **entries)["PrefixList"]
        return {
            "VpcId": vpc,
            "SubnetId": subnet,
            "InstanceId": instance["InstanceId"],
            "ImageId": ec2.create_image(InstanceId=instance["InstanceId"], Name="own")["ImageId"],
            "VolumeId": volume,
            "SnapshotId": ec2.create_snapshot(VolumeId=volume)["SnapshotId"],
            "NetworkInterfaceId": interface["NetworkInterfaceId"],
            "PrefixListId": prefixes["PrefixListId"],
            "public image": image,
        }

    def group(self, autoscaling, ec2, sns):
        image = self.values["public image"]
        data = {"ImageId": image, "InstanceType": "t3.micro"}
        ec2.create_launch_template(LaunchTemplateName="few", LaunchTemplateData=data)
        topics = [sns.create_topic(Name=f"group-{at}")["TopicArn"] for at in range(FEW)]
        for at in range(FEW):
            autoscaling.create_launch_configuration(LaunchConfigurationName=f"few-{at}", **data)
            name = f"few-{at}"
            autoscaling.create_auto_scaling_group(
                AutoScalingGroupName=name,
                LaunchTemplate={"LaunchTemplateName": "few"},
                MinSize=0,
                MaxSize=9,
                DesiredCapacity=1,
                VPCZoneIdentifier=self.values["SubnetId"],
                Tags=[{"Key": "of", "Value": "few"}],
            )
        for at in range(FEW):
            simple = {"AdjustmentType": "ChangeInCapacity", "ScalingAdjustment": 1}
            autoscaling.put_scaling_policy(AutoScalingGroupName="few-0", PolicyName=f"few-{at}", **simple)
            autoscaling.put_scheduled_update_group_action(
                AutoScalingGroupName="few-0", ScheduledActionName=f"few-{at}", Recurrence=f"{at} 3 * * *", MaxSize=9
            )
            autoscaling.put_notification_configuration(
                AutoScalingGroupName="few-0", TopicARN=topics[at], NotificationTypes=["autoscaling:EC2_INSTANCE_LAUNCH"]
            )
        autoscaling.put_warm_pool(AutoScalingGroupName="few-0", MinSize=FEW)
        return {"AutoScalingGroupName": "few-0"}

    def balancers(self, ec2, elbv2):
        """The first of them listens and has rules; the instance is a target of its group."""
        vpc, one = self.values["VpcId"], self.values["SubnetId"]
        other = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24", AvailabilityZone=OTHER_ZONE)["Subnet"]["SubnetId"]
        refuse = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}]
        arns, groups = [], []
        for at in range(FEW):
            balancer = elbv2.create_load_balancer(Name=f"few-{at}", Subnets=[one, other], Scheme="internal")
            arns.append(balancer["LoadBalancers"][0]["LoadBalancerArn"])
            group = elbv2.create_target_group(Name=f"few-{at}", Protocol="HTTP", Port=80, VpcId=vpc)
            groups.append(group["TargetGroups"][0]["TargetGroupArn"])
        forward = [{"Type": "forward", "TargetGroupArn": groups[0]}]
        for at in range(1, FEW):
            elbv2.create_listener(LoadBalancerArn=arns[0], Protocol="HTTP", Port=80 + at, DefaultActions=forward)
        certificates = [{"CertificateArn": f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/few-{at}"} for at in range(FEW)]
        secure = {"Protocol": "HTTPS", "Port": 443, "Certificates": certificates[:1]}
        made = elbv2.create_listener(LoadBalancerArn=arns[0], DefaultActions=forward, **secure)
        listener = made["Listeners"][0]["ListenerArn"]
        elbv2.add_listener_certificates(ListenerArn=listener, Certificates=certificates[1:])
        for at in range(FEW):
            path = [{"Field": "path-pattern", "Values": [f"/{at}"]}]
            elbv2.create_rule(ListenerArn=listener, Priority=at + 1, Conditions=path, Actions=refuse)
        elbv2.register_targets(TargetGroupArn=groups[0], Targets=[{"Id": self.values["InstanceId"]}])
        return {
            "LoadBalancerArn": arns[0],
            "TargetGroupArn": groups[0],
            "ListenerArn": listener,
            "ResourceArns": arns,
        }

    def alarms(self, cloudwatch):
        now = datetime.datetime.now(datetime.timezone.utc).replace(second=0, microsecond=0)
        start = now - datetime.timedelta(minutes=10)
        metric = {"Namespace": "Few", "MetricName": "Depth"}
        rule = {
            "Name": "few-0",
            "Rule": {"Schedule": {"Expression": "cron(0 2 * * *)", "Duration": "PT4H"}},
        }
        for at in range(FEW):
            datum = {"MetricName": "Depth", "Value": at, "Timestamp": start + datetime.timedelta(minutes=at)}
            other = {"MetricName": f"Depth{at}", "Value": at}
            cloudwatch.put_metric_data(Namespace="Few", MetricData=[datum, other])
            cloudwatch.put_metric_alarm(
                AlarmName=f"few-{at}",
                Statistic="Maximum",
                Period=60,
                EvaluationPeriods=1,
                Threshold=1,
                ComparisonOperator="GreaterThanThreshold",
                **metric,
            )
            cloudwatch.put_composite_alarm(AlarmName=f"few-any-{at}", AlarmRule=f"ALARM(few-{at})")
            cloudwatch.put_alarm_mute_rule(**{**rule, "Name": f"few-{at}"})
            cloudwatch.put_dashboard(DashboardName=f"few-{at}", DashboardBody='{"widgets": []}')
        return {
            **metric,
            "StartTime": start,
            "EndTime": now,
            "MetricDataQueries": [{"Id": "m", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Maximum"}}],
            "AlarmMuteRuleName": "few-0",
            "DashboardName": "few-0",
            "ResourceARN": cloudwatch.describe_alarms(AlarmNames=["few-0"])["MetricAlarms"][0]["AlarmArn"],
        }

    def identities(self, iam):
        for at in range(FEW):
            name = f"few-{at}"
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
            iam.create_user(UserName=name)
            iam.create_instance_profile(InstanceProfileName=name)
            iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName="few-0")
            iam.tag_role(RoleName="few-0", Tags=[{"Key": name, "Value": "x"}])
            iam.put_role_policy(RoleName="few-0", PolicyName=name, PolicyDocument=POLICY)
            policy = iam.create_policy(PolicyName=name, PolicyDocument=POLICY)["Policy"]["Arn"]
            iam.attach_role_policy(RoleName="few-0", PolicyArn=policy)
            iam.attach_user_policy(UserName="few-0", PolicyArn=policy)
            iam.put_user_policy(UserName="few-0", PolicyName=name, PolicyDocument=POLICY)
            iam.tag_user(UserName="few-0", Tags=[{"Key": name, "Value": "x"}])
            iam.tag_instance_profile(InstanceProfileName="few-0", Tags=[{"Key": name, "Value": "x"}])
            iam.upload_server_certificate(ServerCertificateName=name, CertificateBody=CERTIFICATE, PrivateKey="unread")
        iam.create_policy_version(PolicyArn=policy, PolicyDocument=POLICY)
        iam.tag_policy(PolicyArn=policy, Tags=[{"Key": f"few-{at}", "Value": "x"} for at in range(FEW)])
        linked = iam.create_service_linked_role(AWSServiceName="spot.amazonaws.com")["Role"]["RoleName"]
        return {
            "RoleName": "few-0",
            "UserName": "few-0",
            "InstanceProfileName": "few-0",
            "ServerCertificateName": "few-0",
            "PolicyName": "few-0",
            "PolicyArn": policy,
            "VersionId": "v1",
            "DeletionTaskId": iam.delete_service_linked_role(RoleName=linked)["DeletionTaskId"],
        }

    def keys(self, kms):
        for at in range(FEW):
            key = kms.create_key(Tags=[{"TagKey": f"few-{n}", "TagValue": "x"} for n in range(FEW)])["KeyMetadata"]
            kms.create_alias(AliasName=f"alias/few-{at}", TargetKeyId=key["KeyId"])
        return {"KeyId": key["KeyId"]}

    def messages(self, sns, sqs):
        topic = sns.create_topic(Name="few")["TopicArn"]
        application = sns.create_platform_application(
            Name="few", Platform="GCM", Attributes={"PlatformCredential": "not checked"}
        )["PlatformApplicationArn"]
        dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
        dead_arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"
        for at in range(FEW):
            redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 1})
            sqs.create_queue(QueueName=f"few-{at}", Attributes={"RedrivePolicy": redrive})
            to = f"arn:aws:sqs:{REGION}:{ACCOUNT}:few-{at}"
            subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=to)["SubscriptionArn"]
            device = sns.create_platform_endpoint(PlatformApplicationArn=application, Token=f"few-{at}")["EndpointArn"]
            sns.create_platform_application(
                Name=f"few-{at}", Platform="GCM", Attributes={"PlatformCredential": "not checked"}
            )
            sns.create_sms_sandbox_phone_number(PhoneNumber=f"+8210123456{at}0")
        return {
            "SourceArn": dead_arn,
            "TopicArn": topic,
            "ResourceArn": topic,
            "SubscriptionArn": subscription,
            "PlatformApplicationArn": application,
            "EndpointArn": device,
            "QueueName": "dead",
            "QueueUrl": dead,
        }
