"""What a witness puts under a checkpoint: C2SP `cosignature/v1` with Ed25519. Pure. docs/FORMATS.md §15.

A witness's key is not a log's: its kind is another, so neither's signature can pass for the other's.
"""

from dataclasses import dataclass
from hashlib import sha256

from vault.log.lists import signed_by
from vault.log.malformed import LARGEST, Malformed, read_base64, write_base64
from vault.log.notes import Signature, read_note

COSIGNATURE = b"\x04"
LONGEST_NAME = 127


@dataclass(frozen=True, slots=True)
class WitnessKey:
    """A witness's name and public key."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell keys of one name apart."""
        return sha256(self.name.encode() + b"\n" + COSIGNATURE + self.public).digest()[:4]

    @property
    def text(self) -> str:
        """`name+id+key`"""
        return f"{self.name}+{self.key_id.hex()}+{write_base64(COSIGNATURE + self.public)}"


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A verified cosignature: its line, and when the witness says it signed, in seconds since 1970."""

    line: str
    time: int


def read_witness_key(text: str) -> WitnessKey:
    """Read a witness's verifier key, in its one spelling. Raises: Malformed."""
    name, _, rest = text.partition("+")
    raw = read_base64(rest.partition("+")[2])
    if len(raw) != 33 or raw[:1] != COSIGNATURE:
        raise Malformed("not a witness's key")
    if not name.isascii() or not name.isprintable() or " " in name or not 0 < len(name) <= LONGEST_NAME:
        raise Malformed("not a witness's name")
    key = WitnessKey(name, raw[1:])
    if key.text != text:
        raise Malformed("the id is another key's")
    return key


def find_cosignature(text: str, lines: str, key: WitnessKey) -> Cosignature:
    """`key`'s cosignature of a checkpoint's text among signature lines; others are ignored.

    Raises: Malformed when there is none that holds.
    """
    for one in read_note(f"{text}\n{lines}").signatures:
        if (one.name, one.key_id, len(one.signature)) == (key.name, key.key_id, 72):
            return _verified(text, one, key)
    raise Malformed("the witness's signature is not among them")


def _verified(text: str, one: Signature, key: WitnessKey) -> Cosignature:
    time = int.from_bytes(one.signature[:8])
    message = f"cosignature/v1\ntime {time}\n{text}".encode()
    if time > LARGEST or not signed_by(key.public, message=message, signature=one.signature[8:]):
        raise Malformed("the witness's signature does not hold")
    return Cosignature(one.line, time)
