"""Who writes the database rewrites an event, commitment and all: readers of the log are told, not fooled."""

import orjson
import pytest
from sqlalchemy import select, update

from vault.log.event import canonical, commit_to
from vault.store.schema import event

pytestmark = pytest.mark.parametrize("kind", ["sqlite", "postgresql"])


async def opened(world) -> str:
    """A token, and an event of somebody opening it."""
    (item,) = (await world.tokenize([("pan", "ABCPE1234F")])).json()["items"]
    assert (await world.detokenize([item["token"]])).status_code == 200
    return item["token"]


async def read(world, token: str):
    return await world.post("/v1/events/query", {"token": token}, who="auditor")


async def test_an_event_rewritten_with_its_commitment_is_not_believed(found_world, kind):
    """Body, salt and commitment agree, and no worker signed them: the answer is an alarm, not a lie."""
    world = await found_world(kind)
    token = await opened(world)
    assert (await read(world, token)).status_code == 200
    mine = event.c.token == token, event.c.verb == "detokenize"
    async with world.owner.begin() as connection:
        body = (await connection.execute(select(event.c.body).where(*mine))).scalar_one()
        lie = canonical(orjson.loads(body) | {"actor": "acme.somebody"})
        forged = {"body": lie, "salt": bytes(32), "commitment": commit_to(lie, bytes(32))}
        await connection.execute(update(event).where(*mine).values(forged))
    answer = await read(world, token)
    assert (answer.status_code, answer.json()["code"]) == (500, "event_tampered")
    assert "acme.somebody" not in answer.text


async def test_an_event_filed_under_another_token_is_not_believed(found_world, kind):
    """The columns a query goes by are copies: a row that its own body contradicts is an alarm."""
    world = await found_world(kind)
    mine, other = await opened(world), await opened(world)
    async with world.owner.begin() as connection:
        await connection.execute(update(event).where(event.c.token == mine).values(token=other))
    answer = await read(world, other)
    assert (answer.status_code, answer.json()["code"]) == (500, "event_tampered")
