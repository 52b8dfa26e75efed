"""Two hosts on one database, one ended and started again while callers are at work, then the other ended."""

import asyncio
from contextlib import AsyncExitStack

from sqlalchemy import func, select
from strongroom import AsyncStrongroom

from tests.plugins.process import Served
from tests.plugins.rolling import Balanced, Callers, ended
from tests.plugins.waiting import until
from tests.plugins.world import World
from vault.store.schema import record


async def records(world: World) -> int:
    """How many values the database holds of the callers'."""
    mine = select(func.count()).where(record.c.subject.like("cust-%"), record.c.tenant == "acme")
    async with world.owner.connect() as connection:
        return int(await connection.scalar(mine) or 0)


async def test_a_rolling_restart_loses_nothing(found_world, tmp_path):
    """No call fails, every answered token opens to its value, and no key brings a second token.

    An access token from one host is good at the other, and so is an answer that a key brought there.
    """
    world = await found_world("postgresql")
    told = world.environment()
    hosts = [Served(told, tmp_path / f"{n}.log", planes="control,ingest") for n in range(2)]
    balanced = Balanced({hosts[0].port: [host.port for host in hosts]})
    secret = world.secrets["acme.signup"]
    async with AsyncExitStack() as stack:
        await asyncio.gather(*(stack.enter_async_context(host) for host in hosts))
        client = AsyncStrongroom(hosts[0].url, "acme.signup", secret, transport=balanced, attempts=8)
        vault = await stack.enter_async_context(client)
        callers = Callers(vault, None, world.canary, pause=0.05)
        async with callers.running(4):
            await ended(hosts[0])
            await until(lambda: balanced.refused + balanced.broken + balanced.busy > 0)  # a host is missed
            await hosts[0].start()
            await ended(hosts[1])  # the first one, started again, has all the work now
            held = len(callers.values)
            await until(lambda: len(callers.values) > held + 50)
        await callers.ask_again(100)
    assert (callers.wrong, callers.failed) == ([], [])
    assert await records(world) == len(callers.tokens) == len(callers.values)
    world.journal.values |= callers.values
    await world.recheck()
