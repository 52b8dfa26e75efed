"""Allowances: a rate that holds whatever a credential tries, and that touches no other credential."""

import random

import pytest

from vault import metrics
from vault.errors import Throttled
from vault.service import allowance
from vault.service.allowance import Allowance


class Told:
    """A log that remembers whom it was told of."""

    def __init__(self) -> None:
        self.of: list[str] = []

    def warning(self, _: str, *, credential: str) -> None:
        self.of.append(credential)


class Purse:
    """An allowance under a clock that is set by hand."""

    def __init__(self, rate: int = 100, burst: int = 10, workers: int = 1) -> None:
        self.time = 1e6
        self.allowance = Allowance(rate, burst, workers=workers, clock=lambda: self.time)

    def sends(self, values: int = 1, who: str = "acme.a") -> int:
        """0 when a request is let in, else the seconds it was told to wait."""
        try:
            self.allowance.take(who)
            if values > 1:
                self.allowance.charge(who, values - 1)
        except Throttled as refused:
            assert (refused.code, refused.status) == ("rate_limited", 429)
            assert refused.retry_after is not None
            return refused.retry_after
        return 0

    def told(self, who: str = "acme.a") -> dict[bytes, bytes]:
        return dict(self.allowance.headers(who))


def test_burst_then_the_rate():
    """What may come at once comes at once; then it is the rate, to the value."""
    purse = Purse()
    assert [purse.sends() for _ in range(1001)] == [0] * 1000 + [1]
    purse.time += 0.5
    assert sum(purse.sends() == 0 for _ in range(100)) == 50


@pytest.mark.parametrize("sizes", [(1,), (1000,), (1, 1000), (7, 350, 1)])
def test_rate_holds_whatever_the_sizes(sizes):
    """Of five minutes of requests without a pause: the rate, the burst, and one request more at most."""
    purse, chance, got = Purse(), random.Random(8472), 0
    for _ in range(3_000):
        purse.time += 0.1
        for _ in range(12):
            values = chance.choice(sizes)
            got += values if purse.sends(values) == 0 else 0
    assert 100 * 300 <= got <= 100 * 300 + 1000 + max(sizes)


def test_many_bodies_read_at_once_do_not_pass_together():
    """Requests that were all let in before any of their bodies was read: of the long ones one leaves a debt,
    and the next is refused."""
    purse = Purse(rate=10, burst=10)
    for _ in range(50):
        purse.allowance.take("acme.a")
    purse.allowance.charge("acme.a", 999)
    for _ in range(49):
        with pytest.raises(Throttled):
            purse.allowance.charge("acme.a", 999)


def test_retry_after_is_when_it_is_let_in():
    """Who waits as long as he was told is let in, and a moment before that he is not."""
    purse = Purse(rate=100, burst=1)
    assert purse.sends(1000) == 0
    wait = purse.sends()
    assert wait == 10  # 901 values at 100 a second
    purse.time += 9
    assert purse.sends() != 0
    purse.time += 1
    assert purse.sends() == 0


def test_a_long_request_is_not_kept_out_by_short_ones():
    """While singles of the same credential take whatever there is, a list of 1,000 still has its turn."""
    purse = Purse(rate=10, burst=1)
    while purse.sends() == 0:
        pass
    purse.time += 0.11
    assert purse.sends(1000) == 0


def test_another_credential_has_its_own():
    """However deep one is in debt, another's first request is let in, and its headers say nothing of it."""
    purse = Purse(rate=10, burst=1)
    purse.sends(1000)
    assert purse.sends() != 0
    assert purse.sends(who="acme.b") == 0
    assert purse.told("acme.b")[b"ratelimit"] == b'"values";r=9;t=1'


def test_a_clock_that_goes_back_gives_nothing():
    """Neither values nor a debt that has gone."""
    purse = Purse(rate=10, burst=1)
    purse.sends(100)
    purse.time -= 3600
    assert purse.sends() != 0


def test_workers_share_the_figure():
    """Four workers together let in what one would."""
    shares = [Purse(rate=100, burst=10, workers=4) for _ in range(4)]
    got = sum(share.sends() == 0 for share in shares for _ in range(1000))
    assert got == 1000
    for share in shares:
        share.time += 1
    assert sum(share.sends() == 0 for share in shares for _ in range(1000)) == 100


def test_more_workers_than_values_still_let_some_in():
    """A rate smaller than the number of workers shuts nobody out for good."""
    purse = Purse(rate=1, burst=1, workers=64)
    assert purse.sends() == 0
    assert purse.sends() == 64


def test_headers_say_what_is_left():
    """Quota, window, what is left and when it is whole again; what is owed is shown as nothing left."""
    purse = Purse(rate=100, burst=10)
    assert purse.told() == {
        b"ratelimit-policy": b'"values";q=1000;w=10',
        b"ratelimit": b'"values";r=1000;t=0',
    }
    purse.sends(250)
    assert purse.told()[b"ratelimit"] == b'"values";r=750;t=3'
    purse.sends(1000)
    assert purse.told()[b"ratelimit"] == b'"values";r=0;t=13'


def test_without_a_limit_nothing_is_counted_or_said():
    """A rate of 0 is none."""
    purse = Purse(rate=0)
    assert [purse.sends(1000) for _ in range(1000)] == [0] * 1000
    assert purse.told() == {}


def test_refusals_are_counted_and_told_once_a_minute(monkeypatch: pytest.MonkeyPatch):
    """Each refusal is counted, under no name; the log says whose they are in one line a minute."""
    told = Told()
    # The logger keeps the stream of whoever logged first in this process.
    monkeypatch.setattr(allowance, "log", told)
    purse = Purse(rate=1, burst=1)
    before = metrics.rate_limited._value.get()
    for who in ("acme.a", "acme.b"):
        for _ in range(100):
            purse.sends(who=who)
    assert metrics.rate_limited._value.get() == before + 198
    assert told.of == ["acme.a", "acme.b"]
    purse.time += 61
    for _ in range(100):
        purse.sends(who="acme.a")
    assert told.of == ["acme.a", "acme.b", "acme.a"]
