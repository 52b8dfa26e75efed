"""How soon the leader of the log looks again: well before what waits comes near the bound."""

import pytest

from vault.service.heads import BATCH
from vault.service.sequence import ROUND_SECONDS, pause_after
from vault.settings import Settings


def test_a_quiet_log_is_looked_at_once_a_second():
    """Rounds cost queries and a commit, so nothing to do means a whole pause."""
    assert pause_after(0) == ROUND_SECONDS


@pytest.mark.parametrize("per_second", [10, 1_000, 5_000])
def test_what_waits_stays_far_from_the_bound_at_any_rate(per_second):
    """Even where a load begins within a pause; a round numbers up to a batch, in a tenth of a second."""
    waiting, most = 0.0, 0.0
    for _ in range(200):
        done = min(waiting, BATCH)
        waiting -= done
        waiting += per_second * (0.1 + pause_after(int(done)))
        most = max(most, waiting)
    assert most + BATCH < Settings.__dataclass_fields__["log_backlog_events"].default
