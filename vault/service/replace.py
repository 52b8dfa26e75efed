"""Replace: a corrected value under the same token. The old value is shredded; its row cannot be played back.

Each version is sealed under a DEK of its own and bound to its number. The transaction that writes the new
version removes the old one and remembers its DEK, which is destroyed right after, or by `resume` in a minute.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

from keys.envelope import NONCE_BYTES
from keys.errors import KeysError
from vault.errors import ServiceError
from vault.log.event import timestamp
from vault.log.lists import SignedList
from vault.model.ask import Ask, Caller, Denied
from vault.model.refusal import Refusal
from vault.model.secret import Secret
from vault.policy.rules import Policy
from vault.policy.states import State, step
from vault.service.acting import retried
from vault.service.asked import Item, asked, draft, look_up
from vault.service.blind import index_rows
from vault.service.catalogue import catalogue
from vault.service.erase import resume
from vault.service.parts import Office
from vault.service.record import record
from vault.service.refusals import from_keys, problem
from vault.store.records import Stored
from vault.store.unit import NewIndexRow, NewRecord, Unit
from vault.store.wall import Place, digest, seal_record

VERB = "replace"


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A corrected value, normalised and validated, or the problem it has."""

    token: str
    value: Secret[bytes] | ServiceError
    masked: object = None


@dataclass(frozen=True, slots=True)
class Replaced:
    """A token that now stands for another value."""

    token: str
    version: int
    masked: object
    receipt: str
    tell: tuple[str, ...] = ()
    """Recipients who were given the old value, by name."""


@dataclass(slots=True)
class _Change:
    """One value on its way: the item it is decided on, and the record that follows."""

    item: Item
    new: NewVersion
    record: NewRecord | None = None
    index: Sequence[NewIndexRow] = ()


async def replace(
    caller: Caller, reason: str, versions: Sequence[NewVersion], parts: Office
) -> list[Replaced]:
    """Put corrected values in the place of old ones; all of them or none.

    Raises: Forbidden, NotFound, Erased, InvalidValue, Conflict (`state_forbids`), Unavailable.
    """
    policy = (await parts.registers.of(caller.tenant)).policy
    done = await retried(partial(_replace, caller, reason, versions, policy, parts))
    await resume(caller.tenant, parts)
    return done


async def _replace(
    caller: Caller, reason: str, versions: Sequence[NewVersion], policy: Policy, parts: Office
) -> list[Replaced]:
    changes = await _decided(caller, reason, versions, policy, parts)
    problems = [(i, one) for i, change in enumerate(changes) if (one := _problem(change)) is not None]
    if problems:
        for change in changes:
            change.item.withheld = True
    else:
        await _seal(caller.tenant, changes, policy, parts)
    signed = await _commit(caller.tenant, changes, policy, parts)
    if problems:
        raise ServiceError.of_items(problems)
    going = _going(changes)
    told = await parts.ledger.disclosures.tell(caller.tenant, [(s.subject, s.token) for _, s in going])
    return [
        Replaced(
            stored.token,
            stored.version + 1,
            change.new.masked,
            signed.receipt(event),
            told.get(stored.token, ()),
        )
        for (change, stored), event in zip(going, signed.events, strict=True)
    ]


async def _decided(
    caller: Caller, reason: str, versions: Sequence[NewVersion], policy: Policy, parts: Office
) -> list[_Change]:
    fields = catalogue(policy)
    ask = Ask(caller, VERB, reference=reason)
    changes = [_Change(asked(ask, one.token, fields), one) for one in versions]
    items = [change.item for change in changes]
    await look_up(caller.tenant, items, policy, parts.store)
    seen: set[str | None] = set()
    for item in items:
        if item.allowed and item.ask.token in seen:
            item.decision = Denied("record_changed", "the token stands twice in the request")
        seen.add(item.ask.token)
        if item.stored is not None and item.allowed:
            item.decision = _takes(item.stored) or item.decision
    return changes


def _takes(stored: Stored) -> Denied | None:
    """Why a record takes no new value; None when it does."""
    if stored.erased_at is not None:
        return Denied("erased", f"erased at {timestamp(stored.erased_at)}")
    after = step(cast("State", stored.standing.kept_as), "replace")
    return Denied(after.code, after.rule) if isinstance(after, Refusal) else None


def _problem(change: _Change) -> ServiceError | None:
    if isinstance(change.item.decision, Denied):
        return problem(change.item.decision)
    return change.new.value if isinstance(change.new.value, ServiceError) else None


def _going(changes: Sequence[_Change]) -> list[tuple[_Change, Stored]]:
    """The changes to go on with, each with the record it changes."""
    kept = ((change, change.item.stored) for change in changes if not change.item.withheld)
    return [(change, stored) for change, stored in kept if stored is not None]


async def _seal(tenant: str, changes: Sequence[_Change], policy: Policy, parts: Office) -> None:
    """Seal each new value in its place as the next version, under a new DEK. Raises: Unavailable."""
    going = _going(changes)
    try:
        deks = await parts.pool.take(tenant, len(going))
    except KeysError as error:
        raise from_keys(error) from None
    for (change, stored), dek in zip(going, deks, strict=True):
        if isinstance(change.new.value, Secret):
            place = Place(tenant, stored.subject, stored.token, stored.field_type, stored.version + 1)
            change.record = seal_record(
                change.new.value, place, dek, nonce=parts.random(NONCE_BYTES), notice=stored.notice
            )
            change.index = await _index(tenant, stored, change.new.value, policy, parts)


async def _index(
    tenant: str, stored: Stored, value: Secret[bytes], policy: Policy, parts: Office
) -> list[NewIndexRow]:
    """The blind-index row of a new value, where its type is searchable. Raises: Unavailable."""
    if stored.field_type not in policy.searchable:
        return []
    try:
        return await index_rows(tenant, stored.field_type, {stored.token: value}, parts.indexer)
    except KeysError as error:
        raise from_keys(error) from None


async def _commit(tenant: str, changes: Sequence[_Change], policy: Policy, parts: Office) -> SignedList:
    drafts = [draft(change.item, policy, **_detail(change)) for change in changes]

    async def deed(unit: Unit, _: SignedList) -> None:
        going = [(stored.dek_id, change.record) for change, stored in _going(changes) if change.record]
        await unit.replace_records(tenant, going)
        await unit.add_index(tenant, [row for change in changes for row in change.index])

    return await record(tenant, drafts, parts, deed)


def _detail(change: _Change) -> dict[str, str | int]:
    new = change.record
    return {"version": new.version, "sealed_sha256": digest(new.sealed)} if new is not None else {}
