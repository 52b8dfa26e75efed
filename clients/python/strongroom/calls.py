"""One call to the vault: a token, the request, its attempts, and what a refusal means."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Literal, TypeVar

import httpx

from strongroom.access import Access
from strongroom.answers import Document, document, garbage, problem_error
from strongroom.errors import ClientError, OutcomeUnknown, Throttled, Unavailable, Unreachable
from strongroom.flow import Flow, Lost
from strongroom.settings import Connection, Plane
from strongroom.tries import Safety, Tries, attempt, silence

T = TypeVar("T")
_AGENT = f"strongroom-python/{version('strongroom')}"
_LOOK_FIRST = "It may have happened; look before you call again."
_NO_LAST_WORD = (Unreachable, Unavailable, Throttled)


@dataclass(frozen=True, slots=True)
class Call:
    """What to ask of which plane. The body may hold values and does not print."""

    plane: Plane
    path: str
    body: bytes = field(default=b"", repr=False)
    method: Literal["GET", "POST"] = "POST"
    safety: Safety = "repeatable"
    key: str | None = None
    """The idempotency key, for verbs that change something."""
    public: bool = False
    """Whether it is open to all: asked without an access token unless one is wanted."""
    seconds: float = 0.0
    """What it may take in any case, where that is more than the limits say."""


class Caller:
    """Makes calls with one credential. Does no I/O: answers flows for a driver to run."""

    def __init__(
        self,
        connection: Connection,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._connection, self._clock, self._jitter = connection, clock, jitter
        self._access = Access(connection, clock, lambda: self._tries("repeatable"))

    @property
    def tenant(self) -> str:
        """The tenant of the credential."""
        return self._connection.client_id.partition(".")[0]

    def call(self, call: Call, read: Callable[[Document], T]) -> Flow[T]:
        """What `read` makes of the vault's answer. A refused access token is renewed, once."""
        return self.whole(call, lambda answer: read(document(answer)))

    def text(self, call: Call) -> Flow[str]:
        """The vault's answer where that is text."""
        return self.whole(call, _text)

    def whole(self, call: Call, read: Callable[[httpx.Response], T]) -> Flow[T]:
        """What `read` makes of the vault's answer where that is a file."""
        tries = self._tries(call.safety, call.seconds)
        try:
            answer = yield from self._answer(call, tries)
            return read(_heard(answer))
        except ClientError as error:
            fault = _named(error, call, tries)
        raise fault

    def _answer(self, call: Call, tries: Tries) -> Flow[httpx.Response | Lost]:
        if call.public:
            answer = yield from attempt(lambda timeout: self._request(call, None, timeout), tries)
            if not isinstance(answer, httpx.Response) or answer.status_code != 401:
                return answer
        token = yield from self._access.token(call.plane)
        answer = yield from attempt(lambda timeout: self._request(call, token, timeout), tries)
        if not isinstance(answer, httpx.Response) or answer.status_code != 401:
            return answer
        renewed = yield from self._access.token(call.plane, instead_of=token)
        return (yield from attempt(lambda timeout: self._request(call, renewed, timeout), tries))

    def _tries(self, safety: Safety, seconds: float = 0.0) -> Tries:
        limits = self._connection.limits
        longer = replace(limits, timeout=max(limits.timeout, seconds), deadline=max(limits.deadline, seconds))
        return Tries(longer, safety, clock=self._clock, jitter=self._jitter)

    def _request(self, call: Call, token: str | None, timeout: httpx.Timeout) -> httpx.Request:
        headers = {
            "Accept": "application/json, application/problem+json",
            "Accept-Encoding": "identity",
            "User-Agent": _AGENT,
        }
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if call.method == "POST":
            headers["Content-Type"] = "application/json"
        if call.key is not None:
            headers["Idempotency-Key"] = call.key
        url = self._connection.urls[call.plane] + call.path
        extensions = {"timeout": timeout.as_dict()}
        return httpx.Request(call.method, url, content=call.body, headers=headers, extensions=extensions)


def _heard(answer: httpx.Response | Lost) -> httpx.Response:
    if isinstance(answer, Lost):
        raise silence(answer)
    if answer.status_code not in (200, 201):
        raise problem_error(answer)
    return answer


def _text(answer: httpx.Response) -> str:
    try:
        return answer.content.decode()
    except UnicodeDecodeError:
        fault = garbage(answer)
    raise fault


def _named(error: ClientError, call: Call, tries: Tries) -> ClientError:
    """The error with its key; and where a write may have happened unheard, the one that says so."""
    unmarked = call.safety == "once"
    if (call.key is not None or unmarked) and tries.ambiguous and isinstance(error, _NO_LAST_WORD):
        unknown = OutcomeUnknown(title=_LOOK_FIRST if unmarked else None)
        unknown.status, unknown.request_id = error.status, error.request_id
        unknown.retry_after = error.retry_after
        error = unknown
    error.idempotency_key = call.key
    return error
