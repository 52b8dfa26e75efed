"""A rogue who puts old states back, rewrites history with all its signatures, or holds the sequencer back."""

import base64
import shutil
from dataclasses import replace

import pytest

from tests.fakes import forgery, rogue
from tests.plugins.scene import LOG, Scene, serving, staged
from vault.log.event import entry
from vault.log.merkle import Frontier, leaf_hash
from vault.model.names import show_id
from vault.sequencer import build_sequencer

pytestmark = pytest.mark.asyncio(loop_scope="session")

VERIFIED, HISTORY, GAP = 0, 11, 13


async def size_of(scene: Scene) -> int:
    """Leaves in the tree."""
    return (await scene.rows("SELECT count(*) AS n FROM leaf WHERE tenant = 'acme'"))[0].n


async def test_restored_backup(scene: Scene):
    """On yesterday's database the sequencer signs nothing, and the auditor sees history end too early."""
    yesterday = await size_of(scene)
    assert await scene.sequence() == []
    today = await size_of(scene)
    assert (await scene.mirror()).code == VERIFIED
    async with staged(scene.original, scene.folder) as restored:
        alarms = await restored.sequence()
        assert alarms == [
            ("log_rolled_back", "acme", f"{today} leaves were signed, {yesterday} are there"),
        ]
        said = await restored.mirror()
        assert (said.code, f"checkpoint {yesterday}" in said.words) == (HISTORY, True), said.words
        assert "an older state was put back" in said.words
        assert restored.witness_says == []


async def test_restored_backup_and_a_sequencer_without_memory(scene: Scene):
    """Who also makes the sequencer forget gets a shorter history signed; witness and auditor remember."""
    assert await scene.sequence() == []
    today = await size_of(scene)
    assert (await scene.mirror()).code == VERIFIED
    async with staged(scene.original, scene.folder) as restored:
        shutil.rmtree(scene.folder / "state")
        await rogue.deletes_a_list(restored, "waiting")
        alarms = await restored.sequence()
        told = f"it has cosigned {today} events, and only {today - 3} are signed here"
        assert [(code, told in says) for code, _, says in alarms] == [
            ("chain_gap", False),
            ("witness_ahead", True),
        ]
        said = await restored.mirror()
        assert (said.code, f"the log has {today - 3} other events" in said.words) == (HISTORY, True), (
            said.words
        )
        assert restored.witness_says == []
        await _grow(restored, 4)
        alarms = await restored.sequence()
        assert [code for code, _, _ in alarms] == ["witness_refused"]
        (alarm,) = restored.witness_says
        assert alarm.startswith(f"ALARM: HISTORY CHANGED: {LOG}")
        assert (await restored.mirror()).code == HISTORY


async def test_history_rewritten_with_every_signature(scene: Scene):
    """With a list cut out and all signed anew it is another history to all who saw the first."""
    _, listed = await forgery.victim(scene, "mirrored")
    await rogue.deletes_a_list_and_closes_the_hole(scene, "mirrored")
    await scene.sql("DELETE FROM checkpoint WHERE tenant = 'acme'")
    await _rebuild_nodes(scene)
    shutil.rmtree(scene.folder / "state")
    alarms = await scene.sequence()
    assert [code for code, _, _ in alarms] == ["witness_refused"], alarms
    assert scene.witness_says[0].startswith(f"ALARM: HISTORY CHANGED: {LOG}")
    said = await scene.mirror()
    assert (said.code, f"(#{listed.idx})" in said.words) == (HISTORY, True), said.words
    said = await scene.mirror("fresh")
    assert (said.code, f"chain {listed.chain.hex()}" in said.words) == (GAP, True), said.words


async def test_forged_leaf_is_not_signed_by_a_sequencer_without_memory(scene: Scene):
    """With checkpoints, nodes and memory gone the sequencer verifies every list anew, and names the leaf."""
    _, listed = await forgery.victim(scene, "mirrored")
    await rogue.edits_an_event_and_its_leaf(scene, "mirrored")
    await scene.sql("DELETE FROM checkpoint WHERE tenant = 'acme'")
    shutil.rmtree(scene.folder / "state")
    ((code, _, says),) = await scene.sequence()
    assert (code, says.startswith(f"leaf {listed.idx} (evt_")) == ("log_damaged", True), says
    assert scene.witness_says == []


async def test_list_numbered_twice(scene: Scene):
    """A rogue who drops the unique indexes and numbers a true list a second time is found out."""
    listed = (await forgery.lists(scene, "signed"))[1]
    for index in ("leaf_event", "leaf_list"):
        await scene.sql(f"DROP INDEX {index}")
    end = await size_of(scene)
    await scene.sql(
        "INSERT INTO leaf (tenant, idx, event_id, commitment, list_id, position)"
        " SELECT tenant, :end + position, event_id, commitment, list_id, position FROM leaf"
        " WHERE list_id = :l", end=end, l=listed.list_id,
    )  # fmt: skip
    ((code, _, says),) = await scene.sequence()
    assert (code, says) == ("log_damaged", f"{show_id('lst', listed.list_id)} is numbered twice")
    assert scene.witness_says == []


