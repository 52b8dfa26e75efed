"""How a tenant's log is: what is numbered, signed, waiting and refused. Changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from vault.log.event import timestamp
from vault.log.merkle import frontier_of
from vault.service.sequence import Sequencer, name_of
from vault.service.tree import LogDamaged
from vault.store.log import StoredCheckpoint
from vault.store.sequencing import StoredList, Window

MOST = 1000


@dataclass(frozen=True, slots=True)
class LogStatus:
    """One log. At most MOST waiting lists are counted and verified."""

    tenant: str
    size: int
    checkpoint: StoredCheckpoint | None
    waiting: Sequence[StoredList]
    refused: Sequence[tuple[bytes, str]]
    damage: str

    def members(self) -> dict[str, object]:
        """As an answer shows it."""
        signed = self.checkpoint
        return {
            "tenant": self.tenant,
            "size": self.size,
            "signed": signed.size if signed else 0,
            "signed_at": timestamp(signed.signed_at) if signed else None,
            "waiting_events": sum(row.size for row in self.waiting),
            "refused": [{"list": name_of(list_id), "reason": reason} for list_id, reason in self.refused],
            "damage": self.damage,
        }


async def log_status(tenant: str, sequencer: Sequencer) -> LogStatus:
    """Look at a log, verifying what waits and what was signed. Raises: Unavailable."""
    store = sequencer.store
    newest = await store.last_leaf(tenant)
    size = newest.idx + 1 if newest is not None else 0
    waiting = await store.waiting(tenant, Window(bytes(16), refused_too=True), most=MOST)
    checked = await sequencer.verifier.check(tenant, waiting)
    bad = {one.list_id: one.reason for one in checked.bad}
    return LogStatus(
        tenant,
        size,
        await store.checkpoint(tenant),
        [row for row in waiting if row.list_id not in bad],
        list(bad.items()),
        await _damage(tenant, size, sequencer),
    )


async def _damage(tenant: str, size: int, sequencer: Sequencer) -> str:
    try:
        frontier = await sequencer.tree.compute(tenant, size, lambda nodes: frontier_of(size, nodes))
        await sequencer.signing.audit(tenant, size, frontier.root())
    except LogDamaged as damage:
        return f"{damage.alarm}: {damage.says}"
    return ""
