"""A shred cycle killed before each of its calls, and whoever would cut it short."""

import itertools
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import pytest
from msgspec import structs
from sqlalchemy import insert, update

from vault.errors import Conflict
from vault.log.event import canonical, read_timestamp, timestamp
from vault.service.diary import BEGIN, TRIM, TRIMMED, Cycle, Diary
from vault.service.key_work import Step
from vault.service.pace import Pace
from vault.service.rotate import Tools
from vault.service.shred import Begin, Ending, in_force, prepare, stage_of, trim
from vault.store.engine import open_database
from vault.store.erasures import returned, unfinished
from vault.store.events import StoredEvent
from vault.store.schema import replaced, resealed, tombstone

DAY = 86_400_000_000


class Killed(Exception):
    """The process is no more."""


@dataclass
class World:
    """A KEK, a keystore of versions, a log; each call may be the last of its process."""

    now: int = 1_800_000_000_000_000
    latest: int = 1
    encrypts: int = 0
    decrypts: int = 1
    available: int = 0
    deks: dict[bytes, int] = field(default_factory=lambda: {bytes([n] * 16): 1 for n in range(5)})
    log: list[tuple[str, Step, int]] = field(default_factory=list)
    waiting: bool = False
    samples: list[int] = field(default_factory=list)
    calls: int = 0
    kill_at: int = 0
    person: str = "Meera Iyer"

    def call(self) -> None:
        self.calls += 1
        self.now += 1000
        if self.calls == self.kill_at:
            raise Killed

    async def key_settings(self, _):
        self.call()
        return SimpleNamespace(
            latest_version=self.latest, min_encryption_version=self.encrypts,
            min_decryption_version=self.decrypts, min_available_version=self.available,
        )  # fmt: skip

    async def rotate(self, _, *, newest):
        self.call()
        self.latest = max(self.latest, newest + 1)
        return self.latest

    async def set_minimum(self, _, what, version):
        self.call()
        if what == "encryption":
            self.encrypts = version
        else:
            assert min(self.deks.values()) >= version, "a living DEK was cut off"
            self.decrypts = version

    async def trim(self, _, version):
        self.call()
        assert self.decrypts >= version
        self.available = version

    async def rewrap(self, _, wrapped, *, at_least):
        self.call()
        return [structs.replace(one, wrapped=f"vault:v{self.latest}:") for one in wrapped]

    async def versions(self, _):
        self.call()
        return {v: list(self.deks.values()).count(v) for v in sorted(set(self.deks.values()))}

    async def behind(self, _, version):
        self.call()
        return sum(one < version for one in self.deks.values())

    async def raise_fence(self, _, __):
        self.call()

    async def page(self, _, *, below, after, limit):
        self.call()
        from keys.ring import WrappedDek

        due = sorted(i for i, v in self.deks.items() if v < below and i > after)
        return [WrappedDek(i, f"vault:v{self.deks[i]}:") for i in due[:limit]]

    async def swap(self, _, swaps):
        self.call()
        for old, new in swaps:
            self.deks[old.dek_id] = new.kek_version
        return len(swaps)

    async def note(self, step):
        self.call()
        self.log.append((self.person, step, self.now))

    async def verified(self, version):
        self.call()
        assert min(self.deks.values()) >= version
        assert self.decrypts < version, "the sample comes before the retiring"
        self.samples.append(version)

    async def erasing(self, _):
        self.call()
        return self.waiting

    async def cycle(self, _):
        found = None
        for person, step, at in self.log:
            d = step.detail
            if step.action == BEGIN:
                until = read_timestamp(d["erased_before"])
                found = Cycle(d["to_version"], until, d["grace_days"], person)
            elif found and step.action == "retire":
                found = replace(found, retired_at=at)
            elif found and step.action == TRIMMED:
                found = replace(found, trimmed=step, trimmed_by=person, trimmed_at=at)
        return found

    async def prepare(self, **changed):
        begin = Begin(person=self.person, grace_days=7, now=lambda: self.now, erasing=self.erasing)
        pace = Pace(clock=lambda: 0.0, rate=1e9)
        tools = Tools(keys=self, keystore=self, pace=pace, note=self.note, verified=self.verified,
                      sleep=_no_time, clock=lambda: 0.0)  # fmt: skip
        return await prepare("acme", replace(begin, **changed), self, tools)

    async def trim_as(self, person):
        self.person = person
        cycle = await self.cycle("acme")
        assert stage_of(cycle, self.now) == "due"
        await trim("acme", person, cycle, self, Ending(self, self.note))

    def told(self):
        return [step.action for _, step, _ in self.log]


async def _no_time(_):
    return None


async def _all_of(_, dek_ids):
    return len(dek_ids)


