"""A sandbox for each test: its own port, its own world, a clock that stands still until the test moves it.

Copy this file beside your tests. It needs boto3, and `scaleproof` on the PATH or named by SCALEPROOF.
"""

import json
import os
import subprocess
import urllib.request

import boto3
import pytest


class Sandbox:
    def __init__(self, url):
        self.url = url

    def client(self, service):
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, endpoint_url=self.url, region_name="eu-west-1", **keys)

    def control(self, path, order=None):
        """The control surface: see docs/sandbox-control.md."""
        body = None if order is None else json.dumps(order).encode()
        with urllib.request.urlopen(f"{self.url}/_scaleproof/{path}", body) as answer:
            return json.load(answer)

    def advance(self, span):
        self.control("clock", {"advance": span})

    def mailbox(self):
        return self.control("mailbox")["messages"]


@pytest.fixture
def sandbox():
    command = [os.environ.get("SCALEPROOF", "scaleproof"), "sandbox", "--port", "0", "--clock", "paused"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Sandbox(process.stdout.readline().split()[-1])
        finally:
            process.terminate()
