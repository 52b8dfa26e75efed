"""The office plane over HTTP: facts about subjects, and what is known of them."""

from datetime import date
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response

from vault.api import edge
from vault.api.bodies import Body, decode
from vault.api.operation import OFFICE_STATUSES, Operation
from vault.errors import BadRequest
from vault.log.event import timestamp
from vault.model.token import MalformedToken, parse
from vault.service import subjects
from vault.service.authenticate import Authenticator
from vault.service.parts import Office
from vault.store.subjects import Held

_MOST = 1000


class FactItem(Body, frozen=True):
    """One fact. `on` is the civil day it is true of; absent, it is today."""

    subject: str
    fact: Literal["closed", "reopened", "invoiced", "active"]
    on: str | None = None
    reference: str | None = None


class FactsBody(Body, frozen=True):
    """`POST /v1/subjects`: all of it is recorded, or nothing."""

    items: list[FactItem]


class SubjectsQueryBody(Body, frozen=True):
    """`POST /v1/subjects/query`: `limit` is of records, not of subjects."""

    subjects: list[str]
    limit: int = 1000
    cursor: str | None = None


class SubjectsApi:
    """`/v1/subjects`, `/v1/subjects/query`"""

    def __init__(self, authenticator: Authenticator, parts: Office) -> None:
        self._authenticator = authenticator
        self._parts = parts

    async def record_facts(self, request: Request) -> Response:
        """An account closed or reopened, an invoice, a sign of life."""
        caller, raw = await edge.received(request, self._authenticator)
        body: FactsBody = decode(raw, FactsBody)
        edge.count(request, body.items)
        new = [_new(one) for one in body.items]
        done = await subjects.keep(caller, new, self._parts)
        items = [
            {
                "subject": fact.subject,
                "fact": fact.kind,
                "on": fact.on.isoformat(),
                "reference": fact.reference,
                "receipt": receipt,
            }
            for fact, receipt in done
        ]
        return edge.answer({"items": items})

    async def query_subjects(self, request: Request) -> Response:
        """What is known of subjects, without their values."""
        caller, raw = await edge.received(request, self._authenticator)
        body: SubjectsQueryBody = decode(raw, SubjectsQueryBody)
        edge.count(request, body.subjects)
        if not 1 <= body.limit <= _MOST:
            raise BadRequest("bad_request", f"limit is 1 to {_MOST}.")
        names = [edge.checked_reference(one, "subject") or "" for one in body.subjects]
        after = _cursor(body.cursor)
        found = await subjects.overview(caller, names, self._parts, after=after, limit=body.limit)
        following = "/".join(found.next) if found.next else None
        return edge.answer({"subjects": [_known(one) for one in found.subjects], "next": following})


def _new(body: FactItem) -> subjects.NewFact:
    """Raises: BadRequest."""
    subject = edge.checked_reference(body.subject, "subject") or ""
    reference = edge.checked_reference(body.reference, "reference")
    on = edge.read_day(body.on, "on") if body.on is not None else None
    return subjects.NewFact(subject, body.fact, on, reference)


def _cursor(text: str | None) -> tuple[str, str] | None:
    """Raises: BadRequest."""
    if text is None:
        return None
    subject, _, token = text.partition("/")
    try:
        return subject, parse(token).text
    except MalformedToken:
        raise BadRequest("bad_cursor", "cursor is what the page before gave as next.") from None


def _known(one: subjects.Known) -> dict[str, object]:
    facts = one.facts
    return {
        "subject": one.subject,
        "account": "closed" if facts.closed else "open",
        "since": _day(facts.since),
        "invoiced": _day(max(facts.invoices, default=None)),
        "active": _day(facts.active),
        "open_holds": one.holds,
        "records": [_record(held) for held in one.records],
    }


def _record(held: Held) -> dict[str, object]:
    return {
        "token": held.token,
        "type": held.field_type,
        "state": held.state,
        "created": timestamp(held.created_at),
    }


def _day(day: date | None) -> str | None:
    return day.isoformat() if day is not None else None


_FACT: dict[str, Any] = {
    "subject": "cust-8472",
    "fact": "closed",
    "on": "2026-11-07",
    "reference": "ticket-311",
}
_KNOWN: dict[str, Any] = {
    "subject": "cust-8472",
    "account": "closed",
    "since": "2026-11-07",
    "invoiced": "2026-10-31",
    "active": None,
    "open_holds": 1,
    "records": [
        {
            "token": "tok_pan_1m3vqxq3b9w0zk7a8ph2n5rcyd5g",
            "type": "pan",
            "state": "restricted",
            "created": "2026-04-02T10:00:00.000000Z",
        }
    ],
}


def _operation(does: str, path: str, summary: str, body: type[Body], **more: Any) -> Operation:
    return Operation("subjects", does, "POST", path, summary, body, statuses=OFFICE_STATUSES, **more)


OPERATIONS = (
    _operation(
        "record_facts",
        "/v1/subjects",
        "An account closed or reopened, an invoice, a sign of life",
        FactsBody,
        example={"items": [_FACT]},
        answer={"items": [_FACT | {"receipt": "rcp_AQZBuk…"}]},
    ),
    _operation(
        "query_subjects",
        "/v1/subjects/query",
        "What is known of subjects, and which records they have; no values",
        SubjectsQueryBody,
        example={"subjects": ["cust-8472"]},
        answer={"subjects": [_KNOWN], "next": None},
    ),
)
