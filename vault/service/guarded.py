"""The trace of what is about to be opened, kept within budgets; what breaks one freezes its credential.

Counting, events and freezes are one transaction, which comes before any key is unwrapped.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from vault import metrics
from vault.alarms import raise_alarm
from vault.log.event import Draft, Event
from vault.log.lists import SignedList
from vault.model.names import time_ordered_id
from vault.policy.rules import Policy
from vault.service.honey import Touch
from vault.service.parts import Reveal
from vault.service.record import record_drawn
from vault.service.spending import Breach, Claim, spend
from vault.store.freezes import Freeze
from vault.store.unit import Unit

VERB = "freeze"


@dataclass(frozen=True, slots=True)
class Trace:
    """What a list would open, how its events read once that is decided, and what is written beside them."""

    claims: Sequence[Claim]
    draw: Callable[[], Sequence[Draft]]
    deed: Callable[[Unit, SignedList], Awaitable[None]] | None = None
    touches: Sequence[Touch] = field(default_factory=tuple)


async def record_guarded(tenant: str, trace: Trace, policy: Policy, parts: Reveal) -> SignedList:
    """Commit the events of a list, and after them one for each credential that it freezes.

    Durable when this returns. Raises: Unavailable, OutcomeUnknown, and as the deed.
    """
    freezing: list[Draft] = [_touched(one, policy) for one in trace.touches]

    async def draw(unit: Unit) -> Sequence[Draft]:
        freezing.extend(_broken(one, policy) for one in await spend(unit, tenant, trace.claims, policy))
        return [*trace.draw(), *freezing]

    async def deed(unit: Unit, signed: SignedList) -> None:
        if trace.deed is not None:
            await trace.deed(unit, signed)
        if freezing:
            new = [_freeze(event, parts) for event in signed.events[-len(freezing) :]]
            await parts.ledger.freezes.add(unit, tenant, new)

    signed = await record_drawn(tenant, draw, parts, deed)
    for one in freezing:
        _tell(one)
    if freezing:
        parts.registers.expire()  # the next request here sees it; other workers do within the second
    return signed


def _broken(breach: Breach, policy: Policy) -> Draft:
    detail: dict[str, str | int] = {"credential": breach.caller.credential, "limit": breach.limit}
    detail["most"] = breach.most
    return Draft(
        breach.caller,
        VERB,
        "allow",
        "budget_exceeded",
        purpose=breach.purpose,
        policy=policy.hash,
        detail=detail,
    )


def _touched(touch: Touch, policy: Policy) -> Draft:
    detail = {"credential": touch.caller.credential}
    return Draft(
        touch.caller,
        VERB,
        "allow",
        "honey_token",
        token=touch.token,
        policy=policy.hash,
        detail=detail,
    )


def _freeze(event: Event, parts: Reveal) -> Freeze:
    freeze_id = time_ordered_id(parts.now(), parts.random(9))
    return Freeze(freeze_id, event.draft.caller.credential, event.draft.reason, event.event_id)


def _tell(draft: Draft) -> None:
    """Wake someone: once for each freeze, and by the name of a planted record where it was one."""
    metrics.freezes.labels(draft.reason).inc()
    code = "honey_token" if draft.reason == "honey_token" else "credential_frozen"
    raise_alarm(code, draft.caller.tenant, says=f"{draft.caller.credential}: {draft.reason}")
