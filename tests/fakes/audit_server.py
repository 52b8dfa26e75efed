"""A vault's audit plane on a real socket, over anything that has a log's bytes.

    python -m tests.fakes.audit_server DIR     serves a mirror as if it were a vault, for measuring

`serving(log)` runs it in a thread for tests. It knows one credential and the paths of a log; its faults
are a queue of (status, body) that strike one request each.
"""

import base64
import json
import re
import sys
import threading
from collections import deque
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CLIENT, SECRET = "acme.audit", "srs_secret"
BASIC = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
BEARER = "Bearer at-1"
TILE = re.compile(r"/tile/entries/((?:x\d{3}/)*\d{3})(?:\.p/(\d+))?")


class MirrorLog:
    """A mirror on disk, shown as a log: same pages, no work."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.tenant = (
            json.loads((self.folder / "keys.json").read_text())["log"][0].split("+")[0].split("/")[1]
        )
        self._entries = (self.folder / "entries.bin").read_bytes()
        self._bundles = {int(path.stem): path for path in (self.folder / "bodies").glob("*.bundle")}

    def checkpoint(self):
        return max((self.folder / "checkpoints").glob("*.note")).read_text()

    def keys(self):
        keys = json.loads((self.folder / "keys.json").read_text())
        worker = [
            {"plane": plane, "version": int(version), "public_key": key}
            for plane, versions in keys["worker"].items()
            for version, key in versions.items()
        ]
        return json.dumps({"log": keys["log"], "worker": worker})

    def tile(self, number, width=256):
        start = number * 256
        entries = [self._entries[49 * at : 49 * at + 49] for at in range(start, start + width)]
        return b"".join(b"\x00\x31" + entry for entry in entries if entry)

    def bundle(self, first, last):
        return self._bundles[first].read_bytes()


class Server(ThreadingHTTPServer):
    """`log` is what is served; `asked` the paths that were asked for, `missing` one that is not there."""

    daemon_threads = True
    log = missing = None

    def start(self, log):
        self.log, self.asked, self.faults = log, [], deque()
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *_):
        pass

    def do_GET(self):
        log, path = self.server.log, self.path.removeprefix(f"/v1/log/{self.server.log.tenant}")
        tile = TILE.fullmatch(path)
        if path == "/checkpoint":
            self._answer(200, log.checkpoint().encode())
        elif path == "/keys":
            self._answer(200, log.keys().encode())
        elif tile is None or path == self.server.missing:
            self._problem(404, "not_found")
        else:
            number = int(tile[1].replace("x", "").replace("/", ""))
            self._answer(200, log.tile(number, int(tile[2] or 256)))

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/oauth2/token":
            if self.headers["Authorization"] != BASIC:
                self._answer(401, b'{"error": "invalid_client"}', kind="application/json")
                return
            token = {"access_token": "at-1", "token_type": "Bearer", "expires_in": 300}
            self._answer(200, json.dumps(token).encode(), kind="application/json")
        elif self.headers["Authorization"] != BEARER:
            self._problem(401, "unauthenticated")
        else:
            asked = json.loads(body)
            self._answer(200, self.server.log.bundle(asked["from"], asked["from"] + asked["limit"]))

    def _problem(self, status, code):
        body = json.dumps({"code": code, "title": "No.", "status": status}).encode()
        self._answer(status, body, kind="application/problem+json")

    def _answer(self, status, body, *, kind="application/octet-stream"):
        self.server.asked.append(self.path)
        if self.server.faults and not self.path.startswith("/oauth2"):
            status, body = self.server.faults.popleft()
            kind = "application/problem+json"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(log):
    """The server, in a thread, for the time of the block; `.url` is where."""
    with Server(("127.0.0.1", 0), Handler) as server:
        server.url = server.start(log)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


if __name__ == "__main__":
    with Server(("127.0.0.1", 0), Handler) as server:
        print(server.start(MirrorLog(sys.argv[1])), flush=True)
        server.serve_forever()
