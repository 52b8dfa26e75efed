"""Where a process spends its CPU: its main thread's stack, looked at each time it has used some milliseconds.

The kernel's timer of used CPU interrupts the process; Python answers between two instructions, so what a call
into C costs is counted with the function that made it. Pure Python, so that it works on a worker that no
debugger may attach to. What other threads use, the server's own among them, stands under `(other threads)`.
"""

import contextlib
import json
import signal
import sys
import threading
import time
from collections import defaultdict
from functools import cache
from pathlib import Path
from types import FrameType

import greenlet

INTERVAL = 0.004
_ROOT = Path(__file__).parents[2]
Stack = tuple[str, ...]


class Sampler:
    """Samples while the file `on` is in its folder; then writes what it found beside it, as <pid>.json."""

    def __init__(self, folder: Path, pid: int) -> None:
        self._switch, self._found = folder / "on", folder / f"{pid}.json"
        self._on = False
        self._seconds: dict[Stack, float] = defaultdict(float)
        self._main = self._process = 0.0

    def begin(self) -> None:
        """Sample the thread that calls, which is the process's first."""
        signal.signal(signal.SIGPROF, self._look)
        signal.siginterrupt(signal.SIGPROF, False)  # noqa: FBT003 - the standard library takes it so
        signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)
        threading.Thread(target=self._watch, name="sampler", daemon=True).start()

    def _look(self, _: int, frame: FrameType | None) -> None:
        if not self._on:
            return
        self._seconds[_whole(frame)] += time.thread_time() - self._main
        self._main = time.thread_time()  # after the look, which is not counted

    def _watch(self) -> None:
        """Turn it on and off, from another thread: the first may have nothing to do, and get no signal."""
        clock = time.pthread_getcpuclockid(threading.main_thread().ident or 0)
        while True:
            time.sleep(0.05)
            if self._switch.exists() and not self._on:
                self._seconds.clear()
                self._main, self._process = time.clock_gettime(clock), time.process_time()
                self._on = True
            elif self._on and not self._switch.exists():
                self._on = False
                self._write(time.process_time() - self._process)

    def _write(self, process: float) -> None:
        others = max(0.0, process - sum(self._seconds.values()))
        stacks = [[*stack, seconds] for stack, seconds in self._seconds.items()]
        with contextlib.suppress(OSError):  # the folder goes when the benchmark ends
            self._found.write_text(json.dumps([*stacks, ["(other threads)", others]]), "utf-8")


def _whole(frame: FrameType | None) -> Stack:
    """The functions a frame stands in, outermost first, through the greenlets that SQLAlchemy runs in."""
    stack = _stack_of(frame)
    inner = greenlet.getcurrent()
    while inner.parent is not None:
        inner = inner.parent
        stack = _stack_of(inner.gr_frame) + stack
    return stack


def _stack_of(frame: FrameType | None) -> Stack:
    found = []
    while frame is not None:
        found.append(f"{_shortened(frame.f_code.co_filename)}:{frame.f_code.co_qualname}")
        frame = frame.f_back
    return tuple(reversed(found))


@cache
def _shortened(file: str) -> str:
    """A file as its module is known."""
    for mark in ("/site-packages/", f"{_ROOT}/", f"/python{sys.version_info[0]}.{sys.version_info[1]}/"):
        _, found, rest = file.rpartition(mark)
        if found:
            return rest.removesuffix(".py")
    return file.removesuffix(".py")
