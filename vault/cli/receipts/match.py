"""Payments held against openings, in both directions. Pure: ledger rows, events and standings come in.

A payment is one (reference, token). However often it was opened, all its openings are one payment's; a
second ledger row of the same pair is a duplicate. A value that did not leave the vault in the clear (denied,
withheld, failed, masked) was not opened.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vault.log.receipts import time_of
from vault.model.names import read_id, show_id

OVERDUE = 600_000_000
"""µs after which an event that is in no signed checkpoint is a finding: the log's own bound."""
AFTERTHOUGHT = 60_000_000
"""µs within which the event follows that says that an opening came to nothing."""
_LATEST = 2**56 - 1

Pair = tuple[str, str]
"""Reference and token."""
Standing = str
"""`proven`, `pending`, `unknown`, or `altered`: what the log says of an entry."""

FINDINGS = {
    "malformed_row": "the row's reference or token is missing or is not written as one",
    "no_receipt": "the row has no receipt",
    "malformed_receipt": "the receipt cannot be read",
    "unknown_event": "the log has no event of this receipt",
    "altered": "the receipt is not what the log holds for its event",
    "other_event": "its event is in the log, but not as an opening for this purpose that can be read",
    "wrong_token": "the receipt is of another token",
    "wrong_reference": "the receipt is of another reference",
    "denied": "the receipt is of an access that was denied",
    "withheld": "the receipt is of a value that was kept back",
    "failed": "the receipt is of a value that did not open",
    "masked": "the receipt is of a masked form, with which nobody can be paid",
    "overdue": "the event is in no signed checkpoint after more than ten minutes",
    "duplicate": "this reference and token were paid before",
}


@dataclass(slots=True)
class Payment:
    """One row of the ledger, and what has been found about it so far."""

    line: int
    reference: str = ""
    token: str = ""
    entry: bytes = b""
    """What its receipt commits to; empty without a readable one."""
    list_id: bytes = b""
    finding: str = ""
    """A key of FINDINGS; the first that applies stays."""
    seen: bool = False
    """Whether an event of its receipt came by."""

    @property
    def pair(self) -> Pair:
        """What ties it to openings."""
        return self.reference, self.token

    @property
    def event_id(self) -> bytes:
        """The event its receipt names."""
        return self.entry[1:17]

    @property
    def shown_event(self) -> str:
        """The same as people see it; empty without one."""
        return show_id("evt", self.event_id) if self.entry else ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A payment without an opening that proves it."""

    payment: Payment
    code: str
    note: str = ""

    @property
    def says(self) -> str:
        """The finding as a sentence."""
        return f"{FINDINGS[self.code]}{', ' if self.note else ''}{self.note}"


@dataclass(frozen=True, slots=True)
class Opening:
    """All openings of one reference and token that no payment explains."""

    reference: str
    token: str
    events: tuple[tuple[bytes, str], ...]
    """Event id and credential, in the order of the log."""

    @property
    def credentials(self) -> str:
        """Who opened it."""
        return ", ".join(sorted({actor for _, actor in self.events}))


@dataclass(slots=True)
class Reconciliation:
    """The two books, compared."""

    rows: int = 0
    reconciled: int = 0
    retried: int = 0
    """Payments that were opened more than once."""
    not_opened: Counter[str] = field(default_factory=Counter)
    """Events of the period that let no value out, by why."""
    findings: list[Finding] = field(default_factory=list)
    unpaid: list[Opening] = field(default_factory=list)
    pending: list[Payment] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether nothing differs. What is merely too young to be proven does not."""
        return not self.findings and not self.unpaid


