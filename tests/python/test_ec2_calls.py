"""Every waiter and every paginator that botocore has for the EC2 operations that the sandbox serves."""

import json
import subprocess

import botocore
import botocore.exceptions
import pytest

from conftest import Sandbox, running

ZONE = "ap-northeast-2a"
# As many as one page of the smallest size that EC2 takes, and some more.
PAGE, CROWD = 5, 7


@pytest.fixture(scope="module")
def served(program):
    printed = subprocess.run([program, "sandbox", "operations", "ec2", "--format", "json"], capture_output=True, check=True)
    return {entry["operation"] for entry in json.loads(printed.stdout)}


@pytest.fixture(scope="module")
def ec2(program):
    with running(program, "--instances", "instant") as (url, _):
        yield Sandbox(url).client("ec2")


class Network:
    """A VPC with a way out, and what stands in it."""

    def __init__(self, ec2):
        self.ec2 = ec2
        self.vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=self.gateway, VpcId=self.vpc)
        subnet = ec2.create_subnet(VpcId=self.vpc, CidrBlock="10.0.0.0/24", AvailabilityZone=ZONE)
        self.subnet = subnet["Subnet"]["SubnetId"]
        self.image = ec2.describe_images(Filters=[{"Name": "name", "Values": ["al2023-*"]}])["Images"][0]["ImageId"]

    def instance(self):
        launched = self.ec2.run_instances(ImageId=self.image, MinCount=1, MaxCount=1, SubnetId=self.subnet)
        return launched["Instances"][0]["InstanceId"]

    def volume(self):
        return self.ec2.create_volume(AvailabilityZone=ZONE, Size=1)["VolumeId"]

    def nat_gateway(self):
        address = self.ec2.allocate_address()["AllocationId"]
        made = self.ec2.create_nat_gateway(SubnetId=self.subnet, AllocationId=address)
        return made["NatGateway"]["NatGatewayId"]

    def peering(self):
        peer = self.ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
        made = self.ec2.create_vpc_peering_connection(VpcId=self.vpc, PeerVpcId=peer)
        return made["VpcPeeringConnection"]["VpcPeeringConnectionId"]


@pytest.fixture(scope="module")
def network(ec2):
    return Network(ec2)


def doing(ec2, call, argument, made, plural=False):
    """The id, after one more call on it."""
    getattr(ec2, call)(**{argument: [made] if plural else made})
    return made


def attached(ec2, network):
    made = network.volume()
    ec2.attach_volume(VolumeId=made, InstanceId=network.instance(), Device="/dev/sdf")
    return made


def image(ec2, network, name):
    return ec2.create_image(InstanceId=network.instance(), Name=name)["ImageId"]


# What each waiter waits for: the argument that names it, and how it comes about.
WAITERS = {
    "image_available": ("ImageIds", lambda c, n: image(c, n, "available")),
    "image_exists": ("ImageIds", lambda c, n: image(c, n, "exists")),
    "instance_exists": ("InstanceIds", lambda c, n: n.instance()),
    "instance_running": ("InstanceIds", lambda c, n: n.instance()),
    "instance_status_ok": ("InstanceIds", lambda c, n: n.instance()),
    "instance_stopped": ("InstanceIds", lambda c, n: doing(c, "stop_instances", "InstanceIds", n.instance(), True)),
    "instance_terminated": ("InstanceIds", lambda c, n: doing(c, "terminate_instances", "InstanceIds", n.instance(), True)),
    "internet_gateway_exists": ("InternetGatewayIds", lambda c, n: n.gateway),
    "key_pair_exists": ("KeyNames", lambda c, n: c.create_key_pair(KeyName="waited-for", KeyType="ed25519")["KeyName"]),
    "nat_gateway_available": ("NatGatewayIds", lambda c, n: n.nat_gateway()),
    "nat_gateway_deleted": ("NatGatewayIds", lambda c, n: doing(c, "delete_nat_gateway", "NatGatewayId", n.nat_gateway())),
    "network_interface_available": (
        "NetworkInterfaceIds",
        lambda c, n: c.create_network_interface(SubnetId=n.subnet)["NetworkInterface"]["NetworkInterfaceId"],
    ),
    "security_group_exists": (
        "GroupIds",
        lambda c, n: c.create_security_group(GroupName="waited-for", Description="x", VpcId=n.vpc)["GroupId"],
    ),
    "snapshot_completed": ("SnapshotIds", lambda c, n: c.create_snapshot(VolumeId=n.volume())["SnapshotId"]),
    "subnet_available": ("SubnetIds", lambda c, n: n.subnet),
    "system_status_ok": ("InstanceIds", lambda c, n: n.instance()),
    "volume_available": ("VolumeIds", lambda c, n: n.volume()),
    "volume_deleted": ("VolumeIds", lambda c, n: doing(c, "delete_volume", "VolumeId", n.volume())),
    "volume_in_use": ("VolumeIds", attached),
    "vpc_available": ("VpcIds", lambda c, n: n.vpc),
    "vpc_exists": ("VpcIds", lambda c, n: n.vpc),
    "vpc_peering_connection_deleted": (
        "VpcPeeringConnectionIds",
        lambda c, n: doing(c, "delete_vpc_peering_connection", "VpcPeeringConnectionId", n.peering()),
    ),
    "vpc_peering_connection_exists": ("VpcPeeringConnectionIds", lambda c, n: n.peering()),
}


