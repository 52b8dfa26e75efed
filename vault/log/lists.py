"""Signed lists: a worker puts its own signature under every list of entries it commits.

So a writer of the database can neither invent an event nor rewrite the tail that no tree covers yet, and
a receipt cannot be denied later. The worker's key lives as long as its process and is endorsed, once, by
the key server's key of its plane, `worker-<plane>`. Bytes: docs/FORMATS.md §5. Pure but for the key it holds.
"""

from binascii import b2a_base64
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keys.envelope import bind
from vault.log.event import Event

GENESIS = bytes(32)
_LIST_DOMAIN = b"strongroom/list/v1\x00"
_WORKER_DOMAIN = b"strongroom/worker/v1\x00"
_TO_URLSAFE = bytes.maketrans(b"+/", b"-_")


@dataclass(frozen=True, slots=True)
class Heading:
    """What a list signature covers, beside the entries."""

    tenant: str
    list_id: bytes
    worker_id: bytes
    chain: bytes
    seq: int
    previous: bytes
    """SHA-256 of the previous signed message of this chain; 32 zero bytes for the first."""


@dataclass(frozen=True, slots=True)
class SignedList:
    """A list of events under one signature."""

    heading: Heading
    events: tuple[Event, ...]
    message: bytes
    signature: bytes

    def receipt(self, event: Event) -> str:
        """What the caller keeps: enough to demand the event from us later."""
        raw = b"\x01" + event.event_id + event.commitment + self.heading.list_id + self.signature
        return "rcp_" + b2a_base64(raw, newline=False).translate(_TO_URLSAFE).decode()  # 43 × 3 bytes


def list_message(heading: Heading, entries: Sequence[bytes]) -> bytes:
    """The bytes a worker signs."""
    return _LIST_DOMAIN + bind(
        [
            heading.tenant,
            heading.list_id,
            heading.worker_id,
            heading.chain,
            heading.seq.to_bytes(8),
            heading.previous,
            len(entries).to_bytes(4),
            sha256(b"".join(entries)).digest(),
        ]
    )


class WorkerKey:
    """One process's signing key, and what the key server must sign to endorse it."""

    def __init__(self, plane: str, worker_id: bytes, started_at: int) -> None:
        self.plane = plane
        self.worker_id = worker_id
        self.started_at = started_at
        self._key = Ed25519PrivateKey.generate()
        self.public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def endorsement_message(self) -> bytes:
        """The bytes the key `worker-<plane>` signs."""
        return endorsement_message(self.plane, self.worker_id, self.public, self.started_at)

    def sign(self, heading: Heading, events: Sequence[Event]) -> SignedList:
        """Sign one list of events."""
        message = list_message(heading, [event.entry for event in events])
        return SignedList(heading, tuple(events), message, self._key.sign(message))


def endorsement_message(plane: str, worker_id: bytes, public: bytes, started_at: int) -> bytes:
    """What ties a worker's public key to its plane and its start."""
    return _WORKER_DOMAIN + bind([plane, worker_id, public, started_at.to_bytes(8)])


def signed_by(public: bytes, *, message: bytes, signature: bytes) -> bool:
    """Whether an Ed25519 signature holds."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
