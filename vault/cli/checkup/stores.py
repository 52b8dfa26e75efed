"""The databases: schema, rights of their roles, authority, the office's acts, what is overdue."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from keys.roles import KEYSTORE_RIGHTS, PREFIX
from vault.cli import databases
from vault.cli.checkup.finding import KNOWN, Finding, any_plane, failed, here
from vault.errors import ServiceError
from vault.plane import base
from vault.service.catalogue import catalogue
from vault.service.keeping import Kept, judge
from vault.settings import PLANES, SEQUENCER, Settings
from vault.store.engine import open_database
from vault.store.ledger import Ledger
from vault.store.retention import dropped_before
from vault.store.rights import Compared, compare_rights
from vault.store.roles import RIGHTS
from vault.store.unvouched import Unvouched, missing, unvouched

_JUDGED = 1000
"""Records of each tenant that are judged; `strongroom retention verify` judges all."""
_GRACE = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class _Judging:
    ledger: Ledger
    now: Callable[[], int]


async def schemas(settings: Settings) -> list[Finding]:
    """Each database answers and has this version's schema."""
    found = []
    planes = [plane for plane in PLANES if here(settings, plane)]
    for name, url, schema in databases.of_planes(settings, planes):
        check = f"{name} database"
        try:
            good = await databases.current(name, url, schema)
        except KNOWN as error:
            found.append(failed(check, error))
            continue
        do = "" if good else "run `strongroom migrate`"
        says = "reachable, schema up to date" if good else "reachable, schema out of date"
        found.append(Finding(check, "ok" if good else "bad", says, do))
    return found


async def roles(settings: Settings) -> list[Finding]:
    """On PostgreSQL each plane logs in as its own role, which may do what its row says and no more."""
    found = []
    for plane in (one for one in (*PLANES, SEQUENCER) if here(settings, one)):
        role = PREFIX + plane
        told = [("data", settings.data_url_of(plane), RIGHTS, "alembic_version_data")]
        if role in KEYSTORE_RIGHTS:
            url = settings.keystore_url_of(plane)
            told.append(("keystore", url, KEYSTORE_RIGHTS, "alembic_version_keystore"))
        for name, url, rights, readable in told:
            engine = open_database(url)
            try:
                compared = await compare_rights(engine, rights[role], readable=readable)
            finally:
                await engine.dispose()
            found.append(_role(f"{name} role of {plane}", role, compared))
    return found


def _role(check: str, role: str, found: Compared | None) -> Finding:
    if found is None:
        return Finding(check, "ok", "SQLite knows no roles: the process is the only boundary")
    if found.role != role:
        return Finding(check, "bad", f"logs in as {found.role}, not as {role}", "give it its own URL")
    wrong = [*found.attributes, *(f"{w} on {t}.{c}" if c else f"{w} on {t}" for w, t, c in found.more)]
    lacking = [f"{what} on {table}" for what, table, _ in found.less]
    if wrong or lacking:
        parts = [f"may besides: {', '.join(wrong[:5])}" if wrong else "",
                 f"may not: {', '.join(dict.fromkeys(lacking[:5]))}" if lacking else ""]  # fmt: skip
        return Finding(check, "bad", "; ".join(filter(None, parts)), "run `strongroom provision-db`")
    return Finding(check, "ok", "may do what its plane needs and nothing else")


async def registers(settings: Settings) -> list[Finding]:
    """Every tenant's credentials and policy carry the authority key's signature."""
    found = []
    async with any_plane(settings) as plane:
        for tenant in await plane.parts.registers.tenants():
            try:
                authority = await plane.parts.registers.of(tenant)
            except ServiceError as error:
                found.append(
                    failed(f"authority of {tenant}", error, "someone changed the register: see docs")
                )
                continue
            says = f"register {authority.register.version} verifies"
            found.append(Finding(f"authority of {tenant}", "ok", says))
    return found or [Finding("authority", "warn", "there is no tenant", "run `strongroom tenants create`")]


async def acts(settings: Settings) -> list[Finding]:
    """Every act of the office that is in the database has its event."""
    database = open_database(settings.data_url_of("office"))
    found = []
    try:
        gone = await dropped_before(database)
        async with any_plane(settings) as plane:
            for tenant in await plane.parts.registers.tenants():
                wrong = _say("without an event", await unvouched(database, tenant, since=gone))
                wrong += _say("with an event, but not there", await missing(database, tenant, since=gone))
                check, do = f"acts of the office of {tenant}", "somebody wrote the database: see docs"
                found.append(
                    Finding(check, "bad", "; ".join(wrong), do)
                    if wrong
                    else Finding(check, "ok", "each has its event")
                )
    finally:
        await database.dispose()
    return found


def _say(what: str, found: Sequence[Unvouched]) -> list[str]:
    return [f"{what}: {', '.join(f'{one.count} of {one.table}' for one in found)}"] if found else []


async def overdue(settings: Settings) -> list[Finding]:
    """No record is a month past the day on which it had to go, or to be out of use."""
    if not here(settings, "office"):
        return [Finding("retention", "warn", "office's identity is not here", "doctor where it is")]
    plane = base("office", settings)
    ledger, parts = Ledger(plane.data), plane.parts
    found = []
    try:
        for tenant in await parts.registers.tenants():
            authority = await parts.registers.of(tenant)
            tokens = await ledger.lives.page(tenant, after="", limit=_JUDGED)
            loaded = await parts.store.load(tenant, tokens) if tokens else {}
            living = [one for one in loaded.values() if one.erased_at is None]
            kept = await judge(
                tenant, living, authority.retention, catalogue(authority.policy), _Judging(ledger, parts.now)
            )
            found.append(_debt(f"retention of {tenant}", kept))
    finally:
        await plane.stop()
    return found


def _debt(check: str, kept: list[Kept]) -> Finding:
    late = [one for one in kept if _is_late(one)]
    if late:
        says = f"{len(late)} of {len(kept)} records looked at are overdue for more than {_GRACE.days} days"
        return Finding(
            check, "bad", says, "run `strongroom retention run`, then `strongroom retention verify`"
        )
    return Finding(
        check, "ok", f"{len(kept)} records looked at, none overdue for more than {_GRACE.days} days"
    )


def _is_late(one: Kept) -> bool:
    due = one.archive_due if one.must_archive else one.due if one.must_erase else None
    return due is not None and not one.held and due + _GRACE < one.today
