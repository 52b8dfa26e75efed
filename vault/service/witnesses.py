"""Submits each signed checkpoint to the witnesses, and keeps what they put under it.

Nothing waits for a witness: one that is silent is asked again later, and how far it is behind can be seen.
One that refuses has seen another history of the log than this one; that wakes someone.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from vault.errors import ServiceError
from vault.log.cosignatures import WitnessKey, find_cosignature
from vault.log.malformed import Malformed, read_number, write_base64
from vault.log.merkle import consistency_proof
from vault.log.notes import read_note
from vault.service.tree import Tree
from vault.service.witness_http import Place, Reply, Silent
from vault.store.failures import Clash
from vault.store.log import StoredCheckpoint

ROUND_SECONDS = 1.0
LONGEST_PAUSE = 60.0
REFUSED_SECONDS = 60.0
"""How long a log that a witness refused is not offered to it again."""
_BUSY = 429

Alarm = Callable[[str, str, str], None]
"""Told (code, tenant, what exactly)."""
log = structlog.get_logger()


class Post(Protocol):
    """A witness, as far as a log needs one."""

    place: Place

    async def add_checkpoint(self, body: bytes) -> Reply:
        """Submit a checkpoint. Raises: Silent."""


class Cosignatures(Protocol):
    """Where cosignatures are kept. May raise Unavailable."""

    async def cosigned(self, tenant: str) -> dict[str, int]:
        """The largest size that each witness signed, by its name."""

    async def add(self, tenant: str, size: int, *, witness: str, line: str) -> None:
        """Keep one. Raises: Clash."""


class Refused(Exception):
    """A witness did not cosign. `alarm` when that must wake someone."""

    def __init__(self, why: str, alarm: str = "") -> None:
        super().__init__(why)
        self.why, self.alarm = why, alarm


@dataclass(slots=True)
class _Standing:
    """Where one witness stands. Lost at a restart and learnt anew."""

    pause: float = 0.0
    until: float = 0.0
    """It was silent: nothing is offered before."""
    sizes: dict[str, int] = field(default_factory=dict)
    """By tenant: the size it cosigned last, as far as we know."""
    done: dict[str, int] = field(default_factory=dict)
    """By tenant: the size of which we have its cosignature."""
    later: dict[str, float] = field(default_factory=dict)
    """By tenant: it refused, and is not offered this log before."""


@dataclass(slots=True, kw_only=True)
class Witnessing:
    """Keeps every witness up to date, as long as this process leads."""

    witnesses: Sequence[Post]
    signed: Callable[[], Mapping[str, StoredCheckpoint]]
    """The newest published checkpoint of each tenant; none while another process leads."""
    cosignatures: Cosignatures
    tree: Tree
    alarm: Alarm
    clock: Callable[[], float] = time.monotonic
    _standings: dict[str, _Standing] = field(default_factory=dict)

    async def run(self) -> None:
        """Rounds until cancelled."""
        while True:
            await self.step()
            await asyncio.sleep(ROUND_SECONDS)

    async def step(self) -> None:
        """Offer every witness what it has not seen, all witnesses at once."""
        await asyncio.gather(*(self._round(witness) for witness in self.witnesses))

    async def _round(self, witness: Post) -> None:
        name = witness.place.key.name
        standing = self._standings.setdefault(name, _Standing())
        if self.clock() < standing.until:
            return
        try:
            for tenant, head in self._heads_for(witness):
                if standing.done.get(tenant, -1) < head.size and self.clock() >= standing.later.get(
                    tenant, 0.0
                ):
                    await self._offer(witness, tenant, head, standing)
            standing.pause = 0.0
        except Silent:
            standing.pause = min(max(1.0, standing.pause * 2), LONGEST_PAUSE)
            standing.until = self.clock() + standing.pause
            log.warning("witness_silent", says=name)
        except ServiceError as error:
            log.warning("witness_waits", says=name, code=error.code)

    def _heads_for(self, witness: Post) -> list[tuple[str, StoredCheckpoint]]:
        return [(tenant, head) for tenant, head in self.signed().items() if witness.place.covers(tenant)]

    async def _offer(self, witness: Post, tenant: str, head: StoredCheckpoint, standing: _Standing) -> None:
        """Submit a checkpoint and keep what the witness makes of it. Raises: Silent, Unavailable."""
        name = witness.place.key.name
        if tenant not in standing.sizes:
            standing.sizes[tenant] = (await self.cosignatures.cosigned(tenant)).get(name, 0)
        try:
            line = await self._cosigned(witness, tenant, head, standing)
        except Refused as refusal:
            standing.later[tenant] = self.clock() + REFUSED_SECONDS
            self._tell(name, tenant, refusal)
            return
        with contextlib.suppress(Clash):  # it signed this size before
            await self.cosignatures.add(tenant, head.size, witness=name, line=line)
        standing.sizes[tenant] = standing.done[tenant] = head.size

    async def _cosigned(self, witness: Post, tenant: str, head: StoredCheckpoint, standing: _Standing) -> str:
        """The witness's line. Its word on where it stands is taken once. Raises: Refused, Silent."""
        old = min(standing.sizes[tenant], head.size)
        reply = await self._submit(witness, tenant, head, old)
        said = _size_in(reply)
        if said is not None and said != old:
            old = standing.sizes[tenant] = self._followed(tenant, head, said)
            reply = await self._submit(witness, tenant, head, old)
        if reply.status == 200:
            return _line(reply, head, witness.place.key)
        if reply.status == 422 or _size_in(reply) == head.size:
            raise Refused(
                f"it has seen another history: {head.size} is no continuation of {old}", "witness_refused"
            )
        raise Refused(f"it answered {reply.status}")

    def _followed(self, tenant: str, head: StoredCheckpoint, said: int) -> int:
        """The size a witness says it is at. Raises: Refused if that much was never signed here."""
        if said <= head.size:
            return said
        newest = self.signed().get(tenant)
        if newest is None or newest.size >= said:
            raise Refused("it is ahead of what was offered")
        raise Refused(f"it has cosigned {said} events, and only {head.size} are signed here", "witness_ahead")

    async def _submit(self, witness: Post, tenant: str, head: StoredCheckpoint, old: int) -> Reply:
        path = await self.tree.compute(
            tenant, head.size, lambda nodes: consistency_proof(old, head.size, nodes)
        )
        lines = "".join(write_base64(one) + "\n" for one in path)
        reply = await witness.add_checkpoint(f"old {old}\n{lines}\n{head.note}".encode())
        if reply.status >= 500 or reply.status == _BUSY:
            raise Silent
        return reply

    def _tell(self, name: str, tenant: str, refusal: Refused) -> None:
        log.warning("witness_refused", tenant=tenant, says=f"{name}: {refusal.why}")
        if refusal.alarm:
            self.alarm(refusal.alarm, tenant, f"{name}: {refusal.why}")


def _size_in(reply: Reply) -> int | None:
    """The size a 409 names. Raises: Refused."""
    if reply.status != 409:
        return None
    try:
        return read_number(reply.size or "")
    except Malformed:
        raise Refused("its 409 names no size") from None


def _line(reply: Reply, head: StoredCheckpoint, key: WitnessKey) -> str:
    """The witness's own line of its answer, verified; whatever else it sent is dropped. Raises: Refused."""
    try:
        return find_cosignature(read_note(head.note).text, reply.body, key).line
    except Malformed as broken:
        raise Refused(f"its answer is no cosignature: {broken.rule}") from None
