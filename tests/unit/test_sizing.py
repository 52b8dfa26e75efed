"""The sizing of a deployment: its arithmetic, and the simulation of workers behind it."""

import random
from dataclasses import replace

import pytest

from benchmarks.sizing.costs import Costs, from_hot, from_storage
from benchmarks.sizing.demand import BILLION, HOURS, TEN_MILLION
from benchmarks.sizing.plan import busiest_cores, cores, plan, servers
from benchmarks.sizing.queue import Service, fewest, simulate

VERBS = ("tokenize", "tokenize_indexed", "detokenize", "detokenize_bulk")
COSTS = Costs(
    cpu_us={
        verb: {"ingest": 500.0, "reveal": 250.0, "PostgreSQL": 100.0} for verb in (*VERBS, "tokenize_bulk")
    },
    latency_ms={"tokenize": 5.0, "detokenize": 6.0},
    row_bytes={"record": 400, "blind_index": 300, "dek": 200, "event": 1500, "leaf": 200, "signed_list": 500},
    index_bytes={"record": 100, "blind_index": 200, "dek": 50, "event": 500},
    wal_bytes={"tokenize": 2000, "tokenize_single": 3000, "detokenize": 1500, "sequence": 300},
    audit_bytes={"tokenize": 600, "tokenize_single": 650, "detokenize": 500},
    rewrap_us={"key server": 80.0, "others": 20.0},
    rewrapped_a_second=10_000,
    ended_a_second=2_000,
    origin={},
)
SERVICE = Service(fixed_ms=4.0, value_ms=0.5)


def run(rate: float, workers: int = 1):
    return simulate(rate, SERVICE, workers, calls=20_000, chance=random.Random(1))


def lines(costs: Costs = COSTS) -> dict[str, float]:
    return {line.what: line.value for line in plan(TEN_MILLION, costs)}


def test_a_caller_alone_waits_for_the_service_of_one():
    """At one call in ten seconds nobody meets another."""
    seen = run(0.1)
    assert (seen.p50_ms, seen.values_a_list) == (SERVICE.of(1), 1)
    assert seen.p99_ms == SERVICE.of(1)


def test_lists_grow_with_the_load_and_never_stop_serving():
    """Whoever waits is the next list, so more are served than lists of one would allow."""
    alone = 1e3 / SERVICE.of(1)
    quiet, busy = run(alone / 2), run(4 * alone)
    assert quiet.values_a_list < 2 < busy.values_a_list
    assert busy.p99_ms < 1e3 / SERVICE.value_ms


def test_past_the_cost_of_a_value_no_list_is_long_enough():
    """A worker cannot do more than its CPU does, however it gathers: its callers wait ever longer."""
    assert run(2 * 1e3 / SERVICE.value_ms).p99_ms > 10 * run(0.5 * 1e3 / SERVICE.value_ms).p99_ms


def test_the_fewest_workers_keep_the_bound_and_their_reserve():
    """One fewer would be busier than allowed; a bound that no number keeps is seen to be broken."""
    rate = 5_000.0
    workers, seen = fewest(rate, SERVICE, p99_ms=30, most_busy=0.5, calls=5_000, seed=1)
    assert seen.p99_ms <= 30
    assert workers == 5  # 5,000 values/s × 0.5 ms are 2.5 cores, half busy
    _, never = fewest(10.0, SERVICE, p99_ms=1, most_busy=0.5, calls=500, seed=1)
    assert never.p99_ms > 1


def test_a_day_has_all_its_calls():
    """The shares of the hours are a whole; the busiest hours of a day carry what a day is asked."""
    assert sum(HOURS) == pytest.approx(1)
    day = sum(TEN_MILLION.rates(hour)["detokenize_bulk"] * 3600 for hour in range(24))
    assert day == pytest.approx(10_000_000 * 52 * 0.8 / 365 * TEN_MILLION.batches_on_payday)
    assert BILLION.records == 10**9


def test_cores_are_values_a_second_times_their_cost():
    """Each process by itself, and the most of any hour, not the sum of different hours."""
    assert cores({"tokenize": 1000.0, "detokenize": 2000.0}, COSTS)["ingest"] == pytest.approx(1.5)
    busiest = max(sum(TEN_MILLION.rates(hour).values()) for hour in range(24))
    assert busiest_cores(TEN_MILLION, COSTS)["PostgreSQL"] == pytest.approx(busiest * 100 / 1e6)
    assert [servers(one) for one in (0.1, 4.0, 4.1)] == [2, 2, 3]


