"""The HTTP beneath hvac's adapter: connections that are kept, and nothing else.

A session of `requests` costs three times as much a call, for what is not wanted here: it merges settings that
never change, and looks after redirects, cookies, proxies and passwords of the surroundings.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import certifi
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection

from keys.nodes import Server


class Answer(NamedTuple):
    """What came back; the body has still to be read, or closed."""

    status_code: int
    raw: BaseHTTPResponse

    @property
    def ok(self) -> bool:
        """What hvac looks at."""
        return self.status_code < 400


class Session:
    """As much of a session of `requests` as hvac's adapter uses. Safe for many threads."""

    proxies = None

    def __init__(
        self, server: Server, *, connections: int = 1, certificate: tuple[str, str] | None = None
    ) -> None:
        """`certificate`: paths of what every connection shows, and of its key."""
        self.verify = server.ca or certifi.where()
        self.cert = certificate
        shown, key = certificate or (None, None)
        self._manager = PoolManager(
            len(server.addresses),
            maxsize=connections,
            block=True,  # whoever comes waits for a connection of its own
            cert_reqs="CERT_REQUIRED",
            ca_certs=self.verify,
            cert_file=shown,
            key_file=key,
        )
        self._manager.pool_classes_by_scheme = {"http": _Lines, "https": _SecureLines}
        self._pools: dict[str, HTTPConnectionPool] = {}

    def request(
        self,
        *,
        method: str,
        url: str,
        headers: Mapping[str, str],
        timeout: tuple[float, float],
        data: bytes | None = None,
        **_settings: object,
    ) -> Answer:
        """One request to one node; nothing is tried again, nobody is followed. Raises: HTTPError, OSError."""
        scheme, _, host, target = url.split("/", 3)
        connect, read = timeout
        raw = self._pool(f"{scheme}//{host}").urlopen(
            method.upper(),
            f"/{target}",
            data,
            headers,
            retries=False,
            redirect=False,
            timeout=Timeout(connect=connect, read=read),
            pool_timeout=read,  # type: ignore[arg-type]  # goes to a queue, which takes fractions
            preload_content=False,
            decode_content=False,
        )
        return Answer(raw.status, raw)

    def close(self) -> None:
        """Drop the connections; the next request makes new ones."""
        self._pools = {}
        self._manager.clear()

    def _pool(self, origin: str) -> HTTPConnectionPool:
        pools = self._pools
        if origin not in pools:
            pools[origin] = self._manager.connection_from_url(origin)
        return pools[origin]


class _Line(HTTPConnection):
    """Writes a request in one piece: head and body apart are two system calls here and two wake-ups there."""

    _waiting: list[bytes] | None = None

    def request(self, *request: Any, **how: Any) -> None:
        waiting: list[bytes] = []
        self._waiting = waiting
        try:
            super().request(*request, **how)
        finally:
            self._waiting = None
        super().send(b"".join(waiting))

    def send(self, data: Any) -> None:
        if self._waiting is None:
            super().send(data)
        else:
            self._waiting.append(data)


class _SecureLine(_Line, HTTPSConnection):
    """The same over TLS."""


class _Lines(HTTPConnectionPool):
    ConnectionCls = _Line


class _SecureLines(HTTPSConnectionPool):
    ConnectionCls = _SecureLine
