"""Which signed lists may be numbered: endorsed worker, whole list, true signature. And where a chain gapped.

Trusts the key server's `worker-<plane>` keys alone: a writer of the database can hold neither those nor a
worker's, and a plane that was broken into vouches for no other plane's workers.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol, TypeVar

from vault.log.event import entry
from vault.log.lists import GENESIS, Heading, endorsement_message, list_message, signed_by
from vault.model.names import show_id
from vault.service.authority_keys import PublicKeys
from vault.store.sequencing import StoredEntry, StoredList, StoredWorker

LARGEST_LIST = 65_536
_REMEMBERED = 100_000
K = TypeVar("K")
V = TypeVar("V")


class ListStore(Protocol):
    """What a list is checked against. Every method may raise Unavailable."""

    async def entries(self, tenant: str, list_ids: Sequence[bytes]) -> Mapping[bytes, list[StoredEntry]]:
        """The entries of these lists, in order of position."""

    async def worker(self, worker_id: bytes) -> StoredWorker | None:
        """Who signed."""

    async def lists_at(self, tenant: str, places: Sequence[tuple[bytes, int]]) -> list[StoredList]:
        """The lists at these (chain, seq)."""


@dataclass(frozen=True, slots=True)
class GoodList:
    """A list that verifies, with its entries in order."""

    row: StoredList
    entries: Sequence[StoredEntry]
    message: bytes


@dataclass(frozen=True, slots=True)
class BadList:
    """A list that does not, and why."""

    list_id: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Gap:
    """A list of a chain that should have come before is not there, or not as its successor says."""

    list_id: bytes
    says: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of the lists that were looked at; each is in one of the first two."""

    good: Sequence[GoodList]
    bad: Sequence[BadList]
    gaps: Sequence[Gap]


class ListVerifier:
    """Remembers the workers it has verified and where each chain is."""

    def __init__(self, store: ListStore, worker_keys: Mapping[str, PublicKeys]) -> None:
        """`worker_keys`: for each plane the keys its workers are endorsed under."""
        self._store = store
        self._keys = worker_keys
        self._workers: OrderedDict[bytes, bytes] = OrderedDict()
        self._chains: OrderedDict[tuple[str, bytes], tuple[int, bytes]] = OrderedDict()

    async def check(self, tenant: str, rows: Sequence[StoredList]) -> Checked:
        """Verify each list. Raises: Unavailable when the database or the key server must be asked in vain."""
        sound = [row.list_id for row in rows if 0 < row.size <= LARGEST_LIST]
        entries = await self._store.entries(tenant, sound)
        good: list[GoodList] = []
        bad: list[BadList] = []
        for place, row in enumerate(rows):
            if place % 32 == 31:
                await asyncio.sleep(0)  # a long batch must not keep this process's other planes waiting
            found = await self._check_one(tenant, row, entries.get(row.list_id, []))
            if isinstance(found, GoodList):
                good.append(found)
            else:
                bad.append(found)
        return Checked(good, bad, await self._gaps(tenant, good))

    async def _check_one(
        self, tenant: str, row: StoredList, entries: Sequence[StoredEntry]
    ) -> GoodList | BadList:
        if not _well_formed(row, entries):
            return BadList(row.list_id, "malformed")
        if len(entries) != row.size or [one.position for one in entries] != list(range(row.size)):
            return BadList(row.list_id, "events missing or added")
        public = await self._public(row.worker_id)
        if public is None:
            return BadList(row.list_id, "no endorsed worker")
        message = message_of(tenant, row, entries)
        if not signed_by(public, message=message, signature=row.signature):
            return BadList(row.list_id, "signature does not hold")
        return GoodList(row, entries, message)

    async def _public(self, worker_id: bytes) -> bytes | None:
        """A worker's public key, once the key of the plane it names has vouched for it."""
        if worker_id in self._workers:
            self._workers.move_to_end(worker_id)
            return self._workers[worker_id]
        found = await self._store.worker(worker_id)
        if found is None or not await self._endorsed(worker_id, found):
            return None
        _remember(self._workers, worker_id, found.public_key)
        return found.public_key

    async def _endorsed(self, worker_id: bytes, found: StoredWorker) -> bool:
        keys = self._keys.get(found.plane)
        if keys is None or not 0 <= found.started_at < 2**63:
            return False
        endorser = await keys.get(found.key_version, insist=True)
        if endorser is None:
            return False
        return signed_by(
            endorser.public_bytes_raw(),
            message=endorsement_message(found.plane, worker_id, found.public_key, found.started_at),
            signature=found.endorsement,
        )

    async def _gaps(self, tenant: str, good: Sequence[GoodList]) -> list[Gap]:
        """Chains tell that a list is missing; what is proved is proved by the tree alone."""
        known = {(one.row.chain, one.row.seq): sha256(one.message).digest() for one in good}
        wanted = [
            place
            for one in good
            if one.row.seq
            and (place := (one.row.chain, one.row.seq - 1)) not in known
            and self._chains.get((tenant, place[0]), (-1, b""))[0] != place[1]
        ]
        if wanted:
            known |= await self._messages_at(tenant, wanted)
        gaps = [gap for one in good if (gap := self._gap(tenant, one, known)) is not None]
        for one in sorted(good, key=lambda one: one.row.seq):
            here = one.row.chain, one.row.seq
            _remember(self._chains, (tenant, one.row.chain), (one.row.seq, known[here]))
        return gaps

    def _gap(self, tenant: str, one: GoodList, known: Mapping[tuple[bytes, int], bytes]) -> Gap | None:
        row = one.row
        before = known.get((row.chain, row.seq - 1))
        last_seq, last = self._chains.get((tenant, row.chain), (-1, b""))
        if before is None and last_seq == row.seq - 1:
            before = last
        if row.seq == 0:
            before = GENESIS
        if before == row.previous:
            return None
        what = "is missing" if before is None else "was changed"
        place = f"chain {row.chain.hex()} of worker {row.worker_id.hex()}"
        return Gap(row.list_id, f"list {row.seq - 1} of {place} {what}, before {show_id('lst', row.list_id)}")

    async def _messages_at(
        self, tenant: str, places: Sequence[tuple[bytes, int]]
    ) -> dict[tuple[bytes, int], bytes]:
        """SHA-256 of the messages of the lists at these places, as far as they are there."""
        rows = await self._store.lists_at(tenant, places)
        entries = await self._store.entries(tenant, [row.list_id for row in rows])
        return {
            (row.chain, row.seq): sha256(message_of(tenant, row, entries[row.list_id])).digest()
            for row in rows
            if _well_formed(row, entries[row.list_id])
        }


def _well_formed(row: StoredList, entries: Sequence[StoredEntry]) -> bool:
    """A signature covers an entry's bytes, not where its columns divide them: so lengths are looked at."""
    lengths = (len(row.list_id), len(row.worker_id), len(row.chain), len(row.previous))
    return (
        lengths == (16, 16, 16, 32)
        and 0 <= row.seq < 2**63
        and all(len(one.event_id) == 16 and len(one.commitment) == 32 for one in entries)
    )


def message_of(tenant: str, row: StoredList, entries: Sequence[StoredEntry]) -> bytes:
    """The bytes a worker must have signed for these rows."""
    heading = Heading(tenant, row.list_id, row.worker_id, row.chain, row.seq, row.previous)
    return list_message(heading, [entry(one.event_id, one.commitment) for one in entries])


def _remember(kept: "OrderedDict[K, V]", key: K, value: V) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > _REMEMBERED:
        kept.popitem(last=False)
