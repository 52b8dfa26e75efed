"""What the log tells of a tenant's KEK: the last shred cycle, and the samples that were verified.

Only events count that a worker of the right identity signed: who can write the database must not be able to
shorten a grace, or to make one person two.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from keys.names import kek_of
from vault.log.event import read_timestamp
from vault.service.key_work import VERB as KEYS
from vault.service.provenance import Provenance
from vault.service.verify import SAMPLE
from vault.service.verify import VERB as VERIFY
from vault.store.events import Filter, Page, StoredEvent

BEGIN, TRIM, TRIMMED = "shred", "trim", "trimmed"
MOST = 1000
"""Events looked at, from the newest back: a cycle has a dozen."""
Reader = Callable[[str, Filter, Page], Awaitable[Sequence[StoredEvent]]]


@dataclass(frozen=True, slots=True)
class Cycle:
    """A shred cycle as its events tell it. Times in µs since 1970."""

    version: int
    """The KEK's that was made for it."""
    erased_before: int
    """What was erased until then, with its key gone, is what this cycle makes final."""
    grace_days: int
    begun_by: str
    retired_at: int | None = None
    """When older versions were last retired; from then on the grace counts."""
    trimmed: StoredEvent | None = None
    trimmed_at: int = 0
    trimmed_by: str = ""

    @property
    def due_at(self) -> int | None:
        """When it may be trimmed."""
        if self.retired_at is None:
            return None
        return self.retired_at + self.grace_days * 86_400_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Diary:
    """One reader of the log, and who is believed in it. Methods may raise Unavailable."""

    read: Reader
    rotator: Provenance
    shredder: Provenance
    reveal: Provenance

    async def cycle(self, tenant: str) -> Cycle | None:
        """The last cycle that was begun, ended or not."""
        return next(iter((await self._cycles(tenant))[::-1]), None)

    async def ended(self, tenant: str) -> Cycle | None:
        """The last cycle that was trimmed."""
        return next((one for one in (await self._cycles(tenant))[::-1] if one.trimmed is not None), None)

    async def _cycles(self, tenant: str) -> list[Cycle]:
        """Those that the log tells of, in their order."""
        found = await self.read(tenant, Filter(verb=KEYS, decision="allow"), Page(MOST))
        begun, ended = await self.rotator.genuine(tenant, found), await self.shredder.genuine(tenant, found)
        cycles = list[Cycle]()
        for event in reversed(found):
            body = orjson.loads(event.body)
            if body.get("key") != kek_of(tenant):
                continue
            if event.event_id in begun and body["action"] == BEGIN:
                until = read_timestamp(body["erased_before"])
                cycles.append(Cycle(body["to_version"], until, body["grace_days"], body["person"]))
            elif cycles and event.event_id in begun:
                cycles[-1] = _retired(cycles[-1], body)
            elif cycles and event.event_id in ended:
                cycles[-1] = _trimmed(cycles[-1], body, event)
        return cycles

    async def verified(self, tenant: str, version: int) -> bool:
        """Whether a sample was held to its keys after the KEK had this version, and nothing failed."""
        found = await self.read(tenant, Filter(verb=VERIFY, decision="allow"), Page(MOST))
        samples = [one for one in found if orjson.loads(one.body).get("reason") == SAMPLE]
        genuine = await self.reveal.genuine(tenant, samples)
        return any(orjson.loads(one.body).get("to_version", 0) >= version for one in genuine.values())


def _retired(cycle: Cycle, body: Mapping[str, Any]) -> Cycle:
    """The cycle after an event of the rotator. It comes before the deed, so the last one counts."""
    if body["action"] != "retire" or body["to_version"] < cycle.version or cycle.trimmed is not None:
        return cycle
    return replace(cycle, retired_at=read_timestamp(body["time"]))


def _trimmed(cycle: Cycle, body: Mapping[str, Any], event: StoredEvent) -> Cycle:
    """The cycle after an event of the shredder."""
    if body["action"] != TRIMMED or body["to_version"] < cycle.version:
        return cycle
    at = read_timestamp(body["time"])
    return replace(cycle, trimmed=event, trimmed_at=at, trimmed_by=body["person"])
