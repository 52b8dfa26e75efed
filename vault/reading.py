"""Reads of the log for operators' commands, and the reveal plane for as long as one command takes."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from keys.policies import worker_key
from keys.transit import Transit
from vault.plane import Base, base, keystore_of, more
from vault.service.authority_keys import PublicKeys
from vault.service.diary import Diary
from vault.service.provenance import Provenance
from vault.service.verified_lists import ListVerifier
from vault.service.verify import Verifying
from vault.settings import Settings
from vault.store.events import read_events
from vault.store.ledger import Ledger
from vault.store.proposals import RecentLists


def diary_of(plane: Base) -> Diary:
    """What the log tells of keys, as this identity may read it."""
    lists = RecentLists(plane.data)

    def by(name: str) -> Provenance:
        keys = PublicKeys(plane.transit, worker_key(name), clock=time.monotonic)
        return Provenance(lists, ListVerifier(lists, {name: keys}))

    return Diary(
        read=partial(read_events, plane.data, sealed=False),
        rotator=by("rotator"),
        shredder=by("shredder"),
        reveal=by("reveal"),
    )


@asynccontextmanager
async def revealing(settings: Settings) -> AsyncIterator[tuple[Verifying, Transit]]:
    """What verifying takes of the reveal plane, started, and its key server."""
    plane = base("reveal", settings)
    keystore = keystore_of(plane, settings)
    try:
        await plane.start()
        parts: Verifying = more(
            Verifying, plane.parts, keystore=keystore, unwrapper=plane.transit, ledger=Ledger(plane.data)
        )
        yield parts, plane.transit
    finally:
        await keystore.close()
        await plane.stop()
