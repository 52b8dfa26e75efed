"""Counting against a budget: what still fits of what is asked. Pure; the account is held by whoever asks.

A window never goes backwards: a clock that is set back counts on in the window it had reached.
"""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from vault.model.spent import Spent
from vault.policy.budgets import Budget, Limits, hour, minute


class Tally:
    """One account during one list. The first value that does not fit is the last that is looked at."""

    def __init__(
        self, before: Spent, budget: Budget, limits: Limits, seen: Mapping[str, tuple[int, int]], *, now: int
    ) -> None:
        """`seen`: in which hour and day a subject was counted last. `now`: the database's clock, in µs."""
        self.account = _current(before, budget, now)
        self.counted: dict[str, tuple[int, int]] = {}
        """The subjects that were counted anew, with the hour and the day."""
        self.exceeded: str | None = None
        """The limit that was hit."""
        self._limits = limits
        self._seen = seen

    def take(self, subjects: Sequence[str | None], *, whole: bool) -> int:
        """Count one request, a subject for each value; answer how many of them, from the first, fit.

        None stands for a subject of its own. A request that is `whole` fits as a whole or not at all.
        """
        account, counted = self.account, dict(self.counted)
        for place, subject in enumerate(subjects):
            if self.exceeded is None:
                self._take(subject)
            if self.exceeded is not None:
                if whole:
                    self.account, self.counted = account, counted
                return 0 if whole else place
        return len(subjects)

    def _take(self, subject: str | None) -> None:
        at = self.account
        windows = (at.hour, at.day)
        last = self.counted.get(subject) or self._seen.get(subject) if subject is not None else None
        new_hour = last is None or last[0] != at.hour
        new_day = last is None or last[1] != at.day
        after = replace(
            at,
            hour_subjects=at.hour_subjects + new_hour,
            day_subjects=at.day_subjects + new_day,
            minute_values=at.minute_values + 1,
        )
        self.exceeded = _exceeded(after, self._limits, new_hour=new_hour, new_day=new_day)
        if self.exceeded is not None:
            return
        self.account = after
        if subject is not None and (new_hour or new_day):
            self.counted[subject] = windows


def _current(before: Spent, budget: Budget, now: int) -> Spent:
    """The account in the windows of this moment: what was counted in an earlier one is over."""
    at_hour, at_day, at_minute = hour(now), budget.day(now), minute(now)
    return Spent(
        hour=max(before.hour, at_hour),
        hour_subjects=0 if at_hour > before.hour else before.hour_subjects,
        day=max(before.day, at_day),
        day_subjects=0 if at_day > before.day else before.day_subjects,
        minute=max(before.minute, at_minute),
        minute_values=0 if at_minute > before.minute else before.minute_values,
    )


def _exceeded(after: Spent, limits: Limits, *, new_hour: bool, new_day: bool) -> str | None:
    """The limit that this count is over. Who was counted already in a window does not break its limit."""
    counts = (
        ("subjects_per_hour", after.hour_subjects, new_hour),
        ("subjects_per_day", after.day_subjects, new_day),
        ("values_per_minute", after.minute_values, True),
    )
    for name, count, grows in counts:
        most = getattr(limits, name)
        if grows and most is not None and count > most:
            return name
    return None
