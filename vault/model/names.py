"""The shapes of what callers name: tenants, subjects, references, credentials; and identifiers we mint."""

import re

from vault.model import crockford
from vault.model.lines import acceptable_line

TENANT = re.compile(r"[a-z0-9_]{1,32}", re.ASCII)
FIELD_TYPE = re.compile(r"[a-z0-9_]{1,32}", re.ASCII)
CREDENTIAL = re.compile(r"[a-z0-9_]{1,32}\.[a-z0-9_-]{1,32}", re.ASCII)
_REFERENCE = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)
_PERSONAL = tuple(
    re.compile(shape, re.ASCII | re.IGNORECASE)
    for shape in (
        r"[a-z]{5}\d{4}[a-z]",  # PAN
        r"\d{2}[a-z]{5}\d{4}[a-z][0-9a-z]z[0-9a-z]",  # GSTIN
        r"[a-z]{4}\d{5}[a-z]",  # TAN
    )
)
_IBAN = re.compile(r"[a-z]{2}\d{2}[a-z0-9]{11,30}", re.ASCII | re.IGNORECASE)
# Each shape above holds this, so what does not is none of them: nearly every reference.
_HINT = re.compile(r"\d{4}[a-z]", re.ASCII | re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_SEPARATORS = re.compile(r"[._:-]")
_BARE = str.maketrans("", "", "._:-")
# Of any script, in groups or not.
_NINE_DIGITS = re.compile(r"\d(?:[ .()_-]{0,2}\d){8}")
_DAY = re.compile(r"(?<!\d)(?:19|20)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?!\d)", re.ASCII)
_ADDRESS = re.compile(r"\S@\S")
_BETWEEN_WORDS = re.compile(r"[^A-Za-z0-9]+")


def acceptable_reference(text: str) -> bool:
    """Whether `text` may stand in a log that cannot be edited.

    The alphabet is strict, and a reference that looks like personal data is refused: nine or more digits
    with nothing but separators around them (phone, account, Aadhaar, card); a PAN, GSTIN or TAN, also behind
    a prefix; an IBAN whose check digits hold. An e-mail or UPI address cannot be written in this alphabet.
    """
    if _REFERENCE.fullmatch(text) is None:
        return False
    bare = text.translate(_BARE)
    if len(bare) >= 9 and bare.isdecimal():
        return False
    if _HINT.search(bare) and _names_somebody(bare, *_SEPARATORS.split(text)):
        return False
    # One UUID in 18 has the shape of an IBAN, and one in 1,700 its check digits too.
    return not _is_iban(bare) or _UUID.fullmatch(text) is not None


def acceptable_reason(text: object) -> bool:
    """Whether `text` is one line of words that may stand in a log that cannot be edited.

    A name cannot be told from any other word; what can be told is refused: nine or more digits that are
    no dates, in groups or not; an e-mail or UPI address; a PAN, GSTIN or TAN; an IBAN whose check digits
    hold.
    """
    if not acceptable_line(text):
        return False
    line = _DAY.sub("day", str(text))
    if _NINE_DIGITS.search(line) or _ADDRESS.search(line):
        return False
    words = _BETWEEN_WORDS.split(line)
    return not any(_is_iban(word) for word in words) and not _names_somebody(*words)


def _names_somebody(*words: str) -> bool:
    """Whether one of the words has the shape of a PAN, GSTIN or TAN."""
    return any(shape.fullmatch(word) for shape in _PERSONAL for word in words)


def _is_iban(bare: str) -> bool:
    """Shape and check digits (ISO 13616: the letters count from 10, the whole is 1 modulo 97)."""
    if _IBAN.fullmatch(bare) is None:
        return False
    return int("".join(str(int(char, 36)) for char in bare[4:] + bare[:4])) % 97 == 1


def time_ordered_id(microseconds: int, random: bytes) -> bytes:
    """Sixteen bytes that sort by time: 7 bytes of microseconds since 1970, then 9 random ones."""
    if len(random) != 9:
        raise ValueError("wants 9 random bytes")
    return microseconds.to_bytes(7) + random


def show_id(prefix: str, raw: bytes) -> str:
    """`evt_…`, `lst_…`: an identifier as people and programs see it; 26 characters after the prefix."""
    return f"{prefix}_{crockford.encode(int.from_bytes(raw), length=26)}"


def read_id(prefix: str, text: str) -> bytes:
    """Read what `show_id` wrote. Raises: ValueError."""
    head, _, body = text.partition("_")
    if head != prefix or len(body) != 26:
        raise ValueError(f"not an identifier of the kind {prefix}_…")
    number = crockford.decode(body)
    if number >> 128:
        raise ValueError("an identifier has 128 bits")
    return number.to_bytes(16)
