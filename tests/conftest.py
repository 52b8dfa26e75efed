"""Fixtures live in tests/plugins/, one file per thing they bring up."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# How fast examples come depends on who shares the machine; what is claimed of them does not.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

pytest_plugins = [
    "tests.plugins.bao",
    "tests.plugins.tls_bao",
    "tests.plugins.postgres",
    "tests.plugins.service",
    "tests.plugins.log",
    "tests.plugins.scene",
    "tests.plugins.browser",
    "tests.plugins.campaign",
]


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """Commands run within a test make files for their user alone; the next test does not inherit that."""
    os.umask(0o022)
    yield
    os.umask(0o022)
