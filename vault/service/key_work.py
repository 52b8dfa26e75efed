"""What operators do to keys, told in the log of every tenant it concerns: the verb `keys`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vault.errors import BadRequest
from vault.log.event import Draft
from vault.model.ask import Caller
from vault.model.names import acceptable_reference
from vault.service.parts import Parts
from vault.service.record import record

VERB = "keys"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing done, or about to be done, to a key."""

    action: str
    key: str
    """Its name at the key server."""
    detail: Mapping[str, str | int] = field(default_factory=dict)
    """What else a reader of the log must know; no member of an event's body has the same name."""


async def tell(who: Caller, step: Step, parts: Parts, *, reference: str | None = None) -> str:
    """Put a step on record in the log of the caller's tenant; answers the receipt.

    Durable when it returns. Raises: BadRequest (`invalid_reference`), Unavailable, OutcomeUnknown.
    """
    check_reference(reference)
    policy = (await parts.registers.of(who.tenant)).policy
    detail = {"action": step.action, "key": step.key, **step.detail}
    draft = Draft(who, VERB, "allow", VERB, reference=reference, policy=policy.hash, detail=detail)
    signed = await record(who.tenant, [draft], parts)
    return signed.receipt(signed.events[0])


def check_reference(reference: str | None) -> None:
    """Raises: BadRequest (`invalid_reference`) for what may not stand in a log nobody can edit."""
    if reference is not None and not acceptable_reference(reference):
        raise BadRequest("invalid_reference", "a reason is a reference of yours, such as change-118")
