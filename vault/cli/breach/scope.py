"""What was touched: events of the log folded into subjects, fields, times and verbs. Knows no value. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

VERBS = ("detokenize", "disclose", "export", "search")
"""Verbs by which something about a value leaves the vault."""
_KEPT_IN = ("failed", "withheld")
"""Results of events that say that a value did not come out."""


@dataclass(slots=True)
class Touched:
    """One field that one credential opened. Times are RFC 3339 as the log has them, so they sort."""

    credential: str
    subject: str
    token: str
    field_type: str
    first: str
    last: str
    times: int = 0
    plain: bool = False
    """Whether it came out whole at least once, not masked alone."""
    verbs: Counter[str] = field(default_factory=Counter)
    recipients: set[str] = field(default_factory=set)

    def add(self, event: Mapping[str, Any]) -> None:
        """One more opening of it."""
        self.first, self.last = min(self.first, _time(event)), max(self.last, _time(event))
        self.times += 1
        self.plain |= event.get("form") != "masked"
        self.verbs[str(event["verb"])] += 1
        if "recipient" in event:
            self.recipients.add(str(event["recipient"]))


@dataclass(slots=True)
class Scope:
    """Everything that was touched, as far as the log that was read says."""

    touched: dict[tuple[str, str], Touched] = field(default_factory=dict)
    """By credential and token."""
    searches: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(credential, field type): how often it was looked for by value. The log names no subject there."""
    kept_in: int = 0
    """Openings that were allowed and whose value did not come out."""

    @property
    def subjects(self) -> list[str]:
        """Whose fields were touched, sorted."""
        return sorted({one.subject for one in self.touched.values()})

    @property
    def period(self) -> tuple[str, str] | None:
        """The first and the last time; None when nothing was touched."""
        if not self.touched:
            return None
        found = self.touched.values()
        return min(one.first for one in found), max(one.last for one in found)

    def types(self) -> dict[str, tuple[int, int]]:
        """{field type: (fields, subjects)}, by name."""
        tokens: dict[str, set[str]] = {}
        subjects: dict[str, set[str]] = {}
        for one in self.touched.values():
            tokens.setdefault(one.field_type, set()).add(one.token)
            subjects.setdefault(one.field_type, set()).add(one.subject)
        return {name: (len(tokens[name]), len(subjects[name])) for name in sorted(tokens)}

    def credentials(self) -> dict[str, list[Touched]]:
        """{credential: what it touched}, those that searched alone among them, by name."""
        found: dict[str, list[Touched]] = {name: [] for name, _ in self.searches}
        for one in self.touched.values():
            found.setdefault(one.credential, []).append(one)
        return dict(sorted(found.items()))


def fold(events: Iterable[Mapping[str, Any]]) -> Scope:
    """The scope of allowed events. What a later event says did not come out is not counted as touched."""
    scope = Scope()
    waiting: dict[str, Mapping[str, Any]] = {}
    for event in events:
        if event.get("result") == "withheld" and "first_event" not in event:
            scope.kept_in += 1
        elif event.get("result") in _KEPT_IN:
            scope.kept_in += 1
            waiting.pop(str(event.get("first_event")), None)
        elif event["verb"] == "search":
            scope.searches[str(event["actor"]), str(event.get("field_type", "unknown"))] += 1
        elif "token" in event and "dek_id" in event:
            waiting[str(event["event_id"])] = event
    for event in waiting.values():
        _add(scope, event)
    return scope


def _add(scope: Scope, event: Mapping[str, Any]) -> None:
    credential, token = str(event["actor"]), str(event["token"])
    known = scope.touched.get((credential, token))
    if known is None:
        subject, kind = str(event.get("subject", "unknown")), str(event.get("field_type", "unknown"))
        known = Touched(credential, subject, token, kind, _time(event), _time(event))
        scope.touched[credential, token] = known
    known.add(event)


def _time(event: Mapping[str, Any]) -> str:
    return str(event["time"])
