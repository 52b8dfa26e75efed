"""How fast rewrapping goes: full speed on idle machines, a twentieth on busy ones, or the rate it is told."""

from vault.service.pace import LEAST, MOST, Pace


class Clock:
    """Time that passes when somebody works or sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0)
        self.slept += max(seconds, 0)

    async def work(self, pace: Pace, seconds: float, calls: int) -> None:
        for _ in range(calls):
            self.now += seconds
            await pace.after("transit", seconds, items=128)


async def test_on_idle_machines_it_does_not_hold_back():
    """Calls that take as long as ever let it work all the time."""
    clock = Clock()
    pace = Pace(clock=clock, sleep=clock.sleep)
    await clock.work(pace, 0.01, 1000)
    assert pace.share == MOST


async def test_it_yields_to_others_and_comes_back():
    """Calls that take four times as long leave it a twentieth of the time; after that it recovers."""
    clock = Clock()
    pace = Pace(clock=clock, sleep=clock.sleep)
    await clock.work(pace, 0.01, 500)
    await clock.work(pace, 0.04, 100)
    assert pace.share == LEAST
    before, slept = clock.now, clock.slept
    await clock.work(pace, 0.04, 100)
    assert (clock.slept - slept) / (clock.now - before) > 0.9
    await clock.work(pace, 0.01, 1000)
    assert pace.share == MOST


async def test_a_machine_that_became_slower_is_believed_in_time():
    """A shortest call of long ago is forgotten, so a change for good does not slow a rotation for good."""
    clock = Clock()
    pace = Pace(clock=clock, sleep=clock.sleep)
    await clock.work(pace, 0.01, 100)
    await clock.work(pace, 0.05, 3000)
    assert pace.share == MOST


async def test_a_rate_is_kept():
    """With a rate it is that many a second, however fast the calls are."""
    clock = Clock()
    pace = Pace(clock=clock, sleep=clock.sleep, rate=1000)
    await clock.work(pace, 0.001, 100)
    assert 12 < clock.now < 13.5
