"""The sandbox as a process: what survives when it is killed, what it refuses, what goes wrong when it is told to."""

import json
import os
import signal
import urllib.request

import boto3
import botocore.config
import botocore.exceptions
import pytest

from conftest import REGION, running


def client(url, service, secret="test", attempts=1):
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key=secret,
        config=botocore.config.Config(retries={"total_max_attempts": attempts, "mode": "standard"}),
    )


def order(url, path, body=None, method="POST"):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{url}/_scaleproof/{path}", data, method=method)) as answer:
        return json.load(answer)


def test_a_killed_sandbox_has_lost_nothing_that_it_acknowledged(program, tmp_path):
    arguments = ("--clock", "paused", "--state", str(tmp_path / "state"))
    with running(program, *arguments) as (url, process):
        queue = client(url, "sqs").create_queue(QueueName="q")["QueueUrl"]
        order(url, "clock", {"advance": "90s"})
        for number in range(50):
            client(url, "sqs").send_message(QueueUrl=queue, MessageBody=str(number))
        topic = client(url, "sns").create_topic(Name="ops")["TopicArn"]
        before = order(url, "state", method="GET")
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with running(program, *arguments) as (url, _):
        sqs = client(url, "sqs")
        attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"])
        assert attributes["Attributes"]["ApproximateNumberOfMessages"] == "50"
        assert [one["TopicArn"] for one in client(url, "sns").list_topics()["Topics"]] == [topic]
        assert order(url, "state", method="GET")["regions"] == before["regions"]


def test_a_call_that_is_signed_with_another_secret_is_refused(program):
    with running(program, "--verify-signatures") as (url, _):
        for service, call, code in [
            ("sts", "get_caller_identity", "SignatureDoesNotMatch"),
            ("ec2", "describe_vpcs", "AuthFailure"),
            ("sqs", "list_queues", "InvalidSignatureException"),
            ("cloudwatch", "describe_alarms", "InvalidSignatureException"),
        ]:
            getattr(client(url, service), call)()
            with pytest.raises(botocore.exceptions.ClientError) as refused:
                getattr(client(url, service, secret="guessed"), call)()
            assert refused.value.response["Error"]["Code"] == code, service
        link = client(url, "sns").generate_presigned_url("list_topics", HttpMethod="GET")
        with urllib.request.urlopen(link) as answer:
            assert answer.status == 200


def test_a_client_that_tries_again_gets_through_a_fault(program):
    with running(program) as (url, _):
        order(url, "faults", {"fault": "throttle", "service": "sns", "times": 2})
        with pytest.raises(botocore.exceptions.ClientError) as refused:
            client(url, "sns").list_topics()
        assert refused.value.response["Error"]["Code"] == "ThrottlingException"
        assert client(url, "sns", attempts=3).list_topics()["Topics"] == []
        order(url, "faults", {"fault": "drop", "service": "sns", "operation": "CreateTopic", "when": "after", "times": 1})
        assert client(url, "sns", attempts=3).create_topic(Name="ops")["TopicArn"].endswith(":ops")
        assert [fault["hits"] for fault in order(url, "faults", method="GET")["faults"]] == [2, 1]


def test_small_pages_are_put_together_by_the_paginator(program):
    with running(program) as (url, _):
        ec2 = client(url, "ec2")
        everything = {subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"]}
        order(url, "faults", {"fault": "small_pages", "service": "ec2", "size": 1})
        pages = list(ec2.get_paginator("describe_subnets").paginate())
        assert len(pages) == len(everything)
        assert {subnet["SubnetId"] for page in pages for subnet in page["Subnets"]} == everything


def test_a_stale_read_does_not_see_what_was_just_made(program):
    with running(program, "--clock", "paused") as (url, _):
        ec2 = client(url, "ec2")
        order(url, "faults", {"fault": "stale_reads", "by": "2s", "service": "ec2"})
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        with pytest.raises(botocore.exceptions.ClientError) as refused:
            ec2.describe_vpcs(VpcIds=[vpc])
        assert refused.value.response["Error"]["Code"] == "InvalidVpcID.NotFound"
        order(url, "clock", {"advance": "2s"})
        assert ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["VpcId"] == vpc
