"""What processes use: seconds of CPU and peak memory by name, and what others use meanwhile. From /proc."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_MIB = 1 << 10


@dataclass(frozen=True, slots=True)
class Cpu:
    """Seconds of CPU since each process was started, and since the machine was."""

    of: Mapping[str, float]
    machine: float

    def since(self, before: "Cpu") -> dict[str, float]:
        """What was used between two looks; `others` are those that are not ours."""
        used = {name: now - before.of[name] for name, now in self.of.items()}
        return used | {"others": max(0.0, self.machine - before.machine - sum(used.values()))}


@dataclass(frozen=True, slots=True)
class Held:
    """Memory of a process, in MiB."""

    resident: float
    """All its pages that are in memory."""
    share: float
    """Its own, and its part of those that it shares with others; 0 where the kernel does not tell us."""


@dataclass(frozen=True, slots=True)
class Watched:
    """Processes by the name they are reported under; each stands for all that it started."""

    roots: Mapping[str, int]

    def cpu(self) -> Cpu:
        """A look at the clock of each."""
        children = _children()
        return Cpu(
            {name: sum(map(_cpu_of, _tree(root, children))) for name, root in self.roots.items()}, _busy()
        )

    def memory(self) -> dict[str, Held]:
        """What each process has in memory now; those that a process started are called `name/1`, `name/2`."""
        children = _children()
        return {
            f"{name}/{number}" if number else name: _held_by(pid)
            for name, root in self.roots.items()
            for number, pid in enumerate(_tree(root, children))
        }

    def peak_memory(self) -> dict[str, list[int]]:
        """The most that each process of a name ever had in memory, in MiB, largest first.

        Pages that processes share, such as PostgreSQL's buffers, are counted in each.
        """
        children = _children()
        return {
            name: sorted(map(_peak_of, _tree(root, children)), reverse=True)
            for name, root in self.roots.items()
        }


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for process in Path("/proc").glob("[0-9]*"):
        stat = _stat(int(process.name))
        if stat:
            found.setdefault(int(stat[1]), []).append(int(process.name))
    return found


def _tree(root: int, children: Mapping[int, list[int]]) -> Iterator[int]:
    yield root
    for child in children.get(root, ()):
        yield from _tree(child, children)


def _stat(pid: int) -> list[str]:
    """The fields after the name; none when the process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _cpu_of(pid: int) -> float:
    """Its own, and that of children which have ended and were waited for."""
    stat = _stat(pid)
    return sum(map(int, stat[11:15])) / _TICKS if stat else 0.0


def _peak_of(pid: int) -> int:
    return _kilobytes(pid, "status", "VmHWM") // _MIB


def _held_by(pid: int) -> Held:
    return Held(_kilobytes(pid, "status", "VmRSS") / _MIB, _kilobytes(pid, "smaps_rollup", "Pss") / _MIB)


def _kilobytes(pid: int, file: str, name: str) -> int:
    """What the kernel says of a process; 0 when it has ended or is none of ours to look into."""
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)


def _busy() -> float:
    """All that the machine has computed: neither idle nor waiting for disks."""
    fields = [int(one) for one in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / _TICKS
