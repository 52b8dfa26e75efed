"""Reindex: blind-index rows that older versions of a key made, written anew under its newest.

Each record is opened for it, event first, and its row changed while the record is as it was opened. Until
then the old row is found by its own version. Killed at any step, a run is begun again: what is old stays old.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from keys.errors import KeysError
from vault.service.blind import index_key, index_rows
from vault.service.refusals import from_keys
from vault.service.reopening import AT_ONCE, PASSES, PAUSE, Job, Resealer, living, reopen
from vault.store.failures import Clash
from vault.store.records import Stored
from vault.store.resealing import OldRow
from vault.store.unit import NewIndexRow

VERB = "reindex"


@dataclass(slots=True)
class Tally:
    """How far a run has come."""

    done: int = 0
    skipped: int = 0
    """Erased, replaced or held by others meanwhile."""
    stray: int = 0
    """Rows beside which no living record stood; removed."""
    failed: set[str] = field(default_factory=set)
    """Tokens whose record did not open: an alarm each."""

    @property
    def seen(self) -> int:
        """Records that were looked at and are done with."""
        return self.done + len(self.failed)


async def newest(tenant: str, field_type: str, parts: Resealer) -> int:
    """The newest version of a type's index key. Raises: Unavailable."""
    try:
        return (await parts.indexer.key_settings(index_key(tenant, field_type))).latest_version
    except KeysError as error:
        raise from_keys(error) from None


async def left(tenant: str, field_type: str, parts: Resealer) -> int:
    """How many index rows older versions made. Raises: Unavailable."""
    below = await newest(tenant, field_type, parts)
    held = (await parts.resealing.index_versions(tenant)).get(field_type, {})
    return sum(count for version, count in held.items() if version < below)


async def run(job: Job, field_type: str, parts: Resealer) -> AsyncIterator[Tally]:
    """Write what is old anew, a page at a time; yields after each, so that whoever drives it can pause.

    Raises: Unavailable, OutcomeUnknown: run it again.
    """
    tally, below = Tally(), await newest(job.tenant, field_type, parts)
    for turn in range(PASSES):
        before = tally.skipped
        async for _ in _pass(job, field_type, below, tally, parts):
            yield tally
        if tally.skipped == before:
            break
        await asyncio.sleep(PAUSE * turn)
    tally.stray += await _drop_stray(job.tenant, field_type, below, parts)
    yield tally


async def _pass(job: Job, field_type: str, below: int, tally: Tally, parts: Resealer) -> AsyncIterator[None]:
    after = None
    while old := await parts.resealing.old_rows(
        job.tenant, field_type, below=below, after=after, limit=AT_ONCE
    ):
        after = old[-1]
        await _page(job, field_type, old, tally, parts)
        yield


async def _page(job: Job, field_type: str, old: Sequence[OldRow], tally: Tally, parts: Resealer) -> None:
    tokens = sorted({row.token for row in old} - tally.failed)
    records = [one for one in await living(job.tenant, tokens, parts) if one.field_type == field_type]
    found = await reopen(job, records, parts)
    tally.failed |= set(found.failed)
    going = [one for one in records if one.token in found.values]
    try:
        made = await index_rows(job.tenant, field_type, found.values, parts.indexer) if going else []
    except KeysError as error:
        raise from_keys(error) from None
    done = await _commit(job.tenant, going, {row.token: row for row in made}, parts)
    tally.done += done
    tally.skipped += len(records) - done - len(found.failed)


async def _commit(
    tenant: str, records: Sequence[Stored], rows: dict[str, NewIndexRow], parts: Resealer
) -> int:
    if not records:
        return 0
    try:
        async with parts.store.begin() as unit:
            free = await parts.resealing.held(unit, tenant, records)
            await parts.resealing.reindex(unit, tenant, {one.token: rows[one.token] for one in free})
            await unit.commit()
    except Clash:
        return 0
    return len(free)


async def _drop_stray(tenant: str, field_type: str, below: int, parts: Resealer) -> int:
    async with parts.store.begin() as unit:
        gone = await parts.resealing.drop_stray(unit, tenant, field_type, below=below)
        await unit.commit()
    return gone
