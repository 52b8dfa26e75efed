"""The one door to the key server: a session without surprises, AppRole, and a token kept fresh.

hvac brings the protocol's headers; its typed helpers are not used, because they build exceptions out of
response bodies, and those can hold plaintext. What an answer means is keys/answers.py's business.
"""

import contextlib
import random
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from typing import Any
from urllib.parse import urlsplit

import msgspec
import requests
from hvac.adapters import RawAdapter
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from keys.answers import Reply, error_for
from keys.errors import KeysError, LoginFailed, Misconfigured, Unreachable
from keys.identity import Identity

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_MAX_BODY = 8 << 20
_FORCED_EVERY = 5.0
"""Seconds between two logins that a refusal asked for, so that a lost policy is no login storm."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where the key server is and how to know it. Plain HTTP is refused anywhere but on loopback."""

    address: str
    ca: str | None = None
    """PEM file of the authority that signed the server's certificate; the system's when None."""
    namespace: str | None = None
    connect_timeout: float = 0.3
    read_timeout: float = 2.0

    def __post_init__(self) -> None:
        url = urlsplit(self.address)
        plain = url.scheme == "http" and url.hostname in _LOOPBACK
        if not (url.scheme == "https" or plain) or not url.hostname or url.username or url.query:
            raise Misconfigured("the key server's address must be https:// (http:// only on loopback)")


class Line:
    """HTTP to the key server under one token. Safe for many threads; nothing ambient is read."""

    def __init__(self, server: Server, *, token: str = "", session: requests.Session | None = None) -> None:
        self._server = server
        self._adapter: Any = RawAdapter(
            base_uri=server.address.rstrip("/"),
            token=token,
            session=session or new_session(server, connections=1),
            allow_redirects=False,  # a redirect would carry token and body to another host
            namespace=server.namespace,
        )

    def send(
        self, method: str, path: str, body: bytes | None = None, *, until: float, batch: str | None = None
    ) -> Reply:
        """One request, whatever the answer; `until` is on the monotonic clock. Raises: KeysError."""
        # A number of its own for each request: a header that somebody copied is seen to be one.
        headers = {"X-Strongroom-Batch": f"{batch} {secrets.token_hex(8)}"} if batch else {}
        failure: KeysError
        try:
            response = self._adapter.request(
                method, f"/v1/{path}", headers=headers, data=body, raise_exception=False, stream=True,
                timeout=self._timeouts(until),
            )  # fmt: skip
            return Reply(response.status_code, _whole(response, until))
        except requests.exceptions.SSLError:
            failure = Misconfigured("the key server's certificate is not trusted")
        except (requests.RequestException, HTTPError, OSError):
            failure = Unreachable("no whole answer")
        # Raised out here: inside the handler the library's exception, request body and all, would ride along.
        raise failure

    def close(self) -> None:
        """Drop the connections."""
        self._adapter.close()

    def _timeouts(self, until: float) -> tuple[float, float]:
        left = until - time.monotonic()
        if left <= 0:
            raise Unreachable("deadline")
        return min(self._server.connect_timeout, left), min(self._server.read_timeout, left)


def new_session(server: Server, *, connections: int) -> requests.Session:
    """A session that reads no environment, no netrc and no proxy, and waits for a connection of its own."""
    session = requests.Session()
    session.trust_env = False
    session.verify = server.ca or True
    session.headers["Accept-Encoding"] = "identity"
    adapter = HTTPAdapter(pool_connections=1, pool_maxsize=connections, pool_block=True)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _whole(response: requests.Response, until: float) -> bytes:
    """The body, piece by piece: a socket's timeout alone never ends a server that drips."""
    parts: list[bytes] = []
    size = 0
    try:
        while part := response.raw.read1(1 << 16, decode_content=False):
            parts.append(part)
            size += len(part)
            if size > _MAX_BODY or time.monotonic() > until:
                break
        else:
            return b"".join(parts)
    except (HTTPError, OSError):
        response.close()
        raise
    response.close()
    raise Unreachable("answer too long or too slow")


class _Auth(msgspec.Struct):
    client_token: str
    lease_duration: int


class _Authenticated(msgspec.Struct):
    auth: _Auth


@dataclass(frozen=True, slots=True)
class _Lease:
    """One token's life, in monotonic seconds."""

    line: Line
    granted: float
    renew_at: float
    expires_at: float


