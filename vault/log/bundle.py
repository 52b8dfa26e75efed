"""Bundles of event bodies, as auditors mirror them. Bytes: docs/FORMATS.md §14. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

VERSION = b"\x01"
WITHHELD = (0xFFFFFFFF).to_bytes(4)
"""In place of a body's length: it is not for this reader."""
GONE = (0xFFFFFFFE).to_bytes(4)
"""The same: there is no such event any more. Nothing may be gone before its retention is over."""


@dataclass(frozen=True, slots=True)
class BundledWorker:
    """Who signed lists, and the endorsement."""

    worker_id: bytes
    plane: str
    public_key: bytes
    started_at: int
    key_version: int
    endorsement: bytes

    @property
    def raw(self) -> bytes:
        """As it stands in a bundle."""
        plane = self.plane.encode()
        return (
            self.worker_id
            + len(plane).to_bytes(1)
            + plane
            + self.public_key
            + self.started_at.to_bytes(8)
            + self.key_version.to_bytes(4)
            + self.endorsement
        )


@dataclass(frozen=True, slots=True)
class BundledList:
    """A signed list without its entries."""

    list_id: bytes
    worker_id: bytes
    chain: bytes
    seq: int
    previous: bytes
    size: int
    signature: bytes

    @property
    def raw(self) -> bytes:
        """As it stands in a bundle."""
        head = self.list_id + self.worker_id + self.chain + self.seq.to_bytes(8) + self.previous
        return head + self.size.to_bytes(4) + self.signature


@dataclass(frozen=True, slots=True)
class BundledEvent:
    """An event with its place; `body` None when it is withheld or gone, and its salt with it."""

    index: int
    event_id: bytes
    list_id: bytes
    position: int
    salt: bytes | None
    body: bytes | None
    gone: bool = False

    @property
    def raw(self) -> bytes:
        """As it stands in a bundle."""
        place = self.index.to_bytes(8) + self.event_id + self.list_id + self.position.to_bytes(4)
        if self.body is None or self.salt is None:
            return place + bytes(32) + (GONE if self.gone else WITHHELD)
        return place + self.salt + len(self.body).to_bytes(4) + self.body


def write_bundle(
    workers: Sequence[BundledWorker], lists: Sequence[BundledList], events: Sequence[BundledEvent]
) -> bytes:
    """The whole bundle: each part behind its count."""
    parts: list[bytes] = [VERSION]
    for some in (workers, lists, events):
        parts += [len(some).to_bytes(4), *(one.raw for one in some)]
    return b"".join(parts)
