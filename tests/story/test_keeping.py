"""What the law keeps is archived, what nothing keeps goes, what somebody holds stays: the shipped rules."""

from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import update

from tests.plugins.world import World
from vault.retention import load
from vault.store.acts import erasure_notice, record_state
from vault.store.schema import record

pytestmark = pytest.mark.asyncio(loop_scope="module")
MONTH = timedelta(days=31)
BANK = {"number": "123456789012", "ifsc": "HDFC0000123", "holder": "Asha Traders"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keeping(service: World) -> World:
    """A world under the Indian profile as shipped, with an officer who runs retention."""
    await service.keep(Path(load.__file__).with_name("in.toml").read_text("utf-8"))
    await service.hire("keeper", ["holds", "retention", "subjects"])
    await service.hire("eraser", ["erase"])
    await service.hire("payer", ["detokenize:payment"])
    return service


_numbers = count(1)


@pytest.fixture
def subject() -> str:
    return f"kept-{next(_numbers)}"


async def sealed(world: World, subject: str, field_type: str, value: Any, *, ago: timedelta) -> str:
    """A token whose value was collected some time ago."""
    made = await world.tokenize([(field_type, value)], subject=subject)
    token = str(made.json()["items"][0]["token"])
    then = int((datetime.now(UTC) - ago).timestamp() * 1_000_000)
    async with world.owner.begin() as connection:
        await connection.execute(update(record).where(record.c.token == token).values(created_at=then))
    world.journal.values.pop(token, None)
    return token


async def invoiced(world: World, subject: str, day: str) -> None:
    body = {"items": [{"subject": subject, "fact": "invoiced", "on": day}]}
    answer = await world.post("/v1/subjects", body, who="keeper")
    assert answer.status_code == 200, answer.text


async def explained(world: World, token: str) -> dict[str, Any]:
    answer = await world.post("/v1/retention/explain", {"tokens": [token]}, who="keeper")
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["items"][0])


async def run(world: World, **more: Any) -> dict[str, dict[str, Any]]:
    """A whole run; what becomes of each token that something becomes of."""
    fated: dict[str, dict[str, Any]] = {}
    cursor = None
    while True:
        body = {"run": "retention-2026-11", "limit": 7, "cursor": cursor} | more
        answer = await world.post("/v1/retention/run", body, who="keeper")
        assert answer.status_code == 200, answer.text
        fated |= {one["token"]: one for one in answer.json()["items"]}
        cursor = answer.json()["next"]
        if cursor is None:
            return fated


async def erase(world: World, token: str) -> Any:
    return await world.post("/v1/erase", {"tokens": [token], "reason": "case-9"}, who="eraser")


async def opened(world: World, token: str) -> tuple[int, str | None]:
    answer = await world.detokenize([token], who="payer")
    return answer.status_code, answer.json().get("code")


async def test_what_the_law_still_needs_is_archived_instead(keeping: World, subject: str):
    """Erasing a fresh value archives it for the year the rules ask for; the answer says until when."""
    token = await sealed(keeping, subject, "email", "asha@example.com", ago=timedelta())
    done = await erase(keeping, token)
    assert done.status_code == 200, done.text
    item = done.json()["items"][0]
    assert (item["state"], item["law"]) == ("archived", "DPDP Rules 2025 r. 8(3)")
    assert item["until"] > datetime.now(UTC).date().isoformat()
    assert await opened(keeping, token) == (403, "record_archived")
    again = (await erase(keeping, token)).json()["items"][0]
    assert (again["state"], again["until"]) == ("archived", item["until"])
    events = await keeping.events(token=token, verb="erase")
    assert [one["outcome"] for one in events] == ["archived", "archived"]
    assert events[0]["until"] == item["until"]


async def test_an_abandoned_sign_up_goes_and_an_invoiced_customer_is_archived(keeping: World, subject: str):
    """An e-mail of fourteen months ago is shredded by the run; bank account and PAN stay for their books."""
    email = await sealed(keeping, subject, "email", "asha@example.com", ago=14 * MONTH)
    customer = f"{subject}-paid"
    bank = await sealed(keeping, customer, "bank_account", BANK, ago=14 * MONTH)
    pan = await sealed(keeping, customer, "pan", "ABCPE1234F", ago=14 * MONTH)
    await invoiced(keeping, customer, "2025-06-30")

    told = await explained(keeping, email)
    assert (told["may_erase"], told["must_erase"]) == (True, True)
    told = await explained(keeping, bank)
    assert (told["may_erase"], told["keep_until"]) == (False, "2034-03-31")
    assert any("Companies Act" in clock["explanation"] for clock in told["clocks"])

    dry = await run(keeping)
    assert dry[email]["fate"] == "erase"
    assert not {bank, pan} & set(dry)
    assert (await explained(keeping, email))["state"] == "active"

    await run(keeping, apply=True)
    assert await opened(keeping, email) == (410, "erased")
    assert email not in await run(keeping, apply=True)
    asked = [(await erase(keeping, token)).json()["items"][0] for token in (bank, pan)]
    assert [(one["state"], one["until"]) for one in asked] == [("archived", "2034-03-31")] * 2
    assert (await explained(keeping, bank))["state"] == "archived"


