"""What the blocking client can say and ask about people: the flows of `people.py`, run by `blocking.py`."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from hashlib import sha256

from strongroom.blocking import Driver
from strongroom.people import People, given, published, said
from strongroom.people_results import Act, Consent, Fact, Hold, Notice, OutdatedConsent, Subject


class AboutPeople:
    """Consents, notices, accounts and holds. Part of `Strongroom`; what happens is in force at once."""

    _driver: Driver
    _people: People

    def consent(
        self,
        subject: str,
        purpose: str,
        act: Act,
        *,
        source: str,
        notice: str | None = None,
        at: datetime | None = None,
    ) -> Consent:
        """Record what a person grants, withdraws or objects to; history is never overwritten.

        `source` says where, `notice` which version/language was shown, `at` when (else now).

        >>> done = vault.consent("cust-8472", "marketing_display", "withdraw", source="preference-page")
        >>> done.effect
        'stops'
        """
        words = said(subject, purpose, act, source, notice=notice, at=at)
        return self._driver.run(self._people.consent(words))

    def consent_history(self, subject: str) -> list[Consent]:
        """Everything a person ever said, the oldest first."""
        return self._driver.run(self._people.history(subject))

    def outdated_consents(self, notice: str, *, purpose: str | None = None) -> Iterator[OutdatedConsent]:
        """Whose consent is older than a notice (version, or version/language), page after page."""
        leaf = self._driver.run(self._people.outdated(notice, purpose, None))
        yield from leaf.items
        while leaf.next is not None:
            leaf = self._driver.run(self._people.outdated(notice, purpose, leaf.next))
            yield from leaf.items

    def publish_notice(
        self,
        version: str,
        language: str,
        text: bytes,
        *,
        effective: datetime,
        purposes: Iterable[str],
        title: str = "Privacy notice",
    ) -> Notice:
        """Put a version of the privacy notice on record, by the SHA-256 of its text; the text stays here."""
        digest = sha256(text).hexdigest()
        new = published((version, language), title, effective, digest, purposes)
        return self._driver.run(self._people.publish(new))

    def notices(self) -> list[Notice]:
        """Every version of the privacy notice, the newest first."""
        return self._driver.run(self._people.notices())

    def close_account(self, subject: str, *, on: date | None = None, reference: str | None = None) -> Fact:
        """Close an account: every purpose stops with the next request, the clocks of retention start.

        Raises Conflict, code `account_already`, when it is closed.
        """
        return self._driver.run(self._people.fact("closed", subject, on, reference))

    def reopen_account(self, subject: str, *, on: date | None = None, reference: str | None = None) -> Fact:
        """Reopen a closed account: what has not been erased serves its purposes again."""
        return self._driver.run(self._people.fact("reopened", subject, on, reference))

    def invoiced(self, subject: str, *, on: date | None = None, reference: str | None = None) -> Fact:
        """Say that a subject was invoiced; absent `on`, today."""
        return self._driver.run(self._people.fact("invoiced", subject, on, reference))

    def sign_of_life(self, subject: str, *, on: date | None = None, reference: str | None = None) -> Fact:
        """Say that a subject was seen: logged in, ordered, wrote."""
        return self._driver.run(self._people.fact("active", subject, on, reference))

    def subjects(self, subjects: Iterable[str]) -> list[Subject]:
        """What is known of each, without values: account, last invoice, open holds, records."""
        return self._driver.run(self._people.subjects(subjects))

    def hold(self, subject: str, *, reason: str, reference: str, token: str | None = None) -> Hold:
        """Place a legal hold on everything of a subject, or on one token, in the name of your person.

        >>> held = vault.hold("cust-8472", reason="Tax audit of 2025", reference="case-118")
        >>> vault.lift_hold(held.hold_id, reason="The audit is over")
        """
        new = given(subject=subject, reason=reason, reference=reference, token=token)
        return self._driver.run(self._people.hold(new))

    def lift_hold(self, hold_id: str, *, reason: str) -> Hold:
        """End a hold. Raises Conflict, code `hold_lifted`, when somebody did before."""
        return self._driver.run(self._people.lift(hold_id, reason))

    def holds(
        self, *, subject: str | None = None, token: str | None = None, open_only: bool = True
    ) -> Iterator[Hold]:
        """Holds, the newest first, page after page; by token those on its whole subject, too."""
        which = given(subject=subject, token=token, open_only=open_only)
        leaf = self._driver.run(self._people.holds(which, None))
        yield from leaf.items
        while leaf.next is not None:
            leaf = self._driver.run(self._people.holds(which, leaf.next))
            yield from leaf.items
