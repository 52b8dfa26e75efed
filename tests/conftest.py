"""Fixtures live in tests/plugins/, one file per thing they bring up."""

pytest_plugins = [
    "tests.plugins.bao",
    "tests.plugins.postgres",
    "tests.plugins.service",
    "tests.plugins.log",
    "tests.plugins.scene",
    "tests.plugins.browser",
]
