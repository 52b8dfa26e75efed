"""Payments held against verified openings, in both directions. Pure: rows, entries and bodies come in.

A payment is one reference and token, however often it was opened. What did not leave the vault in the clear
(denied, withheld, failed, masked) was not opened.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from strongroom_audit.ledger import Row
from strongroom_audit.verifier.bodies import read_id, show_id
from strongroom_audit.verifier.tree import ENTRY_BYTES

FINDINGS = {
    "malformed_row": "the row's reference or token is missing or is not written as one",
    "no_receipt": "the row has no receipt",
    "malformed_receipt": "the receipt cannot be read",
    "unknown_event": "the log has no event of this receipt",
    "altered": "the receipt is not what the log holds for its event",
    "other_event": "its event is in the log, but not as an opening for payment that can be read",
    "wrong_token": "the receipt is of another token",
    "wrong_reference": "the receipt is of another reference",
    "denied": "the receipt is of an access that was denied",
    "withheld": "the receipt is of a value that was kept back",
    "failed": "the receipt is of a value that did not open",
    "masked": "the receipt is of a masked form, with which nobody can be paid",
    "duplicate": "this reference and token were paid before",
}
_VERB, _PURPOSE = b'"verb":"detokenize"', b'"purpose":"payment"'
Pair = tuple[str, str]


@dataclass(slots=True)
class Result:
    """The two books, compared. `beyond`: receipts younger than the mirror."""

    rows: int = 0
    reconciled: int = 0
    findings: list[Row] = field(default_factory=list)
    beyond: list[Row] = field(default_factory=list)
    unpaid: dict[Pair, list[tuple[bytes, str]]] = field(default_factory=dict)
    """(reference, token) → event id and credential of each opening."""
    not_opened: Counter[str] = field(default_factory=Counter)

    @property
    def whole(self) -> bool:
        """Whether nothing differs."""
        return not self.findings and not self.unpaid


class Books:
    """Takes the ledger, then the log: its entries, and the bodies that were verified."""

    def __init__(self, ledger: Iterable[Row], since: int = 0, until: int = 2**56) -> None:
        """`since` ≤ time < `until` (µs): when an opening must have its payment. Rows are checked always."""
        self._since, self._until = since, until
        self._rows = list(ledger)
        self._pairs = {(row.reference, row.token) for row in self._rows if row.finding != "malformed_row"}
        self._wanted: dict[bytes, list[Row]] = {}
        for row in self._rows:
            if row.entry:
                self._wanted.setdefault(row.entry[1:17], []).append(row)
        self._held: dict[bytes, bytes] = {}
        self._newest = bytes(16)
        self._openings: dict[Pair, list[tuple[bytes, str]]] = {}
        self._undone: dict[bytes, str] = {}
        self._not_opened: Counter[str] = Counter()

    def entries(self, raw: bytes) -> None:
        """Entries of the log, one after the other."""
        for at in range(0, len(raw), ENTRY_BYTES):
            event_id = raw[at + 1 : at + 17]
            self._newest = max(self._newest, event_id)
            if event_id in self._wanted:
                self._held[event_id] = raw[at : at + ENTRY_BYTES]

    def take(self, _number: int, body: bytes) -> None:
        """One verified body."""
        if _VERB not in body or _PURPOSE not in body:
            return  # canonical JSON: a member is spelled one way
        members = json.loads(body)
        if members.get("verb") != "detokenize" or members.get("purpose") != "payment":
            return
        if "first_event" in members:
            self._undone[read_id("evt", str(members["first_event"]))] = str(members.get("result"))
            return
        event_id, outcome = read_id("evt", members["event_id"]), _outcome(members)
        for row in self._wanted.get(event_id, ()):
            row.seen = True
            row.finding = row.finding or _compared(row, members) or outcome
        if not self._since <= int.from_bytes(event_id[:7]) < self._until:
            return
        if outcome:
            self._not_opened[outcome] += 1
        else:
            pair = str(members.get("reference", "")), str(members.get("token", ""))
            self._openings.setdefault(pair, []).append((event_id, str(members.get("actor", ""))))

    def compare(self) -> Result:
        """The result, once the whole log has gone by."""
        result = Result(rows=len(self._rows), not_opened=self._not_opened)
        self._undo()
        paid: set[Pair] = set()
        for row in self._rows:
            pair = row.reference, row.token
            row.finding = row.finding or self._standing(row)
            if row.finding in ("", "beyond") and pair in paid:
                row.finding = "duplicate"
            if row.finding in ("", "beyond"):
                paid.add(pair)
            self._file(row, result)
        result.unpaid = {
            pair: events for pair, events in self._openings.items() if events and pair not in self._pairs
        }
        return result

    @staticmethod
    def _file(row: Row, result: Result) -> None:
        if row.finding == "":
            result.reconciled += 1
        elif row.finding == "beyond":
            result.beyond.append(row)
        else:
            result.findings.append(row)

    def _standing(self, row: Row) -> str:
        event_id = row.entry[1:17]
        held = self._held.get(event_id)
        if held is None:
            return "beyond" if event_id > self._newest else "unknown_event"
        if held != row.entry:
            return "altered"
        return "" if row.seen else "other_event"

    def _undo(self) -> None:
        """Openings of which a second event says that they came to nothing."""
        for event_id, how in self._undone.items():
            for row in self._wanted.get(event_id, ()):
                row.finding = row.finding or ("withheld" if how == "withheld" else "failed")
        for events in self._openings.values() if self._undone else ():
            undone = [event_id for event_id, _ in events if event_id in self._undone]
            self._not_opened.update(self._undone[event_id] for event_id in undone)
            events[:] = [one for one in events if one[0] not in self._undone]


def _outcome(members: dict[str, object]) -> str:
    """Why a value did not leave the vault in the clear; empty when it did."""
    if members.get("decision") != "allow":
        return "denied"
    if "result" in members:
        return "withheld" if members["result"] == "withheld" else "failed"
    return "" if members.get("form") == "plain" else "masked"


def _compared(row: Row, members: dict[str, object]) -> str:
    if members.get("batch") != show_id("lst", row.list_id):
        return "altered"
    if members.get("token") != row.token:
        return "wrong_token"
    return "" if members.get("reference") == row.reference else "wrong_reference"
