"""The vault's processes as a benchmark runs them: one `serve` for each plane, or several that share one."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.hot.usage import Watched
from tests.plugins.process import Served
from tests.plugins.world import World

APART = {"control": ("control",), "ingest": ("ingest",), "reveal": ("reveal",), "sequencer": ("sequencer",)}
TOGETHER = {"vault": ("control", "ingest", "reveal", "sequencer")}
"""SQLite takes one writer: one process, as in its documentation."""
SHARED = ("ingest", "reveal")
"""The planes that every simulated host has."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How the vault is run."""

    database: str = "postgresql"
    ingest_workers: int = 1
    reveal_workers: int = 1
    program: str = "vault.cli"
    """What `serve` is a command of; `benchmarks.hot.profiled` looks at its workers."""
    hosts: int = 1
    """How many processes of their own, on ports of their own, share ingest and reveal between them."""
    kinds: Sequence[str] = ()
    """Which processes there are, where not all."""

    @property
    def processes(self) -> Mapping[str, Sequence[str]]:
        """The planes of each kind of process."""
        known = TOGETHER if self.database == "sqlite" else APART
        return {name: planes for name, planes in known.items() if name in (self.kinds or known)}

    def workers(self, name: str) -> int:
        """Of one process."""
        return {"ingest": self.ingest_workers, "reveal": self.reveal_workers}.get(name, 1)


@dataclass(frozen=True, slots=True)
class Fleet:
    """What runs, by the name of its kind; the first of each is on the first host."""

    processes: Mapping[str, Sequence[Served]]

    def urls(self) -> dict[str, str]:
        """Where each plane is on the first host."""
        first = {name: some[0].url for name, some in self.processes.items()}
        return {plane: url for name, url in first.items() for plane in (name, *TOGETHER.get(name, ()))}

    def shared(self) -> dict[int, list[int]]:
        """The ports of all who share a plane, by that on the first host."""
        return {some[0].port: [one.port for one in some] for some in self.processes.values()}

    def roots(self) -> dict[str, int]:
        """Process ids by name."""
        return dict(self._named())

    def _named(self) -> Iterator[tuple[str, int]]:
        for name, some in self.processes.items():
            yield from ((name if not n else f"{name} {n + 1}", one.pid) for n, one in enumerate(some))


async def serve(
    stack: AsyncExitStack, world: World, folder: Path, shape: Shape, more: Mapping[str, str]
) -> Fleet:
    """Start every process, each ready when this returns; they end with the stack."""
    processes: dict[str, list[Served]] = {}
    for name, planes in shape.processes.items():
        for number in range(shape.hosts if name in SHARED else 1):
            process = Served(
                {**world.environment(), **more},
                folder / f"{name}-{number}.log",
                planes=",".join(planes),
                workers=shape.workers(name),
                program=shape.program,
            )
            processes.setdefault(name, []).append(await stack.enter_async_context(process))
    return Fleet(processes)


def watched(world: World, fleet: Fleet, **more: int) -> Watched:
    """Everything that has a part in serving, by name."""
    roots = fleet.roots() | more | {"OpenBao": world.bao.pid}
    if world.databases.kind == "postgresql":
        roots["PostgreSQL"] = int((world.databases.files / "data/postmaster.pid").read_text().split()[0])
    return Watched(roots)
