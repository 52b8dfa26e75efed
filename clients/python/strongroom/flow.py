"""The seam between what to do and how to wait: a flow is a generator that asks for steps and gets answers.

Flows know everything and do no I/O; the two drivers (`blocking.py`, `awaiting.py`) do I/O and know nothing.
"""

import ssl
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypeVar

import httpx

from strongroom.errors import ClientError
from strongroom.settings import Plane

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Send:
    """Send this request, follow no redirect, answer its Response or a Lost."""

    request: httpx.Request


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait this many seconds, answer None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Alone:
    """Run this flow while no other runs for the same plane; answer None or the error it raised."""

    plane: Plane
    flow: "Flow[None]" = field(repr=False)


@dataclass(frozen=True, slots=True)
class Lost:
    """There is no answer. `sent`: the vault may have received the request and acted on it."""

    kind: Literal["unreachable", "tls_failed", "timed_out", "connection_lost", "garbled"]
    sent: bool


Step: TypeAlias = Send | Pause | Alone
Answer: TypeAlias = httpx.Response | Lost | ClientError | None
Flow: TypeAlias = Generator[Step, Answer, T]


def send(request: httpx.Request) -> Flow[httpx.Response | Lost]:
    """Ask the driver to send."""
    answer = yield Send(request)
    if not isinstance(answer, httpx.Response | Lost):
        raise TypeError("a driver answers Send with a Response or a Lost")
    return answer


def pause(seconds: float) -> Flow[None]:
    """Ask the driver to wait."""
    yield Pause(seconds)


def alone(plane: Plane, flow: "Flow[None]") -> "Flow[None]":
    """Ask the driver to run `flow` by itself, and raise here what it raised there."""
    answer = yield Alone(plane, flow)
    if isinstance(answer, ClientError):
        raise answer


def lost(error: httpx.HTTPError | httpx.InvalidURL) -> Lost:
    """What an exception of httpx means. The exception itself goes no further: it holds the request's body."""
    if isinstance(error, httpx.ConnectError | httpx.ProxyError):
        return Lost("tls_failed" if _about_tls(error) else "unreachable", sent=False)
    if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
        return Lost("unreachable", sent=False)
    if isinstance(error, httpx.TimeoutException):
        return Lost("timed_out", sent=True)
    if isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError):
        return Lost("connection_lost", sent=True)
    return Lost("garbled", sent=True)


def _about_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False
