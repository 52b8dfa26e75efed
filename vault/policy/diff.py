"""What changes between two policies, in words, and whether each change widens or narrows access. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal

from vault.policy.budgets import DAYS, LIMITS, Budget, Hours, Limits, clock, given
from vault.policy.consents import STOPPABLE
from vault.policy.rules import CustomType, Policy, Purpose, Transfers

Effect = Literal["widens", "narrows", "neutral"]
_REACH = {"none": 0, "masked": 1, "plain": 2}


@dataclass(frozen=True, slots=True)
class Change:
    """One difference."""

    where: str
    before: str
    after: str
    effect: Effect

    def __str__(self) -> str:
        return f"{self.where}: {self.before} → {self.after} ({self.effect})"


def diff(old: Policy, new: Policy) -> list[Change]:
    """Every difference, those that widen access first; empty exactly when the policies are equal."""
    changes = [*_rights(old, new), *_searchable(old, new), *_purposes(old, new), *_types(old, new)]
    changes += _transfers(old.transfers, new.transfers)
    for name in sorted({*old.budgets, *new.budgets}):
        changes += _budget(f"budget {name}", old.budgets.get(name), new.budgets.get(name))
    order = {"widens": 0, "narrows": 1, "neutral": 2}
    return sorted(changes, key=lambda change: (order[change.effect], change.where))


def _rights(old: Policy, new: Policy) -> Iterator[Change]:
    for field_class, purpose in sorted({*old.matrix, *new.matrix}):
        before = old.right(field_class, purpose) or "none"
        after = new.right(field_class, purpose) or "none"
        if before != after:
            effect: Effect = "widens" if _REACH[after] > _REACH[before] else "narrows"
            yield Change(f"{purpose} opens {field_class}", before, after, effect)


def _searchable(old: Policy, new: Policy) -> Iterator[Change]:
    for name in sorted(old.searchable ^ new.searchable):
        widens = name in new.searchable
        before, after = ("no", "yes") if widens else ("yes", "no")
        yield Change(f"searchable {name}", before, after, "widens" if widens else "narrows")


def _purposes(old: Policy, new: Policy) -> Iterator[Change]:
    """On a basis in which people have less to say, it goes on for those who said no: that counts as wider."""
    for change in _named("purpose", old.purposes, new.purposes):
        name = change.where.partition(" ")[2]
        a, b = old.purposes.get(name), new.purposes.get(name)
        more = _say_in(b) - _say_in(a) if a is not None and b is not None else 0
        effect: Effect = "widens" if more < 0 else "narrows" if more > 0 else "neutral"
        yield replace(change, effect=effect)


def _say_in(purpose: Purpose) -> int:
    """How much a person has to say in it: nothing, an objection, or consent beforehand."""
    if purpose.basis == "consent":
        return 2
    return 1 if purpose.basis in STOPPABLE else 0


def _types(old: Policy, new: Policy) -> Iterator[Change]:
    """A type that moves to another class, or masks otherwise, may show more: that counts as wider."""
    for change in _named("type", old.types, new.types):
        name = change.where.partition(" ")[2]
        a, b = old.types.get(name), new.types.get(name)
        moved = a is not None and b is not None and (a.field_class, a.mask) != (b.field_class, b.mask)
        yield replace(change, effect="widens") if moved else change


def _transfers(old: Transfers, new: Transfers) -> Iterator[Change]:
    """At another home no safeguard is asked for where one was: that counts as wider, as unblocking does."""
    if old.home_country != new.home_country:
        yield Change("home country", old.home_country, new.home_country, "widens")
    for name in sorted(old.blocked ^ new.blocked):
        blocks = name in new.blocked
        before, after = ("open", "blocked") if blocks else ("blocked", "open")
        yield Change(f"transfers to {name}", before, after, "narrows" if blocks else "widens")


def _budget(where: str, old: Budget | None, new: Budget | None) -> Iterator[Change]:
    """In another time zone the same hours are others, and a day begins anew: that counts as wider."""
    a, b = old or _UNLIMITED, new or _UNLIMITED
    yield from _limits(where, a.limits, b.limits)
    for name in sorted({*a.credentials, *b.credentials}):
        before, after = a.credentials.get(name, Limits()), b.credentials.get(name, Limits())
        yield from _limits(f"{where} of {name}", before, after)
    if old is not None and new is not None and old.timezone != new.timezone:
        yield Change(f"{where} time zone", old.timezone, new.timezone, "widens")
    if a.hours != b.hours:
        effect: Effect = "widens" if _longer(a.hours, b.hours) else "narrows"
        yield Change(f"{where} hours", _say_hours(a.hours), _say_hours(b.hours), effect)


_UNLIMITED = Budget(Limits())


def _limits(where: str, old: Limits, new: Limits) -> Iterator[Change]:
    for name in LIMITS:
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            effect: Effect = "widens" if _more(before, after) else "narrows"
            yield Change(f"{where} {name}", _say_limit(before), _say_limit(after), effect)


def _more(before: int | None, after: int | None) -> bool:
    return before is not None and (after is None or after > before)


def _longer(old: Hours | None, new: Hours | None) -> bool:
    """Whether the new hours leave anything that the old ones did not."""
    if old is None or new is None:
        return new is None
    if new.minutes() - old.minutes():
        return True
    if old.outside is None or new.outside is None:
        return new.outside is not None
    return any(_more(getattr(old.outside, name), getattr(new.outside, name)) for name in LIMITS)


def _say_limit(limit: int | None) -> str:
    return "no limit" if limit is None else str(limit)


def _say_hours(hours: Hours | None) -> str:
    if hours is None:
        return "at any time"
    days = ", ".join(day for day in DAYS if day in hours.days)
    outside = "refused" if hours.outside is None else _say_limits(hours.outside)
    return f"{days} {clock(hours.since)} to {clock(hours.until)}; outside: {outside}"


def say_budget(budget: Budget) -> str:
    """A budget on one line."""
    parts = [_say_limits(budget.limits)] if given(budget.limits) else []
    if budget.hours is not None:
        parts.append(_say_hours(budget.hours))
    parts += [f"{name}: {_say_limits(limits)}" for name, limits in sorted(budget.credentials.items())]
    return "; ".join([*parts, budget.timezone])


def _say_limits(limits: Limits) -> str:
    return ", ".join(f"{name} {value}" for name, value in given(limits).items())


def _named(
    kind: str, old: Mapping[str, Purpose | CustomType], new: Mapping[str, Purpose | CustomType]
) -> Iterator[Change]:
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if before != after:
            yield Change(f"{kind} {name}", _say(before), _say(after), "neutral")


def _say(value: Purpose | CustomType | None) -> str:
    """The parts of a purpose or a type on one line."""
    if value is None:
        return "absent"
    return "; ".join(text for name, text in asdict(value).items() if name != "name")
