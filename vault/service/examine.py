"""Examine: that sealed records would open, without opening them. Keys are unwrapped: events come first."""

from collections.abc import Sequence
from dataclasses import dataclass

from keys.errors import EnvelopeError, KeysError
from keys.keystore import Keystore
from keys.ring import Unwrapper
from vault.log.event import Draft
from vault.model.ask import Caller
from vault.model.names import show_id
from vault.service.parts import Parts
from vault.service.record import record
from vault.store.records import Stored
from vault.store.wall import is_committed

VERB = "doctor"


@dataclass(frozen=True, slots=True)
class Examined:
    """One record: `fault` is empty when its key is the one that sealed it, here."""

    token: str
    fault: str = ""


async def examine(
    who: Caller,
    records: Sequence[Stored],
    parts: Parts,
    *,
    keystore: Keystore,
    unwrapper: Unwrapper,
    verb: str = VERB,
) -> list[Examined]:
    """Unwrap each record's DEK and check it against the record's commitment, leaving the trace first.

    Raises: Unavailable, OutcomeUnknown; KeysError when nothing could be unwrapped at all.
    """
    if not records:
        return []
    wrapped = await keystore.fetch(who.tenant, [one.dek_id for one in records])
    policy = (await parts.registers.of(who.tenant)).policy.hash
    signed = await record(who.tenant, [_draft(who, verb, one, policy) for one in records], parts)
    there = [one for one in records if one.dek_id in wrapped]
    batch = show_id("lst", signed.heading.list_id)
    opened = await unwrapper.unwrap(who.tenant, [wrapped[one.dek_id] for one in there], batch=batch)
    keys = {one.token: key for one, key in zip(there, opened, strict=True)}
    return [Examined(one.token, _fault(who.tenant, one, keys.get(one.token))) for one in records]


def _draft(who: Caller, verb: str, one: Stored, policy: str) -> Draft:
    return Draft(
        who,
        verb,
        "allow",
        verb,
        token=one.token,
        field_type=one.field_type,
        subject=one.subject,
        dek_id=one.dek_id,
        policy=policy,
    )


def _fault(tenant: str, stored: Stored, key: bytes | KeysError | None) -> str:
    if key is None:
        return "its wrapped key is not in the keystore"
    if isinstance(key, KeysError):
        return f"its key does not unwrap: {key.code}"
    try:
        return (
            "" if is_committed(tenant, stored, dek=key) else "it was not sealed for this place under its key"
        )
    except EnvelopeError:
        return "it is no sealed record"
