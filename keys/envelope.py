"""The sealed record, format v1 (docs/FORMATS.md §2): AES-256-GCM with key commitment. Pure.

01 | alg 01 | dek_id 16 | nonce 12 | commitment 32 | ciphertext | tag 16
"""

import hmac
from collections.abc import Sequence
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keys.errors import EnvelopeError

DEK_BYTES = 32
DEK_ID_BYTES = 16
NONCE_BYTES = 12
OVERHEAD = 2 + DEK_ID_BYTES + NONCE_BYTES + 32 + 16
_VERSION_AND_ALGORITHM = b"\x01\x01"


def bind(parts: Sequence[str | bytes]) -> bytes:
    """Join parts so that no two different lists give the same bytes: each behind its 4-byte length."""
    bound: list[bytes] = []
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        bound += (len(raw).to_bytes(4), raw)
    return b"".join(bound)


def seal(plaintext: bytes, *, dek: bytes, dek_id: bytes, nonce: bytes, aad: bytes) -> bytes:
    """Seal one value under a DEK that seals nothing else. `nonce` is 12 fresh random bytes."""
    if len(dek) != DEK_BYTES or len(dek_id) != DEK_ID_BYTES or len(nonce) != NONCE_BYTES:
        raise EnvelopeError("wrong length")
    key, commitment = _derive(dek, aad)
    head = _VERSION_AND_ALGORITHM + dek_id + nonce + commitment
    return head + AESGCM(key).encrypt(nonce, plaintext, aad)


def dek_id_of(sealed: bytes) -> bytes:
    """The DEK a sealed record needs. Raises: EnvelopeError when it is not a v1 record."""
    if len(sealed) < OVERHEAD or sealed[:2] != _VERSION_AND_ALGORITHM:
        raise EnvelopeError("not a v1 record")
    return sealed[2:18]


def open_sealed(sealed: bytes, *, dek: bytes, aad: bytes) -> bytes:
    """Open a record in its own place. Raises: EnvelopeError when anything about it was changed."""
    dek_id_of(sealed)
    if len(dek) != DEK_BYTES:
        raise EnvelopeError("wrong length")
    key, commitment = _derive(dek, aad)
    if not hmac.compare_digest(commitment, sealed[30:62]):
        raise EnvelopeError("commitment")
    try:
        return AESGCM(key).decrypt(sealed[18:30], sealed[62:], aad)
    except InvalidTag:
        raise EnvelopeError("tag") from None


def committed(sealed: bytes, *, dek: bytes, aad: bytes) -> bool:
    """Whether a record was sealed under this DEK for this place. Opens nothing. Raises: EnvelopeError."""
    dek_id_of(sealed)
    return hmac.compare_digest(_derive(dek, aad)[1], sealed[30:62])


def _derive(dek: bytes, aad: bytes) -> tuple[bytes, bytes]:
    """(encryption key, commitment): GCM alone does not commit to its key, so the record does."""
    place = sha256(aad).digest()
    key = hmac.digest(dek, b"strongroom/v1/enc" + place, "sha256")
    return key, hmac.digest(dek, b"strongroom/v1/com" + place, "sha256")
