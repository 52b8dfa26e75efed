"""A database writer puts acts of the office where there were none: each is found by the look behind it."""

import os
import time
from typing import Any

import pytest
from sqlalchemy import Table, insert

from tests.plugins.service import Founder
from tests.plugins.world import World
from vault.store import acts
from vault.store.unvouched import unvouched

EVENT = os.urandom(16)
FORGED: dict[Table, dict[str, Any]] = {
    acts.consent: {
        "subject": "cust-8472", "purpose": "marketing_display", "number": 9, "act": "grant", "source": "x",
        "given_at": 1,
    },
    acts.subject_fact: {"subject": "cust-8472", "number": 9, "kind": "reopened", "on_day": "2026-11-07"},
    acts.record_state: {"token": "tok_pan_x", "number": 9, "state": "active", "reason": "x"},
    acts.hold_lifted: {"hold_id": EVENT, "reason": "x", "credential": "acme.x", "person": "X"},
    acts.recipient: {"name": "friend", "number": 9, "document": b"{}"},
}  # fmt: skip


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_forged_act_is_named(found_world: Founder, kind: str):
    """At first nothing is found; each forged row is, by its table, also under an event of another thing."""
    world: World = await found_world(kind)
    await world.hire("backend", ["consent"])
    said = {"subject": "cust-8472", "purpose": "payment", "act": "object", "source": "letter"}
    answer = await world.post("/v1/consents", {"items": [said]}, who="backend")
    assert answer.status_code == 200, answer.text
    assert await unvouched(world.owner, "acme", since=0) == []

    async with world.owner.begin() as connection:
        for table, row in FORGED.items():
            await connection.execute(insert(table).inline(), [{"tenant": "acme", "event_id": EVENT, **row}])
    found = await unvouched(world.owner, "acme", since=0)
    assert {one.table: one.count for one in found} == {table.name: 1 for table in FORGED}


async def test_an_event_about_somebody_else_vouches_for_nothing(found_world: Founder):
    """A genuine consent of one person lends its event to no other's."""
    world: World = await found_world("sqlite")
    await world.hire("backend", ["consent"])
    said = {"subject": "cust-1", "purpose": "marketing_display", "act": "grant", "source": "form"}
    await world.post("/v1/consents", {"items": [said]}, who="backend")
    async with world.owner.begin() as connection:
        genuine = (await connection.execute(acts.consent.select())).mappings().first()
        assert genuine is not None
        forged = {**genuine, "subject": "cust-2", "recorded_at": time.time_ns() // 1000}
        await connection.execute(insert(acts.consent), [forged])
    assert [one.table for one in await unvouched(world.owner, "acme", since=0)] == ["consent"]
