"""What a rogue finds in the log's tables, and the rows he makes up."""

import os
from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.plugins.scene import Scene
from vault.log.event import commit_to, entry
from vault.log.lists import GENESIS, Heading, endorsement_message, list_message
from vault.model.names import show_id

Names = tuple[str, ...]
_COLUMNS = "salt, token, subject, actor, verb, decision, purpose, recorded_at"
_LISTS = (
    "SELECT DISTINCT s.list_id, s.worker_id, s.chain, s.seq, s.previous, s.size, s.signature, l.idx"
    " FROM signed_list s JOIN event e ON e.tenant = s.tenant AND e.list_id = s.list_id AND e.position = 0"
    " LEFT JOIN leaf l ON l.tenant = e.tenant AND l.event_id = e.event_id"
    " WHERE s.tenant = 'acme' AND e.verb = 'detokenize' ORDER BY s.list_id"
)
_FORGED_EVENT = (
    f"INSERT INTO event (tenant, event_id, list_id, position, commitment, body, {_COLUMNS})"
    f" SELECT tenant, :id, :list, :position, :commitment, :body, {_COLUMNS} FROM event WHERE event_id = :like"
)
_FORGED_LIST = (
    "INSERT INTO signed_list (tenant, list_id, worker_id, chain, seq, previous, size, signature)"
    " VALUES ('acme', :id, :worker, :chain, :seq, :previous, :size, :signature)"
)
_FORGED_WORKER = (
    "INSERT INTO worker (worker_id, plane, public_key, started_at, key_version, endorsement)"
    " VALUES (:w, 'reveal', :k, 1, 1, :e)"
)
LEAF = (
    "INSERT INTO leaf (tenant, idx, event_id, commitment, list_id, position)"
    " VALUES ('acme', :idx, :id, :commitment, :list, :position)"
)


async def lists(scene: Scene, part: str) -> list[Any]:
    """The lists of three opened values each that are `mirrored`, `signed` since, or `waiting`; one chain."""
    found = await scene.rows(_LISTS)
    numbered = [one for one in found if one.idx is not None]
    seen = scene.original.mirrored
    return {
        "mirrored": [one for one in numbered if one.idx < seen],
        "signed": [one for one in numbered if one.idx >= seen],
        "waiting": [one for one in found if one.idx is None],
    }[part]


async def events(scene: Scene, listed: Any) -> Sequence[Any]:
    """A list's events in order."""
    query = (
        "SELECT event_id, position, commitment, salt, body FROM event WHERE list_id = :l ORDER BY position"
    )
    return await scene.rows(query, l=listed.list_id)


async def victim(scene: Scene, part: str) -> tuple[Any, Any]:
    """An event in the middle of a list that is in the middle of its chain, and the list."""
    listed = (await lists(scene, part))[1]
    return (await events(scene, listed))[1], listed


def names(event: Any, listed: Any) -> Names:
    return show_id("evt", event.event_id), show_id("lst", listed.list_id), f"chain {listed.chain.hex()}"


def forged(event: Any) -> bytes:
    """Another payout than the one that was made."""
    body: bytes = event.body.replace(b"payout-2026-11-07", b"payout-2026-11-08")
    assert body != event.body
    return body


async def newest(scene: Scene) -> Sequence[Any]:
    query = "SELECT size, root, note FROM checkpoint WHERE tenant = 'acme' ORDER BY size DESC LIMIT 1"
    return await scene.rows(query)


async def like(scene: Scene, event: Any, *, list_id: bytes, position: int) -> bytes:
    """The id of a new event that says what another one says."""
    new: bytes = event.event_id[:7] + os.urandom(9)
    body = event.body.replace(show_id("evt", event.event_id).encode(), show_id("evt", new).encode())
    await scene.sql(
        _FORGED_EVENT, id=new, list=list_id, position=position, commitment=commit_to(body, event.salt),
        body=body, like=event.event_id,
    )  # fmt: skip
    return new


async def entry_of(scene: Scene, event_id: bytes) -> bytes:
    found = await scene.rows("SELECT commitment FROM event WHERE event_id = :e", e=event_id)
    return entry(event_id, found[0].commitment)


async def invented(scene: Scene, part: str) -> tuple[bytes, bytes]:
    """An event and its list, signed by a worker that vouches for itself."""
    event, listed = await victim(scene, part)
    key, worker = Ed25519PrivateKey.generate(), os.urandom(16)
    public = key.public_key().public_bytes_raw()
    endorsement = key.sign(endorsement_message("reveal", worker, public, 1))
    await scene.sql(_FORGED_WORKER, w=worker, k=public, e=endorsement)
    list_id = listed.list_id[:7] + os.urandom(9)
    new = await like(scene, event, list_id=list_id, position=0)
    heading = Heading("acme", list_id, worker, os.urandom(16), 0, GENESIS)
    await forge_list(scene, heading, key.sign(list_message(heading, [await entry_of(scene, new)])))
    return new, list_id


async def forge_list(scene: Scene, heading: Heading, signature: bytes) -> None:
    await scene.sql(
        _FORGED_LIST, id=heading.list_id, worker=heading.worker_id, chain=heading.chain, seq=heading.seq,
        previous=heading.previous, size=1, signature=signature,
    )  # fmt: skip
