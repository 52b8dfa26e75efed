"""The pattern of an operator's own field type: a sequence of character sets with bounded repeats.

Python's `re` backtracks: even bounded repeats next to each other (`a{0,9}a{0,9}…`) take exponential time,
and whoever writes the policy file should not have to know. So this is a grammar of its own, and it is
matched without backtracking: all the places a match can have reached are the bits of one integer, moved
forward once per character. A match takes at most
256 such moves on 257 bits, whatever the pattern.

    pattern  = item*                           at most 200 characters
    item     = set [ repeat ]
    set      = literal | "." | "\\d" | "\\w" | "\\" punctuation | "[" ["^"] member+ "]"
    member   = character | character "-" character | "\\d" | "\\w" | "\\" punctuation
    repeat   = "?" | "{" n "}" | "{" n "," m "}"        n ≤ m ≤ 256; 256 characters in all

There are no groups, alternatives, anchors, look-around, back-references, `*` or `+`: each is refused.
Patterns are ASCII; `.` and negated sets also match printable characters of any script. The whole value
must match.
"""

import re
import string
from dataclasses import dataclass

PATTERN_LIMIT = 200
LENGTH_LIMIT = 256
_ASCII = frozenset(map(chr, range(0x20, 0x7F)))
_DIGITS = frozenset(string.digits)
_WORD = frozenset(string.ascii_letters + string.digits + "_")
_SPECIAL = frozenset("()[]{}*+?|^$\\.")
_REPEAT = re.compile(r"\{([0-9]{1,3})(?:,([0-9]{1,3}))?\}")


class BadPattern(ValueError):
    """The pattern is not in the grammar; the message says where and why."""


@dataclass(frozen=True, slots=True)
class _Set:
    chars: frozenset[str]
    others: bool  # printable characters beyond ASCII, too


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern. State i: i places of the pattern are behind us, filled or left out."""

    masks: dict[str, int]  # character → places that accept it
    others: int  # places that accept any character beyond ASCII
    optional: int  # places that may be left out
    length: int

    def matches(self, text: str) -> bool:
        """Whether all of `text` matches."""
        if len(text) > LENGTH_LIMIT:
            return False
        states = self._skip(1)
        for char in text:
            accepting = self.masks.get(char, 0) if char.isascii() else self.others
            states = self._skip((states & accepting) << 1)
            if not states:
                return False
        return bool(states >> self.length & 1)

    def _skip(self, states: int) -> int:
        """Add the states reached by leaving optional places out: 1 at a time, then 2, 4, 8 …"""
        runs, step = self.optional, 1
        while states & runs:
            states |= (states & runs) << step
            runs &= runs >> step  # from where twice as many may be left out
            step <<= 1
        return states


def compile_pattern(text: str) -> Pattern:
    """Read a pattern. Raises: BadPattern."""
    if not text or len(text) > PATTERN_LIMIT or not _ASCII.issuperset(text):
        raise BadPattern(f"a pattern is 1 to {PATTERN_LIMIT} printable ASCII characters")
    places: list[tuple[_Set, bool]] = []
    at = 0
    while at < len(text):
        chars, at = _read_set(text, at)
        least, most, at = _read_repeat(text, at)
        places += [(chars, False)] * least + [(chars, True)] * (most - least)
        if len(places) > LENGTH_LIMIT:
            raise BadPattern(f"the pattern can match more than {LENGTH_LIMIT} characters")
    return _assemble(places)


def _assemble(places: list[tuple[_Set, bool]]) -> Pattern:
    masks: dict[str, int] = {}
    others = optional = 0
    for place, (chars, may_skip) in enumerate(places):
        for char in chars.chars:
            masks[char] = masks.get(char, 0) | 1 << place
        others |= chars.others << place
        optional |= may_skip << place
    return Pattern(masks, others, optional, len(places))


def _read_set(text: str, at: int) -> tuple[_Set, int]:
    char = text[at]
    if char == "[":
        return _read_bracket(text, at)
    if char == ".":
        return _Set(_ASCII, others=True), at + 1
    if char == "\\":
        chars, at = _read_escape(text, at)
        return _Set(chars, others=False), at
    if char in _SPECIAL:
        raise BadPattern(f"{char!r} at {at} is not supported: no groups, anchors, alternatives, * or +")
    return _Set(frozenset(char), others=False), at + 1


def _read_escape(text: str, at: int) -> tuple[frozenset[str], int]:
    char = text[at + 1 : at + 2]
    if char == "d":
        return _DIGITS, at + 2
    if char == "w":
        return _WORD, at + 2
    if not char or char.isalnum():
        raise BadPattern(f"unknown escape at {at}: only \\d, \\w and escaped punctuation")
    return frozenset(char), at + 2


def _read_bracket(text: str, at: int) -> tuple[_Set, int]:
    opened = at
    at += 1
    negated = text[at : at + 1] == "^"
    at += negated
    chars: frozenset[str] = frozenset()
    while text[at : at + 1] not in ("]", ""):
        member, at = _read_member(text, at)
        chars |= member
    if at >= len(text) or not chars:
        raise BadPattern(f"the set at {opened} is empty or not closed")
    return _Set(_ASCII - chars if negated else chars, others=negated), at + 1


def _read_member(text: str, at: int) -> tuple[frozenset[str], int]:
    if text[at] == "\\":
        return _read_escape(text, at)
    if text[at] == "[":
        raise BadPattern(f"'[' at {at} must be escaped inside a set")
    if text[at + 1 : at + 2] != "-" or text[at + 2 : at + 3] in ("]", ""):
        return frozenset(text[at]), at + 1
    first, last = text[at], text[at + 2]
    if not first.isalnum() or not last.isalnum() or first > last:
        raise BadPattern(f"the range at {at} does not run from a letter or digit up to another")
    return frozenset(map(chr, range(ord(first), ord(last) + 1))), at + 3


def _read_repeat(text: str, at: int) -> tuple[int, int, int]:
    char = text[at : at + 1]
    if char == "?":
        least, most, at = 0, 1, at + 1
    elif char == "{":
        match = _REPEAT.match(text, at)
        if match is None:
            raise BadPattern(f"the repeat at {at} is not {{n}} or {{n,m}} with numbers up to {LENGTH_LIMIT}")
        least, at = int(match[1]), match.end()
        most = least if match[2] is None else int(match[2])
    else:
        return 1, 1, at
    if text[at : at + 1] in ("?", "{", "*", "+"):
        raise BadPattern(f"a repeat of a repeat at {at}")
    if not least <= most <= LENGTH_LIMIT or most == 0:
        raise BadPattern(f"the repeat before {at} is not between 1 and {LENGTH_LIMIT}, or runs backwards")
    return least, most, at
