"""The reveal plane over HTTP."""

import orjson
from starlette.requests import Request
from starlette.responses import Response

from vault.api import edge
from vault.api.bodies import (
    DetokenizeBody,
    InspectBody,
    SearchBody,
    decode,
    refuse_forbidden_value,
)
from vault.api.ingest import invalid
from vault.api.problems import item_problem
from vault.errors import BadRequest, InvalidValue, ServiceError
from vault.fields.catalogue import UnknownType
from vault.fields.rule import InvalidValue as BrokenRule
from vault.log.event import timestamp
from vault.model.ask import Caller
from vault.model.secret import Secret
from vault.policy.decide import only_purpose
from vault.service import inspect as looking
from vault.service.authenticate import Authenticator
from vault.service.catalogue import UNKNOWN_CLASS, catalogue, class_of
from vault.service.detokenize import DetokenizeRequest
from vault.service.gather import Gather
from vault.service.opening import Answer, Revealed
from vault.service.registers import Registers
from vault.service.search import Found, SearchRequest


class RevealApi:
    """`POST /v1/detokenize`, `/v1/search`, `/v1/inspect`"""

    def __init__(
        self,
        authenticator: Authenticator,
        registers: Registers,
        detokenize: Gather[DetokenizeRequest, Answer],
        search: Gather[SearchRequest, Found],
        inspect: Gather[looking.InspectRequest, looking.Answer],
    ) -> None:
        self._authenticator = authenticator
        self._registers = registers
        self._detokenize = detokenize
        self._search = search
        self._inspect = inspect

    async def detokenize(self, request: Request) -> Response:
        """Tokens in, values out: for the purpose of the caller's grant, and on record first."""
        caller, raw = await edge.received(request, self._authenticator)
        body: DetokenizeBody = decode(raw, DetokenizeBody)
        edge.count(request, body.items)
        asked = DetokenizeRequest(
            caller,
            body.purpose,
            edge.checked_reference(body.reference, "reference"),
            body.reveal,
            body.mode,
            [item.token for item in body.items],
        )
        done = await self._detokenize.submit(caller.tenant, caller.credential, asked, items=len(asked.tokens))
        shown = [revealed(one, token) for one, token in zip(done, asked.tokens, strict=True)]
        return edge.answer({"items": shown})

    async def search(self, request: Request) -> Response:
        """Which tokens hold a value, by equality."""
        caller, raw = await edge.received(request, self._authenticator)
        body: SearchBody = decode(raw, SearchBody)
        asked = await self._search_request(caller, body)
        found = await self._search.submit(caller.tenant, caller.credential, asked, items=1)
        return edge.answer({"tokens": found.tokens, "receipt": found.receipt})

    async def inspect(self, request: Request) -> Response:
        """What the vault knows about tokens; no part of a value."""
        caller, raw = await edge.received(request, self._authenticator)
        body: InspectBody = decode(raw, InspectBody)
        edge.count(request, body.tokens)
        asked = looking.InspectRequest(caller, body.tokens)
        done = await self._inspect.submit(caller.tenant, caller.credential, asked, items=len(asked.tokens))
        return edge.answer({"items": [_inspected(one, t) for one, t in zip(done, asked.tokens, strict=True)]})

    async def _search_request(self, caller: Caller, body: SearchBody) -> SearchRequest:
        known = catalogue((await self._registers.of(caller.tenant)).policy)
        field_class = class_of(known, body.type)
        purpose = body.purpose or only_purpose(caller, "search", field_class=field_class)
        if purpose is None and caller.may("search"):
            raise BadRequest(
                "purpose_required", "Name the purpose: the grants of this credential leave a choice."
            )
        value: Secret[bytes] | ServiceError
        try:
            refuse_forbidden_value(body.value)
            value = Secret(orjson.dumps(known.get(body.type).normalise(body.value)))
        except UnknownType:
            value = InvalidValue("unknown_type", "There is no such field type; GET /v1/fields lists them.")
        except BrokenRule as broken:
            value = invalid(broken)
        except ServiceError as problem:
            value = problem
        name = body.type if body.type in known else UNKNOWN_CLASS
        return SearchRequest(caller, name, purpose or "none", value)


def revealed(one: Revealed | ServiceError, token: str) -> dict[str, object]:
    """One item of an answer."""
    if isinstance(one, ServiceError):
        return edge.echo_token(token) | {"problem": item_problem(one)}
    value = orjson.Fragment(one.value.reveal())
    return {"token": one.token, "type": one.field_type, "value": value, "receipt": one.receipt}


def _inspected(one: looking.Inspected | ServiceError, token: str) -> dict[str, object]:
    if isinstance(one, ServiceError):
        return edge.echo_token(token) | {"problem": item_problem(one)}
    shown: dict[str, object] = {
        "token": one.token,
        "type": one.field_type,
        "subject": one.subject,
        "state": one.state,
        "versions": one.version,
        "created": timestamp(one.created_at),
    }
    return shown | ({"erased": timestamp(one.erased_at)} if one.erased_at is not None else {})
