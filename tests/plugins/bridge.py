"""Reaches an application in this process through a socket, for clients that block."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

_DROPPED = {"content-length", "transfer-encoding", "connection", "host", "date", "server"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "_Server"

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _DROPPED}
        asked = self.server.client.request(self.command, self.path, content=body, headers=headers)
        answer = asyncio.run_coroutine_threadsafe(asked, self.server.loop).result(30)
        self.send_response(answer.status_code)
        for name, value in answer.headers.multi_items():
            if name.lower() not in _DROPPED:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    do_POST = do_GET  # noqa: N815  # the base class's name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Tests say what they saw."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    client: httpx.AsyncClient
    loop: asyncio.AbstractEventLoop


@contextmanager
def bridged(client: httpx.AsyncClient) -> Iterator[str]:
    """The address at which `client`'s application answers while the running loop turns."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.client, server.loop = client, asyncio.get_running_loop()
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