class Login:
    """One identity's authenticated line, kept alive by whoever uses it; no thread of its own."""

    def __init__(
        self,
        server: Server,
        identity: Identity,
        *,
        connections: int = 4,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._server, self._identity = server, identity
        self._clock, self._jitter = clock, jitter
        self._session = new_session(server, connections=connections)
        self._gate = threading.Lock()
        self._lease: _Lease | None = None
        self._forced_at = -inf
        self._failed: KeysError | None = None
        self._failures = 0
        self._closed_until = -inf

    def send(
        self, method: str, path: str, body: bytes | None = None, *, until: float, batch: str | None = None
    ) -> Reply:
        """One request under a live token; a token that died is replaced once. Raises: KeysError."""
        lease = self._live(until)
        reply = lease.line.send(method, path, body, until=until, batch=batch)
        if reply.status != 403 or not self._died(lease, until):
            return reply
        fresh = self._enter(lease, until)
        return fresh.line.send(method, path, body, until=until, batch=batch)

    def close(self, until: float) -> None:
        """Give the token back if the server can be reached, and drop the connections."""
        if self._lease is not None:
            with contextlib.suppress(KeysError):
                self._lease.line.send("post", "auth/token/revoke-self", until=until)
        self._session.close()

    def _live(self, until: float) -> _Lease:
        lease, now = self._lease, self._clock()
        if lease is None or now >= lease.expires_at:
            return self._enter(lease, until)
        if now >= lease.renew_at and self._gate.acquire(blocking=False):
            try:
                return self._renewed(lease, until)
            finally:
                self._gate.release()
        return lease

    def _died(self, lease: _Lease, until: float) -> bool:
        """Whether a refusal was the token's death, and it is time to log in again because of one."""
        # In this order: the time is set after the lease is swapped, so a swap cannot be missed between them.
        lately = self._clock() - self._forced_at < _FORCED_EVERY
        if self._lease is not lease:
            return True
        return not lately and lease.line.send("get", "auth/token/lookup-self", until=until).status == 403

    def _enter(self, dead: _Lease | None, until: float) -> _Lease:
        """Log in, once for everyone who found the same token dead."""
        if not self._gate.acquire(timeout=max(0.0, until - time.monotonic())):
            raise Unreachable("deadline")
        try:
            if self._lease is not None and self._lease is not dead:
                return self._lease
            fresh = self._log_in(until)
            if dead is not None:
                self._forced_at = self._clock()
            return fresh
        finally:
            self._gate.release()

    def _renewed(self, lease: _Lease, until: float) -> _Lease:
        """Renew; a grant that shrinks means its maximum is near: log in while the old token lives."""
        if self._lease is not lease:
            return self._lease or lease
        try:
            reply = lease.line.send("post", "auth/token/renew-self", b"{}", until=until)
            if reply.status == 403:
                return self._log_in(until)
            seconds = reply.read(_Authenticated).auth.lease_duration
            if 0 < seconds < lease.granted:
                return self._log_in(until)
        except KeysError:
            pause = 1.0 + 2.0 * self._jitter()  # the old token still serves; ask again soon
            self._lease = replace(lease, renew_at=self._clock() + pause)
            return self._lease
        self._lease = self._new_lease(lease.line, seconds)
        return self._lease

    def _log_in(self, until: float) -> _Lease:
        if self._failed is not None and self._clock() < self._closed_until:
            raise type(self._failed)(self._failed.rule)
        try:
            auth = self._ask_for_token(until)
        except KeysError as failure:
            self._back_off(failure)
            raise
        self._failed, self._failures = None, 0
        line = Line(self._server, token=auth.client_token, session=self._session)
        self._lease = self._new_lease(line, auth.lease_duration)
        return self._lease

    def _ask_for_token(self, until: float) -> _Auth:
        door = Line(self._server, session=self._session)
        body = {"role_id": self._identity.role_id, "secret_id": self._identity.secret_id}
        reply = door.send("post", "auth/approle/login", msgspec.json.encode(body), until=until)
        if reply.status in {400, 403}:
            raise LoginFailed("role or secret id not accepted")
        if not reply.ok:
            raise error_for(reply)
        return reply.read(_Authenticated).auth

    def _back_off(self, failure: KeysError) -> None:
        """The next login waits, longer each time but never long: a server that is back must be found soon."""
        self._failures += 1
        pause = min(5.0, 0.05 * 2**self._failures) * (0.5 + self._jitter())
        # A copy: the error itself carries a traceback, and its frames the request that was to be sent.
        self._failed, self._closed_until = type(failure)(failure.rule), self._clock() + pause

    def _new_lease(self, line: Line, seconds: int) -> _Lease:
        """Renewal is due after a third, give or take: workers that start together must not renew together."""
        now = self._clock()
        if seconds <= 0:
            return _Lease(line, inf, inf, inf)
        return _Lease(line, seconds, now + seconds / 3 * (0.8 + 0.4 * self._jitter()), now + seconds)
