"""Field types that an operator defines in the policy file."""

import re
from collections.abc import Callable

from vault.fields import mask, read
from vault.fields.forbidden import names_forbidden_data
from vault.fields.pattern import LENGTH_LIMIT, BadPattern, compile_pattern
from vault.fields.rule import CLASSES, FieldType, Refused

_NAME = re.compile(r"[a-z0-9_]{1,32}", re.ASCII)
_MASK = re.compile(r"none|first([1-4])|last([1-4])|first([1-4])_last([1-4])")


class BadDefinition(ValueError):
    """An operator's definition cannot be used; the message says which part and why."""


def define(
    *, name: str, field_class: str, pattern: str, mask_form: str = "none", title: str = ""
) -> FieldType:
    """Make a field type of text that must match `pattern` (see vault/fields/pattern.py).

    `mask_form` is `none`, `first<n>`, `last<n>` or `first<n>_last<m>` with n, m from 1 to 4; whatever it
    says, nothing is shown unless more stays hidden.

    Raises: BadDefinition.
    """
    if _NAME.fullmatch(name) is None:
        raise BadDefinition("a field type is named with 1 to 32 of a-z, 0-9 and _")
    if names_forbidden_data(name):
        raise BadDefinition("card verification codes, PINs and track data are never stored (PCI DSS 3.3.1)")
    if field_class not in CLASSES:
        raise BadDefinition(f"the class of a field type is one of {', '.join(CLASSES)}")
    conceal = _conceal(mask_form)
    return FieldType(
        name=name,
        field_class=field_class,
        title=title or name,
        read=_reader(pattern),
        conceal=mask.of_text(conceal),
        example="",
        normalisation="NFC, trimmed",
        validation=f"matches {pattern}",
        masking=mask_form,
        source="the operator's policy",
    )


def _reader(pattern: str) -> Callable[[object], str]:
    try:
        compiled = compile_pattern(pattern)
    except BadPattern as bad:
        raise BadDefinition(f"pattern: {bad}") from None

    def accept(value: object) -> str:
        clean = read.line(value, cap=LENGTH_LIMIT)
        if not compiled.matches(clean):
            raise Refused("format")
        return clean

    return accept


def _conceal(form: str) -> Callable[[str], str]:
    match = _MASK.fullmatch(form)
    if match is None:
        raise BadDefinition("a mask is none, first<n>, last<n> or first<n>_last<m>, n and m from 1 to 4")
    first, last = int(match[1] or match[3] or 0), int(match[2] or match[4] or 0)
    if not first and not last:
        return mask.hide
    return lambda text: mask.window(text, first=first, last=last)
