"""The six invariants, held against a vault after a fault: what was promised, is on record, or leaked."""

import asyncio
import json
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import text
from strongroom_audit.check import check_mirror
from strongroom_audit.store import Store
from strongroom_audit.verifier.bodies import read_id
from strongroom_audit.verifier.tree import ENTRY_BYTES

from tests.campaign.ledger import Ledger
from tests.campaign.rig import Rig
from tests.plugins.canary import holders
from tests.plugins.process import ROOT
from tests.plugins.scene import audit
from tests.plugins.waiting import until
from vault.log.receipts import read_receipt

OLDER = 300
"""Tokens of earlier faults that are opened again."""
_SIZES = """SELECT (SELECT count(*) FROM event WHERE tenant = 'acme'),
                   (SELECT coalesce(max(size), 0) FROM checkpoint WHERE tenant = 'acme')"""


@dataclass(slots=True)
class Findings:
    """What does not hold. All empty is what is wanted."""

    lost: list[str] = field(default_factory=list)
    """I1: acknowledged tokens that do not open to their value."""
    unlogged: list[str] = field(default_factory=list)
    """I2: receipts without a committed event, and unwraps without a committed list."""
    leaked: list[str] = field(default_factory=list)
    """I3: where a canary was found."""
    log: list[str] = field(default_factory=list)
    """I4: what the auditor's verifier says against the log, and receipts it does not hold."""
    late: list[str] = field(default_factory=list)
    """I5: requests beyond their deadline."""
    risen: list[str] = field(default_factory=list)
    """I6: erased tokens that were not refused as erased."""
    bugs: list[str] = field(default_factory=list)
    """Failures no part of the service could name."""


async def examine(rig: Rig, ledger: Ledger, *, seed: int, audited: bool) -> Findings:
    """All six, after the load has ended and its doubts were settled.

    I4 waits for the next checkpoint. Where it is not `audited` now, the receipts are kept until it is.
    """
    found = Findings(lost=list(ledger.wrong), leaked=[f"an answer {code}" for code in ledger.told])
    rig.journal.values |= ledger.values
    await rig.owner.dispose()  # the examiner's own connections may have died as well
    await rig.keystore_owner.dispose()
    await _all_open(rig, ledger, found, seed)
    await _erased_stay_erased(rig, found)
    rig.journal.receipts += ledger.receipts
    await _on_record(rig, rig.journal.receipts, found)
    if audited:
        await _signed(rig)
        await _audited(rig, rig.journal.receipts, found)
        rig.journal.receipts.clear()
    found.leaked += [str(place) for place in await asyncio.to_thread(_canaries, rig)]
    found.leaked += ["metrics"] if rig.marker in await rig.metrics() else []
    found.late += [f"{call.kind} {call.code} {call.took:.2f} s" for call in ledger.late]
    found.bugs += [f"{one.log.name}: {line}" for one in rig.served.values() for line in _bugs(rig, one.log)]
    return found


async def _signed(rig: Rig) -> None:
    """Wait until the sequencer has signed all there is."""

    async def caught_up() -> bool:
        async with rig.owner.connect() as connection:
            events, size = (await connection.execute(text(_SIZES))).one()
        return int(events) == int(size)

    await until(caught_up)


async def _all_open(rig: Rig, ledger: Ledger, found: Findings, seed: int) -> None:
    """I1, by the service itself: everything new, and a part of what is older."""
    older = [token for token in rig.journal.values if token not in ledger.values]
    tokens = [*ledger.values, *random.Random(seed).sample(older, min(OLDER, len(older)))]
    for start in range(0, len(tokens), 500):
        part = tokens[start : start + 500]
        answer = await rig.detokenize(part, mode="each")
        items = answer.json().get("items") or [{}] * len(part)
        found.lost += [
            token
            for token, item in zip(part, items, strict=True)
            if item.get("value") != rig.journal.values[token]
        ]


