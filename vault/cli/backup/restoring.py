"""Bringing a copy back: all of it or nothing, and never what was erased.

The data returns in one transaction, which ends only when no erased record is in it and every record that is
has its key. So a restore that was killed has done nothing, and none can be half done.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from keys.migrate import KEYSTORE, newest
from vault.cli import databases
from vault.cli.backup import folder as folders
from vault.cli.backup.folder import TABLES, Watch
from vault.cli.backup.manifest import Manifest, goes_on
from vault.cli.backup.taking import keystore_url
from vault.cli.backup.versions import assert_openable
from vault.cli.failures import CommandError
from vault.log.event import timestamp
from vault.settings import Settings
from vault.store.copies.keys import ReturningKeys
from vault.store.copies.returning import Key, ReturningData
from vault.store.engine import open_database
from vault.store.migrate import DATA
from vault.store.restored import Restoration

INDEX = "data/blind_index"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What to bring back, and what an operator takes upon himself."""

    folder: Path
    tombstones: Sequence[Path] = ()
    """Copies of tombstones: erasures that were made after the backup."""
    keystore: bool = False
    """Bring the keystore's copy back too; else the living keystore is used."""
    repair: bool = False
    """The databases are not empty: add what is missing."""
    bury_missing: bool = False
    """Records without a key were erased: end them."""
    erasures_lost: bool = False
    """Nobody knows any more what was erased after the backup."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did."""

    done: Restoration
    empty: bool
    """The databases were empty: nobody has vouched for the registers yet."""
    keys_added: int


async def restore(wish: Wish, settings: Settings, watch: Watch) -> Restored:
    """Bring a copy back. Raises: CommandError, SettingsError, KeysError, Unavailable, OSError."""
    manifest = _readable(wish.folder, "databases", watch)
    erased = [(path, _readable(path, "tombstones", watch)) for path in wish.tombstones]
    urls = settings.data_url, keystore_url(settings)
    await databases.assert_current([("data", urls[0], DATA), ("keystore", urls[1], KEYSTORE)])
    if wish.keystore:
        await assert_openable(manifest, settings)
    async with _data(urls[0]) as data:
        empty = await _assert_welcome(data, manifest, wish)
        living = not empty and not await data.is_behind(manifest.tenants)
        known = _erasures_known(manifest, erased, wish, living=living)
        added = await _load(data, wish.folder, manifest, watch, empty=empty)
        for path, one in erased:
            added += await _load(data, path, one, watch, empty=empty)
        buried = await data.bury()
        async with _keys(urls[1]) as keys:
            put = await _load_keys(keys, wish.folder, manifest, watch) if wish.keystore else 0
            keyless = await _settle(data, keys, wish, watch)
            done = Restoration(manifest.digest, manifest.taken_at, known, added, buried + keyless, keyless)
            await data.note(done)
            # First the keys: one too many opens nothing without its record.
            await keys.commit()
            await data.commit()
    return Restored(done, empty, put)


def _readable(folder: Path, kind: str, watch: Watch) -> Manifest:
    manifest = folders.verified(folder, watch)
    if manifest.kind != kind:
        raise CommandError(f"{folder} is a copy of {manifest.kind}, not of {kind}")
    for name, found, schema in (
        ("data", manifest.data_schema, DATA),
        ("keystore", manifest.keystore_schema, KEYSTORE),
    ):
        if found not in (newest(schema), "" if kind == "tombstones" else newest(schema)):
            raise CommandError(
                f"the copy's {name} schema is {found}, this release has {newest(schema)}: restore with the "
                "release that wrote it, then migrate"
            )
    return manifest


async def _assert_welcome(data: ReturningData, manifest: Manifest, wish: Wish) -> bool:
    """Whether the database is empty. Raises: CommandError when it is not, and was not said to be."""
    empty = await data.is_empty()
    if not empty and not wish.repair:
        raise CommandError(
            "the data database is not empty. --repair adds what is missing and changes nothing else; for a "
            "clean start make an empty database and `strongroom migrate` it. Nothing was changed"
        )
    if other := await data.other_history(manifest.tenants):
        raise CommandError(
            f"the log of {', '.join(other)} is another one than that of the copy: this is no copy of this "
            "database, or one of the two was tampered with. Nothing was changed"
        )
    return empty


