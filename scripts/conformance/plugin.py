"""Writes each test's whole name into the report, and knows moto's own markers."""

import pytest


def pytest_configure(config):
    for marker in ("network", "requires_docker", "aws_verified", "requires_clean_slate"):
        config.addinivalue_line("markers", f"{marker}: of moto's")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    item.user_properties.append(("nodeid", item.nodeid))
