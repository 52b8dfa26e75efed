"""The office plane over HTTP."""

from starlette.requests import Request
from starlette.responses import Response

from vault.api import edge
from vault.api.bodies import EraseBody, decode
from vault.api.problems import item_problem
from vault.errors import ServiceError
from vault.log.event import timestamp
from vault.service.authenticate import Authenticator
from vault.service.erase import Answer, ErasedRecord, EraseRequest
from vault.service.gather import Gather


class OfficeApi:
    """`POST /v1/erase`"""

    def __init__(self, authenticator: Authenticator, erase: Gather[EraseRequest, Answer]) -> None:
        self._authenticator = authenticator
        self._erase = erase

    async def erase(self, request: Request) -> Response:
        """End the life of records. Doing it twice answers the same."""
        caller, raw = await edge.received(request, self._authenticator)
        body: EraseBody = decode(raw, EraseBody)
        edge.count(request, body.tokens)
        reason = edge.checked_reference(body.reason, "reason") or ""
        asked = EraseRequest(caller, reason, body.mode, body.tokens)
        done = await self._erase.submit(caller.tenant, caller.credential, asked, items=len(asked.tokens))
        return edge.answer({"items": [_shown(one, t) for one, t in zip(done, asked.tokens, strict=True)]})


def _shown(one: ErasedRecord | ServiceError, token: str) -> dict[str, object]:
    if isinstance(one, ServiceError):
        return edge.echo_token(token) | {"problem": item_problem(one)}
    shown: dict[str, object] = {
        "token": one.token,
        "state": one.state,
        "receipt": one.receipt,
        "tell": list(one.tell),
    }
    if one.erased_at is not None:
        return shown | {"erased": timestamp(one.erased_at)}
    return shown | {"until": one.until, "law": one.law}
