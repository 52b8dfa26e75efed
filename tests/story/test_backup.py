"""Backups and restores: what comes back, and that what was erased does not. On both databases."""

import asyncio
import json
import os
import shutil
import stat
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import delete, func, insert, select, update

import vault.plane
from keys.keystore import dek
from tests.plugins.canary import holders
from tests.plugins.service import Databank
from tests.plugins.world import Databases, World
from vault.cli.backup import taking, trace
from vault.cli.failures import CommandError
from vault.cli.main import main
from vault.errors import ServiceError
from vault.sequencer import build_sequencer
from vault.store.copies.spelling import DATA_TABLES, KEYSTORE_TABLES
from vault.store.engine import open_database
from vault.store.restored import restoration
from vault.store.schema import checkpoint, event, record, register, resealed, tombstone

pytestmark = pytest.mark.asyncio(loop_scope="module")
Run = Callable[..., Awaitable[tuple[int, dict[str, Any], str]]]


@pytest.fixture
def run(service: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs a command as the operator: exit status, its JSON, what it said aside."""

    def at_once(arguments: tuple[str, ...]) -> tuple[int, dict[str, Any], str]:
        with pytest.raises(SystemExit) as end:
            main([*arguments, "--json"])
        out, err = capsys.readouterr()
        return int(end.value.code or 0), json.loads(out or "{}"), err.replace("\n", " ")

    async def told(*arguments: str | Path, **urls: str) -> tuple[int, dict[str, Any], str]:
        settings = service.environment() | {f"STRONGROOM_{name.upper()}": url for name, url in urls.items()}
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        return await asyncio.to_thread(at_once, tuple(map(str, arguments)))

    before = os.umask(0o022)
    yield told
    os.umask(before)


@dataclass(frozen=True, slots=True)
class Yesterday:
    """A backup, and what happened after it: one record was erased, one corrected, one added."""

    folder: Path
    tombstones: Path
    kept: list[str]
    erased: str
    corrected: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def yesterday(service: World, tmp_path_factory: pytest.TempPathFactory) -> Yesterday:
    """The world a day after its backup. Made once: the tests that follow leave the world as it is."""
    await service.hire("corrector", ["replace"])
    tokens = await service.seal(5)
    folder = tmp_path_factory.mktemp("backups") / "monday"
    settings = replace(service.settings, plane_urls={}, sequencer_state=folder.with_name("state"))
    running = build_sequencer(settings)
    await running.prepare()
    while await running.sequencer.step(sign=True):
        pass
    await running.stop()
    manifest = await taking.take(folder, settings, lambda *_: None)
    await trace.record_backup(manifest, settings)
    assert (await service.erase([tokens[0]])).status_code == 200
    change = {"token": tokens[1], "value": service.canary()}
    body = {"items": [change], "reason": "typo"}
    done = await service.post("/v1/replace", body, who="corrector")
    assert done.status_code == 200, done.text
    service.journal.values[tokens[1]] = change["value"]
    tombstones = folder.with_name("tombstones")
    await taking.take_tombstones(tombstones, settings, lambda *_: None)
    return Yesterday(folder, tombstones, tokens[2:], tokens[0], tokens[1])


def urls(service: World, fresh: Databases, *, keystore: bool = False) -> dict[str, str]:
    """The environment of another data database, and of its keystore or the living one."""
    moved = {n: u for n, u in fresh.plane_urls.items() if keystore or n.endswith("_data_url")}
    told = {"data_url": fresh.data_url, **dict(service.settings.plane_urls), **moved}
    return told | ({"keystore_url": fresh.keystore_url} if keystore else {})


async def count(url: str, *tables: Any) -> list[int]:
    engine = open_database(url)
    async with engine.connect() as connection:
        found = [await connection.scalar(select(func.count()).select_from(one)) or 0 for one in tables]
    await engine.dispose()
    return found


async def begin_anew(url: str, *, undo: bool = False) -> None:
    """A database with nothing in it but a tenant of the same name, or without it again."""
    engine = open_database(url)
    row = {"tenant": "acme", "version": 1, "document": b"{}", "signature": b"", "key_version": 1}
    async with engine.begin() as connection:
        await connection.execute(delete(register) if undo else insert(register).values(row))
    await engine.dispose()


async def opened(service: World, client: Any, tokens: list[str]) -> list[int]:
    """The status each token is answered with for payment."""
    headers = await service.bearer("payments")
    body = {"purpose": "payment", "reference": "payout-1"}
    asked = [client.post("/v1/detokenize", json=body | {"items": [{"token": t}]}, headers=headers)
             for t in tokens]  # fmt: skip
    return [answer.status_code for answer in await asyncio.gather(*asked)]


async def test_a_backup_is_whole_private_and_on_record(service: World, yesterday: Yesterday, run: Run):
    """Every table is in it, for its owner alone, and no value; each tenant's log names it."""
    files = [path for path in yesterday.folder.rglob("*") if path.is_file()]
    assert {path.stem for path in files} == {*DATA_TABLES, *KEYSTORE_TABLES, "manifest"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert holders([service.marker], [yesterday.folder, yesterday.tombstones]) == []
    status, shown, _ = await run("backup", "verify", yesterday.folder)
    assert status == 0
    assert shown["tables"]["data/record"] == 5
    for tenant in ("acme", "globex"):
        (named,) = await service.events(verb="backup", tenant=tenant)
        assert named["manifest"] == shown["manifest"]
    status, _, said = await run("backup", "take", yesterday.folder)
    assert (status, "left as it is" in said) == (1, True)
    again = yesterday.folder.with_name("again")
    status, shown, _ = await run("backup", "take", again)
    assert (status, shown["recorded"]) == (0, ["acme", "globex"])
    assert stat.S_IMODE(again.stat().st_mode) == 0o700


async def test_a_copy_whose_records_moved_to_other_keys_meanwhile_is_none(service: World, tmp_path: Path):
    """Sealed anew between data and keystore, a record would have no key in the copy: it is refused."""
    moved = {"tenant": "acme", "token": "tok_x", "dek_id": bytes(16), "version": 1}
    moving: list[str] = []

    async def move() -> None:
        engine = open_database(service.databases.data_url)
        async with engine.begin() as connection:
            await connection.execute(insert(resealed), moved)
        await engine.dispose()

    def meanwhile(name: str, _: int) -> None:
        if name == "keystore/dek" and not moving:
            moving.append(name)
            thread = Thread(target=lambda: asyncio.run(move()))
            thread.start()
            thread.join()

    settings = replace(service.settings, plane_urls={})
    with pytest.raises(CommandError, match="1 values were corrected or sealed anew"):
        await taking.take(tmp_path / "copy", settings, meanwhile)
    assert list(tmp_path.iterdir()) == []
    async with service.owner.begin() as connection:
        await connection.execute(delete(resealed).where(resealed.c.token == "tok_x"))


@pytest.mark.parametrize("harm", ["changed", "cut", "gone", "manifest"])
async def test_a_damaged_copy_is_noticed_before_anything_is_done(
    yesterday: Yesterday, run: Run, databank: Databank, service: World, tmp_path: Path, harm: str
):
    """One changed byte, a line cut off, a file gone or a manifest edited: verify and restore both refuse."""
    copy = tmp_path / "copy"
    shutil.copytree(yesterday.folder, copy)
    file = copy / "data" / "record.jsonl"
    match harm:
        case "changed":
            raw = bytearray(file.read_bytes())
            raw[-20] ^= 1
            file.write_bytes(raw)
        case "cut":
            file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-1]))
        case "gone":
            file.unlink()
        case _:
            manifest = copy / "manifest.json"
            manifest.write_bytes(manifest.read_bytes().replace(b'"v":1', b'"v": 1'))
    fresh = await databank("sqlite")  # nothing of it is reached, whatever it is
    for command in (("backup", "verify"), ("restore", "run")):
        status, _, said = await run(*command, copy, **urls(service, fresh))
        assert (status, "damaged" in said) == (1, True), said
    assert await count(fresh.data_url, record, restoration) == [0, 0]


