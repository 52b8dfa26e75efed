"""The reveal plane over HTTP: what is disclosed to a recipient."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from vault.api import edge
from vault.api.bodies import Body, Mode, TokenItem, decode
from vault.api.operation import OFFICE_STATUSES, Operation
from vault.api.recipients import checked_name
from vault.api.reveal import revealed
from vault.errors import NotFound
from vault.model.names import read_id
from vault.service.authenticate import Authenticator
from vault.service.disclose import DiscloseRequest
from vault.service.gather import Gather
from vault.service.opening import Answer


class DiscloseBody(Body, frozen=True):
    """`POST /v1/disclose`. `case`: the released case that names these tokens, for an authority."""

    recipient: str
    items: list[TokenItem]
    legal_reference: str | None = None
    case: str | None = None
    mode: Mode = "all"


class DisclosingApi:
    """`POST /v1/disclose`"""

    def __init__(self, authenticator: Authenticator, disclose: Gather[DiscloseRequest, Answer]) -> None:
        self._authenticator = authenticator
        self._disclose = disclose

    async def disclose(self, request: Request) -> Response:
        """Tokens in, values out: for a recipient on file, on a legal ground, and on record first."""
        caller, raw = await edge.received(request, self._authenticator)
        body: DiscloseBody = decode(raw, DiscloseBody)
        edge.count(request, body.items)
        asked = DiscloseRequest(
            caller,
            checked_name(body.recipient),
            edge.checked_reference(body.legal_reference, "reference"),
            _case_id(body.case),
            body.mode,
            [item.token for item in body.items],
        )
        done = await self._disclose.submit(caller.tenant, caller.credential, asked, items=len(asked.tokens))
        shown = [revealed(one, token) for one, token in zip(done, asked.tokens, strict=True)]
        return edge.answer({"items": shown})


def _case_id(text: str | None) -> bytes | None:
    """Raises: NotFound for what is no identifier, as for one that nobody has."""
    try:
        return read_id("cas", text) if text is not None else None
    except ValueError:
        raise NotFound("case_not_found") from None


_TOKEN = "tok_email_1m3vqxq3b9w0zk7a8ph2n5rcyd5g"  # noqa: S105  # an example
_EXAMPLE: dict[str, Any] = {
    "recipient": "mailer",
    "legal_reference": "dpa-2026-05",
    "items": [{"token": _TOKEN}],
}
OPERATIONS = (
    Operation(
        "disclosing",
        "disclose",
        "POST",
        "/v1/disclose",
        "Tokens in, values out, for a recipient on file",
        DiscloseBody,
        statuses=(*OFFICE_STATUSES, 429),
        example=_EXAMPLE,
        answer={
            "items": [
                {"token": _TOKEN, "type": "email", "value": "asha@example.in", "receipt": "rcp_AQZBuk…"}
            ]
        },
    ),
)
