"""The office plane over HTTP: cases, from receipt to answer."""

from datetime import date
from typing import Any, Literal, cast

from starlette.requests import Request
from starlette.responses import Response

from vault.api import edge
from vault.api.bodies import Body, decode
from vault.api.operation import OFFICE_STATUSES, Operation
from vault.cases.documents import Document
from vault.cases.machine import Act, ActKind, late
from vault.errors import BadRequest, NotFound
from vault.log.event import timestamp
from vault.model.lines import acceptable_line
from vault.model.names import read_id, show_id
from vault.service import cases
from vault.service.authenticate import Authenticator
from vault.service.case_acts import Known
from vault.service.parts import Office

_MOST = 500


class CaseBody(Body, frozen=True):
    """`POST /v1/cases`. `own`: whoever records it asks for their own sake; `due` for a disclosure alone."""

    kind: Literal["access", "correction", "erasure", "objection", "grievance", "disclosure"]
    subject: str
    own: bool = False
    due: str | None = None


class CasesBody(Body, frozen=True):
    """`POST /v1/cases/query`"""

    subject: str | None = None
    open_only: bool = True
    late_only: bool = False
    limit: int = 100
    cursor: str | None = None


class ActBody(Body, frozen=True):
    """`POST /v1/cases/{case_id}/{act}`: the members that the act takes."""

    how: str | None = None
    """verify: how the identity was verified, in one line."""
    reason: str | None = None
    """reject, send_back."""
    verdicts: dict[str, dict[str, str]] | None = None
    """decide an erasure: fields that get another verdict than the proposed one."""
    four_eyes: bool | None = None
    """decide access: whether a second person releases the copy."""
    tokens: list[str] | None = None
    """decide a correction or a disclosure: the fields it is about."""
    purposes: list[str] | None = None
    """decide an objection: the purposes it is about."""
    answer: str | None = None
    """decide a grievance: the answer, in one line of up to 2,000 characters."""
    recipient: str | None = None
    legal_reference: str | None = None
    sealed: bool | None = None
    """decide a disclosure."""
    decision: str | None = None
    """release: SHA-256 of the decision that is released."""


class CasesApi:
    """`/v1/cases…`"""

    def __init__(self, authenticator: Authenticator, parts: Office) -> None:
        self._authenticator = authenticator
        self._parts = parts

    async def open_case(self, request: Request) -> Response:
        """A request of a person's, or an order of an authority's."""
        caller, raw = await edge.received(request, self._authenticator)
        body: CaseBody = decode(raw, CaseBody)
        subject = edge.checked_reference(body.subject, "subject") or ""
        new = cases.NewCase(body.kind, subject, body.own, _day(body.due))
        known, receipt = await cases.open_case(caller, new, self._parts)
        return edge.answer(_summary(known) | {"receipt": receipt}, 201)

    async def query_cases(self, request: Request) -> Response:
        """The queue: what waits, and what is late."""
        caller, raw = await edge.received(request, self._authenticator)
        body: CasesBody = decode(raw, CasesBody)
        if not 1 <= body.limit <= _MOST:
            raise BadRequest("bad_request", f"limit is 1 to {_MOST}.")
        after = _case_id(body.cursor, cursor=True) if body.cursor is not None else b""
        subject = edge.checked_reference(body.subject, "subject")
        wanted = cases.Wanted(subject, body.open_only, body.late_only, after, body.limit)
        found = await cases.queue(caller, wanted, self._parts)
        return edge.answer(
            {
                "items": [_summary(one) | {"late_days": late(one.case, found.today)} for one in found.cases],
                "tampered": [show_id("cas", one) for one in found.tampered],
                "next": show_id("cas", found.next) if found.next is not None else None,
            }
        )

    async def show_case(self, request: Request) -> Response:
        """A case with all its acts."""
        caller = await edge.caller(request, self._authenticator)
        known = await cases.show(caller, _case_id(request.path_params["case_id"]), self._parts)
        return edge.answer(_summary(known) | {"acts": [_shown(one) for one in known.acts]})

    async def act_on_case(self, request: Request) -> Response:
        """The next act: verify, reject, evaluate, decide, send_back, release, carry_out, answer."""
        caller, raw = await edge.received(request, self._authenticator)
        kind = request.path_params["act"]
        body: ActBody = decode(raw, ActBody)
        case_id = _case_id(request.path_params["case_id"])
        if kind not in _TAKES:
            raise NotFound("no_such_operation")
        known, receipt = await cases.act(
            caller, case_id, cast("ActKind", kind), _document(kind, body), self._parts
        )
        return edge.answer(_summary(known) | {"acts": [_shown(known.acts[-1])], "receipt": receipt})


