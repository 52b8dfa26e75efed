"""Notices: versions of the privacy notice, published once and never changed."""

from vault.errors import BadRequest, Conflict
from vault.log.event import Draft
from vault.log.lists import SignedList
from vault.model.ask import Caller
from vault.service.acting import authorise
from vault.service.parts import Office
from vault.service.record import record
from vault.store.failures import Clash
from vault.store.notices import Notice
from vault.store.unit import Unit

VERB = "notices"


async def publish(caller: Caller, new: Notice, parts: Office) -> str:
    """Put a version on record; answers the receipt.

    Raises: Forbidden, BadRequest (`unknown_purpose`), Conflict (`notice_exists`), Unavailable.
    """
    detail = {"action": "publish", "notice": new.name, "sha256": new.sha256}
    policy = await authorise(caller, VERB, parts, detail)
    if not set(new.purposes) <= set(policy.purposes):
        raise BadRequest("unknown_purpose", "The policy has no such purpose.")
    draft = Draft(caller, VERB, "allow", VERB, policy=policy.hash, detail=detail)

    async def deed(unit: Unit, signed: SignedList) -> None:
        await parts.ledger.notices.add(unit, caller.tenant, new, signed.events[0].event_id)

    try:
        signed = await record(caller.tenant, [draft], parts, deed)
    except Clash:
        raise Conflict("notice_exists", "A notice is never changed; publish another version.") from None
    return signed.receipt(signed.events[0])


async def listing(caller: Caller, parts: Office) -> list[Notice]:
    """Every notice, the newest first. Raises: Forbidden, Unavailable."""
    await authorise(caller, VERB, parts, {"action": "list"})
    return await parts.ledger.notices.listing(caller.tenant)
