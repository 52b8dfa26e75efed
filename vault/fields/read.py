"""From whatever JSON held to clean text: the steps that several field types share. Raises Refused only."""

import re
import unicodedata
from collections.abc import Callable, Mapping

from stdnum.exceptions import InvalidChecksum, InvalidComponent, ValidationError

from vault.fields.rule import Refused

RAW_LIMIT = 1024
"""Characters looked at before anything else happens, so that a huge value costs nothing."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_SEPARATORS = str.maketrans("", "", " -")
_JOINERS = frozenset("\u200c\u200d")  # zero-width non-joiner and joiner
_BLANK_LETTERS = frozenset("\u115f\u1160\u3164\uffa0")  # Hangul fillers: letters that show nothing
_MARKS_IN_A_ROW = 8


def text(value: object) -> str:
    """Return `value` as NFC text without white space around it, never empty."""
    if not isinstance(value, str):
        raise Refused("not_text")
    if len(value) > RAW_LIMIT:
        raise Refused("too_long")
    if not value.isascii():
        if _SURROGATE.search(value):
            raise Refused("characters")
        value = unicodedata.normalize("NFC", value)
    value = value.strip()
    if not value:
        raise Refused("empty")
    return value


def ascii_text(value: object) -> str:
    """Return `value` as trimmed printable ASCII: digits of other scripts are refused, not converted."""
    clean = text(value)
    if not clean.isascii() or not clean.isprintable():
        raise Refused("characters")
    return clean


def code(value: object) -> str:
    """Return `value` as an upper-case ASCII code without spaces and hyphens."""
    # Letters and digits alone, as nearly all are, have nothing to be refused or taken out.
    if isinstance(value, str) and len(value) <= RAW_LIMIT and value.isascii() and value.isalnum():
        return value.upper()
    return ascii_text(value).translate(_SEPARATORS).upper()


def line(value: object, *, cap: int) -> str:
    """Return `value` as one line of text in any script: white space collapsed, nothing invisible.

    The zero-width joiners, which Indic scripts and Urdu need, stay where a letter or mark precedes them.
    """
    clean = " ".join(text(value).split())
    if len(clean) > cap:
        raise Refused("too_long")
    if not (clean.isprintable() if clean.isascii() else _legible(clean)):
        raise Refused("characters")
    return clean


def _legible(clean: str) -> bool:
    """Whether nothing in `clean` is invisible, out of place or piled up."""
    marks, category = 0, ""
    for char in clean:
        before, category = category, unicodedata.category(char)
        marks = marks + 1 if category[0] == "M" else 0
        if char in _JOINERS:
            if before[:1] not in ("L", "M"):
                return False
        elif not char.isprintable() or char in _BLANK_LETTERS or marks > _MARKS_IN_A_ROW:
            return False
    return True


def matching(form: re.Pattern[str], clean: str, *, rule: str = "format") -> re.Match[str]:
    """Match all of `clean`, or refuse it."""
    match = form.fullmatch(clean)
    if match is None:
        raise Refused(rule)
    return match


def checked(check: Callable[[str], str], clean: str, *, component: str = "format") -> str:
    """Ask a python-stdnum module; its verdict becomes a rule of ours (`component` for a bad component)."""
    try:
        return check(clean)
    except InvalidChecksum:
        rule = "check_digit"
    except InvalidComponent:
        rule = component
    except (ValidationError, LookupError, ValueError):
        # Some country modules index or convert before they check the form.
        rule = "format"
    raise Refused(rule)


def parts(
    value: object, *, readers: Mapping[str, Callable[[object], str]], optional: frozenset[str] = frozenset()
) -> dict[str, str]:
    """Read an object part by part, in the order of `readers`.

    An optional part that is absent, null or blank is left out. An unknown member is refused without
    being named: its name is the caller's and may be a value.
    """
    if not isinstance(value, dict):
        raise Refused("not_object")
    if not value.keys() <= readers.keys():
        raise Refused("unknown_part")
    found: dict[str, str] = {}
    for part, reader in readers.items():
        if part in optional and _blank(value.get(part)):
            continue
        if part not in value:
            raise Refused("missing_part", part)
        found[part] = _part(value[part], part, reader)
    return found


def _blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and (not value or value.isspace()))


def _part(value: object, part: str, reader: Callable[[object], str]) -> str:
    try:
        return reader(value)
    except Refused as refused:
        rule = refused.rule
    raise Refused(rule, part)
