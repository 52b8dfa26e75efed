"""A key server that misbehaves on the wire: a thread that answers HTTP as a script tells it to."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

Behaviour = Callable[[socket.socket, "Request"], None]


@dataclass(frozen=True)
class Request:
    """What arrived."""

    line: str
    headers: dict[str, str]
    body: bytes


def answer(status: int, body: bytes | dict[str, object], **headers: str) -> Behaviour:
    """A whole answer."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()

    def behave(connection: socket.socket, _: Request) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(raw)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + raw)

    return behave


def truncated(body: bytes) -> Behaviour:
    """Half of what was announced, then the end."""

    def behave(connection: socket.socket, _: Request) -> None:
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {2 * len(body)}\r\n\r\n".encode() + body)
        connection.shutdown(socket.SHUT_RDWR)

    return behave


def dripping(body: bytes, *, every: float) -> Behaviour:
    """A byte at a time, each soon enough for a socket's timeout."""

    def behave(connection: socket.socket, _: Request) -> None:
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        with contextlib.suppress(OSError):
            for byte in body:
                connection.sendall(bytes([byte]))
                time.sleep(every)

    return behave


def dripping_headers(connection: socket.socket, _: Request) -> None:
    """Header after header, and never the body; no timeout of a socket ends this."""
    with contextlib.suppress(OSError):
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        for number in range(15):
            connection.sendall(f"X-{number}: x\r\n".encode())
            time.sleep(0.1)
    connection.close()


def hanging(connection: socket.socket, _: Request) -> None:
    """Nothing, for longer than anybody waits."""
    with contextlib.suppress(OSError):
        connection.settimeout(5)
        connection.recv(1)


def reset(connection: socket.socket, _: Request) -> None:
    """The end, without a word."""
    connection.shutdown(socket.SHUT_RDWR)


@dataclass
class FakeKeyServer:
    """Logins succeed with `lease` seconds; everything else gets `behaviour`. `requests` keeps what came."""

    behaviour: Behaviour = field(default_factory=lambda: answer(404, {"errors": []}))
    login: Behaviour | None = None
    renewal: Behaviour | None = None
    lease: int = 1200
    renewed: int | None = None
    """What a renewal grants; `lease` when None."""
    wrapping: Behaviour | None = None
    """What a wrapping is said to be."""
    leads: bool = False
    """Whether it calls itself the active node."""
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.open: set[socket.socket] = set()
        self.addr = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def asked(self, path: str) -> int:
        """How many requests went to `path`."""
        return sum(f"/v1/{path} " in request.line for request in self.requests)

    def close(self) -> None:
        self._listener.close()
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        self.open.add(connection)
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as stream:
            while (request := _read(stream)) is not None:
                self.requests.append(request)
                self._behaviour(request)(connection, request)
        self.open.discard(connection)

    def _behaviour(self, request: Request) -> Behaviour:
        if "/login " in request.line:
            return self.login or _token(f"hvs.{len(self.requests)}", self.lease)
        if "/v1/auth/token/renew-self " in request.line:
            return self.renewal or _token("ignored", self.lease if self.renewed is None else self.renewed)
        if "/v1/sys/wrapping/lookup " in request.line and self.wrapping:
            return self.wrapping
        if "/v1/sys/leader " in request.line:
            return answer(200, {"ha_enabled": True, "is_self": self.leads, "leader_address": "elsewhere"})
        return self.behaviour


def _token(token: str, lease: int) -> Behaviour:
    return answer(200, {"auth": {"client_token": token, "lease_duration": lease, "renewable": True}})


def _read(stream) -> Request | None:
    line = stream.readline().decode()
    if not line.strip():
        return None
    headers = {}
    while (header := stream.readline().decode().strip()) != "":
        name, _, value = header.partition(":")
        headers[name.lower()] = value.strip()
    return Request(line, headers, stream.read(int(headers.get("content-length", 0))))
