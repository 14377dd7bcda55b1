"""A group under load grows once, tells a person, and stays within its limits when EC2 has no machine."""

import pytest


@pytest.fixture
def group(sandbox):
    """One to three machines that grow by one over 50 percent CPU, with a person on the topic."""
    autoscaling, sns = sandbox.client("autoscaling"), sandbox.client("sns")
    autoscaling.create_launch_configuration(
        LaunchConfigurationName="lc",
        ImageId="ami-12c6146b",
        InstanceType="t2.nano",
        InstanceMonitoring={"Enabled": True},
    )
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName="web",
        LaunchConfigurationName="lc",
        MinSize=1,
        MaxSize=3,
        AvailabilityZones=["eu-west-1a", "eu-west-1b"],
    )
    policy = autoscaling.put_scaling_policy(
        AutoScalingGroupName="web",
        PolicyName="out",
        AdjustmentType="ChangeInCapacity",
        ScalingAdjustment=1,
        Cooldown=300,
    )
    topic = sns.create_topic(Name="ops")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="ops@example.com")
    confirmation = sandbox.mailbox()[-1]["body"]
    sns.confirm_subscription(TopicArn=topic, Token=confirmation.split("Token=")[1].split()[0].split("&")[0].strip('"'))
    sandbox.client("cloudwatch").put_metric_alarm(
        AlarmName="cpu-high",
        Namespace="AWS/EC2",
        MetricName="CPUUtilization",
        Dimensions=[{"Name": "AutoScalingGroupName", "Value": "web"}],
        Statistic="Average",
        Period=60,
        EvaluationPeriods=2,
        Threshold=50,
        ComparisonOperator="GreaterThanThreshold",
        AlarmActions=[policy["PolicyARN"], topic],
    )
    sandbox.advance("10m")

    def described():
        return autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=["web"])["AutoScalingGroups"][0]

    return described


def test_a_burst_adds_a_machine_and_tells_ops(sandbox, group):
    sandbox.control("load", {"group": "web", "cpu": 80})
    sandbox.advance("4m")
    assert group()["DesiredCapacity"] == 2
    sandbox.control("load", {"group": "web", "cpu": 10})
    sandbox.advance("30m")
    assert group()["DesiredCapacity"] == 2
    assert [message["subject"] for message in sandbox.mailbox()].count('ALARM: "cpu-high" in EU (Ireland)') == 1


def test_the_group_never_exceeds_its_limit(sandbox, group):
    sandbox.control("load", {"group": "web", "cpu": 95})
    sandbox.advance("2h")
    assert (group()["DesiredCapacity"], len(group()["Instances"])) == (3, 3)


def test_without_capacity_the_activity_says_why(sandbox, group):
    sandbox.control("faults", {"fault": "no_capacity", "instance_type": "t2.nano"})
    sandbox.control("load", {"group": "web", "cpu": 80})
    sandbox.advance("5m")
    activities = sandbox.client("autoscaling").describe_scaling_activities(AutoScalingGroupName="web")["Activities"]
    assert activities[0]["StatusCode"] == "Failed"
    assert "do not have sufficient t2.nano capacity" in activities[0]["StatusMessage"]