def test_every_waiter_of_a_served_operation_ends(ec2, network, served):
    waiters = {name: ec2.get_waiter(name).config.operation for name in ec2.waiter_names}
    known = {name for name, operation in waiters.items() if operation in served}
    assert known == set(WAITERS), "botocore or the sandbox has other waiters than this test"
    ended = {}
    for name, (argument, make) in WAITERS.items():
        try:
            # Nothing takes time here: a waiter that does not see its state at once never will.
            ec2.get_waiter(name).wait(**{argument: [make(ec2, network)]}, WaiterConfig={"Delay": 0, "MaxAttempts": 2})
            ended[name] = "ended"
        except botocore.exceptions.WaiterError as error:
            ended[name] = str(error)
    assert set(ended.values()) == {"ended"}, ended


def crowd(ec2, network):
    """More of most kinds of things than go on a page."""
    mapped = [{"Key": "of", "Value": "crowd"}]
    for at in range(CROWD):
        vpc = ec2.create_vpc(CidrBlock=f"10.{20 + at}.0.0/16")["Vpc"]["VpcId"]
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.{20 + at}.0.0/24")
        ec2.create_egress_only_internet_gateway(VpcId=vpc)
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.create_tags(Resources=[gateway], Tags=mapped)
        ec2.create_vpc_endpoint(VpcId=vpc, ServiceName="com.amazonaws.ap-northeast-2.s3")
        ec2.create_vpc_peering_connection(VpcId=network.vpc, PeerVpcId=vpc)
        ec2.create_dhcp_options(DhcpConfigurations=[{"Key": "domain-name", "Values": [f"example-{at}.com"]}])
        ec2.create_managed_prefix_list(PrefixListName=f"list-{at}", MaxEntries=1, AddressFamily="IPv4")
        data = {"ImageId": network.image, "InstanceType": "t3.micro"}
        ec2.create_launch_template(LaunchTemplateName=f"template-{at}", LaunchTemplateData=data)
        if at:
            ec2.create_launch_template_version(LaunchTemplateName="template-0", LaunchTemplateData=data)
        volume = network.volume()
        ec2.modify_volume(VolumeId=volume, Size=2)
        ec2.create_snapshot(VolumeId=volume)
        ec2.create_network_interface(SubnetId=network.subnet)
        network.instance()
        network.nat_gateway()


REQUIRED = {
    "DescribeLaunchTemplateVersions": {"LaunchTemplateName": "template-0"},
}
# Fewer of them than a page holds, or none at all.
SHORT = {
    "DescribeIamInstanceProfileAssociations",
    "DescribePrefixLists",
    "DescribeSpotPriceHistory",
    "DescribeStaleSecurityGroups",
    "GetManagedPrefixListEntries",
    "DescribeInstanceCreditSpecifications",
}


def test_every_paginator_of_a_served_operation_brings_everything_once(ec2, network, served):
    crowd(ec2, network)
    names = {name for name in served if ec2.can_paginate(botocore.xform_name(name))}
    blocks = [{"Cidr": f"10.{at}.0.0/16"} for at in range(CROWD)]
    entries = ec2.create_managed_prefix_list(
        PrefixListName="entries", MaxEntries=CROWD, AddressFamily="IPv4", Entries=blocks
    )["PrefixList"]["PrefixListId"]
    required = {
        **REQUIRED,
        "DescribeStaleSecurityGroups": {"VpcId": network.vpc},
        "GetManagedPrefixListEntries": {"PrefixListId": entries},
    }
    for name in sorted(names):
        call = botocore.xform_name(name)
        result = ec2.get_paginator(call).result_keys[0].expression
        arguments = required.get(name, {})
        whole = ec2.get_paginator(call).paginate(**arguments).build_full_result().get(result, [])
        pages = list(ec2.get_paginator(call).paginate(**arguments, PaginationConfig={"PageSize": PAGE}))
        assert all(page_size(page, result) <= PAGE for page in pages), name
        assert sorted(map(str, flat(pages, result))) == sorted(map(str, flat([{result: whole}], result))), name
        if name not in SHORT:
            assert len(pages) > 1, name


def flat(pages, result):
    """What the pages list; instances out of the reservations that pages may part."""
    items = [item for page in pages for item in page.get(result, [])]
    return [one for item in items for one in item["Instances"]] if result == "Reservations" else items


def page_size(page, result):
    return len(flat([page], result))
