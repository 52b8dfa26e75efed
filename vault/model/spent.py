"""What one credential has opened for one purpose, in the windows now running. Pure value."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spender:
    """Whose account it is: one credential's, for one purpose (or for a verb that has none)."""

    tenant: str
    credential: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Spent:
    """An account as it stands: windows by number, and what was counted in each."""

    hour: int = 0
    hour_subjects: int = 0
    day: int = 0
    day_subjects: int = 0
    minute: int = 0
    minute_values: int = 0
