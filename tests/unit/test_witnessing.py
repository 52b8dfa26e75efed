"""The vault's side of witnesses: what is submitted, what is believed, and what wakes someone."""

import pytest

from tests.fakes.witness import FakeWitness
from tests.fakes.witnessed_log import WitnessedLog, hash_of
from vault.errors import Unavailable
from vault.log.cosignatures import find_cosignature
from vault.service.tree import Tree
from vault.service.witness_http import Reply
from vault.service.witness_lag import LagWatch
from vault.service.witnesses import Witnessing
from vault.store.failures import Clash
from vault.store.log import StoredCheckpoint

TENANT = "acme"


class FakeTree(Tree):
    """Computes over a log's leaves instead of stored tiles."""

    def __init__(self, desk):
        self.desk = desk

    async def compute(self, tenant, size, compute):
        leaves = self.desk.log.leaves
        return compute(lambda level, number: hash_of(leaves[number << level : (number + 1) << level]))


class Rows:
    """The table of cosignatures."""

    def __init__(self):
        self.rows, self.down = {}, False

    async def cosigned(self, tenant):
        if self.down:
            raise Unavailable("store_unavailable")
        found = {}
        for of, size, name in self.rows:
            if of == tenant:
                found[name] = max(size, found.get(name, 0))
        return found

    async def add(self, tenant, size, *, witness, line):
        if (tenant, size, witness) in self.rows:
            raise Clash
        self.rows[tenant, size, witness] = line


class Desk:
    """A log of 40 events, of which some are signed, and its witnesses."""

    def __init__(self, *witnesses):
        self.log = WitnessedLog("strongroom.local/acme", 40)
        self.rows, self.alarms, self.now, self.size = Rows(), [], 100.0, 0
        self.witnesses = witnesses
        self.restart()

    def restart(self):
        self.witnessing = Witnessing(
            witnesses=self.witnesses,
            signed=self.signed,
            cosignatures=self.rows,
            tree=FakeTree(self),
            alarm=lambda *said: self.alarms.append(said),
            clock=lambda: self.now,
        )

    def signed(self):
        root = hash_of(self.log.leaves[: self.size])
        head = StoredCheckpoint(self.size, root, self.log.note(self.size), 1, 0)
        return {TENANT: head} if self.size else {}

    async def step(self, size=None):
        self.size = self.size if size is None else size
        self.now += 1
        await self.witnessing.step()

    def has(self, witness):
        return [size for _, size, name in self.rows.rows if name == witness.name]


@pytest.fixture
def witness():
    return FakeWitness()


@pytest.fixture
def desk(witness):
    return Desk(witness)


async def test_each_checkpoint_is_cosigned_once(desk, witness):
    """Every signed size is submitted from the last one, and its cosignature is kept as it verifies."""
    for size in (1, 7, 8, 40):
        await desk.step(size)
        await desk.step()
    assert witness.asked == [(0, 1), (1, 7), (7, 8), (8, 40)]
    assert desk.has(witness) == [1, 7, 8, 40]
    kept = desk.rows.rows[TENANT, 40, witness.name]
    assert find_cosignature(desk.log.text(40), kept, witness.key).time == witness.time


async def test_nothing_signed_nothing_sent(desk, witness):
    """Where another process leads, or nothing is signed, no witness hears of it."""
    await desk.step()
    assert witness.asked == []


async def test_witness_of_another_tenants_log_hears_nothing(desk, witness):
    """A witness that is one tenant's learns nothing of another's, not even how much there is."""
    witness.tenants = frozenset({"globex"})
    await desk.step(7)
    assert witness.asked == []


async def test_after_a_restart_it_goes_on_where_the_database_says(desk, witness):
    """What is kept tells where the witness stands."""
    await desk.step(7)
    desk.restart()
    await desk.step(20)
    assert witness.asked == [(0, 7), (7, 20)]


async def test_witness_that_knows_more_than_we_is_followed(desk, witness):
    """A cosignature that was lost on the way costs one more question, no alarm."""
    await desk.step(7)
    desk.rows.rows.clear()
    desk.restart()
    await desk.step(20)
    assert witness.asked[1:] == [(0, 20), (7, 20)]
    assert desk.has(witness) == [20]
    desk.rows.rows.clear()
    desk.restart()
    await desk.step()
    assert witness.asked[3:] == [(0, 20), (20, 20)]
    assert (desk.has(witness), desk.alarms) == ([20], [])


async def test_witness_that_forgot_is_told_all_again(desk, witness):
    """A new witness under an old name begins at nothing."""
    await desk.step(7)
    witness.size, witness.root = 0, b""
    await desk.step(20)
    assert witness.asked[1:] == [(7, 20), (0, 20)]
    assert desk.has(witness) == [7, 20]


