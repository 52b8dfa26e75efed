"""Signed notes, verifier keys, checkpoints, inclusion proofs, as C2SP specifies them, in one spelling each.

c2sp.org/signed-note, tlog-checkpoint, tlog-cosignature, tlog-proof. Raises only Malformed and BadSignature.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from strongroom_audit.faults import BadSignature, Malformed

ED25519, COSIGNATURE = 1, 4
_NAME = re.compile(r"[^\s+\x00-\x1f\x7f]{1,255}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_VKEY = re.compile(r"([^\s+\x00-\x1f\x7f]{1,255})\+([0-9a-f]{8})\+([A-Za-z0-9+/=]{44})")
_PROOF_HEAD = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class Key:
    """A public key that signs notes: `text` is its vkey."""

    text: str
    name: str
    id: bytes
    kind: int
    public: Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class Note:
    """A text and the signatures under it, unverified: (name, key id, signature)."""

    text: str
    signatures: tuple[tuple[str, bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's signed word: at this size it had this root."""

    origin: str
    size: int
    root: bytes
    note: str


@dataclass(frozen=True, slots=True)
class Proof:
    """That some entry stands at `index` under the checkpoint of `note`."""

    index: int
    path: tuple[bytes, ...]
    note: str
    extra: bytes


def read_key(text: str) -> Key:
    """Read a vkey, `name+id+base64(kind | public key)`."""
    found = _VKEY.fullmatch(text)
    if found is None:
        raise Malformed("a key reads name+8 hexadecimal digits+base64", where="key")
    name, short, body = found[1], bytes.fromhex(found[2]), unbase64(found[3], "key")
    if len(body) != 33 or body[0] not in {ED25519, COSIGNATURE}:
        raise Malformed("only Ed25519 keys (kinds 1 and 4) are known here", where=f"key {name}")
    if sha256(name.encode() + b"\n" + body).digest()[:4] != short:
        raise Malformed("its id does not belong to its name and key: mistyped?", where=f"key {name}")
    return Key(text, name, short, body[0], Ed25519PublicKey.from_public_bytes(body[1:]))


def read_note(text: str) -> Note:
    """Split a signed note into its text and its signatures."""
    body, blank, signed = text.rpartition("\n\n")
    if not blank or not signed.endswith("\n") or any(c < " " and c != "\n" for c in text):
        raise Malformed("not a signed note", where="checkpoint")
    signatures = tuple(_signature(line) for line in signed[:-1].split("\n"))
    return Note(f"{body}\n", signatures)


def read_checkpoint(text: str, keys: Iterable[Key]) -> Checkpoint:
    """A checkpoint that one of `keys` signed under the log's own name."""
    note = read_note(text)
    lines = note.text[:-1].split("\n")
    if len(lines) < 3 or not all(lines) or not _NAME.fullmatch(lines[0]) or not _NUMBER.fullmatch(lines[1]):
        raise Malformed("a checkpoint has an origin, a size and a root", where="checkpoint")
    root = unbase64(lines[2], "checkpoint")
    if len(root) != 32:
        raise Malformed("a root has 32 bytes", where="checkpoint")
    size = int(lines[1])
    if not signed_by(note, [key for key in keys if key.name == lines[0] and key.kind == ED25519]):
        raise BadSignature(f"none of the keys you trust signed it for {lines[0]}", where=f"checkpoint {size}")
    return Checkpoint(lines[0], size, root, text)


def signed_by(note: Note, keys: Iterable[Key]) -> list[str]:
    """The names of the keys that signed. A signature in a trusted key's name that fails spoils the note."""
    known = {(key.name, key.id): key for key in keys}
    signers = []
    for name, short, signature in note.signatures:
        key = known.get((name, short))
        if key is not None:
            _check(key, note.text.encode(), signature)
            signers.append(name)
    return signers


def read_proof(text: str) -> Proof:
    """Read a `tlog-proof@v1` file; nothing is verified yet."""
    head, blank, note = text.partition("\n\n")
    lines = head.split("\n")
    if not blank or lines.pop(0) != _PROOF_HEAD:
        raise Malformed(f"a proof begins with {_PROOF_HEAD}", where="proof")
    extra = b""
    if lines and lines[0].startswith("extra "):
        extra = unbase64(lines.pop(0)[6:], "proof")
    if not lines or not lines[0].startswith("index ") or not _NUMBER.fullmatch(lines[0][6:]):
        raise Malformed("a proof names its index", where="proof")
    path = tuple(unbase64(line, "proof") for line in lines[1:])
    if len(path) > 63 or any(len(node) != 32 for node in path):
        raise Malformed("a path has at most 63 hashes of 32 bytes", where="proof")
    return Proof(int(lines[0][6:]), path, note, extra)


def unbase64(text: str, where: str) -> bytes:
    """Standard base64 with padding, in its one spelling."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise Malformed("not base64", where=where) from None
    if base64.b64encode(raw).decode() != text:
        raise Malformed("not the one spelling of base64", where=where)
    return raw


def _signature(line: str) -> tuple[str, bytes, bytes]:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "—" or not _NAME.fullmatch(parts[1]):
        raise Malformed("a signature line reads — name base64", where="checkpoint")
    raw = unbase64(parts[2], "checkpoint")
    if len(raw) < 5:
        raise Malformed("a signature begins with its key's id", where="checkpoint")
    return parts[1], raw[:4], raw[4:]


def _check(key: Key, message: bytes, signature: bytes) -> None:
    if key.kind == COSIGNATURE:
        time, signature = signature[:8], signature[8:]
        message = b"cosignature/v1\ntime %d\n" % int.from_bytes(time) + message
    try:
        key.public.verify(signature, message)
    except InvalidSignature:
        raise BadSignature("the signature does not hold", where=f"checkpoint, key {key.name}") from None
