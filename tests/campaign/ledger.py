"""What the callers of a campaign saw: every request with its answer and time, every promise, every doubt."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

DEADLINE = 3.0
ALLOWANCE = 1.0
"""Seconds beyond the deadline for a request's way there and back, where the machine has other work too."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `status` 0: no answer came."""

    kind: str
    sent: float
    ended: float
    status: int
    code: str

    @property
    def took(self) -> float:
        return self.ended - self.sent


@dataclass(slots=True)
class Ledger:
    """Of one fault."""

    calls: list[Call] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    """{token: value} that was acknowledged."""
    receipts: list[str] = field(default_factory=list)
    """Of every token given and every plaintext received."""
    doubtful: dict[str, str] = field(default_factory=dict)
    """{idempotency key: value} of requests whose outcome nobody knows."""
    wrong: list[str] = field(default_factory=list)
    """Tokens that opened to another value than was sealed, or to none."""
    told: list[str] = field(default_factory=list)
    """Codes of answers that quoted a canary."""
    begun: list[float] = field(default_factory=list)
    over: list[float] = field(default_factory=list)
    """When what was broken was broken, and when it was whole again."""

    lag: float = 0.0
    """Seconds by which the callers' own clock was late at worst: the machine's doing, not the vault's."""

    @property
    def acknowledged(self) -> int:
        return sum(call.status == 200 for call in self.calls)

    @property
    def refused(self) -> int:
        return len(self.calls) - self.acknowledged

    @property
    def worst(self) -> float:
        """Seconds of the longest request."""
        return max((call.took for call in self.calls), default=0.0)

    @property
    def late(self) -> list[Call]:
        """Requests that were not answered by their deadline."""
        return [call for call in self.calls if call.took > DEADLINE + ALLOWANCE + self.lag]

    def of(self, kind: str) -> list[Call]:
        return [call for call in self.calls if call.kind == kind]

    def refusals(self, kind: str = "") -> Counter[str]:
        """How often each code was answered."""
        return Counter(c.code for c in self.calls if c.status != 200 and kind in ("", c.kind))

    @property
    def recovery(self) -> float:
        """Seconds from the end of a fault to that of the last refusal after it; of several the longest."""
        return max((last - end for end, last in self._aftermaths()), default=0.0)

    def _aftermaths(self) -> Iterator[tuple[float, float]]:
        for number, end in enumerate(self.over):
            following = self.begun[number + 1] if number + 1 < len(self.begun) else float("inf")
            ends = [c.ended for c in self.calls if c.status != 200 and end < c.ended < following]
            yield end, max(ends, default=end)
