"""The office plane over HTTP: why records are kept, and the run that ends what has to end."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response

from vault.api import edge
from vault.api.bodies import Body, decode
from vault.api.operation import OFFICE_STATUSES, Operation
from vault.api.problems import item_problem
from vault.errors import BadRequest
from vault.log.event import timestamp
from vault.model.ask import Denied
from vault.model.names import show_id
from vault.model.token import MalformedToken, parse
from vault.service import retain, states
from vault.service.asked import Item
from vault.service.authenticate import Authenticator
from vault.service.keeping import Kept
from vault.service.parts import Office
from vault.service.refusals import problem

_MOST = 1000
_LONGEST_NOTICE = 24 * 90


class ExplainBody(Body, frozen=True):
    """`POST /v1/retention/explain`"""

    tokens: list[str]


class RunBody(Body, frozen=True):
    """`POST /v1/retention/run`: one page. `run` is a reference that all pages of a run share."""

    run: str
    apply: bool = False
    cursor: str | None = None
    limit: int = _MOST
    announce_hours: int | None = None


class StatesBody(Body, frozen=True):
    """`POST /v1/records/state`: restrict records, or lift that."""

    tokens: list[str]
    act: Literal["restrict", "lift"]
    reason: str


class KeepingApi:
    """`/v1/retention/explain`, `/v1/retention/run`, `/v1/records/state`"""

    def __init__(self, authenticator: Authenticator, parts: Office) -> None:
        self._authenticator = authenticator
        self._parts = parts

    async def explain(self, request: Request) -> Response:
        """Until when each record is kept, why, and under which rule."""
        caller, raw = await edge.received(request, self._authenticator)
        body: ExplainBody = decode(raw, ExplainBody)
        edge.count(request, body.tokens)
        found = await retain.explain(caller, body.tokens, self._parts)
        return edge.answer(
            {"items": [_explained(*one, token) for one, token in zip(found, body.tokens, strict=True)]}
        )

    async def run(self, request: Request) -> Response:
        """One page of a retention run: a dry one unless `apply`."""
        caller, raw = await edge.received(request, self._authenticator)
        body: RunBody = decode(raw, RunBody)
        page = await retain.run(caller, _run(body), self._parts)
        return edge.answer(_page(page))

    async def put_state(self, request: Request) -> Response:
        """Restrict records, or lift that."""
        caller, raw = await edge.received(request, self._authenticator)
        body: StatesBody = decode(raw, StatesBody)
        edge.count(request, body.tokens)
        reason = edge.checked_reference(body.reason, "reason") or ""
        done = await states.put(caller, body.tokens, body.act, reason, self._parts)
        return edge.answer({"items": [{"token": t, "state": s, "receipt": r} for t, s, r in done]})


def _run(body: RunBody) -> retain.RunRequest:
    """Raises: BadRequest."""
    name = edge.checked_reference(body.run, "reference") or ""
    if not 1 <= body.limit <= _MOST:
        raise BadRequest("bad_request", f"limit is 1 to {_MOST}.")
    if body.announce_hours is not None and not 1 <= body.announce_hours <= _LONGEST_NOTICE:
        raise BadRequest("bad_request", f"announce_hours is 1 to {_LONGEST_NOTICE}.")
    if body.cursor is not None:
        try:
            parse(body.cursor)
        except MalformedToken:
            raise BadRequest("bad_cursor", "cursor is what the page before gave as next.") from None
    return retain.RunRequest(name, body.apply, body.cursor or "", body.limit, body.announce_hours)


def _explained(item: Item, kept: Kept | None, token: str) -> dict[str, object]:
    if isinstance(item.decision, Denied):
        return edge.echo_token(token) | {"problem": item_problem(problem(item.decision))}
    stored = item.stored
    if stored is None or kept is None:
        gone = stored.erased_at if stored is not None else None
        told = f"Erased on {timestamp(gone)[:10]}." if gone is not None else "There is no such record."
        return {"token": token, "state": stored.state if stored else "unknown", "summary": told, "clocks": []}
    verdict = kept.verdict
    return {
        "token": stored.token,
        "type": stored.field_type,
        "subject": stored.subject,
        "state": stored.state,
        "summary": kept.sentence,
        "may_erase": kept.may_erase,
        "must_erase": kept.must_erase,
        "keep_until": _day(verdict.keep_until) if verdict else None,
        "erase_by": _day(verdict.erase_by) if verdict else None,
        "due": _day(kept.due),
        "announced": timestamp(kept.erase_after) if kept.announced and kept.erase_after else None,
        "holds": [
            {"hold": show_id("hld", one.hold_id), "reference": one.reference, "person": one.person}
            for one in kept.holds
        ],
        "clocks": [
            {
                "rule": reading.clock.name,
                "kind": type(reading.clock).__name__.lower(),
                "law": reading.clock.law,
                "from": _day(reading.start),
                "until": _day(reading.end),
                "holds": reading.holds(kept.today),
                "explanation": reading.sentence,
            }
            for reading in (verdict.readings if verdict else ())
        ],
    }


def _page(page: retain.Page) -> dict[str, Any]:
    return {
        "checked": page.checked,
        "counts": {fate: page.counts[fate] for fate in retain.FATES},
        "items": _fated(page.fated),
        "next": page.next,
        "total": page.total,
        "today": page.today.isoformat(),
        "rules": page.rules,
        "receipt": page.receipt,
    }


def _fated(fated: Sequence[retain.Fated]) -> list[dict[str, object]]:
    return [
        {
            "token": one.kept.stored.token,
            "subject": one.kept.stored.subject,
            "type": one.kept.stored.field_type,
            "fate": one.fate,
            "due": _day(one.due),
            "erase_after": timestamp(one.erase_after) if one.erase_after is not None else None,
            "why": one.kept.sentence,
        }
        for one in fated
    ]


def _day(day: date | None) -> str | None:
    return day.isoformat() if day is not None else None


_TOKEN = "tok_pan_1m3vqxq3b9w0zk7a8ph2n5rcyd5g"  # noqa: S105  # an example
_RECEIPT = "rcp_AQZBuk…"
OPERATIONS = (
    Operation(
        "keeping",
        "explain",
        "POST",
        "/v1/retention/explain",
        "Until when records are kept, and why",
        ExplainBody,
        statuses=OFFICE_STATUSES,
        example={"tokens": [_TOKEN]},
        answer={
            "items": [
                {
                    "token": _TOKEN,
                    "state": "active",
                    "summary": "Archive until 31 March 2035: Companies Act 2013 s. 128(5).",
                    "keep_until": "2035-03-31",
                }
            ]
        },
    ),
    Operation(
        "keeping",
        "run",
        "POST",
        "/v1/retention/run",
        "One page of a retention run; dry unless told to apply",
        RunBody,
        statuses=OFFICE_STATUSES,
        example={"run": "retention-2026-11", "apply": False},
        answer={"checked": 1000, "counts": {"erase": 3, "archive": 1}, "items": [], "next": None},
    ),
    Operation(
        "keeping",
        "put_state",
        "POST",
        "/v1/records/state",
        "Restrict records, or lift that",
        StatesBody,
        statuses=OFFICE_STATUSES,
        example={"tokens": [_TOKEN], "act": "restrict", "reason": "case-118"},
        answer={"items": [{"token": _TOKEN, "state": "restricted", "receipt": _RECEIPT}]},
    ),
)
