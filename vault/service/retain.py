"""Retention: why a record is kept and until when, and the run that ends what has to end.

A run works page by page, each page one transaction with its events. Interrupted, it is simply begun again:
what was ended is ended, and the rest is judged anew.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, get_args

from vault.log.event import Draft
from vault.log.lists import SignedList
from vault.model.ask import Ask, Caller
from vault.policy.rules import Policy
from vault.service.acting import authorise, retried
from vault.service.asked import Item, asked, draft, look_up, present
from vault.service.catalogue import catalogue
from vault.service.clocks import agreed
from vault.service.ending import archived, detail_of
from vault.service.erase import resume
from vault.service.keeping import Kept, judge
from vault.service.parts import Office
from vault.service.record import record
from vault.store.unit import Unit

VERB = "retention"
HOUR = 3_600_000_000
Fate = Literal["keep", "erase", "archive", "announce", "wait", "held"]
FATES: tuple[Fate, ...] = get_args(Fate)


@dataclass(frozen=True, slots=True)
class RunRequest:
    """One page of a run: whether to act, after which token to go on, and how early to announce (hours)."""

    run: str
    """A reference that all pages of a run share."""
    apply: bool
    after: str
    limit: int
    announce_hours: int | None = None


@dataclass(frozen=True, slots=True)
class Fated:
    """One record and what becomes of it: `due` is the first day on which it had to go, if it had to."""

    kept: Kept
    fate: Fate
    due: date | None
    erase_after: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """What a page found. `next` is where the following one begins; None when it was the last."""

    checked: int
    counts: Counter[str]
    fated: Sequence[Fated]
    next: str | None
    total: int | None
    receipt: str
    today: date
    rules: str = field(default="")
    """Hash of the rules it went by."""


async def explain(caller: Caller, tokens: Sequence[str], parts: Office) -> list[tuple[Item, Kept | None]]:
    """Why each record is kept, until when, under which rule. Raises: Forbidden, Unavailable."""
    policy = await authorise(caller, VERB, parts, {"action": "explain", "count": len(tokens)})
    authority = await parts.registers.of(caller.tenant)
    fields = catalogue(policy)
    items = [asked(Ask(caller, VERB), token, fields) for token in tokens]
    await look_up(caller.tenant, items, policy, parts.store)
    living = {s.token: s for _, s in present(items) if s.erased_at is None}
    judged = await judge(caller.tenant, list(living.values()), authority.retention, fields, parts)
    await record(caller.tenant, [draft(item, policy, action="explain") for item in items], parts)
    kept = {one.stored.token: one for one in judged}
    return [(item, kept.get(item.ask.token or "")) for item in items]


async def run(caller: Caller, request: RunRequest, parts: Office) -> Page:
    """Judge one page of records and, if asked to, end what has to end. Raises: Forbidden, Unavailable.

    Nothing ends on the word of one clock that another contradicts.
    """
    told = {"action": "run", "apply": "yes" if request.apply else "no"}
    policy = await authorise(caller, VERB, parts, told)
    if request.apply:
        await agreed(parts.store.clock, parts.now)
    page = await retried(lambda: _page(caller, request, policy, parts))
    if request.apply and page.counts["erase"]:
        await resume(caller.tenant, parts)
    return page


async def _page(caller: Caller, request: RunRequest, policy: Policy, parts: Office) -> Page:
    lives, tenant = parts.ledger.lives, caller.tenant
    rules = (await parts.registers.of(tenant)).retention
    tokens = await lives.page(tenant, after=request.after, limit=request.limit)
    loaded = await parts.store.load(tenant, tokens) if tokens else {}
    living = [loaded[t] for t in tokens if t in loaded and loaded[t].erased_at is None]
    judged = await judge(tenant, living, rules, catalogue(policy), parts)
    fated = [_fate(one, request, parts.now()) for one in judged]
    acting = [one for one in fated if one.fate != "keep"]
    signed = await _commit(caller, request, (policy.hash, rules.hash), fated, parts)
    return Page(
        len(living),
        Counter(one.fate for one in fated),
        acting,
        tokens[-1] if len(tokens) == request.limit else None,
        await lives.count(tenant) if not request.after else None,
        signed.receipt(signed.events[0]),
        rules.day(parts.now()),
        rules.hash,
    )


def _fate(kept: Kept, request: RunRequest, now: int) -> Fated:
    due = kept.due
    if kept.held:
        return Fated(kept, "held" if due is not None and due <= kept.today else "keep", due)
    if kept.must_archive:
        return Fated(kept, "archive", kept.archive_due)
    if not kept.must_erase:
        return Fated(kept, "keep", due)
    if request.announce_hours is None:
        return Fated(kept, "erase", due)
    if not kept.announced:
        return Fated(kept, "announce", due, now + request.announce_hours * HOUR)
    ripe = kept.erase_after is not None and kept.erase_after <= now
    return Fated(kept, "erase" if ripe else "wait", due, kept.erase_after)


async def _commit(
    caller: Caller, request: RunRequest, hashes: tuple[str, str], fated: Sequence[Fated], parts: Office
) -> SignedList:
    """The page's own event first, then one for each record that something becomes of.

    `hashes` are those of the policy and of the retention rules.
    """
    acting = [one for one in fated if one.fate in ("erase", "archive", "announce")] if request.apply else []
    drafts = [_summary(caller, request, hashes, fated)]
    drafts += [_draft(caller, request, hashes[0], one) for one in acting]

    async def deed(unit: Unit, signed: SignedList) -> None:
        ids = [event.event_id for event in signed.events[1:]]
        lives, tenant = parts.ledger.lives, caller.tenant
        gone = [one.kept.stored.token for one in acting if one.fate == "erase"]
        await unit.bury(tenant, gone, reason=request.run)
        states = [
            archived(one.kept, request.run, event)
            for one, event in zip(acting, ids, strict=True)
            if one.fate == "archive"
        ]
        await lives.put(unit, tenant, [state for state in states if state is not None])
        told = [
            (one.kept.stored.token, one.kept.announcements + 1, one.erase_after or 0, event)
            for one, event in zip(acting, ids, strict=True)
            if one.fate == "announce"
        ]
        await lives.announce(unit, tenant, told)

    return await record(caller.tenant, drafts, parts, deed)


def _summary(caller: Caller, request: RunRequest, hashes: tuple[str, str], fated: Sequence[Fated]) -> Draft:
    """What a page found, for the log: with the earliest day since which something is due."""
    counts = Counter(one.fate for one in fated)
    due = [one.due for one in fated if one.fate not in ("keep", "held") and one.due is not None]
    detail: dict[str, str | int] = {
        "action": "run",
        "apply": "yes" if request.apply else "no",
        "checked": len(fated),
        "rules": hashes[1],
        **{f"to_{fate}": counts[fate] for fate in ("erase", "archive", "announce", "wait", "held")},
    }
    detail |= {"due_since": min(due).isoformat()} if due else {}
    return Draft(caller, VERB, "allow", VERB, reference=request.run, policy=hashes[0], detail=detail)


def _draft(caller: Caller, request: RunRequest, policy: str, one: Fated) -> Draft:
    stored = one.kept.stored
    detail: dict[str, str | int] = {"action": one.fate}
    if one.fate == "announce":
        detail["erase_after"] = one.erase_after or 0
    else:
        detail |= detail_of(one.kept)
    return Draft(
        caller,
        VERB,
        "allow",
        VERB,
        token=stored.token,
        field_type=stored.field_type,
        subject=stored.subject,
        reference=request.run,
        dek_id=stored.dek_id,
        policy=policy,
        detail=detail,
    )
