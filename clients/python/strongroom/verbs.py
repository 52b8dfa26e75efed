"""What a client can ask of a vault, each verb once, as flows. `client.py` and `aio.py` run them."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias, TypedDict, TypeVar
from uuid import uuid4

from strongroom import items
from strongroom.answers import Document
from strongroom.calls import Call, Caller
from strongroom.copies import DataCopy, Wanted, copied
from strongroom.errors import Misused
from strongroom.flow import Flow
from strongroom.lists import Batch, Progress, Unit, in_batches
from strongroom.receipts import event_of
from strongroom.results import (
    ErasedItem,
    Field,
    Found,
    InspectedItem,
    MaskedItem,
    Mode,
    OpenedItem,
    Page,
    Policy,
    Tokenized,
    TokenizedItem,
)
from strongroom.settings import Plane
from strongroom.values import Given, encode

T = TypeVar("T")
Entry: TypeAlias = tuple[str, Mapping[str, Given]]
"""A subject, and its fields by type."""
_KEY = re.compile(r"[A-Za-z0-9._:-]{1,56}", re.ASCII)


class EventFilter(TypedDict, total=False):
    """Which events to read; each member narrows."""

    token: str
    subject: str
    credential: str
    purpose: str
    decision: Literal["allow", "deny"]
    verb: str
    since: datetime
    """Included."""
    until: datetime
    """Not included."""
    order: Literal["newest", "oldest"]
    """The newest come first unless you say otherwise."""
    limit: int
    """Events per page, not in all."""


@dataclass(frozen=True, slots=True)
class Why:
    """The grounds on which values are opened."""

    purpose: str
    reference: str | None = None
    mode: Mode = "all"

    def head(self, form: Literal["plain", "masked"]) -> bytes:
        """How the body of a detokenize request begins."""
        members = {"purpose": self.purpose, "reveal": form, "mode": self.mode}
        if self.reference is not None:
            members["reference"] = self.reference
        return encode(members)[:-1]


class Verbs:
    """The verbs, over a Caller."""

    def __init__(self, caller: Caller, new_key: Callable[[], str] = lambda: str(uuid4())) -> None:
        self._caller, self._new_key = caller, new_key

    def tokenize(
        self, subject: str, values: Mapping[str, Given], key: str | None = None
    ) -> Flow[dict[str, Tokenized]]:
        """All fields of one subject, or none."""
        done = yield from self.tokenize_many([(subject, values)], mode="all", key=key)
        return {name: item for name, item in done[0].items() if isinstance(item, Tokenized)}

    def tokenize_many(
        self,
        entries: Iterable[Entry],
        *,
        mode: Mode = "all",
        key: str | None = None,
        progress: Progress | None = None,
    ) -> Flow[list[dict[str, TokenizedItem]]]:
        """Each entry's results, in order."""
        listed = [(subject, dict(values)) for subject, values in entries]
        units = [_entry_unit(subject, values) for subject, values in listed]
        subjects, base = [subject for subject, _ in listed], self._key(key)

        def run(batch: Batch) -> Flow[list[dict[str, TokenizedItem]]]:
            body = b'{"mode":"%s","items":%s}' % (mode.encode(), batch.array())
            call = Call("ingest", "/v1/tokenize", body, key=_nth(base, batch))
            return self._caller.call(call, lambda answer: _entries(answer, batch, subjects, mode))

        return in_batches(units, run, progress)

    def open(
        self, tokens: Iterable[str], why: Why, progress: Progress | None = None
    ) -> Flow[list[OpenedItem]]:
        """Values in the clear, in the order of the tokens."""
        return self._reveal(tokens, why.head("plain"), items.opened, progress)

    def mask(
        self, tokens: Iterable[str], why: Why, progress: Progress | None = None
    ) -> Flow[list[MaskedItem]]:
        """Masked forms, in the order of the tokens."""
        return self._reveal(tokens, why.head("masked"), items.masked, progress)

    def disclose(self, tokens: Iterable[str], head: bytes) -> Flow[list[OpenedItem]]:
        """Values for a recipient, in the order of the tokens."""
        return self._reveal(tokens, head, items.opened, None, path="/v1/disclose")

    def inspect(self, tokens: Iterable[str]) -> Flow[list[InspectedItem]]:
        """What the vault tells of each token."""
        listed = _tokens(tokens)

        def run(batch: Batch) -> Flow[list[InspectedItem]]:
            call = Call("reveal", "/v1/inspect", b'{"tokens":%s}' % batch.array())
            return self._each(call, batch, listed, items.inspected)

        return in_batches([Unit((encode(token),)) for token in listed], run, None)

    def erase(
        self, tokens: Iterable[str], *, reason: str, mode: Mode = "all", key: str | None = None
    ) -> Flow[list[ErasedItem]]:
        """Shred each token's value, for ever."""
        listed, base = _tokens(tokens), self._key(key)
        head = encode({"reason": reason, "mode": mode})[:-1]

        def run(batch: Batch) -> Flow[list[ErasedItem]]:
            body = head + b',"tokens":%s}' % batch.array()
            call = Call("office", "/v1/erase", body, key=_nth(base, batch))
            return self._each(call, batch, listed, items.erased)

        return in_batches([Unit((encode(token),)) for token in listed], run, None)

    def search(self, field_type: str, value: Given, purpose: str | None = None) -> Flow[Found]:
        """Tokens of equal values."""
        body: dict[str, object] = {"type": field_type, "value": value}
        if purpose is not None:
            body["purpose"] = purpose
        call = Call("reveal", "/v1/search", encode(body), safety="reveal")
        return self._caller.call(call, items.found)

    def export(self, wanted: Wanted) -> Flow[DataCopy]:
        """Everything about one person."""
        return copied(self._caller, wanted)

    def events(self, which: EventFilter, cursor: str | None) -> Flow[Page]:
        """One page of the log."""
        body: dict[str, object] = {name: moment(part) for name, part in which.items()}
        if cursor is not None:
            body["cursor"] = cursor
        call = Call("audit", "/v1/events/query", encode(body))
        return self._caller.call(call, lambda answer: items.page(answer, cursor))

    def proof(self, receipt_or_event_id: str) -> Flow[str]:
        """That an event is in the log."""
        path = f"/v1/log/{self._caller.tenant}/proof/{event_of(receipt_or_event_id)}"
        return self._caller.text(Call("audit", path, method="GET", public=True))

    def fields(self, plane: Plane) -> Flow[tuple[Field, ...]]:
        """The catalogue."""
        return self._caller.call(Call(plane, "/v1/fields", method="GET"), items.fields)

    def policy(self, plane: Plane) -> Flow[Policy]:
        """The policy in force."""
        return self._caller.call(Call(plane, "/v1/policy", method="GET"), items.policy)

    def _reveal(
        self,
        tokens: Iterable[str],
        head: bytes,
        read: Callable[[Document, str, int], T],
        progress: Progress | None,
        *,
        path: str = "/v1/detokenize",
    ) -> Flow[list[T]]:
        listed = _tokens(tokens)

        def run(batch: Batch) -> Flow[list[T]]:
            body = head + b',"items":%s}' % batch.array()
            return self._each(Call("reveal", path, body, safety="reveal"), batch, listed, read)

        return in_batches([Unit((encode({"token": token}),)) for token in listed], run, progress)

    def _each(
        self, call: Call, batch: Batch, tokens: Sequence[str], read: Callable[[Document, str, int], T]
    ) -> Flow[list[T]]:
        asked = range(batch.start, batch.start + len(batch.units))
        return self._caller.call(
            call,
            lambda answer: [
                read(item, tokens[index], index)
                for index, item in zip(asked, items.aligned(answer, asked), strict=True)
            ],
        )

    def _key(self, given: str | None) -> str:
        key = self._new_key() if given is None else given
        if not _KEY.fullmatch(key):
            raise Misused("bad_key", "An idempotency key is 1 to 56 of A-Z a-z 0-9 . _ : -")
        return key


