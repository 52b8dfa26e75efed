"""Export: everything about one subject, in one copy for that person; each value is on record before it opens.

Requests come at the pace of people and each is long by itself, so they are not gathered into lists: one
subject's records are one list, unwrapped together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn

import orjson

from vault.alarms import raise_alarm
from vault.errors import Conflict, Forbidden, NotFound, ServiceError, TooLarge, Unavailable
from vault.fields.catalogue import Catalogue
from vault.log.event import Draft
from vault.model.ask import Ask, Caller, Denied
from vault.model.secret import Secret
from vault.policy.decide import FROZEN, granted
from vault.policy.rules import Policy
from vault.service.about import about
from vault.service.asked import Item, asked, draft, look_up, present
from vault.service.case_acts import Known, find
from vault.service.catalogue import catalogue
from vault.service.export_document import Copy, Made, document, without_value
from vault.service.export_page import page
from vault.service.guarded import Trace, record_guarded
from vault.service.honey import spring
from vault.service.opening import look_again, open_all, record_failures, traced, wrapped_keys
from vault.service.parts import Reveal
from vault.service.passphrase import AgeFile
from vault.service.provenance import Provenance
from vault.service.record import record
from vault.service.refusals import problem
from vault.service.spending import claim, settle

VERB = "export"
MOST = 1_000
"""Records in one copy."""
JSON, HTML, AGE = "application/json", "text/html; charset=utf-8", "application/age"


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """One copy as it was asked for."""

    caller: Caller
    subject: str
    reference: str
    case_id: bytes | None
    form: Literal["json", "html"]
    passphrase: Secret[str] | None
    charge: Callable[[int], None]
    """Told how many values it asks for, when that is known. Raises: Throttled."""


@dataclass(frozen=True, slots=True)
class Exported:
    """The copy, ready to leave."""

    media: str
    content: Secret[bytes]
    receipt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Copying:
    """What export has beside the other verbs of its plane."""

    reveal: Reveal
    happened: Provenance
    """Judges what the person is told that was done: events of the planes that act on values."""
    age: AgeFile
    alone: int
    """Records above which two persons must have decided on the copy."""


@dataclass(slots=True)
class _Work:
    """One export under way."""

    request: ExportRequest
    policy: Policy
    fields: Catalogue
    items: list[Item]
    case: Known | None = None
    receipt: str = ""


async def export(request: ExportRequest, parts: Copying) -> Exported:
    """Make a copy of everything about one subject.

    Raises: Forbidden (`no_grant`, `two_persons_required`, `budget_exceeded`, `outside_hours`),
    NotFound (`case_not_found`), TooLarge, Conflict, Throttled, Unavailable.
    """
    reveal, tenant = parts.reveal, request.caller.tenant
    await reveal.bound.assert_near(tenant)
    work = await _asked(request, parts)
    told = await about(
        tenant, request.subject, [s for i in work.items if (s := i.stored)], reveal, parts.happened
    )
    wrapped = await wrapped_keys(tenant, work.items, reveal)
    batch = await _trace(work, parts)  # durable when this returns, else nothing is opened
    await open_all(tenant, work.items, wrapped, reveal, batch=batch)
    await look_again(tenant, work.items, work.policy, reveal)
    await record_failures(tenant, work.items, work.policy, reveal)
    _refuse_outage(work.items)
    made = Made(
        request.caller, request.subject, request.reference,
        work.case.name if work.case else None, reveal.now(), work.receipt,
    )  # fmt: skip
    copy = Copy(made, work.policy, work.fields, work.items, told)
    return await _written(copy, work, parts)


async def _asked(request: ExportRequest, parts: Copying) -> _Work:
    """The subject's records with what is decided on each; a refusal of the whole is on record."""
    tenant, reveal = request.caller.tenant, parts.reveal
    policy = (await reveal.registers.of(tenant)).policy
    work = _Work(request, policy, catalogue(policy), [])
    right = granted(Ask(request.caller, VERB))
    # A grant for some classes is one, too: what it does not cover is listed without its value.
    if isinstance(right, Denied) and not request.caller.may(VERB):
        await _refuse(work, problem(right), parts)
    tokens = await reveal.ledger.subjects.tokens(tenant, request.subject, limit=MOST + 1)
    if len(tokens) > MOST:
        await _refuse(
            work, TooLarge("export_too_large", f"A copy holds at most {MOST} records of a person."), parts
        )
    ask = Ask(request.caller, VERB, reference=request.reference)
    work.items = [asked(ask, token, work.fields) for token in tokens]
    if touches := await spring(tenant, work.items, reveal.honey):
        drafts = [_draft(work, "deny", "honey_token"), *(draft(item, policy) for item in work.items)]
        await record_guarded(tenant, Trace((), lambda: drafts, touches=touches), policy, reveal)
        raise problem(FROZEN)
    await _look_up_all(work, parts)
    work.case = await _released(work, parts)
    request.charge(len(present(work.items)))
    return work


