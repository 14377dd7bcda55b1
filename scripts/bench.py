"""The measurements behind docs/performance.md. Run by scripts/bench, which builds and names the programs.

Every figure that claims to be faster is a ratio against a reference that runs in the same minute on the same machine.
The sequence alternates between the two sides, so that a machine that slows down slows both.
"""

import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
REGION = "ap-northeast-2"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": REGION}
ALARMS = 20


def main():
    scaleproof, moto_server, ministack, *wanted = sys.argv[1:]
    parts = {
        "render": lambda: render(scaleproof),
        "sandbox": lambda: sandbox(scaleproof),
        "requests": lambda: requests(scaleproof, moto_server, ministack),
        "provision": lambda: provision(scaleproof),
        "simulate": simulate,
    }
    unknown = [name for name in wanted if name not in parts]
    if unknown:
        sys.exit(f"error: `{unknown[0]}` is no measurement; there are {', '.join(parts)}")
    print(f"{os.cpu_count()} cores, {processor()}")
    print("| what | measured | reference | ratio |\n| --- | --- | --- | --- |")
    for name in wanted or parts:
        parts[name]()


def row(*cells):
    print("| " + " | ".join(cells) + " |", flush=True)


def processor():
    lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown processor")


def measured(*command, **options):
    """Runs a command to its end and returns how many seconds that took."""
    started = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False, **options)
    if done.returncode != 0:
        sys.exit(f"error: {command} exited with {done.returncode}\n{done.stderr.decode()}")
    return time.perf_counter() - started


def peak_memory(*command):
    """The peak memory of a command in MiB. GNU time asks the kernel; a child of this process would count its memory too."""
    gnu_time = shutil.which("time")
    if gnu_time is None:
        return None
    with tempfile.NamedTemporaryFile("r") as report:
        measured(gnu_time, "-f", "%M", "-o", report.name, *command)
        return int(report.read().split()[-1]) / 1024


# ---- render ----------------------------------------------------------------------------------------------------


def render(scaleproof):
    with tempfile.TemporaryDirectory() as folder:
        spec = str(ROOT / "examples/course.yaml")
        command = (scaleproof, "render", spec, "-o", folder, "--force")
        seconds = statistics.median(measured(*command) for _ in range(50))
        memory = peak_memory(*command)
    memory = "memory not measured: there is no GNU time" if memory is None else f"{memory:.1f} MiB"
    row("`render` of the course stack, whole process", f"{seconds * 1000:.1f} ms, {memory}", "bar: 10 ms, 15 MiB", "")


# ---- sandbox ---------------------------------------------------------------------------------------------------