async def test_what_was_erased_does_not_return_from_yesterdays_data(
    service: World, yesterday: Yesterday, run: Run, databank: Databank, monkeypatch: pytest.MonkeyPatch
):
    """Yesterday's data with today's keystore: others open, the erased and the corrected are gone for good."""
    fresh = await databank(service.databases.kind)
    where = urls(service, fresh)
    status, _, said = await run("restore", "run", yesterday.folder, **where)
    assert (status, "2 records of the copy have no key" in said) == (1, True), said
    assert await count(fresh.data_url, record, event, restoration) == [0, 0, 0]

    status, done, said = await run(
        "restore", "run", yesterday.folder, "--tombstones", yesterday.tombstones, **where
    )
    assert (status, done["buried"], done["keyless"]) == (0, 2, 0), said
    changed = {"data_url": fresh.data_url, "plane_urls": _planes(where)}
    with monkeypatch.context() as hasty:
        hasty.setattr(vault.plane, "START_SECONDS", 0.5)
        assert (await run("restore", "finish", **where))[0] == 3  # nobody has vouched for the registers yet
    assert (await run("tenants", "vouch", "--yes", **where))[0] == 0
    with pytest.raises(ServiceError, match="restore_unfinished"):
        await service.worker(["reveal"], **changed)
    status, done, said = await run("restore", "finish", **where)
    assert (status, len(done["recorded"])) == (0, 1), said
    client = await service.worker(["control", "reveal"], **changed)
    gone = [yesterday.erased, yesterday.corrected]
    assert await opened(service, client, yesterday.kept + gone) == [200, 200, 200, 410, 410]
    engine = open_database(fresh.data_url)
    async with engine.connect() as connection:
        said = (await connection.scalars(select(event.c.body).where(event.c.verb == "restore"))).all()
    await engine.dispose()
    assert [(body["tenant"], body["buried"]) for body in sorted(map(json.loads, said), key=str)] == [
        ("acme", 2),
        ("globex", 2),
    ]


