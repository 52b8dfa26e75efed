"""`Secret`: the one wrapper plaintext wears between the edge and the wall."""

from typing import Generic, NoReturn, TypeVar

T = TypeVar("T")


class Secret(Generic[T]):
    """Hold a value that must not be printed, compared, hashed, pickled or serialised by accident.

    `reveal()` is the only way out, so a search for it finds every place plaintext can escape.
    """

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        self._value = value

    def reveal(self) -> T:
        """Return the plaintext. Each call site is a place to review."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> NoReturn:
        raise TypeError("a Secret does not compare; use hmac.compare_digest on what reveal() returns")

    __hash__ = None  # type: ignore[assignment]  # unhashable on purpose: no dict keys, no sets, no caches

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret does not pickle or copy")

    def __iter__(self) -> NoReturn:
        raise TypeError("a Secret does not iterate")