class Books:
    """Takes the ledger first, then the log's events, and compares at the end."""

    def __init__(self, purpose: str, since: int | None = None, until: int | None = None) -> None:
        """`since` ≤ time < `until` (µs): when an opening must have its payment. Rows are checked always."""
        self.purpose = purpose
        self._since, self._until = since or 0, until
        self._rows: list[Payment] = []
        self._by_pair: dict[Pair, Payment] = {}
        self._by_event: dict[bytes, tuple[Payment, ...]] = {}
        self._openings: dict[Pair, list[tuple[bytes, str]]] = {}
        self._undone: dict[bytes, str] = {}
        self._actors: dict[str, str] = {}
        self._not_opened: Counter[str] = Counter()

    def pay(self, payment: Payment) -> None:
        """A row of the ledger."""
        self._rows.append(payment)
        if payment.finding != "malformed_row":
            self._by_pair.setdefault(payment.pair, payment)
        if payment.entry:
            there = self._by_event.get(payment.event_id, ())
            self._by_event[payment.event_id] = (*there, payment)

    def entries(self) -> dict[bytes, None]:
        """What the receipts commit to, each once, in the order of the log."""
        return dict.fromkeys(sorted(payment.entry for payment in self._rows if payment.entry))

    def span(self) -> tuple[int | None, int | None]:
        """From when to when events are wanted: the period, and the times the receipts name."""
        times = [time_of(event_id) for event_id in self._by_event]
        since = min([self._since, *times]) if self._since else None
        until = None if self._until is None else min(max([self._until, *times]) + AFTERTHOUGHT, _LATEST)
        return since, until

    def event(self, body: Mapping[str, Any]) -> None:
        """An event of the log, as it was committed."""
        if "first_event" in body:
            self._undone[_id(body["first_event"])] = str(body.get("result"))
            return
        event_id, outcome = _id(body["event_id"]), _outcome(body, self.purpose)
        for payment in self._by_event.get(event_id, ()):
            payment.seen = True
            payment.finding = payment.finding or _compare(payment, body, outcome)
        if outcome == "other_event" or not self._in_period(event_id):
            return
        if outcome:
            self._not_opened[outcome] += 1
            return
        actor = str(body.get("actor", ""))
        opened = event_id, self._actors.setdefault(actor, actor)
        self._openings.setdefault(self._known(body), []).append(opened)

    def compare(self, standings: Mapping[bytes, Standing], now: int) -> Reconciliation:
        """The result; `standings` has every one of `entries()`, `now` is in µs."""
        result = Reconciliation(rows=len(self._rows), not_opened=self._not_opened)
        self._undo(result)
        paid: dict[Pair, int] = {}
        for payment in self._rows:
            code = payment.finding or _standing(payment, standings, now)
            first = paid.get(payment.pair)
            if code in ("", "pending") and first is not None:
                code = "duplicate"
            self._file(payment, code, result, first)
            if code in ("", "pending"):
                paid[payment.pair] = payment.line
        result.retried = sum(
            len(events) > 1 for pair, events in self._openings.items() if pair in self._by_pair
        )
        result.unpaid = list(self._unpaid())
        return result

    def _file(self, payment: Payment, code: str, result: Reconciliation, first: int | None) -> None:
        if code == "":
            result.reconciled += 1
        elif code == "pending":
            result.pending.append(payment)
        elif code == "duplicate":
            result.findings.append(Finding(payment, code, f"on line {first}"))
        else:
            result.findings.append(Finding(payment, code, self._hint(payment, code)))

    def _hint(self, payment: Payment, code: str) -> str:
        """Whether the log has an opening all the same: a lost receipt is not a missing access."""
        events = self._openings.get(payment.pair, ())
        if not events or code == "overdue":
            return ""
        return f"though the log has an opening for it, {show_id('evt', events[0][0])}"

    def _undo(self, result: Reconciliation) -> None:
        """Openings of which a second event says that they came to nothing."""
        for event_id, how in self._undone.items():
            for payment in self._by_event.get(event_id, ()):
                payment.finding = payment.finding or ("withheld" if how == "withheld" else "failed")
        if not self._undone:
            return
        for pair, events in list(self._openings.items()):
            kept = [one for one in events if one[0] not in self._undone]
            for event_id, _ in events:
                if event_id in self._undone:
                    result.not_opened[self._undone[event_id]] += 1
            self._openings[pair] = kept

    def _unpaid(self) -> Iterator[Opening]:
        for pair, events in self._openings.items():
            if events and pair not in self._by_pair:
                yield Opening(*pair, tuple(events))

    def _known(self, body: Mapping[str, Any]) -> Pair:
        """The pair of an event: the ledger's own object where there is one, to hold it in memory once."""
        pair = str(body.get("reference", "")), str(body.get("token", ""))
        payment = self._by_pair.get(pair)
        return pair if payment is None else payment.pair

    def _in_period(self, event_id: bytes) -> bool:
        time = time_of(event_id)
        return time >= self._since and (self._until is None or time < self._until)


def _outcome(body: Mapping[str, Any], purpose: str) -> str:
    """Why an event let no value out in the clear for this purpose; empty when it did."""
    if body.get("verb") != "detokenize" or body.get("purpose") != purpose:
        return "other_event"
    if body.get("decision") != "allow":
        return "denied"
    if "result" in body:
        return "withheld" if body["result"] == "withheld" else "failed"
    return "" if body.get("form") == "plain" else "masked"


def _compare(payment: Payment, body: Mapping[str, Any], outcome: str) -> str:
    """What speaks against a payment in its receipt's own event."""
    if body.get("batch") != show_id("lst", payment.list_id):
        return "altered"
    if body.get("token") != payment.token:
        return "wrong_token"
    if body.get("reference") != payment.reference:
        return "wrong_reference"
    return outcome


def _standing(payment: Payment, standings: Mapping[bytes, Standing], now: int) -> str:
    """What the log's tree says of a payment that nothing spoke against so far."""
    standing = standings[payment.entry]
    if standing in ("unknown", "altered"):
        return "unknown_event" if standing == "unknown" else "altered"
    if not payment.seen:
        return "other_event"
    if standing == "pending":
        return "overdue" if now - time_of(payment.event_id) > OVERDUE else "pending"
    return ""


def _id(shown: object) -> bytes:
    return read_id("evt", str(shown))


def codes(findings: Sequence[Finding]) -> Counter[str]:
    """How many of each."""
    return Counter(finding.code for finding in findings)
