"""Every operation that the sandbox serves, called by boto3 with what botocore's own models say, and every paginator and
waiter that botocore has for them outside EC2, whose are in test_ec2_calls.py."""

import datetime
import json
import re
import subprocess

import botocore
import botocore.exceptions
import botocore.session
import pytest

from conftest import Sandbox, running
from world import ACCOUNT, FEW, World

# Values that hold to the patterns of the models, tried in this order.
SAMPLES = ["a", "1", "/", "v1", "ami-0123456789abcdef0", "+821012345678", "Name"]
TIME = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
# What an error of AWS's has for a name: words run together, and for some of EC2's a dot between two of them.
CODE = re.compile(r"[A-Z][A-Za-z0-9]+(\.[A-Z][A-Za-z0-9]+)*")
LACKING = re.compile(r"scaleproof|is a bug")


@pytest.fixture(scope="module")
def served(program):
    """The operations by service."""
    printed = subprocess.run([program, "sandbox", "operations", "--format", "json"], capture_output=True, check=True)
    by_service = {}
    for entry in json.loads(printed.stdout):
        by_service.setdefault(entry["service"], []).append(entry["operation"])
    return by_service


@pytest.fixture
def empty(program):
    with running(program, "--instances", "instant") as (url, _):
        yield Sandbox(url)


@pytest.fixture(scope="module")
def peopled(program):
    with running(program, "--instances", "instant") as (url, _):
        sandbox = Sandbox(url)
        yield sandbox, World(sandbox)


