"""`strongroom`: the entry, where every failure becomes one line and an exit status."""

import importlib.metadata
import os
import re
import sys
from typing import Annotated

import typer

from vault.cli import concealed, logs, process
from vault.cli.backup.commands import app as backup
from vault.cli.backup.commands import restoring as restore
from vault.cli.breach.commands import app as breach
from vault.cli.cases.commands import app as cases
from vault.cli.consents import app as consents
from vault.cli.console import aside
from vault.cli.credentials import app as credentials
from vault.cli.dev import dev
from vault.cli.disclosures import app as disclosures
from vault.cli.doctor import doctor
from vault.cli.events import events
from vault.cli.export import export
from vault.cli.failures import USAGE, CommandError, explain
from vault.cli.fields import fields
from vault.cli.holds import app as holds
from vault.cli.honey import app as honey
from vault.cli.keep.commands import app as retention
from vault.cli.keys.commands import app as keys
from vault.cli.keys.resealing import reindex, reseal
from vault.cli.migrate import migrate
from vault.cli.notices import app as notices
from vault.cli.policy import app as policy
from vault.cli.proposals import app as proposals
from vault.cli.provision import provision
from vault.cli.provision_db import provision_db
from vault.cli.receipts.commands import app as receipts
from vault.cli.recipients import app as recipients
from vault.cli.reconcile.commands import reconcile
from vault.cli.replacing import replace
from vault.cli.retention import app as log
from vault.cli.sequence import sequence
from vault.cli.serve import serve
from vault.cli.subjects import app as subjects
from vault.cli.tenants import app as tenants

_SECRET = re.compile(r"srs_[0-9a-hjkmnp-tv-z]{52}|hv[sbr]\.[A-Za-z0-9_-]{20,}|\bs\.[A-Za-z0-9]{24,}")

app = typer.Typer(
    name="strongroom",
    help="An encrypted vault for personal data: opaque tokens, purpose-bound reveals, a log of every access.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Try it: strongroom dev --demo",
)
for command in (dev, serve, sequence, migrate, provision, provision_db):
    app.command()(command)
keys.command()(reseal)
keys.command()(reindex)
for name, group in (
    ("tenants", tenants),
    ("credentials", credentials),
    ("proposals", proposals),
    ("policy", policy),
    ("notices", notices),
    ("consents", consents),
    ("subjects", subjects),
    ("holds", holds),
    ("honey", honey),
    ("retention", retention),
    ("cases", cases),
    ("recipients", recipients),
    ("disclosures", disclosures),
    ("breach", breach),
    ("log", log),
    ("keys", keys),
    ("receipts", receipts),
    ("backup", backup),
    ("restore", restore),
):
    app.add_typer(group, name=name)
for reader in (export, replace, fields, events, reconcile, doctor):
    app.command()(reader)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"strongroom {importlib.metadata.version('strongroom-vault')}")
        raise typer.Exit


@app.callback()
def root(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Options of the whole command."""


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit: 0 done, 1 refused, 2 asked wrongly, 3 not available now."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        refuse_secrets(given)
        if arguments is None:  # a process of its own: every command holds keys, credentials or values
            process.harden()
            concealed.settle(given)
        logs.to_standard_error()
        app(given)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except Exception as error:
        if os.environ.get("STRONGROOM_DEBUG"):
            raise
        _fail(
            explain(error) or CommandError(f"a bug: {type(error).__name__}; STRONGROOM_DEBUG=1 shows where")
        )


def refuse_secrets(arguments: list[str]) -> None:
    """Raises: CommandError when an argument holds a secret, which every process here could have read."""
    if any(_SECRET.search(one) for one in arguments):
        raise CommandError(
            "an argument looks like a secret: every process of this machine can read arguments, and the "
            "shell keeps them. Treat it as leaked: rotate it, then pass it by file, environment or prompt.",
            USAGE,
        )


def _fail(error: CommandError) -> None:
    aside().print(f"strongroom: {error.line}", markup=False, soft_wrap=True, style="red")
    raise SystemExit(error.status)
