"""`strongroom keys reseal` and `keys reindex`: records under new DEKs, index rows under a new key."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from vault.cli.console import AsJson, print_json, screen
from vault.cli.failures import REFUSED, UsageFault
from vault.cli.keys.named import wanted
from vault.cli.keys.working import Person, Rate, Reason, checked, progress
from vault.cli.tenants import service_settings

if TYPE_CHECKING:
    from vault.service.index_retirement import Retired
    from vault.service.parts import Parts
    from vault.service.reopening import Job
    from vault.settings import Settings

NOW = "now"
_STANDBYS = 2.0
"""Seconds after which every node of the key server knows a new version."""
Tenant = Annotated[str, typer.Option("--tenant", help="Whose records.")]
Type = Annotated[str | None, typer.Option("--type", help="Records of this field type alone.")]
OfType = Annotated[str, typer.Option("--type", help="The field type whose index it is.")]
Before = Annotated[
    str | None,
    typer.Option("--before", metavar="TIME", help="Sealed before then: 2026-11-07T10:00:00Z, or `now`."),
]
Fresh = Annotated[
    bool,
    typer.Option("--rotate", help="Give the key a new version first. Needs rotator as well."),
]
Finish = Annotated[
    bool, typer.Option("--finish", help="Retire the key's old versions instead. Needs the identity rotator.")
]


@dataclass(frozen=True, slots=True)
class Asked:
    """What one command is to do."""

    tenant: str
    field_type: str | None
    person: str
    reason: str | None = None
    rate: int | None = None
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
    person: Person,
    tenant: Tenant,
    field_type: Type = None,
    before: Before = None,
    reason: Reason = None,
    rate: Rate = None,
    as_json: AsJson = False,
) -> None:
    """Seal a tenant's living records anew, each under a DEK of its own that is new; no value changes.

    Which: those last sealed before the tenant's KEK was last rotated, or before --before. Interrupt or kill
    it at any time; the same command again goes on. Each record is opened for it, which is an event. The
    office plane destroys the old DEKs within a minute. Make a new backup afterwards.

    Needs the identity `resealer`, lent for the job by strongroom provision --lend-resealer, and both
    databases under the role strongroom_resealer. Exit: 0 done, 1 some are left, 3 not available: run it
    again.

    Example: strongroom keys reseal --tenant acme --person "Meera Iyer" --reason change-118
    """
    checked(person, reason)
    asked = Asked(tenant, field_type, person, reason, rate, _time(before))
    done = asyncio.run(_reseal(service_settings(), asked))
    _say(
        done,
        as_json,
        f"{done.done:,} records sealed anew",
        f"{done.old_keys:,} old DEKs for the office to destroy",
    )


def reindex(
    *,
    person: Person,
    tenant: Tenant,
    field_type: OfType,
    fresh: Fresh = False,
    finish: Finish = False,
    reason: Reason = None,
    rate: Rate = None,
    as_json: AsJson = False,
) -> None:
    """Write a type's blind index anew under its key's newest version; search finds everything throughout.

    With --rotate the key gets a new version first. When no old row is left, run it with --finish: that
    counts again, waits, counts once more, and retires the older versions; the counts are in the log.
    Interrupt or kill it at any time; without --rotate it goes on.

    Needs the identity `resealer`, lent for the job, and with --finish `rotator`. Exit: 0 done, 1 some are
    left, 3 not available: run it again.

    Example: strongroom keys reindex --tenant acme --type pan --person "Meera Iyer"
    """
    checked(person, reason)
    settings, asked = service_settings(), Asked(tenant, field_type, person, reason, rate)
    if finish:
        _say_retired(asyncio.run(_retire(settings, asked)), as_json)
        return
    if fresh:
        asyncio.run(_rotate(settings, asked))
    done = asyncio.run(_reindex(settings, asked))
    _say(
        done,
        as_json,
        f"{done.done:,} index rows written anew",
        f"{done.stray:,} that stood for nothing removed",
    )


async def _reseal(settings: "Settings", asked: Asked) -> Done:
    from keys.names import kek_of
    from vault.resealer import resealing
    from vault.service import reseal as verb

    async with resealing(settings) as (parts, transit):
        before = asked.before
        if before is None:
            before = max((await transit.version_times(kek_of(asked.tenant))).values()) * 1_000_000
        job, due = await _job(asked, verb.VERB, parts), verb.Due(before, asked.field_type)
        left = await parts.resealing.count_due(asked.tenant, before=before, field_type=asked.field_type)
        tally = verb.Tally()
        pace = _Pacing(asked.rate)
        with progress(f"{asked.tenant}: reseal", left, unit="records") as watch:
            async for tally in verb.run(job, due, parts):
                watch(tally)
                await pace.after(tally.seen)
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
        pace, total = _Pacing(asked.rate), await verb.left(job.tenant, field_type, parts)
        with progress(f"{asked.tenant}: reindex {field_type}", total, unit="rows") as watch:
            async for tally in verb.run(job, field_type, parts):
                watch(tally)
                await pace.after(tally.seen)
        left = await verb.left(job.tenant, field_type, parts)
        return Done(tally.done, left, tuple(sorted(tally.failed)), stray=tally.stray)


async def _rotate(settings: "Settings", asked: Asked) -> None:
    from vault.operators import operating
    from vault.service.index_retirement import rotate
    from vault.service.key_work import VERB

    async with operating("rotator", settings) as running:
        job = await _job(asked, VERB, running.parts)
        await rotate(job, asked.field_type or "", running.transit, running.parts)
    await asyncio.sleep(_STANDBYS)


async def _retire(settings: "Settings", asked: Asked) -> "Retired":
    from vault.operators import operating
    from vault.service.index_retirement import retire
    from vault.service.key_work import VERB
    from vault.store.resealing import Resealing

    async with operating("rotator", settings) as running:
        job, rows = await _job(asked, VERB, running.parts), Resealing(running.plane.data)
        return await retire(job, asked.field_type or "", running.transit, rows, running.parts)


async def _job(asked: Asked, verb: str, parts: "Parts") -> "Job":
    """Raises: CommandError for a tenant there is not."""
    from vault.cli.founding import operator
    from vault.service.reopening import Job

    wanted(await parts.registers.tenants(), asked.tenant)
    policy = (await parts.registers.of(asked.tenant)).policy
    return Job(operator(asked.tenant, asked.person), verb, policy.hash, asked.reason)


class _Pacing:
    """Leaves the machines to those who wait, a page at a time."""

    def __init__(self, rate: int | None) -> None:
        from vault.service.pace import Pace

        self._pace = Pace(clock=time.monotonic, rate=rate)
        self._began, self._seen = time.monotonic(), 0

    async def after(self, seen: int) -> None:
        """A page ended, with `seen` items in all: pause as long as is due."""
        items, self._seen = seen - self._seen, seen
        await self._pace.after("page", time.monotonic() - self._began, items=items)
        self._began = time.monotonic()


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
