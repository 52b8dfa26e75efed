"""Canonical JSON (RFC 8785 without fractions): one spelling per value, fit to be signed and hashed. Pure."""

import json
from typing import NoReturn

DEEPEST = 16


class NotCanonical(ValueError):
    """The bytes are not the one spelling of a value. Never carries the bytes."""

    def __init__(self) -> None:
        super().__init__("not canonical JSON")


def dump(value: object) -> bytes:
    """Write strings, integers, booleans, null, lists and objects with ASCII keys; keys sorted, no spaces."""
    return json.dumps(
        value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
    ).encode()


def load(data: bytes) -> object:
    """Read what `dump` wrote. Raises: NotCanonical for every other spelling, repeated keys included."""
    try:
        value = json.loads(data.decode(), parse_float=_refuse, parse_constant=_refuse)
        canonical = _depth(value) <= DEEPEST and dump(value) == data
    except (ValueError, RecursionError):
        raise NotCanonical from None
    if not canonical:
        raise NotCanonical
    return value


def _refuse(_: str) -> NoReturn:
    raise NotCanonical


def _depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0
