"""A sandbox of the tests' own with the course stack on it, provisioned by the program under test and real terraform.

The program is named by the variable SCALEPROOF, as ./test sets it.
"""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import urllib.request

import boto3
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
REGION = "ap-northeast-2"


class Sandbox:
    """A running endpoint, and how a client calls it."""

    def __init__(self, url):
        self.url = url
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
        }

    def client(self, service):
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def mailbox(self):
        """What people, telephones and devices were sent, oldest first."""
        with urllib.request.urlopen(f"{self.url}/_scaleproof/mailbox") as answer:
            return json.load(answer)["messages"]

    def run(self, *command, cwd=None):
        done = subprocess.run(command, env=self.environment, cwd=cwd, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def aws(self, *arguments):
        """Runs the aws command and returns what it printed."""
        command = pathlib.Path(sys.executable).with_name("aws")
        return self.run(str(command), *arguments)


@pytest.fixture(scope="session")
def program():
    found = os.environ.get("SCALEPROOF")
    if not found:
        pytest.skip("SCALEPROOF does not name the program under test")
    return found


def eventually(probe, patience=120):
    """Asks until the answer is yes. The one way to wait."""
    deadline = time.monotonic() + patience
    while not probe():
        assert time.monotonic() < deadline, f"not within {patience} s"
        time.sleep(0.2)


@contextlib.contextmanager
def running(program, *arguments):
    """The URL and the process of a sandbox of its own, which ends with the block."""
    with subprocess.Popen([program, "sandbox", "--port", "0", *arguments], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield next(word for word in process.stdout.readline().split() if word.startswith("http://")), process
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def sandbox(program):
    with running(program, "--clock", "60x") as (url, _):
        yield Sandbox(url)


@pytest.fixture(scope="session")
def stack(sandbox, program, tmp_path_factory):
    """The provisioned course stack's name."""
    # The course takes this pair for there.
    sandbox.client("ec2").create_key_pair(KeyName="my-key", KeyType="ed25519")
    folder = tmp_path_factory.mktemp("course")
    for name in ("course.yaml", "user-data.sh"):
        shutil.copy(ROOT / "examples" / name, folder / name)
    sandbox.run(program, "provision", "course.yaml", "--yes", cwd=folder)
    return "course"
