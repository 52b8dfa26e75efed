"""Where a process spends its CPU: a thread that looks at the others' stacks, weighed by the CPU each used.

Pure Python, so that it works on a worker that no debugger may attach to. A thread is seen when it gives up
the interpreter, or between two of its instructions. So what a call into C costs is counted with the line that
made it; what the event loop does itself comes out too large, because a thread gives up the interpreter there;
and what the server's own threads use stands under `(native)`. SQLAlchemy runs its code on a stack of its own,
so its parts stand by themselves at the root.
"""

import contextlib
import json
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from types import FrameType

INTERVAL = 0.002
_WRITE_SECONDS = 0.5
_ROOT = Path(__file__).parents[2]
Stack = tuple[str, ...]


class Sampler(threading.Thread):
    """Samples while the file `on` is in its folder; writes what it found beside it, as <pid>.json."""

    def __init__(self, folder: Path, pid: int) -> None:
        super().__init__(name="sampler", daemon=True)
        self._switch, self._found = folder / "on", folder / f"{pid}.json"
        self._clocks: dict[int, float] = {}
        self._seconds: dict[Stack, float] = defaultdict(float)
        self._process = 0.0

    def run(self) -> None:
        """Sample for as long as the process lives."""
        sys.setswitchinterval(0.0005)  # the sampler asks for the interpreter, and gets it soon
        while True:
            if self._switch.exists():
                self._while_on()
                self._write()
            time.sleep(0.05)

    def _while_on(self) -> None:
        self._clocks, self._seconds = {}, defaultdict(float)
        began, look = time.process_time(), time.monotonic() + _WRITE_SECONDS
        while True:
            self._look()
            self._process = time.process_time() - began
            if time.monotonic() > look:
                if not self._switch.exists():
                    return
                look = time.monotonic() + _WRITE_SECONDS
            time.sleep(INTERVAL)

    def _look(self) -> None:
        frames = sys._current_frames()  # noqa: SLF001 - documented, for debuggers
        for thread in threading.enumerate():
            ident = thread.ident
            if ident is None or ident not in frames:
                continue
            clock = time.clock_gettime(time.pthread_getcpuclockid(ident))
            used = clock - self._clocks.get(ident, clock)
            self._clocks[ident] = clock
            if used > 0:
                stack = (thread.name,) if thread is self else stack_of(frames[ident])
                self._seconds[stack] += used

    def _write(self) -> None:
        """The whole process's CPU too: what no thread of Python's used was used by the server's own."""
        native = self._process - sum(self._seconds.values())
        stacks = [[*stack, seconds] for stack, seconds in self._seconds.items()]
        with contextlib.suppress(OSError):  # the folder goes when the benchmark ends
            self._found.write_text(json.dumps([*stacks, ["(native)", max(0.0, native)]]), "utf-8")


def stack_of(frame: FrameType | None) -> Stack:
    """The functions a frame stands in, outermost first."""
    found = []
    while frame is not None:
        code = frame.f_code
        found.append(f"{_shortened(code.co_filename)}:{code.co_qualname}")
        frame = frame.f_back
    return tuple(reversed(found))


def _shortened(file: str) -> str:
    """A file as its module is known."""
    for mark in ("/site-packages/", f"{_ROOT}/", "/python3."):
        _, found, rest = file.rpartition(mark)
        if found:
            return (
                rest.partition("/")[2].removesuffix(".py")
                if mark == "/python3."
                else rest.removesuffix(".py")
            )
    return file.removesuffix(".py")
