"""The whole loop with boto3 alone, on a clock that the test holds: load, metric, alarm, policy, activity, notice."""

import json
import urllib.error
import urllib.request

import pytest
from conftest import Sandbox, eventually, running

GROUP = "web"


class Held(Sandbox):
    """A sandbox whose clock stands still until it is told."""

    def control(self, name, order):
        request = urllib.request.Request(f"{self.url}/_scaleproof/{name}", json.dumps(order).encode(), method="POST")
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def advance(self, span):
        self.control("clock", {"advance": span})

    def notices(self, queue):
        """Empties the queue; the subjects of what was in it."""
        sqs, subjects = self.client("sqs"), []
        while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                subjects.append(json.loads(message["Body"])["Subject"])
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return subjects


@pytest.fixture
def held(program):
    with running(program, "--clock", "paused") as (url, _):
        yield Held(url)


def group_with_notices(held):
    """A group of one to three whose launches and terminations arrive in a queue: the topic's ARN and the queue's URL."""
    autoscaling, sns, sqs = map(held.client, ("autoscaling", "sns", "sqs"))
    topic = sns.create_topic(Name="ops")["TopicArn"]
    url = sqs.create_queue(QueueName="ops")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    policy = {"Version": "2012-10-17", "Statement": [allow]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    image = held.client("ec2").describe_images(Owners=["099720109477"])["Images"][0]["ImageId"]
    autoscaling.create_launch_configuration(LaunchConfigurationName=GROUP, ImageId=image, InstanceType="t3.nano")
    zones = held.client("ec2").describe_availability_zones()["AvailabilityZones"]
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName=GROUP,
        LaunchConfigurationName=GROUP,
        MinSize=1,
        MaxSize=3,
        AvailabilityZones=[zone["ZoneName"] for zone in zones[:2]],
    )
    kinds = ["autoscaling:EC2_INSTANCE_LAUNCH", "autoscaling:EC2_INSTANCE_TERMINATE"]
    autoscaling.put_notification_configuration(AutoScalingGroupName=GROUP, TopicARN=topic, NotificationTypes=kinds)
    return topic, url


