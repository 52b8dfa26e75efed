"""The log: whether what is signed verifies, how far it is behind, and when a copy was last made."""

import time

import orjson

from vault.cli.checkup.finding import Finding, any_plane, here
from vault.log.event import commit_to, read_timestamp, timestamp
from vault.sequencer import build_sequencer
from vault.service.copies import BACKUP
from vault.service.log_status import LogStatus, log_status
from vault.settings import SEQUENCER, Settings, SettingsError
from vault.store.engine import open_database
from vault.store.events import Filter, Page, read_events

_BEHIND = 60
"""Seconds, as for the alarm log_lagging."""
_BACKUP_DAYS = 2
_DAY = 86_400_000_000


async def consistent(settings: Settings) -> list[Finding]:
    """Each log's tree is what was signed, nothing was refused, and the sequencer keeps up."""
    if not here(settings, SEQUENCER):
        return [Finding("log", "warn", "the sequencer's identity is not here", "doctor where it is")]
    try:
        running = build_sequencer(settings)
    except SettingsError as error:
        return [Finding("log", "warn", f"not looked at: {error}", "set it as the sequencer's process has it")]
    try:
        tenants = await running.sequencer.store.tenants()
        return [_log(await log_status(tenant, running.sequencer)) for tenant in tenants]
    finally:
        await running.stop()


def _log(status: LogStatus) -> Finding:
    check = f"log of {status.tenant}"
    if status.damage:
        return Finding(check, "bad", status.damage, "see docs: log_damaged, log_rolled_back")
    if status.refused:
        says = f"{len(status.refused)} lists do not verify: {status.refused[0][1]}"
        return Finding(check, "bad", says, "see docs: list_refused")
    waiting = sum(row.size for row in status.waiting)
    oldest = min((int.from_bytes(row.list_id[:7]) for row in status.waiting), default=None)
    behind = int(time.time() - oldest / 1e6) if oldest is not None else 0
    if behind > _BEHIND:
        says = f"{waiting:,} events wait for a number, the oldest for {behind} s"
        return Finding(check, "warn", says, "see that `strongroom sequence` runs")
    signed = status.checkpoint.size if status.checkpoint else 0
    return Finding(check, "ok", f"{status.size:,} events verify, {signed:,} signed, {waiting:,} waiting")


async def backups(settings: Settings) -> list[Finding]:
    """The newest copy of both databases that is on record is not older than two days."""
    found = []
    database = open_database(settings.data_url_of("audit"))
    try:
        async with any_plane(settings) as plane:
            for tenant in await plane.parts.registers.tenants():
                newest = await read_events(
                    database, tenant, Filter(verb=BACKUP, decision="allow"), Page(limit=1), sealed=False
                )
                genuine = [one.body for one in newest if commit_to(one.body, one.salt) == one.commitment]
                found.append(_backup(f"backup of {tenant}", genuine, time.time_ns() // 1000))
    finally:
        await database.dispose()
    return found


def _backup(check: str, newest: list[bytes], now: int) -> Finding:
    if not newest:
        return Finding(check, "warn", "none is on record", "run `strongroom backup take`, every day")
    at = read_timestamp(str(orjson.loads(newest[0])["taken_at"]))
    if now - at > _BACKUP_DAYS * _DAY:
        return Finding(
            check, "warn", f"the newest is of {timestamp(at)[:16]} UTC", "run `strongroom backup take`"
        )
    return Finding(check, "ok", f"the newest is of {timestamp(at)[:16]} UTC")
