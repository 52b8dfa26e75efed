"""No DEK outlives the list it was unwrapped for, as far as Python lets one look.

Looked at is everything the garbage collector and the threads' frames reach: bytes, bytearrays and strings
that are a DEK or hold one in base64 or hex. Freed memory and what OpenSSL keeps are out of reach: Python
wipes nothing, and nothing here says it does.
"""

import gc
import re
import sys
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256

import pytest

from keys.transit import Transit
from tests.plugins.service import Founder
from tests.plugins.waiting import until

TEXTS = (str, bytes, bytearray)
_BASE64, _HEX = re.compile(rb"[A-Za-z0-9+/]{43}="), re.compile(rb"[0-9a-f]{64}")


def digests(dek: bytes) -> set[bytes]:
    """How a DEK is recognised without being held."""
    return {sha256(spelling).digest() for spelling in (dek, dek.hex().encode(), b64encode(dek))}


def reachable() -> Iterator[object]:
    """Every object a live container or frame refers to."""
    seen: set[int] = set()
    waiting: list[object] = [*gc.get_objects(), *sys._current_frames().values()]
    while waiting:
        one = waiting.pop()
        if id(one) not in seen:
            seen.add(id(one))
            yield one
            if gc.is_tracked(one):
                waiting.extend(gc.get_referents(one))


def spelt(one: object) -> Iterator[bytes]:
    """What in an object could be a DEK."""
    if isinstance(one, str) and len(one) >= 44 and one.isascii():
        raw = one.encode()
    elif isinstance(one, bytes | bytearray) and len(one) >= 32:
        raw = bytes(one)
    else:
        return
    if len(raw) == 32:
        yield raw
    yield from _BASE64.findall(raw)
    yield from _HEX.findall(raw)


def held(wanted: set[bytes]) -> int:
    """How many times one of these DEKs is held by a live object."""
    gc.collect()
    texts = (one for one in reachable() if issubclass(type(one), TEXTS))
    return sum(sha256(found).digest() in wanted for one in texts for found in spelt(one))


async def test_no_dek_outlives_its_list(found_world: Founder, monkeypatch: pytest.MonkeyPatch):
    """Once a list is answered no object of the process holds one of its DEKs, pooled or unwrapped."""
    world = await found_world("sqlite")
    made = await world.tokenize([("person_name", f"Asha Rao {chr(65 + n)}") for n in range(10)])
    tokens = [item["token"] for item in made.json()["items"]]
    known: set[bytes] = set()
    kept: list[bytes] = []
    unwrap = Transit.unwrap

    async def watched(self: Transit, *asked: object, **more: object) -> object:
        opened = await unwrap(self, *asked, **more)
        known.update(*(digests(dek) for dek in opened))
        kept.extend(opened)
        return opened

    monkeypatch.setattr(Transit, "unwrap", watched)
    answer = await world.detokenize(tokens)
    assert len(answer.json()["items"]) == 10
    assert len(known) == 30
    assert held(known) >= 10  # the search finds what the test itself kept
    kept.clear()
    await until(lambda: held(known) == 0, seconds=20)
