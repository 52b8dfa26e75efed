"""`strongroom keys reseal` and `keys reindex`: records under new DEKs, index rows under a new key."""

import asyncio
import getpass
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vault.cli.console import AsJson, aside, print_json, screen
from vault.cli.failures import REFUSED, UsageFault
from vault.cli.keys.named import wanted
from vault.cli.tenants import service_settings

if TYPE_CHECKING:
    from vault.service.index_retirement import Retired
    from vault.service.reopening import Job, Resealer
    from vault.settings import Settings

NOW = "now"
Tenant = Annotated[str, typer.Option("--tenant", help="Whose records.")]
Type = Annotated[str | None, typer.Option("--type", help="Records of this field type alone.")]
OfType = Annotated[str, typer.Option("--type", help="The field type whose index it is.")]
Before = Annotated[
    str | None,
    typer.Option("--before", metavar="TIME", help="Sealed before then: 2026-11-07T10:00:00Z, or `now`."),
]
Reference = Annotated[
    str | None, typer.Option("--reference", metavar="REF", help="Your reference, for the log.")
]
Share = Annotated[
    int, typer.Option("--share", min=1, max=100, help="Per cent of the time it works; the rest is others'.")
]
Finish = Annotated[
    bool, typer.Option("--finish", help="Retire the key's old versions instead. Needs the identity rotator.")
]


@dataclass(frozen=True, slots=True)
class Asked:
    """What one command is to do."""

    tenant: str
    field_type: str | None
    reference: str | None
    share: int
    before: int | None = None
    """µs; None: when the KEK was last rotated."""


@dataclass(frozen=True, slots=True)
class Done:
    """What it did."""

    done: int
    left: int
    failed: tuple[str, ...]
    old_keys: int = 0
    """DEKs that the office has still to destroy."""
    stray: int = 0


def reseal(
    *,
    tenant: Tenant,
    field_type: Type = None,
    before: Before = None,
    reference: Reference = None,
    share: Share = 30,
    as_json: AsJson = False,
) -> None:
    """Seal a tenant's living records anew, each under a DEK of its own that is new; no value changes.

    Which: those last sealed before the tenant's KEK was last rotated, or before --before. Interrupt or kill
    it at any time; the same command again goes on. Each record is opened for it, which is an event. The
    office plane destroys the old DEKs within a minute. Make a new backup afterwards.

    Needs the identity `resealer`, lent for the job by strongroom provision --lend-resealer, and both
    databases under the role strongroom_resealer. Exit: 0 done, 1 some are left, 3 not available: run it
    again.

    Example: strongroom keys reseal --tenant acme --reference change-118
    """
    asked = Asked(tenant, field_type, reference, share, _time(before))
    done = asyncio.run(_reseal(service_settings(), asked))
    _say(
        done,
        as_json,
        f"{done.done:,} records sealed anew",
        f"{done.old_keys:,} old DEKs for the office to destroy",
    )


def reindex(
    *,
    tenant: Tenant,
    field_type: OfType,
    finish: Finish = False,
    reference: Reference = None,
    share: Share = 30,
    as_json: AsJson = False,
) -> None:
    """Write a type's blind index anew under its key's newest version; search finds everything throughout.

    First rotate the key `bidx-TENANT-TYPE`, then run this, then run it with --finish: it counts the rows of
    older versions, waits, counts again, and when there are none retires those versions; the counts are in
    the log. Interrupt or kill it at any time; the same command again goes on.

    Needs the identity `resealer`, lent for the job, and with --finish `rotator`. Exit: 0 done, 1 some are
    left, 3 not available: run it again.

    Example: strongroom keys reindex --tenant acme --type pan
    """
    settings = service_settings()
    asked = Asked(tenant, field_type, reference, share)
    if finish:
        _say_retired(asyncio.run(_retire(settings, asked)), as_json)
        return
    done = asyncio.run(_reindex(settings, asked))
    _say(
        done,
        as_json,
        f"{done.done:,} index rows written anew",
        f"{done.stray:,} that stood for nothing removed",
    )


