"""Reconcile: the key server's audit log, entry by entry, against the events that our workers signed for.

What is judged, and how, is vault/reconcile's business; here our log is asked, and the key server for what
stands in its log for a DEK's context. A stretch of entries is asked for as a whole.
"""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Protocol

import orjson

from keys.context import context_of
from keys.keystore import CANARY
from vault.log.event import read_timestamp
from vault.model.names import show_id
from vault.reconcile.audit_log import Entry, Unreadable
from vault.reconcile.findings import Finding, about
from vault.reconcile.unwraps import Bounds, Call, Once, Told, call_in, list_of, unmatched
from vault.reconcile.watch import Place, look
from vault.service.provenance import Provenance
from vault.store.events import StoredEvent

UNWRAPPING = ("reveal", "resealer")
"""Whose signed events allow an unwrap: those whose identity may make one."""
_ROOT_AGAIN = 3_600_000_000
"""µs after which the use of the same root token is told again."""


class Hasher(Protocol):
    """The key server, as far as it is asked here."""

    async def audit_hash(self, device: str, text: str) -> str:
        """What stands for `text` in the log of an audit device. Raises: KeysError."""


class Ledger(Protocol):
    """Our log, as far as it is asked here."""

    async def events(self, tenant: str, list_ids: Collection[bytes]) -> Sequence[StoredEvent]:
        """Every allowed event of these lists. Raises: Unavailable."""


@dataclass(slots=True)
class Tally:
    """What was looked at."""

    entries: int = 0
    unwraps: int = 0
    items: int = 0
    lists: int = 0
    canaries: int = 0
    rewraps: int = 0
    untouched: int = 0
    """Items that an event allowed to unwrap and nobody did: refused later, or the key server was away."""


