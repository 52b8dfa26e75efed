"""The register of recipients: who may receive what, on which terms, and that the office alone says so."""

from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import insert, select

from tests.plugins.world import World
from vault.store.acts import recipient

pytestmark = pytest.mark.asyncio(loop_scope="module")
MAILER: dict[str, Any] = {
    "name": "mailer",
    "title": "Bulk Mail Private Limited",
    "kind": "provider",
    "country": "IN",
    "classes": ["contact"],
    "undertaking": "Data processing agreement of 2 May 2026",
    "expires": "2099-03-31",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def registry(service: World) -> World:
    """A world with somebody who keeps the register."""
    await service.hire("registrar", ["recipients"])
    return service


async def put(world: World, *items: dict[str, Any], who: str = "registrar") -> Any:
    return await world.post("/v1/recipients", {"items": list(items)}, who=who)


async def listed(world: World) -> dict[str, dict[str, Any]]:
    answer = await world.client.get("/v1/recipients", headers=await world.bearer("registrar"))
    assert answer.status_code == 200, answer.text
    return {one["name"]: one for one in answer.json()["recipients"]}


async def test_a_new_version_counts_and_the_old_one_stays(registry: World):
    """A recipient is changed by another version of it; both are on record with who wrote them."""
    first = await put(registry, MAILER)
    assert first.status_code == 200, first.text
    assert (first.json()["items"][0]["version"], first.json()["items"][0]["proven"]) == (1, True)
    await put(registry, MAILER | {"classes": ["contact", "identity"], "ended": True})
    now = (await listed(registry))["mailer"]
    assert (now["version"], now["classes"], now["ended"]) == (2, ["contact", "identity"], True)
    async with registry.owner.connect() as connection:
        kept = await connection.execute(select(recipient.c.number).where(recipient.c.name == "mailer"))
        assert sorted(row[0] for row in kept) == [1, 2]
    event = (await registry.events(verb="recipients"))[0]
    assert (event["recipient"], event["number"], event["person"]) == ("mailer", 2, "Person registrar")


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Mailer"},
        {"name": "9876543210"},
        {"title": "Asha Rao, 98765 43210"},
        {"undertaking": "asha@example.com"},
        {"safeguard": "ABCPE1234F"},
        {"country": "UK"},
        {"classes": ["money"]},
        {"title": ""},
    ],
)
async def test_a_slip_in_a_recipient_is_refused(registry: World, change: dict[str, Any]):
    """No such country or class, and nothing in the register that looks like personal data."""
    refused = await put(registry, MAILER | {"name": "slip"} | change)
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_recipient")
    assert not [said for said in change.values() if len(said) > 5 and str(said) in refused.text]
    assert "slip" not in await listed(registry)


async def test_all_recipients_of_a_request_are_written_or_none(registry: World):
    """One slip keeps the others out too, and no name stands twice."""
    good, bad = MAILER | {"name": "good"}, MAILER | {"name": "bad", "country": "XX"}
    assert (await put(registry, good, bad)).json()["code"] == "bad_recipient"
    assert (await put(registry, good, good)).json()["code"] == "bad_recipient"
    assert "good" not in await listed(registry)


async def test_a_row_that_the_log_does_not_bear_out_is_no_recipient(registry: World):
    """The database's owner writes a wider version of a recipient: it is named as unproven, and not shown."""
    await put(registry, MAILER | {"name": "courier"})
    async with registry.owner.begin() as connection:
        query = select(recipient).where(recipient.c.name == "courier")
        row = dict((await connection.execute(query)).mappings().one())
        wider = row["document"].replace(b'"contact"', b'"contact","payment"')
        await connection.execute(insert(recipient), row | {"number": 2, "document": wider})
    assert (await listed(registry))["courier"] == {"name": "courier", "version": 2, "proven": False}


async def test_only_who_may_keeps_the_register(registry: World):
    """Without the grant nothing is written but the attempt, and nothing is answered."""
    refused = await put(registry, MAILER | {"name": "other"}, who="office")
    assert (refused.status_code, refused.json()["code"]) == (403, "no_grant")
    asked = await registry.post("/v1/disclosures/query", {"subject": "cust-1"}, who="office")
    assert (asked.status_code, asked.json()["code"]) == (403, "no_grant")
    denied = (await registry.events(verb="recipients"))[0]
    assert (denied["decision"], denied["actor"]) == ("deny", "acme.office")
    assert "other" not in await listed(registry)