def test_storage_is_rows_times_their_bytes():
    """Records, DEKs and 13 months of events, with their indexes; the tree is kept for ever."""
    found = lines()
    assert found["wrapped DEKs"] == 50_000_000 * 200 / 1e9
    events = TEN_MILLION.events_a_year
    assert events == 12_500_000 + 520_000_000 + 5_000_000
    assert found["events of 13 months"] == pytest.approx(events * 13 / 12 * 1500 / 1e9)
    four = sum(
        found[name] for name in ("rows of records", "blind index", "wrapped DEKs", "events of 13 months")
    )
    years = 5 * (found["leaves of a year"] + found["signed lists of a year"])
    assert found["after five years"] == pytest.approx(four + years)


def test_sign_ups_write_what_a_call_of_their_own_writes():
    """A value in a call of its own takes more than one of a list, in both logs; all opened is numbered."""
    found = lines()
    tokenized, opened, events = 12_500_000, 520_000_000, TEN_MILLION.events_a_year
    written = (tokenized * 3000 + opened * 1500 + events * 300) / 1e9
    assert found["write-ahead log a year"] == pytest.approx(written)
    said = (tokenized * 650 + opened * 500) / 1e9
    assert found["key server's audit log a year"] == pytest.approx(said)
    night = TEN_MILLION.rates(2)
    shipped = sum(rate * (1800 if verb.startswith("de") else 3300) for verb, rate in night.items())
    assert found["to a standby, busiest hour"] >= shipped * 8 / 1e6 * 0.99


def test_what_is_done_to_everything_is_paid_for_each():
    """CPU by the cost of a value or a DEK, hours by the rate that was seen."""
    found = lines()
    assert found["CPU of filling it"] == pytest.approx(50_000_000 * 850e-6 / 3600)
    assert found["retention runs, on two cores"] == pytest.approx(5_000_000 / 2_000 / 3600)
    assert found["CPU of a rotation"] == pytest.approx(50_000_000 * 100e-6 / 3600)
    assert found["a rotation, on two cores"] == pytest.approx(50_000_000 / 10_000 / 3600)
    assert lines(replace(COSTS, rewrapped_a_second=5_000))["a rotation, on two cores"] == pytest.approx(
        2 * found["a rotation, on two cores"]
    )


def test_costs_are_read_from_what_the_benchmarks_wrote():
    """CPU of ours by process and value, the load's left out; bytes of a row with its indexes."""
    stretch = {"case": "tokenize", "contender": "ours", "cpu_ms_per_value": 0.5, "p50_ms": 9.0}
    stretch["cpu_seconds"] = {"ingest": 0.3, "PostgreSQL": 0.2, "load": 9.0, "others": 9.0}
    alone = stretch | {"case": "tokenize, 1 connection", "p50_ms": 4.0}
    other = stretch | {"contender": "transit", "cpu_seconds": {"OpenBao": 5.0}}
    read = from_hot({"stretches": [stretch, alone, other]})
    assert read["cpu_us"] == {"tokenize": {"ingest": 300.0, "PostgreSQL": 200.0}}
    assert read["latency_ms"] == {"tokenize": 4.0, "detokenize": 0.0}
    names = (
        "tokenize, lists of 1,000",
        "tokenize, single, with a key",
        "detokenize, lists of 1,000",
        "sequence",
    )
    pieces = [("record", "rows", 300.0), ("record", "toast", 1.0), ("record", "record_pkey", 99.0)]
    stored = from_storage(
        {
            "pieces": [dict(zip(("table", "piece", "bytes_a_row"), one, strict=True)) for one in pieces],
            "steps": [{"step": name, "wal_bytes": 2.4, "audit_bytes": 1.6} for name in names],
        }
    )
    assert (stored["row_bytes"], stored["index_bytes"]) == ({"record": 400.0}, {"record": 99.0})
    assert stored["audit_bytes"]["sequence"] == 2


def test_the_kept_costs_size_both_deployments():
    """What is kept beside the program is whole: every line of both plans comes out, and none is negative."""
    for asked in (TEN_MILLION, BILLION):
        assert all(line.value >= 0 for line in plan(asked, Costs.read()))