class Server:
    """A server process that is ready when its port answers."""

    def __init__(self, command, url=None, variables=None):
        self.started = time.perf_counter()
        settings = {**os.environ, **(variables or {})}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=settings)
        if url is None:
            line = self.process.stdout.readline().decode()
            url = next(word for word in line.split() if word.startswith("http://"))
        self.url = url
        host, port = url.removeprefix("http://").split(":")
        self.address = (host, int(port))
        self.ready_after = self.wait()

    def wait(self):
        deadline = time.perf_counter() + 60
        while time.perf_counter() < deadline:
            try:
                with socket.create_connection(self.address, timeout=5):
                    return time.perf_counter() - self.started
            except OSError:
                time.sleep(0.0005)
        sys.exit(f"error: {self.url} does not answer")

    def resident(self):
        lines = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024

    def processor_seconds(self):
        """Of the process itself, all threads: the servers compared here have no others."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def start_sandbox(scaleproof, *arguments):
    return Server([scaleproof, "sandbox", "--port", "0", *arguments])


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def sandbox(scaleproof):
    starts, memory = [], []
    for _ in range(20):
        with start_sandbox(scaleproof) as server:
            urllib.request.urlopen(f"{server.url}/_scaleproof/health").read()
            starts.append(server.ready_after)
            memory.append(server.resident())
    row("sandbox, from start to first answer", f"{statistics.median(starts) * 1000:.1f} ms", "bar: 20 ms", "")
    row("sandbox, resident memory at rest", f"{max(memory):.1f} MiB", "bar: 20 MiB", "")


# ---- requests --------------------------------------------------------------------------------------------------


# What is asked: the service in the signature, the form, and what a right answer holds.
CALLS = {
    "DescribeAlarms": ("monitoring", "Version=2010-08-01", b"bench-19"),
    "DescribeAutoScalingGroups": ("autoscaling", "Version=2011-01-01", b"bench-4"),
    "PutMetricData": (
        "monitoring",
        "Version=2010-08-01&Namespace=bench&MetricData.member.1.MetricName=depth&MetricData.member.1.Value=7",
        b"PutMetricDataResponse",
    ),
}


def requests(scaleproof, moto_server, ministack):
    """Each call on each server, one after the other over one connection; ministack is told its port by a variable."""
    ports = [free_port(), free_port()]
    with (
        Server([moto_server, "-H", "127.0.0.1", "-p", str(ports[0])], f"http://127.0.0.1:{ports[0]}") as moto,
        Server([ministack], f"http://127.0.0.1:{ports[1]}", {"GATEWAY_PORT": str(ports[1]), "BIND_HOST": "127.0.0.1"}) as mini,
        start_sandbox(scaleproof, "--clock", "paused") as ours,
    ):
        for server in (moto, mini, ours):
            stock(server)
        others = {"moto 5.2.5": moto, "ministack 1.5.33": mini}
        for operation in CALLS:
            compare(f"{operation}, one call after the other", rate, operation, ours, others)
        if shutil.which("wrk") is None:
            print("left out: what the servers carry on eight connections, for want of wrk (on Debian: apt-get install wrk)")
            return
        for operation in CALLS:
            compare(f"{operation}, eight connections", carried, operation, ours, others)
        for operation in CALLS:
            compare(f"{operation}, eight connections, by processor time", carried_by_processor, operation, ours, others)


def compare(what, measure, operation, ours, others):
    rates = {server: [] for server in (ours, *others.values())}
    for _ in range(5):
        for server, seen in rates.items():
            seen.append(measure(server, operation))
    fast, *slow = (statistics.median(seen) for seen in rates.values())
    against = ", ".join(f"{name}: {other:,.0f}" for name, other in zip(others, slow))
    ratios = ", ".join(f"{fast / other:.0f} ×" for other in slow)
    row(what, f"{fast:,.0f} a second", f"{against} a second; bar: 20 ×", ratios)


def stock(server):
    import boto3

    def client(service):
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, endpoint_url=server.url, region_name=REGION, **keys)

    cloudwatch, autoscaling = client("cloudwatch"), client("autoscaling")
    for number in range(ALARMS):
        cloudwatch.put_metric_alarm(
            AlarmName=f"bench-{number}",
            Namespace="AWS/EC2",
            MetricName="CPUUtilization",
            Dimensions=[{"Name": "AutoScalingGroupName", "Value": "bench"}],
            Statistic="Average",
            Period=60,
            EvaluationPeriods=2,
            Threshold=50.0,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
        )
    autoscaling.create_launch_configuration(LaunchConfigurationName="bench", ImageId="ami-12c6146b", InstanceType="t2.nano")
    for number in range(5):
        autoscaling.create_auto_scaling_group(
            AutoScalingGroupName=f"bench-{number}",
            LaunchConfigurationName="bench",
            MinSize=0,
            MaxSize=1,
            AvailabilityZones=[f"{REGION}a"],
        )


def carried_by_processor(server, operation):
    """Requests of wrk for each second that the server itself computed: other work on the machine does not show."""
    before = server.processor_seconds()
    requests = wrk(server, operation)["requests"]
    return requests / (server.processor_seconds() - before)


def carried(server, operation):
    """Requests a second of wrk on eight connections: what the server carries, for the client of [`rate`] is the slower side."""
    rate(server, operation, seconds=0.1)
    seen = wrk(server, operation)
    return seen["requests"] / seen["seconds"]


def wrk(server, operation):
    service, form, _ = CALLS[operation]
    asked = ("-s", str(ROOT / "scripts/requests.lua"), server.url, "--", service, f"Action={operation}&{form}")
    command = ("wrk", "--threads", "1", "--connections", "8", "--duration", "2s", *asked)
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    seen = json.loads(ran.stdout.splitlines()[-1])
    if seen["failed"]:
        sys.exit(f"error: {seen['failed']} of {seen['requests']} calls of {operation} failed at {server.url}")
    return seen


def rate(server, operation, seconds=2.0):
    """Requests a second over one kept connection, or one each where the server closes it. Insists on right answers."""
    service, form, expected = CALLS[operation]
    body = f"Action={operation}&{form}".encode()
    scope = f"test/20260101/{REGION}/{service}/aws4_request"
    head = (
        f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{server.address[1]}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Authorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    request = head.encode() + body
    count, connection = 0, None
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        if connection is None:
            connection = socket.create_connection(server.address)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(request)
        answer, keeps = read_answer(connection)
        if expected not in answer:
            sys.exit(f"error: {server.url} answered {answer[:300]!r}")
        count += 1
        if not keeps:
            connection.close()
            connection = None
    if connection is not None:
        connection.close()
    return count / (time.perf_counter() - started)


def read_answer(connection):
    data = connection.recv(1 << 20)
    while b"\r\n\r\n" not in data:
        data += connection.recv(1 << 20)
    head, _, body = data.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    length = int(fields[b"content-length"])
    parts, have = [body], len(body)
    while have < length:
        parts.append(connection.recv(1 << 20))
        have += len(parts[-1])
    return b"".join(parts), head.startswith(b"HTTP/1.1") and fields.get(b"connection") != b"close"


# ---- provision -------------------------------------------------------------------------------------------------


def provision(scaleproof):
    """Ours against what it drives, each on a sandbox of its own: the same HCL, the same terraform, the same provider."""
    ours, bare = [], []
    for _ in range(3):
        ours.append(one_provision(scaleproof))
        bare.append(one_bare(scaleproof))
    mine, theirs = statistics.median(ours), statistics.median(bare)
    row(
        "`provision` of the course stack, alerting included",
        f"{mine:.1f} s",
        f"`terraform init && terraform apply` of the same HCL: {theirs:.1f} s",
        f"{mine / theirs:.2f} ×",
    )


def make_key_pair(server):
    """The pair that the course takes for there."""
    scope = "Credential=test/20270101/ap-northeast-2/ec2/aws4_request"
    headers = {"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"}
    form = b"Action=CreateKeyPair&Version=2016-11-15&KeyName=my-key&KeyType=ed25519"
    urllib.request.urlopen(urllib.request.Request(server.url, form, headers)).close()


def one_provision(scaleproof):
    with start_sandbox(scaleproof, "--clock", "60x") as server, Course() as folder:
        make_key_pair(server)
        return measured(scaleproof, "provision", "course.yaml", "--yes", cwd=folder, env=environment(server))


def one_bare(scaleproof):
    with start_sandbox(scaleproof, "--clock", "60x") as server, Course() as folder:
        make_key_pair(server)
        variables = environment(server)
        for_endpoint = ("--endpoint", server.url, "--skip-ec2-platforms")
        measured(scaleproof, "render", "course.yaml", "-o", "out", *for_endpoint, cwd=folder, env=variables)
        script = '"$SCALEPROOF_TERRAFORM" init -input=false && "$SCALEPROOF_TERRAFORM" apply -input=false -auto-approve'
        return measured("sh", "-c", script, cwd=f"{folder}/out", env=variables)


# ---- simulate --------------------------------------------------------------------------------------------------


def simulate():
    """One day of one group with twenty alarms, against the same model in SimPy; then how it grows."""
    ours, theirs = [], []
    for _ in range(3):
        ours.append(figure(os.environ["SCALEPROOF_BENCH"], "day"))
        theirs.append(figure(os.environ["SIMPY"], str(ROOT / "scripts/bench_simpy.py"), "1"))
    mine, other = (statistics.median(run["day_ms"] for run in runs) for runs in (ours, theirs))
    what = f"`simulate`: one day, one group, {ALARMS} alarms, load each second"
    row(what, f"{mine:.1f} ms", f"SimPy 4.1.1: {other:,.0f} ms; bar: 50 ms, 50 ×", f"{other / mine:.0f} ×")
    rate, slow = (statistics.median(run["events_per_second"] for run in runs) for runs in (ours, theirs))
    row("the same, events a second on one core", f"{rate / 1e6:.1f} million", f"SimPy: {slow / 1e6:.2f} million; bar: 5 million", f"{rate / slow:.0f} ×")
    seeds = figure(os.environ["SCALEPROOF_BENCH"], "seeds", "1000")
    row("1,000 seeded days on two cores", f"{seeds['seconds']:.1f} s", "bar: 30 s", "")
    one, many = (peak_memory(os.environ["SCALEPROOF_BENCH"], "days", days) for days in ("1", "365"))
    if one is not None:
        row("peak memory of 365 days", f"{many:.1f} MiB", f"of one day: {one:.1f} MiB", f"{many / one:.2f} ×")
    growth = [figure(os.environ["SCALEPROOF_BENCH"], "groups", count) for count in ("1", "10", "100", "1000")]
    cells = ", ".join(f"{run['groups']:,}: {run['ms_per_group']:.1f} ms" for run in growth)
    row("a day of so many groups, load each minute, per group", cells, "", "")


def figure(*command):
    """What a benchmark prints."""
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


class Course(tempfile.TemporaryDirectory):
    """A folder with the course example."""

    def __enter__(self):
        folder = super().__enter__()
        for name in ("course.yaml", "user-data.sh"):
            shutil.copy(ROOT / "examples" / name, folder)
        return folder


def environment(server):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**kept, **KEYS, "AWS_ENDPOINT_URL": server.url}


if __name__ == "__main__":
    main()
