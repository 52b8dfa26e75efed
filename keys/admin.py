"""`Admin`: plain reads and writes on the key server, for operators' commands. Blocking, no retries."""

import time
from dataclasses import replace
from typing import Any, Protocol

import msgspec

from keys.answers import Reply, Wrapped, error_for
from keys.login import Login
from keys.methods import Identity
from keys.nodes import Server
from keys.wire import PLAIN, How, Line, Manner, Wire

_PATIENCE = 30.0


class Sender(Protocol):
    """A `Line` under a fixed token, or a `Login`."""

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        until: float,
        manner: Manner = PLAIN,
    ) -> Reply: ...


class Admin:
    """What an operator's token may read and write."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    @classmethod
    def with_token(cls, server: Server, token: str) -> "Admin":
        """Under a token somebody holds; an empty one for what needs none."""
        return cls(Line(Wire(_patient(server)), token=token))

    @classmethod
    def with_identity(cls, server: Server, identity: Identity) -> "Admin":
        """Under an AppRole, such as the provisioner's."""
        return cls(Login(_patient(server), identity, connections=1))

    def get(self, path: str) -> dict[str, Any] | None:
        """The JSON at `path`, or None where there is nothing. Raises: KeysError."""
        reply = self._reply("get", path)
        if reply.status == 404:
            return None
        return reply.read(dict[str, Any])

    def post(self, path: str, values: dict[str, object] | None = None) -> dict[str, Any]:
        """Write; the answer is empty where the server has none. Raises: KeysError."""
        reply = self._reply("post", path, values or {}).good()
        return reply.shaped(dict[str, Any]) if reply.body else {}

    def wrapped(self, path: str, *, seconds: int) -> str:
        """Write; a token that opens the answer once, within so many seconds. Raises: KeysError."""
        return self._reply("post", path, {}, wrap=seconds).read(Wrapped).wrap_info.token

    def delete(self, path: str) -> None:
        """Delete. Raises: KeysError."""
        reply = self._reply("delete", path)
        if not reply.ok:
            raise error_for(reply)

    def status(self, method: str, path: str, values: dict[str, object] | None = None) -> int:
        """The bare status, whatever it is. Raises: KeysError when there is none."""
        return self._reply(method, path, values).status

    def _reply(
        self, method: str, path: str, values: dict[str, object] | None = None, *, wrap: int = 0
    ) -> Reply:
        body = None if values is None else msgspec.json.encode(values)
        # A write whose answer was lost may have been done: nobody else is told to do it again.
        how = How.ANYWHERE if method in ("get", "list") else How.ONCE
        until, manner = time.monotonic() + _PATIENCE, Manner(how, wrap=wrap)
        return self._sender.send(method, path, body, until=until, manner=manner)


def _patient(server: Server) -> Server:
    """Initialising and mounting take longer than a request that serves somebody may."""
    return replace(server, connect_timeout=2.0, read_timeout=_PATIENCE)
