"""Consent: what people grant, withdraw or object to, in force from the next request on.

An objection that cannot stop a purpose is recorded all the same, and answered with what the purpose rests on.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from vault.errors import BadRequest, ServiceError
from vault.log.event import Draft
from vault.log.lists import SignedList
from vault.model.ask import Caller
from vault.policy.consents import effect, explain
from vault.policy.rules import Policy
from vault.service.acting import authorise, retried
from vault.service.parts import Office
from vault.service.record import record
from vault.store.consents import Said
from vault.store.unit import Unit

VERB = "consent"


@dataclass(frozen=True, slots=True)
class NewAct:
    """What one person said about one purpose. `at` (µs since 1970) is when; absent, it is now."""

    subject: str
    purpose: str
    act: str
    source: str
    notice: str | None = None
    at: int | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """An act on record: what it does, and the same in words for the person."""

    said: Said
    effect: str
    explanation: str
    receipt: str


@dataclass(frozen=True, slots=True)
class Outdated:
    """Consents given before a notice took effect, and where the next page goes on."""

    said: Sequence[Said]
    next: tuple[str, str] | None


async def consent(caller: Caller, acts: Sequence[NewAct], parts: Office) -> list[Recorded]:
    """Record what people said; all of it or nothing.

    Raises: Forbidden, BadRequest (`unknown_purpose`, `unknown_notice`), Conflict, Unavailable.
    """
    policy = await authorise(caller, VERB, parts, {"count": len(acts)})
    await _check(caller.tenant, acts, policy, parts)
    return await record_acts(caller, acts, policy, parts)


async def record_acts(
    caller: Caller, acts: Sequence[NewAct], policy: Policy, parts: Office
) -> list[Recorded]:
    """Write acts that may be written: their purposes and notices exist. Raises: Conflict, Unavailable."""
    drafts = [_draft(caller, act, policy) for act in acts]
    said, signed = await retried(partial(_commit, caller.tenant, acts, drafts, parts))
    return [
        _recorded(one, policy, signed.receipt(event)) for one, event in zip(said, signed.events, strict=True)
    ]


async def history(caller: Caller, subject: str, parts: Office) -> list[Recorded]:
    """Everything a person ever said, the oldest first. Raises: Forbidden, Unavailable."""
    detail = {"action": "history"}
    policy = await authorise(caller, VERB, parts, detail)
    draft = Draft(caller, VERB, "allow", VERB, subject=subject, policy=policy.hash, detail=detail)
    await record(caller.tenant, [draft], parts)
    return [_recorded(one, policy, "") for one in await parts.ledger.consents.history(caller.tenant, subject)]


async def outdated(
    caller: Caller,
    notice: str,
    parts: Office,
    *,
    purpose: str | None = None,
    after: tuple[str, str] | None = None,
    limit: int = 1000,
) -> Outdated:
    """Whose consent is older than a version of the notice, by purpose.

    Raises: Forbidden, BadRequest (`unknown_notice`), Unavailable.
    """
    detail = {"action": "outdated", "notice": notice}
    policy = await authorise(caller, VERB, parts, detail)
    versions = [n for n in await parts.ledger.notices.listing(caller.tenant) if notice in (n.version, n.name)]
    if not versions:
        raise BadRequest("unknown_notice", "There is no such notice.")
    draft = Draft(caller, VERB, "allow", VERB, purpose=None, policy=policy.hash, detail=detail)
    await record(caller.tenant, [draft], parts)
    purposes = {name for one in versions for name in one.purposes if purpose in (None, name)}
    before = min(one.effective_at for one in versions)
    found = await parts.ledger.consents.predating(
        caller.tenant, purposes, before=before, after=after, limit=limit
    )
    last = found[-1] if len(found) == limit else None
    return Outdated(found, (last.purpose, last.subject) if last else None)


async def _check(tenant: str, acts: Sequence[NewAct], policy: Policy, parts: Office) -> None:
    """Raises: BadRequest with the problem of each act that has one."""
    unknown = await parts.ledger.notices.unknown(tenant, [act.notice for act in acts if act.notice])
    problems: list[tuple[int, ServiceError]] = []
    for i, act in enumerate(acts):
        if act.purpose not in policy.purposes:
            problems.append((i, BadRequest("unknown_purpose", "The policy has no such purpose.")))
        elif act.notice in unknown:
            problems.append((i, BadRequest("unknown_notice", "There is no such notice in that language.")))
    if problems:
        raise ServiceError.of_items(problems)


async def _commit(
    tenant: str, acts: Sequence[NewAct], drafts: Sequence[Draft], parts: Office
) -> tuple[list[Said], SignedList]:
    """Number each act after what its person said before, and write it with its event."""
    taken = Counter(await parts.ledger.consents.numbers(tenant, [(act.subject, act.purpose) for act in acts]))
    said: list[Said] = []

    async def deed(unit: Unit, signed: SignedList) -> None:
        now = parts.now()
        for act, event in zip(acts, signed.events, strict=True):
            taken[act.subject, act.purpose] += 1
            number, at = taken[act.subject, act.purpose], act.at if act.at is not None else now
            said.append(
                Said(act.subject, act.purpose, number, act.act, act.source, act.notice, at, event.event_id)
            )
        await parts.ledger.consents.add(unit, tenant, said)

    return said, await record(tenant, drafts, parts, deed)


def _recorded(said: Said, policy: Policy, receipt: str) -> Recorded:
    """An act with what it means under the policy in force; a purpose that has gone stays as it was said."""
    purpose = policy.purposes.get(said.purpose)
    if purpose is None:
        return Recorded(said, "stops", "The policy no longer has this purpose.", receipt)
    return Recorded(said, effect(purpose, said.act), explain(purpose, said.act), receipt)


def _draft(caller: Caller, act: NewAct, policy: Policy) -> Draft:
    purpose = policy.purposes[act.purpose]
    detail = {
        "act": act.act,
        "source": act.source,
        "effect": effect(purpose, act.act),
        "basis": purpose.basis,
    }
    return Draft(
        caller,
        VERB,
        "allow",
        VERB,
        subject=act.subject,
        purpose=act.purpose,
        policy=policy.hash,
        detail=detail | ({"notice": act.notice} if act.notice else {}),
    )
