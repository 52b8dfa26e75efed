"""`strongroom-audit`: mirror, verify, proof, report, receipts, certificate; each fault has its exit code."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from strongroom_audit.certificate import certificate
from strongroom_audit.check import Verdict, check_mirror
from strongroom_audit.faults import Fault, exit_code
from strongroom_audit.plain import clean
from strongroom_audit.progress import progress_bar
from strongroom_audit.prove import prove
from strongroom_audit.receipts import receipts
from strongroom_audit.reporting import counted, report
from strongroom_audit.store import Store
from strongroom_audit.sync import Outcome
from strongroom_audit.updating import Watcher, update

EXIT_CODES = """
Exit codes:\n
0 verified; 1 (receipts) ledger and log differ; 2 asked wrongly;\n
10 cannot reach: no answer, or the credential was refused;\n
11 history changed: the log contradicts what it signed or what was mirrored before;\n
12 event altered: an event or its place is not what was recorded;\n
13 gap: an event, a list or a file that must be there is missing;\n
14 bad signature: a checkpoint, list or worker that nobody you trust signed;\n
15 malformed: bytes that cannot be read; 16 mirror unusable: locked, damaged, disk full.\n
Of several faults the gravest decides: 11, 12, 14, 13, 15.
"""
_SHOWN = 25

app = typer.Typer(
    name="strongroom-audit",
    help="Verify a vault's access log without trusting the vault.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EXIT_CODES,
)
_out = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
_err = Console(highlight=False, markup=False, emoji=False, soft_wrap=True, stderr=True)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The mirror's folder.")]


@app.command(epilog=EXIT_CODES)
def mirror(
    url: Annotated[str, typer.Argument(metavar="URL", help="The vault's audit plane.")],
    folder: Folder,
    tenant: Annotated[str, typer.Option(help="Whose log.")],
    key: Annotated[
        list[str] | None, typer.Option(help="A vkey to trust for checkpoints; may be repeated.")
    ] = None,
    accept_new_keys: Annotated[
        bool, typer.Option("--accept-new-keys", help="Pin every key the log shows now.")
    ] = False,
) -> None:
    """Bring a verified copy of the log up to date; run it again after any interruption.

    The credential comes from STRONGROOM_CLIENT_ID and STRONGROOM_CLIENT_SECRET or _SECRET_FILE.
    Without --key the first run pins the keys it is shown: compare them with those the operator published.
    """
    with progress_bar("mirroring", _err) as progress:
        watcher = Watcher(progress, lambda line: _say(_err, line))
        outcome = update(url, folder, tenant, keys=key or [], accept=accept_new_keys, watcher=watcher)
    summary = f"{counted(outcome.size, 'event')} mirrored and proven, {outcome.fresh:,} new"
    _finish(summary, outcome)


@app.command(epilog=EXIT_CODES)
def verify(folder: Folder) -> None:
    """Check everything in a mirror again, from the first byte, without a network."""
    with progress_bar("verifying", _err) as progress:
        verdict = check_mirror(Store(folder), progress=progress)
    _finish(_verified(verdict), verdict)


@app.command(epilog=EXIT_CODES)
def proof(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A tlog-proof file.", exists=True, dir_okay=False)
    ],
    key: Annotated[list[str], typer.Option(help="The log's vkey; may be repeated.")],
    receipt: Annotated[str | None, typer.Option(help="The receipt (rcp_…) to prove.")] = None,
    entry: Annotated[str | None, typer.Option(help="The entry to prove, 49 bytes in hexadecimal.")] = None,
    body: Annotated[
        Path | None, typer.Option(help="File with the event's body, with --salt.", exists=True)
    ] = None,
    salt: Annotated[str | None, typer.Option(help="The event's salt in hexadecimal.")] = None,
    witness: Annotated[
        list[str] | None, typer.Option(help="vkey of a witness that must have signed.")
    ] = None,
) -> None:
    """Check that one event is in the log, with nothing but the log's public key.

    Say which event: by --receipt, by --body and --salt, or by --entry.
    """
    for line in prove(file, keys=key, witnesses=witness or [], subject=(receipt, entry, body, salt)):
        _say(_out, line)


app.command(epilog=EXIT_CODES)(report)
app.command(epilog=EXIT_CODES)(receipts)
app.command(epilog=EXIT_CODES)(certificate)


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit."""
    try:
        app(sys.argv[1:] if arguments is None else arguments)
    except Fault as fault:
        _say(_err, str(fault))
        raise SystemExit(fault.exit_code) from None
    except KeyboardInterrupt:
        _say(_err, "stopped; the next run goes on from here")
        raise SystemExit(130) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None


def _verified(verdict: Verdict) -> str:
    checkpoints = counted(verdict.checkpoints, "signed checkpoint")
    return f"{counted(verdict.size, 'event')} of {verdict.origin}, {checkpoints}"


def _finish(summary: str, found: Outcome | Verdict) -> None:
    """Say what was found, the gravest first, and exit with its code."""
    faults = found.faults
    for fault in sorted(faults, key=lambda one: one.rank)[:_SHOWN]:
        _say(_err, str(fault))
    if len(faults) > _SHOWN:
        _say(_err, f"and {len(faults) - _SHOWN} more")
    for verb, count in sorted(found.unknown.items()):
        _say(_out, f"{counted(count, 'event')} of a verb unknown to this verifier: {verb}")
    if found.withheld:
        what = "bodies were withheld from this credential; their entries are proven all the same"
        _say(_out, f"{found.withheld:,} {what}")
    _say(_out, f"{'NOT VERIFIED' if faults else 'verified'}: {summary}")
    if faults:
        raise SystemExit(exit_code(faults))


def _say(console: Console, line: str) -> None:
    console.print(Text(clean(line)))
