"""Doctor's checks, each against what it is there to find."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import delete, select, text

from keys.policies import policy, policy_name
from tests.plugins.world import World
from vault.cli.checkup import keyserver, logs, machine, records, stores
from vault.cli.checkup.finding import Finding
from vault.sequencer import build_sequencer
from vault.settings import Settings
from vault.store.schema import leaf, record

pytestmark = pytest.mark.asyncio(loop_scope="module")


def bad(found: list[Finding]) -> dict[str, str]:
    return {one.check: one.says for one in found if one.state == "bad"}


async def test_key_that_is_gone_or_another_records_is_found(service: World):
    """A wrapped key that was deleted, and one put in another record's place, are named by their tokens."""
    lost, changed = await service.seal(2)
    assert bad(await records.unwrapped(service.settings)) == {}
    async with service.owner.connect() as connection:
        query = select(record.c.token, record.c.dek_id).where(record.c.token.in_([lost, changed]))
        deks = dict((await connection.execute(query)).all())
    async with service.keystore_owner.begin() as keystore:
        told = {"one": deks[lost], "other": deks[changed]}
        await keystore.execute(
            text(
                "UPDATE dek SET wrapped = (SELECT wrapped FROM dek WHERE dek_id = :one) WHERE dek_id = :other"
            ),
            told,
        )
        await keystore.execute(text("DELETE FROM dek WHERE dek_id = :one"), told)
    says = bad(await records.unwrapped(service.settings))["keys of records of acme"]
    assert f"{lost} (its wrapped key is not in the keystore)" in says
    assert f"{changed} (its key does not unwrap: dek_tampered)" in says
    async with service.owner.begin() as connection:
        await connection.execute(delete(record).where(record.c.token.in_(list(deks))))
    for token in deks:
        service.journal.values.pop(token)


async def test_overdue_record_is_found(service: World):
    """Every tenant's records are judged; one a month past its day is a debt, unless a hold is on it."""
    assert {one.state for one in await stores.overdue(service.settings)} == {"ok"}
    late: Any = SimpleNamespace(
        must_archive=False, must_erase=True, held=False, due=date(2030, 1, 1), today=date(2030, 2, 2)
    )
    states = [
        stores._debt("retention of acme", [SimpleNamespace(**vars(late) | changed)]).state
        for changed in ({}, {"held": True}, {"today": date(2030, 2, 1)}, {"must_erase": False})
    ]
    assert states == ["bad", "ok", "ok", "ok"]


async def test_damaged_log_is_found(service: World, tmp_path: Path):
    """A leaf that is missing is named; before, the log verifies and says how much waits."""
    settings = replace(service.settings, sequencer_state=tmp_path)
    running = build_sequencer(settings)
    await running.prepare()
    while await running.sequencer.step(sign=True):
        pass
    await running.stop()
    assert bad(await logs.consistent(settings)) == {}
    async with service.owner.begin() as connection:
        await connection.execute(delete(leaf).where(leaf.c.tenant == "globex", leaf.c.idx == 0))
    assert set(bad(await logs.consistent(settings))) == {"log of globex"}


async def test_role_that_may_more_or_less_is_found(service: World):
    """On PostgreSQL a right granted or taken by hand is named; SQLite has none."""
    assert bad(await stores.roles(service.settings)) == {}
    if service.databases.kind == "sqlite":
        return
    async with service.owner.begin() as connection:
        await connection.execute(text("GRANT UPDATE (body) ON event TO strongroom_audit"))
        await connection.execute(text("GRANT DELETE ON record TO PUBLIC"))
        await connection.execute(text("REVOKE SELECT ON tombstone FROM strongroom_reveal"))
    found = bad(await stores.roles(service.settings))
    assert "UPDATE on event.body" in found["data role of audit"]
    assert "may not: SELECT on tombstone" in found["data role of reveal"]
    assert "DELETE on record" in found["data role of ingest"]
    async with service.owner.begin() as connection:
        await connection.execute(text("REVOKE UPDATE (body) ON event FROM strongroom_audit"))
        await connection.execute(text("REVOKE DELETE ON record FROM PUBLIC"))
        await connection.execute(text("GRANT SELECT ON tombstone TO strongroom_reveal"))
    owner = replace(service.settings, plane_urls={"audit_data_url": service.settings.data_url})
    assert "not as strongroom_audit" in bad(await stores.roles(owner))["data role of audit"]


async def test_policy_with_one_word_more_is_found(service: World):
    """A policy changed at the key server is named; a token that may not read policies is told so."""
    root = service.bao.root_token
    assert bad(keyserver.policies(service.settings, root)) == {}
    path, true = f"sys/policies/acl/{policy_name('audit', 'strongroom')}", policy("audit", "strongroom")
    service.bao.admin.post(path, {"policy": true + 'path "sys/x" { capabilities = ["read"] }\n'})
    assert "strongroom-audit" in bad(keyserver.policies(service.settings, root))["policies"]
    service.bao.admin.post(path, {"policy": true})
    assert "policies" in bad(keyserver.policies(service.settings, "no-token"))
    assert bad(await keyserver.clocks(service.settings)) == {}


@pytest.mark.parametrize(("ahead", "state"), [(1.0, "ok"), (-5.0, "warn"), (45.0, "bad")])
async def test_clock_that_is_off_is_found(ahead: float, state: str):
    """Two seconds are bearable, thirty are not, and each says what to do."""
    found = keyserver._clock("the key server", ahead)
    assert (found.state, bool(found.do)) == (state, state != "ok")


async def test_old_or_missing_backup_is_told():
    """None on record, and one older than two days, are told; one of yesterday is well."""
    day, now = 86_400_000_000, 1_800_000_000_000_000
    told: Callable[[int], Any] = lambda at: [b'{"taken_at":"%s"}' % logs.timestamp(at).encode()]  # noqa: E731
    states = [logs._backup("b", newest, now).state for newest in ([], told(now - 3 * day), told(now - day))]
    assert states == ["warn", "warn", "ok"]


async def test_open_files_and_swap_are_told(tmp_path: Path):
    """A database that others may read, unless its folder is closed, and swap that is no compressed memory."""
    (tmp_path / "ids").mkdir(mode=0o700)
    data = tmp_path / "open" / "data.db"
    data.parent.mkdir(mode=0o755)
    data.touch(mode=0o600)
    settings = Settings(
        data_url=f"sqlite+aiosqlite:///{data}", vault_addr="http://127.0.0.1:1", identities=tmp_path / "ids"
    )
    assert bad(await machine.files(settings)) == {}
    tmp_path.chmod(0o755)
    data.parent.chmod(0o755)
    data.chmod(0o644)
    assert str(data) in bad(await machine.files(settings))["files"]
    swaps = tmp_path / "swaps"
    swaps.write_text("Filename Type Size Used Priority\n/dev/zram0 partition 1 0 5\n/swapfile file 1 0 -2\n")
    found = {one.check: one for one in machine.surroundings({}, swaps)}
    assert (found["swap"].state, "/swapfile" in found["swap"].says, "zram" in found["swap"].says) == (
        "warn",
        True,
        False,
    )
