"""Statements of finality (docs/FORMATS.md §19): read in their one spelling, verified under a key."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from strongroom_audit.faults import BadSignature, Malformed
from strongroom_audit.verifier.bodies import parse, read_id
from strongroom_audit.verifier.notes import unbase64

HEAD = b"strongroom-finality v1"
DOMAIN = b"strongroom/finality/v1\x00"
_WHERE = "statement of finality"
_LARGEST = 10_000
_PERSON = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,128}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z", re.ASCII)
_SHAPES = {
    "tenant": re.compile(r"[a-z0-9_]{1,32}", re.ASCII),
    "key": re.compile(r"kek-[a-z0-9_]{1,32}", re.ASCII),
    "erased_before": _TIME,
    "trimmed_at": _TIME,
    "final_after": re.compile(r"\d{4}-\d\d-\d\d", re.ASCII),
    "begun_by": _PERSON,
    "trimmed_by": _PERSON,
    "log": re.compile(r"[!-*,-~]{1,200}", re.ASCII),
    "event_id": re.compile(r"evt_[0-9a-hjkmnp-tv-z]{26}", re.ASCII),
    "commitment": re.compile(r"[0-9a-f]{64}", re.ASCII),
}
_SIGNED = re.compile(rb"([1-9][0-9]{0,8}) ([A-Za-z0-9+/]{86}==)")


@dataclass(frozen=True, slots=True)
class Finality:
    """A statement whose form holds. `facts` are its members that are texts."""

    facts: Mapping[str, str]
    version: int
    event_id: bytes
    document: bytes
    key_version: int
    signature: bytes

    @property
    def entry(self) -> bytes:
        """The leaf that the log must hold."""
        return b"\x01" + self.event_id + bytes.fromhex(self.facts["commitment"])

    def verify(self, public: bytes) -> None:
        """Raises: BadSignature unless this key signed it."""
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(self.signature, DOMAIN + self.document)
        except (InvalidSignature, ValueError):
            what = f"the key you trust (version {self.key_version} is named) did not sign it"
            raise BadSignature(what, where=_WHERE) from None

    def covers(self, erased_at: str) -> bool:
        """Whether what was erased then had no key but under versions that are no more."""
        return erased_at < self.facts["erased_before"]


def read_finality(raw: bytes) -> Finality:
    """Read a statement's file; its signature is not judged yet. Raises: Malformed."""
    lines = raw.split(b"\n") if len(raw) <= _LARGEST else []
    signed = _SIGNED.fullmatch(lines[2]) if len(lines) == 4 else None
    if signed is None or lines[0] != HEAD or lines[3]:
        raise _malformed("three lines: strongroom-finality v1, a document, a signature")
    try:
        members = parse(lines[1])
    except ValueError as error:
        raise _malformed(f"its document is not canonical JSON ({error})") from None
    if set(members) != {*_SHAPES, "v", "version"} or type(members["v"]) is not int or members["v"] != 1:
        raise _malformed("its document has a member too many or too few, or is not of version 1")
    facts = {name: _fact(name, members[name]) for name in _SHAPES}
    version = members["version"]
    if type(version) is not int or not 2 <= version < 10**9:
        raise _malformed("version is that of a key that had another before it")
    _check(facts)
    event_id = read_id("evt", facts["event_id"])
    return Finality(facts, version, event_id, lines[1], int(signed[1]), unbase64(signed[2].decode(), _WHERE))


def _fact(name: str, value: object) -> str:
    if not isinstance(value, str) or _SHAPES[name].fullmatch(value) is None:
        raise _malformed(f"{name} is not written as it must be")
    try:
        if _SHAPES[name] is _TIME:
            datetime.fromisoformat(value)
        if name == "final_after":
            date.fromisoformat(value)
        if name == "event_id":
            read_id("evt", value)
    except ValueError:
        raise _malformed(f"{name} does not exist") from None
    return value


def _check(facts: Mapping[str, str]) -> None:
    if facts["key"] != f"kek-{facts['tenant']}" or not facts["log"].endswith(f"/{facts['tenant']}"):
        raise _malformed("its key or its log is another tenant's")
    if facts["erased_before"] > facts["trimmed_at"]:
        raise _malformed("what was erased was erased before the trim")
    if " ".join(facts["begun_by"].casefold().split()) == " ".join(facts["trimmed_by"].casefold().split()):
        raise _malformed("one person began and trimmed")


def _malformed(what: str) -> Malformed:
    return Malformed(what, where=_WHERE)
