"""A corrected value: the same token, the old value gone, its row worth nothing to whoever plays it back."""

import asyncio
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import delete, func, insert, select

from keys.keystore import dek
from tests.plugins.world import World
from vault.policy.load import DEFAULT
from vault.store.schema import record, replaced

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(service: World) -> World:
    """A world with somebody who corrects."""
    await service.hire("corrector", ["replace"])
    return service


async def corrected(world: World, token: str, value: Any, *, who: str = "corrector") -> Any:
    body = {"items": [{"token": token, "value": value}], "reason": "case-5"}
    answer = await world.post("/v1/replace", body, who=who)
    if answer.status_code == 200:
        world.journal.values[token] = value
    return answer


async def rows_of(world: World, token: str) -> list[Any]:
    async with world.owner.connect() as connection:
        found = await connection.execute(select(record).where(record.c.token == token))
        return [dict(row) for row in found.mappings()]


async def test_a_token_stands_for_the_new_value_from_the_next_request_on(office: World):
    """The token stays, its version counts on, the old key is destroyed, and the event tells of it."""
    old, new = office.canary(), office.canary()
    token = (await office.tokenize([("person_name", old)])).json()["items"][0]["token"]
    before = await rows_of(office, token)
    done = await corrected(office, token, new)
    assert done.status_code == 200, done.text
    assert done.json()["items"][0]["version"] == 2
    opened = await office.detokenize([token])
    assert opened.json()["items"][0]["value"] == new
    async with office.keystore_owner.connect() as connection:
        left = select(func.count()).select_from(dek).where(dek.c.dek_id == before[0]["dek_id"])
        assert await connection.scalar(left) == 0
    event = (await office.events(token=token, verb="replace"))[0]
    assert (event["version"], event["reference"]) == (2, "case-5")
    await office.recheck()


async def test_an_old_row_played_back_opens_nothing(office: World):
    """A database writer puts the old version's row back: the new value comes out, or none at all."""
    token = (await office.tokenize([("person_name", office.canary())])).json()["items"][0]["token"]
    [old] = await rows_of(office, token)
    new = office.canary()
    await corrected(office, token, new)
    async with office.owner.begin() as connection:
        await connection.execute(insert(record), [old])
    assert (await office.detokenize([token])).json()["items"][0]["value"] == new
    async with office.owner.begin() as connection:
        await connection.execute(delete(record).where(record.c.token == token, record.c.version == 2))
    refused = await office.detokenize([token])
    assert (refused.status_code, refused.json()["code"]) == (409, "record_tampered")
    office.journal.values.pop(token)
    async with office.owner.begin() as connection:
        await connection.execute(delete(record).where(record.c.token == token))


async def test_a_bad_value_changes_nothing(office: World):
    """It is refused with its rule and without itself; the old value still opens."""
    token = (await office.tokenize([("pan", "ABCPE1234F")])).json()["items"][0]["token"]
    refused = await corrected(office, token, "ABCDE1234")
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_value")
    assert "ABCDE1234" not in refused.text
    assert (await office.detokenize([token])).json()["items"][0]["value"] == "ABCPE1234F"


async def test_what_is_erased_takes_no_value(office: World):
    """A tombstone is not written over."""
    token = (await office.tokenize([("pan", "ABCPE1234F")])).json()["items"][0]["token"]
    await office.erase([token])
    refused = await corrected(office, token, "ABCPE1234F")
    assert (refused.status_code, refused.json()["code"]) == (410, "erased")
    office.journal.values.pop(token, None)


async def test_two_corrections_at_once_are_two_versions(office: World):
    """Both are done, one after the other; no version is lost and no key is left behind."""
    token = (await office.tokenize([("person_name", office.canary())])).json()["items"][0]["token"]
    values = [office.canary() for _ in range(2)]
    done = await asyncio.gather(*(corrected(office, token, value) for value in values))
    assert sorted(one.json()["items"][0]["version"] for one in done) == [2, 3]
    last = max(zip(done, values, strict=True), key=lambda one: one[0].json()["items"][0]["version"])[1]
    office.journal.values[token] = last
    assert (await office.detokenize([token])).json()["items"][0]["value"] == last
    async with office.owner.connect() as connection:
        waiting = select(func.count()).select_from(replaced).where(replaced.c.key_destroyed_at.is_(None))
        assert await connection.scalar(waiting) == 0


async def test_only_who_may_corrects(office: World):
    """Neither ingest nor payment may; the attempt is on record and the value as it was."""
    token = (await office.tokenize([("pan", "ABCPE1234F")])).json()["items"][0]["token"]
    refused = await corrected(office, token, "XYZPE1234K", who="office")
    assert (refused.status_code, refused.json()["code"]) == (403, "no_grant")
    denied = (await office.events(token=token, verb="replace"))[0]
    assert (denied["decision"], denied["reason"]) == ("deny", "no_grant")


async def test_a_corrected_value_is_found_and_the_old_one_is_not(office: World):
    """Where a type is searchable the blind index follows the correction."""
    opened = DEFAULT.read_text().replace("searchable = []", 'searchable = ["pan"]')
    await office.ordered("/v1/policy/apply", {"toml": opened})
    await asyncio.sleep(1)  # by when every worker has seen it
    token = (await office.tokenize([("pan", "AAAPA1111A")])).json()["items"][0]["token"]
    await corrected(office, token, "BBBPB2222B")

    async def found(value: str) -> list[str]:
        answer = await office.post("/v1/search", {"type": "pan", "value": value}, who="payments")
        return list(answer.json()["tokens"])

    assert await found("AAAPA1111A") == []
    assert await found("BBBPB2222B") == [token]
