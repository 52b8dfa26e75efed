"""The witness's key and what it signs: C2SP `cosignature/v1` with Ed25519. Pure but for the key's making."""

import base64
import re
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from strongroom_audit.verifier.notes import COSIGNATURE, unbase64

from strongroom_witness.faults import Malformed

_NAME = re.compile(r"[a-z0-9][a-z0-9./:_-]{0,126}", re.ASCII)
_PRIVATE = "PRIVATE+KEY"


@dataclass(frozen=True, slots=True)
class Cosigner:
    """A name and the Ed25519 key it signs with."""

    name: str
    private: Ed25519PrivateKey = field(repr=False)

    @property
    def public(self) -> bytes:
        """32 bytes."""
        return self.private.public_key().public_bytes_raw()

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell keys of one name apart, and cosignatures from other signatures."""
        return sha256(self.name.encode() + b"\n" + bytes([COSIGNATURE]) + self.public).digest()[:4]

    @property
    def vkey(self) -> str:
        """What logs and auditors are configured with."""
        return f"{self.name}+{self.key_id.hex()}+{_encode(bytes([COSIGNATURE]) + self.public)}"

    @property
    def text(self) -> str:
        """The private key as it is kept, `PRIVATE+KEY+name+id+base64(kind | seed)`."""
        seed = _encode(bytes([COSIGNATURE]) + self.private.private_bytes_raw())
        return f"{_PRIVATE}+{self.name}+{self.key_id.hex()}+{seed}"

    def line(self, text: str, *, time: int) -> str:
        """The signature line for a checkpoint's text, `time` in seconds since 1970."""
        signature = self.private.sign(f"cosignature/v1\ntime {time}\n{text}".encode())
        return f"\u2014 {self.name} {_encode(self.key_id + time.to_bytes(8) + signature)}\n"


def new_cosigner(name: str) -> Cosigner:
    """A cosigner with a new key. Raises: Malformed for a name that is none."""
    if _NAME.fullmatch(name) is None:
        raise Malformed("is like witness.example/w1: lower case letters, digits and ./:_-", where="name")
    return Cosigner(name, Ed25519PrivateKey.generate())


def read_cosigner(text: str) -> Cosigner:
    """Read what `Cosigner.text` wrote. Raises: Malformed, which quotes none of it."""
    parts = text.split("+", 4)
    if len(parts) != 5 or "+".join(parts[:2]) != _PRIVATE or _NAME.fullmatch(parts[2]) is None:
        raise Malformed("not a private key of a witness", where="key")
    raw = unbase64(parts[4], "key")
    if len(raw) != 33 or raw[0] != COSIGNATURE:
        raise Malformed("not a private key of a witness", where="key")
    cosigner = Cosigner(parts[2], Ed25519PrivateKey.from_private_bytes(raw[1:]))
    if cosigner.key_id.hex() != parts[3]:
        raise Malformed("its id does not belong to its name and key", where="key")
    return cosigner


def _encode(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
