"""Facts about subjects: a closed account stops every purpose at once, and may be reopened until erasure."""

import asyncio
from datetime import date, timedelta
from itertools import count
from typing import Any

import pytest
import pytest_asyncio

from tests.plugins.world import World
from vault.store.ledger import Ledger
from vault.store.subjects import Facts

pytestmark = pytest.mark.asyncio(loop_scope="module")
LONG_AGO = "2025-03-31"
_numbers = count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def known(service: World) -> World:
    """A world with somebody who keeps facts about subjects, and somebody who holds."""
    await service.hire("accounts", ["subjects"], person="Nila Raman")
    await service.hire("legal", ["holds"], person="Meera Iyer")
    return service


@pytest.fixture
def subject() -> str:
    """Somebody nothing is known of yet."""
    return f"known-{next(_numbers)}"


async def tell(world: World, *facts: dict[str, Any], who: str = "accounts") -> Any:
    return await world.post("/v1/subjects", {"items": list(facts)}, who=who)


async def told(world: World, subject: str, fact: str, **more: Any) -> dict[str, Any]:
    answer = await tell(world, {"subject": subject, "fact": fact, **more})
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["items"][0])


async def look(world: World, *subjects: str, **more: Any) -> dict[str, Any]:
    answer = await world.post("/v1/subjects/query", {"subjects": list(subjects), **more}, who="accounts")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def sealed(world: World, subject: str, count: int = 1) -> list[str]:
    made = await world.tokenize([("email", "asha@example.com")] * count, subject=subject)
    return [one["token"] for one in made.json()["items"]]


async def account(world: World, subject: str) -> tuple[str, str | None]:
    [one] = (await look(world, subject))["subjects"]
    return one["account"], one["since"]


async def test_a_closed_account_opens_nothing_until_it_is_reopened(known: World, subject: str):
    """From the next request on every purpose is refused, and served again after reopening."""
    [token] = await sealed(known, subject)
    assert (await known.detokenize([token])).status_code == 200
    await told(known, subject, "closed")
    refused = await known.detokenize([token])
    assert (refused.status_code, refused.json()["code"]) == (403, "account_closed")
    assert "asha" not in refused.text
    denied = (await known.events(verb="detokenize", subject=subject))[0]
    assert (denied["decision"], denied["reason"]) == ("deny", "account_closed")
    await told(known, subject, "reopened")
    assert (await known.detokenize([token])).status_code == 200


async def test_every_fact_is_an_event_with_its_person(known: World, subject: str):
    """Person, subject, fact, day and reference stand in the log, one event for each fact."""
    done = await told(known, subject, "closed", on=LONG_AGO, reference="ticket-311")
    await told(known, subject, "active", on="2025-01-02")
    found = await known.events(verb="subjects", subject=subject, order="oldest")
    assert [(one["fact"], one["on"], one.get("reference")) for one in found] == [
        ("closed", LONG_AGO, "ticket-311"),
        ("active", "2025-01-02", None),
    ]
    assert {(one["person"], one["actor"], one["decision"]) for one in found} == {
        ("Nila Raman", "acme.accounts", "allow")
    }
    assert done["receipt"].startswith("rcp_")


async def test_of_two_closings_at_once_one_wins(known: World, subject: str):
    """The other is told that the account is closed already, and only one fact is kept."""
    fact = {"subject": subject, "fact": "closed"}
    answers = await asyncio.gather(*(tell(known, fact) for _ in range(2)))
    assert sorted(one.status_code for one in answers) == [200, 409]
    [loser] = [one.json() for one in answers if one.status_code == 409]
    assert loser["code"] == "account_already"
    assert len(await known.events(verb="subjects", subject=subject)) == 1


async def test_facts_at_once_that_do_not_exclude_each_other_are_all_kept(known: World, subject: str):
    """Invoices of one subject that arrive together are numbered one after the other."""
    facts = [{"subject": subject, "fact": "invoiced", "on": f"2025-01-0{day}"} for day in (1, 2)]
    answers = await asyncio.gather(*(tell(known, fact) for fact in facts))
    assert [one.status_code for one in answers] == [200, 200]
    assert (await look(known, subject))["subjects"][0]["invoiced"] == "2025-01-02"


async def test_nothing_is_closed_or_reopened_twice(known: World, subject: str):
    """An account that is so already is refused by its place, and nothing of the request is kept."""
    fresh = await tell(known, {"subject": subject, "fact": "reopened"})
    assert (fresh.status_code, fresh.json()["code"]) == (409, "account_already")
    closed = {"subject": subject, "fact": "closed", "on": LONG_AGO}
    twice = await tell(known, closed, closed)
    assert [(one["index"], one["code"]) for one in twice.json()["errors"]] == [(1, "account_already")]
    assert await account(known, subject) == ("open", None)
    both = await tell(known, closed, {"subject": subject, "fact": "reopened", "on": "2025-04-01"})
    assert both.status_code == 200
    assert await account(known, subject) == ("open", "2025-04-01")


@pytest.mark.parametrize("fact", ["closed", "invoiced", "active"])
async def test_a_fact_of_a_day_to_come_is_refused(known: World, subject: str, fact: str):
    """A clock that starts in the future would keep a value for longer than the law lets it."""
    later = (date.today() + timedelta(days=2)).isoformat()  # noqa: DTZ011  # two days are later in any zone
    refused = await tell(known, {"subject": subject, "fact": fact, "on": later})
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_fact")
    assert (await look(known, subject))["subjects"][0]["since"] is None


