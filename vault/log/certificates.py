"""Erasure certificates: what became of each field, who decided and released, which events say so. Pure.

Bytes: docs/FORMATS.md §16. The document is canonical JSON, signed as a whole by the key `cert`; the file
around it has three lines and one spelling. Whether a key that we trust signed it is the reader's question.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

from vault.log.event import timestamp
from vault.log.lists import signed_by
from vault.log.malformed import Malformed, read_base64, write_base64
from vault.model import canonical
from vault.model.lines import acceptable_line
from vault.model.names import FIELD_TYPE, TENANT, acceptable_reference, read_id, show_id
from vault.model.persons import same_person
from vault.model.register import acceptable_person
from vault.model.token import MalformedToken
from vault.model.token import parse as parse_token

DOMAIN = b"strongroom/certificate/v1\0"
"""Goes before the document when it is signed, so that no other signature can pass for it."""

HEAD = b"strongroom-certificate v1\n"
LARGEST = 8_000_000
Outcome = Literal["erased", "archived", "refused"]
_MEMBERS: dict[str, frozenset[str]] = {
    "erased": frozenset({"at"}),
    "archived": frozenset({"until", "law"}),
    "refused": frozenset({"reason"}),
}
"""What an item says beside what all say, by outcome."""
_COMMON = frozenset({"token", "field_type", "outcome", "event_id", "commitment"})
_TEXTS = ("tenant", "case", "subject", "decided_by", "released_by", "decision", "log")
_DOCUMENT = frozenset({"v", "issued_at", "items", *_TEXTS})
_CASE = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)
_ORIGIN = re.compile(r"[!-*,-~]{1,200}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SIGNED = re.compile(rb"([1-9][0-9]{0,8}) ([A-Za-z0-9+/]{86}==)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = 2**53 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One field: what became of it, and the event that says so."""

    token: str
    field_type: str
    outcome: Outcome
    event_id: bytes
    commitment: bytes
    at: int | None = None
    """Erased: when, in µs since 1970."""
    until: date | None = None
    """Archived: the last day."""
    law: str | None = None
    """Archived: what asks for it."""
    reason: str | None = None
    """Refused: why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What is certified. Items are sorted by token, each token once. Raises: Malformed."""

    tenant: str
    case: str
    subject: str
    issued_at: int
    """µs since 1970."""
    items: tuple[Item, ...]
    decided_by: str
    released_by: str
    decision: str
    """SHA-256 of the decision's canonical JSON, in hexadecimal."""
    log: str
    """Origin of the log that holds the events."""
    final_after: date | None
    """After this day not even a backup brings an erased value back; None when nothing was erased."""

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True, slots=True)
class SignedCertificate:
    """A certificate as it was written, with its signature; whether that holds is asked by `verify`."""

    certificate: Certificate
    document: bytes
    key_version: int
    signature: bytes

    def verify(self, public_key: bytes) -> bool:
        """Whether this key, raw Ed25519, signed it."""
        return signed_by(public_key, message=DOMAIN + self.document, signature=self.signature)

    @property
    def whole(self) -> bytes:
        """The file."""
        line = f"{self.key_version} {write_base64(self.signature)}\n"
        return HEAD + self.document + b"\n" + line.encode()


def sort_items(items: Iterable[Item]) -> tuple[Item, ...]:
    """Items in the one order that a certificate has them in."""
    return tuple(sorted(items, key=lambda item: item.token))


def to_bytes(certificate: Certificate) -> bytes:
    """The document, which is signed behind `DOMAIN`."""
    members: dict[str, object] = {
        "v": 1,
        "tenant": certificate.tenant,
        "case": certificate.case,
        "subject": certificate.subject,
        "issued_at": timestamp(certificate.issued_at),
        "items": [_item_dict(item) for item in certificate.items],
        "decided_by": certificate.decided_by,
        "released_by": certificate.released_by,
        "decision": certificate.decision,
        "log": certificate.log,
    }
    if certificate.final_after is not None:
        members["final_after"] = certificate.final_after.isoformat()
    return canonical.dump(members)


def attach(certificate: Certificate, *, key_version: int, signature: bytes) -> SignedCertificate:
    """The certificate with the signature that the key `cert` made over `DOMAIN` and the document."""
    return SignedCertificate(certificate, to_bytes(certificate), key_version, signature)


def parse(raw: bytes) -> SignedCertificate:
    """Read a certificate's file. Raises: Malformed for all but its one spelling."""
    head, document, line = _lines(raw)
    signed = _SIGNED.fullmatch(line)
    if head + b"\n" != HEAD or signed is None:
        raise Malformed("a certificate has three lines: its name, a document, key version and signature")
    certificate = read_document(document)
    return SignedCertificate(certificate, document, int(signed[1]), read_base64(signed[2].decode()))


def read_document(document: bytes) -> Certificate:
    """Read what `to_bytes` wrote. Raises: Malformed."""
    try:
        value = canonical.load(document)
    except canonical.NotCanonical:
        raise Malformed("not canonical JSON") from None
    members = _members(value, _DOCUMENT, frozenset({"final_after"}))
    items = members["items"]
    final = members.get("final_after")
    if not isinstance(items, list):
        raise Malformed("items is a list")
    certificate = Certificate(
        items=tuple(_read_item(item) for item in items),
        issued_at=_moment(_text(members["issued_at"])),
        final_after=None if final is None else _day(final),
        **{name: _text(members[name]) for name in _TEXTS},
    )
    if to_bytes(certificate) != document:
        raise Malformed("not the one spelling of this certificate")
    return certificate


