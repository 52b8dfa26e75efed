"""The sequencer inside a process: its own identity at the key server, its own database role, one task."""

import asyncio
import os
import time
from dataclasses import dataclass, field

from keys.migrate import is_current
from keys.selfcheck import assert_least
from keys.transit import Transit
from vault.alarms import raise_alarm
from vault.paging import transit_of
from vault.plane import NotReady, clock_watch
from vault.service.authority_keys import PublicKeys, worker_keys
from vault.service.clocks import ClockWatch
from vault.service.sequence import Sequencer
from vault.service.signed_heads import SignedState, Signing
from vault.service.tree import Tree
from vault.service.verified_lists import ListVerifier
from vault.settings import SEQUENCER, Settings, SettingsError
from vault.store.engine import open_database
from vault.store.migrate import DATA
from vault.store.sequencing import SequencerStore
from vault.witnessing import RunningWitnesses, build_witnesses


@dataclass(slots=True, kw_only=True)
class RunningSequencer:
    """Built without I/O; `start` does the rest."""

    transit: Transit
    state: SignedState
    sequencer: Sequencer
    witnesses: RunningWitnesses
    clocks: ClockWatch
    name: str = SEQUENCER
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _task: "asyncio.Task[None] | None" = None

    async def prepare(self) -> None:
        """Prove least privilege, and that what is signed can be remembered.

        Raises: KeysError, ServiceError, SettingsError: the process must not go on.
        """
        if not await is_current(self.sequencer.store.engine, DATA):
            raise NotReady(detail="The data database needs `strongroom migrate`.")
        await assert_least(self.transit, SEQUENCER)
        try:
            self.state.prepare()
        except OSError:
            raise SettingsError("STRONGROOM_SEQUENCER_STATE cannot be written") from None

    async def start(self) -> None:
        """Prepare, then sequence beside whatever else this process does."""
        await self.prepare()
        self.witnesses.start()
        self._task = asyncio.create_task(self.sequencer.run(self._stop))

    async def run(self) -> None:
        """Sequence until `stop` is called by somebody else."""
        self.witnesses.start()
        await self.sequencer.run(self._stop)

    def end(self) -> None:
        """Ask `run` to end after the round it is in."""
        self._stop.set()

    async def stop(self) -> None:
        """Finish the round, give the lease back, let go of everything."""
        self.end()
        if self._task is not None:
            await self._task
        await self.witnesses.stop()
        await self.sequencer.close()
        await self.transit.aclose()
        await self.sequencer.store.engine.dispose()

    async def check(self) -> None:
        """Whether it can work. Raises: why not."""
        if self._task is not None and self._task.done():
            raise NotReady(detail="The sequencer has ended.")
        await self.clocks.look()
        await self.transit.probe()

    def detail(self) -> dict[str, object]:
        """What /readyz says beside its state."""
        return self.witnesses.lag.detail()


def build_sequencer(settings: Settings) -> RunningSequencer:
    """Build it. Raises: SettingsError, KeysError."""
    identity = settings.identity_of(SEQUENCER)
    folder = settings.sequencer_folder
    transit = transit_of(SEQUENCER, settings, identity)
    data = open_database(settings.data_url_of(SEQUENCER), pool_size=settings.database_connections)
    store, state = SequencerStore(data), SignedState(folder)
    tree = Tree(store)
    log_keys = PublicKeys(transit, "log", clock=time.monotonic)
    sequencer = Sequencer(
        store=store,
        tree=tree,
        verifier=ListVerifier(store, worker_keys(transit, clock=time.monotonic)),
        signing=Signing(store, tree, transit, log_keys, state, log_name=settings.log_name),
        alarm=_alarm,
        holder=os.urandom(16).hex(),
    )
    witnesses = build_witnesses(settings, sequencer, _alarm)
    return RunningSequencer(
        transit=transit,
        state=state,
        sequencer=sequencer,
        witnesses=witnesses,
        clocks=clock_watch(store.clock),
    )


def _alarm(code: str, tenant: str, says: str) -> None:
    raise_alarm(code, tenant, says=says)
