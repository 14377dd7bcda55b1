"""Waiters, paginators and what belongs together across CloudWatch, SNS, SQS, STS, IAM, SSM and KMS, by boto3 alone."""

import datetime
import json

import boto3
import botocore.exceptions
import pytest


@pytest.fixture
def tidy(sandbox):
    """Removes what a test made, so that tests of the same sandbox do not see it."""
    undo = []
    yield undo
    for call, arguments in reversed(undo):
        call(**arguments)


def put_alarm(cloudwatch, tidy, name, **more):
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        Namespace="Messages",
        MetricName="Depth",
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        **more,
    )
    tidy.append((cloudwatch.delete_alarms, {"AlarmNames": [name]}))


def pages(client, operation, key, size, **arguments):
    """Every item of every page, each of which holds `size` items at most."""
    found = []
    for page in client.get_paginator(operation).paginate(PaginationConfig={"PageSize": size}, **arguments):
        assert len(page.get(key, [])) <= size
        found += page.get(key, [])
    return found


def test_waiters_and_pages_of_alarms_and_their_history(sandbox, tidy):
    cloudwatch = sandbox.client("cloudwatch")
    names = [f"messages-{number}" for number in range(5)]
    for name in names:
        put_alarm(cloudwatch, tidy, name, Tags=[{"Key": "of", "Value": "messages"}])
    cloudwatch.put_composite_alarm(AlarmName="messages-any", AlarmRule=f"ALARM({names[0]})")
    tidy.append((cloudwatch.delete_alarms, {"AlarmNames": ["messages-any"]}))
    fast = {"Delay": 1, "MaxAttempts": 3}
    cloudwatch.get_waiter("alarm_exists").wait(AlarmNames=names, WaiterConfig=fast)
    cloudwatch.get_waiter("composite_alarm_exists").wait(
        AlarmNames=["messages-any"], AlarmTypes=["CompositeAlarm"], WaiterConfig=fast
    )
    alarms = pages(cloudwatch, "describe_alarms", "MetricAlarms", 2, AlarmNamePrefix="messages-")
    assert [alarm["AlarmName"] for alarm in alarms] == names
    tags = cloudwatch.list_tags_for_resource(ResourceARN=alarms[0]["AlarmArn"])["Tags"]
    assert tags == [{"Key": "of", "Value": "messages"}]
    for state in ["ALARM", "OK", "ALARM"]:
        cloudwatch.set_alarm_state(AlarmName=names[0], StateValue=state, StateReason="by hand")
    history = pages(
        cloudwatch, "describe_alarm_history", "AlarmHistoryItems", 1, AlarmName=names[0], HistoryItemType="StateUpdate"
    )
    # The clock runs fast here: evaluations may come between.
    assert len(history) >= 3


def test_pages_of_metrics_and_their_data(sandbox):
    cloudwatch = sandbox.client("cloudwatch")
    now = datetime.datetime.now(datetime.timezone.utc).replace(second=0, microsecond=0)
    start = now - datetime.timedelta(minutes=10)
    data = [
        {"MetricName": "Jobs", "Timestamp": start + datetime.timedelta(minutes=minute), "Value": minute}
        for minute in range(6)
    ]
    cloudwatch.put_metric_data(Namespace="Paged", MetricData=data)
    found = list(cloudwatch.get_paginator("list_metrics").paginate(Namespace="Paged").search("Metrics[].MetricName"))
    assert found == ["Jobs"]
    stat = {"Metric": {"Namespace": "Paged", "MetricName": "Jobs"}, "Period": 60}
    queries = [{"Id": name.lower(), "MetricStat": {**stat, "Stat": name}} for name in ["Maximum", "Sum"]]
    values, labels = {}, set()
    asked = {"StartTime": start, "EndTime": now, "MetricDataQueries": queries, "ScanBy": "TimestampAscending"}
    for page in cloudwatch.get_paginator("get_metric_data").paginate(**asked, PaginationConfig={"PageSize": 4}):
        assert sum(len(result["Values"]) for result in page["MetricDataResults"]) <= 4
        for result in page["MetricDataResults"]:
            values.setdefault(result["Id"], []).extend(result["Values"])
            labels.add(result["Label"])
    assert values == {"maximum": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], "sum": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]}
    assert labels == {"Jobs Maximum", "Jobs Sum"}


