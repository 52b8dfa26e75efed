"""What is measured of the hot path, of whom, and what is wanted of us."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.hot.contenders import BULK

ALL = ("by hand", "transit", "ours")
OURS = ("ours",)
BARE = ("transit", "ours")


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of load."""

    name: str
    kind: str
    """As the contenders know it."""
    connections: int = 64
    contenders: tuple[str, ...] = ALL
    values: int = 1
    """How many each request carries."""
    load: float | None = None
    """The share of what the same contender reached in the case named like the kind that arrives, whatever
    becomes of it."""
    singly: str = ""
    """The case of single calls whose contenders each value is held against."""
    wanted: Mapping[str, float] = field(default_factory=dict)
    """The least of ours: a ratio `by hand` or to `transit`, `values/s`; the most of `p50` and `p99` in ms."""


CASES = (
    Case("tokenize", "tokenize", wanted={"by hand": 12, "transit": 0.9}),
    Case("detokenize", "detokenize", wanted={"by hand": 8, "transit": 0.6}),
    Case("tokenize, blind index", "tokenize_indexed", contenders=OURS),
    Case("tokenize, 1 connection", "tokenize", 1, wanted={"p50": 5}),
    Case("detokenize, 1 connection", "detokenize", 1, wanted={"p50": 5}),
    Case("tokenize, half load", "tokenize", 64, BARE, load=0.5, wanted={"p99": 30}),
    Case("detokenize, half load", "detokenize", 64, BARE, load=0.5, wanted={"p99": 30}),
    Case("tokenize, 1,000 at once", "tokenize_bulk", 4, OURS, BULK, singly="tokenize",
         wanted={"values/s": 15_000}),
    Case("detokenize, 1,000 at once", "detokenize_bulk", 4, OURS, BULK, singly="detokenize",
         wanted={"values/s": 20_000}),
)  # fmt: skip