@pytest.mark.parametrize("day", ["31-03-2025", "2025-02-30", "20250331", "2025-W14-1", "today", ""])
async def test_a_day_has_one_spelling(known: World, subject: str, day: str):
    """Anything but YYYY-MM-DD is refused."""
    refused = await tell(known, {"subject": subject, "fact": "invoiced", "on": day})
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_time")


async def test_what_is_known_comes_without_values(known: World, subject: str):
    """Account, last invoice, last sign of life, open holds, and the live records with their states."""
    first, gone = await sealed(known, subject, 2)
    await known.erase([gone])
    for day in ("2024-11-01", LONG_AGO, "2024-12-01"):
        await told(known, subject, "invoiced", on=day)
    await told(known, subject, "active", on="2025-06-01")
    await told(known, subject, "closed", on="2025-07-01")
    item = {"subject": subject, "reason": "Tax audit", "reference": "case-1"}
    for _ in range(2):
        held = await known.post("/v1/holds", {"items": [item]}, who="legal")
    hold = held.json()["items"][0]["hold"]
    await known.post(f"/v1/holds/{hold}/lift", {"reason": "Over"}, who="legal")
    [one] = (await look(known, subject))["subjects"]
    [record] = one.pop("records")
    assert one == {
        "subject": subject, "account": "closed", "since": "2025-07-01", "invoiced": LONG_AGO,
        "active": "2025-06-01", "open_holds": 1,
    }  # fmt: skip
    assert (record["token"], record["type"], record["state"]) == (first, "email", "restricted")
    assert set(record) == {"token", "type", "state", "created"}


async def test_the_records_of_many_come_in_pages(known: World, subject: str):
    """One page after the other gives every record of every subject once, and nobody else's."""
    names = [f"{subject}-{letter}" for letter in "abc"]
    made = {name: await sealed(known, name, 2) for name in names}
    await sealed(known, f"{subject}-stranger")
    found: dict[str, list[str]] = {name: [] for name in names}
    cursor = None
    for _ in range(7):
        page = await look(known, *names, limit=1, **({"cursor": cursor} if cursor else {}))
        assert [one["subject"] for one in page["subjects"]] == names
        for one in page["subjects"]:
            found[one["subject"]] += [record["token"] for record in one["records"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert cursor is None
    assert found == {name: sorted(tokens) for name, tokens in made.items()}


async def test_looking_is_on_record_for_each_subject(known: World, subject: str):
    """Who looked at whom can be asked by subject."""
    await look(known, subject, f"{subject}-b")
    for name in (subject, f"{subject}-b"):
        [event] = await known.events(verb="subjects", subject=name)
        assert (event["action"], event["person"]) == ("query", "Nila Raman")


async def test_the_engine_asks_for_many_subjects_at_once(known: World, subject: str):
    """The facts that clocks count from, in one statement; a reopened account has not ended."""
    names = [f"{subject}-{number}" for number in range(1000)]
    await told(known, names[0], "closed", on="2025-07-01")
    await told(known, names[1], "closed", on="2025-07-01")
    await told(known, names[1], "reopened", on="2025-08-01")
    await told(known, names[2], "invoiced", on="2024-01-31")
    await told(known, names[2], "invoiced", on="2024-01-01")
    await told(known, names[3], "active", on="2024-05-05")
    found = await Ledger(known.owner).subjects.facts("acme", names)
    assert set(found) == set(names[:4])
    assert [found[name].ended for name in names[:4]] == [date(2025, 7, 1), None, None, None]
    assert found[names[2]].invoices == (date(2024, 1, 31),)
    assert found[names[3]] == Facts(number=1, active=date(2024, 5, 5))


async def test_another_tenants_facts_are_not_there(known: World, subject: str):
    """An account closed in one tenant is open in another."""
    await told(known, subject, "closed")
    await known.hire("accounts", ["subjects"], tenant="globex")
    answer = await known.post("/v1/subjects/query", {"subjects": [subject]}, who="accounts", tenant="globex")
    assert answer.json()["subjects"][0]["account"] == "open"


async def test_only_who_may_keeps_facts(known: World, subject: str):
    """Without the grant nothing is kept or shown, and each attempt is on record."""
    [token] = await sealed(known, subject)
    refused = await tell(known, {"subject": subject, "fact": "closed"}, who="office")
    looked = await known.post("/v1/subjects/query", {"subjects": [subject]}, who="office")
    assert [(one.status_code, one.json()["code"]) for one in (refused, looked)] == [(403, "no_grant")] * 2
    denied = (await known.events(verb="subjects", decision="deny"))[:2]
    assert [one.get("action", "keep") for one in denied] == ["query", "keep"]
    assert {(one["reason"], one["person"]) for one in denied} == {("no_grant", "Person office")}
    assert (await known.detokenize([token])).status_code == 200
    assert await account(known, subject) == ("open", None)


@pytest.mark.parametrize("name", ["98765-43210", "ABCPE1234F", "a b", ""])
async def test_a_subject_is_named_by_a_pseudonym(known: World, name: str):
    """What looks like personal data names nobody, neither in a fact nor in a question."""
    refused = await tell(known, {"subject": name, "fact": "active"})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_subject")
    asked = await known.post("/v1/subjects/query", {"subjects": [name]}, who="accounts")
    assert (asked.status_code, asked.json()["code"]) == (400, "invalid_subject")
