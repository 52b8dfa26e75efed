"""What the benchmarks run on: a PostgreSQL that syncs every commit, an OpenBao, a vault with two tenants."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from keys.devserver import DevServer
from keys.identity import write_identity
from keys.provision import provision_tenant
from tests.plugins.bao import set_up
from tests.plugins.postgres import Postgres, started
from tests.plugins.service import _built, _postgresql, _sqlite
from tests.plugins.world import World


@contextmanager
def postgresql(shared_buffers: str = "512MB") -> Iterator[Postgres]:
    """As in production but for its size: what is committed is on the disk. Statements are not logged."""
    with started(log_statement="none", shared_buffers=shared_buffers, max_wal_size="4GB") as server:
        yield server


@asynccontextmanager
async def vault(
    pool_size: int = 2048, kind: str = "postgresql", shared_buffers: str = "512MB"
) -> AsyncIterator[World]:
    """A vault on both servers, founded and left: databases, settings and secrets are there, nothing runs."""
    with (
        tempfile.TemporaryDirectory(prefix="strongroom-bench-") as folder,
        DevServer(Path(folder) / "bao").start() as bao,
        ExitStack() as stack,
    ):
        made = set_up(bao)
        provision_tenant(bao.admin, "globex", ["pan"])
        identities = Path(folder) / "identities"
        identities.mkdir()
        for name, identity in made.identities.items():
            write_identity(identities / f"{name}.json", identity)
        state = Path(folder) / "sequencer-state"
        if kind == "sqlite":
            databases = await _sqlite(Path(folder))
        else:
            databases = await _postgresql(stack.enter_context(postgresql(shared_buffers)))
        built = _built(databases, identities, bao, pool_size=pool_size, sequencer_state=state)
        async with World(*built, bao) as world:
            pass
        yield world