def test_dashboards_are_kept_and_a_broken_one_is_refused(sandbox, tidy):
    cloudwatch = sandbox.client("cloudwatch")
    text = {"type": "text", "width": 3, "height": 3, "properties": {"markdown": "Hello world"}}
    body = json.dumps({"widgets": [text]})
    assert cloudwatch.put_dashboard(DashboardName="messages", DashboardBody=body)["DashboardValidationMessages"] == []
    tidy.append((cloudwatch.delete_dashboards, {"DashboardNames": ["messages"]}))
    assert cloudwatch.get_dashboard(DashboardName="messages")["DashboardBody"] == body
    elsewhere = boto3.client(
        "cloudwatch",
        endpoint_url=sandbox.url,
        region_name="eu-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    assert elsewhere.get_dashboard(DashboardName="messages")["DashboardBody"] == body
    entries = cloudwatch.get_paginator("list_dashboards").paginate(DashboardNamePrefix="mess").search("DashboardEntries")
    assert [entry["DashboardName"] for entry in entries] == ["messages"]
    metric = {"type": "metric", "properties": {"metrics": [["AWS/EC2", "CPUUtilization"]]}}
    warned = cloudwatch.put_dashboard(DashboardName="messages", DashboardBody=json.dumps({"widgets": [metric]}))
    assert [message["DataPath"] for message in warned["DashboardValidationMessages"]] == ["/widgets/0/properties"]
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        cloudwatch.put_dashboard(DashboardName="messages", DashboardBody='{"widgets": [{"type": "map"}]}')
    assert refused.value.response["Error"]["Code"] == "InvalidParameterInput"


def test_pages_of_topics_subscriptions_and_queues(sandbox, tidy):
    sns, sqs = sandbox.client("sns"), sandbox.client("sqs")
    for number in range(120):
        arn = sns.create_topic(Name=f"paged-{number:03}")["TopicArn"]
        tidy.append((sns.delete_topic, {"TopicArn": arn}))
    queue = "arn:aws:sqs:ap-northeast-2:123456789012:inbox-"
    for number in range(110):
        sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=f"{queue}{number}")
    topics = sns.get_paginator("list_topics").paginate().search("Topics[].TopicArn")
    assert sum("paged-" in found for found in topics) == 120
    by_topic = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=arn).search("Subscriptions[].Endpoint")
    assert len(set(by_topic)) == 110
    everyone = sns.get_paginator("list_subscriptions").paginate().search("Subscriptions[].TopicArn")
    assert sum(found == arn for found in everyone) == 110
    for number in range(5):
        url = sqs.create_queue(QueueName=f"paged-{number}")["QueueUrl"]
        tidy.append((sqs.delete_queue, {"QueueUrl": url}))
    assert len(pages(sqs, "list_queues", "QueueUrls", 2, QueueNamePrefix="paged-")) == 5


def test_a_topic_reaches_a_queue_of_another_region(sandbox, tidy):
    def client(service, region):
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, endpoint_url=sandbox.url, region_name=region, **keys)

    sns, sqs = client("sns", "eu-west-1"), client("sqs", "us-west-2")
    topic = sns.create_topic(Name="far")["TopicArn"]
    tidy.append((sns.delete_topic, {"TopicArn": topic}))
    queue = "arn:aws:sqs:us-west-2:123456789012:far"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    url = sqs.create_queue(QueueName="far", Attributes={"Policy": policy})["QueueUrl"]
    tidy.append((sqs.delete_queue, {"QueueUrl": url}))
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, Attributes={"RawMessageDelivery": "true"})
    sns.publish(TopicArn=topic, Message="from afar")
    assert [message["Body"] for message in sqs.receive_message(QueueUrl=url)["Messages"]] == ["from afar"]


def last_action(cloudwatch, name):
    items = cloudwatch.describe_alarm_history(AlarmName=name, HistoryItemType="Action")["AlarmHistoryItems"]
    return json.loads(items[0]["HistoryData"])