def python_pattern(pattern):
    """A pattern of the models, which are Java's, as Python reads it; the classes that only Java has become wider."""
    return re.sub(r"\\p\{[A-Z]\}", r"\\w ", pattern.replace(r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF"))


def sample(shape):
    """The smallest text that the shape takes."""
    if shape.enum:
        return shape.enum[0]
    least, pattern = shape.metadata.get("min", 0), shape.metadata.get("pattern")
    for text in SAMPLES:
        text = text if len(text) >= least else text * least
        if not pattern or re.fullmatch(python_pattern(pattern), text):
            return text
    raise AssertionError(f"no sample matches the pattern of {shape.name}: {pattern}")


def smallest(shape, given=None):
    """The smallest input that a shape takes: required members only, those in `given` as they are there."""
    given = FORMS | (given or {})
    match shape.type_name:
        case "structure":
            names = shape.required_members
            return {name: given.get(name) or smallest(shape.members[name], given) for name in names}
        case "list":
            return [smallest(shape.member, given) for _ in range(max(1, shape.metadata.get("min", 0)))]
        case "map":
            return {sample(shape.key): smallest(shape.value, given)}
        case "string":
            return sample(shape)
        case "boolean":
            return False
        case "timestamp":
            return TIME
        case "blob":
            return b"a"
        case _:
            return max(1, shape.metadata.get("min", 1))


# Texts that have a form which the models do not tell.
FORMS = {"AWSServiceName": "spot.amazonaws.com"}


def call(client, operation, asked):
    """Raises what botocore makes of the answer, if it is not what the operation's model says."""
    answer = getattr(client, botocore.xform_name(operation))(**asked)
    missing = lacking(model_of(client, operation).output_shape, answer)
    assert not missing, f"{operation} answers without {missing}, which its model says is always there"
    return answer


def model_of(client, operation):
    return client.meta.service_model.operation_model(operation)


def arguments(model, given=None):
    return smallest(model.input_shape, given) if model.input_shape else {}


# AWS leaves out the half of a batch's outcomes that is empty, whatever its model says.
LEFT_OUT = {"Failed", "Successful"}


def lacking(shape, value, at=""):
    """The members of an answer that the model says are always there and that are not."""
    if shape is None or value is None:
        return []
    if shape.type_name == "list":
        return [found for item in value for found in lacking(shape.member, item, at)]
    if shape.type_name == "map":
        return [found for item in value.values() for found in lacking(shape.value, item, at)]
    if shape.type_name != "structure":
        return []
    absent = [f"{at}{name}" for name in shape.required_members if name not in value and name not in LEFT_OUT]
    within = [(name, of) for name, of in shape.members.items() if name in value]
    return absent + [found for name, of in within for found in lacking(of, value[name], f"{at}{name}.")]


def test_every_operation_takes_the_smallest_valid_input_or_refuses_it_as_aws_would(empty, served):
    wrong, count = {}, 0
    for service, operations in served.items():
        client = empty.client(service)
        for operation in operations:
            count += 1
            try:
                call(client, operation, arguments(model_of(client, operation)))
            except botocore.exceptions.ClientError as error:
                answer, status = error.response["Error"], error.response["ResponseMetadata"]["HTTPStatusCode"]
                if not (400 <= status < 500 and CODE.fullmatch(answer["Code"])) or LACKING.search(answer["Message"]):
                    wrong[f"{service}:{operation}"] = (status, answer)
            except Exception as error:  # What botocore cannot read comes as many kinds of errors.
                wrong[f"{service}:{operation}"] = repr(error)
    assert not wrong, "\n".join(f"{name}: {why}" for name, why in wrong.items())
    assert count > 300


READ = re.compile("(Describe|List|Get)[A-Z]")
# What reads need that their models do not ask for, or ask for by a name that means something else elsewhere; what is only
# known once it is made stands there by its name.
MORE = {
    "cloudwatch:DescribeAlarms": {"AlarmTypes": ["MetricAlarm", "CompositeAlarm"]},
    "cloudwatch:GetMetricStatistics": {"Statistics": ["Maximum"], "Period": 60},
    "ec2:DescribeLaunchTemplateVersions": {"LaunchTemplateName": "few"},
    "ec2:DescribeNetworkInterfaceAttribute": {"Attribute": "description"},
    "elbv2:DescribeListeners": "LoadBalancerArn",
    "elbv2:DescribeRules": "ListenerArn",
    "iam:GetUser": {"UserName": "few-0"},
    "iam:ListAccessKeys": {"UserName": "few-0"},
    "ssm:GetParameter": {"Name": "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"},
}


def wanted(client, service, operation, world):
    """What a read of the world asks for."""
    more = MORE.get(f"{service}:{operation}", {})
    if isinstance(more, str):
        more = {more: world.values[more]}
    return arguments(model_of(client, operation), world.values) | more


def test_every_read_of_what_exists_answers(peopled, served):
    sandbox, world = peopled
    refused, count = {}, 0
    for service, operations in served.items():
        client = sandbox.client(service)
        for operation in filter(READ.match, operations):
            count += 1
            try:
                call(client, operation, wanted(client, service, operation, world))
            except botocore.exceptions.ClientError as error:
                refused[f"{service}:{operation}"] = str(error)
    assert not refused
    assert count > 120


# A group has none of these here, nor have these lists anything to part.
SHORT = {
    "DescribeLoadBalancerTargetGroups",
    "DescribeLoadBalancers",
    "ListAccessKeys",
    "ListAccountAliases",
    "ListGroupsForUser",
    "ListKeyPolicies",
    "ListOriginationNumbers",
}


def test_every_paginator_follows_its_tokens_to_the_end(peopled, served):
    sandbox, world = peopled
    for service in sorted(set(served) - {"ec2"}):
        client = sandbox.client(service)
        paginators = botocore.session.get_session().get_paginator_model(service)
        for operation in served[service]:
            name = botocore.xform_name(operation)
            if not client.can_paginate(name):
                continue
            paginator, asked = client.get_paginator(name), wanted(client, service, operation, world)
            whole = items(paginator, paginator.paginate(**asked))
            if "limit_key" not in paginators.get_paginator(operation):
                # Nobody can choose the size of these pages.
                continue
            pages = list(paginator.paginate(**asked, PaginationConfig={"PageSize": 1}))
            assert all(len(items(paginator, [page])) <= 1 for page in pages), operation
            assert sorted(map(str, items(paginator, pages))) == sorted(map(str, whole)), operation
            assert len(pages) > 1 or operation in SHORT, operation


def items(paginator, pages):
    found = [item for page in pages for key in paginator.result_keys for item in key.search(page) or []]
    # A result of GetMetricData may be parted itself.
    return [part for item in found for part in (item["Values"] if "Values" in item else [item])]


# What each waiter waits for. There is no operation here that would make an alarm on logs.
WAITERS = {
    "cloudwatch": {
        "alarm_exists": {"AlarmNames": ["few-0"]},
        "alarm_mute_rule_exists": {"AlarmMuteRuleName": "few-0"},
        "composite_alarm_exists": {"AlarmNames": ["few-any-0"], "AlarmTypes": ["CompositeAlarm"]},
    },
    "elbv2": {
        "load_balancer_available": {"Names": ["few-0"]},
        "load_balancer_exists": {"Names": ["few-0"]},
        "load_balancers_deleted": {"Names": ["gone"]},
        "target_deregistered": {"Targets": [{"Id": "i-0123456789abcdef0"}]},
        "target_in_service": {},
    },
    "iam": {
        "instance_profile_exists": {"InstanceProfileName": "few-0"},
        "policy_exists": {},
        "role_exists": {"RoleName": "few-0"},
        "user_exists": {"UserName": "few-0"},
    },
}
IMPOSSIBLE = {"log_alarm_exists"}


def test_every_waiter_ends(peopled, served):
    sandbox, world = peopled
    for service in sorted(set(served) - {"ec2"}):
        client = sandbox.client(service)
        known = {name for name in client.waiter_names if client.get_waiter(name).config.operation in served[service]}
        assert known - IMPOSSIBLE == set(WAITERS.get(service, {})), service
        for name, asked in WAITERS.get(service, {}).items():
            waiter = client.get_waiter(name)
            needed = arguments(model_of(client, waiter.config.operation), world.values)
            waiter.wait(**needed | asked, WaiterConfig={"Delay": 0, "MaxAttempts": 1})


# How the aws command counts what each service lists, in pages as small as the service lets them be.
LISTS = {
    "autoscaling": "describe-auto-scaling-groups --page-size 1 --query length(AutoScalingGroups)",
    "cloudwatch": "describe-alarms --page-size 1 --query length(MetricAlarms)",
    "ec2": "describe-subnets --page-size 5 --query length(Subnets)",
    # Here the size of a page is the operation's own argument, and whoever gives it gets one page.
    "elbv2": "describe-target-groups --query length(TargetGroups)",
    "iam": "list-users --page-size 1 --query length(Users)",
    "kms": "list-keys --page-size 1 --query length(Keys)",
    "sns": "list-sms-sandbox-phone-numbers --page-size 1 --query length(PhoneNumbers)",
    "sqs": "list-queues --queue-name-prefix few --page-size 1 --query length(QueueUrls)",
    "ssm": "get-parameters-by-path --path /aws/service/ami-amazon-linux-latest --page-size 1 --query length(Parameters)",
}
# A waiter of each service that has one.
WAITS = [
    "cloudwatch wait alarm-exists --alarm-names few-0",
    "ec2 wait vpc-available --filters Name=cidr,Values=10.0.0.0/16",
    "elbv2 wait load-balancer-available --names few-0",
    "iam wait role-exists --role-name few-0",
]


def test_the_aws_command_follows_pages_and_waits(peopled):
    sandbox, _ = peopled
    for service, command in LISTS.items():
        # Version 1 of the command calls AWS's old SQS hosts whatever AWS_ENDPOINT_URL says.
        counted = sandbox.aws("--endpoint-url", sandbox.url, service, *command.split())
        assert int(counted) >= FEW, service
    for command in WAITS:
        assert sandbox.aws(*command.split()) == "", command
    assert json.loads(sandbox.aws("sts", "get-caller-identity"))["Account"] == ACCOUNT
