"""Documents of a case: JSON objects in one spelling, so that a decision can be named by its hash. Pure."""

from collections.abc import Callable, Mapping
from datetime import date
from hashlib import sha256
from typing import TypeVar

from vault.model import canonical

LARGEST = 8_000_000
_BIGGEST = 2**53 - 1

Document = Mapping[str, object]
T = TypeVar("T")


class BadDocument(ValueError):
    """The document is not one. `rule` says why and names no value."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


def write(document: Document) -> bytes:
    """The document as canonical JSON: what is stored and hashed. Raises: BadDocument."""
    try:
        raw = canonical.dump(document)
        same = canonical.load(raw) == document
    except (TypeError, ValueError, RecursionError):
        raise BadDocument("a document is an object of texts, integers, lists and objects") from None
    if not same or not isinstance(document, dict) or not _plain(document):
        raise BadDocument("a document is an object of texts, integers, lists and objects")
    if len(raw) > LARGEST:
        raise BadDocument(f"a document has at most {LARGEST} bytes")
    return raw


def digest(document: Document) -> str:
    """SHA-256 (hex) of the canonical JSON: how a release names what it releases. Raises: BadDocument."""
    return sha256(write(document)).hexdigest()


def members(value: object, names: set[str]) -> dict[str, object]:
    """`value` as an object with exactly these members. Raises: BadDocument."""
    if not isinstance(value, dict) or set(value) != names:
        raise BadDocument(f"an object with the members {', '.join(sorted(names))}")
    return value


def rows(value: object) -> list[object]:
    """`value` as a list. Raises: BadDocument."""
    if not isinstance(value, list):
        raise BadDocument("a list")
    return value


def text(value: object) -> str:
    """`value` as a text. Raises: BadDocument."""
    if not isinstance(value, str):
        raise BadDocument("a text")
    return value


def flag(value: object) -> bool:
    """`value` as true or false. Raises: BadDocument."""
    if not isinstance(value, bool):
        raise BadDocument("true or false")
    return value


def day(value: object) -> date:
    """`value` as a date, written YYYY-MM-DD. Raises: BadDocument."""
    try:
        found = date.fromisoformat(text(value))
    except ValueError:
        raise BadDocument("a date reads YYYY-MM-DD") from None
    if found.isoformat() != value:
        raise BadDocument("a date reads YYYY-MM-DD")
    return found


def maybe(read: Callable[[object], T], value: object) -> T | None:
    """`value` as `read` reads it, or null. Raises: BadDocument."""
    return None if value is None else read(value)


def _plain(value: object) -> bool:
    """Names are ASCII and integers are such as every reader of JSON keeps whole."""
    if isinstance(value, dict):
        return all(name.isascii() and _plain(one) for name, one in value.items())
    if isinstance(value, list):
        return all(map(_plain, value))
    return not isinstance(value, int) or abs(value) <= _BIGGEST
