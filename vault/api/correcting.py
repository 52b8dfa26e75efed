"""The office plane over HTTP: corrected values."""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from vault import fields
from vault.api import edge
from vault.api.bodies import Body, decode, refuse_forbidden_value
from vault.api.ingest import invalid
from vault.api.operation import OFFICE_STATUSES, Operation
from vault.errors import InvalidValue
from vault.fields.rule import InvalidValue as BrokenRule
from vault.model.ask import Caller
from vault.model.secret import Secret
from vault.model.token import MalformedToken, parse
from vault.service.authenticate import Authenticator
from vault.service.catalogue import catalogue
from vault.service.parts import Office
from vault.service.replace import NewVersion, replace


class Correction(Body, frozen=True):
    """A token and the value that it stands for from now on."""

    token: str
    value: Any


class ReplaceBody(Body, frozen=True):
    """`POST /v1/replace`: all of it is done, or nothing."""

    items: list[Correction]
    reason: str


class CorrectingApi:
    """`POST /v1/replace`"""

    def __init__(self, authenticator: Authenticator, parts: Office) -> None:
        self._authenticator = authenticator
        self._parts = parts

    async def replace(self, request: Request) -> Response:
        """The same token, another value; the old one is shredded."""
        caller, raw = await edge.received(request, self._authenticator)
        body: ReplaceBody = decode(raw, ReplaceBody)
        edge.count(request, body.items)
        reason = edge.checked_reference(body.reason, "reason") or ""
        known = catalogue((await self._parts.registers.of(caller.tenant)).policy)
        versions = [_read(one, caller, known) for one in body.items]
        done = await replace(caller, reason, versions, self._parts)
        return edge.answer(
            {
                "items": [
                    {
                        "token": one.token,
                        "version": one.version,
                        "masked": one.masked,
                        "receipt": one.receipt,
                        "tell": list(one.tell),
                    }
                    for one in done
                ]
            }
        )


def _read(one: Correction, caller: Caller, known: fields.Catalogue) -> NewVersion:
    """Normalise and validate. Of a caller without the right the value is not even looked at."""
    try:
        token = parse(one.token)
    except MalformedToken:
        return NewVersion(one.token, Secret(b""))
    if not caller.may("replace") or token.field_type not in known:
        return NewVersion(one.token, Secret(b""))
    kind = known.get(token.field_type)
    try:
        refuse_forbidden_value(one.value)
        plain = kind.normalise(one.value)
    except InvalidValue as problem:
        return NewVersion(one.token, problem)
    except BrokenRule as broken:
        return NewVersion(one.token, invalid(broken))
    return NewVersion(one.token, Secret(orjson.dumps(plain)), kind.mask(plain))


_TOKEN = "tok_pan_1m3vqxq3b9w0zk7a8ph2n5rcyd5g"  # noqa: S105  # an example
OPERATIONS = (
    Operation(
        "correcting",
        "replace",
        "POST",
        "/v1/replace",
        "Another value for the same token",
        ReplaceBody,
        statuses=OFFICE_STATUSES,
        example={"items": [{"token": _TOKEN, "value": "ABCPE1234F"}], "reason": "case-118"},
        answer={
            "items": [
                {
                    "token": _TOKEN,
                    "version": 2,
                    "masked": "******234F",
                    "receipt": "rcp_AQZBuk…",
                    "tell": ["mailer"],
                }
            ]
        },
    ),
)
