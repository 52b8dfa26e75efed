"""Retention of the log: bodies and salts of whole months go after their floor; what proves them stays.

The act is an event of each tenant it touches, committed first: one too many, never one too few.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from vault.errors import ServiceError
from vault.log.event import Draft
from vault.model.ask import Caller
from vault.model.names import TENANT
from vault.service.parts import Parts
from vault.service.record import record
from vault.store.retention import Expired, Months

VERB = "log_retention"


@dataclass(frozen=True, slots=True)
class Month:
    """A month past the floor: what there is of it, and whether it may go."""

    month: date
    tenants: tuple[Expired, ...]

    @property
    def events(self) -> int:
        """Of all tenants."""
        return sum(one.events for one in self.tenants)

    @property
    def uncovered(self) -> int:
        """Events that no signed checkpoint covers: while there is one, the month stays."""
        return sum(one.uncovered for one in self.tenants)


async def expired(months: Months, floor: int) -> list[Month]:
    """Every month past the floor, oldest first. Raises: Unavailable."""
    found: dict[date, list[Expired]] = defaultdict(list)
    for one in await months.expired(floor):
        found[one.month].append(one)
    return [Month(month, tuple(tenants)) for month, tenants in sorted(found.items())]


async def drop(
    due: Sequence[Month], months: Months, parts: Parts, *, floor: int, who: Callable[[str], Caller]
) -> list[tuple[Month, ServiceError | None]]:
    """Drop the months that may go; answer each with None, or with why it stayed. Raises: Unavailable."""
    done: list[tuple[Month, ServiceError | None]] = []
    for one in due:
        if one.uncovered:
            continue
        for tenant in one.tenants:
            if tenant.tenant is not None and TENANT.fullmatch(tenant.tenant):
                await record(tenant.tenant, [_draft(who(tenant.tenant), tenant, floor)], parts)
        try:
            await months.drop(one.month)
            done.append((one, None))
        except ServiceError as error:
            done.append((one, error))
    return done


def _draft(caller: Caller, one: Expired, floor: int) -> Draft:
    said: dict[str, str | int] = {
        "month": f"{one.month:%Y-%m}",
        "dropped_events": one.events,
        "floor_months": floor,
    }
    return Draft(caller, VERB, "allow", f"retention: {floor} months are over", detail=said)
