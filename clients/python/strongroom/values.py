"""`Value`: what an opened value wears, so that it reaches no log, cache or error report by accident."""

import json
from collections.abc import Mapping
from typing import NoReturn, TypeAlias

from strongroom.errors import Misused

Plain: TypeAlias = str | dict[str, str]
"""A value in the clear: text, or the parts of a composite type such as `bank_account`."""


class Value:
    """Hold a value that does not print, compare, hash, copy, pickle or serialise; `reveal()` lets it out.

    >>> value = Value("50100012345678")
    >>> print(value, f"{value}", [value])
    *** *** [Value(***)]
    >>> value.reveal()
    '50100012345678'

    What you send may wear it too: `vault.tokenize("cust-1", {"pan": Value(form["pan"])})`.
    """

    __slots__ = ("_plain",)

    def __init__(self, plain: Plain) -> None:
        self._plain = plain

    def reveal(self) -> Plain:
        """The value in the clear. Each call is a place to review."""
        return self._plain

    def reveal_text(self) -> str:
        """The value of a type that is one text. Raises: Misused for a composite."""
        if not isinstance(self._plain, str):
            raise Misused("not_text", "This value has parts; use reveal_parts().")
        return self._plain

    def reveal_parts(self) -> dict[str, str]:
        """The parts of a composite value, by name. Raises: Misused for a single text."""
        if isinstance(self._plain, str):
            raise Misused("not_parts", "This value is one text; use reveal_text().")
        return self._plain

    def __repr__(self) -> str:
        return "Value(***)"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> NoReturn:
        raise TypeError("a Value does not compare; compare what reveal() returns")

    __hash__ = None  # type: ignore[assignment]  # unhashable on purpose: no dict keys, no sets, no caches

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Value does not pickle or copy")

    def __iter__(self) -> NoReturn:
        raise TypeError("a Value does not iterate")


Given: TypeAlias = Value | str | Mapping[str, "str | Value"]
"""What may be handed to the vault: text, parts, or either of them already wrapped."""


def encode(body: object) -> bytes:
    """A request body, or part of one, as JSON. Raises: Misused, which unlike json's errors quotes nothing."""
    try:
        return json.dumps(body, default=_unwrap, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        fault = Misused("not_json", "A value is text, or an object of texts.")
    # Raised outside the handler: UnicodeEncodeError holds the whole body, and would ride along as context.
    raise fault


def _unwrap(item: object) -> object:
    if isinstance(item, Value):
        return item.reveal()
    if isinstance(item, Mapping):
        return dict(item)
    raise TypeError