def test_an_alarm_reaches_an_encrypted_topic_only_by_the_keys_policy(sandbox, tidy):
    cloudwatch, sns, kms = (sandbox.client(name) for name in ["cloudwatch", "sns", "kms"])
    key = kms.create_key(Description="alerts")["KeyMetadata"]
    tidy.append((kms.schedule_key_deletion, {"KeyId": key["KeyId"], "PendingWindowInDays": 7}))
    kms.create_alias(AliasName="alias/messages", TargetKeyId=key["KeyId"])
    tidy.append((kms.delete_alias, {"AliasName": "alias/messages"}))
    topic = sns.create_topic(Name="encrypted", Attributes={"KmsMasterKeyId": "alias/messages"})["TopicArn"]
    tidy.append((sns.delete_topic, {"TopicArn": topic}))
    put_alarm(cloudwatch, tidy, "messages-encrypted", AlarmActions=[topic], OKActions=[topic])
    cloudwatch.set_alarm_state(AlarmName="messages-encrypted", StateValue="ALARM", StateReason="by hand")
    denied = last_action(cloudwatch, "messages-encrypted")
    text = "CloudWatch Alarms does not have authorization to access the SNS topic encryption key."
    assert (denied["actionState"], denied["error"]) == ("Failed", text)
    policy = json.loads(kms.get_key_policy(KeyId=key["KeyId"])["Policy"])
    let_in = {
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
        "Resource": "*",
    }
    policy["Statement"].append(let_in)
    kms.put_key_policy(KeyId=key["Arn"], Policy=json.dumps(policy))
    cloudwatch.set_alarm_state(AlarmName="messages-encrypted", StateValue="OK", StateReason="by hand")
    assert last_action(cloudwatch, "messages-encrypted")["actionState"] == "Succeeded"
    sns.publish(TopicArn=topic, Message="the owner may")


def test_credentials_that_were_given_out_say_who_calls(sandbox, tidy):
    iam, sts = sandbox.client("iam"), sandbox.client("sts")
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "sts:AssumeRole"}],
    }
    role = iam.create_role(RoleName="messages", AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    tidy.append((iam.delete_role, {"RoleName": "messages"}))
    assert role["AssumeRolePolicyDocument"] == trust
    iam.get_waiter("role_exists").wait(RoleName="messages", WaiterConfig={"Delay": 1, "MaxAttempts": 2})
    given = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="me")["Credentials"]
    session = boto3.client(
        "sts",
        endpoint_url=sandbox.url,
        region_name="eu-west-1",
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )
    assert session.get_caller_identity()["Arn"] == "arn:aws:sts::123456789012:assumed-role/messages/me"


def test_a_public_parameter_names_the_image_that_ec2_describes(sandbox):
    ssm, ec2 = sandbox.client("ssm"), sandbox.client("ec2")
    ubuntu = "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"
    image = ssm.get_parameter(Name=ubuntu)["Parameter"]["Value"]
    (described,) = ec2.describe_images(ImageIds=[image])["Images"]
    assert described["Name"].startswith("ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-")
    answer = ssm.get_parameters(Names=[ubuntu, "/no/such"])
    assert ([found["Value"] for found in answer["Parameters"]], answer["InvalidParameters"]) == ([image], ["/no/such"])
    amazon = pages(ssm, "get_parameters_by_path", "Parameters", 3, Path="/aws/service/ami-amazon-linux-latest")
    assert any(found["Name"].endswith("/al2023-ami-kernel-default-arm64") for found in amazon)


def test_a_device_is_reached_by_topic_and_directly_until_it_is_disabled(sandbox, tidy):
    sns = sandbox.client("sns")
    attributes = {"PlatformCredential": "not checked"}
    application = sns.create_platform_application(Name="messages", Platform="GCM", Attributes=attributes)
    arn = application["PlatformApplicationArn"]
    tidy.append((sns.delete_platform_application, {"PlatformApplicationArn": arn}))
    device = sns.create_platform_endpoint(PlatformApplicationArn=arn, Token="t")["EndpointArn"]
    topic = sns.create_topic(Name="devices")["TopicArn"]
    tidy.append((sns.delete_topic, {"TopicArn": topic}))
    sns.subscribe(TopicArn=topic, Protocol="application", Endpoint=device)
    structured = json.dumps({"default": "plain", "GCM": "for the device"})
    sns.publish(TopicArn=topic, Message=structured, MessageStructure="json")
    sns.publish(TargetArn=device, Message="to you alone")
    sns.publish(PhoneNumber="+821012345678", Message="to a telephone")
    sns.set_endpoint_attributes(EndpointArn=device, Attributes={"Enabled": "false"})
    with pytest.raises(sns.exceptions.EndpointDisabledException):
        sns.publish(TargetArn=device, Message="too late")
    bodies = [message["body"] for message in sandbox.mailbox() if message["endpoint"] in (device, "+821012345678")]
    assert bodies == ["for the device", "to you alone", "to a telephone"]