def _lines(raw: bytes) -> tuple[bytes, bytes, bytes]:
    lines = raw.split(b"\n") if len(raw) <= LARGEST else []
    if len(lines) != 4 or lines[3]:
        raise Malformed("a certificate has three lines and at most 8 MB")
    return lines[0], lines[1], lines[2]


def _item_dict(item: Item) -> dict[str, str]:
    every = {
        "token": item.token,
        "field_type": item.field_type,
        "outcome": item.outcome,
        "event_id": show_id("evt", item.event_id),
        "commitment": item.commitment.hex(),
        "at": None if item.at is None else timestamp(item.at),
        "until": None if item.until is None else item.until.isoformat(),
        "law": item.law,
        "reason": item.reason,
    }
    return {name: text for name, text in every.items() if text is not None}


def _read_item(value: object) -> Item:
    outcome = value.get("outcome") if isinstance(value, dict) else None
    if outcome not in ("erased", "archived", "refused"):
        raise Malformed("a field was erased, archived or refused")
    members = {name: _text(text) for name, text in _members(value, _COMMON | _MEMBERS[outcome]).items()}
    return Item(
        token=members["token"],
        field_type=members["field_type"],
        outcome=outcome,
        event_id=_event_id(members["event_id"]),
        commitment=_commitment(members["commitment"]),
        at=_moment(members["at"]) if "at" in members else None,
        until=_day(members["until"]) if "until" in members else None,
        law=members.get("law"),
        reason=members.get("reason"),
    )


def _members(
    value: object, names: frozenset[str], optional: frozenset[str] = frozenset()
) -> dict[str, object]:
    if not isinstance(value, dict) or set(value) - optional != names:
        raise Malformed("a member is missing or unknown")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Malformed("a member that is a text is something else")
    return value


def _day(text: object) -> date:
    try:
        return date.fromisoformat(_text(text))
    except ValueError:
        raise Malformed("a date reads YYYY-MM-DD") from None


def _moment(text: str) -> int:
    """Reads more than `timestamp` writes: what is read is written again and compared as a whole."""
    try:
        passed = datetime.fromisoformat(text) - _EPOCH
    except (ValueError, TypeError, OverflowError):
        raise Malformed("a time reads 2027-01-15T08:00:00.000000Z") from None
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds


def _event_id(text: str) -> bytes:
    try:
        return read_id("evt", text)
    except ValueError:
        raise Malformed("an event is named evt_… and 26 characters") from None


def _commitment(text: str) -> bytes:
    if _DIGEST.fullmatch(text) is None:
        raise Malformed("a commitment is 64 hexadecimal characters")
    return bytes.fromhex(text)


def _check(certificate: Certificate) -> None:
    """Raises: Malformed."""
    if TENANT.fullmatch(certificate.tenant) is None or _CASE.fullmatch(certificate.case) is None:
        raise Malformed("a certificate names its tenant and case")
    if not acceptable_reference(certificate.subject):
        raise Malformed("a subject is a pseudonymous reference")
    if _DIGEST.fullmatch(certificate.decision) is None:
        raise Malformed("a decision is named by its SHA-256")
    if _ORIGIN.fullmatch(certificate.log) is None or not certificate.log.endswith(f"/{certificate.tenant}"):
        raise Malformed("the log is the tenant's own")
    _check_time(certificate.issued_at)
    _check_persons(certificate.decided_by, certificate.released_by)
    tokens = [item.token for item in certificate.items]
    if not tokens or tokens != sorted(set(tokens)):
        raise Malformed("items are sorted by token, each once, and not none")
    for item in certificate.items:
        _check_item(item)
    erased = any(item.outcome == "erased" for item in certificate.items)
    if erased != (certificate.final_after is not None):
        raise Malformed("there is a date of finality when, and only when, something was erased")


def _check_persons(decided_by: str, released_by: str) -> None:
    if not acceptable_person(decided_by) or not acceptable_person(released_by):
        raise Malformed("a certificate names who decided and who released")
    if same_person(decided_by, released_by):
        raise Malformed("two persons decide and release")


def _check_item(item: Item) -> None:
    _check_field(item.token, item.field_type)
    said = frozenset(name for name in ("at", "until", "law", "reason") if getattr(item, name) is not None)
    if said != _MEMBERS.get(item.outcome) or len(item.event_id) != 16 or len(item.commitment) != 32:
        raise Malformed("an item says what its outcome asks for, and which event has it on record")
    if item.at is not None:
        _check_time(item.at)
    for line in (item.law, item.reason):
        if line is not None and not acceptable_line(line):
            raise Malformed("law and reason are one line of 1 to 200 characters")


def _check_field(token: str, field_type: str) -> None:
    try:
        known = parse_token(token).field_type
    except MalformedToken:
        raise Malformed("a field is named by its token") from None
    if FIELD_TYPE.fullmatch(field_type) is None or known != field_type:
        raise Malformed("a field's type is the one in its token")


def _check_time(at: int) -> None:
    if type(at) is not int or not 0 <= at <= _LATEST:
        raise Malformed("a time is microseconds since 1970")
