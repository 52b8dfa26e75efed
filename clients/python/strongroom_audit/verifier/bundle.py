"""Bundles of events as the log gives them out (docs/FORMATS.md): workers, lists, events with their bodies."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

from strongroom_audit.faults import Malformed

_COUNT = Struct(">I")
_WORKER_HEAD = Struct(">16sB")
_WORKER_TAIL = Struct(">32sQI64s")
_LIST = Struct(">16s16s16sQ32sI64s")
_EVENT = Struct(">Q16s16sI32sI")
_WITHHELD = 0xFFFFFFFF
_GONE = 0xFFFFFFFE

Event = tuple[int, bytes, bytes, int, bytes, bytes | None]
"""Index, event id, list id, position, salt, body. No body where it is withheld from this reader; where the
vault has it no more, the salt is empty too."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A process that signed lists, and the endorsement of its key."""

    id: bytes
    plane: str
    public: bytes
    started_at: int
    key_version: int
    endorsement: bytes


@dataclass(frozen=True, slots=True)
class Heading:
    """What a list's signature covers beside its entries, and the signature."""

    id: bytes
    worker_id: bytes
    chain: bytes
    seq: int
    previous: bytes
    size: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class Bundle:
    """One bundle. `count` events begin at `start` of `raw`."""

    workers: dict[bytes, Worker]
    lists: dict[bytes, Heading]
    count: int
    raw: bytes
    start: int

    def events(self) -> Iterator[Event]:
        """The events in order. Raises: Malformed where the bytes end early, or go on too long."""
        raw, at, unpack, head = self.raw, self.start, _EVENT.unpack_from, _EVENT.size
        for _ in range(self.count):
            try:
                index, event_id, list_id, position, salt, length = unpack(raw, at)
            except struct.error:
                raise _malformed(at) from None
            at += head
            if length == _WITHHELD:
                yield index, event_id, list_id, position, salt, None
                continue
            if length == _GONE:
                yield index, event_id, list_id, position, b"", None
                continue
            body = raw[at : at + length]
            if len(body) != length:
                raise _malformed(at)
            at += length
            yield index, event_id, list_id, position, salt, body
        if at != len(raw):
            raise _malformed(at)


def read_bundle(raw: bytes) -> Bundle:
    """Read a bundle up to its events. Raises: Malformed."""
    if raw[:1] != b"\x01":
        raise Malformed("not a bundle of version 1", where="bundle")
    try:
        workers, at = _workers(raw, 1)
        lists, at = _lists(raw, at)
        (count,) = _COUNT.unpack_from(raw, at)
    except (struct.error, UnicodeDecodeError):
        raise _malformed(len(raw)) from None
    return Bundle(workers, lists, count, raw, at + _COUNT.size)


def _workers(raw: bytes, at: int) -> tuple[dict[bytes, Worker], int]:
    (count,) = _COUNT.unpack_from(raw, at)
    at += _COUNT.size
    workers: dict[bytes, Worker] = {}
    for _ in range(count):
        worker_id, length = _WORKER_HEAD.unpack_from(raw, at)
        at += _WORKER_HEAD.size
        plane = raw[at : at + length].decode()
        at += length
        if worker_id in workers:
            raise _malformed(at)
        workers[worker_id] = Worker(worker_id, plane, *_WORKER_TAIL.unpack_from(raw, at))
        at += _WORKER_TAIL.size
    return workers, at


def _lists(raw: bytes, at: int) -> tuple[dict[bytes, Heading], int]:
    (count,) = _COUNT.unpack_from(raw, at)
    at += _COUNT.size
    lists: dict[bytes, Heading] = {}
    for _ in range(count):
        heading = Heading(*_LIST.unpack_from(raw, at))
        at += _LIST.size
        if heading.id in lists:
            raise _malformed(at)
        lists[heading.id] = heading
    return lists, at


def _malformed(at: int) -> Malformed:
    return Malformed(f"the bundle cannot be read beyond byte {at}", where="bundle")
