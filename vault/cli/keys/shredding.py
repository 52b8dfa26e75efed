"""`strongroom keys shred-cycle`: what was erased becomes final, by two persons, with a grace in between."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vault.cli.console import AsJson, print_json, print_table
from vault.cli.failures import REFUSED, UNAVAILABLE, CommandError, UsageFault
from vault.cli.keys.named import wanted
from vault.cli.keys.working import Person, Rate, Reason, checked, progress
from vault.cli.tenants import service_settings

if TYPE_CHECKING:
    from vault.operators import Operator
    from vault.service.key_work import Step
    from vault.service.rotate import Tools
    from vault.service.shred import Shredding
    from vault.settings import Settings

Tenant = Annotated[str | None, typer.Option("--tenant", help="This tenant's cycle.")]
Every = Annotated[bool, typer.Option("--all", help="Every tenant's, one after the other.")]
Grace = Annotated[
    int, typer.Option("--grace", min=0, max=90, help="Days between retiring and trimming, for a new cycle.")
]
_WORDS = {
    "left": "DEKs are left under older versions: nothing was retired",
    "grace": "older versions open nothing; they can be brought back until",
    "due": "older versions are to be trimmed, by another person, with the identity shredder",
    "final": "older versions are destroyed",
}


def shred_cycle(
    *,
    person: Person,
    tenant: Tenant = None,
    every: Every = False,
    grace: Grace = 7,
    reason: Reason = None,
    rate: Rate = None,
    as_json: AsJson = False,
) -> None:
    """Make erasures final: rotate, rewrap what lives, verify a sample, retire; after a grace, trim.

    Run it once with the identity `rotator` (and `reveal` for the sample, or `keys verify` on its host);
    after the grace another person runs it with the identity `shredder`: then nothing opens what was erased
    before the cycle, whatever copy of the databases somebody has. Interrupt it at any time and run it again.
    Each step is an event of the tenant. `keys finality` writes the signed statement.

    Exit: 0 done as far as it can be now, 1 refused or DEKs are left, 2 asked wrongly, 3 not available now.

    Example: strongroom keys shred-cycle --tenant acme --person "Meera Iyer" --reason change-118
    """
    checked(person, reason)
    if every == (tenant is not None):
        raise UsageFault("give --tenant NAME or --all")
    job = Job(person, reason, rate, grace)
    done = asyncio.run(job.all_of(service_settings(), tenant))
    if as_json:
        print_json({"tenants": [document(one) for one in done]})
    else:
        print_table(("tenant", "version", "state"), [_row(one) for one in done])
    raise typer.Exit(REFUSED if any(one.stage == "left" for one in done) else 0)


class Job:
    """One run of the command, over one or more tenants."""

    def __init__(self, person: str, reason: str | None, rate: int | None, grace: int) -> None:
        self._person, self._reason, self._rate, self._grace = person, reason, rate, grace
        self.margin: int | None = None

    async def all_of(self, settings: "Settings", tenant: str | None) -> list["Shredding"]:
        """Tenant after tenant, each as far as the identities that are here can take it."""
        from vault.service.shred import stage_of

        names = [n for n in ("rotator", "shredder") if settings.identity_file(n).exists()]
        if not names:
            raise CommandError("neither rotator.json nor shredder.json is in STRONGROOM_IDENTITIES")
        tenants, cycles = await _look(names[0], settings, tenant)
        done = []
        for one in tenants:
            cycle = cycles[one]
            due = cycle is not None and stage_of(cycle, _now()) == "due"
            if ("shredder" if due else "rotator") not in names:
                needs = "shredder" if due else "rotator"
                raise CommandError(f"{one}: this step needs the identity {needs}, which is not here")
            done.append(await (self._trim if due else self._prepare)(one, settings))
        return done

    async def _prepare(self, tenant: str, settings: "Settings") -> "Shredding":
        from vault.operators import operating
        from vault.reading import diary_of
        from vault.service.shred import MARGIN, Begin, prepare
        from vault.store.erasures import returned, unfinished

        async with operating("rotator", settings) as operator:

            async def erasing(one: str) -> bool:
                if back := await returned(operator.plane.data, one, operator.holdings.present):
                    raise CommandError(
                        f"{one}: {back:,} keys that erasures destroyed are in the keystore again: it was set "
                        "back. `strongroom restore run … --repair` destroys them; nothing is final before"
                    )
                return await unfinished(operator.plane.data, one)

            begin = Begin(
                person=self._person,
                grace_days=self._grace,
                now=_now,
                erasing=erasing,
                margin=MARGIN if self.margin is None else self.margin,
            )
            async with self._tools(tenant, operator, settings) as tools:
                return await prepare(tenant, begin, diary_of(operator.plane), tools)

    async def _trim(self, tenant: str, settings: "Settings") -> "Shredding":
        from vault.operators import operating
        from vault.reading import diary_of
        from vault.service.shred import Ending, Shredding, stage_of, trim

        async with operating("shredder", settings) as operator:
            diary = diary_of(operator.plane)
            cycle = await diary.cycle(tenant)
            if cycle is None or stage_of(cycle, _now()) != "due":
                raise CommandError(f"{tenant}: nothing is to be trimmed now", UNAVAILABLE)
            ending = Ending(operator.holdings, self._note(tenant, operator))
            await trim(tenant, self._person, cycle, operator.transit, ending)
            return Shredding(tenant, "final", await diary.cycle(tenant) or cycle)

    def _note(self, tenant: str, operator: "Operator") -> "Callable[[Step], Awaitable[str]]":
        from vault.cli.founding import operator as named
        from vault.service.key_work import tell

        who = named(tenant, self._person)
        return lambda step: tell(who, step, operator.parts, reference=self._reason)

    @asynccontextmanager
    async def _tools(self, tenant: str, operator: "Operator", settings: "Settings") -> AsyncIterator["Tools"]:
        from vault.cli.keys.verifying import assert_verified
        from vault.reading import diary_of
        from vault.service.pace import Pace
        from vault.service.rotate import Tools

        async def verified(version: int) -> None:
            await assert_verified(tenant, version, self._person, diary_of(operator.plane), settings)

        total = sum((await operator.holdings.versions(tenant)).values())
        with progress(f"{tenant}: rewrap", total) as watch:
            yield Tools(
                keys=operator.transit,
                keystore=operator.holdings,
                pace=Pace(clock=time.monotonic, rate=self._rate),
                note=self._note(tenant, operator),
                watch=watch,
                verified=verified,
            )


async def _look(name: str, settings: "Settings", tenant: str | None) -> tuple[Sequence[str], dict[str, Any]]:
    """The tenants it is about, and each one's last cycle as the key server bears it out."""
    from keys.names import kek_of
    from vault.operators import operating
    from vault.reading import diary_of
    from vault.service.shred import in_force

    async with operating(name, settings) as operator:
        diary = diary_of(operator.plane)
        tenants, cycles = wanted(await operator.parts.registers.tenants(), tenant), dict[str, Any]()
        for one in tenants:
            cycle = await diary.cycle(one)
            if cycle is not None and cycle.trimmed is None:
                cycle = in_force(cycle, await operator.transit.key_settings(kek_of(one)))
            cycles[one] = cycle
        return tenants, cycles


def document(one: "Shredding") -> dict[str, object]:
    """A cycle as JSON shows it."""
    from vault.log.event import timestamp

    cycle = one.cycle
    return {
        "tenant": one.tenant,
        "stage": one.stage,
        "version": cycle.version,
        "erased_before": timestamp(cycle.erased_before),
        "begun_by": cycle.begun_by,
        "trim_from": None if cycle.due_at is None else timestamp(cycle.due_at),
        "trimmed_by": cycle.trimmed_by or None,
        "old_deks": one.rotated.left if one.rotated is not None else 0,
    }


def _row(one: "Shredding") -> tuple[str, ...]:
    from vault.log.event import timestamp

    until = f" {timestamp(one.cycle.due_at)}" if one.stage == "grace" and one.cycle.due_at else ""
    return one.tenant, str(one.cycle.version), _WORDS[one.stage] + until


def _now() -> int:
    return time.time_ns() // 1000