def _erasures_known(
    manifest: Manifest, erased: Sequence[tuple[Path, Manifest]], wish: Wish, *, living: bool
) -> int:
    """Until when erasures are known, in µs. Raises: CommandError when old keys would undo unknown ones."""
    if strange := [str(path) for path, one in erased if not goes_on(one, manifest)]:
        raise CommandError(
            f"the tombstones in {', '.join(strange)} are not of this copy's logs, or are from before it: "
            "they do not say what was erased since. Nothing was changed"
        )
    latest = max([manifest.taken_at, *(one.taken_at for _, one in erased)])
    if not wish.keystore or living or latest > manifest.taken_at or wish.erasures_lost:
        return latest
    raise CommandError(
        f"the keystore's copy has the keys of everything erased since {timestamp(manifest.taken_at)}, and "
        "nothing here says what that was. Use the newest keystore (without --keystore), or name a copy of "
        "tombstones made since (--tombstones). If there is none, --erasures-lost takes the old state as it "
        "is; say so to your data-protection officer. Nothing was changed"
    )


async def _load(data: ReturningData, folder: Path, manifest: Manifest, watch: Watch, *, empty: bool) -> int:
    added = 0
    for name in manifest.tables:
        if not name.startswith("data/"):
            continue
        for columns in folders.pages(folder, name, manifest):
            if name == INDEX and not empty:
                added += await data.put_index(columns)
            else:
                added += await data.put(TABLES[name], columns)
            watch(name, len(next(iter(columns.values()))))
    return added


async def _load_keys(keys: ReturningKeys, folder: Path, manifest: Manifest, watch: Watch) -> int:
    """Raises: CommandError while a rotation is under way that must not be given older keys."""
    added = 0
    for tenant, fence in (await keys.fences()).items():
        facts = manifest.tenants.get(tenant)
        if facts is not None and min(facts.kek_versions, default=fence) < fence:
            raise CommandError(
                f"a rotation of {tenant}'s KEK has begun, and the copy has keys under older versions: finish "
                "it (`strongroom keys rewrap`) and use the living keystore. Nothing was changed"
            )
    for name in manifest.tables:
        if name.startswith("keystore/"):
            for columns in folders.pages(folder, name, manifest):
                added += await keys.put(TABLES[name], columns)
                watch(name, len(next(iter(columns.values()))))
    return added


async def _settle(data: ReturningData, keys: ReturningKeys, wish: Wish, watch: Watch) -> int:
    """Destroy again the keys of what was erased, end what has none; answer how many that were."""
    async for page in data.destroyed():
        await keys.destroy(page)
        watch("keys destroyed again", len(page))
    missing: list[Key] = []
    async for page in data.keys():
        missing += await keys.missing(page)
        watch("records held to their keys", len(page))
    if missing and not wish.bury_missing:
        raise CommandError(
            f"{len(missing):,} records of the copy have no key in the keystore: erased or sealed anew since, "
            "or this is not the newest keystore. Name the tombstones made since "
            "(--tombstones); once you are sure that they were erased, --bury-missing ends them. Nothing was "
            "changed"
        )
    buried = await data.bury_keyless(missing) if missing else 0
    await data.tidy()
    return buried


@asynccontextmanager
async def _data(url: str) -> AsyncIterator[ReturningData]:
    engine = open_database(url, statement_seconds=None)
    try:
        async with ReturningData(engine) as data:
            yield data
    finally:
        await engine.dispose()


@asynccontextmanager
async def _keys(url: str) -> AsyncIterator[ReturningKeys]:
    engine = open_database(url, statement_seconds=None)
    try:
        async with ReturningKeys(engine) as keys:
            yield keys
    finally:
        await engine.dispose()
