"""What must wake someone does: every kind of tampering that a request meets is counted and logged once."""

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from keys.policies import policy
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


async def test_a_refused_plane_is_one_alarm(found_world: Founder):
    """Reveal's policy is gone: values stay in, readiness says no, and the two together wake someone once."""
    world = await found_world("sqlite")
    token = (await world.seal())[0]
    await world.detokenize([token])
    at = "sys/policies/acl/strongroom-reveal"
    before = _sounded("transit_refused")
    world.bao.admin.delete(at)
    try:
        for _ in range(5):
            assert (await world.detokenize([token])).json()["code"] == "transit_refused"
        assert (await world.client.get("/readyz")).status_code == 503
    finally:
        world.bao.admin.post(at, {"policy": policy("reveal", "strongroom")})
    assert _sounded("transit_refused") == before + 1
    assert (await world.detokenize([token])).status_code == 200


async def test_a_key_retired_too_early_is_an_alarm(found_world: Founder):
    """A DEK whose KEK version was retired before it was rewrapped: 409 for its item, and who lost it."""
    world = await found_world("sqlite")
    token = (await world.seal())[0]
    key, before = "strongroom/keys/kek-acme", _sounded("key_retired")
    world.bao.admin.post(f"{key}/rotate")
    newest = world.bao.admin.get(key)["data"]["latest_version"]
    world.bao.admin.post(f"{key}/config", {"min_decryption_version": newest})
    try:
        with capture_logs() as lines:
            answer = await world.detokenize([token])
    finally:
        world.bao.admin.post(f"{key}/config", {"min_decryption_version": 1})
    assert (answer.status_code, answer.json()["code"]) == (409, "key_retired")
    alarms = [line for line in lines if line["event"] == "alarm"]
    assert [(one["code"], one["tenant"], one["token"]) for one in alarms] == [("key_retired", "acme", token)]
    assert _sounded("key_retired") == before + 1
    assert (await world.detokenize([token])).status_code == 200
