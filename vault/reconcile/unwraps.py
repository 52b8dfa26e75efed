"""Every unwrap must be told by an event of ours, and be made once. Pure: what our log says comes in.

An unwrap names its list and, behind it, a number that no other request has. A long list
takes several calls, and our own client makes a call again when its answer was lost. So the number counts
once, for ever; an item of a list counts once too, but for a second call within seconds by the same identity
from the same address, which is what a lost answer looks like.
"""

import re
from dataclasses import dataclass, field

from vault.model.names import read_id
from vault.reconcile.audit_log import HASHED, Entry, Unreadable, contexts_of
from vault.reconcile.findings import Finding, about
from vault.reconcile.watch import Place

_BATCH = re.compile(r"(lst_[0-9a-z]{26}) ([0-9a-f]{16})", re.ASCII)
_CANARY = re.compile(r"canary ([0-9a-f]{16})", re.ASCII)
_RETRIES = 16
"""Calls for one item that can be honest: the deadline leaves no room for more."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Times in µs."""

    older: int = 300_000_000
    """How long before its unwrap an event may have been committed."""
    newer: int = 60_000_000
    """How far our clock may be ahead of the key server's."""
    retry: int = 10_000_000
    """Within which a call may be made again; a call of ours has 2.5 s, retries included."""

    @property
    def kept(self) -> int:
        """For how long anything must be remembered: an unwrap after that finds its event too old."""
        return self.older + self.newer + self.retry


@dataclass(frozen=True, slots=True)
class Call:
    """One request to unwrap."""

    entry: Entry
    tenant: str
    """Empty when the key is no tenant's KEK."""
    list_id: str
    number: str
    contexts: tuple[str, ...]
    canary: bool = False


def call_in(entry: Entry, place: Place) -> Call | None:
    """The unwrap in an entry, if it is one. Raises: Unreadable."""
    head, _, key = entry.path.partition("/decrypt/")
    if not key or (head, entry.namespace) != (place.mount, place.namespace):
        return None
    tenant = key.removeprefix("kek-") if key.startswith("kek-") else ""
    named, canary = _BATCH.fullmatch(entry.batch), _CANARY.fullmatch(entry.batch)
    number = named[2] if named else canary[1] if canary else ""
    contexts = contexts_of(entry)
    return Call(entry, tenant, named[1] if named else "", number, contexts, canary is not None)


def list_of(call: Call) -> bytes | None:
    """The list an unwrap names, as our database has it."""
    try:
        return read_id("lst", call.list_id) if call.tenant and call.list_id else None
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Told:
    """What our log says of one list: when each DEK's context was allowed to be unwrapped."""

    allowed: dict[str, int]
    """{context as the audit log has it: µs of the event}"""


def unmatched(call: Call, told: Told | None, canary: str, bounds: Bounds) -> list[Finding]:
    """A finding for each item that no event explains. `canary`: the reserved DEK's context, as hashed."""
    if raw := [one for one in call.contexts if one and not one.startswith(HASHED)]:
        return [about("raw_log", call.entry, f"{len(raw)} contexts are not hashed")]
    why = [(context, _unexplained(call, context, told, canary, bounds)) for context in call.contexts]
    return [about("unwrap_unmatched", call.entry, says, item=context) for context, says in why if says]


def _unexplained(call: Call, context: str, told: Told | None, canary: str, bounds: Bounds) -> str:
    if call.canary:
        return "" if context == canary else "called the canary, and is another DEK"
    if not call.tenant or not call.list_id:
        return "under a key that is no tenant's" if not call.tenant else "names no list, or not as we do"
    committed = told.allowed.get(context) if told is not None else None
    if committed is None:
        return "no event of its list allows to unwrap this DEK"
    return _untimely(call, committed, bounds)


def _untimely(call: Call, committed: int, bounds: Bounds) -> str:
    if committed < call.entry.at - bounds.older:
        return f"its event is {(call.entry.at - committed) // 1_000_000} s older"
    return "its event is in the future" if committed > call.entry.at + bounds.newer else ""


@dataclass(slots=True)
class _Use:
    at: int
    who: str
    address: str
    calls: int = 1


@dataclass(slots=True)
class Once:
    """What was used lately. Bounded by `Bounds.kept`: what is older is refused as too old anyway."""

    bounds: Bounds
    numbers: dict[str, tuple[int, str]] = field(default_factory=dict)
    """{number: (µs, request id)}"""
    items: dict[str, _Use] = field(default_factory=dict)
    """{list, a space, context: its first success}"""

    def number(self, call: Call) -> list[Finding]:
        """A number that another request had already."""
        if not call.number:
            return []
        _, request = self.numbers.setdefault(call.number, (call.entry.at, call.entry.request_id))
        if request == call.entry.request_id:
            return []
        return [about("batch_reused", call.entry, "the audited header of another request", first=request)]

    def success(self, call: Call) -> list[Finding]:
        """Items of the list that came out before."""
        if call.canary:
            return []
        again = [found for context in call.contexts if (found := self._again(call, context)) is not None]
        if not again:
            return []
        kind = "batch_reused" if "batch_reused" in again else "repeated"
        return [about(kind, call.entry, f"{len(again)} of its items were unwrapped before under this list")]

    def _again(self, call: Call, context: str) -> str | None:
        entry, name = call.entry, f"{call.list_id} {context}"
        use = self.items.get(name)
        if use is None:
            self.items[name] = _Use(entry.at, entry.who, entry.address)
            return None
        use.calls += 1
        same = (entry.who, entry.address) == (use.who, use.address) and entry.who != ""
        soon = abs(entry.at - use.at) <= self.bounds.retry and use.calls <= _RETRIES
        return "repeated" if same and soon else "batch_reused"

    def forget(self, now: int) -> None:
        """Let go of what can no longer matter."""
        since = now - self.bounds.kept
        self.numbers = {name: one for name, one in self.numbers.items() if one[0] >= since}
        self.items = {name: one for name, one in self.items.items() if one.at >= since}

    def dump(self) -> dict[str, object]:
        """For the state file."""
        used = {name: [one.at, one.who, one.address, one.calls] for name, one in self.items.items()}
        return {"numbers": {name: list(one) for name, one in self.numbers.items()}, "items": used}

    @classmethod
    def load(cls, bounds: Bounds, kept: dict[str, dict[str, list[object]]]) -> "Once":
        """From the state file. Raises: Unreadable."""
        try:
            numbers = {n: (int(str(at)), str(request)) for n, (at, request) in kept["numbers"].items()}
            items = {
                n: _Use(int(str(at)), str(who), str(address), int(str(calls)))
                for n, (at, who, address, calls) in kept["items"].items()
            }
        except (KeyError, ValueError, TypeError, AttributeError):
            raise Unreadable("a state file of another make") from None
        return cls(bounds, numbers, items)
