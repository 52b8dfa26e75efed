"""Crockford's base 32, lower case: the alphabet of tokens and identifiers (no i, l, o, u)."""

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
VALUES = {char: value for value, char in enumerate(ALPHABET)}
PAIRS = [first + second for first in ALPHABET for second in ALPHABET]
"""How each number below 1,024 is written in two characters."""


def encode(number: int, *, length: int) -> str:
    """Write `number` in exactly `length` characters, most significant first."""
    if number < 0 or number >> (5 * length):
        raise ValueError("number does not fit")
    # Two characters at a time, because every identifier and token is written here.
    pairs = [PAIRS[number >> shift & 1023] for shift in range(5 * (length - 2), -1, -10)]
    return "".join([*pairs, ALPHABET[number & 31]] if length % 2 else pairs)


def decode(text: str) -> int:
    """Read what `encode` wrote. Raises: ValueError on any other character (one spelling only)."""
    number = 0
    for char in text:
        value = VALUES.get(char)
        if value is None:
            raise ValueError("not a Crockford character")
        number = number << 5 | value
    return number
