"""The service as users run it: a child process that listens on a port of loopback."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import httpx

from tests.plugins.ports import free_port

ROOT = Path(__file__).parents[2]


class Served:
    """`strongroom serve`, with its settings in its environment and its log in a file."""

    def __init__(
        self,
        environment: Mapping[str, str],
        log: Path,
        *,
        planes: str = "all",
        workers: int = 1,
        program: str = "vault.cli",
    ) -> None:
        """`planes` as the command takes them: without the sequencer where the test numbers events itself."""
        self._command = [sys.executable, "-P", "-m", program, "serve"]
        self._command += ["--plane", planes, "--workers", str(workers)]
        self._environment = {**environment, "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        self.log = log
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.end(signal.SIGTERM)

    @property
    def pid(self) -> int:
        """Of the process that was started; its workers are its children."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start, and return once every plane is ready."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._command, "--port", str(self.port)], env=self._environment, stdout=log, stderr=log
            )
        try:
            await self._until_ready(self._process)
        except BaseException:
            self.end(signal.SIGKILL)
            raise

    def end(self, how: signal.Signals) -> int:
        """SIGTERM for an orderly end, SIGKILL for a crash; answers the exit status."""
        assert self._process is not None
        return ended(self._process, how)

    def family(self) -> list[int]:
        """Its workers, oldest first."""
        found = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [int(one) for one in found]

    def memory(self) -> int:
        """Bytes that it and its workers hold in memory."""
        return sum(_resident(pid) for pid in (self.pid, *self.family()))

    async def _until_ready(self, process: "subprocess.Popen[bytes]") -> None:
        async with asyncio.timeout(60), httpx.AsyncClient() as client:
            while not await _ready(client, self.url):
                assert process.poll() is None, self.log.read_text()
                await asyncio.sleep(0.1)


def ended(process: "subprocess.Popen[bytes]", how: signal.Signals = signal.SIGTERM) -> int:
    """Its exit status, once it has ended. What outlives its 20 seconds is killed, and that is an error."""
    process.send_signal(how)
    try:
        return process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0  # it ended meanwhile


async def _ready(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(f"{url}/readyz")).status_code == 200
    except httpx.TransportError:
        return False
