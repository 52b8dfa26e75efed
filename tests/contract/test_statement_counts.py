"""How many statements a list costs, counted where they arrive: the same for one value as for many."""

import re
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from tests.plugins.postgres import Postgres
from tests.plugins.service import Founder
from tests.plugins.shards import sent
from tests.plugins.world import World

MANY = 300
_TABLE = re.compile(r"(?:FROM|INTO|UPDATE|JOIN) (\w+)")
_HOT = {"record", "event", "signed_list", "tombstone", "dek"}
_POOL = re.compile(r"INSERT INTO dek")


async def counted(world: World, postgres: Postgres, does: Callable[[], Awaitable[Any]]) -> Counter[str]:
    """What `does` sent to the hot tables, by database and first word.

    Refilling the pool and looking at the registers goes on beside it and is not counted.
    """
    since, found = postgres.log.stat().st_size, Counter[str]()
    await does()
    for kind, url in (("data", world.databases.data_url), ("keystore", world.databases.keystore_url)):
        for one in sent(postgres.log, since, str(make_url(url).database)):
            if _HOT & set(_TABLE.findall(one.text)) and not _POOL.search(one.text):
                found[f"{kind} {one.text.split()[0].upper()}"] += 1
    return found


@pytest.mark.asyncio
async def test_a_list_costs_the_same_statements_whatever_its_length(found_world: Founder, postgres: Postgres):
    """Tokenizing writes once. Opening loads, fetches keys, writes once, and looks again."""
    world = await found_world("postgresql")
    tokens = await world.seal(MANY)
    await world.detokenize(tokens[:1])  # what is read once and kept is read now
    for count in (1, MANY):
        sealing = await counted(world, postgres, lambda count=count: world.seal(count))
        assert sealing == {"data WITH": 1}, count
        opening = await counted(world, postgres, lambda count=count: world.detokenize(tokens[:count]))
        assert opening == {"data SELECT": 2, "keystore SELECT": 1, "data WITH": 1}, count
