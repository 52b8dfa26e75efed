"""Verify: a sample of a tenant's records, each held to its key: reveal unwraps it, the record commits to it.

No value is opened. Each look is an event of its own, committed before the unwrap, like any reveal; a key that
does not fit its record is a second event and an alarm.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from keys.keystore import Keystore
from keys.ring import Unwrapper
from vault.alarms import raise_alarm
from vault.log.event import Draft
from vault.model.ask import Caller
from vault.service.catalogue import catalogue
from vault.service.examine import examine
from vault.service.parts import Parts
from vault.service.record import record
from vault.store.ledger import Ledger
from vault.store.records import Stored
from vault.store.sampling import sample_records

VERB, SAMPLE = "verify", "sample"
LEAST, MOST = 50, 1000
"""Records looked at, where there are so many: at least, and at most."""
AT_ONCE = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifying(Parts):
    """The part of reveal that this takes."""

    keystore: Keystore
    unwrapper: Unwrapper
    ledger: Ledger


@dataclass(frozen=True, slots=True)
class Verified:
    """What a sample showed."""

    checked: int
    of: int
    """Living records there were."""
    failed: Sequence[tuple[str, str]]
    """(token, fault) of those whose key does not fit."""


def size_of(count: int) -> int:
    """How many of `count` records a sample has: one in a hundred, but at least and at most so many."""
    return min(count, MOST, max(LEAST, -(-count // 100)))


async def verify(who: Caller, parts: Verifying, *, to_version: int) -> Verified:
    """Hold a random sample to its keys; `to_version`: of the KEK, for the record. Raises: Unavailable."""
    count = await parts.ledger.lives.count(who.tenant)
    tokens = await _sample(who.tenant, size_of(count), parts)
    failed: list[tuple[str, str]] = []
    for start in range(0, len(tokens), AT_ONCE):
        loaded = await parts.store.load(who.tenant, tokens[start : start + AT_ONCE])
        living = [one for one in loaded.values() if one.erased_at is None]
        failed += await _hold(who, living, parts) if living else []
    said: dict[str, str | int] = {
        "to_version": to_version,
        "checked": len(tokens),
        "of": count,
        "failed": len(failed),
    }
    await record(who.tenant, [Draft(who, VERB, "deny" if failed else "allow", SAMPLE, detail=said)], parts)
    return Verified(len(tokens), count, failed)


async def _sample(tenant: str, size: int, parts: Verifying) -> list[str]:
    """So many tokens at random, of every type there is some."""
    types = [kind.name for kind in catalogue((await parts.registers.of(tenant)).policy)]
    found = await sample_records(parts.store.engine, tenant, types, each=size, random=parts.random)
    salt = parts.random(16)
    return sorted({one.token for one in found}, key=lambda t: sha256(salt + t.encode()).digest())[:size]


async def _hold(who: Caller, living: Sequence[Stored], parts: Verifying) -> list[tuple[str, str]]:
    """Events first, then one unwrap; answers (token, fault) of what does not fit. Raises: KeysError."""
    looked = await examine(who, living, parts, keystore=parts.keystore, unwrapper=parts.unwrapper, verb=VERB)
    faults = {one.token: one.fault for one in looked if one.fault}
    bad = await _still(who.tenant, [one for one in living if one.token in faults], parts)
    if bad:
        await record(who.tenant, [_failure(who, one, faults[one.token]) for one in bad], parts)
        for one in bad:
            raise_alarm("record_tampered", who.tenant, one.token)
    return [(one.token, faults[one.token]) for one in bad]


async def _still(tenant: str, bad: Sequence[Stored], parts: Verifying) -> Sequence[Stored]:
    """Those that nobody erased, replaced or sealed anew while they were looked at."""
    now = await parts.store.load(tenant, [one.token for one in bad]) if bad else {}
    return [one for one in bad if now.get(one.token) == one]


def _failure(who: Caller, stored: Stored, fault: str) -> Draft:
    """The second event of a record whose key does not fit; it names no DEK, so it allows no unwrap."""
    return Draft(
        who,
        VERB,
        "allow",
        VERB,
        token=stored.token,
        field_type=stored.field_type,
        subject=stored.subject,
        detail={"failure": fault},
    )
