"""Answers, item by item, as results. Each must be about what was asked: order alone is not trusted."""

from collections.abc import Sequence

from strongroom.answers import Document, maybe, maybe_day, maybe_time, objects, plain, problem, text, time
from strongroom.errors import Problem, ProtocolError
from strongroom.results import (
    ErasedItem,
    Erasure,
    Event,
    Field,
    Found,
    Inspected,
    InspectedItem,
    Masked,
    MaskedItem,
    NotDone,
    NotTokenized,
    Opened,
    OpenedItem,
    Page,
    Policy,
    Tokenized,
    TokenizedItem,
)
from strongroom.values import Value


def tokenized(item: Document, *, index: int, subject: str, field_type: str) -> TokenizedItem:
    """One item of a tokenize answer."""
    failed = _failed(item, index, field_type)
    if failed is not None:
        return NotTokenized(field_type, subject, failed)
    if text(item, "type") != field_type or text(item, "subject") != subject:
        raise ProtocolError
    return Tokenized(text(item, "token"), field_type, subject, plain(item, "masked"), text(item, "receipt"))


def opened(item: Document, token: str, index: int) -> OpenedItem:
    """One item of a detokenize answer, in the clear."""
    failed = _failed(item, index)
    if failed is not None:
        return NotDone(token, failed)
    _same(item, token)
    return Opened(token, text(item, "type"), Value(plain(item, "value")), text(item, "receipt"))


def masked(item: Document, token: str, index: int) -> MaskedItem:
    """One item of a detokenize answer, masked."""
    failed = _failed(item, index)
    if failed is not None:
        return NotDone(token, failed)
    _same(item, token)
    return Masked(token, text(item, "type"), plain(item, "value"), text(item, "receipt"))


def inspected(item: Document, token: str, index: int) -> InspectedItem:
    """One item of an inspect answer."""
    failed = _failed(item, index)
    if failed is not None:
        return NotDone(token, failed)
    _same(item, token)
    versions = item.get("versions")
    return Inspected(
        token=token,
        type=text(item, "type"),
        subject=text(item, "subject"),
        state=text(item, "state"),
        created=maybe_time(item, "created"),
        versions=versions if isinstance(versions, int) else None,
        erased=maybe_time(item, "erased"),
    )


def erased(item: Document, token: str, index: int) -> ErasedItem:
    """One item of an erase answer."""
    failed = _failed(item, index)
    if failed is not None:
        return NotDone(token, failed)
    _same(item, token)
    tell = item.get("tell", [])
    if not isinstance(tell, list) or not all(isinstance(one, str) for one in tell):
        raise ProtocolError
    gone, state = maybe_time(item, "erased"), text(item, "state")
    if (gone is None) != (state == "archived"):
        raise ProtocolError
    return Erasure(
        token,
        gone,
        text(item, "receipt"),
        tuple(tell),
        state=state,
        until=maybe_day(item, "until"),
        law=maybe(item, "law"),
    )


def found(body: Document) -> Found:
    """A search answer."""
    tokens = body.get("tokens")
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise ProtocolError
    return Found(tuple(tokens), maybe(body, "receipt"))


def page(body: Document, cursor: str | None) -> Page:
    """A page of events; one that leads back to itself would be read for ever."""
    following = maybe(body, "next")
    if following is not None and following == cursor:
        raise ProtocolError
    return Page(tuple(_event(item) for item in objects(body, "events")), following)


def fields(body: Document) -> tuple[Field, ...]:
    """The catalogue of field types."""
    return tuple(_field(item) for item in objects(body, "fields"))


def policy(body: Document) -> Policy:
    """The policy in force."""
    rights = objects(body, "matrix")
    matrix = {(text(right, "class"), text(right, "purpose")): text(right, "form") for right in rights}
    return Policy(text(body, "hash"), matrix, body)


def aligned(body: Document, asked: Sequence[object]) -> list[Document]:
    """The items of an answer, one for each that was asked."""
    return objects(body, "items", len(asked))


def _failed(item: Document, index: int, field_type: str | None = None) -> Problem | None:
    body = item.get("problem")
    if body is None:
        return None
    if not isinstance(body, dict):
        raise ProtocolError
    return problem(body, index=index, field_type=field_type)


def _same(item: Document, token: str) -> None:
    """A value under another token than the one asked for would pay the wrong person."""
    if text(item, "token") != token:
        raise ProtocolError


def _field(item: Document) -> Field:
    parts = item.get("parts")
    return Field(
        type=text(item, "type"),
        field_class=text(item, "class"),
        title=maybe(item, "title") or "",
        parts=tuple(map(str, parts)) if isinstance(parts, list) else (),
        searchable=item.get("searchable") is True,
        disabled=maybe(item, "disabled"),
        document=item,
    )


def _event(item: Document) -> Event:
    return Event(
        event_id=text(item, "event_id"),
        time=time(item, "time"),
        verb=text(item, "verb"),
        decision=text(item, "decision"),
        credential=maybe(item, "actor"),
        person=maybe(item, "person"),
        reason=maybe(item, "reason"),
        purpose=maybe(item, "purpose"),
        reference=maybe(item, "reference"),
        token=maybe(item, "token"),
        type=maybe(item, "field_type"),
        subject=maybe(item, "subject"),
        policy=maybe(item, "policy"),
        document=item,
    )
