"""An erasure case that the end of a process interrupted, wherever that was, is finished once, by itself."""

from collections.abc import Collection
from dataclasses import replace

import pytest_asyncio
from sqlalchemy import func, select

from tests.fakes.inside import Inside, caller, inside
from vault.cases.machine import Act
from vault.model.ask import Caller
from vault.model.secret import Secret
from vault.service import case_erasure, cases
from vault.service.case_acts import Known, append, find
from vault.service.cases import NewCase
from vault.service.parts import Office
from vault.service.tokenize import NewValue, TokenizeRequest, tokenize
from vault.store.events import StoredEvent
from vault.store.schema import event, record

OFFICER = replace(caller("acme", "officer", "cases"), person="Farah Khan")
APPROVER = replace(caller("acme", "approver", "release"), person="Dev Mehta")


class Trusting:
    """Provenance of a place with no intruder: every event is genuine."""

    async def genuine(self, tenant: str, events: Collection[StoredEvent]) -> dict[bytes, StoredEvent]:
        return {one.event_id: one for one in events}


@pytest_asyncio.fixture
async def parts(tmp_path):
    async with inside(tmp_path) as made:
        yield made


async def released(parts: Inside) -> tuple[Office, Known, str]:
    """An erasure of one field, released and not yet carried out."""
    office = replace(parts.office, provenance=Trusting())
    value = NewValue("pan", "tax", "cust-1", Secret(b'"ABCPE1234F"'), "****")
    request = TokenizeRequest(caller("acme", "signup", "tokenize"), "all", [value])
    [[made]] = await tokenize("acme", [request], parts.ingest)
    known, _ = await cases.open_case(OFFICER, NewCase("erasure", "cust-1"), office)
    for kind, given in (("verify", {"how": "Called back"}), ("evaluate", {}), ("decide", {})):
        known, _ = await cases.act(OFFICER, known.case_id, kind, given, office)
    known = await step(APPROVER, known, "release", office, decision=known.case.decision)
    return office, known, made.token


async def step(who: Caller, known: Known, kind: str, office: Office, **document: str) -> Known:
    act = Act(kind, who.person, who.credential, office.now(), document)
    return (await append(who, known, act, office, policy="0" * 64))[0]


async def state_of(known: Known, office: Office) -> str:
    found = await find("acme", known.case_id, office.ledger, office.provenance, zone=known.case.zone)
    return found.case.state


async def erasures(parts: Inside) -> int:
    async with parts.store.engine.connect() as connection:
        told = select(func.count()).select_from(event).where(event.c.verb == "erase")
        return int(await connection.scalar(told) or 0)


async def test_a_release_whose_process_ended_is_carried_out_by_another(parts):
    """Nothing had been done: a minute later it is, in the name of who released it."""
    office, known, token = await released(parts)
    assert await cases.finish("acme", office) == 0
    parts.clock.us += 120_000_000
    assert await cases.finish("acme", office) == 1
    assert await state_of(known, office) == "carried_out"
    async with parts.store.engine.connect() as connection:
        left = select(func.count()).select_from(record).where(record.c.token == token)
        assert await connection.scalar(left) == 0
    assert await cases.finish("acme", office) == 0


async def test_a_deed_whose_record_was_lost_is_not_done_twice(parts):
    """The value was shredded before the case could say so: then it says so, with the same event."""
    office, known, _ = await released(parts)
    policy = (await office.registers.of("acme")).policy
    first = await case_erasure.carry_out(APPROVER, known, policy, office)
    parts.clock.us += 120_000_000
    assert await cases.finish("acme", office) == 1
    assert await erasures(parts) == 1
    found = await find("acme", known.case_id, office.ledger, office.provenance, zone=known.case.zone)
    assert found.document("carry_out") == first
