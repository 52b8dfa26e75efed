"""Facts about subjects: an account closed or reopened, an invoice, a sign of life: retention counts from it.

A closed account stops every purpose from the next request on; until its values are erased it may be reopened.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial

from vault.errors import BadRequest, Conflict, ServiceError
from vault.log.event import Draft
from vault.log.lists import SignedList
from vault.model.ask import Caller
from vault.policy.rules import Policy
from vault.service.acting import authorise, retried
from vault.service.parts import Office
from vault.service.record import record
from vault.store.subjects import ACCOUNT, CLOSED, Fact, Facts, Held
from vault.store.unit import Unit

VERB = "subjects"
FIRST_DAY = date(1900, 1, 1)


@dataclass(frozen=True, slots=True)
class NewFact:
    """What is to be kept about a subject. `on` is the day it is true of; absent, it is today."""

    subject: str
    kind: str
    on: date | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a subject: its facts, how many holds are open on it, and its live records."""

    subject: str
    facts: Facts
    holds: int
    records: Sequence[Held]


@dataclass(frozen=True, slots=True)
class Overview:
    """Subjects with the records of this page, and where the records go on."""

    subjects: Sequence[Known]
    next: tuple[str, str] | None


async def keep(caller: Caller, new: Sequence[NewFact], parts: Office) -> list[tuple[Fact, str]]:
    """Put facts on record, all or none; each with its receipt. Days are those of the retention rules' zone.

    Raises: Forbidden, BadRequest (`bad_fact`), Conflict (`account_already`, `acts_moved`), Unavailable.
    """
    policy = await authorise(caller, VERB, parts, {"count": len(new)})
    today = (await parts.registers.of(caller.tenant)).retention.day(parts.now())
    dated = [Fact(one.subject, 0, one.kind, one.on or today, one.reference) for one in new]
    _check_days(dated, today)
    return await retried(partial(_commit, caller, dated, policy, parts))


async def overview(
    caller: Caller,
    subjects: Sequence[str],
    parts: Office,
    *,
    after: tuple[str, str] | None = None,
    limit: int = 1000,
) -> Overview:
    """What is known of subjects, and a page of their records. Looking is an event for each subject.

    Raises: Forbidden, Unavailable.
    """
    detail = {"action": "query"}
    policy = await authorise(caller, VERB, parts, detail)
    names = list(dict.fromkeys(subjects))
    drafts = [
        Draft(caller, VERB, "allow", VERB, subject=name, policy=policy.hash, detail=detail) for name in names
    ]
    await record(caller.tenant, drafts, parts)
    ledger = parts.ledger
    facts = await ledger.subjects.facts(caller.tenant, names)
    holds = await ledger.holds.counts(caller.tenant, names)
    records = await ledger.subjects.records(caller.tenant, names, after=after, limit=limit)
    last = records[-1] if len(records) == limit else None
    by_subject: dict[str, list[Held]] = defaultdict(list)
    for held in records:
        by_subject[held.subject].append(held)
    return Overview(
        [Known(one, facts.get(one, Facts()), holds.get(one, 0), by_subject[one]) for one in names],
        (last.subject, last.token) if last else None,
    )


def _check_days(new: Sequence[Fact], today: date) -> None:
    """Raises: BadRequest with the problem of each fact that has one."""
    wrong = BadRequest("bad_fact", "A fact is of today or of a day before, and not of before 1900.")
    problems: list[tuple[int, ServiceError]] = [
        (i, wrong) for i, one in enumerate(new) if not FIRST_DAY <= one.on <= today
    ]
    if problems:
        raise ServiceError.of_items(problems)


async def _commit(
    caller: Caller, new: Sequence[Fact], policy: Policy, parts: Office
) -> list[tuple[Fact, str]]:
    """Number each fact after what was known before, and write it with its event."""
    known = await parts.ledger.subjects.facts(caller.tenant, [one.subject for one in new])
    facts = _numbered(new, known)
    drafts = [_draft(caller, fact, policy) for fact in facts]

    async def deed(unit: Unit, signed: SignedList) -> None:
        ids = [event.event_id for event in signed.events]
        await parts.ledger.subjects.add(unit, caller.tenant, list(zip(facts, ids, strict=True)))

    signed = await record(caller.tenant, drafts, parts, deed)
    return [(fact, signed.receipt(event)) for fact, event in zip(facts, signed.events, strict=True)]


def _numbered(new: Sequence[Fact], known: Mapping[str, Facts]) -> list[Fact]:
    """The facts in their order. Raises: Conflict for an account that is so already."""
    now = dict(known)
    facts: list[Fact] = []
    problems: list[tuple[int, ServiceError]] = []
    for i, one in enumerate(new):
        before = now.get(one.subject, Facts())
        if one.kind in ACCOUNT and before.closed == (one.kind == CLOSED):
            said = "closed" if before.closed else "open"
            problems.append((i, Conflict("account_already", f"The account is {said} already.")))
        account = one.kind if one.kind in ACCOUNT else before.account
        now[one.subject] = replace(before, number=before.number + 1, account=account)
        facts.append(replace(one, number=before.number + 1))
    if problems:
        raise ServiceError.of_items(problems)
    return facts


def _draft(caller: Caller, fact: Fact, policy: Policy) -> Draft:
    return Draft(
        caller,
        VERB,
        "allow",
        VERB,
        subject=fact.subject,
        reference=fact.reference,
        policy=policy.hash,
        detail={"fact": fact.kind, "on": fact.on.isoformat()},
    )
