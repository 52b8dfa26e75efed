"""Erasure certificates (docs/FORMATS.md §16): read in their one spelling, verified under a key."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from strongroom_audit.faults import BadSignature, Malformed
from strongroom_audit.verifier.bodies import parse, read_id
from strongroom_audit.verifier.notes import unbase64

HEAD = b"strongroom-certificate v1"
DOMAIN = b"strongroom/certificate/v1\x00"
_LARGEST = 8_000_000
_WHERE = "certificate"
_ALWAYS = {
    "v",
    "tenant",
    "case",
    "subject",
    "issued_at",
    "items",
    "decided_by",
    "released_by",
    "decision",
    "log",
}
_ITEM = {"token", "field_type", "outcome", "event_id", "commitment"}
_OUTCOMES = {"erased": {"at"}, "archived": {"until", "law"}, "refused": {"reason"}}
_LINE = re.compile(
    "[^\x00-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]{1,200}"
)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z", re.ASCII)
_SHAPES = {
    "tenant": re.compile(r"[a-z0-9_]{1,32}", re.ASCII),
    "case": re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII),
    "subject": re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII),
    "decision": re.compile(r"[0-9a-f]{64}", re.ASCII),
    "commitment": re.compile(r"[0-9a-f]{64}", re.ASCII),
    "issued_at": _TIME,
    "at": _TIME,
    "until": re.compile(r"\d{4}-\d\d-\d\d", re.ASCII),
    "final_after": re.compile(r"\d{4}-\d\d-\d\d", re.ASCII),
    "log": re.compile(r"[!-*,-~]{1,200}", re.ASCII),
    "law": _LINE,
    "reason": _LINE,
    "decided_by": _LINE,
    "released_by": _LINE,
}
_SIGNED = re.compile(rb"([1-9][0-9]{0,8}) ([A-Za-z0-9+/]{86}==)")
_TOKEN = re.compile(r"tok_([a-z0-9_]{1,32})_[0-9a-hjkmnp-tv-z]{28}", re.ASCII)
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


@dataclass(frozen=True, slots=True)
class Item:
    """One field, what became of it, and its event in the log."""

    token: str
    field_type: str
    outcome: str
    event_id: bytes
    commitment: bytes
    more: Mapping[str, str]
    """`at`, `until` and `law`, or `reason`, as the outcome has it."""

    @property
    def entry(self) -> bytes:
        """The leaf that the log must hold."""
        return b"\x01" + self.event_id + self.commitment


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate whose form holds. `facts` are its members that are texts."""

    facts: Mapping[str, str]
    items: tuple[Item, ...]
    document: bytes
    key_version: int
    signature: bytes

    def verify(self, public: bytes) -> None:
        """Raises: BadSignature unless this key signed it."""
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(self.signature, DOMAIN + self.document)
        except (InvalidSignature, ValueError):
            what = f"the key you trust (version {self.key_version} is named) did not sign it"
            raise BadSignature(what, where=_WHERE) from None


def read_certificate(raw: bytes) -> Certificate:
    """Read a certificate's file; its signature is not judged yet. Raises: Malformed."""
    lines = raw.split(b"\n") if len(raw) <= _LARGEST else []
    if len(lines) != 4 or lines[0] != HEAD or lines[3]:
        raise _malformed("three lines: strongroom-certificate v1, a document, a signature")
    signed = _SIGNED.fullmatch(lines[2])
    if signed is None:
        raise _malformed("the last line is a key's version and a signature of 64 bytes")
    members = _document(lines[1])
    items = members.pop("items")
    facts = {name: _fact(name, value) for name, value in members.items() if name != "v"}
    certificate = Certificate(
        facts,
        tuple(_item(one) for one in items) if isinstance(items, list) else (),
        lines[1],
        int(signed[1]),
        unbase64(signed[2].decode(), _WHERE),
    )
    _check(certificate)
    return certificate


def _document(raw: bytes) -> dict[str, object]:
    try:
        members = parse(raw)
    except ValueError as error:
        raise _malformed(f"its document is not canonical JSON ({error})") from None
    if set(members) - {"final_after"} != _ALWAYS or type(members["v"]) is not int or members["v"] != 1:
        raise _malformed("its document has a member too many or too few, or is not of version 1")
    return members


def _item(value: object) -> Item:
    if not isinstance(value, dict) or not isinstance(value.get("outcome"), str):
        raise _malformed("an item has an outcome")
    outcome = value["outcome"]
    if outcome not in _OUTCOMES or set(value) != _ITEM | _OUTCOMES[outcome]:
        raise _malformed("an item says exactly what goes with erased, archived or refused")
    token, event_id = value["token"], value["event_id"]
    if (
        not isinstance(token, str)
        or not isinstance(event_id, str)
        or not _is_token(token, value["field_type"])
    ):
        raise _malformed("an item names its token, the type in it, and an event")
    try:
        event = read_id("evt", event_id)
    except ValueError:
        raise _malformed("an event is named evt_… and 26 characters") from None
    commitment = bytes.fromhex(_fact("commitment", value["commitment"]))
    more = {name: _fact(name, value[name]) for name in sorted(_OUTCOMES[outcome])}
    return Item(token, value["field_type"], outcome, event, commitment, more)


def _fact(name: str, value: object) -> str:
    """A member in its shape; dates and times are such as there are."""
    if not isinstance(value, str) or _SHAPES[name].fullmatch(value) is None:
        raise _malformed(f"{name} is not written as it must be")
    if _SHAPES[name] is _LINE and not _tidy(value, 128 if name.endswith("_by") else 200):
        raise _malformed(f"{name} is not a tidy line")
    try:
        if name in ("issued_at", "at"):
            datetime.fromisoformat(value)
        if name in ("until", "final_after"):
            date.fromisoformat(value)
    except ValueError:
        raise _malformed(f"{name} is no day there is") from None
    return value


def _check(certificate: Certificate) -> None:
    facts, tokens = certificate.facts, [item.token for item in certificate.items]
    if not tokens or tokens != sorted(set(tokens)):
        raise _malformed("items are sorted by token, each once, and not none")
    if not facts["log"].endswith(f"/{facts['tenant']}"):
        raise _malformed("its log is another tenant's")
    if any(item.outcome == "erased" for item in certificate.items) != ("final_after" in facts):
        raise _malformed("final_after goes with something erased, and with nothing else")
    if _folded(facts["decided_by"]) == _folded(facts["released_by"]):
        raise _malformed("one person decided and released")


def _is_token(text: str, field_type: object) -> bool:
    """Form, type and check characters (§1)."""
    found = _TOKEN.fullmatch(text)
    if found is None or found[1] != field_type:
        return False
    total = sum(ord(char) * pow(10, place, 1021) for place, char in enumerate(reversed(text[:-2]))) % 1021
    return text[-2:] == _ALPHABET[total >> 5] + _ALPHABET[total & 31]


def _tidy(text: str, longest: int) -> bool:
    return len(text) <= longest and text == text.strip() and unicodedata.is_normalized("NFC", text)


def _folded(name: str) -> str:
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
    return " ".join(folded.split())


def _malformed(what: str) -> Malformed:
    return Malformed(what, where=_WHERE)
