"""The way past the framework's routing: its layers would cost more than all the work of a short request.

Every operation whose path has no parameters is found in a dictionary. What is none of them, by path or by
method, goes on to FastAPI, which has the same operations as routes, and the document that describes them.
"""

from collections.abc import Mapping
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from vault.api.problems import Endpoint, Net, on_service_error
from vault.errors import ServiceError

Lanes = Mapping[tuple[str, str], Endpoint]
"""By method and path."""


class Express:
    """The whole service as one application: the lanes, and the framework beside them."""

    def __init__(self, framework: ASGIApp, lanes: Lanes, net: Net) -> None:
        self._framework = framework
        self._lanes = lanes
        self._net = net

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        known = scope["type"] == "http" and self._lanes.get((scope["method"], scope["path"]))
        if not known:
            await self._framework(scope, receive, send)
            return
        await self._net.answer(scope, receive, send, partial(_answered, known))


async def _answered(endpoint: Endpoint, request: Request) -> Response:
    try:
        return await endpoint(request)
    except ServiceError as problem:
        return await on_service_error(request, problem)
