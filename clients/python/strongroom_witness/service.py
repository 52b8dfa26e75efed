"""The witness over HTTP: one path, bounded in bytes, in time and in how many it serves at once."""

import contextlib
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, socket
from typing import Any

from strongroom_witness.faults import Fault
from strongroom_witness.submission import LARGEST
from strongroom_witness.witness import Answer, Witness

PATH = "/add-checkpoint"
AT_ONCE = 64
"""Connections served at a time; more are closed unanswered."""
QUIET_SECONDS = 10.0
LONGEST_SECONDS = 60.0
"""How long one connection may last, however busy it keeps: nobody holds a place by sending slowly."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "strongroom-witness", ""
    error_content_type = "text/plain"
    error_message_format = "%(code)d %(explain)s\n"
    timeout = QUIET_SECONDS
    wbufsize = -1
    disable_nagle_algorithm = True
    server: "WitnessServer"

    def do_POST(self) -> None:
        """The one verb."""
        if self.path != PATH:
            self._send(Answer(404, f"only {PATH} is here\n"))
            return
        length, *more = self.headers.get_all("Content-Length", [""])
        chunked = "Transfer-Encoding" in self.headers
        if more or chunked or not length.isascii() or not length.isdigit():
            self._send(Answer(411, "send one Content-Length\n"))
            return
        if len(length) > 9 or int(length) > LARGEST:
            self._send(Answer(413, f"at most {LARGEST} bytes\n"))
            return
        body = self.rfile.read(int(length))
        if len(body) == int(length):
            self._send(self._answer(body), read=True)

    def do_GET(self) -> None:
        """Nothing is to be got here."""
        self._send(Answer(405 if self.path == PATH else 404, f"POST to {PATH}\n"))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
        """Strangers' requests are not worth a line; what the witness does, it says itself."""

    def _answer(self, body: bytes) -> Answer:
        try:
            return self.server.witness.add_checkpoint(body)
        except Fault as fault:
            self.server.witness.say(f"cannot answer: {fault}")
            return Answer(503, "the witness cannot remember what it would sign\n")

    def _send(self, answer: Answer, *, read: bool = False) -> None:
        body = answer.body.encode()
        if not read:  # the rest of the request is still in the way
            self.close_connection = True
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


class WitnessServer(ThreadingHTTPServer):
    """A thread for each connection, up to a number."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = AT_ONCE

    def __init__(
        self,
        address: tuple[str, int],
        witness: Witness,
        *,
        tls: ssl.SSLContext | None = None,
        longest: float = LONGEST_SECONDS,
    ) -> None:
        super().__init__(address, Handler)
        self.witness = witness
        self._longest = longest
        self._lock = threading.Lock()
        self._open: dict[socket, float] = {}
        if tls is not None:
            # The handshake comes with the first read, in the connection's own thread.
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection if there is room."""
        with self._lock:
            room = len(self._open) < AT_ONCE
            if room:
                self._open[request] = time.monotonic()
        if room:
            super().process_request(request, client_address)
        else:
            super().shutdown_request(request)

    def shutdown_request(self, request: Any) -> None:
        """A connection has ended."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Twice a second: end connections that have lasted too long."""
        with self._lock:
            late = [one for one, since in self._open.items() if time.monotonic() - since > self._longest]
        for one in late:
            with contextlib.suppress(OSError):  # it may just have ended by itself
                one.shutdown(SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  # the base class's
        """Strangers break connections all day; anything else is a fault of ours and is said."""
        error = sys.exception()
        if not isinstance(error, OSError):
            self.witness.say(f"failed: {type(error).__name__}")
