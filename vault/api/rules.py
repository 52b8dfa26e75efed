"""Retention rules over HTTP: those in force, and putting others in force on the control plane."""

from starlette.requests import Request
from starlette.responses import Response

from vault.api import edge
from vault.api.bodies import Body, decode
from vault.api.operation import Operation
from vault.retention.rules import Retention, to_dict
from vault.service.amend import Control
from vault.service.authenticate import Authenticator
from vault.service.retention_rules import apply_retention


class RetentionBody(Body, frozen=True):
    """`POST /v1/retention/apply`. `base` is the hash of the rules the change was compared with."""

    toml: str
    base: str | None = None


class RulesApi:
    """`GET /v1/retention`, `POST /v1/retention/apply`"""

    def __init__(self, authenticator: Authenticator, control: Control) -> None:
        self._authenticator = authenticator
        self._control = control

    async def retention_rules(self, request: Request) -> Response:
        """The rules in force for the caller's tenant."""
        caller = await edge.caller(request, self._authenticator)
        return edge.answer(_shown((await self._control.registers.of(caller.tenant)).retention))

    async def apply_retention(self, request: Request) -> Response:
        """Put other rules in force."""
        caller, raw = await edge.received(request, self._authenticator)
        body: RetentionBody = decode(raw, RetentionBody)
        rules = await apply_retention(body.toml, caller, self._control, base=body.base)
        return edge.answer(_shown(rules))


def _shown(rules: Retention) -> dict[str, object]:
    return {"hash": rules.hash, "profile": rules.profile, "rules": to_dict(rules)}


_EXAMPLE = {"hash": "0f…", "profile": "in", "rules": {"profile": "in", "keep": {}, "limit": {}}}
OPERATIONS = (
    Operation(
        "rules",
        "retention_rules",
        "GET",
        "/v1/retention",
        "The retention rules in force",
        statuses=(401, 503),
        answer=_EXAMPLE,
    ),
    Operation(
        "rules",
        "apply_retention",
        "POST",
        "/v1/retention/apply",
        "Put other retention rules in force",
        RetentionBody,
        statuses=(400, 401, 403, 409, 413, 415, 503),
        example={"toml": 'version = 1\nprofile = "in"\n…'},
        answer=_EXAMPLE,
    ),
)
