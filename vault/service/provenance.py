"""Whether events come from where they say: in a list that an endorsed worker of the right plane signed."""

import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from vault.log.event import commit_to
from vault.service.verified_lists import ListVerifier
from vault.store.events import StoredEvent
from vault.store.sequencing import StoredList


class Lists(Protocol):
    async def lists(self, tenant: str, list_ids: Sequence[bytes]) -> list[StoredList]:
        """The rows of these lists, as far as they are there."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Judges events. `verifier` knows the keys of the planes that may have written them, and no other's."""

    lists: Lists
    verifier: ListVerifier

    async def genuine(self, tenant: str, events: Collection[StoredEvent]) -> dict[bytes, StoredEvent]:
        """{event id: event} of those whose body was committed to, and signed for. Raises: Unavailable."""
        rows = await self.lists.lists(tenant, list({one.list_id for one in events}))
        good = (await self.verifier.check(tenant, rows)).good
        signed = {one.event_id: one.commitment for each in good for one in each.entries}
        return {one.event_id: one for one in events if _is(one, signed.get(one.event_id))}


def _is(event: StoredEvent, signed: bytes | None) -> bool:
    committed = hmac.compare_digest(commit_to(event.body, event.salt), event.commitment)
    return committed and signed == event.commitment
