"""`Login`: one identity's token at the key server, kept fresh by whoever uses it."""

import contextlib
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import inf

import msgspec

from keys.answers import Reply, error_for
from keys.errors import KeysError, LoginFailed, Refused, Unreachable
from keys.methods import Identity, shown_by
from keys.nodes import Server
from keys.wire import PLAIN, Line, Manner, Wire

_FORCED_EVERY = 5.0
"""Seconds between two logins that a refusal asked for, so that a lost policy is no login storm."""


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
        self._identity = identity
        self._clock, self._jitter = clock, jitter
        self._wire = Wire(server, connections=connections, certificate=shown_by(identity))
        self._gate = threading.Lock()
        self._lease: _Lease | None = None
        self._forced_at = -inf
        self._failed: KeysError | None = None
        self._failures = 0
        self._closed_until = -inf

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        until: float,
        manner: Manner = PLAIN,
    ) -> Reply:
        """One request under a live token; a token that died is replaced once. Raises: KeysError."""
        ask = partial(Line.send, method=method, path=path, body=body, until=until, manner=manner)
        lease = self._live(until)
        reply = ask(lease.line)
        if reply.status != 403 or not self._died(lease, until):
            return reply
        return ask(self._enter(lease, until).line)

    def close(self, until: float) -> None:
        """Give the token back if the server can be reached, and drop the connections."""
        if self._lease is not None:
            with contextlib.suppress(KeysError):
                self._lease.line.send("post", "auth/token/revoke-self", until=until)
        self._wire.close()

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
            if not reply.ok and isinstance(error_for(reply), Refused | LoginFailed):
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
        line = Line(self._wire, token=auth.client_token)
        self._lease = self._new_lease(line, auth.lease_duration)
        return self._lease

    def _ask_for_token(self, until: float) -> _Auth:
        path, body = self._identity.request()
        if shown_by(self._identity) is not None:
            self._wire.close()  # the certificate may be another by now, and old connections show the old one
        reply = Line(self._wire).send("post", path, body, until=until)
        if reply.status in {400, 403}:
            raise LoginFailed(self._identity.refused)
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
