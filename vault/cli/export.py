"""`strongroom export`: a copy of everything about one person, into a file for its owner alone."""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from vault.cli import access
from vault.cli.console import aside
from vault.cli.failures import CommandError, UsageFault
from vault.cli.http import Api
from vault.model.secret import Secret

PLANE = "reveal"
ROLE = "export"
"""The name of the credential in a development folder."""
SECONDS = 120.0
"""Encrypting takes some, and others may be before us."""

Subject = Annotated[str, typer.Argument(help="Your pseudonymous reference of the person.")]
Reference = Annotated[str, typer.Option(help="A reference of yours for the log, such as request-118.")]
Case = Annotated[
    str | None, typer.Option(help="The released access case (cas_…), where it takes two persons.")
]
Html = Annotated[bool, typer.Option("--html", help="A page for people instead of JSON for programs.")]
Out = Annotated[Path | None, typer.Option(help="Write here (0600); never over a file that is there.")]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(help="Encrypt to the passphrase in this file (0600), in the age format: `age -d` opens it."),
]


def export(
    subject: Subject,
    reference: Reference,
    case: Case = None,
    html: Html = False,
    out: Out = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make a copy of everything the vault has about a person. Every value in it is on record first.

    Example: strongroom export cust-8472 --reference request-118 --html --out copy.html
    """
    _assert_takes(out, binary=passphrase_file is not None)
    body: dict[str, object] = {
        "subject": subject,
        "reference": reference,
        "format": "html" if html else "json",
    }
    if case is not None:
        body["case"] = case
    if passphrase_file is not None:
        body["passphrase"] = _passphrase(passphrase_file).reveal()
    with Api(access.find(role=ROLE)) as api, _waiting():
        copied = Secret(api.download("/v1/export", body, plane=PLANE, seconds=SECONDS))
    if out is None:
        sys.stdout.buffer.write(copied.reveal())
        return
    _write_new(out, copied)
    aside().print(f"the copy is in {out} (0600)", markup=False)


def _assert_takes(out: Path | None, *, binary: bool) -> None:
    """Before anything is opened: where the copy goes can take it. Raises: CommandError, UsageFault."""
    if out is None and binary and sys.stdout.isatty():
        raise UsageFault("an encrypted copy is not for a screen: name a file with --out")
    if out is not None and os.path.lexists(out):
        raise CommandError(f"{out} exists already")
    if out is not None and not out.parent.is_dir():
        raise CommandError(f"{out.parent} is not a folder")


def _passphrase(path: Path) -> Secret[str]:
    """The first line of a file that is its owner's alone. Raises: UsageFault, OSError."""
    with path.open(encoding="utf-8") as file:
        if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            raise UsageFault(f"{path} must not be readable by group or others: chmod 600")
        try:
            return Secret(file.read(4096).rstrip("\r\n"))
        except UnicodeDecodeError:
            raise UsageFault(f"{path} is not UTF-8") from None


def _write_new(path: Path, copied: Secret[bytes]) -> None:
    """Mode 0600 from its first byte. Raises: CommandError when a file came there meanwhile."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise CommandError(f"{path} exists already") from None
    with os.fdopen(handle, "wb") as file:
        file.write(copied.reveal())
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _waiting() -> Iterator[None]:
    """How long it has taken, for whoever watches."""
    console = aside()
    columns = SpinnerColumn(), TextColumn("making the copy"), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        shown.add_task("", total=None)
        yield
