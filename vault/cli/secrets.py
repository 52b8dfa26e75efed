"""Where a command puts a new secret: into a file for its owner alone, or on the screen, once."""

from pathlib import Path
from typing import Annotated, Any

import typer

from keys.identity import write_private
from vault.cli.console import aside, flat, pairs, print_json, print_raw, screen
from vault.cli.failures import CommandError

SecretFile = Annotated[
    Path | None,
    typer.Option("--secret-file", help="Write `client_id:secret` here (0600), not to the screen."),
]


def assert_new(secret_file: Path | None) -> None:
    """Before there is a secret: a file that cannot take it must not cost it. Raises: CommandError."""
    if secret_file is not None and secret_file.exists():
        raise CommandError(f"{secret_file} exists already")
    if secret_file is not None and not secret_file.parent.is_dir():
        raise CommandError(f"{secret_file.parent} is not a folder")


def show_entry(entry: dict[str, Any], secret_file: Path | None, as_json: bool) -> None:
    """A credential, and its secret where there is a new one."""
    secret = entry.get("client_secret")
    if secret and secret_file is not None:
        write_private(secret_file, f"{entry['credential']}:{secret}\n".encode())
        entry = {**entry, "client_secret": f"in {secret_file}"}
    if as_json:
        print_json(entry)
        return
    screen().print(pairs(flat({name: value for name, value in entry.items() if name != "client_secret"})))
    if secret and secret_file is None:
        aside().print("Its secret, shown now and never again:")
        print_raw(str(secret))
    elif secret:
        screen().print(f"secret in {secret_file} (0600)", markup=False)
