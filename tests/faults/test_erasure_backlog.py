"""Erasures that an outage of the keystore left unfinished, more than one statement can name."""

import asyncio

import pytest
from sqlalchemy import Select, func, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from keys.keystore import FOR_EVER, dek
from tests.plugins.service import KINDS, Founder
from vault.store.schema import tombstone

WAITING = 33_000
PAGE = 3_000
"""Above the 32,766 parameters that PostgreSQL takes in one statement."""


@pytest.mark.parametrize("kind", KINDS)
async def test_a_long_backlog_of_erasures_is_worked_off(found_world: Founder, kind: str):
    """The next erase destroys the key of every tombstone that still has one, and no other key."""
    world = await found_world(kind)
    [token] = [item["token"] for item in (await world.tokenize([("pan", "ABCPE1234F")])).json()["items"]]
    buried = [
        {"tenant": "acme", "token": f"tok_{i}", "version": 1, "subject": "cust-1", "field_type": "pan",
         "dek_id": i.to_bytes(16), "created_at": 1, "reason": "case-1"}
        for i in range(1, WAITING + 1)
    ]  # fmt: skip
    keys = [
        {"tenant": "acme", "dek_id": one["dek_id"], "wrapped": "vault:v1:AA==", "kek_version": 1,
         "lease_until": FOR_EVER}
        for one in buried
    ]  # fmt: skip
    left = select(func.count()).select_from(dek).where(dek.c.lease_until == FOR_EVER)
    waiting = select(func.count()).select_from(tombstone).where(tombstone.c.key_destroyed_at.is_(None))
    before = await scalar(world.keystore_owner, left)
    for start in range(0, WAITING, PAGE):  # no statement takes as long as a busy machine would need for all
        async with world.keystore_owner.begin() as connection:
            await connection.execute(insert(dek), keys[start : start + PAGE])
        async with world.owner.begin() as connection:
            await connection.execute(insert(tombstone), buried[start : start + PAGE])
    other = (await world.tokenize([("pan", "ABCPE1234F")])).json()["items"][0]["token"]
    await world.erase([other])  # may be told that its outcome is unknown: the backlog goes first
    async with asyncio.timeout(30):
        while await scalar(world.owner, waiting):
            await asyncio.sleep(0.1)
    assert await scalar(world.keystore_owner, left) == before
    assert (await world.detokenize([token])).status_code == 200


async def scalar(engine: AsyncEngine, query: Select[tuple[int]]) -> int:
    async with engine.connect() as connection:
        return int(await connection.scalar(query) or 0)
