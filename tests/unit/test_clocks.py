"""Our clock against the database's: what is measured, when it is said, and what is not done meanwhile."""

from collections.abc import Iterator

import pytest

from vault.errors import Unavailable
from vault.service.clocks import ClockWatch, agreed, ahead

SECOND = 1_000_000


class Clocks:
    """Two clocks, and how long the database takes to tell its own."""

    def __init__(self, *, ours: float = 1000.0, theirs: float = 1000.0, takes: float = 0.0) -> None:
        self._ours, self._theirs, self._takes = ours, theirs, takes
        self._readings: Iterator[float] = iter(())

    def now(self) -> int:
        reading = next(self._readings, None)
        if reading is None:
            self._readings = iter([self._ours + self._takes])
            reading = self._ours
        return round(reading * SECOND)

    async def read(self) -> int:
        return round(self._theirs * SECOND)


@pytest.mark.parametrize(
    ("ours", "theirs", "takes", "seconds"),
    [
        (1000, 1000, 0, 0), (1007, 1000, 0, 7), (1000, 1007, 0, -7), (4600, 1000, 1, 3600),
        # The database told it while we waited: no proof of a difference.
        (1000, 1001.9, 2, 0), (1000, 1000, 2, 0), (1000, 1010, 2, -8),
        # Stepped back an hour while we waited.
        (4600, 4600, -3600, 0), (4600, 1000, -3600, 0),
    ],
)  # fmt: skip
async def test_a_difference_is_what_waiting_does_not_explain(ours, theirs, takes, seconds):
    """The least by which the clocks must be apart is told, and its sign."""
    clocks = Clocks(ours=ours, theirs=theirs, takes=takes)
    assert await ahead(clocks.read, clocks.now) == seconds * SECOND


@pytest.mark.parametrize(("ours", "alarms"), [(1004.9, 0), (995.1, 0), (1005.1, 1), (994.9, 1), (4600, 1)])
async def test_more_than_five_seconds_is_an_alarm_once_a_minute(ours, alarms):
    """Either way; and nothing is ended by date meanwhile. The metric shows every look."""
    clocks, heard, shown, ticks = Clocks(ours=ours), [], [], [0.0]
    watch = ClockWatch(
        read=clocks.read, now=clocks.now, show=shown.append, clock=lambda: ticks[0],
        alarm=lambda code, *, says: heard.append((code, says)),
    )  # fmt: skip
    for ticks[0], due in ((0.0, 1), (59.0, 1), (60.0, 2)):
        await watch.look()
        assert len(heard) == alarms * due
    assert shown == pytest.approx([ours - 1000] * 3)
    if alarms:
        assert heard[0][0] == "clock_skewed"
        with pytest.raises(Unavailable, match="clock_skewed"):
            await agreed(clocks.read, clocks.now)
    else:
        await agreed(clocks.read, clocks.now)
