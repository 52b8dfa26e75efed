"""Tokens: the public names of records. Derived from nothing; see docs/FORMATS.md §1.

tok_<type>_<26 random characters><2 check characters>
"""

import re

import msgspec

from vault.model import crockford

RANDOM_BYTES = 17
"""Randomness `mint` wants: 17 bytes, of which it keeps 130 bits."""
_BODY = 26
_PRIME = 1021  # the largest prime below 32², so that a check fits two characters
# Each position weighs ten times its right neighbour; 10 is a primitive root of 1021: no two weigh the same.
_DIGITS = [(place, bytes(48 + code // place % 10 for code in range(256))) for place in (1, 10, 100)]
"""The units, tens and hundreds of each character's code, as digits."""
_FORM = re.compile(r"tok_([a-z0-9_]{1,32})_([0-9a-hjkmnp-tv-z]{28})", re.ASCII)


class MalformedToken(ValueError):
    """The text is not a token. Never carries the text: a caller may have sent a value by mistake."""

    def __init__(self) -> None:
        super().__init__("not a token")


class Token(msgspec.Struct, frozen=True):
    """A token whose form and check characters hold."""

    text: str
    field_type: str

    def __str__(self) -> str:
        return self.text


def mint(field_type: str, random: bytes) -> str:
    """Make a token for `field_type` from `RANDOM_BYTES` bytes of a cryptographic source."""
    if len(random) != RANDOM_BYTES:
        raise ValueError(f"wants {RANDOM_BYTES} random bytes")
    body = crockford.encode(int.from_bytes(random) >> 6, length=_BODY)
    text = f"tok_{field_type}_{body}"
    return text + _check(text)


def parse(text: str) -> Token:
    """Read a token. Raises: MalformedToken for anything that `mint` could not have written."""
    form = _FORM.fullmatch(text)
    if form is None or _check(text[:-2]) != text[-2:]:
        raise MalformedToken
    return Token(text, form[1])


def _check(text: str) -> str:
    """Two characters that catch any single wrong character and any swap of neighbours."""
    codes = text.encode("ascii")
    # Codes summed with powers of ten as their weights: the numbers that their digits write, summed.
    total = sum(place * int(codes.translate(digits)) for place, digits in _DIGITS)
    return crockford.PAIRS[total % _PRIME]
