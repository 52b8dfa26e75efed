"""Bodies of events: canonical JSON in its one spelling, and the same identity as the entry they belong to.

Nearly all bodies share a few shapes (the same members, flat), so a shape that was checked the long way
becomes a pattern that accepts exactly the canonical spellings of that shape: several times faster.
"""

import json
import re
from collections.abc import Mapping

_ALPHABET = b"0123456789abcdefghjkmnpqrstvwxyz"
_TO_INT = bytes.maketrans(_ALPHABET, b"0123456789abcdefghijklmnopqrstuv")
_TEXT = rb'"[^"\\\x00-\x1f\x80-\xff]*+"'
_KEPT = rb'"([^"\\\x00-\x1f\x80-\xff]*+)"'
_EVENT_ID = rb'"evt_([0-9a-hjkmnp-tv-z]{26})"'
_INTEGER = rb"(?:0|-?[1-9][0-9]{0,14}+)"
_NAME = re.compile(r"[a-z0-9_]{1,64}", re.ASCII)
_IDENTITY = ("batch", "event_id", "tenant", "verb", "worker")
_MOST_SHAPES = 256
_LARGEST = 2**53 - 1
_DEEPEST = 16
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)

Identity = tuple[bytes, bytes, bytes, bytes, bytes]
"""What a body says of itself: list, event id without `evt_`, tenant, verb, worker."""


def show_id(prefix: str, raw: bytes) -> str:
    """An identifier as people see it: `evt_…`, `lst_…`."""
    number = int.from_bytes(raw)
    return f"{prefix}_" + "".join(chr(_ALPHABET[number >> bit & 31]) for bit in range(125, -1, -5))


def read_id(prefix: str, text: str) -> bytes:
    """Read what `show_id` wrote. Raises: ValueError."""
    if not re.fullmatch(prefix + "_[0-7][0-9a-hjkmnp-tv-z]{25}", text, re.ASCII):
        raise ValueError(f"not an identifier of the kind {prefix}_…")
    return int(text[-26:].encode().translate(_TO_INT), 32).to_bytes(16)


def same_id(shown: bytes, raw: bytes) -> bool:
    """Whether 26 characters of Crockford's base 32 are these 16 bytes."""
    return int(shown.translate(_TO_INT), 32) == int.from_bytes(raw)


def parse(body: bytes) -> dict[str, object]:
    """The members of a canonical body, the long way. Raises: ValueError on any other spelling."""
    try:
        members = json.loads(body.decode(), parse_float=_refuse, parse_constant=_refuse)
        again = _ENCODER.encode(members).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if again != body:  # also catches repeated names: the decoder keeps one of them
        raise ValueError("not the canonical spelling")
    if not isinstance(members, dict) or not _plain(members, _DEEPEST):
        raise ValueError("a body is one object of texts, integers, lists and objects")
    return members


class Shapes:
    """Reads the identity of bodies, and learns their shapes on the way."""

    def __init__(self) -> None:
        self._patterns: dict[tuple[str, ...], re.Pattern[bytes]] = {}
        self._last: re.Pattern[bytes] = re.compile(rb"(?!)")

    def identity(self, body: bytes) -> Identity:
        """What a canonical body says of itself. Raises: ValueError when it does not, or is not canonical."""
        found = self._last.fullmatch(body)
        if found is None:
            found = self._other(body)
        if found is not None:
            return found.groups()  # type: ignore[return-value]  # each pattern has the five groups
        return self._long_way(body)

    def _other(self, body: bytes) -> re.Match[bytes] | None:
        for pattern in self._patterns.values():
            found = pattern.fullmatch(body)
            if found is not None:
                self._last = pattern
                return found
        return None

    def _long_way(self, body: bytes) -> Identity:
        members = parse(body)
        texts = [value.encode() for value in map(members.get, _IDENTITY) if isinstance(value, str)]
        if len(texts) != 5 or not re.fullmatch(rb"evt_[0-9a-hjkmnp-tv-z]{26}", texts[1]):
            raise ValueError(f"a body has {', '.join(_IDENTITY)}")
        self._learn(members)
        return texts[0], texts[1][4:], texts[2], texts[3], texts[4]

    def _learn(self, members: Mapping[str, object]) -> None:
        """Keep the pattern of a flat shape; others are read the long way each time."""
        shape = tuple(members)
        flat = all(isinstance(value, str | int) and not isinstance(value, bool) for value in members.values())
        if flat and len(self._patterns) < _MOST_SHAPES and all(map(_NAME.fullmatch, shape)):
            inside = b",".join(b'"%s":%s' % (name.encode(), _value(name, members[name])) for name in shape)
            self._patterns[shape] = re.compile(rb"\{" + inside + rb"\}")


def _value(name: str, example: object) -> bytes:
    if name == "event_id":
        return _EVENT_ID
    if name in _IDENTITY:
        return _KEPT
    return _INTEGER if isinstance(example, int) else _TEXT


def _plain(value: object, depth: int) -> bool:
    """Whether only what canonical JSON has here occurs, not nested beyond `depth`."""
    if isinstance(value, dict):
        return depth > 0 and all(n.isascii() and _plain(v, depth - 1) for n, v in value.items())
    if isinstance(value, list):
        return depth > 0 and all(_plain(item, depth - 1) for item in value)
    return not isinstance(value, int) or -_LARGEST <= value <= _LARGEST


def _refuse(_number: str) -> object:
    raise ValueError("numbers are integers")
