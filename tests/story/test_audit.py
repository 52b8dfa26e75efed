"""The auditor's tools against the real vault: what it signs and shows is what they verify."""

from pathlib import Path

import pytest
from sqlalchemy import select, update
from strongroom_audit.check import check_mirror, check_proof
from strongroom_audit.faults import exit_code
from strongroom_audit.keyring import read_pinned
from strongroom_audit.prove import read_receipt
from strongroom_audit.store import Store
from strongroom_audit.verifier.bodies import show_id

from tests.fakes.audit_bridge import audit, bodies_of
from tests.plugins.world import BANK, World
from tests.story.test_log import drain, sequencer
from vault.store.schema import event

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_mirror_of_a_real_log(service: World, tmp_path: Path):
    """A first run and a next one mirror and prove every event there was; offline they verify again."""
    done = await service.tokenize([("bank_account", BANK)] * 40)
    tokens = [item["token"] for item in done.json()["items"]]
    await service.detokenize(tokens[:3])
    await service.detokenize(tokens[:2], who="marketing")
    async with sequencer(service, tmp_path / "state") as running:
        await drain(running)
        first = await audit(service, tmp_path / "mirror")
        assert (first.faults, first.withheld) == ([], 0)
        await service.detokenize(tokens[3:9], reference="payout-2")
        await drain(running)
        second = await audit(service, tmp_path / "mirror")
    assert second.faults == []
    assert second.fresh >= 7, "six reveals, and the first run's own reads of the log"
    assert check_mirror(Store(tmp_path / "mirror")).size == second.size
    seen = bodies_of(tmp_path / "mirror")
    assert {one["reference"] for one in seen if one["verb"] == "detokenize"} >= {
        "payout-2",
        "payout-2026-11-07",
    }
    assert any(one["verb"] == "events" and one["actor"] == "acme.auditor" for one in seen)


async def test_receipt_is_proven_with_the_key_alone(service: World, tmp_path: Path):
    """A receipt of the vault's and the proof it gives for it hold under the log's published key."""
    done = await service.tokenize([("bank_account", BANK)])
    entry = read_receipt(done.json()["items"][0]["receipt"])
    async with sequencer(service, tmp_path / "state") as running:
        await drain(running)
    answer = await service.client.get(f"/v1/log/acme/proof/{show_id('evt', entry[1:17])}")
    await audit(service, tmp_path / "mirror")
    keys = read_pinned((tmp_path / "mirror" / "keys.json").read_text())
    assert check_proof(answer.text, entry, keys=list(keys.log), witnesses=[]).checkpoint.size > 0


async def test_other_tenants_log_stays_closed(service: World, tmp_path: Path):
    """Each tenant's log verifies by itself, under its own name."""
    await service.tokenize([("bank_account", BANK)], tenant="globex")
    async with sequencer(service, tmp_path / "state") as running:
        await drain(running)
    outcome = await audit(service, tmp_path / "mirror", tenant="globex")
    assert outcome.faults == []
    assert {one["tenant"] for one in bodies_of(tmp_path / "mirror")} == {"globex"}


async def test_edited_body_in_the_database(service: World, tmp_path: Path):
    """A body edited by a database administrator is `event altered`, which names the event and its place."""
    await service.tokenize([("bank_account", BANK)] * 3)
    async with sequencer(service, tmp_path / "state") as running:
        await drain(running)
    newest = select(event.c.event_id, event.c.body).where(
        event.c.tenant == "acme", event.c.verb == "tokenize"
    )
    async with service.owner.begin() as connection:
        event_id, body = (await connection.execute(newest.order_by(event.c.event_id.desc()).limit(1))).one()
        mine = event.c.event_id == event_id
        await connection.execute(update(event).where(mine).values(body=body.replace(b"signup", b"nobody")))
    try:
        outcome = await audit(service, tmp_path / "mirror")
    finally:
        async with service.owner.begin() as connection:
            await connection.execute(update(event).where(mine).values(body=body))
    assert exit_code(outcome.faults) == 12
    assert show_id("evt", event_id) in str(outcome.faults[0])
    assert (await audit(service, tmp_path / "mirror")).faults == []
