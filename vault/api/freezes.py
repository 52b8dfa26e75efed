"""The control plane over HTTP: credentials that are frozen, and their release."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from vault.api import edge
from vault.api.bodies import Body, decode
from vault.api.operation import Operation
from vault.api.shown import credential
from vault.log.event import timestamp
from vault.model.names import show_id
from vault.service import freezes
from vault.service.amend import Control
from vault.service.authenticate import Authenticator
from vault.service.freezes import Frozen


class UnfreezeBody(Body, frozen=True):
    """`POST /v1/credentials/{credential}/unfreeze`"""

    reason: str


class FreezesApi:
    """`GET /v1/freezes`, `POST /v1/credentials/{credential}/unfreeze`"""

    def __init__(self, authenticator: Authenticator, control: Control) -> None:
        self._authenticator = authenticator
        self._control = control

    async def list_freezes(self, request: Request) -> Response:
        """Every credential that is frozen."""
        caller = await edge.caller(request, self._authenticator)
        found = await freezes.frozen(caller, self._control)
        return edge.answer({"freezes": [_shown(one) for one in found]})

    async def unfreeze(self, request: Request) -> Response:
        """Let a credential be used again, as another person than its own."""
        caller, raw = await edge.received(request, self._authenticator)
        body: UnfreezeBody = decode(raw, UnfreezeBody)
        reason = edge.checked_reason(body.reason)
        name = request.path_params["credential"]
        return edge.answer(credential(await freezes.unfreeze(name, reason, caller, self._control)))


def _shown(one: Frozen) -> dict[str, object]:
    return {
        "credential": one.freeze.credential,
        "person": one.person,
        "cause": one.freeze.cause,
        "frozen": timestamp(one.freeze.recorded_at),
        "event": show_id("evt", one.freeze.event_id),
    }


_FROZEN: dict[str, Any] = {
    "credential": "acme.payouts",
    "person": "Vikram Shah",
    "cause": "budget_exceeded",
    "frozen": "2026-11-07T09:30:00.000000Z",
    "event": "evt_0069ctx8xfj0m4e2s7c5v9k3qd",
}
OPERATIONS = (
    Operation(
        "freezes",
        "list_freezes",
        "GET",
        "/v1/freezes",
        "Credentials that are frozen",
        statuses=(401, 403, 503),
        answer={"freezes": [_FROZEN]},
    ),
    Operation(
        "freezes",
        "unfreeze",
        "POST",
        "/v1/credentials/{credential}/unfreeze",
        "Let a frozen credential be used again",
        UnfreezeBody,
        statuses=(400, 401, 403, 404, 409, 413, 415, 503),
        example={"reason": "An honest payout, larger than its budget; the budget was raised"},
        answer={
            "credential": "acme.payouts",
            "person": "Vikram Shah",
            "grants": ["detokenize:payment@payment"],
            "status": "active",
            "created": "2026-11-07T09:30:00.000000Z",
            "expires": None,
            "authentication": "client_secret",
        },
    ),
)
