"""What one credential has opened for one purpose, in the windows now running. Pure value."""

from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True)
class Spender:
    """Whose account it is: one credential's, for one purpose (or for a verb that has none)."""

    tenant: str
    credential: str
    purpose: str


class Spent(msgspec.Struct, frozen=True):
    """An account as it stands: windows by number, and what was counted in each."""

    hour: int = 0
    hour_subjects: int = 0
    day: int = 0
    day_subjects: int = 0
    minute: int = 0
    minute_values: int = 0
