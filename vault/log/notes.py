"""Signed notes and verifier keys as C2SP `signed-note` writes them, with Ed25519. Pure.

A note is a text, an empty line, and signature lines. Signatures by keys we do not know are kept, not judged.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from vault.log.lists import signed_by
from vault.log.malformed import Malformed, read_base64, write_base64

ED25519 = b"\x01"
_DASH = "\u2014 "
_LARGEST = 1 << 20
_MOST_SIGNATURES = 100
_NAME = re.compile(r"[^\s+]+")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
_HEX = re.compile(r"[0-9a-f]{8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class NoteKey:
    """An Ed25519 public key under the name it signs notes with."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell keys of one name apart."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    @property
    def text(self) -> str:
        """`name+id+key`, as verifiers are configured with it."""
        return f"{self.name}+{self.key_id.hex()}+{write_base64(ED25519 + self.public)}"


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line."""

    name: str
    key_id: bytes
    signature: bytes

    @property
    def line(self) -> str:
        """As it stands in the note, with its newline."""
        return f"{_DASH}{self.name} {write_base64(self.key_id + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text with the signatures under it."""

    text: str
    signatures: tuple[Signature, ...]

    @property
    def whole(self) -> str:
        """The note as it is stored and sent."""
        return self.text + "\n" + "".join(one.line for one in self.signatures)

    def signed_by(self, key: NoteKey) -> bool:
        """Whether this key's signature is among them and holds."""
        return any(
            one.name == key.name
            and one.key_id == key.key_id
            and signed_by(key.public, message=self.text.encode(), signature=one.signature)
            for one in self.signatures
        )

    def signed_by_any(self, keys: Iterable[NoteKey]) -> bool:
        """Whether one of these keys signed it."""
        return any(self.signed_by(key) for key in keys)


def sign_line(key: NoteKey, signature: bytes) -> Signature:
    """The line for a signature that `key` made over the note's text."""
    return Signature(key.name, key.key_id, signature)


def read_key(text: str) -> NoteKey:
    """Read a verifier key. Raises: Malformed."""
    name, plus, rest = text.partition("+")
    key_id, more, encoded = rest.partition("+")
    if not plus or not more or _HEX.fullmatch(key_id) is None:
        raise Malformed("a verifier key reads name+id+key")
    raw = read_base64(encoded)
    key = NoteKey(_checked(name), raw[1:])
    if raw[:1] != ED25519 or len(raw) != 33:
        raise Malformed("not an Ed25519 key")
    if key.key_id.hex() != key_id:
        raise Malformed("the id is another key's")
    return key


def read_note(whole: str) -> Note:
    """Read a note. Raises: Malformed."""
    if len(whole) > _LARGEST or _CONTROL.search(whole) is not None:
        raise Malformed("a note is text of at most 1 MiB without control characters")
    text, found, lines = whole.rpartition("\n\n")
    if not found or not text or not lines.endswith("\n"):
        raise Malformed("a note is a text, an empty line, and signatures")
    signatures = lines[:-1].split("\n")
    if len(signatures) > _MOST_SIGNATURES:
        raise Malformed("too many signatures")
    _encodable(whole)
    return Note(text + "\n", tuple(_read_line(line) for line in signatures))


def _read_line(line: str) -> Signature:
    parts: Sequence[str] = line.removeprefix(_DASH).split(" ")
    if not line.startswith(_DASH) or len(parts) != 2:
        raise Malformed("a signature line reads: dash, name, base64")
    raw = read_base64(parts[1])
    if len(raw) < 5:
        raise Malformed("a signature is too short")
    return Signature(_checked(parts[0]), raw[:4], raw[4:])


def _checked(name: str) -> str:
    if _NAME.fullmatch(name) is None or _CONTROL.search(name) is not None:
        raise Malformed("a name has no space and no plus")
    _encodable(name)
    return name


def _encodable(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Malformed("not UTF-8") from None