async def test_a_cycle_killed_before_any_call_is_ended_by_another_run():
    """Whichever call is the last of a process, the next run ends in the same place, and no DEK is cut off."""
    for at in itertools.count(1):
        world = World(kill_at=at)
        for deed in (world.prepare, lambda w=world: w.trim_as("Ravi Rao")):
            try:
                await deed()
            except Killed:
                world.person = "Meera Iyer" if deed == world.prepare else "Ravi Rao"
                await deed()
            world.now += 7 * DAY
        assert (world.latest, world.decrypts, world.available) == (2, 2, 2), at
        assert set(world.deks.values()) == {2}
        assert (await world.cycle("acme")).trimmed_by == "Ravi Rao"
        assert world.told().count(BEGIN) <= 2
        assert world.told()[-1] == TRIMMED
        assert world.samples
        if world.calls < at:
            break
    assert at > 20


async def test_nobody_trims_before_the_grace_is_over_or_alone():
    """The grace counts from retiring and was set when the cycle began; who began cannot end."""
    world = World()
    done = await world.prepare()
    assert done.stage == "grace"
    assert (await world.prepare(grace_days=0)).stage == "grace"
    world.now += 7 * DAY
    with pytest.raises(Conflict, match="same_person"):
        await world.trim_as("meera  IYER")
    world.deks[b"late"] = 1
    with pytest.raises(Conflict, match="old_keys_left"):
        await world.trim_as("Ravi Rao")
    assert world.available == 0
    assert TRIM not in world.told()


async def test_a_cycle_waits_for_erasures_that_are_not_finished():
    """While a destroyed record's key is still there a cycle would rewrap it: none is begun."""
    world = World(waiting=True)
    with pytest.raises(Conflict, match="erasure_unfinished"):
        await world.prepare()
    assert (world.latest, world.log) == (1, [])


async def test_what_a_cycle_makes_final_was_erased_before_it_rotated():
    """The date lies before the new version, by the margin of clocks that differ."""
    world = World()
    before = world.now
    done = await world.prepare()
    assert done.cycle.erased_before <= before + 2_000 - 60_000_000
    assert world.told()[:2] == [BEGIN, "rotate"]


async def test_the_grace_counts_from_when_older_versions_stopped_opening():
    """Killed between the event and its deed, a cycle has retired nothing, however long ago that was."""
    world, whole = World(), World()
    await whole.prepare()
    world.kill_at = whole.calls  # the call that raises the minimum
    with pytest.raises(Killed):
        await world.prepare()
    assert (world.told()[-1], world.decrypts) == ("retire", 1)
    world.now += 8 * DAY
    noted = await world.cycle("acme")
    assert stage_of(noted, world.now) == "due"
    assert stage_of(in_force(noted, await world.key_settings("")), world.now) == "left"
    again = await world.prepare()
    assert (again.stage, world.decrypts) == ("grace", 2)
    assert again.cycle.due_at > world.now + 6 * DAY


async def test_the_log_tells_a_retiring_by_its_last_event():
    """What was retired again begins its grace again; nothing after the trim changes the cycle."""
    told = [("shred", {"erased_before": timestamp(5), "grace_days": 7}), ("retire", {}), ("retire", {}),
            ("trimmed", {}), ("retire", {})]  # fmt: skip
    rows = [
        StoredEvent(bytes([n]), b"", b"", canonical(
            {"action": action, "key": "kek-acme", "to_version": 2, "person": "Meera Iyer",
             "time": timestamp(n * DAY)} | more), b"")
        for n, (action, more) in enumerate(told)
    ]  # fmt: skip

    async def read(*_):
        return rows[::-1]

    class Knows:
        def __init__(self, *signed):
            self.signed = signed

        async def genuine(self, _, events):
            return {row.event_id: row for row in events if told[row.event_id[0]][0] in self.signed}

    diary = Diary(read=read, rotator=Knows("shred", "retire"), shredder=Knows("trimmed"), reveal=Knows())
    cycle = await diary.cycle("acme")
    assert cycle.retired_at == 2 * DAY


async def test_a_key_from_before_a_reseal_is_waited_for(tmp_path):
    """A value sealed anew and erased opens with its older key: a cycle waits for its end, sees its return."""
    engine = open_database(f"sqlite+aiosqlite:///{tmp_path / 'data.db'}")
    row = {"tenant": "acme", "token": "tok_x", "version": 1, "dek_id": bytes(16)}
    async with engine.begin() as connection:
        await connection.run_sync(tombstone.metadata.create_all, [tombstone, replaced, resealed])
        assert not await unfinished(engine, "acme")
        await connection.execute(insert(resealed), row)
    assert await unfinished(engine, "acme")
    assert not await unfinished(engine, "globex")
    assert await returned(engine, "acme", _all_of) == 0
    async with engine.begin() as connection:
        await connection.execute(update(resealed).values(key_destroyed_at=1))
    assert not await unfinished(engine, "acme")
    assert [await returned(engine, name, _all_of) for name in ("acme", "globex")] == [1, 0]
    await engine.dispose()