async def test_leaf_edited_under_a_running_sequencer(scene: Scene):
    """A leader holds what it is about to sign to what is stored: it too signs nothing over an edited leaf."""
    running, alarms = build_sequencer(scene.settings), []
    running.sequencer.alarm = lambda *told: alarms.append(told)
    await running.prepare()
    assert await running.sequencer.step(sign=True)
    signed = await size_of(scene)
    await rogue.edits_an_event_and_its_leaf(scene, "signed")
    await _grow(scene, 2)
    await running.sequencer.step(sign=True)
    await running.stop()
    told = f"what was signed at {signed} is not in the tree of {signed + 2}"
    assert alarms == [("log_inconsistent", "acme", told)]


async def test_checkpoints_taken_back(scene: Scene):
    """With the newest checkpoints deleted and no sequencer about, the auditor sees the log end too early."""
    assert await scene.sequence() == []
    assert (await scene.mirror()).code == VERIFIED
    newest = await size_of(scene)
    await scene.sql("DELETE FROM checkpoint WHERE tenant = 'acme' AND size = :s", s=newest)
    said = await scene.mirror()
    assert (said.code, f"and had {newest}" in said.words) == (HISTORY, True), said.words
    assert await scene.sequence() == [], "who remembers what was signed publishes it again"
    assert (await scene.mirror()).code == VERIFIED


@pytest.mark.parametrize("bound", [{"log_backlog_events": 10}, {"log_backlog_seconds": 1}], ids=str)
async def test_sequencer_held_back(scene: Scene, bound: dict[str, int]):
    """A rogue who keeps the lease stops opening, not just proving: past the bound it is 503."""
    hold = "UPDATE sequencer_lease SET holder = 'rogue', term = term + 1, until = 9000000000000000"
    await scene.sql(hold)
    before = await size_of(scene)
    assert await scene.sequence() == []
    assert await size_of(scene) == before
    await scene.sql("UPDATE event SET recorded_at = recorded_at - 5000000")  # so long has it stood
    body = {
        "purpose": "payment",
        "reference": "payout-1",
        "items": [{"token": scene.original.tokens[0]}],
    }
    headers = await scene.bearer("payments")
    async with serving(replace(scene.settings, **bound), ["reveal"]) as client:
        answer = await client.post("/v1/detokenize", json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "log_backlog"), answer.text
    async with serving(scene.settings, ["reveal"]) as client:
        assert (await client.post("/v1/detokenize", json=body, headers=headers)).status_code == 200


async def test_last_list_of_a_chain_deleted_before_it_is_numbered(scene: Scene):
    """What leaves no gap in a chain is still missed by whoever has its receipt: no proof, no such event."""
    gone = (await forgery.lists(scene, "waiting"))[-1]
    missing = {show_id("evt", one.event_id) for one in await forgery.events(scene, gone)}
    for table in ("event", "signed_list"):
        await scene.sql(f"DELETE FROM {table} WHERE list_id = :l", l=gone.list_id)
    assert await scene.sequence() == []
    found = {}
    for receipt in scene.original.receipts[-40:]:
        raw = base64.urlsafe_b64decode(receipt.removeprefix("rcp_") + "==")
        evt = show_id("evt", raw[1:17])
        answer = await scene.client.get(f"/v1/log/acme/proof/{evt}")
        found[evt] = answer.json()["code"] if answer.status_code == 404 else answer.status_code
    assert {evt for evt, what in found.items() if what == "event_not_found"} == missing
    assert set(found.values()) == {200, "event_not_found"}


@pytest.mark.parametrize("part", ["mirrored", "waiting"])
async def test_event_beside_the_log(scene: Scene, part: str):
    """A row that no list covers is in no log; a search that would show it is refused, with an alarm."""
    event, listed = await forgery.victim(scene, part)
    stray = await forgery.like(scene, event, list_id=bytes(7) + listed.list_id[7:], position=0)
    query = {"token": scene.original.tokens[1]}
    answer = await scene.client.post("/v1/events/query", json=query, headers=await scene.bearer("auditor"))
    assert (answer.status_code >= 400, answer.json()["code"]) == (True, "event_tampered"), answer.text
    await scene.sequence()
    said = await scene.mirror("fresh")
    assert (said.code, show_id("evt", stray) in said.words) == (VERIFIED, False)


async def _grow(scene: Scene, times: int) -> None:
    """Events that honest people make: reading the log is one."""
    for _ in range(times):
        answer = await scene.client.post(
            "/v1/events/query", json={"limit": 1}, headers=await scene.bearer("auditor")
        )
        assert answer.status_code == 200, answer.text


async def _rebuild_nodes(scene: Scene) -> None:
    """Make the stored nodes fit the leaves again."""
    frontier = Frontier(0, ())
    for row in await scene.rows("SELECT event_id, commitment FROM leaf WHERE tenant = 'acme' ORDER BY idx"):
        for level, number, value in frontier.append(leaf_hash(entry(row.event_id, row.commitment))):
            if level == 8:
                change = "UPDATE node SET hash = :h WHERE tenant = 'acme' AND level = 8 AND number = :n"
                await scene.sql(change, h=value, n=number)
