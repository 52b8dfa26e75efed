"""What every endpoint starts and ends with: the body within its limit, the caller, the answer."""

import asyncio
import random
from collections.abc import Awaitable, Sized
from contextlib import suppress
from datetime import UTC, date, datetime
from time import monotonic
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from vault.api.problems import end_visit
from vault.api.within import Within
from vault.errors import BadRequest, ServiceError, Throttled, TooLarge, Unsupported
from vault.model.ask import Caller
from vault.model.names import acceptable_reason, acceptable_reference
from vault.model.token import MalformedToken, parse
from vault.service.authenticate import Authenticator
from vault.service.visit import Visit

LARGEST_BODY = 1 << 20
MOST_ITEMS = 1000
BODY_SECONDS = 10.0
"""What a body may take to arrive: strangers could otherwise fill memory with bodies that never end."""
LINGER_SECONDS = 0.5
MOMENT = 0.05
"""Whoever is on his way in for no longer than this has the rights he came with."""
_LATEST = 2**56 - 1
"""The last time an event id can hold."""


async def read_body(
    request: Request,
    *,
    media: str = "application/json",
    most: int = LARGEST_BODY,
    seconds: float = BODY_SECONDS,
) -> bytes:
    """The body. Raises: Unsupported, TooLarge as soon as it is, BadRequest when it is late."""
    given = header(request, b"content-type") or ""
    if given != media and given.partition(";")[0].strip().lower() != media:
        raise Unsupported(detail=f"Send {media}.")
    declared = (header(request, b"content-length") or "").lstrip("0")
    if declared.isdecimal() and (len(declared) > len(str(most)) or int(declared) > most):
        raise _too_large(most)
    try:
        with Within(seconds):
            return await _whole(request, most)
    except TimeoutError:
        raise BadRequest("bad_request", f"A body arrives within {seconds:g} seconds.") from None
    except ClientDisconnect:
        raise BadRequest("bad_request", "The body was not sent to its end.") from None


async def _whole(request: Request, most: int) -> bytes:
    parts, size, more = [], 0, True
    while more:
        message = await request.receive()
        if message["type"] != "http.request":
            raise ClientDisconnect
        part, more = message.get("body", b""), message.get("more_body", False)
        size += len(part)
        if size > most:
            raise _too_large(most)
        parts.append(part)
    return b"".join(parts)


def _too_large(most: int) -> TooLarge:
    return TooLarge(
        detail=f"A body holds at most {f'{most >> 20} MiB' if most >> 20 else f'{most >> 10} KiB'}."
    )


def header(request: Request, name: bytes) -> str | None:
    """A header by its lower-case name: the first of them."""
    for key, value in request.scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return None


def address(request: Request) -> str:
    """The peer's address."""
    client = request.scope.get("client")
    return client[0] if client else "unknown"


async def caller(request: Request, authenticator: Authenticator) -> Caller:
    """Who is calling, when his request may go on. Nobody has looked at its body before.

    Raises: Unauthenticated, Unavailable; Throttled.
    """
    begun = monotonic()
    who = await _entered(request, authenticator)
    return await _still(who, begun, request, authenticator)


async def received(request: Request, authenticator: Authenticator) -> tuple[Caller, bytes]:
    """Who is calling and what he sends, when it may be worked on: not before it is here.

    Raises: as `caller` and `read_body`.
    """
    begun = monotonic()
    who = await _entered(request, authenticator)
    raw = await read_body(request)
    await _let_in(request, visit(request).work_on(len(raw)))
    return await _still(who, begun, request, authenticator), raw


async def _entered(request: Request, authenticator: Authenticator) -> Caller:
    who = await _authenticated(request, authenticator)
    request.scope["state"]["visit"] = authenticator.admission.visit(who.credential)
    await _let_in(request, visit(request).enter())
    return who


async def _authenticated(request: Request, authenticator: Authenticator) -> Caller:
    return await authenticator.authenticate(
        header(request, b"authorization"),
        address=address(request),
        request_id=request.scope["state"]["request_id"],
    )


