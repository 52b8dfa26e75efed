"""Answers about people as results. Each must be about whom was asked: order alone is not trusted."""

from datetime import date
from typing import TypeVar

from strongroom.answers import Document, maybe, objects, text, time
from strongroom.errors import ProtocolError
from strongroom.people_results import (
    Consent,
    Fact,
    Hold,
    Lifted,
    Notice,
    OutdatedConsent,
    Subject,
    SubjectRecord,
)

T = TypeVar("T")


def consent(item: Document) -> Consent:
    """One act of a person."""
    return Consent(
        subject=text(item, "subject"),
        purpose=text(item, "purpose"),
        act=text(item, "act"),
        source=text(item, "source"),
        notice=maybe(item, "notice"),
        at=time(item, "at"),
        effect=text(item, "effect"),
        explanation=text(item, "explanation"),
        receipt=maybe(item, "receipt"),
    )


def outdated(item: Document) -> OutdatedConsent:
    """A consent that is older than a notice."""
    return OutdatedConsent(
        text(item, "subject"), text(item, "purpose"), maybe(item, "notice"), time(item, "given")
    )


def notice(item: Document) -> Notice:
    """A version of the notice."""
    purposes = item.get("purposes")
    if not isinstance(purposes, list) or not all(isinstance(one, str) for one in purposes):
        raise ProtocolError
    return Notice(
        name=text(item, "notice"),
        version=text(item, "version"),
        language=text(item, "language"),
        title=text(item, "title"),
        effective=time(item, "effective"),
        sha256=text(item, "sha256"),
        purposes=tuple(purposes),
        receipt=maybe(item, "receipt"),
    )


def fact(item: Document) -> Fact:
    """A fact about a subject."""
    on = _day(item, "on")
    if on is None:
        raise ProtocolError
    return Fact(
        text(item, "subject"), text(item, "fact"), on, maybe(item, "reference"), text(item, "receipt")
    )


def subject(item: Document) -> Subject:
    """What is known of a subject, with the records of one page."""
    holds = item.get("open_holds")
    if not isinstance(holds, int) or isinstance(holds, bool):
        raise ProtocolError
    return Subject(
        subject=text(item, "subject"),
        account=text(item, "account"),
        since=_day(item, "since"),
        invoiced=_day(item, "invoiced"),
        active=_day(item, "active"),
        open_holds=holds,
        records=tuple(
            SubjectRecord(text(one, "token"), text(one, "type"), text(one, "state"), time(one, "created"))
            for one in objects(item, "records")
        ),
    )


def hold(item: Document) -> Hold:
    """A hold, open or lifted."""
    ended = item.get("lifted")
    if ended is not None and not isinstance(ended, dict):
        raise ProtocolError
    return Hold(
        hold_id=text(item, "hold"),
        subject=text(item, "subject"),
        token=maybe(item, "token"),
        reason=text(item, "reason"),
        reference=text(item, "reference"),
        credential=text(item, "credential"),
        person=text(item, "person"),
        placed=time(item, "placed"),
        lifted=_lifted(ended) if ended is not None else None,
        receipt=maybe(item, "receipt"),
    )


def about(result: T, asked: object, answered: object) -> T:
    """The result, when it is about what was asked. Raises: ProtocolError."""
    if asked != answered:
        raise ProtocolError
    return result


def following(body: Document, cursor: str | None) -> str | None:
    """Where the next page begins; one that leads back to itself would be read for ever."""
    beyond = maybe(body, "next")
    if beyond is not None and beyond == cursor:
        raise ProtocolError
    return beyond


def _lifted(item: Document) -> Lifted:
    return Lifted(text(item, "reason"), text(item, "credential"), text(item, "person"), time(item, "at"))


def _day(item: Document, name: str) -> date | None:
    if item.get(name) is None:
        return None
    try:
        day: date | None = date.fromisoformat(text(item, name))
    except ValueError:
        day = None
    if day is None:
        raise ProtocolError
    return day
