"""The examples for other people's tests run as they stand."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from conftest import ROOT, Sandbox, running

EXAMPLES = ROOT / "examples"


def test_the_pytest_example_passes(program):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(EXAMPLES / "pytest")]
    environment = {**os.environ, "SCALEPROOF": program}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=EXAMPLES / "pytest")
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout


def test_the_example_with_the_aws_command_receives_its_message(program):
    with running(program, "--clock", "paused") as (url, _):
        sandbox = Sandbox(url)
        commands = str(pathlib.Path(sys.executable).parent)
        sandbox.environment["PATH"] = f"{commands}:{sandbox.environment['PATH']}"
        printed = sandbox.run(str(EXAMPLES / "aws-command.sh"))
    assert "queue-deep\tALARM\tThreshold Crossed" in printed
    assert 'ALARM: \\"queue-deep\\" in Asia Pacific (Seoul)' in printed


def test_terraform_tests_a_group_on_the_sandbox(program, tmp_path):
    terraform = os.environ.get("SCALEPROOF_TERRAFORM") or shutil.which("terraform")
    if not terraform:
        pytest.skip("no terraform on this machine")
    shutil.copytree(EXAMPLES / "terraform-test", tmp_path / "stack")
    with running(program, "--clock", "60x") as (url, _):
        sandbox = Sandbox(url)
        sandbox.environment["TF_VAR_endpoint"] = url
        sandbox.run(terraform, "init", "-input=false", "-no-color", cwd=tmp_path / "stack")
        printed = sandbox.run(terraform, "test", "-no-color", cwd=tmp_path / "stack")
        assert "2 passed, 0 failed" in printed