async def _still(who: Caller, begun: float, request: Request, authenticator: Authenticator) -> Caller:
    """The same caller with the rights he has now, if he waited: at a door, or while his body came."""
    if monotonic() - begun < MOMENT:
        return who
    try:
        return await _authenticated(request, authenticator)
    except ServiceError:
        end_visit(request.scope)  # he may be known to another plane, and visit that
        raise


async def _let_in(request: Request, door: Awaitable[None]) -> None:
    try:
        await door
    except Throttled:
        await _linger(request)
        raise


async def _linger(request: Request) -> None:
    """Let who is refused wait for his answer, so that asking again at once gains nothing and costs little.

    Not all for the same time: else a crowd that was refused together comes back together, before others. What
    arrives meanwhile is thrown away: a connection with an unread body could not be kept.
    """
    seconds = LINGER_SECONDS * (0.5 + random.random())  # noqa: S311 - spreads answers, protects nothing
    request.scope["state"]["lingered"] = seconds
    with suppress(TimeoutError), Within(seconds):
        while (await request.receive()).get("more_body", False):
            pass
        await asyncio.sleep(seconds)


def lingered(request: Request) -> float:
    """Seconds for which whoever was refused has been kept waiting on purpose."""
    return float(request.scope["state"].get("lingered", 0.0))


def count(request: Request, items: Sized) -> None:
    """Hold a list to the most there may be, and to what its caller may send.

    Raises: BadRequest, TooLarge; Throttled.
    """
    if not items:
        raise BadRequest("no_items", "The list is empty.")
    if len(items) > MOST_ITEMS:
        raise TooLarge("too_many_items", f"A request holds at most {MOST_ITEMS} items.")
    visit(request).charge(len(items))


def visit(request: Request) -> Visit:
    """The request as one of its caller's."""
    found: Visit = request.scope["state"]["visit"]
    return found


class _Json(Response):
    """A response whose headers need no working out."""

    def __init__(self, body: bytes, status: int) -> None:
        self.body, self.status_code, self.background = body, status, None
        self.raw_headers = [
            (b"content-length", str(len(body)).encode()),
            (b"content-type", b"application/json"),
        ]


def answer(content: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return _Json(orjson.dumps(content), status)


def echo_token(text: str) -> dict[str, object]:
    """The token as a member of its answer, unless the text is no token: it may be a value sent by mistake."""
    try:
        return {"token": parse(text).text}
    except MalformedToken:
        return {}


def checked_reference(text: str | None, member: str) -> str | None:
    """A reference or subject that may stand in the log, or None. Raises: BadRequest."""
    if text is not None and not acceptable_reference(text):
        raise BadRequest(
            f"invalid_{member}",
            f"{member}: 1 to 64 of A-Z a-z 0-9 . _ : - and nothing like a phone, tax or account number.",
        )
    return text


def checked_reason(text: str) -> str:
    """A reason in words that may stand in the log. Raises: BadRequest."""
    if not acceptable_reason(text):
        raise BadRequest(
            "bad_reason",
            "reason: one line of 1 to 200 characters, and nothing like a phone, tax or account number or an "
            "address.",
        )
    return text


def read_day(text: str, member: str) -> date:
    """A civil day, YYYY-MM-DD. Raises: BadRequest."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if day == date.min or day.isoformat() != text:
        raise BadRequest("bad_time", f"{member} is a day such as 2026-11-07.")
    return day


def read_time(text: str | None, member: str) -> int | None:
    """RFC 3339 with an offset to µs since 1970, or None. Raises: BadRequest."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        since_1970 = moment - datetime(1970, 1, 1, tzinfo=UTC)  # TypeError without an offset
    except (ValueError, TypeError, OverflowError):
        raise BadRequest("bad_time", f"{member} is a time such as 2026-11-07T09:30:00Z.") from None
    microseconds = (since_1970.days * 86_400 + since_1970.seconds) * 1_000_000 + since_1970.microseconds
    return min(max(0, microseconds), _LATEST)
