"""Taking a copy: the data in one moment, then the keystore, so that every record of the copy has its key."""

import os
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from keys.migrate import KEYSTORE, Schema, newest
from vault.cli.backup import folder as folders
from vault.cli.backup.folder import TABLES, Watch
from vault.cli.backup.manifest import Manifest, TableFile
from vault.cli.failures import CommandError
from vault.settings import Settings, SettingsError
from vault.store.copies.snapshot import Snapshot
from vault.store.copies.spelling import DATA_TABLES, ERASURES, MOVES
from vault.store.engine import open_database
from vault.store.migrate import DATA


async def take(path: Path, settings: Settings, watch: Watch) -> Manifest:
    """Copy both databases into a new folder. Raises: CommandError, SettingsError, Unavailable, OSError."""
    keystore = keystore_url(settings)
    os.umask(0o077)
    with folders.new_folder(path) as folder:
        data = await _data(folder, settings, [name for name in TABLES if name.startswith("data/")], watch)
        async with _moment("keystore", keystore, KEYSTORE) as moment:
            tables = {
                name: await _copied(folder, name, moment, watch)
                for name in TABLES
                if name.startswith("keystore/")
            }
            versions = await moment.kek_versions()
        await _assert_unmoved(data, settings)
        manifest = replace(
            data,
            keystore_schema=moment.version,
            tables={**data.tables, **tables},
            tenants={n: replace(t, kek_versions=versions.get(n, {})) for n, t in data.tenants.items()},
        )
        folders.write_manifest(folder, manifest)
    return manifest


async def take_tombstones(path: Path, settings: Settings, watch: Watch) -> Manifest:
    """Copy what says whose keys were destroyed: small, and what a restore needs beside an older copy."""
    os.umask(0o077)
    with folders.new_folder(path) as folder:
        data = await _data(folder, settings, [f"data/{name}" for name in ERASURES], watch)
        manifest = replace(data, kind="tombstones")
        folders.write_manifest(folder, manifest)
    return manifest


def keystore_url(settings: Settings) -> str:
    """The keystore under its owner. Raises: SettingsError."""
    if settings.keystore_url is None:
        raise SettingsError("STRONGROOM_KEYSTORE_URL is missing: a copy is of both databases")
    return settings.keystore_url


async def _data(folder: Path, settings: Settings, names: Collection[str], watch: Watch) -> Manifest:
    async with _moment("data", settings.data_url, DATA) as moment:
        tables = {name: await _copied(folder, name, moment, watch) for name in names}
        return Manifest(
            kind="databases",
            taken_at=moment.at,
            data_schema=moment.version,
            keystore_schema="",
            tables=tables,
            tenants=await moment.tenants(),
        )


async def _copied(folder: Path, name: str, moment: Snapshot, watch: Watch) -> TableFile:
    with folders.table_file(folder, name) as file:
        async for page in moment.pages(TABLES[name]):
            file.put(page)
            watch(name, len(page))
        return file.written


async def _assert_unmoved(copied: Manifest, settings: Settings) -> None:
    """Raises: CommandError when a record of the copy may have lost its key before the keystore was copied."""
    moves = {f"data/{name}": DATA_TABLES[name] for name in MOVES}
    async with _moment("data", settings.data_url, DATA) as later:
        moved = await later.count(*moves.values()) - sum(copied.tables[name].rows for name in moves)
    if moved:
        raise CommandError(
            f"{moved:,} values were corrected or sealed anew while the copy was taken, and it may lack their "
            "keys: take it again, and not while `strongroom keys reseal` runs. Nothing was kept"
        )


@asynccontextmanager
async def _moment(name: str, url: str, schema: Schema) -> AsyncIterator[Snapshot]:
    """One moment of a database of this release's schema. Raises: CommandError."""
    engine = open_database(url, statement_seconds=None)
    try:
        async with Snapshot(engine, schema) as moment:
            if moment.version != newest(schema):
                raise CommandError(
                    f"the {name} database is not at schema {newest(schema)}: run `strongroom migrate`"
                )
            yield moment
    finally:
        await engine.dispose()
