"""The blocking client: the verbs of `verbs.py`, run by the driver of `blocking.py`."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Literal, Self, Unpack, overload

from strongroom.blocking import Driver
from strongroom.calls import Caller
from strongroom.copies import DataCopy, Wanted
from strongroom.errors import Misused
from strongroom.lists import Progress
from strongroom.office import OfficeVerbs
from strongroom.office_client import AboutOffice
from strongroom.people import People
from strongroom.people_client import AboutPeople
from strongroom.recipients import Recipients
from strongroom.recipients_client import AboutRecipients
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


class Strongroom(AboutPeople, AboutRecipients, AboutOffice):
    """A vault, seen by one credential. Safe to share between threads; make one and keep it.

    >>> vault = Strongroom("https://vault.example", "acme.signup", secret)
    >>> tokens = vault.tokenize("cust-8472", {"pan": "ABCPE1234F"})
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

    def tokenize(
        self, subject: str, values: Mapping[str, Given], *, idempotency_key: str | None = None
    ) -> dict[str, Tokenized]:
        """Seal the fields of one subject, all or none; tokens by field type.

        >>> account = {"number": "50100012345678", "ifsc": "HDFC0000123", "holder": "Asha Rao"}
        >>> vault.tokenize("cust-1", {"email": "asha@example.in", "bank_account": account})
        """
        return self._driver.run(self._verbs.tokenize(subject, values, idempotency_key))

    def tokenize_many(
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
        >>> for tokens in vault.tokenize_many(rows, mode="each"):
        ...     print(tokens["pan"].problem or tokens["pan"].token)
        """
        many = self._verbs.tokenize_many(entries, mode=mode, key=idempotency_key, progress=progress)
        return self._driver.run(many)

    def payment(self, reference: str) -> "Payment":
        """Open tokens to pay someone; `reference` ties each access to the payment in the log.

        >>> with vault.payment(reference="payout-1") as p:
        ...     account = p.open(token)
        >>> bank.pay(account.reveal_parts()["number"])
        """
        return Payment(self._driver, self._verbs, reference)

    @overload
    def detokenize(
        self,
        tokens: Iterable[str],
        *,
        purpose: str,
        reference: str | None = None,
        reveal: Literal["plain"] = "plain",
        mode: Mode = "all",
    ) -> list[OpenedItem]: ...

    @overload
    def detokenize(
        self,
        tokens: Iterable[str],
        *,
        purpose: str,
        reference: str | None = None,
        reveal: Literal["masked"],
        mode: Mode = "all",
    ) -> list[MaskedItem]: ...

    def detokenize(
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
            return self._driver.run(self._verbs.mask(tokens, why))
        return self._driver.run(self._verbs.open(tokens, why))

    def search(self, field_type: str, value: Given, *, purpose: str | None = None) -> Found:
        """Find the tokens of equal values, for types the policy makes searchable."""
        return self._driver.run(self._verbs.search(field_type, value, purpose))

    def inspect(self, tokens: Iterable[str]) -> list[InspectedItem]:
        """What the vault tells of tokens without opening them."""
        return self._driver.run(self._verbs.inspect(tokens))

    def erase(
        self, tokens: Iterable[str], *, reason: str, mode: Mode = "all", idempotency_key: str | None = None
    ) -> list[ErasedItem]:
        """Shred the values of tokens, for ever; what a law still needs is archived until its date instead.

        Each result says which: `state`, with `erased`, or `until` and `law`. `reason` goes into the log.
        """
        return self._driver.run(self._verbs.erase(tokens, reason=reason, mode=mode, key=idempotency_key))

    def export(
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

        >>> vault.export("cust-8472", reference="request-118", html=True).save("copy.html")
        """
        wanted = Wanted(subject, reference, case, html, passphrase)
        return self._driver.run(self._verbs.export(wanted))

    def events(self, **which: Unpack[EventFilter]) -> Iterator[Event]:
        """Read the access log, page after page; reading is itself an event.

        >>> for event in vault.events(token=token):
        ...     print(event.time, event.credential, event.verb, event.decision)
        """
        page = self._driver.run(self._verbs.events(which, None))
        yield from page.events
        while page.next is not None:
            page = self._driver.run(self._verbs.events(which, page.next))
            yield from page.events

    def proof(self, receipt_or_event_id: str) -> str:
        """The proof (`c2sp.org/tlog-proof`) that an access is in the log, to verify without the vault.

        Raises NotFound, code `not_sequenced_yet`, in the seconds before a checkpoint covers it.
        """
        return self._driver.run(self._verbs.proof(receipt_or_event_id))

    def fields(self, plane: Plane = "ingest") -> tuple[Field, ...]:
        """The field types there are, asked of a plane the credential reaches."""
        return self._driver.run(self._verbs.fields(plane))

    def policy(self, plane: Plane = "audit") -> Policy:
        """The policy in force, asked of a plane the credential reaches."""
        return self._driver.run(self._verbs.policy(plane))

    def close(self) -> None:
        """Close the connections."""
        self._driver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Payment(AbstractContextManager["Payment"]):
    """Opens tokens under one payment reference. Made by `Strongroom.payment`; over with its block."""

    def __init__(self, driver: Driver, verbs: Verbs, reference: str) -> None:
        self._driver, self._verbs, self._reference = driver, verbs, reference
        self._over = False

    def open(self, token: str) -> Value:
        """The value of one token. Raises the reason when it may not be opened."""
        return self.open_many([token])[0].value

    def open_many(
        self, tokens: Iterable[str], *, mode: Mode = "all", progress: Progress | None = None
    ) -> list[OpenedItem]:
        """The values of many tokens, in order; in mode `each` a problem may stand in the place of one."""
        return self._driver.run(self._verbs.open(tokens, self._because(mode), progress))

    def mask(self, token: str) -> Plain:
        """The masked form of one token: a reveal like any other, and on record."""
        return self.mask_many([token])[0].masked

    def mask_many(
        self, tokens: Iterable[str], *, mode: Mode = "all", progress: Progress | None = None
    ) -> list[MaskedItem]:
        """The masked forms of many tokens, in order."""
        return self._driver.run(self._verbs.mask(tokens, self._because(mode), progress))

    def __exit__(self, *_: object) -> None:
        self._over = True

    def _because(self, mode: Mode) -> Why:
        if self._over:
            raise Misused("payment_over", "This payment's block has ended.")
        return Why("payment", self._reference, mode)
