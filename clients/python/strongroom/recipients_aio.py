"""What the asyncio client can ask about recipients: the flows of `recipients.py`, run by `awaiting.py`."""

from collections.abc import AsyncIterator, Iterable
from typing import Unpack

from strongroom.awaiting import Driver
from strongroom.people import given
from strongroom.recipients import Disclosure, Ground, Recipient, Recipients, Terms, terms_of
from strongroom.results import Mode, OpenedItem
from strongroom.verbs import Verbs


class AsyncAboutRecipients:
    """Recipients, and what goes to them. Part of `AsyncStrongroom`."""

    _driver: Driver
    _verbs: Verbs
    _recipients: Recipients

    async def disclose(
        self,
        recipient: str,
        tokens: Iterable[str],
        *,
        legal_reference: str,
        case: str | None = None,
        mode: Mode = "all",
    ) -> list[OpenedItem]:
        """Open tokens for a recipient on file; for an authority under a case that two persons approved.

        >>> done = await vault.disclose("mailer", [token], legal_reference="dpa-2026-05")
        >>> done[0].value.reveal()
        """
        ground = Ground(recipient, legal_reference, case, mode)
        return await self._driver.run(self._verbs.disclose(tokens, ground.head()))

    async def put_recipient(self, name: str, **terms: Unpack[Terms]) -> Recipient:
        """Put a recipient on file, or its next version: these terms then count, and none from before.

        >>> terms = {"title": "Bulk Mail", "kind": "provider", "country": "IN", "classes": ["contact"]}
        >>> await vault.put_recipient("mailer", **terms, undertaking="Agreement of 2 May 2026")
        """
        return await self._driver.run(self._recipients.put(terms_of(name, terms)))

    async def recipients(self) -> list[Recipient]:
        """Every recipient as it stands."""
        return await self._driver.run(self._recipients.listing())

    async def disclosures(
        self, *, subject: str | None = None, token: str | None = None, recipient: str | None = None
    ) -> AsyncIterator[Disclosure]:
        """Who has received what, the newest first, page after page. Asking is on record."""
        which = given(subject=subject, token=token, recipient=recipient)
        leaf = await self._driver.run(self._recipients.disclosures(which, None))
        for one in leaf.items:
            yield one
        while leaf.next is not None:
            leaf = await self._driver.run(self._recipients.disclosures(which, leaf.next))
            for one in leaf.items:
                yield one
