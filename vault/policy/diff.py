"""What changes between two policies, in words, and whether each change widens or narrows access. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal

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
