"""What a field type is, and the one way a value is refused: by rule, never by content."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

Plain = str | dict[str, str]
"""A normalised value: text, or an object of texts for types with parts."""

CLASSES = ("payment", "tax", "identity", "contact", "usage")
"""The classes a field type may belong to; grants and policy speak of these."""

RULES: Mapping[str, str] = MappingProxyType(
    {
        "not_text": "The value must be a JSON string.",
        "not_object": "The value must be a JSON object of strings.",
        "empty": "The value is empty.",
        "too_long": "The value is longer than its type allows.",
        "characters": "The value holds characters its type does not allow.",
        "format": "The value does not have the form of its type.",
        "check_digit": "The check digit or character does not match; something was mistyped.",
        "missing_part": "A part that this type requires is missing.",
        "unknown_part": "The object has a member that is not a part of this type.",
        "state_code": "The state code does not exist.",
        "country_code": "The country code does not exist.",
        "holder_type": "The holder type inside the number does not exist.",
        "embedded_pan": "The PAN inside the number is not a PAN.",
        "embedded_aadhaar": "The address is an Aadhaar number, which this vault does not store.",
        "ownership_code": "The kind of company inside the number does not exist.",
        "issuing_office": "The prefix was never issued.",
        "not_issued": "Numbers of this range are never issued.",
        "not_a_date": "There is no such day in the calendar.",
        "date_range": "The date lies outside the years 1900 to 2099.",
        "not_assigned": "The number is in no range that its country assigns.",
        "no_letters": "A name needs a letter.",
        "disabled": "This type is switched off for a legal reason.",
    }
)
"""Every rule a value can break, with its public sentence. The codes are stable."""


class Refused(Exception):
    """A reader's verdict, on its way to becoming `InvalidValue`; never leaves this package."""

    def __init__(self, rule: str, part: str | None = None) -> None:
        super().__init__(rule)
        self.rule = rule
        self.part = part


class InvalidValue(ValueError):
    """A value broke `rule` of `type`; `part` names the part of a composite. Never carries the value."""

    def __init__(self, *, type: str, rule: str, part: str | None = None, detail: str | None = None) -> None:  # noqa: A002 - the word of the handbook
        where = f"{type}.{part}" if part else type
        super().__init__(f"{where}: {rule}")
        self.type = type
        self.rule = rule
        self.part = part
        self.detail = detail or RULES[rule]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldType:
    """How one kind of value is normalised, validated and masked."""

    name: str
    field_class: str
    title: str
    read: Callable[[object], Plain]  # raises Refused only
    conceal: Callable[[Plain], Plain]
    example: Plain
    normalisation: str  # these four are sentences for people: docs/FIELDS.md and GET /v1/fields
    validation: str
    masking: str
    source: str
    parts: tuple[str, ...] = ()
    disabled: str | None = None  # the legal reason

    def normalise(self, value: object) -> Plain:
        """Return the one spelling of `value` that is sealed and indexed.

        `value` is anything a JSON parser returns. Normalising twice changes nothing.

        Raises: InvalidValue.
        """
        if self.disabled is not None:
            raise InvalidValue(type=self.name, rule="disabled", detail=self.disabled)
        try:
            return self.read(value)
        except Refused as refused:
            broken = InvalidValue(type=self.name, rule=refused.rule, part=refused.part)
        # Raised outside the handler: a chained exception would keep frames that hold the value.
        raise broken

    def mask(self, plain: Plain) -> Plain:
        """Return what may be shown of a normalised value; see `masking`."""
        return self.conceal(plain)
