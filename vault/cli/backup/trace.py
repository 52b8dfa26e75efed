"""Puts backups and restores on record, in every tenant's log, with the identity `audit`."""

import getpass
from collections.abc import Mapping

from vault.cli.backup.manifest import Manifest
from vault.cli.failures import CommandError
from vault.cli.founding import operator
from vault.log.event import timestamp
from vault.plane import base
from vault.service import copies
from vault.settings import Settings
from vault.store import restored
from vault.store.engine import open_database
from vault.store.restored import Restoration


async def record_backup(manifest: Manifest, settings: Settings) -> list[str]:
    """Name a copy in every log; answers the tenants. Raises: KeysError, ServiceError."""
    if manifest.kind != "databases":
        raise CommandError("only copies of the databases are put on record: tombstones are no backup")
    said: dict[str, str | int] = {
        "manifest": manifest.digest,
        "taken_at": timestamp(manifest.taken_at),
        "rows": manifest.rows,
    }
    return await _record(copies.BACKUP, said, settings)


async def finish(settings: Settings) -> list[Restoration]:
    """Put restores on record, after which planes may start; answers them. Raises: KeysError, ServiceError."""
    engine = open_database(settings.data_url, statement_seconds=None)
    try:
        pending = await restored.unfinished(engine)
        for one in pending:
            await _record(copies.RESTORE, _said(one), settings)
        await restored.finish(engine)
    finally:
        await engine.dispose()
    return pending


def _said(one: Restoration) -> dict[str, str | int]:
    return {
        "manifest": one.manifest,
        "taken_at": timestamp(one.taken_at),
        "erasures_until": timestamp(one.erasures_until),
        "added": one.added,
        "buried": one.buried,
        "keyless": one.keyless,
    }


async def _record(verb: str, said: Mapping[str, str | int], settings: Settings) -> list[str]:
    plane = base("audit", settings)
    try:
        await plane.start()
        told = await copies.trace(
            verb, said, plane.parts, who=lambda tenant: operator(tenant, getpass.getuser())
        )
    finally:
        await plane.stop()
    if not told:
        raise CommandError("there is no tenant yet, and so no log to put it on record in")
    return told
