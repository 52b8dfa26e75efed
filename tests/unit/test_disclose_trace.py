"""Disclose: trace and register come first, and what cannot be traced is not opened."""

import json
from dataclasses import replace
from datetime import date

import pytest
import pytest_asyncio
from sqlalchemy import func, select

from keys.errors import Unreachable
from tests.fakes.inside import AT, FIELDS, Inside, caller, inside
from tests.unit.test_trace_first import BrokenStore, Watcher, unwraps
from vault.cases.disclosures import Recipient
from vault.errors import OutcomeUnknown, ServiceError
from vault.model.secret import Secret
from vault.retention.calendar import day_of
from vault.service.disclose import DiscloseRequest, disclose
from vault.service.opening import Revealed
from vault.service.recipients import put
from vault.service.tokenize import NewValue, TokenizeRequest, tokenize
from vault.store.acts import disclosure
from vault.store.schema import event

CLERK = caller("acme", "clerk", "recipients")
GIVER = caller("acme", "giver", "disclose")
TODAY = date(2027, 1, 15)
MAILER = Recipient(
    "mailer", "Bulk Mail", "provider", "IN", frozenset({"tax"}), undertaking="DPA of 2 May", expires=TODAY
)
PAN = b'"ABCPE1234F"'


class Believing:
    """Takes every event for genuine: what it does not believe is for the story tests."""

    async def genuine(self, _, events) -> dict:
        return {one.event_id: one for one in events}


@pytest_asyncio.fixture
async def parts(tmp_path):
    async with inside(tmp_path) as made:
        made.reveal = replace(made.reveal, provenance=Believing())
        await put(CLERK, [MAILER], made.office)
        yield made


@pytest_asyncio.fixture
async def tokens(parts):
    value = NewValue("pan", "tax", "cust-1", Secret(PAN), FIELDS.get("pan").mask("ABCPE1234F"))
    request = TokenizeRequest(caller("acme", "signup", "tokenize"), "all", [value] * 2)
    answers = await tokenize("acme", [request], parts.ingest)
    parts.ring.calls.clear()
    return [one.token for one in answers[0]]


def ask(tokens, *, mode="all", who=GIVER) -> DiscloseRequest:
    return DiscloseRequest(who, "mailer", "dpa-2026-05", None, mode, tokens)


async def rows(parts: Inside, table) -> int:
    async with parts.store.engine.connect() as connection:
        return await connection.scalar(select(func.count()).select_from(table))


async def test_events_and_register_are_written_before_a_key_is_unwrapped(parts, tokens):
    """When the key server is asked, each value has its event and its row in the register."""
    watcher = Watcher(parts)
    registered = []

    async def look() -> None:
        registered.append(await rows(parts, disclosure))

    watcher.meanwhile = look
    [answer] = await disclose("acme", [ask(tokens)], replace(parts.reveal, unwrapper=watcher))
    assert [one.value.reveal() for one in answer] == [PAN, PAN]
    [before] = watcher.seen
    assert {(one["verb"], one["decision"], one["recipient"]) for one in before} == {
        ("disclose", "allow", "mailer")
    }
    assert (len(before), registered) == (2, [2])


@pytest.mark.parametrize("happens", [True, False], ids=["committed", "lost"])
async def test_uncertain_commit_discloses_nothing(parts, tokens, happens):
    """After a commit whose outcome is unknown no key is unwrapped; a lost one leaves no row either."""
    broken = replace(parts.reveal, store=BrokenStore(parts.store, happens=happens))
    with pytest.raises(OutcomeUnknown):
        await disclose("acme", [ask(tokens)], broken)
    assert unwraps(parts) == 0
    assert await rows(parts, disclosure) == (2 if happens else 0)


async def test_what_did_not_come_out_has_an_event_that_says_so(parts, tokens):
    """The key server is away: refused, and a second event names the recipient and the failure."""

    class Away:
        async def unwrap(self, *_, **__):
            raise Unreachable

    [answer] = await disclose("acme", [ask(tokens)], replace(parts.reveal, unwrapper=Away()))
    assert isinstance(answer, ServiceError)
    async with parts.store.engine.connect() as connection:
        bodies = [json.loads(row[0]) for row in await connection.execute(select(event.c.body))]
    failed = [one for one in bodies if one.get("result") == "failed"]
    assert [(one["recipient"], one["verb"]) for one in failed] == [("mailer", "disclose")] * 2


async def test_a_list_serves_each_of_its_requests_by_its_own_right(parts, tokens):
    """Gathered with one who may, whoever holds no grant receives nothing."""
    stranger = caller("acme", "stranger", "inspect")
    mine, theirs = await disclose("acme", [ask(tokens), ask(tokens, who=stranger)], parts.reveal)
    assert all(isinstance(one, Revealed) for one in mine)
    assert theirs.code == "no_grant"
    assert await rows(parts, disclosure) == 2


async def test_an_undertaking_ends_with_its_day_where_the_law_is(parts, tokens):
    """Its last day is over at midnight in India, not in London."""
    zone = (await parts.registers.of("acme")).retention.zone
    late = next(AT + h * 3_600_000_000 for h in range(48) if day_of(AT + h * 3_600_000_000, zone) > TODAY)
    parts.clock.us = late - 3_600_000_000
    [answer] = await disclose("acme", [ask(tokens)], parts.reveal)
    assert isinstance(answer, list)
    parts.clock.us = late
    [answer] = await disclose("acme", [ask(tokens)], parts.reveal)
    assert answer.code == "undertaking_expired"
