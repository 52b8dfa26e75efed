"""The service as a child process of a development vault: started, waited for, stopped, never orphaned."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import httpx
import orjson

from vault.cli.failures import UNAVAILABLE, CommandError

_START_SECONDS = 40.0
_STOP_SECONDS = 20.0
_LARGEST_LOG = 10 << 20


def assert_free(port: int) -> None:
    """Raises: CommandError when somebody listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise CommandError(f"port {port} of 127.0.0.1 is taken: choose another with --port") from None


class Service:
    """`strongroom serve --plane all` on loopback; a context that stops it."""

    def __init__(self, settings: Mapping[str, str], port: int, log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._log = log
        if log.exists() and log.stat().st_size > _LARGEST_LOG:
            log.replace(log.with_suffix(".log.old"))
        self._began = log.stat().st_size if log.exists() else 0
        self._process = _start(settings, port, log)

    def wait_ready(self) -> None:
        """Return once every plane answers that it is ready. Raises: CommandError with why not."""
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until and self.alive:
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5, trust_env=False).is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise CommandError(f"the service did not start: {self.last_words()}", UNAVAILABLE)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def last_words(self) -> str:
        """What its log said last about not being able to serve, and where the rest is."""
        with self._log.open("rb") as file:
            file.seek(self._began)
            lines = file.read().splitlines()
        told = [line for line in lines if b'"not_started"' in line] or lines
        said = [found for found in map(_says, told) if found]
        return f"{said[-1] if said else 'it said nothing'} (log: {self._log})"

    def stop(self) -> None:
        """Let it finish what it has begun; kill it when that takes too long."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> "Service":
        return self

    def __exit__(self, _: type[BaseException] | None, __: object, ___: TracebackType | None) -> None:
        self.stop()


def _start(settings: Mapping[str, str], port: int, log: Path) -> "subprocess.Popen[bytes]":
    ours = {
        name: value for name, value in os.environ.items() if not name.startswith(("STRONGROOM_", "VAULT_"))
    }
    # -P: a folder named `vault` where the command is run must not be taken for ours.
    command = [sys.executable, "-P", "-m", "vault.cli", "serve", "--plane", "all"]
    command += ["--port", str(port), "--parent", str(os.getpid())]
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(handle, "wb") as output:
        return subprocess.Popen(  # noqa: S603 - our own program
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**ours, **settings},
            process_group=0,  # Ctrl-C goes to the terminal's whole group; we stop it ourselves, in order
        )


def _says(line: bytes) -> str:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return line.decode("utf-8", "replace").removeprefix("strongroom: ").strip()
    if not isinstance(found, dict) or found.get("level") != "error":
        return ""
    return str(found.get("says") or found.get("code") or found.get("event"))