def _nth(base: str, batch: Batch) -> str:
    """Each request of a long list has a key of its own, the same again when the list is sent again."""
    return f"{base}.{batch.number}" if batch.number else base


def _entry_unit(subject: str, values: Mapping[str, Given]) -> Unit:
    if not values:
        raise Misused("empty_entry", "An entry has at least one field.")
    encoded = [encode({"type": name, "value": value, "subject": subject}) for name, value in values.items()]
    return Unit(tuple(encoded), tuple(values))


def _entries(
    answer: Document, batch: Batch, subjects: Sequence[str], mode: Mode
) -> list[dict[str, TokenizedItem]]:
    places = batch.places()
    grouped: list[dict[str, TokenizedItem]] = [{} for _ in batch.units]
    for (index, name), item in zip(places, items.aligned(answer, places), strict=True):
        result = items.tokenized(item, index=index, subject=subjects[index], field_type=name)
        if mode == "all" and result.problem is not None:
            raise result.problem.error()
        grouped[index - batch.start][name] = result
    return grouped


def _tokens(tokens: Iterable[str]) -> list[str]:
    if isinstance(tokens, str):
        raise Misused("not_a_list", "Pass a list of tokens, not one text.")
    return list(tokens)


def moment(part: object) -> object:
    """A time as the vault reads it; anything else as it is. Raises: Misused for a time without a zone."""
    if not isinstance(part, datetime):
        return part
    if part.tzinfo is None:
        raise Misused("naive_time", "A time names its zone.")
    return part.astimezone(UTC).isoformat().replace("+00:00", "Z")
