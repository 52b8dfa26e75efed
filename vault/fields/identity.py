"""Who someone is: names in any script, dates of birth."""

import re
from datetime import date

from vault.fields import mask, read
from vault.fields.rule import FieldType, Refused

_ISO_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_CAP = 200


def _person_name(value: object) -> str:
    name = read.line(value, cap=_CAP)
    if not any(map(str.isalpha, name)):
        raise Refused("no_letters")
    return name


def _company_name(value: object) -> str:
    name = read.line(value, cap=_CAP)
    if not any(map(str.isalnum, name)):
        raise Refused("no_letters")
    return name


def _date_of_birth(value: object) -> str:
    match = read.matching(_ISO_DATE, read.ascii_text(value))
    year, month, day = map(int, match.groups())
    if not 1900 <= year <= 2099:
        raise Refused("date_range")
    if not _in_calendar(year, month, day):
        raise Refused("not_a_date")
    return match.string


def _in_calendar(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


_NAME_STEPS = "NFC, trimmed, white space collapsed to one space; case and script kept"
_NAME_MASK = "first letter of three or more; nothing in Han, Hangul or kana, where one sign can be a surname"

TYPES = (
    FieldType(
        name="person_name",
        field_class="identity",
        title="Name of a person",
        read=_person_name,
        conceal=mask.of_text(mask.initial),
        example="आशा राव",
        normalisation=_NAME_STEPS,
        validation="1–200 printable characters of any script with at least one letter; no control, format or "
        "direction characters (the joiners of Indic scripts and Urdu stay), at most eight marks in a row",
        masking=_NAME_MASK,
        source="ours; Unicode general categories",
    ),
    FieldType(
        name="company_name",
        field_class="identity",
        title="Name of a business",
        read=_company_name,
        conceal=mask.of_text(mask.initial),
        example="Kaveri Textiles Private Limited",
        normalisation=_NAME_STEPS,
        validation="as person_name, but digits alone will do",
        masking=_NAME_MASK,
        source="ours; Unicode general categories",
    ),
    FieldType(
        name="date_of_birth",
        field_class="identity",
        title="Date of birth",
        read=_date_of_birth,
        conceal=mask.of_text(mask.hide),
        example="1985-04-12",
        normalisation="trimmed",
        validation="YYYY-MM-DD, a day of the calendar, years 1900–2099 (the vault's types know no clock)",
        masking="nothing is shown",
        source="ISO 8601",
    ),
)