async def test_an_archived_value_goes_when_its_date_is_over(keeping: World, subject: str):
    """The run shreds it by itself, on the day after the law lets go and the day that was told is over."""
    token = await sealed(keeping, subject, "email", "asha@example.com", ago=timedelta())
    await erase(keeping, token)
    assert token not in await run(keeping, apply=True)
    then = int((datetime.now(UTC) - 14 * MONTH).timestamp() * 1_000_000)
    async with keeping.owner.begin() as connection:
        await connection.execute(update(record).where(record.c.token == token).values(created_at=then))
    assert token not in await run(keeping, apply=True)
    over = (datetime.now(UTC) - MONTH).date().isoformat()
    async with keeping.owner.begin() as connection:
        await connection.execute(update(record_state).where(record_state.c.token == token).values(until=over))
    assert (await run(keeping, apply=True))[token]["fate"] == "erase"
    assert await opened(keeping, token) == (410, "erased")


async def test_a_hold_stops_erasing_and_the_end_of_archiving(keeping: World, subject: str):
    """Under a hold neither the office nor a run erases; once it is lifted both may."""
    token = await sealed(keeping, subject, "email", "asha@example.com", ago=14 * MONTH)
    placed = await keeping.post(
        "/v1/holds",
        {"items": [{"subject": subject, "reason": "Suit pending", "reference": "suit-7"}]},
        who="keeper",
    )
    assert placed.status_code in (200, 201), placed.text
    refused = await erase(keeping, token)
    assert (refused.status_code, refused.json()["code"]) == (409, "on_hold")
    assert (await run(keeping, apply=True))[token]["fate"] == "held"
    told = await explained(keeping, token)
    assert told["holds"][0]["reference"] == "suit-7"
    assert "hold" in told["summary"]
    hold = placed.json()["items"][0]["hold"]
    lifted = await keeping.post(f"/v1/holds/{hold}/lift", {"reason": "Suit settled"}, who="keeper")
    assert lifted.status_code == 200, lifted.text
    assert (await run(keeping, apply=True))[token]["fate"] == "erase"


async def test_erasing_is_announced_first_where_that_is_asked_for(keeping: World, subject: str):
    """Announced 48 hours before; a sign of life meanwhile keeps the value; a ripe announcement ends it."""
    token = await sealed(keeping, subject, "email", "asha@example.com", ago=14 * MONTH)
    other = f"{subject}-alive"
    alive = await sealed(keeping, other, "email", "asha@example.com", ago=14 * MONTH)
    first = await run(keeping, apply=True, announce_hours=48)
    assert (first[token]["fate"], first[alive]["fate"]) == ("announce", "announce")
    assert (await run(keeping, apply=True, announce_hours=48))[token]["fate"] == "wait"
    back = {"items": [{"subject": other, "fact": "active"}]}
    assert (await keeping.post("/v1/subjects", back, who="keeper")).status_code == 200
    async with keeping.owner.begin() as connection:
        now = int(datetime.now(UTC).timestamp() * 1_000_000)
        await connection.execute(update(erasure_notice).values(erase_after=now))
    last = await run(keeping, apply=True, announce_hours=48)
    assert last[token]["fate"] == "erase"
    assert alive not in last
    assert (await opened(keeping, alive))[0] == 200
    assert await opened(keeping, token) == (410, "erased")


async def test_a_restricted_record_opens_for_no_purpose_until_it_is_lifted(keeping: World, subject: str):
    """Restricting and lifting are on record and in force at once; doing either twice is refused."""
    token = await sealed(keeping, subject, "pan", "ABCPE1234F", ago=timedelta())

    async def put(act: str) -> Any:
        body = {"tokens": [token], "act": act, "reason": "case-3"}
        return await keeping.post("/v1/records/state", body, who="keeper")

    assert (await put("restrict")).json()["items"][0]["state"] == "restricted"
    assert await opened(keeping, token) == (403, "record_restricted")
    assert (await put("restrict")).json()["code"] == "state_forbids"
    assert (await put("lift")).json()["items"][0]["state"] == "active"
    assert (await opened(keeping, token))[0] == 200
    newest = (await keeping.events(token=token, verb="retention"))[0]
    assert newest["action"] == "lift"


async def test_only_who_may_runs_retention(keeping: World):
    """Without the grant nothing is judged, and the attempt is on record."""
    refused = await keeping.post("/v1/retention/run", {"run": "x", "apply": True}, who="eraser")
    assert (refused.status_code, refused.json()["code"]) == (403, "no_grant")
    denied = (await keeping.events(verb="retention", decision="deny"))[0]
    assert denied["actor"] == "acme.eraser"
