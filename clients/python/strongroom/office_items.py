"""Answers of the office as results. Each must be about what was asked: order alone is not trusted."""

from strongroom.answers import Document, maybe, maybe_day, maybe_time, objects, plain, problem, text, time
from strongroom.errors import ProtocolError
from strongroom.office_results import Case, CaseAct, Clock, Explained, ExplainedItem, HeldBy, Replaced
from strongroom.results import NotDone


def explained(item: Document, token: str, index: int) -> ExplainedItem:
    """One record's explanation."""
    wrong = item.get("problem")
    if wrong is not None:
        if not isinstance(wrong, dict):
            raise ProtocolError
        return NotDone(token, problem(wrong, index=index))
    if text(item, "token") != token:
        raise ProtocolError
    return Explained(
        token=token,
        type=maybe(item, "type"),
        subject=maybe(item, "subject"),
        state=text(item, "state"),
        summary=text(item, "summary"),
        may_erase=item.get("may_erase") is True,
        must_erase=item.get("must_erase") is True,
        keep_until=maybe_day(item, "keep_until"),
        erase_by=maybe_day(item, "erase_by"),
        due=maybe_day(item, "due"),
        announced=maybe_time(item, "announced"),
        holds=tuple(
            HeldBy(text(one, "hold"), text(one, "reference"), text(one, "person"))
            for one in (objects(item, "holds") if "holds" in item else ())
        ),
        clocks=tuple(map(_clock, objects(item, "clocks"))),
    )


def replaced(item: Document) -> Replaced:
    """A corrected value, masked."""
    return Replaced(
        text(item, "token"),
        _count(item, "version"),
        plain(item, "masked"),
        text(item, "receipt"),
        names(item, "tell"),
    )


def case(item: Document) -> Case:
    """A case as it stands, with the acts that came along."""
    received = maybe_day(item, "received")
    if received is None:
        raise ProtocolError
    return Case(
        case_id=text(item, "case"),
        kind=text(item, "kind"),
        subject=text(item, "subject"),
        state=text(item, "state"),
        waits_for=names(item, "waits_for"),
        received=received,
        due=maybe_day(item, "due"),
        answered=maybe_day(item, "answered"),
        decision=maybe(item, "decision"),
        sent_back=maybe(item, "sent_back"),
        late_days=_count(item, "late_days") if "late_days" in item else 0,
        acts=tuple(map(_act, objects(item, "acts"))) if "acts" in item else (),
        receipt=maybe(item, "receipt"),
    )


def names(item: Document, member: str) -> tuple[str, ...]:
    """A list of texts; none when it is absent."""
    value = item.get(member, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ProtocolError
    return tuple(value)


def _clock(item: Document) -> Clock:
    return Clock(
        rule=text(item, "rule"),
        kind=text(item, "kind"),
        law=text(item, "law"),
        start=maybe_day(item, "from"),
        until=maybe_day(item, "until"),
        holds=item.get("holds") is True,
        explanation=text(item, "explanation"),
    )


def _act(item: Document) -> CaseAct:
    document = item.get("document")
    if not isinstance(document, dict):
        raise ProtocolError
    return CaseAct(
        text(item, "act"), text(item, "person"), text(item, "credential"), time(item, "at"), document
    )


def _count(item: Document, member: str) -> int:
    value = item.get(member)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ProtocolError
    return value
