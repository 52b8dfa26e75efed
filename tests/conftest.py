"""Fixtures live in tests/plugins/, one file per thing they bring up."""

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
