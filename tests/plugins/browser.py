"""Debian's chromium without a window, spoken to over its debugging pipe: shows a file, tells what it did."""

import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest

PROGRAM = shutil.which("chromium")
_SECONDS = 30.0
_SWITCHES = (
    "--headless", "--remote-debugging-pipe", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-extensions",
)  # fmt: skip
_HEARD = (
    "Runtime.consoleAPICalled",
    "Runtime.exceptionThrown",
    "Log.entryAdded",
    "Page.javascriptDialogOpening",
)


# Chromium takes the pipe's ends as its descriptors 3 and 4. The kernel stops it when its parent dies.
_BECOME = (
    "import ctypes,fcntl,os,sys;"
    "a,b=(fcntl.fcntl(int(end),fcntl.F_DUPFD,10) for end in sys.argv[1:3]);"
    "os.dup2(a,3);os.dup2(b,4);"
    "sys.platform=='linux' and ctypes.CDLL(None).prctl(1,9);"
    "os.execv(sys.argv[3],sys.argv[3:])"
)


@dataclass(slots=True)
class Shown:
    """What a page did while it was loaded."""

    said: list[str] = field(default_factory=list)
    """Console lines, exceptions, violations of its policy, dialogs: each as the browser's own message."""
    asked: list[str] = field(default_factory=list)
    """Every address it asked for."""


class Browser:
    """One browser with one page."""

    def __init__(self, profile: Path) -> None:
        commands, answers = os.pipe(), os.pipe()
        self._write, self._read = commands[1], answers[0]
        rootless = ("--no-sandbox",) if os.getuid() == 0 else ()  # chromium has no sandbox for root
        program = [str(PROGRAM), *_SWITCHES, *rootless, f"--user-data-dir={profile}", "about:blank"]
        ends = commands[0], answers[1]
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _BECOME, *map(str, ends), *program],
            pass_fds=ends,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for end in ends:
            os.close(end)
        self._numbers, self._rest, self._page = itertools.count(1), b"", ""
        self._events: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        (target,) = [t for t in self.do("Target.getTargets")["targetInfos"] if t["type"] == "page"]
        attached = self.do("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._page = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.do(f"{domain}.enable")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._write)
        os.close(self._read)

    def show(self, path: Path) -> Shown:
        """Load a file, wait until it is there, and say what it did."""
        self._events.clear()
        self.do("Page.navigate", url=path.as_uri())
        self._await("Page.loadEventFired")
        self.ask("1")  # behind whatever scripts of the page's own have been doing
        said = [json.dumps(event) for event in self._events if event["method"] in _HEARD]
        asked = [event for event in self._events if event["method"] == "Network.requestWillBeSent"]
        return Shown(said, [event["params"]["request"]["url"] for event in asked])

    def ask(self, expression: str) -> Any:
        """The value of an expression on the page."""
        found = self.do("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def do(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the DevTools protocol, and its answer."""
        number = next(self._numbers)
        sent = {"id": number, "method": method, "params": parameters}
        if self._page:
            sent["sessionId"] = self._page
        os.write(self._write, json.dumps(sent).encode() + b"\0")
        while (answer := self._next()).get("id") != number:
            self._hear(answer)
        assert "error" not in answer, answer
        return dict(answer["result"])

    def _await(self, method: str) -> None:
        while not any(event["method"] == method for event in self._events):
            self._hear(self._next())

    def _hear(self, event: dict[str, Any]) -> None:
        self._events.append(event)
        if (
            event.get("method") == "Page.javascriptDialogOpening"
        ):  # the page stands still until it is answered
            self.do("Page.handleJavaScriptDialog", accept=False)

    def _next(self) -> dict[str, Any]:
        """The next message. Raises: TimeoutError."""
        until = time.monotonic() + _SECONDS
        while b"\0" not in self._rest:
            if not select.select([self._read], [], [], max(0.0, until - time.monotonic()))[0]:
                raise TimeoutError("chromium says nothing")
            more = os.read(self._read, 1 << 16)
            if not more:
                raise TimeoutError("chromium has ended")
            self._rest += more
        message, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(message))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A browser that the tests share; without one they are skipped."""
    if PROGRAM is None:
        pytest.skip("chromium is not installed (Debian: apt-get install chromium)")
    with (
        tempfile.TemporaryDirectory(prefix="strongroom-browser-", ignore_cleanup_errors=True) as profile,
        Browser(Path(profile)) as started,
    ):
        yield started
