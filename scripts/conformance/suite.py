"""Runs moto's tests of some services against a sandbox and prints how many of those that count pass. See `run`."""

import os
import pathlib
import re
import socket
import subprocess
import sys
import time
import xml.etree.ElementTree as tree

HERE = pathlib.Path(__file__).resolve().parent

# How the evidence of a quirk begins that holds only while queues have no policy that lets topics in.
NO_POLICY = "queue policy:"


def files(service, *names):
    return [f"tests/test_{service}/test_{name}.py" for name in names]


SUITES = {
    "autoscaling": files(
        "autoscaling", "autoscaling", "autoscaling_group_filters", "autoscaling_groups", "autoscaling_integration",
        "autoscaling_metrics", "autoscaling_scheduledactions", "autoscaling_tags", "autoscaling_warm_pools",
        "launch_configurations", "policies",
    ),
    "cloudwatch": files(
        "cloudwatch", "cloudwatch", "cloudwatch_alarms", "cloudwatch_dashboards", "cloudwatch_expressions",
        "cloudwatch_insight_rules", "cloudwatch_tags",
    ),
    "sns": files("sns", "topics", "subscriptions", "publishing", "publish_batch", "application"),
    "sqs": files("sqs", "sqs", "sqs_message_attributes"),
    "sts": files("sts", "sts"),
    "ec2": files(
        "ec2", "vpcs", "subnets", "internet_gateways", "route_tables", "security_groups", "launch_templates", "key_pairs",
        "amis", "instances", "tags", "regions", "availability_zones_and_regions", "account_attributes",
    ),
    "ec2x": files(
        "ec2", "instance_types", "instance_type_offerings", "general", "settings", "elastic_network_interfaces",
        "elastic_ip_addresses", "elastic_block_store", "dhcp_options", "network_acls", "nat_gateway",
    ),
}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(port):
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    sys.exit(f"error: nothing listens on port {port}")


def run(name, tests, place, port):
    report = place / "out" / f"{name}.xml"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
        "TEST_SERVER_MODE": "true",
        "TEST_SERVER_MODE_ENDPOINT": f"http://127.0.0.1:{port}",
        "TESTS_SKIP_REQUIRES_DOCKER": "true",
        "MOTO_TEST_ALLOW_AWS_REQUEST": "false",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "PYTHONPATH": f"{place / 'moto-5.2.5'}:{HERE}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "plugin", "-p", "no:cacheprovider", "-o", "junit_family=xunit1",
               "--junitxml", str(report), "--timeout", "60", "--tb", "short", "-W", "ignore", "--color", "no", "-rfE", *tests]
    with open(place / "out" / f"{name}.log", "w") as log:
        subprocess.run(command, cwd=place / "moto-5.2.5", env=environment, stdout=log, stderr=log, check=False)
    return results(report)


def results(report):
    """Whether each test passed, by its name; one that was skipped is not there."""
    found = {}
    for case in tree.parse(report).iter("testcase"):
        names = [one.get("value") for one in case.iter("property") if one.get("name") == "nodeid"]
        if names and case.find("skipped") is None:
            failed = case.find("failure") is not None or case.find("error") is not None
            found[names[0]] = found.get(names[0], True) and not failed
    return found


def lines(name):
    return [line for line in (HERE / name).read_text().splitlines() if line and not line.startswith("#")]


def counted():
    """The tests in scope by name, each with its flags: c, v and, where all its operations are core, k."""
    tests, core = {}, core_operations()
    for line in lines("tests.txt"):
        flags, called, name = line.split(" ", 2)
        tests[name] = flags + "k" * (operations(called.split(";")) <= core)
    return tests


def core_operations():
    return operations(re.sub(r"(?<=[,:])\s+", "", "\n".join(lines("core_ops.txt"))).splitlines())


def operations(groups):
    """`ec2:CreateVpc,DeleteVpc` and its like, one operation each."""
    pairs = (group.split(":", 1) for group in groups if ":" in group)
    return {f"{service}:{name}" for service, names in pairs for name in names.split(",")}


def quirks(names, with_policies):
    """The tests that never count, each with its evidence. A line's id that ends with `[` means all its parameters."""
    found = {}
    for line in lines("quirks.txt"):
        start, evidence = line.split("  ", 1)
        if with_policies and evidence.startswith(NO_POLICY):
            continue
        matching = [name for name in names if name == start or (start.endswith("[") and name.startswith(start))]
        if not matching:
            sys.exit(f"error: quirks.txt names a test that is not in scope: {start}")
        found |= dict.fromkeys(matching, evidence)
    return found


def show(title, passed, counts):
    columns = []
    for flag, words in (("", "in scope"), ("k", "core"), ("v", "run on AWS")):
        names = [name for name in counts if flag in counts[name]]
        columns.append(f"{sum(passed.get(name, False) for name in names):4} of {len(names):4} {words}")
    print(f"  {title:14} {'   '.join(columns)}", flush=True)


def report(passed, counts, left_out):
    """The two figures that count, what was left out of them, and each failure that is in them."""
    print("\nWithout the quirks:")
    for flag, words in (("", "all in scope"), ("k", "core")):
        names = [name for name in counts if flag in counts[name] and name not in left_out]
        good = sum(passed.get(name, False) for name in names)
        share = 100 * good / len(names) if names else 0
        print(f"  {words:14} {good:4} of {len(names):4} {share:5.1f} %")
    here = [name for name in counts if name in left_out]
    print(f"  {len(here)} quirks were left out.")
    list_names("Quirks that pass all the same", [name for name in here if passed.get(name)])
    list_names("Failures that count", [name for name in counts if name not in left_out and not passed.get(name)])


def list_names(title, names):
    print(f"{title}: {len(names)}")
    for name in sorted(names):
        print(f"  {name}")


def main():
    program, place, *chosen = sys.argv[1:]
    place = pathlib.Path(place)
    (place / "out").mkdir(exist_ok=True)
    flags = [one for one in chosen if one.startswith("--")]
    counts = counted()
    left_out = quirks(counts, "--queue-policies" in flags)
    port = free_port()
    sandbox = subprocess.Popen([program, "sandbox", "--port", "0", "--instances", "instant"], stdout=subprocess.PIPE, text=True)
    url = sandbox.stdout.readline().split()[-1]
    shim = subprocess.Popen([sys.executable, HERE / "shim.py", "--port", str(port), "--upstream", url, *flags])
    try:
        wait_for(port)
        total = {}
        for service in (one for one in chosen if one not in flags):
            tests = SUITES.get(service, [service])
            passed = run(service.replace("/", "_"), tests, place, port)
            total |= passed
            show(service, passed, {name: flags for name, flags in counts.items() if name.split("::")[0] in tests})
        files_run = {name.split("::")[0] for name in total}
        here = {name: flags for name, flags in counts.items() if name.split("::")[0] in files_run}
        if len(chosen) - len(flags) > 1:
            show("together", total, here)
        report(total, here, left_out)
        print(f"pytest's logs are in {place / 'out'}")
    finally:
        for process in (shim, sandbox):
            process.terminate()
            process.wait()


main()