async def _look_up_all(work: _Work, parts: Copying) -> None:
    """Load every record, also of those whose value the grant does not cover: they are listed."""
    tenant, reveal = work.request.caller.tenant, parts.reveal
    await look_up(tenant, work.items, work.policy, reveal.store)
    withheld = [item for item in work.items if not item.allowed and item.stored is None]
    found = await reveal.store.load(tenant, [item.ask.token or "" for item in withheld]) if withheld else {}
    for item in withheld:
        item.stored = found.get(item.ask.token or "")
    for item in work.items:
        if item.stored is not None and item.stored.subject != work.request.subject:
            raise_alarm("record_tampered", tenant, item.ask.token)
            item.decision = Denied("record_tampered", "the record is another subject's")


async def _released(work: _Work, parts: Copying) -> Known | None:
    """The case in which two persons decided on this copy, where it takes one or names one."""
    request, reveal = work.request, parts.reveal
    living = sum(1 for item in work.items if item.stored is not None and item.stored.erased_at is None)
    known: Known | None = None
    if request.case_id is not None:
        zone = (await reveal.registers.of(request.caller.tenant)).retention.zone
        try:
            known = await find(
                request.caller.tenant, request.case_id, reveal.ledger, reveal.provenance, zone=zone
            )
        except (NotFound, Conflict) as error:
            await _refuse(work, error, parts)
    named_in_vain = request.case_id is not None and (known is None or not _covers(known, request.subject))
    if named_in_vain or (known is None and living > parts.alone):
        rule = f"a copy of more than {parts.alone} records names a released access case of this subject"
        await _refuse(work, Forbidden("two_persons_required", rule), parts)
    return known


def _covers(known: Known, subject: str) -> bool:
    """Whether one person decided and another released that this subject gets a copy.

    An access case may also be decided by one alone, so that its state by itself says too little.
    """
    case = known.case
    two = case.decided is not None and case.released is not None
    return two and case.kind == "access" and case.subject == subject and case.state in _OPEN


_OPEN = ("released", "carried_out")


async def _refuse(work: _Work, refusal: ServiceError, parts: Copying) -> NoReturn:
    """Put a refusal of the whole on record, then raise it."""
    draft = _draft(work, "deny", refusal.code)
    await record(work.request.caller.tenant, [draft], parts.reveal)
    raise refusal


def _draft(work: _Work, decision: Literal["allow", "deny"], reason: str, **detail: str | int) -> Draft:
    """The event of the request itself."""
    request = work.request
    return Draft(
        request.caller,
        VERB,
        decision,
        reason,
        subject=request.subject,
        reference=request.reference,
        policy=work.policy.hash,
        detail=detail,
    )


async def _trace(work: _Work, parts: Copying) -> str:
    """Commit one event for the request and one for each record; answer the list's id."""
    request = work.request
    detail: dict[str, str | int] = {"records": len(work.items), "form": request.form}
    detail["encrypted"] = "yes" if request.passphrase is not None else "no"
    if work.case is not None:
        detail["case"] = work.case.name
    claimed = claim(request.caller, VERB, "all", work.items)

    def draw() -> list[Draft]:
        settle(claimed, work.items)
        denied = claimed.denied
        whole = _draft(work, "deny", denied.code) if denied else _draft(work, "allow", VERB, **detail)
        return [whole, *(draft(item, work.policy) for item in work.items)]

    trace = Trace([claimed], draw)
    signed = await record_guarded(request.caller.tenant, trace, work.policy, parts.reveal)
    if claimed.denied is not None:
        raise problem(claimed.denied)
    work.receipt = signed.receipt(signed.events[0])
    return traced(work.items, signed, first=1)


def _refuse_outage(items: Sequence[Item]) -> None:
    """A copy that lacks values only because something is away for a moment is none. Raises: Unavailable."""
    for item, _ in present(items):
        if isinstance(item.outcome, Unavailable):
            raise item.outcome


async def _written(copy: Copy, work: _Work, parts: Copying) -> Exported:
    request = work.request
    if request.form == "html":
        media, content = HTML, page(document(copy, lambda value: orjson.loads(value.reveal())))
    else:
        media = JSON
        content = Secret(orjson.dumps(document(copy, lambda value: orjson.Fragment(value.reveal()))))
    if request.passphrase is None:
        return Exported(media, content, work.receipt)
    came_out = [item for item in work.items if item.allowed and without_value(item) is None]
    try:
        sealed = Secret(await parts.age.encrypt(content, request.passphrase))
    except Unavailable as error:
        await _keep_back(work, came_out, error, parts)
    # Encrypting takes seconds: what was erased meanwhile must not leave.
    await look_again(request.caller.tenant, came_out, work.policy, parts.reveal)
    if any(without_value(item) is not None for item in came_out):
        changed = Conflict("record_changed", "A record changed while the copy was encrypted; ask again.")
        await _keep_back(work, came_out, changed, parts)
    return Exported(AGE, sealed, work.receipt)


async def _keep_back(
    work: _Work, came_out: Sequence[Item], problem: ServiceError, parts: Copying
) -> NoReturn:
    """What was opened does not leave after all, and a second event of each says so. Raises: the problem."""
    for item in came_out:
        if without_value(item) is None:
            item.outcome = NotFound("withheld")
    await record_failures(work.request.caller.tenant, came_out, work.policy, parts.reveal)
    raise problem
