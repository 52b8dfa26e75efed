"""What a process asks of the kernel: no core dumps, no readers of its memory, an end with its parent."""

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import structlog

SWAPS = Path("/proc/swaps")
_PR_SET_PDEATHSIG = 1
_PR_GET_DUMPABLE = 3
_PR_SET_DUMPABLE = 4


def harden() -> bool:
    """Switch core dumps off, and, on Linux, reading by others of the same user. False if that failed.

    Files made from now on are their owner's alone.
    """
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform != "linux":
        return True
    prctl = ctypes.CDLL(None).prctl
    return bool(prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 and prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0) == 0)


def swaps(told: Path = SWAPS) -> list[str]:
    """Where the kernel may write memory, but for compressed memory; empty when nobody says."""
    try:
        lines = told.read_text().splitlines()[1:]
    except OSError:
        return []
    names = [line.split()[0] for line in lines if line.strip()]
    return [name for name in names if not Path(name).name.startswith("zram")]


def warn_of_swap() -> None:
    """Say in the log, once at a start, that what this process holds may be written to a disk."""
    if used := swaps():
        says = f"memory may be written to {', '.join(used)}: switch swap off, or encrypt it"
        structlog.get_logger().warning("swap", says=says)


def end_with(parent: int) -> None:
    """Ask to be told to stop when `parent`, which started this process, dies. Stops now if it has died."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit(0)


class Stopped(BaseException):
    """Somebody asked this process to end. Passes every handler of errors, like KeyboardInterrupt."""


@contextmanager
def stoppable() -> Iterator[None]:
    """Inside, the signals that ask a process to end raise `Stopped`, once; a second one is ignored."""
    wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def stop(_: int, __: FrameType | None) -> None:
        # While children are being ended nothing may interrupt that, or they would be left behind.
        for one in wanted:
            signal.signal(one, signal.SIG_IGN)
        raise Stopped

    before = {one: signal.signal(one, stop) for one in wanted}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
