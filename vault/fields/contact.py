"""How someone is reached: e-mail, phone, post. No look-up leaves the process."""

import re

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, NumberParseException, PhoneNumberFormat

from vault.fields import mask, read
from vault.fields.codes import COUNTRIES
from vault.fields.rule import FieldType, Refused

_EMAIL_CAP = 254
_HOME = "IN"
_PHONE = re.compile(r"\+?[0-9 ().\-]{4,40}")
_PIN_CODE = re.compile(r"[1-9][0-9]{5}")
_POSTCODE = re.compile(r"[A-Z0-9][A-Z0-9 -]{0,10}[A-Z0-9]")


def _email(value: object) -> str:
    clean = read.text(value)
    if len(clean) > _EMAIL_CAP:
        raise Refused("too_long")
    try:
        return validate_email(clean, check_deliverability=False).normalized
    except EmailNotValidError:
        pass  # its text quotes the address: it must not even be chained
    raise Refused("format")


def _phone(value: object) -> str:
    clean = read.matching(_PHONE, read.ascii_text(value)).string
    try:
        number = phonenumbers.parse(clean, _HOME)
    except NumberParseException:
        number = None
    if number is None:
        raise Refused("format")
    if not phonenumbers.is_valid_number(number):
        raise Refused("not_assigned")
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def _line(value: object) -> str:
    return read.line(value, cap=200)


def _place(value: object) -> str:
    return read.line(value, cap=100)


def _postal_code(value: object) -> str:
    clean = " ".join(read.ascii_text(value).upper().split())
    return read.matching(_POSTCODE, clean).string


def _country(value: object) -> str:
    country = read.ascii_text(value).upper()
    if country not in COUNTRIES:
        raise Refused("country_code")
    return country


_ADDRESS_PARTS = {
    "line1": _line,
    "line2": _line,
    "city": _place,
    "state": _place,
    "postal_code": _postal_code,
    "country": _country,
}
_OPTIONAL = frozenset({"line2", "state", "postal_code", "country"})


def _postal_address(value: object) -> dict[str, str]:
    address = read.parts(value, readers=_ADDRESS_PARTS, optional=_OPTIONAL)
    if address.setdefault("country", _HOME) != _HOME:
        return address
    if "postal_code" not in address:
        raise Refused("missing_part", "postal_code")
    pin_code = address["postal_code"].replace(" ", "")
    if _PIN_CODE.fullmatch(pin_code) is None:
        raise Refused("format", "postal_code")
    return address | {"postal_code": pin_code}


def _mask_phone(number: str) -> str:
    for length in (1, 2, 3):
        if int(number[1 : length + 1]) in COUNTRY_CODE_TO_REGION_CODE:
            return number[: length + 1] + mask.last_four(number[length + 1 :])
    return mask.HIDDEN


TYPES = (
    FieldType(
        name="email",
        field_class="contact",
        title="E-mail address",
        read=_email,
        conceal=mask.of_text(mask.address),
        example="asha.rao@example.in",
        normalisation="trimmed, NFC, domain lower-case in its Unicode form; the local part keeps its case "
        "(but for the role names of RFC 2142)",
        validation="syntax of RFC 5321 with RFC 6531, no quoted local part, no address literal, no reserved "
        "domain (test, local, invalid …); at most 254 characters; no look-up",
        masking="first character and domain",
        source="email-validator",
    ),
    FieldType(
        name="phone",
        field_class="contact",
        title="Phone number",
        read=_phone,
        conceal=mask.of_text(_mask_phone),
        example="+919812345678",
        normalisation="E.164; a number without + is Indian",
        validation="in a range its country assigns; no letters, no extension",
        masking="country code and last four digits (nothing below nine digits)",
        source="phonenumbers (libphonenumber)",
    ),
    FieldType(
        name="postal_address",
        field_class="contact",
        title="Postal address",
        read=_postal_address,
        conceal=mask.of_parts({"city": mask.show, "state": mask.show, "country": mask.show}),
        parts=tuple(_ADDRESS_PARTS),
        example={
            "line1": "14 Temple Road",
            "line2": "Malleswaram",
            "city": "Bengaluru",
            "state": "Karnataka",
            "postal_code": "560003",
            "country": "IN",
        },
        normalisation="each line: NFC, line breaks and white space collapsed; country upper-case, IN when "
        "absent; postal_code upper-case, in India without spaces; absent, null and blank "
        "optional parts are left out",
        validation="line1 and city required; in India postal_code too, six digits not starting with 0; "
        "country of ISO 3166; lines at most 200, city and state at most 100 characters; "
        "no other member (not pincode)",
        masking="city, state and country",
        source="India Post (PIN code), ISO 3166-1",
    ),
)
