"""A shred cycle: what was erased before it becomes final, by two persons and with a grace in between.

begin → rotate → rewrap → verify a sample → retire what opens │ grace │ trim what exists
Each step is on record before it is taken, and where a cycle stands is seen in the log, at the key server and
in the keystore: another run goes on wherever one was killed. The first half is the rotator's; the trim, which
nobody can take back, is the shredder's, and another person's.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from keys.answers import KeySettings
from keys.names import kek_of
from vault.errors import Conflict, Unavailable
from vault.log.event import timestamp
from vault.model.persons import same_person
from vault.service.diary import BEGIN, TRIM, TRIMMED, Cycle
from vault.service.keks import look
from vault.service.key_work import Step
from vault.service.rotate import Rotated, Tools, finish, rotate

MARGIN = 60_000_000
"""µs: an erasure is dated a moment before it is committed, by clocks that may differ."""
Stage = Literal["left", "grace", "due", "final"]


class Teller(Protocol):
    async def cycle(self, tenant: str) -> Cycle | None:
        """The last cycle that was begun. Raises: Unavailable."""


class Trimmer(Protocol):
    async def key_settings(self, name: str) -> KeySettings: ...

    async def trim(self, key: str, version: int) -> None:
        """Destroy every version before this one, for ever. Raises: KeysError."""


class Counting(Protocol):
    async def behind(self, tenant: str, version: int) -> int:
        """How many DEKs are not under this version or a newer one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """How to begin a cycle."""

    person: str
    grace_days: int
    now: Callable[[], int]
    erasing: Callable[[str], Awaitable[bool]]
    """Whether a tenant has erasures whose keys wait to be destroyed."""
    margin: int = MARGIN


@dataclass(frozen=True, slots=True)
class Shredding:
    """Where a cycle stands."""

    tenant: str
    stage: Stage
    """`left`: DEKs are left under older versions; `grace`; `due`: to be trimmed; `final`."""
    cycle: Cycle
    rotated: Rotated | None = None


def stage_of(cycle: Cycle, now: int) -> Stage:
    """Where a cycle stands at a time."""
    if cycle.trimmed is not None:
        return "final"
    if cycle.due_at is None:
        return "left"
    return "due" if cycle.due_at <= now else "grace"


def in_force(cycle: Cycle, key: KeySettings) -> Cycle:
    """A cycle whose retiring is on record and was not carried out, or was taken back, has not retired."""
    return cycle if key.min_decryption_version >= cycle.version else replace(cycle, retired_at=None)


async def prepare(tenant: str, begin: Begin, diary: Teller, tools: Tools) -> Shredding:
    """The rotator's half, from wherever it stands; where the last cycle has ended, of a new one.

    Raises: Conflict (`erasure_unfinished`), KeysError, ServiceError. Run again, it goes on.
    """
    cycle = await diary.cycle(tenant)
    if cycle is None or cycle.trimmed is not None:
        unfinished = await _settle(tenant, tools)
        if unfinished is not None:
            return unfinished
        await _begin(tenant, begin, tools)
        cycle = await _begun(tenant, diary)
    kek = await look(tenant, tools.keys, tools.keystore)
    if cycle.retired_at is not None and kek.min_decryption >= cycle.version:
        return Shredding(tenant, stage_of(cycle, begin.now()), cycle)
    rotated = await (rotate if kek.latest < cycle.version else finish)(tenant, tools)
    cycle = await _begun(tenant, diary)
    return Shredding(tenant, stage_of(cycle, begin.now()), cycle, rotated)


async def trim(tenant: str, person: str, cycle: Cycle, keys: Trimmer, tools: "Ending") -> None:
    """Destroy the older versions, by another person than who began. Raises: Conflict, KeysError."""
    if same_person(person, cycle.begun_by):
        raise Conflict("same_person", f"{cycle.begun_by} began this cycle; another person ends it.")
    left = await tools.keystore.behind(tenant, cycle.version)
    key = await keys.key_settings(kek_of(tenant))
    if left or key.min_decryption_version < cycle.version:
        raise Conflict(
            "old_keys_left", f"{left:,} DEKs are under older versions, or these still open: rewrap first."
        )
    about: dict[str, str | int] = {"to_version": cycle.version}
    if key.min_available_version < cycle.version:
        await tools.note(Step(TRIM, kek_of(tenant), about))
        await keys.trim(kek_of(tenant), cycle.version)
        key = await keys.key_settings(kek_of(tenant))
    if key.min_available_version < cycle.version:
        raise Conflict("old_keys_left", "the key server still has the older versions")
    about |= {"erased_before": timestamp(cycle.erased_before), "begun_by": cycle.begun_by}
    await tools.note(Step(TRIMMED, kek_of(tenant), about))


@dataclass(frozen=True, slots=True)
class Ending:
    """What a trim is made with, beside the key server."""

    keystore: Counting
    note: Callable[[Step], Awaitable[object]]


async def _settle(tenant: str, tools: Tools) -> Shredding | None:
    """Finish a rotation somebody left, so that the cycle's own version is the next. None: it is."""
    kek = await look(tenant, tools.keys, tools.keystore)
    if kek.settled and not kek.old:
        return None
    rotated = await finish(tenant, tools)
    if rotated.retired:
        return None
    return Shredding(tenant, "left", Cycle(kek.latest, 0, 0, ""), rotated)


async def _begin(tenant: str, begin: Begin, tools: Tools) -> None:
    until = begin.now() - begin.margin
    if await begin.erasing(tenant):
        raise Conflict(
            "erasure_unfinished",
            "Keys of erased records wait to be destroyed: the office does so in a minute.",
        )
    kek = await look(tenant, tools.keys, tools.keystore)
    said: dict[str, str | int] = {
        "to_version": kek.latest + 1,
        "erased_before": timestamp(until),
        "grace_days": begin.grace_days,
    }
    await tools.note(Step(BEGIN, kek_of(tenant), said))


async def _begun(tenant: str, diary: Teller) -> Cycle:
    cycle = await diary.cycle(tenant)
    if cycle is None:
        raise Unavailable("store_unavailable", "the log does not tell what was just written to it")
    return cycle
