"""Reads of the provable log: checkpoint, tiles, entries, proofs, keys; and bodies, for those with a grant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vault.alarms import raise_alarm
from vault.errors import NotFound, ServiceError
from vault.log.bundle import write_bundle
from vault.log.checkpoints import origin_of
from vault.log.event import Draft
from vault.log.merkle import includes, inclusion_proof
from vault.log.notes import NoteKey
from vault.log.proofs import write_proof
from vault.log.tiles import Tile, write_entries
from vault.model.ask import Allowed, Ask, Caller, Denied
from vault.policy.decide import granted
from vault.service.authority_keys import PublicKeys
from vault.service.events import sees_sealed
from vault.service.parts import Parts
from vault.service.record import record
from vault.service.refusals import problem
from vault.service.tree import LogDamaged, Tree
from vault.store.bodies import read_bodies
from vault.store.log import LogStore, StoredCheckpoint

SOON = 10
"""Seconds until what is committed has been numbered and signed, when all is well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReader:
    """One worker's view of all logs. Nothing beyond the newest checkpoint is shown."""

    store: LogStore
    tree: Tree
    log_keys: PublicKeys
    worker_keys: Mapping[str, PublicKeys]
    """By plane."""
    cert_keys: PublicKeys
    log_name: str

    async def checkpoint(self, tenant: str) -> str:
        """The newest signed head, with what witnesses wrote under it. Raises: NotFound, Unavailable."""
        head, lines = await self._witnessed(tenant)
        return head.note + "".join(lines)

    async def tile(self, tenant: str, tile: Tile) -> bytes:
        """Hashes of the tree. Raises: NotFound, Unavailable."""
        await self._assert_there(tenant, tile)
        return b"".join(await self.tree.hashes(tenant, tile))

    async def entries(self, tenant: str, tile: Tile) -> bytes:
        """The entries under a tile of level 0. Raises: NotFound, Unavailable."""
        await self._assert_there(tenant, tile)
        leaves = await self.store.leaves(tenant, tile.first, tile.width)
        if len(leaves) != tile.width:
            raise LogDamaged(says=f"entries {tile.place} have a hole")
        return write_entries([leaf.entry for leaf in leaves])

    async def proof(self, tenant: str, event_id: bytes) -> str:
        """That an event is in the log, as a text that stands by itself. Raises: NotFound, Unavailable."""
        index = await self.store.place_of(tenant, event_id)
        if index is None and not await self.store.is_committed(tenant, event_id):
            raise NotFound("event_not_found")
        head, lines = await self._witnessed(tenant)
        if index is None or index >= head.size:
            raise _not_yet()
        path = await self._path(tenant, index, head)
        return write_proof(index, path, head.note + "".join(lines))

    async def _path(self, tenant: str, index: int, head: StoredCheckpoint) -> list[bytes]:
        """A leaf's way up to the signed root, and verified to be one. Raises: LogDamaged, Unavailable."""
        path, leaf = await self.tree.compute(
            tenant, head.size, lambda nodes: (inclusion_proof(index, head.size, nodes), nodes(0, index))
        )
        if not includes(leaf, index, head.size, proof=path, root=head.root):
            self.tree.forget(tenant)  # the rows may be put right; what was remembered of them would not be
            raise LogDamaged(says=f"leaf {index} does not lead to the root signed at {head.size}")
        return path

    async def keys(self, tenant: str) -> dict[str, list[object]]:
        """The public keys of checkpoints, workers and certificates, by version. Raises: Unavailable."""
        origin = origin_of(self.log_name, tenant)
        log = [
            {"version": version, "vkey": NoteKey(origin, raw).text}
            for version, raw in sorted((await self.log_keys.all()).items())
        ]
        workers = [
            {"plane": plane, "version": version, "public_key": raw.hex()}
            for plane, keys in self.worker_keys.items()
            for version, raw in sorted((await keys.all()).items())
        ]
        certs = [
            {"version": version, "public_key": raw.hex()}
            for version, raw in sorted((await self.cert_keys.all()).items())
        ]
        vkeys = [one["vkey"] for one in log]
        return {"log": [*vkeys], "log_versions": [*log], "worker": [*workers], "cert": [*certs]}

    async def _witnessed(self, tenant: str) -> tuple[StoredCheckpoint, list[str]]:
        found = await self.store.witnessed(tenant)
        if found is None:
            raise _not_yet()
        return found

    async def _head(self, tenant: str) -> StoredCheckpoint:
        head = await self.store.checkpoint(tenant)
        if head is None:
            raise _not_yet()
        return head

    async def _assert_there(self, tenant: str, tile: Tile) -> None:
        if not tile.within((await self._head(tenant)).size):
            raise NotFound("no_such_tile")


@dataclass(frozen=True, slots=True)
class BodiesRequest:
    """Which numbered events somebody asks to read."""

    caller: Caller
    first: int
    count: int


async def bodies(
    tenant: str, requests: Sequence[BodiesRequest], parts: Parts, reader: LogReader
) -> list[bytes | ServiceError]:
    """Record who reads what, then read."""
    policy = (await parts.registers.of(tenant)).policy
    decisions = [granted(Ask(request.caller, "events")) for request in requests]
    drafts = [
        Draft(
            request.caller,
            "events",
            "allow" if isinstance(decision, Allowed) else "deny",
            decision.rule if isinstance(decision, Allowed) else decision.code,
            policy=policy.hash,
            detail={
                "asked_from": request.first,
                "asked_limit": request.count,
                **({"asked_sealed": "yes"} if sees_sealed(request.caller) else {}),
            },
        )
        for request, decision in zip(requests, decisions, strict=True)
    ]
    await record(tenant, drafts, parts)
    return [
        problem(decision) if isinstance(decision, Denied) else await _bundle(tenant, request, reader)
        for request, decision in zip(requests, decisions, strict=True)
    ]


async def _bundle(tenant: str, request: BodiesRequest, reader: LogReader) -> bytes:
    head = await reader.store.checkpoint(tenant)
    covered = max(0, (head.size if head is not None else 0) - request.first)
    count = min(request.count, covered)
    sealed = sees_sealed(request.caller)
    found = await read_bodies(reader.store.engine, tenant, first=request.first, count=count, sealed=sealed)
    if found.missing:
        raise_alarm("event_tampered", tenant, says=f"{found.missing} bodies are gone before their time")
    return write_bundle(found.workers, found.lists, found.events)


def _not_yet() -> NotFound:
    return NotFound("not_sequenced_yet", "Committed, but not in a signed checkpoint yet.", retry_after=SOON)
