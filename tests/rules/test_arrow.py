"""Imports follow the arrow (contracts in pyproject.toml)."""

import subprocess
import sys
from pathlib import Path

from tests.rules.source import ROOT


def test_imports_follow_the_arrow():
    """Every import-linter contract holds."""
    linter = Path(sys.executable).with_name("lint-imports")
    command = [linter, "--no-cache", "--config", ROOT / "pyproject.toml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
