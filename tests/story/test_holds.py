"""What is held is held by a named person with a reason, and is lifted once."""

import asyncio
from itertools import count
from typing import Any

import pytest
import pytest_asyncio

from tests.plugins.world import World
from vault.store.ledger import Ledger

pytestmark = pytest.mark.asyncio(loop_scope="module")
REASON = "The High Court ordered that the account be kept"
_numbers = count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def holding(service: World) -> World:
    """A world with two people of the legal department, and one who may not hold anything."""
    await service.hire("legal", ["holds"], person="Meera Iyer")
    await service.hire("counsel", ["holds"], person="Kabir Sethi")
    return service


@pytest.fixture
def subject() -> str:
    """Somebody nothing is held of yet."""
    return f"held-{next(_numbers)}"


async def sealed(world: World, subject: str, count: int = 1) -> list[str]:
    made = await world.tokenize([("email", "asha@example.com")] * count, subject=subject)
    return [one["token"] for one in made.json()["items"]]


async def place(world: World, subject: str, token: str | None = None, **more: Any) -> Any:
    item = {"subject": subject, "reason": REASON, "reference": "case-118", **more}
    body = {"items": [item | ({"token": token} if token else {})]}
    return await world.post("/v1/holds", body, who="legal")


async def placed(world: World, subject: str, token: str | None = None) -> dict[str, Any]:
    answer = await place(world, subject, token)
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["items"][0])


async def lift(world: World, hold: str, *, who: str = "counsel", reason: str = "Settled") -> Any:
    return await world.post(f"/v1/holds/{hold}/lift", {"reason": reason}, who=who)


async def listed(world: World, **which: Any) -> list[str]:
    answer = await world.post("/v1/holds/query", which, who="legal")
    assert answer.status_code == 200, answer.text
    return [one["hold"] for one in answer.json()["holds"]]


async def test_a_hold_names_who_placed_and_who_lifted_it(holding: World, subject: str):
    """The person answerable for the credential stands in the hold, in its end, and in both events."""
    held = await placed(holding, subject)
    assert (held["person"], held["credential"], held["lifted"]) == ("Meera Iyer", "acme.legal", None)
    lifted = (await lift(holding, held["hold"])).json()
    assert lifted["lifted"] | {"at": ""} == {
        "reason": "Settled", "credential": "acme.counsel", "person": "Kabir Sethi", "at": "",
    }  # fmt: skip
    told = await holding.events(verb="holds", subject=subject, order="oldest")
    assert [(one["person"], one["action"], one["grounds"]) for one in told] == [
        ("Meera Iyer", "place", REASON),
        ("Kabir Sethi", "lift", "Settled"),
    ]
    assert {(one["subject"], one["hold"], one["reference"]) for one in told} == {
        (subject, held["hold"], "case-118")
    }
    receipts = {held["receipt"], lifted["receipt"]}
    assert len(receipts) == 2
    assert all(one.startswith("rcp_") for one in receipts)


async def test_holds_are_found_by_what_they_cover(holding: World, subject: str):
    """By subject all of its holds, by token those on it and on its whole subject; the newest first."""
    first, second = await sealed(holding, subject, 2)
    on_one = (await placed(holding, subject, first))["hold"]
    on_all = (await placed(holding, subject))["hold"]
    assert await listed(holding, subject=subject) == [on_all, on_one]
    assert await listed(holding, token=first) == [on_all, on_one]
    assert await listed(holding, token=second) == [on_all]
    await lift(holding, on_all)
    assert await listed(holding, token=second) == []
    assert await listed(holding, subject=subject, open_only=False) == [on_all, on_one]


async def test_holds_come_in_pages(holding: World, subject: str):
    """One page after the other gives every hold once."""
    made = [(await placed(holding, subject))["hold"] for _ in range(3)]
    found, cursor = [], None
    for _ in range(4):
        body = {"subject": subject, "limit": 1} | ({"cursor": cursor} if cursor else {})
        page = (await holding.post("/v1/holds/query", body, who="legal")).json()
        found += [one["hold"] for one in page["holds"]]
        cursor = page["next"]
    assert found == made[::-1]
    assert cursor is None


