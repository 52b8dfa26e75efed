"""A log to break, once on each database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.fakes.log_world import LogWorld, log_world
from tests.plugins.service import KINDS, Databank


@pytest_asyncio.fixture(params=KINDS)
async def logged(
    request: pytest.FixtureRequest, databank: Databank, tmp_path: Path
) -> AsyncIterator[LogWorld]:
    """Fresh databases, workers and sequencers, and nothing sequenced yet."""
    async with log_world(await databank(request.param), tmp_path) as made:
        yield made
