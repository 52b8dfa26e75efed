"""Search by value: off as shipped, by equality alone once the policy opens it."""

import asyncio

import pytest

from tests.plugins.world import World
from vault.policy.load import DEFAULT

pytestmark = pytest.mark.asyncio(loop_scope="module")
OPENED = DEFAULT.read_text().replace("searchable = []", 'searchable = ["pan"]')


async def find(service: World, value: str, *, who: str = "payments", tenant: str = "acme"):
    return await service.post("/v1/search", {"type": "pan", "value": value}, who=who, tenant=tenant)


async def test_search_is_closed_until_the_policy_opens_it(service: World):
    """As shipped no type is searchable; from the moment the policy says so, new values are found."""
    before = (await service.tokenize([("pan", "ABCPE1234F")])).json()["items"][0]["token"]
    closed = await find(service, "ABCPE1234F")
    assert (closed.status_code, closed.json()["code"]) == (403, "policy_denied")

    for tenant in ("acme", "globex"):
        applied = await service.ordered("/v1/policy/apply", {"toml": OPENED}, tenant=tenant)
        assert applied.status_code == 200, applied.text
    await asyncio.sleep(1)  # by when every worker has seen it
    made = await service.tokenize([("pan", "ABCPE1234F"), ("pan", "ABCPE1234F"), ("pan", "XYZPE1234K")])
    tokens = [item["token"] for item in made.json()["items"]]
    await service.tokenize([("pan", "ABCPE1234F")], tenant="globex")

    found = await find(service, " abcpe1234f ")
    assert found.status_code == 200
    assert sorted(found.json()["tokens"]) == sorted(tokens[:2])
    assert before not in found.json()["tokens"]
    assert (await find(service, "AAAPA1111A")).json()["tokens"] == []


async def test_only_who_may_search_searches(service: World):
    """Without the grant the answer is 403; the search of another type stays closed."""
    for who in ("signup", "marketing", "auditor"):
        assert (await find(service, "ABCPE1234F", who=who)).status_code == 403
    other = await service.post("/v1/search", {"type": "email", "value": "a@example.com"}, who="payments")
    assert other.status_code == 403


async def test_a_search_is_on_record_without_the_value(service: World):
    """The event names who searched which type for what purpose, and nothing of the value."""
    await find(service, "ABCPE1234F")
    told = (await service.events(verb="search"))[0]
    assert (told["actor"], told["field_type"], told["purpose"]) == ("acme.payments", "pan", "payment")
    assert "ABCPE1234F" not in str(await service.events())


async def test_what_was_erased_is_not_found(service: World):
    """Erasing takes the index row with it."""
    token = (await service.tokenize([("pan", "ABCPE9999F")])).json()["items"][0]["token"]
    assert (await find(service, "ABCPE9999F")).json()["tokens"] == [token]
    assert (await service.erase([token])).status_code == 200
    assert (await find(service, "ABCPE9999F")).json()["tokens"] == []


async def test_a_value_of_the_wrong_shape_is_not_echoed(service: World):
    """422 by the rule of the type."""
    refused = await find(service, "NOT-A-PAN")
    assert refused.status_code == 422
    assert "NOT-A-PAN" not in refused.text


async def test_what_may_not_be_used_is_not_found(service: World):
    """A value of a closed account is no hit, and one again when the account is reopened."""
    await service.hire("accounts", ["subjects"])
    made = await service.tokenize([("pan", "CCCPC3333C")], subject="cust-closes")
    token = made.json()["items"][0]["token"]

    async def say(fact: str) -> None:
        body = {"items": [{"subject": "cust-closes", "fact": fact}]}
        assert (await service.post("/v1/subjects", body, who="accounts")).status_code == 200

    assert (await find(service, "CCCPC3333C")).json()["tokens"] == [token]
    await say("closed")
    assert (await find(service, "CCCPC3333C")).json()["tokens"] == []
    await say("reopened")
    assert (await find(service, "CCCPC3333C")).json()["tokens"] == [token]
