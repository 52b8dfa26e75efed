"""What an auditor sees of events that the law keeps confidential, and of those whose retention is over."""

import asyncio
import json
import os
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec.structs import replace

from tests.fakes.inside import caller
from tests.faults.test_retention import micros, month_ago
from tests.plugins.world import BANK, World
from tests.story.test_log import drain, event_of, sequencer, unpack
from vault.cli.main import main
from vault.log.checkpoints import read_signed
from vault.log.event import Draft, commit_to, entry
from vault.log.lists import SignedList
from vault.log.proofs import read_proof
from vault.log.writer import LogWriter
from vault.model.names import show_id
from vault.plane import base

pytestmark = pytest.mark.asyncio(loop_scope="module")
TOKEN_OF_CASE = "case-subject-1"


async def write(world: World, drafts: list[Draft], *, at: int | None = None) -> SignedList:
    """Commit events as the reveal plane does; `at` in µs, for a plane whose clock stood there."""
    plane = base("reveal", world.settings)
    try:
        await plane.start()
        log = plane.parts.log
        if at is not None:
            log = LogWriter(log.worker, now=lambda: at, random=os.urandom)
        signed = log.write(log.lane("acme"), drafts, list_id=log.new_list_id())
        async with plane.parts.store.begin() as unit:
            await unit.add_list(signed)
            await unit.commit()
    finally:
        await plane.stop()
    return signed


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def disclosed(service: World, tmp_path_factory) -> SignedList:
    """A sealed event between two open ones about the same subject, all under a checkpoint."""
    await service.hire("warden", ["events", "events_sealed"])
    about = {"subject": TOKEN_OF_CASE, "purpose": "payment"}
    open_one = Draft(caller("acme", "pay"), "detokenize", "allow", "r", **about)
    signed = await write(service, [open_one, replace(open_one, sealed=True), open_one])
    async with sequencer(service, tmp_path_factory.mktemp("state")) as running:
        await drain(running)
    return signed


async def query(world: World, who: str, **asked) -> dict:
    answer = await world.post("/v1/events/query", asked, who=who)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_sealed_event_is_absent_for_who_lacks_the_grant(service: World, disclosed: SignedList):
    """No filter, page size, order or cursor tells an auditor without the grant that it is there."""
    ids = [show_id("evt", one.event_id) for one in disclosed.events]
    for asked in ({}, {"purpose": "payment"}, {"credential": "acme.pay"}, {"order": "oldest"}):
        found = await query(service, "auditor", subject=TOKEN_OF_CASE, **asked)
        assert {one["event_id"] for one in found["events"]} == {ids[0], ids[2]}
    page = await query(service, "auditor", subject=TOKEN_OF_CASE, order="oldest", limit=2)
    assert [one["event_id"] for one in page["events"]] == [ids[0], ids[2]]
    rest = await query(service, "auditor", subject=TOKEN_OF_CASE, order="oldest", cursor=page["next"])
    assert rest["events"] == []
    after = await query(service, "auditor", subject=TOKEN_OF_CASE, order="oldest", cursor=ids[1])
    assert [one["event_id"] for one in after["events"]] == [ids[2]]


async def test_sealed_event_is_shown_to_the_grant_and_the_look_is_on_record(
    service: World, disclosed: SignedList
):
    """With events_sealed it is there, in the query and in the bundle, and the reading says so."""
    found = await query(service, "warden", subject=TOKEN_OF_CASE, order="oldest")
    ids = [show_id("evt", one.event_id) for one in disclosed.events]
    assert [one["event_id"] for one in found["events"]] == ids
    assert b'"sealed"' not in disclosed.events[1].body
    read = await service.events(verb="events", credential="acme.warden")
    assert read[0]["asked_sealed"] == "yes"
    assert "asked_sealed" not in (await service.events(verb="events", credential="acme.auditor"))[0]


async def test_sealed_body_is_withheld_and_its_entry_proven(service: World, disclosed: SignedList):
    """In an auditor's bundle the entry, list and place are there and the body is not; the proof holds."""
    bundles = {}
    for who in ("auditor", "warden"):
        answer = await service.post("/v1/events/bodies", {"from": 0, "limit": 4096}, who=who)
        bundles[who] = {one[1]: one for one in unpack(answer.content)[2]}
    sealed = disclosed.events[1]
    assert bundles["auditor"][sealed.event_id][3:] == (bytes(32), None)
    withheld = [one[1] for one in bundles["auditor"].values() if one[4] is None]
    assert withheld == [sealed.event_id]
    salt, body = bundles["warden"][sealed.event_id][3:]
    assert entry(sealed.event_id, commit_to(body, salt)) == sealed.entry
    shown = show_id("evt", sealed.event_id)
    text = (await service.client.get(f"/v1/log/acme/proof/{shown}")).text
    assert read_proof(text).includes(sealed.entry)


async def test_grant_alone_reads_nothing(service: World, disclosed: SignedList):
    """events_sealed adds to events; by itself it opens neither query nor bundle."""
    await service.hire("half", ["events_sealed"])
    for path, asked in (("/v1/events/query", {}), ("/v1/events/bodies", {"from": 0})):
        assert (await service.post(path, asked, who="half")).status_code == 403


async def test_month_is_dropped_by_command(service: World, tmp_path: Path, monkeypatch, capsys):
    """A dry run changes nothing; --apply drops, is itself an event, and queries say what is gone."""
    month = month_ago(20)
    draft = Draft(caller("acme", "pay"), "detokenize", "allow", "r", subject="long-ago")
    signed = await write(service, [draft] * 3, at=micros(month) + 7)
    for name, value in service.environment().items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str):
        with pytest.raises(SystemExit) as end:
            main(["log", "retention", *arguments, "--json"])
        return end.value.code or 0, json.loads(capsys.readouterr().out)

    status, report = await asyncio.to_thread(run, "--apply")
    assert status == 1
    assert "no checkpoint covers 3" in report["months"][0]["state"]
    async with sequencer(service, tmp_path / "state") as running:
        await drain(running)
    status, report = await asyncio.to_thread(run)
    assert (status, report["months"][0]["state"]) == (0, "may go")
    found = await query(service, "auditor", subject="long-ago")
    assert (len(found["events"]), found["dropped_before"]) == (3, None)
    status, report = await asyncio.to_thread(run, "--apply")
    assert (status, report["months"][0]["state"]) == (0, "dropped")

    found = await query(service, "auditor", subject="long-ago")
    assert found["events"] == []
    assert found["dropped_before"] == f"{month_ago(19):%Y-%m}-01T00:00:00.000000Z"
    recent = await query(service, "auditor", since=found["dropped_before"])
    assert recent["dropped_before"] is None
    act = (await service.events(verb="log_retention"))[0]
    assert (act["month"], act["dropped_events"], act["floor_months"]) == (f"{month:%Y-%m}", 3, 13)
    event_id = show_id("evt", signed.events[0].event_id)
    proof = read_proof((await service.client.get(f"/v1/log/acme/proof/{event_id}")).text)
    assert proof.includes(signed.events[0].entry)
    made = await service.tokenize([("bank_account", BANK)])
    assert event_of(made.json()["items"][0]["receipt"])
    assert read_signed((await service.client.get("/v1/log/acme/checkpoint")).text)
