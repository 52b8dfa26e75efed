"""The auditor's questions: filters, pages, and the fact that asking is on record too."""

import asyncio

import pytest

from tests.plugins.world import BANK, World

pytestmark = pytest.mark.asyncio(loop_scope="module")
PASTED = ("ABCPE1234F", "asha@example.com")
"""Values that land in the wrong member by mistake."""


async def busy(service: World, subject: str) -> list[str]:
    """Twelve events about a subject: four tokens, each made, opened, and tried in vain."""
    made = await service.tokenize([("bank_account", BANK)] * 4, subject=subject)
    tokens = [item["token"] for item in made.json()["items"]]
    await service.detokenize(tokens)
    await service.detokenize(tokens, who="marketing", purpose="marketing_display")
    return tokens


async def test_each_filter_narrows(service: World):
    """By token, subject, credential, purpose, decision and verb, alone and together."""
    tokens = await busy(service, "cust-filter")
    by = {"subject": "cust-filter"}
    assert len(await service.events(**by)) == 12
    assert len(await service.events(token=tokens[0])) == 3
    assert len(await service.events(**by, credential="acme.payments")) == 4
    assert len(await service.events(**by, purpose="marketing_display")) == 4
    assert len(await service.events(**by, decision="deny")) == 4
    assert len(await service.events(**by, verb="detokenize")) == 8
    assert len(await service.events(**by, verb="detokenize", decision="allow", token=tokens[1])) == 1
    assert await service.events(**by, verb="erase") == []


@pytest.mark.parametrize("order", ["newest", "oldest"])
async def test_pages_leave_nothing_out_and_repeat_nothing(service: World, order):
    """Page by page in either order comes what one large page holds, and the last page says so."""
    subject = f"cust-page-{order}"
    await busy(service, subject)
    whole = [event["event_id"] for event in await service.events(subject=subject, order=order)]
    assert whole == sorted(whole, reverse=order == "newest")
    read, cursor = [], None
    while True:
        body = {"subject": subject, "order": order, "limit": 5, **({"cursor": cursor} if cursor else {})}
        page = (await service.post("/v1/events/query", body, who="auditor")).json()
        read += [event["event_id"] for event in page["events"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert read == whole
    assert len(read) == 12


async def test_times_bound_the_answer(service: World):
    """`since` is included, `until` is not; both to the microsecond."""
    await busy(service, "cust-time")
    times = [event["time"] for event in await service.events(subject="cust-time", order="oldest")]
    middle = times[5]
    before = await service.events(subject="cust-time", until=middle)
    after = await service.events(subject="cust-time", since=middle)
    assert all(event["time"] < middle for event in before)
    assert all(event["time"] >= middle for event in after)
    assert len(before) + len(after) == 12


async def test_reading_is_an_event(service: World):
    """Who read the log, and what for, is in the log."""
    await service.events(subject="cust-watched", purpose="payment")
    last = (await service.events(verb="events"))[0:2]
    asked = [event for event in last if event.get("asked_subject") == "cust-watched"]
    assert len(asked) == 1
    assert (asked[0]["actor"], asked[0]["asked_purpose"]) == ("acme.auditor", "payment")


async def test_only_the_auditor_reads(service: World):
    """Every other credential is refused, and the attempt is on record."""
    for who in ("signup", "payments", "office", "marketing"):
        assert (await service.post("/v1/events/query", {}, who=who)).status_code == 403
    tried = await service.events(verb="events", decision="deny")
    assert {event["actor"] for event in tried} >= {f"acme.{who}" for who in ("signup", "payments", "office")}


@pytest.mark.parametrize(
    "body",
    [
        {"token": PASTED[0]},
        {"credential": PASTED[1]},
        {"subject": PASTED[1]},
        {"verb": "read"},
        {"decision": "maybe"},
        {"limit": 0},
        {"limit": 1001},
        {"cursor": "evt_zzz"},
        {"since": "yesterday"},
        {"since": "2026-11-07T09:30:00"},
        {"colour": "red"},
    ],
)
async def test_a_question_of_another_shape_is_refused(service: World, body):
    """400 without an echo: what could be a value must not reach the log either."""
    answer = await service.post("/v1/events/query", body, who="auditor")
    assert answer.status_code == 400
    assert not any(value in answer.text for value in PASTED)
    known = str(await service.events(verb="events"))
    assert not any(value in known for value in PASTED)


async def test_events_of_concurrent_requests_are_each_there(service: World):
    """A hundred requests at once leave a hundred events, whatever lists they were gathered into."""
    token = (await service.tokenize([("bank_account", BANK)])).json()["items"][0]["token"]
    answers = await asyncio.gather(*(service.detokenize([token], reference=f"run-{n}") for n in range(100)))
    assert {answer.status_code for answer in answers} == {200}
    told = await service.events(token=token, verb="detokenize")
    assert {event["reference"] for event in told} == {f"run-{n}" for n in range(100)}
