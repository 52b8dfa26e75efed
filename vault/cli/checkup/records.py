"""A sample of sealed records of every type: each what its tokenize event says, each under its own key.

No value is opened. For the second the DEKs are unwrapped, and so there is an event of each before it.
"""

import getpass
import os
from collections.abc import Mapping, Sequence
from hashlib import sha256

import orjson

from vault.cli.checkup.finding import Finding, any_plane, here
from vault.cli.founding import operator
from vault.log.event import commit_to
from vault.plane import Base, base, keystore_of
from vault.service.catalogue import catalogue
from vault.service.examine import examine
from vault.settings import Settings
from vault.store.engine import open_database
from vault.store.retention import dropped_before
from vault.store.sampling import Sampled, sample_records, tokenize_events

_PER_TYPE = 8
_UNWRAPPED = 128
"""DEKs of a tenant that are unwrapped at most: one call."""


async def sealed(settings: Settings) -> list[Finding]:
    """A sample of sealed records is what the tokenize events say was sealed. No value is opened."""
    async with any_plane(settings) as plane:
        return [
            await _compare(settings, tenant, await _types(plane, tenant))
            for tenant in await plane.parts.registers.tenants()
        ]


async def unwrapped(settings: Settings) -> list[Finding]:
    """The DEK of each sampled record unwraps, and is the one that sealed it. Each is an event first."""
    if not here(settings, "reveal"):
        return [Finding("keys of records", "warn", "reveal's identity is not here", "doctor where it is")]
    plane = base("reveal", settings)
    keystore = keystore_of(plane, settings)
    try:
        await plane.start()
        found = []
        for tenant in await plane.parts.registers.tenants():
            tokens = await _tokens(plane, tenant)
            loaded = await plane.parts.store.load(tenant, tokens) if tokens else {}
            living = [one for one in loaded.values() if one.erased_at is None]
            who = operator(tenant, getpass.getuser())
            done = await examine(who, living, plane.parts, keystore=keystore, unwrapper=plane.transit)
            wrong = [f"{one.token} ({one.fault})" for one in done if one.fault]
            found.append(_keys(f"keys of records of {tenant}", len(done), wrong))
        return found
    finally:
        await keystore.close()
        await plane.stop()


def _keys(check: str, count: int, wrong: Sequence[str]) -> Finding:
    if wrong:
        return Finding(check, "bad", "; ".join(wrong[:3]), "see docs: record_tampered, dek_tampered")
    return Finding(
        check, "ok", f"{count} unwrapped, each on record before, each the key that sealed its record"
    )


async def _types(plane: Base, tenant: str) -> list[str]:
    return [kind.name for kind in catalogue((await plane.parts.registers.of(tenant)).policy)]


async def _tokens(plane: Base, tenant: str) -> list[str]:
    types = await _types(plane, tenant)
    some = await sample_records(plane.data, tenant, types, each=_PER_TYPE, random=os.urandom)
    return list({one.token: None for one in some})[:_UNWRAPPED]


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
    said: dict[tuple[str, int], str] = {}
    for one in born:
        if commit_to(one.body, one.salt) != one.commitment:
            return Finding(check, "bad", "an event does not match its commitment", "see docs: event_tampered")
        body = orjson.loads(one.body)
        if "sealed_sha256" in body:
            said[body["token"], body["version"]] = body["sealed_sha256"]
    told = [one for one in sampled if one.sealed_at >= gone]
    wrong = [one.token for one in told if not _is_as_sealed(one, said)]
    if wrong:
        return Finding(
            check, "bad", f"not what was sealed: {', '.join(wrong[:3])}", "see docs: record_tampered"
        )
    gone = len(sampled) - len(told)
    older = f"; {gone} are older than the log's bodies" if gone else ""
    says = f"{len(told)} sampled, each as its event says (none was opened){older}"
    return Finding(check, "ok", says)


def _is_as_sealed(one: Sampled, said: Mapping[tuple[str, int], str]) -> bool:
    return said.get((one.token, one.version)) == sha256(one.sealed).hexdigest()
