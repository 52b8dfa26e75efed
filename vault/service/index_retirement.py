"""A new version of an index key, and the end of older ones: counted, waited for, counted again, on record.

A digest is made before the row that holds it is committed. So the count is taken twice, with a wait between
in which every list that hashed before the rotation has ended; one that comes later still is written anew by
another run, for its record is there, and until then a count says that it is missing from the index.
"""

import asyncio
from dataclasses import dataclass
from typing import Literal, Protocol

from keys.answers import KeySettings
from keys.errors import KeysError
from vault.errors import Conflict
from vault.service.blind import index_key
from vault.service.key_work import Step, tell
from vault.service.parts import Parts
from vault.service.refusals import from_keys
from vault.service.reopening import Job

SETTLE = 15.0
"""Seconds in which a list that hashed under an old version has committed or failed."""


class Retirer(Protocol):
    async def key_settings(self, name: str) -> KeySettings:
        """How a key is set up. Raises: KeysError."""

    async def set_minimum(self, key: str, what: Literal["encryption", "decryption"], version: int) -> None:
        """Raise the lowest version that does something. Raises: KeysError."""

    async def rotate(self, key: str, *, newest: int) -> int:
        """Make a version, unless there is one after `newest`; answer the newest. Raises: KeysError."""


class RowCounter(Protocol):
    async def index_versions(self, tenant: str) -> dict[str, dict[int, int]]:
        """{field type: {version of its index key: rows}}. Raises: Unavailable."""


@dataclass(frozen=True, slots=True)
class Retired:
    """Where an index key stands afterwards."""

    field_type: str
    version: int
    """The only one that hashes from now on."""
    old_rows: int
    """Counted after the minimum was raised."""
    rows: int


async def rotate(job: Job, field_type: str, keys: Retirer, parts: Parts) -> int:
    """Give an index key a new version, on record first; answers it. Raises: Unavailable."""
    key = index_key(job.tenant, field_type)
    try:
        newest = (await keys.key_settings(key)).latest_version
        await tell(job.who, Step("rotate", key, {"from_version": newest}), parts, reference=job.reference)
        return await keys.rotate(key, newest=newest)
    except KeysError as error:
        raise from_keys(error) from None


async def retire(
    job: Job, field_type: str, keys: Retirer, rows: RowCounter, parts: Parts, *, settle: float = SETTLE
) -> Retired:
    """Raise an index key's minimum to its newest version. Twice does no harm.

    Raises: Conflict (`index_rows_left`), Unavailable.
    """
    key = index_key(job.tenant, field_type)
    try:
        newest = (await keys.key_settings(key)).latest_version
        await _none_old(job.tenant, field_type, newest, rows)
        await asyncio.sleep(settle)
        await _none_old(job.tenant, field_type, newest, rows)
        await tell(
            job.who,
            Step("retire", key, {"to_version": newest, "old_rows": 0}),
            parts,
            reference=job.reference,
        )
        await keys.set_minimum(key, "decryption", newest)
    except KeysError as error:
        raise from_keys(error) from None
    old, every = await _count(job.tenant, field_type, newest, rows)
    counted = {"to_version": newest, "old_rows": old, "rows": every}
    await tell(job.who, Step("retired", key, counted), parts, reference=job.reference)
    return Retired(field_type, newest, old, every)


async def _none_old(tenant: str, field_type: str, newest: int, rows: RowCounter) -> None:
    old, _ = await _count(tenant, field_type, newest, rows)
    if old:
        told = f"{old:,} index rows are of older versions: `strongroom keys reindex` writes them anew."
        raise Conflict("index_rows_left", told)


async def _count(tenant: str, field_type: str, newest: int, rows: RowCounter) -> tuple[int, int]:
    """(rows of older versions, rows)."""
    held = (await rows.index_versions(tenant)).get(field_type, {})
    return sum(count for version, count in held.items() if version < newest), sum(held.values())
