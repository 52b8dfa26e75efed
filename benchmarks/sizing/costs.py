"""What a call, a record and an event cost, as measured. `costs.json` keeps them, each with its origin."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).with_name("costs.json")
CASES = {
    "tokenize": "tokenize",
    "tokenize_indexed": "tokenize, blind index",
    "tokenize_bulk": "tokenize, 1,000 at once",
    "detokenize": "detokenize",
    "detokenize_bulk": "detokenize, 1,000 at once",
}
"""Our names, and those of `benchmarks.hot`."""
STEPS = {
    "tokenize": "tokenize, lists of 1,000",
    "tokenize_single": "tokenize, single, with a key",
    "detokenize": "detokenize, lists of 1,000",
    "sequence": "sequence",
}
"""Our names, and those of `benchmarks.storage`."""
_NOT_OURS = ("load", "others")


@dataclass(frozen=True, slots=True)
class Costs:
    """Per value, per row and per DEK."""

    cpu_us: Mapping[str, Mapping[str, float]]
    """{verb: {process: µs of CPU for a value}}"""
    latency_ms: Mapping[str, float]
    """{verb: what one call takes when nobody else calls}"""
    row_bytes: Mapping[str, float]
    """{table: bytes of a row with its indexes}"""
    index_bytes: Mapping[str, float]
    """{table: how much of that are indexes}"""
    wal_bytes: Mapping[str, float]
    audit_bytes: Mapping[str, float]
    rewrap_us: Mapping[str, float]
    """{process: µs of CPU for a DEK}"""
    rewrapped_a_second: float
    """Seen on two cores with nobody served."""
    ended_a_second: float
    """Records that a retention run judges and ends, beside planes that serve."""
    origin: Mapping[str, str]

    @classmethod
    def read(cls, path: Path = HERE) -> Self:
        """From the file."""
        return cls(**json.loads(path.read_text("utf-8")))

    def write(self, path: Path) -> None:
        """To the file."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", "utf-8")


def from_hot(document: Mapping[str, Any]) -> dict[str, Any]:
    """CPU by process and the latency of one connection, from the JSON of `benchmarks.hot`."""
    stretches = [one for one in document["stretches"] if one["contender"] == "ours"]
    cpu = {verb: _cpu([one for one in stretches if one["case"] == case]) for verb, case in CASES.items()}
    alone = {
        verb: _mean(one["p50_ms"] for one in stretches if one["case"] == f"{verb}, 1 connection")
        for verb in ("tokenize", "detokenize")
    }
    return {"cpu_us": {verb: one for verb, one in cpu.items() if one}, "latency_ms": alone}


def from_storage(document: Mapping[str, Any]) -> dict[str, Any]:
    """Bytes, from the JSON of `benchmarks.storage`."""
    rows, indexes = dict[str, float](), dict[str, float]()
    for one in document["pieces"]:
        rows[one["table"]] = rows.get(one["table"], 0.0) + one["bytes_a_row"]
        if one["piece"] not in ("rows", "toast"):
            indexes[one["table"]] = indexes.get(one["table"], 0.0) + one["bytes_a_row"]
    steps = {one["step"]: one for one in document["steps"]}
    logs = {
        f"{kind}_bytes": {name: round(steps[step][f"{kind}_bytes"]) for name, step in STEPS.items()}
        for kind in ("wal", "audit")
    }
    return {"row_bytes": _rounded(rows), "index_bytes": _rounded(indexes), **logs}


def _cpu(stretches: list[Mapping[str, Any]]) -> dict[str, float]:
    """µs a value of each process that serves, over all rounds."""
    spent, values = dict[str, float](), 0.0
    for one in stretches:
        ours = {name: cpu for name, cpu in one["cpu_seconds"].items() if name not in _NOT_OURS}
        values += sum(ours.values()) * 1e3 / one["cpu_ms_per_value"] if one["cpu_ms_per_value"] else 0.0
        for name, cpu in ours.items():
            spent[name] = spent.get(name, 0.0) + cpu
    return {name: round(cpu / values * 1e6, 1) for name, cpu in spent.items() if values and cpu > 0}


def _mean(values: Iterable[float]) -> float:
    some = list(values)
    return round(sum(some) / len(some), 2) if some else 0.0


def _rounded(some: Mapping[str, float]) -> dict[str, float]:
    return {name: round(size, 1) for name, size in some.items()}
