"""Erasing: a saga over two databases that goes forward only, whatever is down meanwhile."""

import asyncio

import pytest
from sqlalchemy import func, select, text

from keys.keystore import dek
from tests.plugins.world import World
from vault.store.schema import record, tombstone

pytestmark = pytest.mark.asyncio(loop_scope="module")

ITEMS = [("person_name", "Asha Rao"), ("email", "asha@example.com"), ("pan", "ABCPE1234F")]


async def keys_left(service: World, tokens: list[str]) -> int:
    """How many of the erased tokens' keys the keystore still has."""
    async with service.owner.connect() as connection:
        ids = (
            await connection.scalars(select(tombstone.c.dek_id).where(tombstone.c.token.in_(tokens)))
        ).all()
    async with service.keystore_owner.connect() as connection:
        return await connection.scalar(select(func.count()).select_from(dek).where(dek.c.dek_id.in_(ids)))


async def test_an_interrupted_erase_is_finished_later(service: World):
    """With the keystore away the value is gone at once and its key as soon as the keystore is back."""
    tokens = [item["token"] for item in (await service.tokenize(ITEMS)).json()["items"]]
    first, second, _ = tokens
    async with service.keystore_owner.begin() as connection:
        await connection.execute(text("ALTER TABLE dek RENAME TO dek_away"))
    assert (await service.erase([first])).status_code == 200
    assert (await service.detokenize([first], mode="each")).status_code in (200, 503)
    async with service.keystore_owner.begin() as connection:
        await connection.execute(text("ALTER TABLE dek_away RENAME TO dek"))
    assert await keys_left(service, [first]) == 1
    assert (await service.detokenize([first])).status_code == 410

    assert (await service.erase([second])).status_code == 200
    assert await keys_left(service, [first, second]) == 0
    await service.recheck()


async def test_a_restarted_worker_takes_up_what_was_left(service: World):
    """Starting the office plane finishes every erase that an end of the process interrupted."""
    token = (await service.tokenize(ITEMS)).json()["items"][0]["token"]
    async with service.keystore_owner.begin() as connection:
        await connection.execute(text("ALTER TABLE dek RENAME TO dek_away"))
    await service.erase([token])
    async with service.keystore_owner.begin() as connection:
        await connection.execute(text("ALTER TABLE dek_away RENAME TO dek"))
    assert await keys_left(service, [token]) == 1
    await service.worker(["office"])
    assert await keys_left(service, [token]) == 0
    async with service.owner.connect() as connection:
        done = select(tombstone.c.key_destroyed_at).where(tombstone.c.token == token)
        assert await connection.scalar(done) is not None
    await service.recheck()


async def test_erasing_twice_and_at_once_is_erasing_once(service: World):
    """Every caller is told the same moment; one tombstone remains, and the record with its key is gone."""
    tokens = [item["token"] for item in (await service.tokenize(ITEMS)).json()["items"]]
    other = await service.worker(["office"])
    headers = await service.bearer("office")
    body = {"tokens": tokens[:2], "reason": "case-7"}
    clients = [service.client, other] * 4
    answers = await asyncio.gather(*(c.post("/v1/erase", json=body, headers=headers) for c in clients))
    again = await service.erase(tokens[:2])
    assert {answer.status_code for answer in (*answers, again)} == {200}
    moments = {item["erased"] for answer in (*answers, again) for item in answer.json()["items"]}
    assert len(moments) <= 2
    async with service.owner.connect() as connection:
        left = select(func.count()).select_from(record).where(record.c.token.in_(tokens[:2]))
        assert await connection.scalar(left) == 0
    assert await keys_left(service, tokens[:2]) == 0
    for token in tokens[:2]:
        service.journal.values.pop(token, None)
    await service.recheck()


async def test_one_unknown_token_stops_an_erase_of_all(service: World):
    """In mode `all` nothing is erased; in mode `each` what can be is."""
    token = (await service.tokenize(ITEMS[:1])).json()["items"][0]["token"]
    unknown = (await service.tokenize(ITEMS[:1], tenant="globex")).json()["items"][0]["token"]
    refused = await service.erase([token, unknown])
    assert refused.status_code == 404
    assert (await service.detokenize([token])).status_code == 200
    done = (await service.erase([token, unknown], mode="each")).json()["items"]
    assert done[0]["state"] == "shredded"
    assert done[1]["problem"]["code"] == "token_not_found"
    await service.recheck()
