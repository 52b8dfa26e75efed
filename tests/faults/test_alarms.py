"""What must wake someone does: every kind of tampering that a request meets is counted and logged once."""

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from tests.plugins.service import Founder
from vault import metrics


def _sounded(code: str) -> float:
    return metrics.registry.get_sample_value("strongroom_alarms_total", {"code": code}) or 0.0


async def test_a_tampered_record_is_an_alarm(found_world: Founder):
    """A record that does not authenticate raises `record_tampered`, naming the token and no value."""
    world = await found_world("sqlite")
    token = (await world.seal())[0]
    async with world.owner.begin() as connection:
        await connection.execute(
            text("UPDATE record SET subject = 'cust-thief' WHERE token = :t"), {"t": token}
        )
    before = _sounded("record_tampered")
    with capture_logs() as lines:
        assert (await world.detokenize([token])).status_code == 409
    assert _sounded("record_tampered") == before + 1
    alarms = [line for line in lines if line["event"] == "alarm"]
    assert [(line["code"], line["tenant"], line["token"]) for line in alarms] == [
        ("record_tampered", "acme", token)
    ]
    assert "Canary" not in str(lines)


async def test_a_record_of_another_type_is_an_alarm(found_world: Founder):
    """A record whose type was changed in the database is refused before it is opened, with the alarm."""
    world = await found_world("sqlite")
    token = (await world.seal())[0]
    async with world.owner.begin() as connection:
        await connection.execute(text("UPDATE record SET field_type = 'pan' WHERE token = :t"), {"t": token})
    before = _sounded("record_tampered")
    assert (await world.detokenize([token])).json()["code"] == "record_tampered"
    assert _sounded("record_tampered") == before + 1


@pytest.mark.parametrize("column", ["body", "salt"])
async def test_a_rewritten_event_is_an_alarm(found_world: Founder, column: str):
    """An event that does not match its commitment is not shown: the reader is refused, the alarm sounds."""
    world = await found_world("sqlite")
    token = (await world.seal())[0]
    async with world.owner.begin() as connection:
        await connection.execute(
            text(f"UPDATE event SET {column} = CAST('{{}}' AS BLOB) WHERE token = :t"), {"t": token}
        )
    before = _sounded("event_tampered")
    answer = await world.post("/v1/events/query", {"token": token}, who="auditor")
    assert answer.json()["code"] == "event_tampered"
    assert _sounded("event_tampered") == before + 1