async def test_witness_of_another_history_wakes_someone(desk, witness):
    """Where the log was rewritten, the witness's refusal is an alarm that names witness, tenant and sizes."""
    await desk.step(12)
    desk.log = desk.log.forked(5)
    await desk.step(20)
    assert desk.alarms == [
        (
            "witness_refused",
            TENANT,
            "witness.example/w1: it has seen another history: 20 is no continuation of 12",
        )
    ]
    assert desk.has(witness) == [12]
    for _ in range(58):
        await desk.step(21)
    assert len(desk.alarms) == 1
    for _ in range(3):
        await desk.step()
    assert len(desk.alarms) == 2


async def test_other_root_at_the_same_size_wakes_someone(desk, witness):
    """A rewritten log of the same length is refused with the size it has, which is an alarm all the same."""
    await desk.step(12)
    desk.log = desk.log.forked(5)
    desk.restart()
    await desk.step(12)
    assert [code for code, *_ in desk.alarms] == ["witness_refused"]


async def test_log_shorter_than_the_witness_saw_wakes_someone(desk, witness):
    """An old database brought back shows: the witness has cosigned more than there is."""
    await desk.step(20)
    desk.rows.rows.clear()
    desk.restart()
    await desk.step(12)
    assert desk.alarms == [
        (
            "witness_ahead",
            TENANT,
            "witness.example/w1: it has cosigned 20 events, and only 12 are signed here",
        )
    ]


async def test_silent_witness_holds_up_nobody(desk, witness):
    """One that does not answer is asked again after growing pauses; the other gets its checkpoints."""
    other = FakeWitness("witness.example/w2")
    desk.witnesses = (witness, other)
    desk.restart()
    witness.silent = True
    for size in range(1, 31):
        await desk.step(size)
    assert desk.has(other) == list(range(1, 31))
    witness.silent = False
    for _ in range(31):
        await desk.step()
    assert witness.asked == [(0, 30)]
    assert desk.alarms == []


async def test_database_that_is_away_loses_nothing(desk, witness):
    """When what is kept cannot be read, nothing is sent; when it is back, all is."""
    desk.rows.down = True
    await desk.step(7)
    assert witness.asked == []
    desk.rows.down = False
    await desk.step()
    assert desk.has(witness) == [7]


def lies(witness, log):
    """Answers of a witness that lies or is broken."""
    good = witness.line(log.text(7))
    other = FakeWitness(witness.name)
    huge = "9" * 20
    return [
        Reply(200, ""), Reply(200, "ok\n"), Reply(200, good[:-2] + "\n"), Reply(200, good * 200),
        Reply(200, good.replace("w1", "w2")), Reply(200, witness.line(log.text(8))),
        Reply(200, other.line(log.text(7))), Reply(200, good + "junk\n"),
        Reply(409, "x\n", "x"), Reply(409, ""), Reply(409, "-1\n", "-1"), Reply(409, "00\n", "00"),
        Reply(409, f"{huge}\n", huge), Reply(409, "3\n", "3"), Reply(409, "8\n", "8"),
        Reply(404, ""), Reply(403, ""), Reply(301, ""), Reply(418, ""), Reply(500, ""), Reply(429, ""),
    ]  # fmt: skip


@pytest.mark.parametrize("number", range(21))
async def test_lying_witness_is_not_believed(desk, witness, number):
    """Whatever is no cosignature of this checkpoint by this key is not kept, and is asked for again later."""
    witness.lie = lies(witness, desk.log)[number]
    await desk.step(7)
    assert desk.rows.rows == {}
    assert [code for code, *_ in desk.alarms if code != "witness_ahead"] == []
    witness.lie = None
    desk.now += 60
    await desk.step()
    assert desk.has(witness) == [7]


async def test_foreign_lines_are_not_kept(desk, witness):
    """Of an answer only the witness's own line is kept."""
    other = FakeWitness("witness.example/other")
    witness.lie = Reply(200, other.line(desk.log.text(7)) + witness.line(desk.log.text(7)))
    await desk.step(7)
    assert list(desk.rows.rows.values()) == [witness.line(desk.log.text(7))]


class Waiting:
    """What the database says of two tenants."""

    async def cosigned(self, tenant):
        return {"acme": {"w1": 7}, "globex": {}}[tenant]

    async def waiting(self, tenant, size):
        return {("acme", 7): 0, ("acme", 0): 9_000_000, ("globex", 0): 4_000_000}[tenant, size]


async def test_lag_is_that_of_the_worst_tenant():
    """How far a witness is behind is the oldest checkpoint, of any tenant, that it has not covered."""

    async def tenants():
        return ["acme", "globex"]

    places = [
        FakeWitness(name, tenants=of).place for name, of in (("w1", ()), ("w2", ()), ("w3", {"globex"}))
    ]
    watch = LagWatch(places, tenants, Waiting())
    assert await watch.look() == {"w1": 4.0, "w2": 9.0, "w3": 4.0}
    told = {"w1": {"seconds_behind": 4}, "w2": {"seconds_behind": 9}, "w3": {"seconds_behind": 4}}
    assert watch.detail() == {"witnesses": told}
    assert LagWatch([], tenants, Waiting()).detail() == {}
