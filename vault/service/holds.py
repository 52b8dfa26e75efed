"""Legal holds: what a court, an authority or a dispute still needs is neither erased nor let expire.

Who puts one on and who lifts it is the person answerable for the credential, with a reason in words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vault.errors import BadRequest, Conflict, Erased, InvalidValue, NotFound, ServiceError
from vault.log.event import Draft, timestamp
from vault.log.lists import SignedList
from vault.model.ask import Caller
from vault.model.names import show_id, time_ordered_id
from vault.model.token import MalformedToken, parse
from vault.policy.rules import Policy
from vault.service.acting import authorise
from vault.service.parts import Office
from vault.service.record import record
from vault.store.failures import Clash
from vault.store.holds import Hold, Lift, Wanted
from vault.store.records import Stored
from vault.store.unit import Unit

VERB = "holds"
KIND = "hld"
"""How an identifier of a hold begins."""


@dataclass(frozen=True, slots=True)
class NewHold:
    """What is to be held: everything about a subject, or one token of it."""

    subject: str
    token: str | None
    reason: str
    reference: str


@dataclass(frozen=True, slots=True)
class Listed:
    """Holds, and where the next page goes on."""

    holds: Sequence[Hold]
    next: bytes | None


async def place(caller: Caller, new: Sequence[NewHold], parts: Office) -> list[tuple[Hold, str]]:
    """Put holds on, all or none; each with its receipt.

    Raises: Forbidden, InvalidValue (`malformed_token`), NotFound (`token_not_found`), Erased, BadRequest
    (`bad_hold`), Unavailable.
    """
    policy = await authorise(caller, VERB, parts, {"action": "place", "count": len(new)})
    records = await _check(caller.tenant, new, parts)
    placed = [_placed(caller, one, parts) for one in new]
    drafts = [_draft(caller, "place", one, policy, records=records) for one in placed]

    async def deed(unit: Unit, signed: SignedList) -> None:
        ids = [event.event_id for event in signed.events]
        await parts.ledger.holds.add(unit, caller.tenant, list(zip(placed, ids, strict=True)))

    signed = await record(caller.tenant, drafts, parts, deed)
    return [(one, signed.receipt(event)) for one, event in zip(placed, signed.events, strict=True)]


async def lift(caller: Caller, hold_id: bytes, reason: str, parts: Office) -> tuple[Hold, str]:
    """End a hold; answers it with the receipt.

    Raises: Forbidden, NotFound (`hold_not_found`), Conflict (`hold_lifted`), Unavailable.
    """
    policy = await authorise(caller, VERB, parts, {"action": "lift", "hold": show_id(KIND, hold_id)})
    held = await parts.ledger.holds.find(caller.tenant, hold_id)
    if held is None:
        raise NotFound("hold_not_found", "There is no such hold.")
    draft = _draft(caller, "lift", held, policy, grounds=reason)
    ended = Lift(reason, caller.credential, caller.person)

    async def deed(unit: Unit, signed: SignedList) -> None:
        await parts.ledger.holds.lift(unit, caller.tenant, hold_id, ended, signed.events[0].event_id)

    try:
        signed = await record(caller.tenant, [draft], parts, deed)
    except Clash:
        raise Conflict("hold_lifted", "This hold was lifted already.") from None
    return await parts.ledger.holds.find(caller.tenant, hold_id) or held, signed.receipt(signed.events[0])


async def listing(
    caller: Caller, wanted: Wanted, parts: Office, *, after: bytes | None = None, limit: int = 1000
) -> Listed:
    """Holds, the newest first. Raises: Forbidden, InvalidValue (`malformed_token`), Unavailable."""
    policy = await authorise(caller, VERB, parts, {"action": "list"})
    if wanted.token is not None and not _is_token(wanted.token):
        raise _malformed()
    draft = Draft(
        caller,
        VERB,
        "allow",
        VERB,
        subject=wanted.subject,
        token=wanted.token,
        policy=policy.hash,
        detail={"action": "list"},
    )
    await record(caller.tenant, [draft], parts)
    found = await parts.ledger.holds.listing(caller.tenant, wanted, after=after, limit=limit)
    return Listed(found, found[-1].hold_id if len(found) == limit else None)


async def _check(tenant: str, new: Sequence[NewHold], parts: Office) -> Mapping[str, Stored]:
    """The records of the tokens named. Raises: ServiceError with the problem of each item that has one."""
    named = sorted({one.token for one in new if one.token is not None and _is_token(one.token)})
    records = await parts.store.load(tenant, named) if named else {}
    checked = [_problem(one, one.token, records) for one in new]
    problems = [(i, problem) for i, problem in enumerate(checked) if problem is not None]
    if problems:
        raise ServiceError.of_items(problems)
    return records


def _problem(new: NewHold, token: str | None, records: Mapping[str, Stored]) -> ServiceError | None:
    """Why a token cannot be held. Under another subject the hold would not be found when it counts."""
    if token is None:
        return None
    if not _is_token(token):
        return _malformed()
    stored = records.get(token)
    if stored is None:
        return NotFound("token_not_found")
    if stored.subject != new.subject:
        return BadRequest("bad_hold", "The token is of another subject.")
    if stored.erased_at is not None:
        return Erased("erased", f"erased at {timestamp(stored.erased_at)}")
    return None


def _is_token(text: str) -> bool:
    """Else it may be a value sent by mistake."""
    try:
        parse(text)
    except MalformedToken:
        return False
    return True


def _malformed() -> InvalidValue:
    return InvalidValue("malformed_token", "the check characters do not hold")


def _placed(caller: Caller, new: NewHold, parts: Office) -> Hold:
    hold_id = time_ordered_id(parts.now(), parts.random(9))
    return Hold(hold_id, new.subject, new.token, new.reason, new.reference, caller.credential, caller.person)


def _draft(
    caller: Caller,
    action: str,
    held: Hold,
    policy: Policy,
    *,
    grounds: str | None = None,
    records: Mapping[str, Stored] | None = None,
) -> Draft:
    """The event: `reason` is the rule's there, so the reason of the person is `grounds`."""
    stored = (records or {}).get(held.token or "")
    return Draft(
        caller,
        VERB,
        "allow",
        VERB,
        token=held.token,
        field_type=stored.field_type if stored else None,
        subject=held.subject,
        reference=held.reference,
        policy=policy.hash,
        detail={"action": action, "hold": show_id(KIND, held.hold_id), "grounds": grounds or held.reason},
    )