async def _erased_stay_erased(rig: Rig, found: Findings) -> None:
    """I6."""
    for start in range(0, len(rig.erased), 500):
        part = rig.erased[start : start + 500]
        answer = await rig.detokenize(part, mode="each")
        items = answer.json().get("items") or [{}] * len(part)
        found.risen += [
            f"{token} {_code(item)}"
            for token, item in zip(part, items, strict=True)
            if "value" in item or _code(item) != "erased"
        ]


async def _on_record(rig: Rig, receipts: Sequence[str], found: Findings) -> None:
    """I2: an event for every plaintext that was received, and a list for every unwrap."""
    async with rig.owner.connect() as connection:
        rows = (await connection.execute(text("SELECT event_id, commitment, list_id FROM event"))).all()
    known, lists = {(row[0], row[1]) for row in rows}, {row[2] for row in rows}
    for receipt in receipts:
        told = read_receipt(receipt)
        if (told.event_id, told.commitment) not in known:
            found.unlogged.append(receipt)
    for batch in await asyncio.to_thread(_unwraps, rig):
        if batch is None or read_id("lst", batch) not in lists:
            found.unlogged.append(f"unwrap under {batch}")


def _code(item: dict[str, Any]) -> str | None:
    return item.get("problem", {}).get("code")


def _unwraps(rig: Rig) -> list[str | None]:
    """The list that each unwrap since the last look named, as the key server's own log tells."""
    named: list[str | None] = []
    for log in sorted(rig.keyserver.folder.rglob("audit*.log")):
        if log.is_symlink():
            continue
        with log.open("rb") as lines:
            lines.seek(rig.read_up_to.get(log, 0))
            named += [_named(line) for line in lines if b"/decrypt/" in line and b'"type":"request"' in line]
            rig.read_up_to[log] = lines.tell()
    return [batch for batch in named if batch != "canary"]


def _named(line: bytes) -> str | None:
    with suppress(ValueError, LookupError, TypeError):
        return str(json.loads(line)["request"]["headers"]["x-strongroom-batch"][0]).partition(" ")[0]
    return None


async def _audited(rig: Rig, receipts: Sequence[str], found: Findings) -> None:
    """I4, by the auditor's own programs: a mirror brought up to date, verified from its first byte."""
    mirror = rig.folder / "mirror"
    run = "mirror", rig.places["audit"], mirror, "--tenant", "acme"
    said = await audit(*run, secret=rig.secrets["acme.auditor"])
    if said.code != 0:
        found.log.append(said.words[-500:])
        return
    verdict = await asyncio.to_thread(check_mirror, Store(mirror))
    found.log += [str(fault) for fault in verdict.faults]
    entries = Store(mirror).entries(0, verdict.size)
    held = {entries[at : at + ENTRY_BYTES] for at in range(0, len(entries), ENTRY_BYTES)}
    found.log += [receipt for receipt in receipts if read_receipt(receipt).entry not in held]


def _canaries(rig: Rig) -> list[Path]:
    """I3: every file that changed since the last look, of databases, key servers, services; core files."""
    since, rig.looked = rig.looked, time.time()
    places = (rig.databases.files, rig.keyserver.folder, rig.folder)
    files = [file for place in places for file in _files(place) if file.stat().st_mtime >= since - 2]
    cores = [file for file in ROOT.glob("core*") if file.is_file()]
    return [*holders([rig.marker], files), *cores]


def _files(place: Path) -> Iterator[Path]:
    for file in place.rglob("*"):
        if file.is_file() and not file.is_symlink():
            yield file


def _bugs(rig: Rig, log: Path) -> list[str]:
    with log.open("rb") as lines:
        lines.seek(rig.read_up_to.get(log, 0))
        found = [line.decode()[:300] for line in lines if b'"event":"bug"' in line or b"Traceback" in line]
        rig.read_up_to[log] = lines.tell()
    return found