async def _reseal(settings: "Settings", asked: Asked) -> Done:
    from keys.transit import kek_of
    from vault.resealer import resealing
    from vault.service import reseal as verb

    async with resealing(settings) as (parts, transit):
        before = asked.before
        if before is None:
            before = max((await transit.version_times(kek_of(asked.tenant))).values()) * 1_000_000
        job, due = await _job(asked, verb.VERB, parts), verb.Due(before, asked.field_type)
        left = await parts.resealing.count_due(asked.tenant, before=before, field_type=asked.field_type)
        tally = verb.Tally()
        with _progress() as progress:
            bar = progress.add_task(f"reseal {asked.tenant}", total=left)
            began = time.monotonic()
            async for tally in verb.run(job, due, parts):
                progress.update(bar, completed=tally.done)
                began = await _rest(began, asked.share)
        left = await parts.resealing.count_due(asked.tenant, before=before, field_type=asked.field_type)
        old = await parts.resealing.waiting(asked.tenant)
        return Done(tally.done, left, tuple(sorted(tally.failed)), old)


async def _reindex(settings: "Settings", asked: Asked) -> Done:
    from vault.resealer import resealing
    from vault.service import reindex as verb

    field_type = asked.field_type or ""
    async with resealing(settings) as (parts, _):
        job = await _job(asked, verb.VERB, parts)
        tally = verb.Tally()
        with _progress() as progress:
            bar = progress.add_task(
                f"reindex {field_type}", total=await verb.left(job.tenant, field_type, parts)
            )
            began = time.monotonic()
            async for tally in verb.run(job, field_type, parts):
                progress.update(bar, completed=tally.done)
                began = await _rest(began, asked.share)
        left = await verb.left(job.tenant, field_type, parts)
        return Done(tally.done, left, tuple(sorted(tally.failed)), stray=tally.stray)


async def _retire(settings: "Settings", asked: Asked) -> "Retired":
    from vault.cli.founding import operator
    from vault.operators import operating
    from vault.service.index_retirement import retire
    from vault.store.resealing import Resealing

    async with operating("rotator", settings) as running:
        wanted(await running.parts.registers.tenants(), asked.tenant)
        who, rows = operator(asked.tenant, getpass.getuser()), Resealing(running.plane.data)
        return await retire(who, asked.field_type or "", running.transit, rows, running.parts)


async def _job(asked: Asked, verb: str, parts: "Resealer") -> "Job":
    """Raises: CommandError for a tenant there is not, BadRequest for a reference that is none."""
    from vault.cli.founding import operator
    from vault.service.key_work import check_reference
    from vault.service.reopening import Job

    check_reference(asked.reference)
    wanted(await parts.registers.tenants(), asked.tenant)
    policy = (await parts.registers.of(asked.tenant)).policy
    return Job(operator(asked.tenant, getpass.getuser()), verb, policy.hash, asked.reference)


async def _rest(began: float, share: int) -> float:
    """Leave the machine to others for as long as the share says; answers when work goes on."""
    await asyncio.sleep((time.monotonic() - began) * (100 - share) / share)
    return time.monotonic()


def _time(text: str | None) -> int | None:
    """Raises: UsageFault."""
    if text is None:
        return None
    if text == NOW:
        return time.time_ns() // 1000
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        raise UsageFault("--before is a time such as 2026-11-07T10:00:00Z, or `now`") from None
    if told.tzinfo is None:
        raise UsageFault("--before needs its zone: 2026-11-07T10:00:00Z or …+05:30")
    return int(told.astimezone(UTC).timestamp() * 1_000_000)


def _progress() -> Progress:
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("remaining"), TimeRemainingColumn())
    return Progress(TextColumn("{task.description}"), *columns, console=aside(), transient=True)


def _say(done: Done, as_json: bool, *lines: str) -> None:
    if as_json:
        told = {"done": done.done, "left": done.left, "failed": list(done.failed)}
        print_json(told | {"old_keys": done.old_keys, "stray": done.stray})
    else:
        screen().print("; ".join((*lines, f"{done.left:,} left")), markup=False)
        for token in done.failed:
            screen().print(f"did not open: {token}", style="red", markup=False)
    if done.left:
        raise typer.Exit(REFUSED)


def _say_retired(done: "Retired", as_json: bool) -> None:
    told = {"type": done.field_type, "version": done.version, "rows": done.rows, "old_rows": done.old_rows}
    if as_json:
        print_json(told)
    else:
        screen().print(
            f"{done.field_type}: version {done.version} alone from now on; {done.rows:,} rows,"
            f" {done.old_rows:,} of older versions",
            markup=False,
        )
    if done.old_rows:
        raise typer.Exit(REFUSED)
