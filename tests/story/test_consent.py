"""What a person says about a purpose holds from the next request on, and is never overwritten."""

from itertools import count
from typing import Any

import pytest
import pytest_asyncio

from tests.plugins.world import World
from vault.policy.load import DEFAULT

pytestmark = pytest.mark.asyncio(loop_scope="module")
MARKETING = "marketing_display"
NOTICE = {
    "version": "2026-04",
    "language": "en",
    "title": "Privacy notice",
    "effective": "2026-04-01T00:00:00+05:30",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "purposes": [MARKETING, "payment"],
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def consenting(service: World) -> World:
    """A world whose policy shows marketing a masked e-mail, and somebody who records what people say."""
    toml = DEFAULT.read_text().replace(
        'title = "Marketing, and showing a business to others"',
        'opens = { contact = "masked" }\ntitle = "Marketing, and showing a business to others"',
    )
    await service.hire("backend", ["consent", "notices"])
    applied = await service.ordered("/v1/policy/apply", {"toml": toml})
    assert applied.status_code == 200, applied.text
    published = await service.post("/v1/notices", NOTICE, who="backend")
    assert published.status_code == 201, published.text
    return service


_numbers = count(1)


@pytest.fixture
def subject() -> str:
    """Somebody who has said nothing yet."""
    return f"cust-{next(_numbers)}"


async def say(world: World, subject: str, act: str, purpose: str = MARKETING, **more: Any) -> dict[str, Any]:
    """One act of somebody, recorded."""
    said = {"subject": subject, "purpose": purpose, "act": act, "source": "preference-page", **more}
    answer = await world.post("/v1/consents", {"items": [said]}, who="backend")
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["items"][0])


async def shown(world: World, token: str) -> Any:
    """Marketing asks for the masked e-mail."""
    return await world.detokenize([token], who="marketing", purpose=MARKETING, reveal="masked")


async def email(world: World, subject: str) -> str:
    made = await world.tokenize([("email", "asha@example.com")], subject=subject)
    return str(made.json()["items"][0]["token"])


async def history(world: World, subject: str) -> list[str]:
    answer = await world.post("/v1/consents/history", {"subject": subject}, who="backend")
    return [one["act"] for one in answer.json()["items"]]


async def test_a_purpose_on_consent_opens_nothing_until_it_is_given(consenting: World, subject: str):
    """Absent consent is a no; given consent a yes; withdrawn consent a no from the very next request on."""
    token = await email(consenting, subject)
    missing = await shown(consenting, token)
    assert (missing.status_code, missing.json()["code"]) == (403, "consent_missing")
    granted = await say(consenting, subject, "grant")
    assert granted["effect"] == "applies"
    assert (await shown(consenting, token)).status_code == 200
    withdrawn = await say(consenting, subject, "withdraw")
    assert withdrawn["effect"] == "stops"
    refused = await shown(consenting, token)
    assert (refused.status_code, refused.json()["code"]) == (403, "consent_withdrawn")
    assert refused.json()["still_applies"] == [{"purpose": "payment", "basis": "contract"}]
    again = await consenting.detokenize([token])
    assert again.status_code == 200


async def test_consent_opens_nothing_that_the_policy_keeps_closed(consenting: World, subject: str):
    """Consent to marketing does not show it plain what the policy opens masked only."""
    await say(consenting, subject, "grant")
    token = await email(consenting, subject)
    plain = await consenting.detokenize([token], who="marketing", purpose=MARKETING, reveal="plain")
    assert (plain.status_code, plain.json()["code"]) == (403, "policy_denied")


async def test_an_objection_to_a_contract_is_recorded_and_answered(consenting: World, subject: str):
    """It stops nothing, says what the purpose rests on, and stands in history and log."""
    token = await email(consenting, subject)
    objected = await say(consenting, subject, "object", purpose="payment")
    assert objected["effect"] == "recorded"
    assert "contract" in objected["explanation"]
    assert (await consenting.detokenize([token])).status_code == 200
    event = (await consenting.events(verb="consent", subject=subject))[0]
    assert await history(consenting, subject) == ["object"]
    assert (event["act"], event["effect"], event["subject"]) == ("object", "recorded", subject)


async def test_history_is_never_overwritten(consenting: World, subject: str):
    """Every act stays, in the order in which it came."""
    for act in ("grant", "withdraw", "grant"):
        await say(consenting, subject, act)
    assert await history(consenting, subject) == ["grant", "withdraw", "grant"]


async def test_a_new_notice_names_those_whose_consent_is_older(consenting: World, subject: str):
    """One query lists whose consent predates the notice, by purpose; fresh consent leaves the list."""
    twice = await consenting.post("/v1/notices", NOTICE, who="backend")
    assert (twice.status_code, twice.json()["code"]) == (409, "notice_exists")
    await say(consenting, subject, "grant", at="2026-03-01T00:00:00Z")
    body = {"notice": "2026-04"}
    listed = await consenting.post("/v1/consents/outdated", body, who="backend")
    assert [(one["purpose"], one["subject"]) for one in listed.json()["items"]] == [(MARKETING, subject)]
    await say(consenting, subject, "grant", notice="2026-04/en")
    listed = await consenting.post("/v1/consents/outdated", body, who="backend")
    assert listed.json()["items"] == []


async def test_a_tokenization_names_the_notice_that_was_shown(consenting: World, subject: str):
    """The notice stands in the event; one that does not exist is refused before anything is sealed."""
    unknown = await consenting.tokenize([("email", "asha@example.com")], notice="2027-04/en")
    assert (unknown.status_code, unknown.json()["code"]) == (400, "unknown_notice")
    done = await consenting.tokenize([("email", "asha@example.com")], notice="2026-04/en", subject=subject)
    assert done.status_code == 200, done.text
    event = (await consenting.events(token=done.json()["items"][0]["token"]))[0]
    assert event["notice"] == "2026-04/en"


async def test_only_who_may_records_consent(consenting: World, subject: str):
    """Without the grant nothing is recorded but the attempt."""
    said = {"subject": subject, "purpose": MARKETING, "act": "grant", "source": "x"}
    refused = await consenting.post("/v1/consents", {"items": [said]}, who="office")
    assert (refused.status_code, refused.json()["code"]) == (403, "no_grant")
    denied = (await consenting.events(verb="consent"))[0]
    assert (denied["decision"], denied["reason"]) == ("deny", "no_grant")
    assert await history(consenting, subject) == []
