"""`strongroom-witness` as installed: says what to install when the extra is missing."""

import sys


def main() -> None:
    """Run the command line."""
    try:
        from strongroom_witness import cli
    except ModuleNotFoundError as missing:
        if missing.name not in {"cryptography", "typer"}:
            raise
        sys.exit(f"{missing.name} is missing: pip install 'strongroom[audit]'")
    cli.main()
