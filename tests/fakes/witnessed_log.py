"""A log that asks witnesses for cosignatures, written from RFC 6962 and docs/FORMATS.md alone. It can lie."""

import base64
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


def encode(raw):
    return base64.b64encode(raw).decode()


def hash_of(leaves):
    """MTH, RFC 6962 §2.1."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0]).digest()
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1" + hash_of(leaves[:half]) + hash_of(leaves[half:])).digest()


def subproof(old, leaves, *, whole):
    """SUBPROOF, RFC 6962 §2.1.2."""
    if old == len(leaves):
        return [] if whole else [hash_of(leaves)]
    half = 1 << (len(leaves) - 1).bit_length() - 1
    if old <= half:
        return [*subproof(old, leaves[:half], whole=whole), hash_of(leaves[half:])]
    return [*subproof(old - half, leaves[half:], whole=False), hash_of(leaves[:half])]


@dataclass
class WitnessedLog:
    """A log of `leaves` leaves under one key."""

    origin: str = "log.example/acme"
    size: int = 0
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    leaves: list = field(default_factory=list)

    def __post_init__(self):
        self.leaves = self.leaves or [b"leaf %d" % i for i in range(self.size)]

    @property
    def vkey(self):
        kind = b"\1" + self.key.public_key().public_bytes_raw()
        return f"{self.origin}+{self.key_id.hex()}+{encode(kind)}"

    @property
    def key_id(self):
        public = self.key.public_key().public_bytes_raw()
        return sha256(self.origin.encode() + b"\n\1" + public).digest()[:4]

    def forked(self, at):
        """The same log with another history from leaf `at` on."""
        other = [*self.leaves[:at], *(b"other %d" % i for i in range(at, len(self.leaves)))]
        return WitnessedLog(self.origin, len(other), self.key, other)

    def text(self, size):
        return f"{self.origin}\n{size}\n{encode(hash_of(self.leaves[:size]))}\n"

    def sign(self, text):
        return f"{text}\n\u2014 {self.origin} {encode(self.key_id + self.key.sign(text.encode()))}\n"

    def note(self, size):
        """The signed checkpoint."""
        return self.sign(self.text(size))

    def path(self, old, size):
        """PROOF, RFC 6962 §2.1.2."""
        return subproof(old, self.leaves[:size], whole=True) if 0 < old < size else []

    def submission(self, old, size):
        """The body of add-checkpoint."""
        lines = "".join(encode(one) + "\n" for one in self.path(old, size))
        return f"old {old}\n{lines}\n{self.note(size)}".encode()


def cosigned_at(vkey, text, lines):
    """The time of `vkey`'s cosignature among `lines`, as docs/FORMATS.md says to verify it; else an error."""
    name, key_id, encoded = vkey.split("+", 2)
    kind = base64.b64decode(encoded)
    assert kind[:1] == b"\4"
    assert sha256(name.encode() + b"\n" + kind).digest()[:4].hex() == key_id
    (line,) = [one for one in lines.splitlines() if one.startswith(f"\u2014 {name} ")]
    raw = base64.b64decode(line.rpartition(" ")[2])
    assert (raw[:4].hex(), len(raw)) == (key_id, 4 + 8 + 64)
    time = int.from_bytes(raw[4:12], "big")
    message = f"cosignature/v1\ntime {time}\n{text}".encode()
    Ed25519PublicKey.from_public_bytes(kind[1:]).verify(raw[12:], message)
    return time
