"""What a fault is, and one run of it: load, the fault, healing, doubts settled, all six invariants."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from tests.campaign.invariants import Findings, examine
from tests.campaign.ledger import Ledger
from tests.campaign.load import Load
from tests.campaign.rig import Rig
from tests.plugins.world import until

Ground = Literal["one node", "small disks", "three nodes", "three nodes, standbys forward"]
RECOVERED = 10.0


@dataclass(slots=True)
class Scene:
    """What a fault works on."""

    rig: Rig
    load: Load
    ledger: Ledger
    long: bool
    seen: list[str] = field(default_factory=list)
    """What the fault saw, for the table's notes."""

    def begin(self) -> None:
        """From now on something is broken."""
        self.ledger.begun.append(asyncio.get_running_loop().time())

    def end(self) -> None:
        """From now on it is whole again, and the service has ten seconds."""
        self.ledger.over.append(asyncio.get_running_loop().time())

    def held(self, *, long: float, short: float) -> float:
        """How many seconds, or times."""
        return long if self.long else short

    async def ready(self, plane: str, wanted: int) -> None:
        """Wait until a plane's readiness answers this."""
        async with asyncio.timeout(RECOVERED):
            while await self.rig.ready(plane) != wanted:
                await asyncio.sleep(0.2)


Strike = Callable[[Scene], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One row of the table. `strike` breaks something and mends it, while the load goes on."""

    row: str
    name: str
    strike: Strike
    ground: Ground = "one node"
    short: bool = False
    """Part of every test run, in its short form."""
    codes: frozenset[str] = frozenset(
        {"store_unavailable", "outcome_unknown", "deadline_passed", "no_answer"}
    )
    """How requests may be refused; anything else is a finding."""
    seals: bool = False
    """Sealing goes on throughout, from the pool."""
    opens: bool = False
    """Opening goes on throughout."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row, as it came out."""

    fault: Fault
    ledger: Ledger
    findings: Findings
    seen: tuple[str, ...]

    @property
    def broken(self) -> list[str]:
        """Everything that is not as it must be, in words."""
        found = self.findings
        told = {name: getattr(found, name) for name in Findings.__slots__}
        wrong = [f"{name}: {len(items)}, such as {items[0]}" for name, items in told.items() if items]
        if self.ledger.recovery > RECOVERED:
            wrong.append(f"recovered only after {self.ledger.recovery:.1f} s")
        for kind, must in (("tokenize", self.fault.seals), ("detokenize", self.fault.opens)):
            refused = self.ledger.refusals(kind)
            wrong += [f"{kind} was refused: {dict(refused)}"] if must and refused else []
        others = {code for code in self.ledger.refusals() if code not in self.fault.codes}
        wrong += [f"refused for another reason: {sorted(others)}"] if others else []
        return wrong


async def run(fault: Fault, rig: Rig, *, long: bool, seed: int, audited: bool = True) -> Outcome:
    """Run one fault under load and look at everything afterwards."""
    await rig.fresh_tokens()
    await _erase_some(rig)
    ledger = Ledger()
    load = Load(rig, ledger, seed)
    scene = Scene(rig, load, ledger, long)
    async with load.running():
        await load.served(60)
        await fault.strike(scene)
        await load.healed()
    return Outcome(fault, ledger, await examine(rig, ledger, seed=seed, audited=audited), tuple(scene.seen))


async def _erase_some(rig: Rig) -> None:
    """Values that must stay gone, whatever happens next. The fault before may be felt by the first try."""
    tokens = await rig.seal(3)
    await until(lambda: rig.erase(tokens), 200)
    rig.erased += tokens
