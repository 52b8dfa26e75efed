"""Reseal: each living record opened and sealed again, in its own place, under a DEK of its own that is new.

Token, version and dates stay, so nothing that is counted from them begins anew. For each page:

1. an event for each record, then one unwrap; the values stay in this process
2. one data transaction: new seals, their events with the new digests, the old DEKs put down to be destroyed
3. the office destroys the old DEKs, as it does those of tombstones

Killed at any step, a run is begun again and takes up what is still due. What somebody erases, replaces or
holds locked meanwhile is left alone, and stays due while it lives.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from keys.envelope import NONCE_BYTES
from keys.errors import KeysError
from vault.log.event import Draft
from vault.service.record import kept
from vault.service.refusals import from_keys
from vault.service.reopening import AT_ONCE, PASSES, PAUSE, Job, Reopened, Resealer, living, reopen
from vault.store.failures import Clash
from vault.store.records import Stored
from vault.store.unit import NewRecord
from vault.store.wall import Place, digest, seal_record

VERB = "reseal"


@dataclass(frozen=True, slots=True)
class Due:
    """Which records: those last sealed before a time (µs), of one type or of all."""

    before: int
    field_type: str | None = None


@dataclass(slots=True)
class Tally:
    """How far a run has come."""

    done: int = 0
    skipped: int = 0
    """Erased, replaced or held by others meanwhile."""
    failed: set[str] = field(default_factory=set)
    """Tokens whose record did not open: an alarm each."""

    @property
    def seen(self) -> int:
        """Records that were looked at and are done with."""
        return self.done + len(self.failed)


async def run(job: Job, due: Due, parts: Resealer) -> AsyncIterator[Tally]:
    """Reseal what is due, a page at a time; yields after each, so that whoever drives it can pause.

    Raises: Unavailable, OutcomeUnknown: run it again.
    """
    tally = Tally()
    # Never what is sealed anew by this very run: it would not end.
    due = Due(min(due.before, await parts.store.clock()), due.field_type)
    for turn in range(PASSES):
        before = tally.skipped
        async for _ in _pass(job, due, tally, parts):
            yield tally
        if tally.skipped == before:
            break
        await asyncio.sleep(PAUSE * turn)
    yield tally


async def _pass(job: Job, due: Due, tally: Tally, parts: Resealer) -> AsyncIterator[None]:
    after = ""
    while tokens := await parts.resealing.due(
        job.tenant, before=due.before, field_type=due.field_type, after=after, limit=AT_ONCE
    ):
        after = tokens[-1]
        done = await reseal_page(job, [token for token in tokens if token not in tally.failed], parts)
        tally.done += done.count
        tally.skipped += done.skipped
        tally.failed |= set(done.failed)
        yield


@dataclass(frozen=True, slots=True)
class Page:
    """What became of one page."""

    count: int
    skipped: int
    failed: tuple[str, ...] = ()


async def reseal_page(job: Job, tokens: Sequence[str], parts: Resealer) -> Page:
    """Reseal at most AT_ONCE records. Raises: Unavailable, OutcomeUnknown."""
    records = await living(job.tenant, tokens, parts)
    found = await reopen(job, records, parts)
    swaps = await _seal(job, records, found, parts)
    count = await _commit(job, swaps, parts) if swaps else 0
    return Page(count, len(tokens) - count - len(found.failed), found.failed)


async def _seal(
    job: Job, records: Sequence[Stored], found: Reopened, parts: Resealer
) -> list[tuple[Stored, NewRecord]]:
    going = sorted((one for one in records if one.token in found.values), key=lambda one: one.token)
    try:
        deks = await parts.pool.take(job.tenant, len(going)) if going else []
    except KeysError as error:
        raise from_keys(error) from None
    sealed = []
    for one, dek in zip(going, deks, strict=True):
        place = Place(job.tenant, one.subject, one.token, one.field_type, one.version)
        nonce = parts.random(NONCE_BYTES)
        sealed.append((one, seal_record(found.values[one.token], place, dek, nonce=nonce)))
    return sealed


async def _commit(job: Job, swaps: Sequence[tuple[Stored, NewRecord]], parts: Resealer) -> int:
    """New seals, their events, the end of the old DEKs: for those that are as they were opened."""
    lane = parts.log.lane(job.tenant)
    try:
        async with parts.store.begin() as unit:
            free = await parts.resealing.held(unit, job.tenant, [old for old, _ in swaps])
            going = [(old, new) for old, new in swaps if old in free]
            if not going:
                return 0
            drafts = [_draft(job, old, new) for old, new in going]
            signed = parts.log.write(lane, drafts, list_id=parts.log.new_list_id())
            await parts.resealing.swap(unit, job.tenant, going)
            await unit.add_list(signed)
            await unit.commit()
    except Clash:
        return 0  # something changed between the look and the swap, or the DEKs were too old: the next pass
    kept(lane, signed, parts)
    return len(going)


def _draft(job: Job, old: Stored, new: NewRecord) -> Draft:
    detail: dict[str, str | int] = {
        "action": "seal",
        "version": new.version,
        "sealed_sha256": digest(new.sealed),
        "old_dek": old.dek_id.hex(),
    }
    stored = Stored(old.token, old.version, old.subject, old.field_type, new.dek_id, b"", 0, None)
    return job.draft(stored, **detail)