async def test_tombstones_nobody_kept_are_made_of_missing_keys(
    service: World, yesterday: Yesterday, run: Run, databank: Databank
):
    """Told to, a restore ends what the newest keystore has no key of: 410, and never a value."""
    fresh = await databank(service.databases.kind)
    where = urls(service, fresh)
    status, done, said = await run("restore", "run", yesterday.folder, "--bury-missing", **where)
    assert (status, done["buried"], done["keyless"]) == (0, 2, 2), said
    assert await count(fresh.data_url, record, tombstone) == [3, 2]


async def test_an_old_keystore_brings_no_erased_key_back(
    service: World, yesterday: Yesterday, run: Run, databank: Databank
):
    """The keystore's copy is taken only with the erasures known, and their keys are not in it afterwards."""
    fresh = await databank(service.databases.kind)
    where = urls(service, fresh, keystore=True)
    status, _, said = await run("restore", "run", yesterday.folder, "--keystore", **where)
    assert (status, "keys of everything erased since" in said) == (1, True), said
    assert await count(fresh.keystore_url, dek) == [0]
    # Neither a database that somebody began anew, nor tombstones of one, know what was erased.
    await begin_anew(fresh.data_url)
    status, _, said = await run("restore", "run", yesterday.folder, "--keystore", "--repair", **where)
    assert (status, "keys of everything erased since" in said) == (1, True), said
    strange = yesterday.folder.with_name("strange")
    assert (await run("backup", "tombstones", strange, **where))[0] == 0
    told = "--keystore", "--repair", "--tombstones", strange
    status, _, said = await run("restore", "run", yesterday.folder, *told, **where)
    assert (status, "not of this copy's logs" in said) == (1, True), said
    await begin_anew(fresh.data_url, undo=True)
    status, done, said = await run(
        "restore", "run", yesterday.folder, "--keystore", "--tombstones", yesterday.tombstones, **where
    )
    assert (status, done["buried"], done["keyless"]) == (0, 2, 0), said
    async with service.owner.connect() as connection:
        gone = set((await connection.scalars(select(tombstone.c.dek_id))).all())
    engine = open_database(fresh.keystore_url)
    async with engine.connect() as connection:
        there = set((await connection.scalars(select(dek.c.dek_id))).all())
    await engine.dispose()
    assert gone
    assert not gone & there


async def test_a_repair_adds_what_is_missing_and_undoes_nothing(
    service: World, yesterday: Yesterday, run: Run
):
    """Rows somebody deleted return; what was erased, corrected or added since stays as it is."""
    later = await service.seal(1)
    async with service.owner.begin() as connection:
        await connection.execute(delete(record).where(record.c.token.in_(yesterday.kept)))
        await connection.execute(delete(event).where(event.c.token == yesterday.kept[0]))
    assert await opened(service, service.client, yesterday.kept[:1]) == [404]
    status, _, said = await run("restore", "run", yesterday.folder)
    assert (status, "not empty" in said) == (1, True), said
    status, done, said = await run("restore", "run", yesterday.folder, "--repair")
    assert (status, done["keyless"]) == (0, 0), said
    assert (await run("restore", "finish"))[0] == 0
    every = [*yesterday.kept, yesterday.corrected, *later, yesterday.erased]
    assert await opened(service, service.client, every) == [200] * 5 + [410]
    await service.recheck()


async def test_a_copy_of_another_history_is_refused(service: World, yesterday: Yesterday, run: Run):
    """Where the same size of the log has another root, the two are not of one vault."""
    manifest = json.loads((yesterday.folder / "manifest.json").read_bytes())
    size = manifest["tenants"]["acme"]["checkpoint_size"]
    async with service.owner.begin() as connection:
        changed = update(checkpoint).where(checkpoint.c.tenant == "acme", checkpoint.c.size == size)
        assert (await connection.execute(changed.values(root=bytes(32)))).rowcount == 1
    status, _, said = await run("restore", "run", yesterday.folder, "--repair")
    assert (status, "another one than that of the copy" in said) == (1, True), said


def _planes(where: dict[str, str]) -> dict[str, str]:
    return {name: url for name, url in where.items() if name not in ("data_url", "keystore_url")}
