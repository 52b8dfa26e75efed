"""Idempotency keys over HTTP: the same request twice is one request."""

import asyncio

import pytest
from sqlalchemy import func, select

from tests.plugins.world import World
from vault.store.schema import idempotency, record

pytestmark = pytest.mark.asyncio(loop_scope="module")
ITEMS = [("person_name", "Asha Rao"), ("email", "asha@example.com")]


async def count(service: World, table) -> int:
    async with service.owner.connect() as connection:
        return await connection.scalar(select(func.count()).select_from(table))


async def test_the_same_key_brings_the_same_answer(service: World):
    """Same key and body: the same tokens, receipts and masks, and no second record."""
    first = await service.tokenize(ITEMS, key="signup-1")
    before = await count(service, record)
    again = await service.tokenize(ITEMS, key="signup-1")
    assert again.content == first.content
    assert await count(service, record) == before


async def test_the_order_of_members_does_not_matter(service: World):
    """A client that writes the same JSON in another order is the same client."""
    body = {"subject": "cust-1", "items": [{"type": "person_name", "value": "Asha Rao"}]}
    turned = {"items": [{"value": "Asha Rao", "type": "person_name"}], "subject": "cust-1"}
    first = await service.post("/v1/tokenize", body, who="signup", key="order-1")
    again = await service.post("/v1/tokenize", turned, who="signup", key="order-1")
    assert first.status_code == 200
    assert again.json() == first.json()


async def test_the_same_key_with_another_body_is_refused(service: World):
    """422, and nothing is stored."""
    await service.tokenize(ITEMS, key="other-1")
    before = await count(service, record)
    other = await service.tokenize(ITEMS[:1], key="other-1")
    assert other.status_code == 422
    assert other.json()["code"] == "idempotency_key_reused"
    assert await count(service, record) == before


async def test_a_key_belongs_to_its_credential(service: World):
    """The same key from another tenant, or another credential, is another key."""
    await service.hire("signup2", ["tokenize"])
    answers = [
        await service.tokenize(ITEMS, key="mine-1", who=who, tenant=tenant)
        for who, tenant in (("signup", "acme"), ("signup2", "acme"), ("signup", "globex"))
    ]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert len({answer.json()["items"][0]["token"] for answer in answers}) == 3


async def test_one_key_many_times_at_once_makes_one_record(service: World):
    """Twenty at the same time, on two workers, get the same tokens; one record is made for each item."""
    other = await service.worker(["ingest"])
    headers = await service.bearer("signup") | {"idempotency-key": "race-1"}
    body = {"subject": "cust-race", "items": [{"type": "person_name", "value": "Asha Rao"}]}
    clients = [service.client, other] * 10
    answers = await asyncio.gather(*(c.post("/v1/tokenize", json=body, headers=headers) for c in clients))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["items"][0]["token"] for answer in answers}) == 1
    async with service.owner.connect() as connection:
        mine = select(func.count()).where(record.c.subject == "cust-race")
        assert await connection.scalar(mine) == 1


async def test_a_failed_request_does_not_use_its_key_up(service: World):
    """After a 422 the same key may carry the corrected body."""
    bad = await service.tokenize([("email", "not an address")], key="fixed-1")
    assert bad.status_code == 422
    good = await service.tokenize([("email", "asha@example.com")], key="fixed-1")
    assert good.status_code == 200


async def test_crossing_keys_do_not_deadlock(service: World):
    """Many keys on two workers in opposite orders all get their answers."""
    other = await service.worker(["ingest"])
    headers = await service.bearer("signup")
    body = {"subject": "cust-9", "items": [{"type": "person_name", "value": "Asha Rao"}]}
    keys = [f"cross-{n}" for n in range(40)]

    async def ask(client, key):
        return await client.post("/v1/tokenize", json=body, headers=headers | {"idempotency-key": key})

    there = asyncio.gather(*(ask(service.client, key) for key in keys))
    back = asyncio.gather(*(ask(other, key) for key in reversed(keys)))
    answers = dict(zip(keys, await there, strict=True))
    for key, answer in zip(reversed(keys), await back, strict=True):
        assert answer.status_code == 200
        assert answer.json() == answers[key].json()


async def test_no_value_and_no_mask_is_kept_with_a_key(service: World):
    """What an idempotency key brings back is kept as tokens and receipts alone."""
    made = await service.tokenize([("email", "asha.secret@example.com")], key="kept-1")
    masked = made.json()["items"][0]["masked"]
    async with service.owner.connect() as connection:
        kept = b"".join((await connection.scalars(select(idempotency.c.answer))).all())
    assert made.json()["items"][0]["token"].encode() in kept
    assert b"asha.secret" not in kept
    assert str(masked).encode() not in kept


@pytest.mark.parametrize("key", ["", "x" * 65, "white space", "ключ".encode(), 'quo"te'])
async def test_a_key_of_another_shape_is_refused(service: World, key):
    """1 to 64 of a strict alphabet, or 400."""
    refused = await service.tokenize(ITEMS, key=key)
    assert refused.status_code == 400
    assert refused.json()["code"] == "invalid_idempotency_key"
