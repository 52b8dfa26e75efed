"""`strongroom-audit` as installed: says what to install when the extra is missing."""

import sys


def main() -> None:
    """Run the command line."""
    try:
        from strongroom_audit import cli
    except ModuleNotFoundError as missing:
        if missing.name not in {"cryptography", "rich", "typer"}:
            raise
        sys.exit(f"{missing.name} is missing: pip install 'strongroom[audit]'")
    cli.main()
