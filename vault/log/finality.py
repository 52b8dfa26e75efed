"""Statements of finality: the key versions that wrapped what was erased before a time are no more. Pure.

Bytes: docs/FORMATS.md §19. A certificate of erasure is final when a statement covers it: the statement does
not name it, it says of a whole tenant until when what was erased is beyond every copy of the databases.
"""

import re
from dataclasses import dataclass
from datetime import date
from typing import Any

from vault.log.event import read_timestamp, timestamp
from vault.log.lists import signed_by
from vault.log.malformed import Malformed, read_base64, write_base64
from vault.model import canonical
from vault.model.names import TENANT, read_id, show_id
from vault.model.persons import same_person
from vault.model.register import acceptable_person

DOMAIN = b"strongroom/finality/v1\0"
"""Goes before the document when it is signed, so that no other signature can pass for it."""
HEAD = b"strongroom-finality v1\n"
LARGEST = 10_000
_MEMBERS = frozenset(
    {
        "v", "tenant", "key", "version", "erased_before", "trimmed_at", "final_after", "begun_by",
        "trimmed_by", "log", "event_id", "commitment",
    }
)  # fmt: skip
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_ORIGIN = re.compile(r"[!-*,-~]{1,200}", re.ASCII)
_SIGNED = re.compile(rb"([1-9][0-9]{0,8}) ([A-Za-z0-9+/]{86}==)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finality:
    """What is stated. Raises: Malformed."""

    tenant: str
    version: int
    """Of the KEK: every older version was destroyed."""
    erased_before: int
    """µs since 1970: the keys of what was erased until then were only ever wrapped by older versions."""
    trimmed_at: int
    final_after: date
    """The day after which not even a snapshot of the key server from before the trim is left."""
    begun_by: str
    trimmed_by: str
    log: str
    event_id: bytes
    """Of the event that says so."""
    commitment: bytes

    def __post_init__(self) -> None:
        if TENANT.fullmatch(self.tenant) is None or not 2 <= self.version < 10**9:
            raise Malformed("a statement names its tenant and a version that had another before it")
        if not 0 <= self.erased_before <= self.trimmed_at < 2**53:
            raise Malformed("what was erased was erased before the trim")
        if not (acceptable_person(self.begun_by) and acceptable_person(self.trimmed_by)):
            raise Malformed("a statement names who began and who trimmed")
        if same_person(self.begun_by, self.trimmed_by):
            raise Malformed("two persons begin and trim")
        if _ORIGIN.fullmatch(self.log) is None or not self.log.endswith(f"/{self.tenant}"):
            raise Malformed("the log is the tenant's own")
        if len(self.event_id) != 16 or len(self.commitment) != 32:
            raise Malformed("a statement names its event")


@dataclass(frozen=True, slots=True)
class SignedFinality:
    """A statement as it was written, with its signature; whether that holds is asked by `verify`."""

    finality: Finality
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


def to_bytes(finality: Finality) -> bytes:
    """The document, which is signed behind `DOMAIN`."""
    return canonical.dump(
        {
            "v": 1,
            "tenant": finality.tenant,
            "key": f"kek-{finality.tenant}",
            "version": finality.version,
            "erased_before": timestamp(finality.erased_before),
            "trimmed_at": timestamp(finality.trimmed_at),
            "final_after": finality.final_after.isoformat(),
            "begun_by": finality.begun_by,
            "trimmed_by": finality.trimmed_by,
            "log": finality.log,
            "event_id": show_id("evt", finality.event_id),
            "commitment": finality.commitment.hex(),
        }
    )


def attach(finality: Finality, *, key_version: int, signature: bytes) -> SignedFinality:
    """The statement with the signature that the key `cert` made over `DOMAIN` and the document."""
    return SignedFinality(finality, to_bytes(finality), key_version, signature)


def parse(raw: bytes) -> SignedFinality:
    """Read a statement's file. Raises: Malformed for all but its one spelling."""
    lines = raw.split(b"\n") if len(raw) <= LARGEST else []
    signed = _SIGNED.fullmatch(lines[2]) if len(lines) == 4 else None
    if signed is None or lines[0] + b"\n" != HEAD or lines[3]:
        raise Malformed("a statement has three lines: its name, a document, key version and signature")
    finality = _read(lines[1])
    if to_bytes(finality) != lines[1]:
        raise Malformed("not the one spelling of this statement")
    return SignedFinality(finality, lines[1], int(signed[1]), read_base64(signed[2].decode()))


def _read(document: bytes) -> Finality:
    try:
        told: Any = canonical.load(document)
        if set(told) != _MEMBERS or _DIGEST.fullmatch(told["commitment"]) is None:
            raise Malformed("a member is missing, unknown or not written as it must be")
        return Finality(
            tenant=told["tenant"],
            version=int(told["version"]),
            erased_before=read_timestamp(told["erased_before"]),
            trimmed_at=read_timestamp(told["trimmed_at"]),
            final_after=date.fromisoformat(told["final_after"]),
            begun_by=told["begun_by"],
            trimmed_by=told["trimmed_by"],
            log=told["log"],
            event_id=read_id("evt", told["event_id"]),
            commitment=bytes.fromhex(told["commitment"]),
        )
    except (canonical.NotCanonical, TypeError, ValueError, AttributeError, KeyError, OverflowError):
        raise Malformed("a member is not written as it must be") from None
