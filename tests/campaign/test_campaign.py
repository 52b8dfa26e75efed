"""Every fault of the table under load, long (`make faults`) and short; all six invariants after each."""

import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from tests.campaign.fault import Fault, Ground, run
from tests.campaign.rig import APART, TOGETHER, Rig, rigged
from tests.campaign.table import TABLE
from tests.plugins.campaign import keep
from tests.plugins.cluster import Cluster
from tests.plugins.postgres import Postgres, started

SHORT = [fault for fault in TABLE if fault.short]
pytestmark = pytest.mark.asyncio(loop_scope="module")


class Grounds:
    """One rig at a time, kept while the next fault wants the same."""

    def __init__(self, folder: Path, request: pytest.FixtureRequest) -> None:
        self._folder, self._request = folder, request
        self._stack, self._have = AsyncExitStack(), ("", "")
        self._rig: Rig | None = None
        self._count = 0

    async def get(self, ground: Ground, groups: tuple[str, ...]) -> Rig:
        """A rig on this ground."""
        if self._rig is None or self._have != (ground, str(groups)):
            await self.close()
            self._count += 1
            folder = self._folder / f"rig{self._count}"
            folder.mkdir()
            self._rig = await self._made(ground, groups, folder)
            self._have = ground, str(groups)
        return self._rig

    async def spoil(self) -> None:
        """The next fault gets a rig of its own: this one may not be as it should."""
        await self.close()

    async def close(self) -> None:
        self._rig = None
        await self._stack.aclose()
        self._stack = AsyncExitStack()

    async def _made(self, ground: Ground, groups: tuple[str, ...], folder: Path) -> Rig:
        postgres = self._postgres(ground)
        await postgres.start_again()  # a fault before this one may have left it dead
        nodes = 3 if ground.startswith("three") else 1
        bao = Cluster.start(folder / "bao", nodes=nodes, standby_reads="forward" not in ground)
        self._stack.callback(bao.stop)
        return await self._stack.enter_async_context(rigged(folder, postgres, bao, groups=groups))

    def _postgres(self, ground: Ground) -> Postgres:
        if ground != "small disks":
            return self._request.getfixturevalue("postgres")
        data, wal = (self._stack.enter_context(small_disk()) for _ in range(2))
        small = {"min_wal_size": "32MB", "max_wal_size": "64MB"}
        return self._stack.enter_context(started(data, wal=wal / "wal", **small))


@contextlib.contextmanager
def small_disk(size: str = "768m") -> Iterator[Path]:
    """A file system of its own, in memory. Skips where nobody may mount one."""
    place = Path(tempfile.mkdtemp(prefix="strongroom-disk-"))
    place.chmod(0o755)  # the database server is another user
    if os.getuid() != 0 or os.system(f"mount -t tmpfs -o size={size} none {place} 2>/dev/null") != 0:
        pytest.skip("mounting a small file system takes root")
    try:
        place.chmod(0o755)
        (place / "wal").mkdir()
        yield place
    finally:
        os.system(f"umount -l {place}")
        place.rmdir()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def grounds(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> AsyncIterator[Grounds]:
    """Rigs for the faults of this module."""
    made = Grounds(tmp_path_factory.mktemp("campaign"), request)
    yield made
    await made.close()


async def strike(grounds: Grounds, fault: Fault, groups: tuple[str, ...], *, long: bool) -> None:
    rig, number = await grounds.get(fault.ground, groups), TABLE.index(fault)
    try:
        # In short one audit at the end is held against the receipts of all.
        audited = long or fault is SHORT[-1]
        outcome = await run(fault, rig, long=long, seed=number, audited=audited)
    except BaseException:
        await grounds.spoil()
        raise
    keep(outcome)
    assert outcome.broken == []


def named(fault: Fault) -> str:
    return f"{fault.row}-{fault.name.replace(' ', '-')}"


@pytest.mark.campaign
@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", sorted(TABLE, key=lambda fault: fault.ground), ids=named)
async def test_fault(grounds: Grounds, fault: Fault):
    """Nothing acknowledged is lost, nothing leaks or is unlogged, and the service recovers by itself."""
    await strike(grounds, fault, APART, long=True)


@pytest.mark.timeout(300)  # a busy machine starts processes slowly
@pytest.mark.parametrize("fault", SHORT, ids=named)
async def test_fault_in_short(grounds: Grounds, fault: Fault):
    """The same with less of everything, and all planes in one process."""
    await strike(grounds, fault, TOGETHER, long=False)
