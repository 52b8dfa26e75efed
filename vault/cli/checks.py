"""What `strongroom doctor` looks at. Each check answers findings; none changes anything or opens a value."""

import os
import resource
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Literal

import httpx
import orjson

from keys.admin import Admin
from keys.errors import KeysError
from keys.identity import read_identity
from keys.policies import IDENTITIES
from keys.selfcheck import assert_least
from keys.transit import Transit
from vault.cli import databases
from vault.cli.failures import CommandError, explain
from vault.errors import NotFound, ServiceError
from vault.log.event import commit_to
from vault.plane import Base, base
from vault.service.catalogue import catalogue
from vault.settings import PLANES, Settings, SettingsError
from vault.store.engine import open_database
from vault.store.retention import dropped_before
from vault.store.sampling import Sampled, sample_records, tokenize_events
from vault.store.unvouched import unvouched

State = Literal["ok", "warn", "bad"]
_PER_TYPE = 8
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
_KEY_SERVER = "key server"
_HEALTH = {200: "answers, unsealed", 429: "a standby answers", 473: "a performance standby answers"}
_KNOWN = (KeysError, ServiceError, SettingsError, CommandError)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, how it is, and what to do about it."""

    check: str
    state: State
    says: str
    do: str = ""


Check = Callable[[Settings], Awaitable[list[Finding]]]


async def examine(settings: Settings, url: str | None) -> list[Finding]:
    """Every check, the later ones too when an earlier one fails."""
    found: list[Finding] = []
    for name, check in _CHECKS.items():
        if name in _NEED_KEYS and not any(one.check == _KEY_SERVER and one.state == "ok" for one in found):
            found.append(Finding(name, "bad", "not looked at, as it needs the key server"))
            continue
        try:
            found += await check(settings)
        except _KNOWN as error:
            found.append(_failed(name, error))
    found += surroundings(os.environ)
    if url is not None:
        found.append(_readiness(url))
    return found


async def _identities(settings: Settings) -> list[Finding]:
    found = []
    for name in IDENTITIES:
        path = settings.identity_file(name)
        if not path.exists():
            if name in PLANES:
                found.append(
                    Finding(f"identity {name}", "warn", "not on this machine", "fine if it is elsewhere")
                )
            continue
        try:
            read_identity(path)
            found.append(Finding(f"identity {name}", "ok", "readable by its owner alone"))
        except KeysError as error:
            found.append(_failed(f"identity {name}", error, f"chmod 600 {path}, or provision it anew"))
    return found


async def _key_server(settings: Settings) -> list[Finding]:
    found = []
    for node in settings.server.nodes():
        try:
            status = Admin.with_token(node, "").status("get", "sys/health")
        except KeysError as error:
            failure = _failed(_KEY_SERVER, error, "is it running?")
            found.append(replace(failure, says=f"{node.address}: {failure.says}"))
        else:
            found.append(_health(node.address, status))
    return found


def _health(address: str, status: int) -> Finding:
    if status in _HEALTH:
        return Finding(_KEY_SERVER, "ok", f"{address} {_HEALTH[status]}")
    do = {503: "unseal it", 501: "initialise and provision it"}.get(status, "look at its log")
    return Finding(_KEY_SERVER, "bad", f"{address} answers {status}", do)


async def _privileges(settings: Settings) -> list[Finding]:
    """Each identity here can do its work and nothing else, and no key can leave."""
    tenants = await _tenants(settings)
    found = []
    for name in IDENTITIES:
        if not settings.identity_file(name).exists():
            continue
        identity = read_identity(settings.identity_file(name))
        transit = Transit(settings.server, identity, mount=settings.vault_mount)
        try:
            await assert_least(transit, name, tenants)
            found.append(Finding(f"privileges of {name}", "ok", "exactly its plane's; its keys cannot leave"))
        except KeysError as error:
            found.append(_failed(f"privileges of {name}", error, "run `strongroom provision` again"))
        finally:
            await transit.aclose()
    return found


async def _databases(settings: Settings) -> list[Finding]:
    found = []
    planes = [plane for plane in PLANES if settings.identity_file(plane).exists()]
    for name, url, schema in databases.of_planes(settings, planes):
        check = f"{name} database"
        try:
            good = await databases.current(name, url, schema)
        except _KNOWN as error:
            found.append(_failed(check, error))
            continue
        do = "" if good else "run `strongroom migrate`"
        says = "reachable, schema up to date" if good else "reachable, schema out of date"
        found.append(Finding(check, "ok" if good else "bad", says, do))
    return found


async def _registers(settings: Settings) -> list[Finding]:
    """Every tenant's credentials and policy carry the authority key's signature."""
    found = []
    async with _plane(settings) as plane:
        for tenant in await plane.parts.registers.tenants():
            try:
                authority = await plane.parts.registers.of(tenant)
            except ServiceError as error:
                found.append(
                    _failed(f"authority of {tenant}", error, "someone changed the register: see docs")
                )
                continue
            says = f"register {authority.register.version} verifies"
            found.append(Finding(f"authority of {tenant}", "ok", says))
    return found or [Finding("authority", "warn", "there is no tenant", "run `strongroom tenants create`")]


async def _records(settings: Settings) -> list[Finding]:
    """A sample of sealed records is what the tokenize events say was sealed. No value is opened."""
    found = []
    async with _plane(settings) as plane:
        for tenant in await plane.parts.registers.tenants():
            policy = (await plane.parts.registers.of(tenant)).policy
            types = [kind.name for kind in catalogue(policy)]
            found.append(await _compare(settings, tenant, types))
    return found


async def _compare(settings: Settings, tenant: str, types: list[str]) -> Finding:
    check = f"sealed records of {tenant}"
    records = open_database(settings.data_url_of("reveal"))
    events = open_database(settings.data_url_of("audit"))
    try:
        sampled = await sample_records(records, tenant, types, each=_PER_TYPE, random=os.urandom)
        born = await tokenize_events(events, tenant, [one.token for one in sampled])
        gone = await dropped_before(events)
    finally:
        await records.dispose()
        await events.dispose()
    sealed: dict[tuple[str, int], str] = {}
    for one in born:
        if commit_to(one.body, one.salt) != one.commitment:
            return Finding(check, "bad", "an event does not match its commitment", "see docs: event_tampered")
        body = orjson.loads(one.body)
        if "sealed_sha256" in body:
            sealed[body["token"], body["version"]] = body["sealed_sha256"]
    told = [one for one in sampled if one.sealed_at >= gone]
    wrong = [one.token for one in told if not _is_as_sealed(one, sealed)]
    if wrong:
        return Finding(
            check, "bad", f"not what was sealed: {', '.join(wrong[:3])}", "see docs: record_tampered"
        )
    gone = len(sampled) - len(told)
    older = f"; {gone} are older than the log's bodies" if gone else ""
    says = f"{len(told)} sampled, each as its event says (none was opened){older}"
    return Finding(check, "ok", says)


def _is_as_sealed(one: Sampled, sealed: Mapping[tuple[str, int], str]) -> bool:
    return sealed.get((one.token, one.version)) == sha256(one.sealed).hexdigest()


async def _acts(settings: Settings) -> list[Finding]:
    """Every act of the office that is in the database has its event."""
    database = open_database(settings.data_url_of("office"))
    found = []
    try:
        gone = await dropped_before(database)
        async with _plane(settings) as plane:
            for tenant in await plane.parts.registers.tenants():
                wrong = await unvouched(database, tenant, since=gone)
                says = ", ".join(f"{one.count} of {one.table}" for one in wrong)
                check = f"acts of the office of {tenant}"
                found.append(
                    Finding(
                        check, "bad", f"without an event: {says}", "somebody wrote the database: see docs"
                    )
                    if wrong
                    else Finding(check, "ok", "each has its event")
                )
    finally:
        await database.dispose()
    return found


def surroundings(environment: Mapping[str, str]) -> list[Finding]:
    """What this shell would hand to a process started from it."""
    soft, _ = resource.getrlimit(resource.RLIMIT_CORE)
    dumps = "off here" if soft == 0 else "on here; `strongroom serve` switches them off for itself"
    found = [Finding("core dumps", "ok", dumps)]
    if proxies := [name for name in _PROXIES if environment.get(name)]:
        says = f"{', '.join(proxies)} set; nothing of ours uses them"
        found.append(Finding("proxies", "ok", says))
    return found


def _readiness(url: str) -> Finding:
    try:
        trusted = ssl.create_default_context(cafile=os.environ.get("STRONGROOM_CA_FILE") or None)
        answer = httpx.get(f"{url.rstrip('/')}/readyz", timeout=10, trust_env=False, verify=trusted)
        planes = dict(answer.json()["planes"])
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Finding(
            "service", "bad", f"{url} cannot be reached ({type(error).__name__})", "is it running?"
        )
    except (ValueError, KeyError, TypeError):
        return Finding("service", "bad", f"{url} is not this service", "check the address")
    bad = {plane: state for plane, state in planes.items() if state != "ready"}
    if bad:
        return Finding("service", "bad", "; ".join(f"{p}: {s}" for p, s in bad.items()), "see docs/errors")
    return Finding("service", "ok", f"{url}: ready ({', '.join(planes)})")


async def _tenants(settings: Settings) -> list[str]:
    try:
        async with _plane(settings) as plane:
            return await plane.parts.registers.tenants()
    except _KNOWN:
        return []  # what is wrong there is another check's finding


@asynccontextmanager
async def _plane(settings: Settings) -> AsyncIterator[Base]:
    """A plane that may read authority, without starting it. Raises: CommandError."""
    name = next((one for one in ("control", *PLANES) if settings.identity_file(one).exists()), None)
    if name is None:
        raise NotFound("no_identity", "no plane's identity is on this machine")
    plane = base(name, settings)
    try:
        yield plane
    finally:
        await plane.stop()


def _failed(check: str, error: Exception, do: str = "") -> Finding:
    told = explain(error)
    return Finding(check, "bad", told.line if told else type(error).__name__, do)


_CHECKS: dict[str, Check] = {
    "identities": _identities,
    _KEY_SERVER: _key_server,
    "privileges": _privileges,
    "databases": _databases,
    "authority": _registers,
    "sealed records": _records,
    "acts of the office": _acts,
}
_NEED_KEYS = frozenset({"privileges", "authority", "sealed records", "acts of the office"})
"""Checks that would each wait in vain for a key server that is away."""