async def test_the_engine_asks_for_many_tokens_at_once(holding: World, subject: str):
    """Open holds by token, in one statement; lifted ones and those on others are left out."""
    first, second = await sealed(holding, subject, 2)
    [stranger] = await sealed(holding, f"{subject}-x")
    on_one = (await placed(holding, subject, first))["hold"]
    over = (await placed(holding, subject))["hold"]
    await lift(holding, over)
    pairs = [(subject, first), (subject, second), (f"{subject}-x", stranger)]
    pairs += [(subject, f"tok_{number}") for number in range(997)]
    found = await Ledger(holding.owner).holds.open("acme", pairs)
    assert {token: [one.reason for one in holds] for token, holds in found.items()} == {first: [REASON]}
    assert on_one != over


async def test_lifting_twice_is_refused(holding: World, subject: str):
    """Of two who lift at once one does; whoever comes later is told so, and the end stays as it was."""
    held = (await placed(holding, subject))["hold"]
    answers = await asyncio.gather(lift(holding, held, who="legal"), lift(holding, held))
    assert sorted(one.status_code for one in answers) == [200, 409]
    again = await lift(holding, held, reason="Once more")
    assert (again.status_code, again.json()["code"]) == (409, "hold_lifted")
    told = await holding.events(verb="holds", subject=subject)
    assert len([one for one in told if one["action"] == "lift"]) == 1


@pytest.mark.parametrize("name", ["hld_" + "0" * 26, "hld_x", "evt_" + "0" * 26])
async def test_a_hold_that_is_not_there_is_not_lifted(holding: World, name: str):
    """Unknown and misspelled identifiers get one answer."""
    answer = await lift(holding, name)
    assert (answer.status_code, answer.json()["code"]) == (404, "hold_not_found")


async def test_another_tenants_hold_is_not_there(holding: World, subject: str):
    """Nothing of one tenant is lifted or listed by another."""
    held = (await placed(holding, subject))["hold"]
    await holding.hire("legal", ["holds"], tenant="globex")
    answer = await holding.post(f"/v1/holds/{held}/lift", {"reason": "x"}, who="legal", tenant="globex")
    assert answer.status_code == 404
    query = {"subject": subject, "open_only": False}
    found = await holding.post("/v1/holds/query", query, who="legal", tenant="globex")
    assert found.json()["holds"] == []
    assert await listed(holding, subject=subject) == [held]


async def test_a_hold_on_a_token_names_its_own_subject(holding: World, subject: str):
    """A token that is another's, erased, unknown or none is refused, and nothing of the request is held."""
    [token] = await sealed(holding, subject)
    [gone] = await sealed(holding, subject)
    await holding.erase([gone])
    good = {"subject": subject, "reason": REASON, "reference": "case-118"}
    bad = [
        {**good, "subject": "somebody-else", "token": token},
        {**good, "token": gone},
        {**good, "token": token[:-1] + ("a" if token[-1] != "a" else "b")},
    ]
    answer = await holding.post("/v1/holds", {"items": [good, *bad]}, who="legal")
    assert answer.status_code == 400
    told = [(one["index"], one["code"]) for one in answer.json()["errors"]]
    assert told == [(1, "bad_hold"), (2, "erased"), (3, "malformed_token")]
    assert await listed(holding, subject=subject, open_only=False) == []


@pytest.mark.parametrize(
    "reason", ["", "call 98765 43210", "PAN ABCPE1234F", "asha@example.in says so", "a\nb"]
)
async def test_a_reason_holds_no_personal_data(holding: World, subject: str, reason: str):
    """A reason that looks like a value is refused and repeated nowhere."""
    refused = await place(holding, subject, reason=reason)
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_reason")
    assert not reason or reason not in refused.text
    held = (await placed(holding, subject))["hold"]
    refused = await lift(holding, held, reason=reason)
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_reason")
    assert await listed(holding, subject=subject) == [held]


async def test_only_who_may_holds_and_lifts(holding: World, subject: str):
    """Without the grant nothing is held, lifted or listed, and each attempt is on record."""
    held = (await placed(holding, subject))["hold"]
    before = len(await holding.events(verb="holds", decision="deny"))
    item = {"subject": subject, "reason": REASON, "reference": "case-118"}
    for path, body in (
        ("/v1/holds", {"items": [item]}),
        (f"/v1/holds/{held}/lift", {"reason": "Settled"}),
        ("/v1/holds/query", {"subject": subject}),
    ):
        refused = await holding.post(path, body, who="office")
        assert (refused.status_code, refused.json()["code"]) == (403, "no_grant")
    denied = await holding.events(verb="holds", decision="deny")
    assert [one["action"] for one in denied[: len(denied) - before]] == ["list", "lift", "place"]
    assert {one["person"] for one in denied} == {"Person office"}
    assert await listed(holding, subject=subject, open_only=False) == [held]
