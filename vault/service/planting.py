"""Plant: make tokens of records honey tokens. The log says how many there are, and not which."""

from collections.abc import Sequence

from vault.errors import BadRequest, Conflict, InvalidValue, NotFound, ServiceError
from vault.log.event import Draft
from vault.log.lists import SignedList
from vault.model.ask import Caller
from vault.model.token import MalformedToken, parse
from vault.service.acting import authorise
from vault.service.parts import Office
from vault.service.record import record
from vault.store.failures import Clash
from vault.store.unit import Unit

VERB = "honey"


async def plant(caller: Caller, tokens: Sequence[str], parts: Office) -> list[str]:
    """Plant each token; answers a receipt for each. For ever: nothing makes a planted record another one.

    Raises: Forbidden, BadRequest, InvalidValue and NotFound by item, Conflict (`already_planted`),
    Unavailable, KeysError.
    """
    policy = await authorise(caller, VERB, parts, {"count": len(tokens)})
    if len(set(tokens)) != len(tokens):
        raise BadRequest("bad_request", "A token stands twice.")
    await _check(caller.tenant, tokens, parts)
    digests = await parts.honey.digests(caller.tenant, tokens)

    async def deed(unit: Unit, signed: SignedList) -> None:
        ids = [event.event_id for event in signed.events]
        # Sorted, so that neither the rows nor their events tell of the order the tokens came in.
        await parts.ledger.honey.add(unit, caller.tenant, list(zip(sorted(digests), ids, strict=True)))

    drafts = [Draft(caller, VERB, "allow", VERB, policy=policy.hash) for _ in tokens]
    try:
        signed = await record(caller.tenant, drafts, parts, deed)
    except Clash:
        raise Conflict("already_planted", "One of these was planted before; nothing was done.") from None
    return [signed.receipt(event) for event in signed.events]


async def _check(tenant: str, tokens: Sequence[str], parts: Office) -> None:
    """Raises: ServiceError with the problem of each item that has one."""
    good = [token for token in tokens if _is_token(token)]
    records = await parts.store.load(tenant, good) if good else {}
    problems: list[tuple[int, ServiceError]] = []
    for i, token in enumerate(tokens):
        if not _is_token(token):
            problems.append((i, InvalidValue("malformed_token", "the check characters do not hold")))
        elif token not in records:
            problems.append((i, NotFound("token_not_found")))
    if problems:
        raise ServiceError.of_items(problems)


def _is_token(text: str) -> bool:
    """Else it may be a value sent by mistake."""
    try:
        return parse(text).text == text
    except MalformedToken:
        return False
