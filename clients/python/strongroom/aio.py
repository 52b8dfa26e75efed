"""The asyncio client: the verbs of `verbs.py`, run by the driver of `awaiting.py`."""

import os
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Literal, Self, Unpack, overload

from strongroom.awaiting import Driver
from strongroom.calls import Caller
from strongroom.copies import DataCopy, Wanted
from strongroom.errors import Misused
from strongroom.lists import Progress
from strongroom.office import OfficeVerbs
from strongroom.office_aio import AsyncAboutOffice
from strongroom.people import People
from strongroom.people_aio import AsyncAboutPeople
from strongroom.recipients import Recipients
from strongroom.recipients_aio import AsyncAboutRecipients
from strongroom.results import (
    ErasedItem,
    Event,
    Field,
    Found,
    InspectedItem,
    MaskedItem,
    Mode,
    OpenedItem,
    Policy,
    Tokenized,
    TokenizedItem,
)
from strongroom.settings import Options, Plane, connection, from_environment
from strongroom.values import Given, Plain, Value
from strongroom.verbs import Entry, EventFilter, Verbs, Why


class AsyncStrongroom(AsyncAboutPeople, AsyncAboutRecipients, AsyncAboutOffice):
    """A vault, seen by one credential. For the tasks of one event loop; make one and keep it.

    >>> vault = AsyncStrongroom("https://vault.example", "acme.signup", secret)
    >>> tokens = await vault.tokenize("cust-8472", {"pan": "ABCPE1234F"})
    >>> tokens["pan"].token
    'tok_pan_…'
    """

    def __init__(
        self, url: str, client_id: str, client_secret: str | None = None, **options: Unpack[Options]
    ) -> None:
        """Check the settings; nothing is sent yet. See `Options` for the rest. Raises: Misused."""
        checked = connection(url, client_id, client_secret, options)
        caller = Caller(checked)
        self._verbs, self._people, self._recipients = Verbs(caller), People(caller), Recipients(caller)
        self._office = OfficeVerbs(caller)
        self._driver = Driver(checked.tls, options.get("transport"))

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ, **options: Unpack[Options]) -> Self:
        """A client from STRONGROOM_URL, STRONGROOM_CLIENT_ID, STRONGROOM_CLIENT_SECRET…; see the README."""
        url, client_id, secret, found = from_environment(environ, options)
        return cls(url, client_id, secret, **found)

    async def tokenize(
        self, subject: str, values: Mapping[str, Given], *, idempotency_key: str | None = None
    ) -> dict[str, Tokenized]:
        """Seal the fields of one subject, all or none; tokens by field type.

        >>> account = {"number": "50100012345678", "ifsc": "HDFC0000123", "holder": "Asha Rao"}
        >>> await vault.tokenize("cust-1", {"email": "asha@example.in", "bank_account": account})
        """
        return await self._driver.run(self._verbs.tokenize(subject, values, idempotency_key))

    async def tokenize_many(
        self,
        entries: Iterable[Entry],
        *,
        mode: Mode = "all",
        idempotency_key: str | None = None,
        progress: Progress | None = None,
    ) -> list[dict[str, TokenizedItem]]:
        """Seal the fields of many subjects, in as many requests as it takes; results in order.

        Mode `all` holds for each request, not for the whole list: an error carries the results of the
        requests before it in `completed`. Send the list again under the same key: nothing is sealed twice.

        >>> rows = [("cust-1", {"pan": "ABCPE1234F"}), ("cust-2", {"pan": "oops"})]
        >>> for tokens in await vault.tokenize_many(rows, mode="each"):
        ...     print(tokens["pan"].problem or tokens["pan"].token)
        """
        many = self._verbs.tokenize_many(entries, mode=mode, key=idempotency_key, progress=progress)
        return await self._driver.run(many)

    def payment(self, reference: str) -> "AsyncPayment":
        """Open tokens to pay someone; `reference` ties each access to the payment in the log.

        >>> async with vault.payment(reference="payout-1") as p:
        ...     account = await p.open(token)
        >>> bank.pay(account.reveal_parts()["number"])
        """
        return AsyncPayment(self._driver, self._verbs, reference)

    @overload
    async def detokenize(
        self,
        tokens: Iterable[str],
        *,
        purpose: str,
        reference: str | None = None,
        reveal: Literal["plain"] = "plain",
        mode: Mode = "all",
    ) -> list[OpenedItem]: ...

    @overload
    async def detokenize(
        self,
        tokens: Iterable[str],
        *,
        purpose: str,
        reference: str | None = None,
        reveal: Literal["masked"],
        mode: Mode = "all",
    ) -> list[MaskedItem]: ...

    async def detokenize(
        self,
        tokens: Iterable[str],
        *,
        purpose: str,
        reference: str | None = None,
        reveal: Literal["plain", "masked"] = "plain",
        mode: Mode = "all",
    ) -> list[OpenedItem] | list[MaskedItem]:
        """Open tokens for a purpose the credential is granted; results in order."""
        why = Why(purpose, reference, mode)
        if reveal == "masked":
            return await self._driver.run(self._verbs.mask(tokens, why))
        return await self._driver.run(self._verbs.open(tokens, why))

    async def search(self, field_type: str, value: Given, *, purpose: str | None = None) -> Found:
        """Find the tokens of equal values, for types the policy makes searchable."""
        return await self._driver.run(self._verbs.search(field_type, value, purpose))

    async def inspect(self, tokens: Iterable[str]) -> list[InspectedItem]:
        """What the vault tells of tokens without opening them."""
        return await self._driver.run(self._verbs.inspect(tokens))

    async def erase(
        self, tokens: Iterable[str], *, reason: str, mode: Mode = "all", idempotency_key: str | None = None
    ) -> list[ErasedItem]:
        """Shred the values of tokens, for ever; what a law still needs is archived until its date instead.

        Each result says which: `state`, with `erased`, or `until` and `law`. `reason` goes into the log.
        """
        return await self._driver.run(
            self._verbs.erase(tokens, reason=reason, mode=mode, key=idempotency_key)
        )

    async def export(
        self,
        subject: str,
        *,
        reference: str,
        case: str | None = None,
        html: bool = False,
        passphrase: str | None = None,
    ) -> DataCopy:
        """A copy of everything about one person, each value on record first; `case` where it takes two.

        With a passphrase (at least 12 characters) it comes as an age file.

        >>> copy = await vault.export("cust-8472", reference="request-118", html=True)
        >>> copy.save("copy.html")
        """
        wanted = Wanted(subject, reference, case, html, passphrase)
        return await self._driver.run(self._verbs.export(wanted))

    async def events(self, **which: Unpack[EventFilter]) -> AsyncIterator[Event]:
        """Read the access log, page after page; reading is itself an event.

        >>> async for event in vault.events(token=token):
        ...     print(event.time, event.credential, event.verb, event.decision)
        """
        page = await self._driver.run(self._verbs.events(which, None))
        for event in page.events:
            yield event
        while page.next is not None:
            page = await self._driver.run(self._verbs.events(which, page.next))
            for event in page.events:
                yield event

    async def proof(self, receipt_or_event_id: str) -> str:
        """The proof (`c2sp.org/tlog-proof`) that an access is in the log, to verify without the vault.

        Raises NotFound, code `not_sequenced_yet`, in the seconds before a checkpoint covers it.
        """
        return await self._driver.run(self._verbs.proof(receipt_or_event_id))

    async def fields(self, plane: Plane = "ingest") -> tuple[Field, ...]:
        """The field types there are, asked of a plane the credential reaches."""
        return await self._driver.run(self._verbs.fields(plane))

    async def policy(self, plane: Plane = "audit") -> Policy:
        """The policy in force, asked of a plane the credential reaches."""
        return await self._driver.run(self._verbs.policy(plane))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._driver.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class AsyncPayment(AbstractAsyncContextManager["AsyncPayment"]):
    """Opens tokens under one payment reference. Made by `AsyncStrongroom.payment`; over with its block."""

    def __init__(self, driver: Driver, verbs: Verbs, reference: str) -> None:
        self._driver, self._verbs, self._reference = driver, verbs, reference
        self._over = False

    async def open(self, token: str) -> Value:
        """The value of one token. Raises the reason when it may not be opened."""
        return (await self.open_many([token]))[0].value

    async def open_many(
        self, tokens: Iterable[str], *, mode: Mode = "all", progress: Progress | None = None
    ) -> list[OpenedItem]:
        """The values of many tokens, in order; in mode `each` a problem may stand in the place of one."""
        return await self._driver.run(self._verbs.open(tokens, self._because(mode), progress))

    async def mask(self, token: str) -> Plain:
        """The masked form of one token: a reveal like any other, and on record."""
        return (await self.mask_many([token]))[0].masked

    async def mask_many(
        self, tokens: Iterable[str], *, mode: Mode = "all", progress: Progress | None = None
    ) -> list[MaskedItem]:
        """The masked forms of many tokens, in order."""
        return await self._driver.run(self._verbs.mask(tokens, self._because(mode), progress))

    async def __aexit__(self, *_: object) -> None:
        self._over = True

    def _because(self, mode: Mode) -> Why:
        if self._over:
            raise Misused("payment_over", "This payment's block has ended.")
        return Why("payment", self._reference, mode)
