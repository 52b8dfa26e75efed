"""The arithmetic: what a deployment needs, each figure with how it came about."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from benchmarks.sizing.costs import Costs
from benchmarks.sizing.demand import HOUR, HOURS, Deployment
from benchmarks.sizing.queue import Seen, Service, fewest

MOST_BUSY = 0.5
"""Of a core, at the busiest hour: the rest is for a host that is down and for what nobody foresaw."""
P99_MS = 30.0
CALLS = 20_000
SEED = 8472
CORES_A_SERVER = 8
MONTHS_KEPT = 13
LEAVES_A_NODE = 255
KEY_SERVERS = 3
"""What a quorum needs at least."""
DISK_GB = 8_000
FIVE_YEARS = "after five years"
WORKERS = {"ingest": ("tokenize", "tokenize_indexed"), "reveal": ("detokenize",)}
"""The planes whose single calls are simulated, and their verbs."""


@dataclass(frozen=True, slots=True)
class Line:
    """One figure."""

    what: str
    value: float
    unit: str
    how: str


def plan(asked: Deployment, costs: Costs) -> list[Line]:
    """Everything, in the order in which it is asked."""
    return [*work(asked), *machines(asked, costs), *storage(asked, costs), *logs(asked, costs),
            *campaigns(asked, costs)]  # fmt: skip


def work(asked: Deployment) -> Iterable[Line]:
    """What is done."""
    yield Line("records", asked.records, "", f"{asked.subjects:,} subjects × {asked.values_each}")
    yield Line("tokenized a year", asked.tokenized_a_year, "", f"{asked.joining:.0%} of the records")
    yield Line("opened a year", asked.opened_a_year, "", f"{asked.opened_each:g} for each subject")
    yield Line("events a year", asked.events_a_year, "", f"these, and {asked.leaving:.0%} erased")
    busiest = {verb: max(asked.rates(hour)[verb] for hour in range(len(HOURS))) for verb in asked.rates(0)}
    for verb, rate in busiest.items():
        yield Line(f"{verb}, busiest hour", rate, "values/s", "")


def machines(asked: Deployment, costs: Costs) -> Iterable[Line]:
    """Workers by simulation, cores by their measured CPU, and what that is in machines."""
    for plane, verbs in WORKERS.items():
        workers, seen = simulated(asked, costs, plane, verbs)
        kept = "≤" if seen.p99_ms <= P99_MS else "NOT"
        how = (
            f"p99 {seen.p99_ms:.1f} ms, {kept} {P99_MS:g}; {seen.values_a_list:.1f} values a list, simulated"
        )
        yield Line(f"{plane} workers for single calls", workers, "", how)
    needed = busiest_cores(asked, costs)
    for process, cores in needed.items():
        yield Line(f"cores of {process}, busiest hour", cores, "", "Σ values/s × µs each")
    ours = sum(cores for process, cores in needed.items() if process in ("ingest", "reveal", "control"))
    yield Line("servers for workers", servers(ours), "", _of_servers(ours))
    yield from databases(asked, costs, needed.get("PostgreSQL", 0.0))
    keys = needed.get("OpenBao", 0.0)
    nodes = max(KEY_SERVERS, servers(keys))
    yield Line("HashiCorp Vault nodes", nodes, "", f"{keys:.2f} cores; a quorum of {KEY_SERVERS} at least")


def databases(asked: Deployment, costs: Costs, busy: float) -> Iterable[Line]:
    """PostgreSQL by cores and by disk, whichever asks for more. Each primary has a synchronous standby."""
    after = next(line.value for line in storage(asked, costs) if line.what == FIVE_YEARS)
    by_cores, by_disk = math.ceil(busy / (CORES_A_SERVER * MOST_BUSY)), math.ceil(after / DISK_GB)
    how = f"{by_cores} by {busy:.2f} cores, {by_disk} by {after:,.0f} GB of {DISK_GB:,}; and the keystore"
    yield Line("PostgreSQL primaries", max(by_cores, by_disk) + 1, "", how)
    yield Line("PostgreSQL servers", 2 * (max(by_cores, by_disk) + 1), "", "each with a synchronous standby")


def simulated(asked: Deployment, costs: Costs, plane: str, verbs: tuple[str, ...]) -> tuple[int, Seen]:
    """The fewest workers of a plane that keep the bound in the busiest hour of single calls."""
    rate = max(sum(asked.rates(hour)[verb] for verb in verbs) for hour in range(len(HOURS)))
    value_ms = costs.cpu_us[verbs[0]][plane] / 1e3
    service = Service(max(0.0, costs.latency_ms[verbs[0]] - value_ms), value_ms)
    return fewest(rate, service, p99_ms=P99_MS, most_busy=MOST_BUSY, calls=CALLS, seed=SEED)


def cores(rates: Mapping[str, float], costs: Costs) -> dict[str, float]:
    """Cores in use, by process."""
    found: dict[str, float] = {}
    for verb, rate in rates.items():
        for process, spent in costs.cpu_us[verb].items():
            found[process] = found.get(process, 0.0) + rate * spent / 1e6
    return found


def busiest_cores(asked: Deployment, costs: Costs) -> dict[str, float]:
    """The most that each process needs in any hour."""
    every = [cores(asked.rates(hour), costs) for hour in range(len(HOURS))]
    names = list(dict.fromkeys(name for one in every for name in one))
    return {name: max(one.get(name, 0.0) for one in every) for name in names}


def servers(needed: float) -> int:
    """Machines for so many busy cores, and one more that may be down."""
    return math.ceil(needed / (CORES_A_SERVER * MOST_BUSY)) + 1


def _of_servers(needed: float) -> str:
    return f"{needed:.2f} cores, of {CORES_A_SERVER} at most {MOST_BUSY:.0%} busy, and one more"


def storage(asked: Deployment, costs: Costs) -> Iterable[Line]:
    """Bytes kept, with their indexes."""
    row, records = costs.row_bytes, asked.records
    kept = asked.events_a_year * MONTHS_KEPT / 12
    yield _bytes("rows of records", records, row["record"])
    yield _bytes("blind index", records * asked.searchable, row["blind_index"])
    yield _bytes("wrapped DEKs", records, row["dek"])
    yield _bytes(f"events of {MONTHS_KEPT} months", kept, row["event"])
    yield from tree(asked, costs)
    tables = {"record": records, "blind_index": records * asked.searchable, "dek": records, "event": kept}
    whole = sum(count * row[name] for name, count in tables.items())
    indexes = sum(count * costs.index_bytes[name] for name, count in tables.items())
    yield Line("of the first four, indexes", indexes / 1e9, "GB", f"{indexes / whole:.0%}")
    forever = sum(line.value for line in tree(asked, costs))
    yield Line(
        "after five years", whole / 1e9 + 5 * forever, "GB", "the first four, and five years of the tree"
    )


def tree(asked: Deployment, costs: Costs) -> list[Line]:
    """What the log keeps for ever of a year's events."""
    events = asked.events_a_year
    opened = asked.opened_a_year
    single = (asked.tokenized_a_year + asked.ended_a_year) / asked.values_each + opened * (1 - asked.batched)
    lists = single + opened * asked.batched / 1000
    return [
        _bytes("leaves of a year", events, costs.row_bytes["leaf"]),
        _bytes("signed lists of a year", lists, costs.row_bytes["signed_list"]),
    ]


