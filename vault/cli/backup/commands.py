"""`strongroom backup` and `strongroom restore`: copies of both databases, and bringing them back."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vault.cli.console import AsJson, aside, pairs, print_json, screen
from vault.cli.failures import UNAVAILABLE
from vault.cli.tenants import service_settings

if TYPE_CHECKING:
    from vault.cli.backup.folder import Watch
    from vault.cli.backup.manifest import Manifest
    from vault.cli.backup.restoring import Restored

app = typer.Typer(
    no_args_is_help=True,
    help="Copies of both databases, taken together. Needs the service's own settings, URLs of the owner.",
)
restoring = typer.Typer(
    no_args_is_help=True, help="Bring a backup back. Needs the service's own settings, URLs of the owner."
)

New = Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder, 0700, made by this command.")]
Copy = Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder of a copy.")]
Tombstones = Annotated[
    list[Path] | None,
    typer.Option(
        "--tombstones", metavar="FOLDER", help="Erasures made since: `backup tombstones`. May be repeated."
    ),
]
WithKeys = Annotated[
    bool, typer.Option("--keystore", help="Bring the keystore's copy back too. Else the living one is used.")
]
Repair = Annotated[
    bool, typer.Option("--repair", help="Into databases that are not empty: add what is missing, no more.")
]
BuryMissing = Annotated[
    bool, typer.Option("--bury-missing", help="Records without a key were erased: end them for good.")
]
Lost = Annotated[
    bool, typer.Option("--erasures-lost", help="Take old keys although nobody knows what was erased since.")
]


@app.command()
def take(folder: New, as_json: AsJson = False) -> None:
    """Copy the data database in one moment, then the keystore, into a new folder, while the vault serves.

    The folder is whole when it has its name. It holds sealed records, wrapped keys, events: no value. It is
    an event of each tenant, which names its manifest. What the sequencer signed last is not in it, on
    purpose: that must never go back in time. Needs the identity `audit`.

    Example: strongroom backup take /backups/2026-11-07
    """
    from vault.cli.backup import taking

    with _watching() as watch:
        manifest = asyncio.run(taking.take(folder, service_settings(), watch))
    _traced(folder, manifest, as_json=as_json)


@app.command()
def tombstones(folder: New, as_json: AsJson = False) -> None:
    """Copy what says whose keys were destroyed: small, for every hour, kept apart from the backups.

    A restore replays it, so that nothing erased since the backup returns.

    Example: strongroom backup tombstones /elsewhere/tombstones-2026-11-07T10
    """
    from vault.cli.backup import taking

    with _watching() as watch:
        manifest = asyncio.run(taking.take_tombstones(folder, service_settings(), watch))
    _show(folder, manifest, [], as_json=as_json)


@app.command()
def verify(folder: Copy, as_json: AsJson = False) -> None:
    """Check that every file of a copy is whole and as its manifest says. Needs no database and no network.

    Example: strongroom backup verify /backups/2026-11-07
    """
    from vault.cli.backup import folder as folders

    with _watching() as watch:
        manifest = folders.verified(folder, watch)
    _show(folder, manifest, [], as_json=as_json)


@app.command()
def record(folder: Copy, as_json: AsJson = False) -> None:
    """Name a copy in each tenant's log, where that could not be done when it was taken.

    Example: strongroom backup record /backups/2026-11-07
    """
    from vault.cli.backup import folder as folders

    _traced(folder, folders.read_manifest(folder), as_json=as_json)


@restoring.command("run")
def run(
    *,
    folder: Copy,
    tombstones: Tombstones = None,
    keystore: WithKeys = False,
    repair: Repair = False,
    bury_missing: BuryMissing = False,
    erasures_lost: Lost = False,
    as_json: AsJson = False,
) -> None:
    """Bring a backup's data back, all of it or nothing, with the living keystore; never what was erased.

    Erasures made since the backup are replayed from the living database (--repair) and from copies of
    tombstones. An old copy of the keystore is refused once its KEK versions were retired. No plane starts
    until the restore is on record: `strongroom restore finish`.

    Exit: 0 done, 1 refused and nothing changed, 2 asked wrongly, 3 not available now.

    Example: strongroom restore run /backups/2026-11-07 --tombstones /elsewhere/tombstones-2026-11-07T10
    """
    from vault.cli.backup.restoring import Wish, restore

    wish = Wish(
        folder=folder,
        tombstones=tombstones or [],
        keystore=keystore,
        repair=repair,
        bury_missing=bury_missing,
        erasures_lost=erasures_lost,
    )
    with _watching() as watch:
        done = asyncio.run(restore(wish, service_settings(), watch))
    _say(done, as_json=as_json)


@restoring.command("finish")
def finish(as_json: AsJson = False) -> None:
    """Put what was restored on record in each tenant's log; afterwards planes start. Needs `audit`.

    Into empty databases comes first: `strongroom tenants vouch`, for the registers are the backup's, and a
    credential revoked since is in force again.

    Example: strongroom restore finish
    """
    from vault.cli.backup import trace

    pending = asyncio.run(trace.finish(service_settings()))
    if as_json:
        print_json({"recorded": [one.manifest for one in pending]})
    else:
        screen().print(f"{len(pending)} restores put on record" if pending else "nothing was unfinished")


def _traced(folder: Path, manifest: "Manifest", *, as_json: bool) -> None:
    """Show a copy that is whole; whatever keeps its event away is said, and the copy stays."""
    from keys.errors import KeysError
    from vault.cli.backup import trace
    from vault.cli.failures import CommandError, explain
    from vault.errors import ServiceError

    try:
        tenants = asyncio.run(trace.record_backup(manifest, service_settings()))
    except (CommandError, KeysError, ServiceError) as error:
        _show(folder, manifest, [], as_json=as_json)
        why = explain(error)
        line = f"the copy is whole, but no log names it: {why.line if why else ''}"
        raise CommandError(f"{line}. Then: strongroom backup record {folder}", UNAVAILABLE) from None
    _show(folder, manifest, tenants, as_json=as_json)


def _show(folder: Path, manifest: "Manifest", recorded: list[str], *, as_json: bool) -> None:
    from vault.log.event import timestamp

    told: dict[str, Any] = {
        "folder": str(folder),
        "holds": manifest.kind,
        "taken_at": timestamp(manifest.taken_at),
        "manifest": manifest.digest,
        "rows": manifest.rows,
    }
    if as_json:
        tables = {name: one.rows for name, one in manifest.tables.items()}
        print_json(told | {"tables": tables, "tenants": sorted(manifest.tenants), "recorded": recorded})
        return
    also = {"in the log of": ", ".join(recorded)} if recorded else {}
    screen().print(pairs({name: f"{v:,}" if isinstance(v, int) else v for name, v in told.items()} | also))


def _say(done: "Restored", *, as_json: bool) -> None:
    from dataclasses import asdict

    from vault.log.event import timestamp

    one = done.done
    following = ["strongroom tenants vouch"] if done.empty else []
    following.append("strongroom restore finish")
    if as_json:
        print_json({**asdict(one), "keys_added": done.keys_added, "next": following})
        return
    told = {
        "manifest": one.manifest,
        "rows added": f"{one.added:,}",
        "keys added": f"{done.keys_added:,}",
        "ended again": f"{one.buried:,} records that were erased or corrected since",
        "without a key": f"{one.keyless:,} of these",
        "erasures known until": timestamp(one.erasures_until),
        "next": "; ".join(following),
    }
    screen().print(pairs(told))


@contextmanager
def _watching() -> Iterator["Watch"]:
    """Progress on standard error while somebody watches: what is under way, and how many rows so far."""
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = aside()
    columns = SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        tasks = dict[str, Any]()

        def watch(name: str, rows: int) -> None:
            if name not in tasks:
                tasks[name] = shown.add_task(name, total=None)
            shown.advance(tasks[name], rows)

        yield watch
