"""Counts while events go by. Takes bodies whose commitment held, in the order of the log; keeps no body."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

from strongroom_audit.report.model import Wanted

Key = tuple[str, ...]
_MOST_MOMENTS = 5_000


@dataclass(slots=True)
class Tally:
    """How often, on whom, from when to when."""

    count: int = 0
    subjects: set[str] = field(default_factory=set)
    tokens: set[str] = field(default_factory=set)
    references: set[str] = field(default_factory=set)
    first: str = ""
    last: str = ""

    def add(self, event: "Seen") -> None:
        """One more."""
        self.count += 1
        for there, value in (
            (self.subjects, event.subject),
            (self.tokens, event.token),
            (self.references, event.reference),
        ):
            if value:
                there.add(value)
        self.first = min(self.first or event.time, event.time)
        self.last = max(self.last, event.time)


@dataclass(slots=True)
class Seen:
    """The members of a body that reports speak of; text, empty where absent."""

    event_id: str
    time: str
    actor: str
    person: str
    verb: str
    decision: str
    reason: str
    purpose: str
    reference: str
    token: str
    field_type: str
    subject: str
    form: str
    result: str

    @property
    def opened(self) -> bool:
        """Whether a value went out: in the clear or masked."""
        return self.verb == "detokenize" and self.decision == "allow" and not self.result

    @property
    def denied(self) -> bool:
        """Whether somebody was turned away."""
        return self.decision == "deny"

    @property
    def kind(self) -> str:
        """`opened`, `denied` or `other`."""
        return "opened" if self.opened else "denied" if self.denied else "other"


_MEMBERS = tuple(Seen.__dataclass_fields__)
_USUAL = frozenset(
    {
        *_MEMBERS,
        "v",
        "tenant",
        "auth_method",
        "client_ip",
        "request_id",
        "dek_id",
        "policy",
        "batch",
        "worker",
    }
)


def read(body: bytes) -> tuple[Seen, dict[str, object]]:
    """A verified body's members."""
    members = json.loads(body)
    texts = (members.get(name, "") for name in _MEMBERS)
    return Seen(*(text if isinstance(text, str) else str(text) for text in texts)), members


class Collector:
    """Everything a report counts. `take` is called once for each verified event."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.events = self.failures = 0
        self.kinds: Counter[str] = Counter()
        self.verbs: dict[Key, Counter[str]] = defaultdict(Counter)
        self.opened: dict[Key, Tally] = defaultdict(Tally)
        self.denied: dict[Key, Tally] = defaultdict(Tally)
        self.purposes: dict[Key, Counter[str]] = defaultdict(Counter)
        self.hours: dict[int, Counter[str]] = defaultdict(Counter)
        self.days: dict[str, Counter[str]] = defaultdict(Counter)
        self.subjects: dict[Key, Tally] = defaultdict(Tally)
        self.per_credential: dict[Key, Tally] = defaultdict(Tally)
        self.late: dict[Key, Tally] = defaultdict(Tally)
        self.reads: dict[Key, Tally] = defaultdict(Tally)
        self.firsts: dict[Key, tuple[str, str]] = {}
        self.changes: list[tuple[str, ...]] = []
        self.span = ("", "")
        self._moment = lru_cache(maxsize=_MOST_MOMENTS)(self._placed)

    def take(self, _number: int, body: bytes) -> None:
        """Count one event."""
        event, members = read(body)
        wanted = self.wanted
        self._first_time(event)
        if not wanted.since <= event.time < wanted.until:
            return
        self.events += 1
        first, last = self.span
        self.span = min(first or event.time, event.time), max(last, event.time)
        kind = event.kind
        self.kinds[kind] += 1
        self.verbs[event.actor, event.person][kind if kind != "other" else event.verb] += 1
        self._by_time(event, kind)
        self._by_kind(event, kind)
        self._others(event, members)

    def _first_time(self, event: Seen) -> None:
        """Combinations are first seen in the whole log, whatever the report's period."""
        key = (event.actor, event.verb, event.decision, event.purpose, event.field_type, event.form)
        if key not in self.firsts:
            self.firsts[key] = event.time, event.event_id

    def _by_time(self, event: Seen, kind: str) -> None:
        day, hour, office = self._moment(event.time[:16])
        self.hours[hour][kind] += 1
        self.days[day][kind] += 1
        if not office and kind != "other":
            self.late[event.actor, event.person, event.purpose, kind].add(event)

    def _by_kind(self, event: Seen, kind: str) -> None:
        if kind == "opened":
            who = event.actor, event.person
            self.opened[*who, event.purpose, event.field_type, event.form].add(event)
            self.per_credential[who].add(event)
            if event.actor == self.wanted.credential:
                self.subjects[event.subject or "(none)",].add(event)
        elif kind == "denied":
            self.denied[event.actor, event.person, event.verb, event.purpose, event.reason].add(event)
        if event.purpose:
            self.purposes[event.purpose,][kind] += 1

    def _others(self, event: Seen, members: dict[str, object]) -> None:
        if event.result == "failed":
            self.failures += 1
        if event.verb == "events":
            asked = {n.removeprefix("asked_"): v for n, v in members.items() if n.startswith("asked_")}
            self.reads[event.actor, event.person, event.decision, _words(asked)].add(event)
        elif event.verb in {"credentials", "policy"}:
            more = {name: value for name, value in members.items() if name not in _USUAL}
            row = event.time, event.actor, event.person, event.verb, event.decision, event.reason
            self.changes.append((*row, _words(more)))

    def _placed(self, minute: str) -> tuple[str, int, bool]:
        """Day, hour, and whether that is within office hours, in the zone of the report."""
        try:
            moment = datetime.fromisoformat(f"{minute}:00").replace(tzinfo=UTC)
        except ValueError:
            return "?", 0, True
        wanted = self.wanted
        local = moment.astimezone(wanted.zone)
        office = local.weekday() in wanted.workdays and wanted.opens <= local.time() < wanted.closes
        return f"{local:%Y-%m-%d}", local.hour, office


def _words(members: dict[str, object]) -> str:
    return "; ".join(f"{name}={_word(value)}" for name, value in sorted(members.items()))


def _word(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