_TAKES: dict[str, set[str]] = {
    "verify": {"how"},
    "reject": {"reason"},
    "evaluate": set(),
    "decide": {
        "verdicts", "four_eyes", "tokens", "purposes", "answer", "recipient", "legal_reference", "sealed",
    },
    "send_back": {"reason"},
    "release": {"decision"},
    "carry_out": set(),
    "answer": set(),
}  # fmt: skip
_LONGEST_ANSWER = 2000


def _document(kind: str, body: ActBody) -> Document:
    """The document that an act is given. Raises: BadRequest."""
    given = {name: getattr(body, name) for name in ActBody.__struct_fields__}
    document: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if not set(document) <= _TAKES[kind]:
        raise BadRequest("bad_act", f"{kind} takes {', '.join(sorted(_TAKES[kind])) or 'no member'}")
    for name in ("how", "reason"):
        if name in document:
            document[name] = edge.checked_reason(document[name])
    if "answer" in document and not acceptable_line(document["answer"], longest=_LONGEST_ANSWER):
        raise BadRequest("bad_act", f"answer is one line of 1 to {_LONGEST_ANSWER} characters")
    if kind == "decide" and "recipient" in document:
        document["tokens"] = sorted(set(document.get("tokens", [])))
        return {"v": 1, "sealed": False, **document}
    return document


def _summary(known: Known) -> dict[str, object]:
    case = known.case
    return {
        "case": known.name,
        "kind": case.kind,
        "subject": case.subject,
        "state": case.state,
        "waits_for": list(case.waits_for),
        "received": case.received.isoformat(),
        "due": case.due.isoformat() if case.due is not None else None,
        "answered": case.answered.isoformat() if case.answered is not None else None,
        "decision": case.decision,
        "sent_back": case.sent_back,
    }


def _shown(act: Act) -> dict[str, object]:
    return {
        "act": act.kind,
        "person": act.person,
        "credential": act.credential,
        "at": timestamp(act.at),
        "document": dict(act.document),
    }


def _case_id(text: str, *, cursor: bool = False) -> bytes:
    """Raises: NotFound, or BadRequest for a cursor."""
    try:
        return read_id("cas", text)
    except ValueError:
        if cursor:
            raise BadRequest("bad_cursor", "cursor is what the page before gave as next.") from None
        raise NotFound("case_not_found") from None


def _day(text: str | None) -> date | None:
    """Raises: BadRequest."""
    try:
        return date.fromisoformat(text) if text is not None else None
    except ValueError:
        raise BadRequest("bad_act", "due is a day, written YYYY-MM-DD") from None


_CASE: dict[str, Any] = {
    "case": "cas_01j3vqxq3b9w0zk7a8ph2n5rcy",
    "kind": "erasure",
    "subject": "cust-8472",
    "state": "received",
    "waits_for": ["verify", "reject"],
    "received": "2026-11-07",
    "due": "2026-12-07",
}


def _operation(does: str, path: str, summary: str, body: type[Body] | None, **more: Any) -> Operation:
    method = "POST" if body is not None else "GET"
    return Operation("cases", does, method, path, summary, body, statuses=OFFICE_STATUSES, **more)


OPERATIONS = (
    _operation(
        "open_case",
        "/v1/cases",
        "A request of a person's, or an order of an authority's",
        CaseBody,
        status=201,
        example={"kind": "erasure", "subject": "cust-8472"},
        answer=_CASE,
    ),
    _operation(
        "query_cases",
        "/v1/cases/query",
        "The queue: what waits, and what is late",
        CasesBody,
        example={"open_only": True},
        answer={"items": [_CASE | {"late_days": 0}], "tampered": [], "next": None},
    ),
    _operation("show_case", "/v1/cases/{case_id}", "A case with all its acts", None, answer=_CASE),
    _operation(
        "act_on_case",
        "/v1/cases/{case_id}/{act}",
        "The next act of a case",
        ActBody,
        example={"how": "Called back on the number of the contract"},
        answer=_CASE | {"state": "verified", "waits_for": ["evaluate"]},
    ),
)