def _bytes(what: str, count: float, each: float) -> Line:
    return Line(what, count * each / 1e9, "GB", f"{count:,.0f} × {each:,.0f} bytes")


def logs(asked: Deployment, costs: Costs) -> Iterable[Line]:
    """What has to be shipped and kept elsewhere."""
    wal, audit, opened = costs.wal_bytes, costs.audit_bytes, asked.opened_a_year
    written = asked.tokenized_a_year * wal["tokenize_single"] + opened * wal["detokenize"]
    written += asked.events_a_year * wal["sequence"]
    how = "tokenized (one a call), opened, sequenced × bytes each"
    yield Line("write-ahead log a year", written / 1e9, "GB", how)
    busiest = max(_shipped(asked.rates(hour), wal) for hour in range(len(HOURS)))
    yield Line("to a standby, busiest hour", busiest * 8 / 1e6, "Mbit/s", "values/s × bytes each, sequenced")
    said = asked.tokenized_a_year * audit["tokenize_single"] + opened * audit["detokenize"]
    how = f"{audit['tokenize_single']:,.0f} bytes a value tokenized, {audit['detokenize']:,.0f} opened"
    yield Line("key server's audit log a year", said / 1e9, "GB", how)


def _shipped(rates: Mapping[str, float], wal: Mapping[str, float]) -> float:
    """Bytes of write-ahead log a second."""
    kinds = {verb: "tokenize_single" if verb.startswith("tokenize") else "detokenize" for verb in rates}
    return sum(rate * (wal[kinds[verb]] + wal["sequence"]) for verb, rate in rates.items())


def campaigns(asked: Deployment, costs: Costs) -> Iterable[Line]:
    """What is done to everything at once: the first filling, a rotation; and a year's retention."""
    records, bulk = asked.records, sum(costs.cpu_us["tokenize_bulk"].values())
    how = f"{records:,.0f} × {bulk:.0f} µs, lists of 1,000"
    yield Line("CPU of filling it", records * bulk / 1e6 / HOUR, "core hours", how)
    spent = sum(costs.rewrap_us.values())
    how = f"{records:,.0f} × {spent:.0f} µs"
    yield Line("CPU of a rotation", records * spent / 1e6 / HOUR, "core hours", how)
    hours = records / costs.rewrapped_a_second / HOUR
    yield Line("a rotation, on two cores", hours, "h", f"at {costs.rewrapped_a_second:,.0f} DEKs/s, unpaced")
    how = f"{asked.ended_a_year:,.0f} at {costs.ended_a_second:,.0f}/s, in a year"
    yield Line("retention runs, on two cores", asked.ended_a_year / costs.ended_a_second / HOUR, "h", how)
