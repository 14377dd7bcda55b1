"""boto3 and the aws command see the provisioned stack on the sandbox as they would see it on AWS."""

import json

import botocore.exceptions
import pytest


def test_boto3_sees_the_group_with_its_instance_in_service(sandbox, stack):
    autoscaling = sandbox.client("autoscaling")
    (group,) = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[stack])["AutoScalingGroups"]
    assert (group["MinSize"], group["MaxSize"]) == (1, 3)
    assert [instance["LifecycleState"] for instance in group["Instances"]][:1] == ["InService"]
    policies = autoscaling.describe_policies(AutoScalingGroupName=stack)["ScalingPolicies"]
    assert sorted(policy["ScalingAdjustment"] for policy in policies) == [-1, 1]
    assert {policy["PolicyType"] for policy in policies} == {"SimpleScaling"}


def test_boto3_sees_the_machine_that_the_group_launched(sandbox, stack):
    filters = [{"Name": "tag:aws:autoscaling:groupName", "Values": [stack]}]
    reservations = sandbox.client("ec2").describe_instances(Filters=filters)["Reservations"]
    instances = [instance for reservation in reservations for instance in reservation["Instances"]]
    assert instances
    assert {instance["InstanceType"] for instance in instances} == {"t2.nano"}


def test_boto3_sees_the_alarms_and_their_actions(sandbox, stack):
    alarms = sandbox.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{stack}-")["MetricAlarms"]
    assert sorted(alarm["AlarmName"] for alarm in alarms) == ["course-cpu-high", "course-cpu-low", "course-cpu-warning"]
    high = next(alarm for alarm in alarms if alarm["AlarmName"] == "course-cpu-high")
    assert (high["Threshold"], high["EvaluationPeriods"], high["Period"]) == (50.0, 2, 60)
    assert sorted(arn.split(":")[2] for arn in high["AlarmActions"]) == ["autoscaling", "sns"]


def test_boto3_sees_the_topic_that_the_group_reports_to(sandbox, stack):
    configurations = sandbox.client("autoscaling").describe_notification_configurations(AutoScalingGroupNames=[stack])
    topics = {entry["TopicARN"] for entry in configurations["NotificationConfigurations"]}
    assert len(topics) == 1
    (topic,) = topics
    subscriptions = sandbox.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert [(one["Protocol"], one["Endpoint"]) for one in subscriptions] == [("email", "ops@example.com")]


def test_boto3_knows_who_it_is(sandbox):
    assert sandbox.client("sts").get_caller_identity()["Account"] == "123456789012"


def test_the_aws_command_lists_the_scaling_activities(sandbox, stack):
    printed = sandbox.aws("autoscaling", "describe-scaling-activities", "--auto-scaling-group-name", stack)
    activities = json.loads(printed)["Activities"]
    assert activities[-1]["StatusCode"] == "Successful"
    assert activities[-1]["Description"].startswith("Launching a new EC2 instance: i-")
    assert activities[-1]["Cause"]


def test_the_aws_command_sends_and_receives_messages(sandbox):
    # Version 1 of the command calls AWS's old SQS hosts whatever AWS_ENDPOINT_URL says; only the option moves it.
    def sqs(*arguments):
        return sandbox.aws("--endpoint-url", sandbox.url, "sqs", *arguments)

    url = json.loads(sqs("create-queue", "--queue-name", "from-the-command"))["QueueUrl"]
    sqs("send-message", "--queue-url", url, "--message-body", "안녕하세요")
    received = json.loads(sqs("receive-message", "--queue-url", url))
    assert [message["Body"] for message in received["Messages"]] == ["안녕하세요"]
    sqs("delete-queue", "--queue-url", url)


def test_the_aws_command_prints_a_table_of_alarms(sandbox, stack):
    printed = sandbox.aws("cloudwatch", "describe-alarms", "--alarm-name-prefix", stack, "--output", "table")
    assert "course-cpu-high" in printed


def test_an_operation_that_the_sandbox_lacks_is_an_aws_error_that_names_it(sandbox):
    with pytest.raises(botocore.exceptions.ClientError, match="GetPredictiveScalingForecast") as refused:
        sandbox.client("autoscaling").get_predictive_scaling_forecast(
            AutoScalingGroupName="g", PolicyName="p", StartTime=0, EndTime=1
        )
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] >= 400
