"""boto3 and the aws command with load balancers, on a sandbox in which nothing takes time."""

import json

import botocore.exceptions
import pytest
from conftest import Sandbox, running

# What waiters would otherwise sleep between two calls.
QUICK = {"Delay": 1, "MaxAttempts": 5}


@pytest.fixture
def instant(program):
    with running(program, "--clock", "60x", "--instances", "instant") as (url, _):
        yield Sandbox(url)


@pytest.fixture
def web(instant):
    """A load balancer with a listener that forwards to a target group: their ARNs, and a subnet."""
    ec2, elb = instant.client("ec2"), instant.client("elbv2")
    subnets = [subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"]][:2]
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    balancer = elb.create_load_balancer(Name="web", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    made = elb.create_target_group(Name="web", Protocol="HTTP", Port=80, VpcId=vpc)
    target_group = made["TargetGroups"][0]["TargetGroupArn"]
    forward = [{"Type": "forward", "TargetGroupArn": target_group}]
    elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=forward)
    return {"balancer": balancer, "target_group": target_group, "subnet": subnets[0], "vpc": vpc}


def instance(sandbox, subnet):
    ec2 = sandbox.client("ec2")
    image = ec2.describe_images(Owners=["099720109477"])["Images"][0]["ImageId"]
    made = ec2.run_instances(ImageId=image, InstanceType="t3.nano", MinCount=1, MaxCount=1, SubnetId=subnet)
    return made["Instances"][0]["InstanceId"]


def test_boto3s_waiters_of_load_balancers_see_them_come_and_go(instant, web):
    elb = instant.client("elbv2")
    arns = [web["balancer"]]
    elb.get_waiter("load_balancer_exists").wait(LoadBalancerArns=arns, WaiterConfig=QUICK)
    elb.get_waiter("load_balancer_available").wait(LoadBalancerArns=arns, WaiterConfig=QUICK)
    elb.delete_load_balancer(LoadBalancerArn=web["balancer"])
    elb.get_waiter("load_balancers_deleted").wait(LoadBalancerArns=arns, WaiterConfig=QUICK)
    with pytest.raises(elb.exceptions.LoadBalancerNotFoundException):
        elb.describe_load_balancers(Names=["web"])
    elb.delete_target_group(TargetGroupArn=web["target_group"])


def test_boto3s_waiters_of_targets_see_them_in_service_and_gone(instant, web):
    elb = instant.client("elbv2")
    targets = {"TargetGroupArn": web["target_group"], "Targets": [{"Id": instance(instant, web["subnet"])}]}
    elb.register_targets(**targets)
    elb.get_waiter("target_in_service").wait(**targets, WaiterConfig=QUICK)
    elb.deregister_targets(**targets)
    elb.get_waiter("target_deregistered").wait(**targets, WaiterConfig=QUICK)


@pytest.mark.parametrize(
    ("operation", "key"),
    [
        ("describe_load_balancers", "LoadBalancers"),
        ("describe_target_groups", "TargetGroups"),
        ("describe_listeners", "Listeners"),
        ("describe_rules", "Rules"),
    ],
)
def test_boto3s_paginators_give_everything_once(instant, web, operation, key):
    elb = instant.client("elbv2")
    listener = elb.describe_listeners(LoadBalancerArn=web["balancer"])["Listeners"][0]["ListenerArn"]
    subnets = [zone["SubnetId"] for zone in elb.describe_load_balancers()["LoadBalancers"][0]["AvailabilityZones"]]
    refuse = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}]
    for number in (1, 2):
        elb.create_load_balancer(Name=f"web-{number}", Subnets=subnets)
        elb.create_target_group(Name=f"web-{number}", Protocol="HTTP", Port=80, VpcId=web["vpc"])
        arguments = {"LoadBalancerArn": web["balancer"], "Protocol": "HTTP", "DefaultActions": refuse}
        elb.create_listener(**arguments, Port=8000 + number)
        path = [{"Field": "path-pattern", "Values": [f"/{number}"]}]
        elb.create_rule(ListenerArn=listener, Priority=number, Conditions=path, Actions=refuse)
    arguments = {
        "describe_listeners": {"LoadBalancerArn": web["balancer"]},
        "describe_rules": {"ListenerArn": listener},
    }.get(operation, {})
    pages = list(elb.get_paginator(operation).paginate(**arguments, PaginationConfig={"PageSize": 2}))
    found = [json.dumps(item, default=str) for page in pages for item in page[key]]
    assert len(pages) == 2
    assert (len(found), len(set(found))) == (3, 3)


def test_a_group_is_behind_its_target_group(instant, web):
    autoscaling, elb = instant.client("autoscaling"), instant.client("elbv2")
    image = instant.client("ec2").describe_images(Owners=["099720109477"])["Images"][0]["ImageId"]
    autoscaling.create_launch_configuration(LaunchConfigurationName="web", ImageId=image, InstanceType="t3.nano")
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName="web",
        LaunchConfigurationName="web",
        MinSize=1,
        MaxSize=2,
        VPCZoneIdentifier=web["subnet"],
        TargetGroupARNs=[web["target_group"]],
        HealthCheckType="ELB",
    )
    (health,) = elb.describe_target_health(TargetGroupArn=web["target_group"])["TargetHealthDescriptions"]
    assert health["TargetHealth"]["State"] == "healthy"
    paginator = autoscaling.get_paginator("describe_load_balancer_target_groups")
    (page,) = paginator.paginate(AutoScalingGroupName="web")
    assert [one["State"] for one in page["LoadBalancerTargetGroups"]] == ["InService"]
    autoscaling.update_auto_scaling_group(AutoScalingGroupName="web", MinSize=0, DesiredCapacity=0)
    assert not elb.describe_target_health(TargetGroupArn=web["target_group"])["TargetHealthDescriptions"]


def test_the_aws_command_prints_the_health_of_targets(instant, web):
    target = instance(instant, web["subnet"])
    # Version 1 of the command signs alike for both kinds of load balancers; the version in the call tells them apart.
    instant.aws("elbv2", "register-targets", "--target-group-arn", web["target_group"], "--targets", f"Id={target}")
    printed = instant.aws("elbv2", "describe-target-health", "--target-group-arn", web["target_group"])
    (health,) = json.loads(printed)["TargetHealthDescriptions"]
    assert (health["Target"]["Id"], health["TargetHealth"]["State"]) == (target, "healthy")


def test_classic_load_balancers_are_refused_by_name(instant):
    with pytest.raises(botocore.exceptions.ClientError, match="Classic Load Balancers are not reproduced"):
        instant.client("elb").describe_load_balancers()
