"""Problems as RFC 9457 documents, and the one net under everything: no error ever echoes a value."""

import ipaddress
import traceback
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import orjson
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vault.errors import BadRequest, NotFound, ServiceError
from vault.model import crockford
from vault.service.visit import Visit

DOCS = "/docs/errors/"
Endpoint = Callable[[Request], Awaitable[Response]]
log = structlog.get_logger()


class MethodNotAllowed(BadRequest):
    status, code, title = 405, "method_not_allowed", "This operation is called with another method."


def item_problem(problem: ServiceError) -> dict[str, Any]:
    """One item's problem, inside an answer or a larger problem."""
    shown: dict[str, Any] = {"code": problem.code, "status": problem.status, "title": problem.title}
    if problem.still_applies is not None:
        shown["still_applies"] = [{"purpose": p, "basis": basis} for p, basis in problem.still_applies]
    return shown | ({"detail": problem.detail} if problem.detail else {}) | dict(problem.extra)


def document(problem: ServiceError, request_id: str) -> dict[str, Any]:
    """The whole problem document."""
    shown: dict[str, Any] = {"type": DOCS + problem.code, **item_problem(problem), "request_id": request_id}
    if problem.items:
        shown["errors"] = [{"index": index, **item_problem(one)} for index, one in problem.items]
    return shown


def problem_response(problem: ServiceError, request_id: str) -> Response:
    """The answer to a request that failed."""
    headers = {}
    if problem.retry_after is not None:
        headers["retry-after"] = str(problem.retry_after)
    if problem.status == 401:
        headers["www-authenticate"] = "Bearer"
    body = orjson.dumps(document(problem, request_id))
    return Response(body, problem.status, headers, "application/problem+json")


async def on_service_error(request: Request, error: Exception) -> Response:
    """Starlette's handler for our own errors."""
    problem = error if isinstance(error, ServiceError) else ServiceError()
    return problem_response(problem, request.state.request_id)


async def on_http_error(request: Request, error: Exception) -> Response:
    """Starlette's handler for its own: no such route, no such method."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    known: dict[int, ServiceError] = {404: NotFound("no_such_operation"), 405: MethodNotAllowed()}
    return problem_response(known.get(status, ServiceError()), request.state.request_id)


class Net:
    """Around everything: gives each request its id, each answer its headers, each bug a 500."""

    def __init__(self, *, random: Callable[[int], bytes], behind_proxy: bool = False) -> None:
        self._random = random
        self._behind_proxy = behind_proxy

    def admit(self, scope: Scope) -> str:
        """Give a request its id, and its client's own address."""
        request_id = "req_" + crockford.encode(int.from_bytes(self._random(16)), length=26)
        scope.setdefault("state", {})["request_id"] = request_id
        if self._behind_proxy:
            scope["client"] = _forwarded(scope) or scope["client"]
        return request_id

    async def answer(self, scope: Scope, receive: Receive, send: Send, endpoint: Endpoint) -> None:
        """Answer one request by `endpoint`."""
        self.admit(scope)
        begun = False
        try:
            response = self._finished(await endpoint(Request(scope, receive)), scope)
            begun = True
            await response(scope, receive, send)
        except Exception as bug:  # noqa: BLE001  # the net
            response = self.caught(bug, scope)
            if not begun:
                await response(scope, receive, send)
        finally:
            end_visit(scope)

    def caught(self, bug: Exception, scope: Scope) -> Response:
        """What a bug is answered; the log hears where it is and what kind, never its message."""
        request_id = scope["state"]["request_id"]
        log.error("bug", request_id=request_id, kind=type(bug).__name__, at=_where(bug))
        return self._finished(problem_response(ServiceError(), request_id), scope)

    def _finished(self, response: Response, scope: Scope) -> Response:
        response.raw_headers.extend(_headers(scope, response.raw_headers))
        return response


class Netted:
    """The framework's application inside the net."""

    def __init__(self, app: ASGIApp, net: Net) -> None:
        self._app = app
        self._net = net

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._net.admit(scope)
        started = False

        async def finish(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message["headers"], *_headers(scope, message["headers"])]
            await send(message)

        try:
            await self._app(scope, receive, finish)
        except Exception as bug:  # noqa: BLE001  # the net
            response = self._net.caught(bug, scope)
            if not started:
                await response(scope, receive, send)
        finally:
            end_visit(scope)


def _forwarded(scope: Scope) -> tuple[str, int] | None:
    """The client as the proxy saw it: the last of X-Forwarded-For, the one entry clients cannot set."""
    lines = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    last = lines[-1].rpartition(b",")[2].strip().decode("latin-1") if lines else ""
    try:
        return str(ipaddress.ip_address(last)), 0
    except ValueError:
        return None


def end_visit(scope: Scope) -> None:
    """Let the next request of the caller in, if there was a caller."""
    visit: Visit | None = scope["state"].get("visit")
    if visit is not None:
        visit.leave()


def _headers(scope: Scope, own: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """What every answer carries. Nothing is kept by anyone unless the endpoint says that it may be."""
    kept = any(name == b"cache-control" for name, _ in own)
    visit: Visit | None = scope["state"].get("visit")
    return [
        (b"x-request-id", scope["state"]["request_id"].encode()),
        *([] if kept else [(b"cache-control", b"no-store")]),
        (b"x-content-type-options", b"nosniff"),
        *(visit.headers() if visit is not None else ()),
    ]


def _where(bug: BaseException) -> list[str]:
    frames = traceback.extract_tb(bug.__traceback__)[-6:]
    return [f"{frame.filename.rsplit('/', 2)[-1]}:{frame.lineno} {frame.name}" for frame in frames]
