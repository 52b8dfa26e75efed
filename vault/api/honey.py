"""The office plane over HTTP: planting records that freeze whoever asks for them."""

from starlette.requests import Request
from starlette.responses import Response

from vault.api import edge
from vault.api.bodies import Body, decode
from vault.api.operation import OFFICE_STATUSES, Operation
from vault.service import planting
from vault.service.authenticate import Authenticator
from vault.service.parts import Office


class PlantBody(Body, frozen=True):
    """`POST /v1/honey`: all of them are planted, or none."""

    tokens: list[str]


class HoneyApi:
    """`POST /v1/honey`"""

    def __init__(self, authenticator: Authenticator, parts: Office) -> None:
        self._authenticator = authenticator
        self._parts = parts

    async def plant(self, request: Request) -> Response:
        """Make honey tokens of tokens. The answer does not repeat them."""
        caller, raw = await edge.received(request, self._authenticator)
        body: PlantBody = decode(raw, PlantBody)
        edge.count(request, body.tokens)
        receipts = await planting.plant(caller, body.tokens, self._parts)
        return edge.answer({"planted": len(receipts), "receipts": receipts})


OPERATIONS = (
    Operation(
        "honey",
        "plant",
        "POST",
        "/v1/honey",
        "Make records freeze whoever asks for them",
        PlantBody,
        statuses=OFFICE_STATUSES,
        example={"tokens": ["tok_pan_1m3vqxq3b9w0zk7a8ph2n5rcyd5g"]},
        answer={"planted": 1, "receipts": ["rcp_AQZBuk…"]},
    ),
)
