"""Frozen credentials: which they are, and how a person frees one. The passing of time frees none.

Whoever lifts a freeze holds `credentials` and is another person than the one who answers for the credential.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from vault.errors import Conflict, Forbidden
from vault.model.ask import Caller
from vault.model.persons import same_person
from vault.model.register import CredentialEntry
from vault.service.amend import AuthorityUnit, Control, Order, authorise, carry_out, refuse
from vault.service.edits import active
from vault.store.failures import Clash
from vault.store.freezes import Freeze
from vault.store.unit import Thaw

_VERB = "credentials"


@dataclass(frozen=True, slots=True)
class Frozen:
    """One freeze that nobody has lifted, and who answers for the credential."""

    freeze: Freeze
    person: str


async def frozen(caller: Caller, control: Control) -> Sequence[Frozen]:
    """The credentials of the caller's tenant that are frozen. Raises: Forbidden, Unavailable."""
    await authorise(Order(caller, _VERB, {"action": "list_frozen"}), control)
    entries = (await control.registers.of(caller.tenant)).entries
    found = await control.freezes.open(caller.tenant)
    known = ((one, entries.get(one.credential)) for one in found)
    return [Frozen(one, entry.person if entry else "") for one, entry in known]


async def unfreeze(credential: str, reason: str, caller: Caller, control: Control) -> CredentialEntry:
    """Lift every freeze of a credential.

    Raises: Forbidden (`no_grant`, `own_freeze`), NotFound, Conflict (`not_frozen`), Unavailable,
    OutcomeUnknown.
    """
    await authorise(Order(caller, _VERB, {"action": "unfreeze"}), control)
    control.registers.expire()
    authority = await control.registers.of(caller.tenant)
    entry = active(authority, credential)
    order = Order(caller, _VERB, {"action": "unfreeze", "credential": entry.id, "grounds": reason})
    if same_person(entry.person, caller.person):
        refusal = Forbidden("own_freeze", "another person than the one who answers for it lifts a freeze")
        await refuse(order, refusal.code, authority, control)
        raise refusal
    mine = [one for one in await control.freezes.open(caller.tenant) if one.credential == credential]
    if not mine:
        raise Conflict("not_frozen", "This credential is not frozen.")

    async def deed(unit: AuthorityUnit, event_id: bytes) -> None:
        thaws = [Thaw(one.freeze_id, reason, caller.credential, caller.person, event_id) for one in mine]
        await unit.lift_freezes(caller.tenant, thaws)

    try:
        await carry_out(order, deed, authority, control)
    except Clash:
        raise Conflict("not_frozen", "Somebody else has lifted it meanwhile.") from None
    control.registers.expire()
    return entry
