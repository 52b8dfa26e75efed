"""Blind indexes: the digest a value is written under, and all those it may stand under while its key rotates.

Rows are written under the newest version of `bidx-<tenant>-<type>`. A row of an older version is found by
that version until it has been written anew, so a search asks for every version that is not retired yet.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from keys.answers import KeySettings
from keys.errors import Retired
from keys.ring import Hashed, Indexer
from vault.model.secret import Secret
from vault.store.unit import NewIndexRow
from vault.store.wall import INDEX_BYTES, index_input

KEPT = 60.0
"""Seconds a key's minimum version is remembered. One too low costs a call; it is lowered by hand alone."""
_TRIES = 3


class VersionedIndexer(Indexer, Protocol):
    """An indexer that knows which versions of its keys are live."""

    async def key_settings(self, name: str) -> KeySettings:
        """How a key is set up. Raises: KeysError."""


def index_key(tenant: str, field_type: str) -> str:
    """The name of the key of one field type's blind index."""
    return f"bidx-{tenant}-{field_type}"


async def index_rows(
    tenant: str, field_type: str, values: Mapping[str, Secret[bytes]], indexer: Indexer
) -> list[NewIndexRow]:
    """The rows of {token: value}, each with the version of the key that made it. Raises: KeysError."""
    sources = [index_input(tenant, field_type, value) for value in values.values()]
    made = await indexer.index(index_key(tenant, field_type), sources)
    return [
        NewIndexRow(field_type, one.digest[:INDEX_BYTES], token, one.key_version)
        for token, one in zip(values, made, strict=True)
    ]


class Lookup:
    """What to look for in an index that may hold rows of several versions of its key."""

    def __init__(self, indexer: VersionedIndexer, *, clock: Callable[[], float]) -> None:
        """`clock`: monotonic seconds."""
        self._indexer = indexer
        self._clock = clock
        self._oldest: dict[str, tuple[float, int]] = {}

    async def digests(
        self, tenant: str, field_type: str, values: Sequence[Secret[bytes]]
    ) -> list[frozenset[bytes]]:
        """For each value the digests it may stand under. Raises: KeysError.

        The answers themselves tell the newest version, so a rotation is noticed by the first search after it.
        """
        key = index_key(tenant, field_type)
        sources = [index_input(tenant, field_type, value) for value in values]
        newest = await self._indexer.index(key, sources)
        latest = max((one.key_version for one in newest), default=1)
        mixed = any(one.key_version < latest for one in newest)  # rotated between two parts of a long list
        older = await self._older(key, sources, latest + 1 if mixed else latest) if latest > 1 else []
        return [
            frozenset(one.digest[:INDEX_BYTES] for one in mine) for mine in zip(newest, *older, strict=True)
        ]

    async def _older(self, key: str, sources: Sequence[bytes], latest: int) -> list[list[Hashed]]:
        """The hashes under every live version below `latest`, a list for each version."""
        for _ in range(_TRIES):
            versions = range(await self._minimum(key), latest)
            try:
                return await asyncio.gather(
                    *(self._indexer.index(key, sources, key_version=version) for version in versions)
                )
            except Retired:
                del self._oldest[
                    key
                ]  # re-indexing has just come to its end; nothing stands under it any more
        raise Retired("index version retired")

    async def _minimum(self, key: str) -> int:
        until, oldest = self._oldest.get(key, (float("-inf"), 0))
        if self._clock() >= until:
            oldest = (await self._indexer.key_settings(key)).min_decryption_version
            self._oldest[key] = (self._clock() + KEPT, oldest)
        return oldest