@dataclass(slots=True)
class Reconciler:
    """Judges stretches of an audit log, in the order of their times."""

    ledger: Ledger
    provenance: Provenance
    """Knows the keys of the planes that may unwrap, and no other's: a tokenize list explains nothing."""
    hasher: Hasher
    device: str = "file"
    place: Place = field(default_factory=Place)
    bounds: Bounds = field(default_factory=Bounds)
    once: Once = field(init=False)
    tally: Tally = field(default_factory=Tally)
    seen: dict[str, int] = field(default_factory=dict)
    """{request id, with a mark for its answer: µs}: several devices may tell of the same."""
    roots: dict[str, int] = field(default_factory=dict)
    _told: dict[tuple[str, str], Told] = field(default_factory=dict)
    _touched: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    _canaries: dict[str, str] = field(default_factory=dict)
    now: int = 0
    """The newest entry's time."""

    def __post_init__(self) -> None:
        self.once = Once(self.bounds)

    async def take(self, entries: Sequence[Entry]) -> list[Finding]:
        """What is to be said of these entries. Nothing is remembered of them if it raises.

        Raises: Unavailable, KeysError, when one of the two cannot be asked.
        """
        fresh = [entry for entry in entries if _mark(entry) not in self.seen]
        calls, found = self._calls(fresh)
        await self._ask(call for call in calls.values() if not call.entry.failed)
        for entry in fresh:
            if _mark(entry) in self.seen:
                continue
            found += self._judge(entry, calls.get(id(entry)))
            self.seen[_mark(entry)] = entry.at
            self.now = max(self.now, entry.at)
        self._forget()
        return found

    def _calls(self, entries: Sequence[Entry]) -> tuple[dict[int, Call], list[Finding]]:
        calls, found = {}, []
        for entry in entries:
            try:
                call = call_in(entry, self.place)
            except Unreadable as fault:
                found.append(about("unwrap_unmatched", entry, str(fault)))
                continue
            if call is not None:
                calls[id(entry)] = call
        return calls, found

    def _judge(self, entry: Entry, call: Call | None) -> Iterator[Finding]:
        self.tally.entries += 1
        if "root" in entry.policies and entry.at - self.roots.get(entry.who, 0) > _ROOT_AGAIN:
            self.roots[entry.who] = entry.at
            yield about("root_used", entry, "a root token was used; told once an hour for each")
        finding = look(entry, self.place)
        if finding is not None:
            yield finding
        self.tally.rewraps += entry.answered and entry.path.startswith(f"{self.place.mount}/rewrap/")
        if call is not None:
            yield from self._judge_call(call)

    def _judge_call(self, call: Call) -> Iterator[Finding]:
        entry = call.entry
        if entry.failed:
            if entry.answered:
                yield about("refused", entry, "an unwrap was refused, or failed as a whole")
            return
        other = entry.request_id if entry.answered else f"{entry.request_id} answer"
        if other not in self.seen:  # the request, or an answer whose request is in no log
            yield from self._first_sight(call)
        if entry.answered:
            yield from self.once.success(call)

    def _first_sight(self, call: Call) -> Iterator[Finding]:
        self.tally.unwraps += 1
        self.tally.items += len(call.contexts)
        self.tally.canaries += call.canary
        told = self._told.get((call.tenant, call.list_id))
        yield from unmatched(call, told, self._canaries.get(call.tenant, ""), self.bounds)
        yield from self.once.number(call)
        self._touched.setdefault((call.tenant, call.list_id), set()).update(call.contexts)

    async def _ask(self, calls: Iterator[Call]) -> None:
        """Learn what our log says of the lists that are new here."""
        wanted: dict[str, set[bytes]] = {}
        for call in calls:
            if call.canary and call.tenant and call.tenant not in self._canaries:
                self._canaries[call.tenant] = await self._hash(call.tenant, CANARY)
            list_id = list_of(call)
            if list_id is not None and (call.tenant, call.list_id) not in self._told:
                wanted.setdefault(call.tenant, set()).add(list_id)
        for tenant, list_ids in wanted.items():
            await self._learn(tenant, list_ids)

    async def _learn(self, tenant: str, list_ids: Collection[bytes]) -> None:
        events = await self.ledger.events(tenant, list_ids)
        genuine = (await self.provenance.genuine(tenant, events)).values()
        deks = {
            show_id("lst", list_id): dict(filter(None, map(_allowed, some)))
            for list_id, some in groupby(sorted(genuine, key=_list_id), key=_list_id)
        }
        wanted = list({dek_id: None for one in deks.values() for dek_id in one})
        hashes = await asyncio.gather(*(self._hash(tenant, dek_id) for dek_id in wanted))
        hashed = dict(zip(wanted, hashes, strict=True))
        for list_id in list_ids:
            name = show_id("lst", list_id)
            told = Told({hashed[dek_id]: at for dek_id, at in deks.get(name, {}).items()})
            self._told[tenant, name] = told
            self.tally.lists += bool(told.allowed)

    async def _hash(self, tenant: str, dek_id: bytes) -> str:
        return await self.hasher.audit_hash(self.device, context_of(tenant, dek_id))

    def _forget(self) -> None:
        """Keep what a window of minutes can still need, and nothing else."""
        since = self.now - self.bounds.kept
        self.seen = {mark: at for mark, at in self.seen.items() if at >= since}
        self.roots = {who: at for who, at in self.roots.items() if at > self.now - _ROOT_AGAIN}
        self.once.forget(self.now)
        for name in [
            name for name, told in self._told.items() if max(told.allowed.values(), default=0) < since
        ]:
            self.tally.untouched += len(self._told.pop(name).allowed.keys() - self._touched.pop(name, set()))

    def finish(self) -> Tally:
        """The tally, with what is still remembered counted in."""
        for name, told in self._told.items():
            self.tally.untouched += len(told.allowed.keys() - self._touched.get(name, set()))
        self._told, self._touched = {}, {}
        return self.tally

    def dump(self) -> dict[str, object]:
        """What the next run must know."""
        return {"seen": self.seen, "roots": self.roots, "once": self.once.dump(), "now": self.now}

    def load(self, kept: Mapping[str, object]) -> None:
        """Go on where `dump` stopped. Raises: Unreadable."""
        try:
            self.seen = {str(mark): int(at) for mark, at in kept["seen"].items()}  # type: ignore[attr-defined]
            self.roots = {str(who): int(at) for who, at in kept["roots"].items()}  # type: ignore[attr-defined]
            self.now = int(str(kept["now"]))
            self.once = Once.load(self.bounds, kept["once"])  # type: ignore[arg-type]
        except (KeyError, ValueError, TypeError, AttributeError):
            raise Unreadable("a state file of another make") from None


def _mark(entry: Entry) -> str:
    return f"{entry.request_id} answer" if entry.answered else entry.request_id


def _list_id(event: StoredEvent) -> bytes:
    return event.list_id


def _allowed(event: StoredEvent) -> tuple[bytes, int] | None:
    """(DEK, µs) of an event that allowed to unwrap one. Its body was committed to and signed for."""
    body = orjson.loads(event.body)
    dek_id, batch = body.get("dek_id"), show_id("lst", event.list_id)
    # What tells of a failure, or of a record sealed anew, comes after an unwrap and allows none.
    after = "failure" in body or "sealed_sha256" in body or body.get("action", "open") != "open"
    if dek_id is None or after or body.get("decision") != "allow" or body["batch"] != batch:
        return None
    return bytes.fromhex(dek_id), read_timestamp(body["time"])
