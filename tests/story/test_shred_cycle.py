"""Erasure made final: two persons, a whole cycle on keys of their own, and old copies held against it."""

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select, update
from strongroom_audit.verifier.finality import read_finality

from keys.devserver import RunningServer
from keys.errors import KeysError
from keys.identity import read_identity, write_identity
from keys.keystore import dek
from keys.logins import issue_identity
from keys.plan import Plan
from keys.policies import IDENTITIES
from keys.provision import provision, provision_tenant
from keys.ring import WrappedDek
from keys.transit import Transit
from tests.plugins.service import KINDS, Databank, Founder
from tests.plugins.world import World
from vault.cli.backup import taking
from vault.cli.backup.restoring import Wish, restore
from vault.cli.failures import CommandError
from vault.cli.keys.finality import _state
from vault.cli.keys.shredding import Job
from vault.errors import Conflict
from vault.log.finality import parse
from vault.service.verify import size_of
from vault.store.schema import record, tombstone


async def settled_world(kind: str, found: Founder, bao: RunningServer, folder: Path) -> World:
    """A world on keys of its own, which may be destroyed."""
    plan = Plan(mount=f"shred_{kind}", secret_id_ttl=0)
    provision(bao.admin, plan)
    for tenant in ("acme", "globex"):
        provision_tenant(bao.admin, tenant, ["pan"], mount=plan.mount)
    for name in IDENTITIES:
        write_identity(folder / f"{name}.json", issue_identity(bao.admin, name, plan))
    return await found(kind, vault_mount=plan.mount, identities=folder)


def job(person: str) -> Job:
    made = Job(person, "change-118", None, 0)
    made.margin = 0
    return made


async def destroyed_key(world: World, copy: Path) -> tuple[bytes, str]:
    """The key of the one erased record, as a copy of the keystore still has it."""
    lines = [json.loads(line) for line in (copy / "keystore/dek.jsonl").read_text().splitlines()[1:]]
    async with world.owner.connect() as connection:
        gone = bytes((await connection.scalars(select(tombstone.c.dek_id))).one())
    (wrapped,) = [row[2] for row in lines if base64.b64decode(row[1]) == gone]
    return gone, wrapped


async def opened(world: World, tokens: list[str]) -> list[int]:
    return [(await world.detokenize([token])).status_code for token in tokens]


@pytest.mark.parametrize("kind", KINDS)
async def test_after_a_cycle_no_copy_brings_the_erased_back(
    kind: str, found_world: Founder, bao: RunningServer, databank: Databank, tmp_path: Path
):
    """What lives opens all along; what was erased opens with no copy of anything, and a file says so."""
    world = await settled_world(kind, found_world, bao, tmp_path)
    tokens = await world.seal(4)
    monday = tmp_path / "monday"
    settings = replace(world.settings, plane_urls={})
    await taking.take(monday, settings, lambda *_: None)
    assert (await world.erase(tokens[:1])).status_code == 200

    gone, wrapped = await destroyed_key(world, monday)
    row = {"tenant": "acme", "dek_id": gone, "wrapped": wrapped, "kek_version": 1, "lease_until": 0}
    async with world.keystore_owner.begin() as connection:
        await connection.execute(insert(dek), row)
    with pytest.raises(CommandError, match="1 keys that erasures destroyed are in the keystore again"):
        await job("Meera Iyer").all_of(world.settings, "acme")
    async with world.keystore_owner.begin() as connection:
        await connection.execute(delete(dek).where(dek.c.dek_id == gone))
    (begun,) = await job("Meera Iyer").all_of(world.settings, "acme")
    assert (begun.stage, begun.cycle.version) == ("due", 2)
    assert await opened(world, tokens) == [410, 200, 200, 200]
    looked = await world.events(verb="verify")
    assert len([one for one in looked if "token" in one]) == size_of(3) == 3
    with pytest.raises(Conflict, match="same_person"):
        await job("MEERA  iyer").all_of(world.settings, "acme")
    with pytest.raises(CommandError, match="nothing is final yet"):
        await _state("acme", settings)
    (ended,) = await job("Ravi Rao").all_of(world.settings, "acme")
    assert (ended.stage, ended.cycle.trimmed_by) == ("final", "Ravi Rao")
    told = [one["action"] for one in reversed(await world.events(verb="keys"))]
    assert told == ["shred", "rotate", "pin", "rewrap", "retire", "trim", "trimmed"]

    signed = await _state("acme", world.settings)
    assert parse(signed.whole) == signed
    held = read_finality(signed.whole)
    transit = Transit(settings.server, read_identity(tmp_path / "reveal.json"), mount=settings.vault_mount)
    held.verify((await transit.public_keys("cert"))[held.key_version])
    erased = (await world.events(verb="erase"))[0]
    assert held.covers(erased["time"])
    assert not held.covers(held.facts["trimmed_at"])

    fresh = await databank(kind)
    old = replace(settings, data_url=fresh.data_url, keystore_url=fresh.keystore_url)
    wish = Wish(folder=monday, keystore=True, erasures_lost=True)
    with pytest.raises(CommandError, match=r"older than the last finished rotation.*Use the newest keystore"):
        await restore(wish, old, lambda *_: None)
    (answer,) = await transit.unwrap("acme", [WrappedDek(gone, wrapped)], batch="thief")
    await transit.aclose()
    assert isinstance(answer, KeysError)
    assert await opened(world, tokens) == [410, 200, 200, 200]
    await world.recheck()


async def test_a_sample_that_does_not_fit_stops_the_cycle(
    found_world: Founder, bao: RunningServer, tmp_path: Path
):
    """Two sealed records exchanged in the database: nothing is retired, and both are named in the log."""
    world = await settled_world("sqlite", found_world, bao, tmp_path)
    tokens = await world.seal(3)
    async with world.owner.begin() as connection:
        sealed = dict((await connection.execute(select(record.c.token, record.c.sealed))).all())
        for one, other in (tokens[:2], tokens[1::-1]):
            changed = update(record).where(record.c.token == one).values(sealed=sealed[other])
            await connection.execute(changed)
    with pytest.raises(CommandError, match="2 of 3 sampled records do not fit"):
        await job("Meera Iyer").all_of(world.settings, "acme")
    failed = [one["token"] for one in await world.events(verb="verify") if one.get("failure")]
    assert sorted(failed) == sorted(tokens[:2])
    assert not [one for one in await world.events(verb="keys") if one["action"] == "retire"]
