"""Grants as text: `verb[:purpose][@class,…]`, one spelling per right, and which rights may stand together."""

import re
from collections.abc import Iterable

from vault.model.ask import OPENING, PLANES, PURPOSEFUL, Grant

CLASSES = ("payment", "tax", "identity", "contact", "usage")
"""The classes of field; each field type belongs to one."""

PURPOSE = re.compile(r"[a-z][a-z_]{0,31}", re.ASCII)
"""The shape of a purpose's name. No digits: nothing shaped like a number can pose as a purpose."""

CLASSFUL = frozenset(
    {"tokenize", "detokenize", "search", "inspect", "erase", "replace", "export", "disclose"}
)
"""Verbs about fields, whose grant may name classes."""

PAYMENT = "payment"
"""The purpose that pays people: whoever holds it can open where money goes to."""

TWO_PERSONS: dict[str, str] = {
    "credentials": "makes and changes every other right",
    "policy": "says what a purpose opens, for everybody",
    "cases": "decides what becomes of a person's data",
    "release": "is the second pair of eyes over those decisions",
    "export": "takes everything about a person out at once",
    "disclose": "hands data to somebody outside",
    "replace": "puts another value, such as another bank account, in the place of one",
    "events_sealed": "reads what the law keeps confidential",
}
"""Verbs that no person gives alone, each with why. So is every right for the purpose `payment`."""

_FORM = re.compile(r"([a-z_]+)(?::([a-z_]{1,32}))?(?:@([a-z]+(?:,[a-z]+)*))?", re.ASCII)


class GrantError(ValueError):
    """The text is not a grant, or these grants may not stand together. `rule` names no value."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


def parse_grant(text: str) -> Grant:
    """Read one grant. Raises: GrantError for anything that `str(grant)` would not write."""
    form = _FORM.fullmatch(text)
    if form is None:
        raise GrantError("a grant reads verb[:purpose][@class,…]")
    grant = Grant(form[1], form[2], frozenset(form[3].split(",")) if form[3] else frozenset())
    check_grant(grant)
    if str(grant) != text:
        raise GrantError("the classes of a grant are sorted and each stands once")
    return grant


def check_grant(grant: Grant) -> None:
    """Raises: GrantError when a grant names what there is not, or what its verb does not take."""
    if grant.verb not in PLANES:
        raise GrantError("no such verb")
    if (grant.purpose is not None) != (grant.verb in PURPOSEFUL):
        raise GrantError("detokenize and search name a purpose, other verbs do not")
    if grant.purpose is not None and PURPOSE.fullmatch(grant.purpose) is None:
        raise GrantError("a purpose is written [a-z][a-z_]{0,31}")
    if grant.classes and grant.verb not in CLASSFUL:
        raise GrantError("this verb takes no classes")
    if not grant.classes <= set(CLASSES):
        raise GrantError("no such class")


def check_together(grants: Iterable[Grant]) -> None:
    """Raises: GrantError when one credential would carry tokenize beside a verb that opens values.

    Nor does it carry both halves of the four eyes.
    """
    verbs = {grant.verb for grant in grants}
    if "tokenize" in verbs and verbs & OPENING:
        raise GrantError(f"one credential never carries tokenize beside {', '.join(sorted(OPENING))}")
    if {"cases", "release"} <= verbs:
        raise GrantError("one credential never carries cases beside release: they are two persons'")


def needs_two_persons(grants: Iterable[Grant]) -> tuple[Grant, ...]:
    """Those among `grants` that one person may not give alone, in their order."""
    return tuple(grant for grant in grants if grant.verb in TWO_PERSONS or grant.purpose == PAYMENT)
