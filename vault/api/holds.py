"""The office plane over HTTP: legal holds."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from vault.api import edge
from vault.api.bodies import Body, decode
from vault.api.operation import OFFICE_STATUSES, Operation
from vault.errors import BadRequest, NotFound
from vault.log.event import timestamp
from vault.model.names import read_id, show_id
from vault.service import holds
from vault.service.authenticate import Authenticator
from vault.service.parts import Office
from vault.store.holds import Hold, Wanted

_MOST = 1000


class HoldItem(Body, frozen=True):
    """What is to be held: one token, or without a token everything about the subject."""

    subject: str
    reason: str
    reference: str
    token: str | None = None


class HoldsBody(Body, frozen=True):
    """`POST /v1/holds`: all of them are put on, or none."""

    items: list[HoldItem]


class LiftBody(Body, frozen=True):
    """`POST /v1/holds/{hold_id}/lift`"""

    reason: str


class HoldsQueryBody(Body, frozen=True):
    """`POST /v1/holds/query`. By token: the holds that cover it, those on its whole subject among them."""

    subject: str | None = None
    token: str | None = None
    open_only: bool = True
    limit: int = 1000
    cursor: str | None = None


class HoldsApi:
    """`/v1/holds`, `/v1/holds/{hold_id}/lift`, `/v1/holds/query`"""

    def __init__(self, authenticator: Authenticator, parts: Office) -> None:
        self._authenticator = authenticator
        self._parts = parts

    async def place_holds(self, request: Request) -> Response:
        """Stop erasure and expiry, in the name of the person answerable for the credential."""
        caller, raw = await edge.received(request, self._authenticator)
        body: HoldsBody = decode(raw, HoldsBody)
        edge.count(request, body.items)
        done = await holds.place(caller, [_new(one) for one in body.items], self._parts)
        return edge.answer({"items": [_shown(one) | {"receipt": receipt} for one, receipt in done]})

    async def lift_hold(self, request: Request) -> Response:
        """End a hold, once."""
        caller, raw = await edge.received(request, self._authenticator)
        body: LiftBody = decode(raw, LiftBody)
        hold_id = _hold_id(request.path_params["hold_id"])
        lifted, receipt = await holds.lift(caller, hold_id, edge.checked_reason(body.reason), self._parts)
        return edge.answer(_shown(lifted) | {"receipt": receipt})

    async def query_holds(self, request: Request) -> Response:
        """Who holds what, and why; the newest first."""
        caller, raw = await edge.received(request, self._authenticator)
        body: HoldsQueryBody = decode(raw, HoldsQueryBody)
        if not 1 <= body.limit <= _MOST:
            raise BadRequest("bad_request", f"limit is 1 to {_MOST}.")
        wanted = Wanted(edge.checked_reference(body.subject, "subject"), body.token, body.open_only)
        after = _cursor(body.cursor)
        found = await holds.listing(caller, wanted, self._parts, after=after, limit=body.limit)
        following = show_id(holds.KIND, found.next) if found.next else None
        return edge.answer({"holds": [_shown(one) for one in found.holds], "next": following})


def _new(body: HoldItem) -> holds.NewHold:
    """Raises: BadRequest."""
    subject = edge.checked_reference(body.subject, "subject") or ""
    reference = edge.checked_reference(body.reference, "reference") or ""
    return holds.NewHold(subject, body.token, edge.checked_reason(body.reason), reference)


def _hold_id(text: str) -> bytes:
    """Raises: NotFound for what is no identifier, as for one that nobody has."""
    try:
        return read_id(holds.KIND, text)
    except ValueError:
        raise NotFound("hold_not_found", "There is no such hold.") from None


def _cursor(text: str | None) -> bytes | None:
    """Raises: BadRequest."""
    try:
        return read_id(holds.KIND, text) if text is not None else None
    except ValueError:
        raise BadRequest("bad_cursor", "cursor is what the page before gave as next.") from None


def _shown(one: Hold) -> dict[str, object]:
    lifted = one.lifted
    return {
        "hold": show_id(holds.KIND, one.hold_id),
        "subject": one.subject,
        "token": one.token,
        "reason": one.reason,
        "reference": one.reference,
        "credential": one.credential,
        "person": one.person,
        "placed": timestamp(one.placed_at),
        "lifted": None
        if lifted is None
        else {
            "reason": lifted.reason,
            "credential": lifted.credential,
            "person": lifted.person,
            "at": timestamp(lifted.at),
        },
    }


_RECEIPT = "rcp_AQZBuk…"
_ASKED: dict[str, Any] = {
    "subject": "cust-8472",
    "reason": "The High Court ordered that the account be kept until judgment",
    "reference": "case-2026-118",
}
_HELD: dict[str, Any] = {
    "hold": "hld_0069ctx8xfj0m4e2s7c5v9k3qd",
    **_ASKED,
    "token": None,
    "credential": "acme.legal",
    "person": "Meera Iyer",
    "placed": "2026-11-07T09:30:00.000000Z",
    "lifted": None,
}


def _operation(does: str, path: str, summary: str, body: type[Body], **more: Any) -> Operation:
    return Operation("holds", does, "POST", path, summary, body, statuses=OFFICE_STATUSES, **more)


OPERATIONS = (
    _operation(
        "place_holds",
        "/v1/holds",
        "Stop erasure and expiry of what is still needed as evidence",
        HoldsBody,
        example={"items": [_ASKED]},
        answer={"items": [_HELD | {"receipt": _RECEIPT}]},
    ),
    _operation(
        "lift_hold",
        "/v1/holds/{hold_id}/lift",
        "End a hold",
        LiftBody,
        example={"reason": "The judgment is final"},
        answer=_HELD | {"receipt": _RECEIPT},
    ),
    _operation(
        "query_holds",
        "/v1/holds/query",
        "Who holds what, and why",
        HoldsQueryBody,
        example={"subject": "cust-8472"},
        answer={"holds": [_HELD], "next": None},
    ),
)
