"""`strongroom-witness`: init, trust, distrust, serve, status."""

import contextlib
import signal
import ssl
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer
from strongroom_audit.plain import clean
from strongroom_audit.verifier.notes import ED25519, Key, read_key

from strongroom_witness.evidence import ALARM
from strongroom_witness.faults import Fault, HistoryChanged, Malformed, Unusable
from strongroom_witness.folder import Folder
from strongroom_witness.service import WitnessServer

EXIT_CODES = """
Exit codes:\n
0 all is well; 2 asked wrongly;\n
11 history changed: a log signed two histories, the file ALARM has the evidence;\n
15 malformed: a key or name that is none; 16 unusable: the folder is no witness, or cannot be used.
"""

app = typer.Typer(
    name="strongroom-witness",
    help="Cosign the checkpoints of logs you watch, and refuse any that changes what you saw before.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EXIT_CODES,
)

Place = Annotated[Path, typer.Argument(metavar="DIR", help="The witness's folder.")]
LogKey = Annotated[str, typer.Argument(metavar="VKEY", help="The log's key, name+id+base64.")]
Pem = Annotated[Path | None, typer.Option(exists=True, dir_okay=False)]


@app.command(epilog=EXIT_CODES)
def init(
    folder: Place, name: Annotated[str, typer.Option(help="Its name, like witness.example/w1.")]
) -> None:
    """Make a new witness, and print the vkey that logs and auditors know it by."""
    print(Folder(folder).create(name).vkey)


@app.command(epilog=EXIT_CODES)
def trust(folder: Place, vkey: LogKey) -> None:
    """Cosign what this key signs; for a log that changes its key, trust the new one beside the old."""
    Folder(folder).state.trust(_log_key(vkey))


@app.command(epilog=EXIT_CODES)
def distrust(folder: Place, vkey: LogKey) -> None:
    """Cosign nothing of this key any more."""
    Folder(folder).state.distrust(_log_key(vkey))


@app.command(epilog=EXIT_CODES)
def serve(
    folder: Place,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any.")] = 8490,
    tls_cert: Pem = None,
    tls_key: Pem = None,
) -> None:
    """Answer POST /add-checkpoint until told to stop.

    What it signs is public and needs no secrecy; put TLS here or in a proxy before it all the same when it
    listens beyond this machine: the vault sends to https or loopback only.
    """
    if (tls_cert is None) != (tls_key is None):
        raise typer.BadParameter("--tls-cert and --tls-key belong together")
    witness = Folder(folder).witness(lambda: int(time.time()), _say)
    try:
        server = WitnessServer((host, port), witness, tls=_tls(tls_cert, tls_key))
    except OSError as error:
        raise Unusable(f"cannot listen ({error.strerror})", where=f"{host}:{port}") from None
    signal.signal(signal.SIGTERM, _stop)
    with server, contextlib.suppress(KeyboardInterrupt):
        _say(f"{witness.cosigner.vkey} listens at {host}:{server.port}")
        server.serve_forever()


@app.command(epilog=EXIT_CODES)
def status(folder: Place) -> None:
    """Show the key, the logs and what was refused; exits 11 while there is an ALARM."""
    place = Folder(folder)
    _show(place.cosigner().vkey)
    for origin, last in place.state.logs().items():
        trusted = "" if place.state.keys(origin) else " (no key trusted)"
        cosigned = (
            f"{last.size:,} events, cosigned {_when(last.time)}" if last.time else "nothing cosigned yet"
        )
        _show(f"{origin}: {cosigned}{trusted}")
    found = place.evidence.found()
    for name, headlines in found.items():
        for line in headlines:
            _show(f"{name}: {line}")
    if found[ALARM]:
        raise HistoryChanged(
            "a log signed two histories; the evidence is in this file", where=str(folder / ALARM)
        )


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit."""
    try:
        app(sys.argv[1:] if arguments is None else arguments)
    except Fault as fault:
        _say(str(fault))
        raise SystemExit(fault.exit_code) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _log_key(text: str) -> Key:
    key = read_key(text)
    if key.kind != ED25519:
        raise Malformed("is a witness's key; a log's is wanted", where=f"key {key.name}")
    return key


def _tls(cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if cert is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert, key)
    except OSError:  # ssl.SSLError too
        raise Unusable("no certificate and key that belong together", where=str(cert)) from None
    return context


def _stop(_: int, __: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _when(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _say(line: str) -> None:
    print(clean(line), file=sys.stderr, flush=True)


def _show(line: str) -> None:
    print(clean(line))
