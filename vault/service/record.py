"""Commit events by themselves: the trace that comes before the deed."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from vault import metrics
from vault.log.event import Draft
from vault.log.lists import SignedList
from vault.log.writer import Lane
from vault.service.parts import Parts
from vault.store.unit import Unit


async def record(
    tenant: str,
    drafts: Sequence[Draft],
    parts: Parts,
    deed: Callable[[Unit, SignedList], Awaitable[None]] | None = None,
) -> SignedList:
    """Commit one event for each draft, and in the same transaction the deed that they are about.

    Durable when this returns. Raises: Unavailable, OutcomeUnknown, and as the deed.
    """

    async def draw(_: Unit) -> Sequence[Draft]:
        return drafts

    return await record_drawn(tenant, draw, parts, deed)


async def record_drawn(
    tenant: str,
    draw: Callable[[Unit], Awaitable[Sequence[Draft]]],
    parts: Parts,
    deed: Callable[[Unit, SignedList], Awaitable[None]] | None = None,
) -> SignedList:
    """The same for events that the transaction itself decides. Raises: as `record`, and as `draw`."""
    async with parts.store.begin() as unit:
        drafts = await draw(unit)
        lane = parts.log.lane(tenant)
        signed = parts.log.write(lane, drafts, list_id=parts.log.new_list_id())
        if deed is not None:
            await deed(unit, signed)
        await unit.add_list(signed)
        await unit.commit()
    kept(lane, signed, parts)
    return signed


def kept(lane: Lane, signed: SignedList, parts: Parts) -> None:
    """The list is committed: give its lane back, and count what was decided."""
    parts.log.keep(lane, signed)
    decided = Counter((event.draft.verb, event.draft.decision) for event in signed.events)
    for (verb, decision), count in decided.items():
        metrics.decisions.labels(verb, decision).inc(count)
