"""HTTP to the key server's nodes: sessions without surprises, and failing over inside a deadline.

hvac brings the protocol's headers; its typed helpers are not used, because they build exceptions out of
response bodies, and those can hold plaintext. What an answer means is keys/answers.py's business.
"""

import secrets
import time
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from hvac.adapters import RawAdapter
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import ConnectTimeoutError, EmptyPoolError, HTTPError, NewConnectionError, SSLError

from keys.answers import Reply, elsewhere, leads, undone
from keys.errors import KeysError, Unreachable, Untrusted
from keys.nodes import Nodes, Server, Turn
from keys.session import Session

_MAX_BODY = 8 << 20
_NOT_SENT = "no connection"


class How(Enum):
    """Which nodes may be asked."""

    ANYWHERE = "any node, one after the other"
    ACTIVE_FIRST = "the active node, and the others when it is not found"
    ONCE = "another one only while the first cannot have been told"


@dataclass(frozen=True, slots=True)
class Manner:
    """How a request is made, beside what it asks."""

    how: How = How.ANYWHERE
    batch: str | None = None
    """The list it belongs to, for the key server's audit log."""
    wrap: int = 0
    """Seconds for which the answer is put away; what comes is a token that opens it once."""

    def headers(self) -> dict[str, str]:
        """Those that say so."""
        # A number of its own for each request: a header that somebody copied is seen to be one.
        batch = {"X-Strongroom-Batch": f"{self.batch} {secrets.token_hex(8)}"} if self.batch else {}
        return batch | ({"X-Vault-Wrap-TTL": f"{self.wrap}s"} if self.wrap else {})


PLAIN, ONCE = Manner(), Manner(How.ONCE)


class _Asked(NamedTuple):
    """One request."""

    method: str
    path: str
    body: bytes | None = None
    manner: Manner = PLAIN


class Wire:
    """Connections to every node of the key server; nothing ambient is read. Safe for many threads."""

    def __init__(
        self, server: Server, *, connections: int = 1, certificate: tuple[str, str] | None = None
    ) -> None:
        """`certificate`: paths of what every connection shows, and of its key."""
        self._server = server
        self.nodes = Nodes(len(server.addresses))
        self._session = Session(server, connections=connections, certificate=certificate)

    def adapters(self, token: str) -> list[Any]:
        """One for each node, under this token."""
        return [
            RawAdapter(
                base_uri=address,
                token=token,
                session=self._session,
                allow_redirects=False,  # a redirect would carry token and body to another host
                namespace=self._server.namespace,
            )
            for address in self._server.addresses
        ]

    def close(self) -> None:
        """Drop the connections."""
        self._session.close()

    def timeouts(self, seconds: float) -> tuple[float, float]:
        """(to connect, to wait for more bytes) of a request that may take `seconds`. Raises: Unreachable."""
        if seconds <= 0:
            raise Unreachable("deadline")
        return min(self._server.connect_timeout, seconds), min(self._server.read_timeout, seconds)


class Line:
    """HTTP to the key server under one token, at whichever node serves. Safe for many threads."""

    def __init__(self, wire: Wire, *, token: str = "") -> None:
        self._wire = wire
        self._adapters = wire.adapters(token)

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        until: float,
        manner: Manner = PLAIN,
    ) -> Reply:
        """One request, whatever the answer; a node that cannot serve is passed over. Raises: KeysError.

        `until` is on the monotonic clock.
        """
        asked = _Asked(method, path, body, manner)
        first = self._active(until) if manner.how is How.ACTIVE_FIRST else None
        found: Reply | KeysError = Unreachable("deadline")
        for turn in self._wire.nodes.turns(until, first=first):
            found = self._ask(asked, turn)
            if not _elsewhere(found):
                self._wire.nodes.answered(turn.node)
                break
            self._wire.nodes.failed(turn.node)
            if manner.how is How.ONCE and not _undone(found):
                break  # it may have been done although nobody says so
        if isinstance(found, KeysError):
            raise found
        return found

    def _ask(self, asked: _Asked, turn: Turn) -> Reply | KeysError:
        """One node's answer, or why there is none."""
        until = time.monotonic() + turn.seconds
        try:
            response = self._adapters[turn.node].request(
                asked.method,
                f"/v1/{asked.path}",
                headers=asked.manner.headers(),
                data=asked.body,
                raise_exception=False,
                timeout=self._wire.timeouts(turn.seconds),
            )
            return Reply(response.status_code, _whole(response.raw, until))
        except KeysError as failure:
            return type(failure)(failure.rule)
        except SSLError:
            return Untrusted("the key server's certificate is not trusted")
        except (ConnectTimeoutError, EmptyPoolError, NewConnectionError):
            return Unreachable(_NOT_SENT)
        except (HTTPError, OSError):
            return Unreachable("no whole answer")

    def _active(self, until: float) -> int | None:
        """The node that leads, if one of ours says that it does."""
        for turn in self._wire.nodes.turns(until):
            found = self._ask(_Asked("get", "sys/leader"), turn)
            if isinstance(found, Reply) and leads(found):
                return turn.node
        return None


def _elsewhere(found: Reply | KeysError) -> bool:
    """Whether another node may do better."""
    return elsewhere(found) if isinstance(found, Reply) else found.elsewhere


def _undone(found: Reply | KeysError) -> bool:
    """Whether a node that did not serve cannot have done what it was asked."""
    return undone(found) if isinstance(found, Reply) else found.rule == _NOT_SENT


def _whole(response: BaseHTTPResponse, until: float) -> bytes:
    """The body, piece by piece: a socket's timeout alone never ends a server that drips."""
    parts: list[bytes] = []
    size = 0
    try:
        while part := response.read1(1 << 16, decode_content=False):
            parts.append(part)
            size += len(part)
            if size > _MAX_BODY or time.monotonic() > until:
                break
        else:
            return b"".join(parts)
    finally:
        # What was read to its end is kept already; closing alone would lose its place among the kept ones.
        response.close()
        response.release_conn()
    raise Unreachable("answer too long or too slow")