@pytest.fixture
def queue(held):
    """The queue's URL; the group has a step policy out and a simple one in, by the CPU of its instances."""
    topic, url = group_with_notices(held)
    autoscaling, cloudwatch = held.client("autoscaling"), held.client("cloudwatch")
    scale_out = autoscaling.put_scaling_policy(
        AutoScalingGroupName=GROUP,
        PolicyName="out",
        PolicyType="StepScaling",
        AdjustmentType="ChangeInCapacity",
        EstimatedInstanceWarmup=60,
        StepAdjustments=[{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
    )
    scale_in = autoscaling.put_scaling_policy(
        AutoScalingGroupName=GROUP,
        PolicyName="in",
        AdjustmentType="ChangeInCapacity",
        ScalingAdjustment=-1,
        Cooldown=60,
    )
    common = {
        "Namespace": "AWS/EC2",
        "MetricName": "CPUUtilization",
        "Dimensions": [{"Name": "AutoScalingGroupName", "Value": GROUP}],
        "Statistic": "Average",
        "Period": 60,
        "EvaluationPeriods": 2,
    }
    cloudwatch.put_metric_alarm(
        AlarmName="high",
        Threshold=60,
        ComparisonOperator="GreaterThanThreshold",
        AlarmActions=[scale_out["PolicyARN"], topic],
        **common,
    )
    cloudwatch.put_metric_alarm(
        AlarmName="low",
        Threshold=20,
        ComparisonOperator="LessThanThreshold",
        AlarmActions=[scale_in["PolicyARN"]],
        **common,
    )
    held.advance("5m")
    assert capacity(held) == (1, 1)
    held.notices(url)
    return url


def capacity(held):
    """Desired capacity, and how many instances are in service."""
    (group,) = held.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[GROUP])["AutoScalingGroups"]
    states = [instance["LifecycleState"] for instance in group["Instances"]]
    return group["DesiredCapacity"], states.count("InService")


def test_load_scales_the_group_out_and_its_end_scales_it_in(held, queue):
    held.control("load", {"group": GROUP, "demand": 100})
    held.advance("6m")
    assert capacity(held) == (2, 2)
    subjects = held.notices(queue)
    assert f'Auto Scaling: launch for group "{GROUP}"' in subjects
    assert any(subject.startswith('ALARM: "high"') for subject in subjects)
    activities = held.client("autoscaling").describe_scaling_activities(AutoScalingGroupName=GROUP)["Activities"]
    assert "a monitor alarm high in state ALARM triggered policy out changing the desired capacity from 1 to 2" in activities[0]["Cause"]

    held.control("load", {"group": GROUP, "idle": True})
    held.advance("10m")
    assert capacity(held) == (1, 1)
    assert f'Auto Scaling: termination for group "{GROUP}"' in held.notices(queue)


def test_a_forced_alarm_scales_by_itself(held, queue):
    held.control("load", {"group": GROUP, "cpu": 40})
    held.advance("5m")
    # A step policy asks how far beyond the threshold the metric is; the group's own datapoints do not breach.
    data = json.dumps({"version": "1.0", "recentDatapoints": [90.0], "threshold": 60.0})
    cloudwatch = held.client("cloudwatch")
    cloudwatch.set_alarm_state(AlarmName="high", StateValue="ALARM", StateReason="a drill", StateReasonData=data)
    held.advance("50s")
    assert capacity(held) == (2, 2)


@pytest.mark.parametrize("speed", ["real", "60x"])
def test_the_loop_closes_while_the_clock_runs(program, speed):
    """Alarms that look every ten seconds at a metric that somebody puts; nothing pushes the sandbox on."""
    with running(program, "--clock", speed, "--instances", "instant") as (url, _):
        sandbox = Held(url)
        topic, queue = group_with_notices(sandbox)
        autoscaling, cloudwatch = sandbox.client("autoscaling"), sandbox.client("cloudwatch")
        steps = {
            "GreaterThanThreshold": (60, {"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}),
            "LessThanThreshold": (20, {"MetricIntervalUpperBound": 0, "ScalingAdjustment": -1}),
        }
        for comparison, (threshold, step) in steps.items():
            policy = autoscaling.put_scaling_policy(
                AutoScalingGroupName=GROUP,
                PolicyName=comparison,
                PolicyType="StepScaling",
                AdjustmentType="ChangeInCapacity",
                EstimatedInstanceWarmup=1,
                StepAdjustments=[step],
            )
            cloudwatch.put_metric_alarm(
                AlarmName=comparison,
                Namespace="Loop",
                MetricName="depth",
                Statistic="Maximum",
                Period=10,
                EvaluationPeriods=1,
                Threshold=threshold,
                ComparisonOperator=comparison,
                AlarmActions=[policy["PolicyARN"], topic],
            )
        seen = []

        def shows(depth, instances, subject):
            datum = {"MetricName": "depth", "Value": depth, "StorageResolution": 1}
            cloudwatch.put_metric_data(Namespace="Loop", MetricData=[datum])
            seen.extend(sandbox.notices(queue))
            return capacity(sandbox) == (instances, instances) and f'Auto Scaling: {subject} for group "{GROUP}"' in seen

        eventually(lambda: capacity(sandbox) == (1, 1))
        eventually(lambda: shows(90, 2, "launch"))
        assert any(subject.startswith('ALARM: "GreaterThanThreshold"') for subject in seen)
        eventually(lambda: shows(5, 1, "termination"))


def test_a_load_that_makes_no_sense_is_refused_with_its_reason(held, queue):
    for order, why in [
        ({"group": "other", "cpu": 80}, "there is no group `other`"),
        ({"group": GROUP, "cpu": -1}, "zero or more"),
        ({"group": GROUP, "cpu": 80, "demand": 80}, "one of"),
        ({"group": GROUP, "speed": 80}, "unknown field `speed`"),
    ]:
        with pytest.raises(urllib.error.HTTPError) as refused:
            held.control("load", order)
        assert refused.value.code == 400
        assert why in json.load(refused.value)["error"]
