"""The process's clock is moved while its database's goes on: nothing ends early, nothing lives longer."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select

import vault.plane
from tests.plugins.service import Founder
from tests.plugins.world import World
from vault import metrics
from vault.sequencer import build_sequencer
from vault.service.registers import FRESH
from vault.store.schema import event, leaf

KINDS = pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
MINUTE, HOUR = 60_000_000, 3_600_000_000
AWAY = {"authority_stale", "authority_unavailable"}
RUN = {"run": "retention-2026-11", "apply": True}


class Moved:
    """The clock of every plane of a worker."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.by, true = 0, vault.plane.now
        patch.setattr(vault.plane, "now", lambda: true() + self.by)


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> Moved:
    return Moved(monkeypatch)


async def answers(world: World, token: str) -> list[tuple[int, str]]:
    """What sealing, opening and a retention run that erases are answered."""
    made = await world.tokenize([("person_name", world.canary())])
    got = [made, await world.detokenize([token]), await world.post("/v1/retention/run", RUN, who="keeper")]
    return [(one.status_code, one.json().get("code", "")) for one in got]


@KINDS
async def test_an_hour_off_ends_nothing_and_lets_nobody_in(found_world: Founder, moved: Moved, kind: str):
    """An hour ahead or behind: no token counts, old or new, the alarm sounds, and true time undoes it all."""
    world = await found_world(kind)
    await world.hire("keeper", ["retention"])
    world.client = await world.worker()
    token = (await world.seal())[0]
    for one in ("keeper", "payments"):
        await world.bearer(one)
    said = metrics.registry.get_sample_value("strongroom_alarms_total", {"code": "clock_skewed"}) or 0.0
    for hour in (HOUR, -HOUR):
        moved.by = hour
        await asyncio.sleep(FRESH + 0.1)  # what a plane knows of authority counts as long
        refused = {code for _, code in await answers(world, token)}
        assert refused <= {"token_expired", "invalid_token", *AWAY}, refused
        kept, world._tokens = world._tokens, {}
        assert {code for _, code in await answers(world, token)} <= AWAY
        world._tokens = kept
        if hour > 0:
            assert (await world.client.get("/readyz")).status_code == 503
            assert 3_590 < metrics.registry.get_sample_value("strongroom_clock_skew_seconds") < 3_610
    assert metrics.registry.get_sample_value("strongroom_alarms_total", {"code": "clock_skewed"}) > said
    moved.by = 0
    await asyncio.sleep(FRESH + 0.1)
    assert [status for status, _ in await answers(world, token)] == [200] * 3
    await world.recheck()


@KINDS
async def test_two_minutes_off_nothing_is_erased_and_no_event_lost(
    found_world: Founder, moved: Moved, tmp_path: Path, kind: str
):
    """Ahead, then stepped back: values are sealed and opened, no run erases, every event gets its number."""
    world = await found_world(kind)
    await world.hire("keeper", ["retention"])
    world.client = await world.worker()
    token = (await world.seal())[0]
    for moved.by, run in ((2 * MINUTE, 503), (-2 * MINUTE, 503), (0, 200)):
        world._tokens.clear()
        assert [status for status, _ in await answers(world, token)] == [200, 200, run]
    await world.recheck()
    running = build_sequencer(replace(world.settings, sequencer_state=tmp_path))
    await running.prepare()
    try:
        while await running.sequencer.step(sign=True):
            pass
    finally:
        await running.stop()
    async with world.owner.connect() as connection:
        counts = [await connection.scalar(select(func.count()).select_from(one)) for one in (event, leaf)]
    assert counts[0] == counts[1] > 0
