"""What the law and the holds say about records: everything gathered once, for a whole list, and judged.

What cannot be judged is kept: an unknown class, a fact outside the calendar, a log that does not answer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from vault.cases.decisions import Proposal
from vault.fields.catalogue import Catalogue
from vault.retention import judge as judging
from vault.retention.calendar import ONE_DAY, start_of
from vault.retention.facts import Facts
from vault.retention.judge import ArchiveUntil, Verdict
from vault.retention.rules import Retention, RetentionError
from vault.service.catalogue import class_of
from vault.store.holds import Hold
from vault.store.ledger import Ledger
from vault.store.lives import KeptAs
from vault.store.records import Stored
from vault.store.subjects import Facts as Known


class Judging(Protocol):
    """What a judgement needs of the office's parts."""

    @property
    def ledger(self) -> Ledger: ...
    @property
    def now(self) -> Callable[[], int]: ...


UNJUDGED = "No retention rule could be applied, so it is kept."


@dataclass(frozen=True, slots=True)
class Kept:
    """One living record with what keeps it."""

    stored: Stored
    today: date
    verdict: Verdict | None
    """None when it could not be judged."""
    holds: tuple[Hold, ...]
    kept_as: KeptAs | None
    erase_after: int | None
    """When its erasure was announced: µs after which it may go."""
    announced_day: date | None
    """The same as a day in the law's time zone."""
    announcements: int

    @property
    def held(self) -> bool:
        """Whether a legal hold is on it."""
        return bool(self.holds)

    @property
    def may_erase(self) -> bool:
        """Whether neither the law nor a hold keeps it."""
        return not self.held and self.verdict is not None and self.verdict.may_erase(self.today)

    @property
    def must_erase(self) -> bool:
        """Whether it has to go: a maximum is over, or it was only kept for a period that is."""
        if not self.may_erase or self.verdict is None:
            return False
        if self.stored.standing.kept_as == "archived":
            return self.promised is None or self.promised < self.today
        return self.verdict.must_erase(self.today)

    @property
    def promised(self) -> date | None:
        """The last day of an archiving, as the office put it: it may be later than the rules ask for."""
        until = self.kept_as.until if self.kept_as is not None else None
        return date.fromisoformat(until) if until is not None else None

    @property
    def must_archive(self) -> bool:
        """Whether a maximum is over and a minimum is not, and it is still in use."""
        in_use = self.stored.standing.kept_as != "archived"
        return in_use and self.verdict is not None and self.verdict.must_archive(self.today)

    @property
    def due(self) -> date | None:
        """The first day on which it has to go, or had to; None while no maximum runs."""
        if self.verdict is None:
            return None
        if self.stored.standing.kept_as == "archived":
            by_law = self.verdict.erasable_from or self.today
            return max(by_law, self.promised + ONE_DAY) if self.promised is not None else by_law
        return self.verdict.due_from

    @property
    def archive_due(self) -> date | None:
        """The first day on which it was to be out of use; None while no maximum runs."""
        by = self.verdict.erase_by if self.verdict is not None else None
        return by + ONE_DAY if by is not None else None

    @property
    def announced(self) -> bool:
        """Whether its erasure was announced since it last became due."""
        day, due = self.announced_day, self.due
        return day is not None and due is not None and day >= due

    @property
    def archive_until(self) -> ArchiveUntil | None:
        """Until when which law keeps it; None when none does."""
        proposal = self.verdict.proposal(self.today) if self.verdict is not None else None
        return proposal if isinstance(proposal, ArchiveUntil) else None

    @property
    def proposal(self) -> Proposal:
        """The same for an officer who decides a case."""
        law = self.archive_until
        return Proposal(
            self.stored.token,
            self.stored.field_type,
            self.may_erase,
            self.held,
            law.until if law is not None else None,
            law.law if law is not None else "",
            self.sentence,
        )

    @property
    def sentence(self) -> str:
        """What becomes of it, in words."""
        if self.held:
            return f"Not erased: a legal hold is on it ({self.holds[0].reference})."
        if self.verdict is None:
            return UNJUDGED
        return str(self.verdict.proposal(self.today))


async def judge(
    tenant: str, records: Sequence[Stored], rules: Retention, fields: Catalogue, parts: Judging
) -> list[Kept]:
    """Judge living records, in their order: five statements, whatever their number. Raises: Unavailable."""
    tokens = list({one.token: None for one in records})
    pairs = [(one.subject, one.token) for one in records]
    ledger, today = parts.ledger, rules.day(parts.now())
    used = await ledger.lives.last_used(tenant, tokens)
    facts = await ledger.subjects.facts(tenant, list({one.subject: None for one in records}))
    holds = await ledger.holds.open(tenant, pairs)
    states = await ledger.lives.states(tenant, tokens)
    announced = await ledger.lives.announced(tenant, tokens)
    kept = []
    for one in records:
        known = _facts(one, used.get(one.token), facts.get(one.subject), rules)
        number, after = announced.get(one.token, (0, None))
        kept.append(
            Kept(
                one,
                today,
                _verdict(one, known, rules, fields, today),
                tuple(holds.get(one.token, ())),
                states.get(one.token),
                after,
                rules.day(after) if after is not None else None,
                number,
            )
        )
    return kept


def _facts(stored: Stored, used: int | None, about: Known | None, rules: Retention) -> Facts | None:
    """What the clocks count from. A sign of life is a use: whoever came back is not forgotten."""
    known = about or Known()
    alive = start_of(known.active, rules.zone) if known.active is not None else None
    try:
        return Facts(
            collected=stored.created_at,
            last_processed=max((at for at in (used, alive) if at is not None), default=None),
            ended=known.ended,
            invoices=known.invoices,
        )
    except RetentionError:
        return None


def _verdict(
    stored: Stored, facts: Facts | None, rules: Retention, fields: Catalogue, today: date
) -> Verdict | None:
    if facts is None:
        return None
    try:
        return judging.judge(
            rules,
            field_type=stored.field_type,
            field_class=class_of(fields, stored.field_type),
            facts=facts,
            today=today,
        )
    except RetentionError:
        return None
