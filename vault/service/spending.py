"""Budgets, enforced: what a list is about to open is counted in the transaction of its events.

Two lists of one credential and purpose count one after the other, on whichever workers; where a policy has no
budget, nothing is counted and nobody waits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from msgspec.structs import replace

from vault.model.ask import Caller, Denied
from vault.model.spent import Spender, Spent
from vault.policy.budgets import Budget
from vault.policy.rules import Policy
from vault.policy.tally import Tally
from vault.service.asked import Item, present
from vault.store import spending
from vault.store.unit import Unit


@dataclass(slots=True)
class Claim:
    """What one request would open: a subject for each value, None for one that counts by itself."""

    caller: Caller
    purpose: str
    """Or the verb, where it has none."""
    subjects: Sequence[str | None]
    whole: bool = False
    """Whether it stands or falls as one."""
    fits: int = 0
    """How many of its values, from the first, may be opened. Set by `spend`."""
    denied: Denied | None = None
    """Why the others may not."""


@dataclass(frozen=True, slots=True)
class Breach:
    """A budget that was hit: whose, and which limit of it."""

    caller: Caller
    purpose: str
    limit: str
    most: int


Traced = tuple[Claim, Sequence[Item]]
"""A request's claim, and the items it is about."""


def claim(caller: Caller, purpose: str, mode: Literal["all", "each"], group: Sequence[Item]) -> Claim:
    """What a request would open of the items that may go on."""
    return Claim(caller, purpose, [stored.subject for _, stored in present(group)], whole=mode == "all")


def settle(claimed: Claim, group: Sequence[Item]) -> None:
    """Deny the items that did not fit."""
    if claimed.denied is not None:
        for item, _ in present(group)[claimed.fits :]:
            item.decision = claimed.denied


async def spend(unit: Unit, tenant: str, claims: Sequence[Claim], policy: Policy) -> list[Breach]:
    """Count what fits, and say so in each claim. Raises: Unavailable."""
    breaches = []
    accounts: dict[Spender, list[Claim]] = {}
    for one in claims:
        one.fits, one.denied = len(one.subjects), None
        if one.subjects and one.purpose in policy.budgets:
            accounts.setdefault(Spender(tenant, one.caller.credential, one.purpose), []).append(one)
    # In one order, because two lists that hold the same two accounts in crossing order would deadlock.
    for spender in sorted(accounts, key=lambda s: (s.credential, s.purpose)):
        budget = policy.budgets[spender.purpose]
        if breach := await _spend(unit, spender, accounts[spender], budget):
            breaches.append(breach)
    return breaches


async def _spend(unit: Unit, spender: Spender, claims: Sequence[Claim], budget: Budget) -> Breach | None:
    """One account. Raises: Unavailable."""
    before, now = await spending.lock(unit, spender)
    limits = budget.limits_at(spender.credential.partition(".")[2], now)
    if limits is None:
        for one in claims:
            one.fits, one.denied = 0, Denied("outside_hours", f"{spender.purpose}: closed at this hour")
        return None
    tally = Tally(before, budget, limits, await _seen(unit, spender, claims), now=now)
    for one in claims:
        one.fits = tally.take(one.subjects, whole=one.whole)
    if tally.counted or limits.values_per_minute is not None or _moved(before, tally.account):
        await spending.put(unit, spender, tally.account, tally.counted)
    if tally.exceeded is None:
        return None
    most = getattr(limits, tally.exceeded)
    for one in claims:
        one.denied = Denied("budget_exceeded", f"{spender.purpose}: {tally.exceeded} is {most}")
    return Breach(claims[0].caller, spender.purpose, tally.exceeded, most)


def _moved(before: Spent, after: Spent) -> bool:
    """Whether more changed than the minute, which nothing bounds."""
    return replace(after, minute=before.minute, minute_values=before.minute_values) != before


async def _seen(unit: Unit, spender: Spender, claims: Sequence[Claim]) -> Mapping[str, tuple[int, int]]:
    subjects = {subject for one in claims for subject in one.subjects if subject is not None}
    return await spending.seen(unit, spender, subjects) if subjects else {}
