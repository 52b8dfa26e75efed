"""The witnesses of a process: built from the settings, one task that offers checkpoints, one that looks."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from vault.log.malformed import Malformed
from vault.service.sequence import Sequencer
from vault.service.witness_http import Place, Witness, read_places
from vault.service.witness_lag import LagWatch
from vault.service.witnesses import Alarm, Witnessing
from vault.settings import PREFIX, Settings, SettingsError
from vault.store.cosignatures import CosignatureStore
from vault.store.log import LogStore


@dataclass(slots=True, kw_only=True)
class RunningWitnesses:
    """What the sequencer's process does about witnesses. Without any configured it does nothing."""

    witnesses: Sequence[Witness]
    witnessing: Witnessing
    lag: LagWatch
    _task: "asyncio.Task[None] | None" = None

    def start(self) -> None:
        """Offer checkpoints, and look how far the witnesses are, until `stop`."""
        if self.witnesses:
            self._task = asyncio.create_task(self.witnessing.run())
        self.lag.start()

    async def stop(self) -> None:
        """End both and close the connections."""
        await self.lag.stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for witness in self.witnesses:
            await witness.aclose()


def build_witnesses(settings: Settings, sequencer: Sequencer, alarm: Alarm) -> RunningWitnesses:
    """Build them beside a sequencer. Raises: SettingsError."""
    places = _places(settings)
    try:
        witnesses = [Witness(place, ca=settings.witness_ca) for place in places]
    except OSError:
        raise SettingsError(f"{PREFIX}WITNESS_CA is no file of certificates") from None
    store = CosignatureStore(sequencer.store.engine)
    witnessing = Witnessing(
        witnesses=witnesses,
        signed=sequencer.signed,
        cosignatures=store,
        tree=sequencer.tree,
        alarm=alarm,
    )
    return RunningWitnesses(
        witnesses=witnesses, witnessing=witnessing, lag=_watch(places, sequencer.store, store)
    )


def build_lag_watch(settings: Settings, store: LogStore) -> LagWatch:
    """Only the look, for a plane that reads the log. Raises: SettingsError."""
    return _watch(_places(settings), store, CosignatureStore(store.engine))


def _watch(places: Sequence[Place], heads: LogStore, store: CosignatureStore) -> LagWatch:
    return LagWatch(places, heads.tenants, store)


def _places(settings: Settings) -> list[Place]:
    try:
        return read_places(settings.witnesses)
    except Malformed as broken:
        raise SettingsError(f"{PREFIX}WITNESSES: {broken.rule}") from None
