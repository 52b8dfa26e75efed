"""`strongroom keys rotate` and `rewrap`: a KEK's new version, brought to its end."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from vault.cli.console import AsJson, aside, pairs, print_json, print_table, screen
from vault.cli.failures import REFUSED, UsageFault
from vault.cli.keys.named import wanted
from vault.cli.keys.working import Person, Rate, Reason, checked, progress
from vault.cli.tenants import service_settings

if TYPE_CHECKING:
    from vault.operators import Operator
    from vault.service.rotate import Rotated, Tools
    from vault.settings import Settings

Tenant = Annotated[str | None, typer.Option("--tenant", help="Rotate this tenant's KEK.")]
Every = Annotated[bool, typer.Option("--all", help="Every tenant's, one after the other.")]
Key = Annotated[
    str | None, typer.Option("--key", help="A signing key: log, authority, cert or worker-PLANE.")
]
_SHOWN = 20


def rotate(
    *,
    person: Person,
    tenant: Tenant = None,
    every: Every = False,
    key: Key = None,
    reason: Reason = None,
    rate: Rate = None,
    as_json: AsJson = False,
) -> None:
    """Give a tenant's KEK a new version, rewrap every DEK under it, and retire the older versions.

    Interrupt it at any time: the same command goes on where it was. A rotation that is unfinished is
    finished first, without another version. Older versions are retired only when not one DEK is left under
    them; else the ids of those that failed are listed and nothing is retired (exit 1). Each step and the
    count are events of the tenant. It yields to the service by itself; --rate sets a fixed pace.

    With --key it is a signing key that gets a new version, an event of every tenant: what older versions
    signed goes on verifying, nothing is restarted. Auditors who pinned keys pin the new one.

    Example: strongroom keys rotate --tenant acme --person "Meera Iyer" --reason change-118
    """
    if key is not None:
        if tenant is not None or every or rate is not None:
            raise UsageFault("--key goes with --person and --reason alone")
        _rotate_key(key, person, reason, as_json=as_json)
        return
    _run(person, reason, _tenant(tenant, every=every), rate, as_json=as_json, fresh=True)


def rewrap(
    *,
    person: Person,
    tenant: Tenant = None,
    every: Every = False,
    reason: Reason = None,
    rate: Rate = None,
    as_json: AsJson = False,
) -> None:
    """Finish a rotation without making another version: rewrap what is left, then retire older versions.

    Also after a key was rotated by other means. Does nothing where nothing is left to do.

    Example: strongroom keys rewrap --all --person "Meera Iyer"
    """
    _run(person, reason, _tenant(tenant, every=every), rate, as_json=as_json, fresh=False)


def _rotate_key(key: str, person: str, reason: str | None, *, as_json: bool) -> None:
    from vault.cli.keys.signing import rotate_key

    checked(person, reason)
    done = asyncio.run(rotate_key(service_settings(), key, person=person, reason=reason))
    shown = {"key": done.key, "version": str(done.version), "public_key": done.public_key.hex()}
    if as_json:
        print_json(shown | {"version": done.version, "older_versions_verify": done.older})
    else:
        screen().print(pairs(shown | {"older versions": f"{done.older}, which verify as before"}))


def _tenant(tenant: str | None, *, every: bool) -> str | None:
    if every == (tenant is not None):
        raise UsageFault("give --tenant NAME or --all")
    return tenant


def _run(
    person: str, reason: str | None, tenant: str | None, rate: int | None, *, as_json: bool, fresh: bool
) -> None:
    checked(person, reason)
    job = Job(person, reason, rate, fresh)
    done = asyncio.run(job.all_of(service_settings(), tenant))
    if as_json:
        print_json({"tenants": [document(one) for one in done]})
    else:
        _show(done)
    raise typer.Exit(REFUSED if any(not one.retired for one in done) else 0)


class Job:
    """One run of a command, over one or more tenants."""

    def __init__(self, person: str, reason: str | None, rate: int | None, fresh: bool) -> None:
        self._person, self._reason, self._rate, self._fresh = person, reason, rate, fresh

    async def all_of(self, settings: "Settings", tenant: str | None) -> list["Rotated"]:
        """Tenant after tenant; one whose DEKs fail does not hold up the next. Raises: KeysError, …"""
        from vault.operators import operating
        from vault.service.rotate import finish, rotate

        deed = rotate if self._fresh else finish
        done = []
        async with operating("rotator", settings) as operator:
            for one in wanted(await operator.parts.registers.tenants(), tenant):
                async with self._tools(one, operator) as tools:
                    done.append(await deed(one, tools))
        return done

    @asynccontextmanager
    async def _tools(self, tenant: str, operator: "Operator") -> AsyncIterator["Tools"]:
        from vault.cli.founding import operator as named
        from vault.service.key_work import Step, tell
        from vault.service.pace import Pace
        from vault.service.rotate import Tools

        who = named(tenant, self._person)

        async def note(step: Step) -> str:
            return await tell(who, step, operator.parts, reference=self._reason)

        total = sum((await operator.holdings.versions(tenant)).values())
        with progress(f"{tenant}: rewrap", total) as watch:
            yield Tools(
                keys=operator.transit,
                keystore=operator.holdings,
                pace=Pace(clock=time.monotonic, rate=self._rate),
                note=note,
                watch=watch,
            )


def document(one: "Rotated") -> dict[str, object]:
    """A rotation as JSON shows it."""
    return {
        "tenant": one.tenant,
        "version": one.version,
        "new_version": one.new_version,
        "rewrapped": one.rewrapped,
        "old_deks": one.left,
        "retired_older": one.retired,
        "failures": [{"dek_id": f.dek_id.hex(), "code": f.code} for f in one.failures],
        "seconds": round(one.seconds, 1),
    }


def _show(done: list["Rotated"]) -> None:
    columns = ("tenant", "version", "rewrapped", "DEKs/s", "left", "older versions")
    print_table(columns, [_row(one) for one in done])
    for one in done:
        for failure in one.failures[:_SHOWN]:
            say = f"{one.tenant}: DEK {failure.dek_id.hex()}: {failure.code}"
            aside().print(say, style="red", markup=False)
        if one.left:
            what = f"{one.tenant}: {one.left:,} DEKs are left under older versions, which still open them"
            aside().print(f"{what}; see the runbook of docs/OPERATIONS.md", style="red", markup=False)


def _row(one: "Rotated") -> tuple[str, ...]:
    rate = one.rewrapped / one.seconds if one.seconds else 0.0
    fate = "retired" if one.retired else "kept"
    return one.tenant, str(one.version), f"{one.rewrapped:,}", f"{rate:,.0f}", f"{one.left:,}", fate
