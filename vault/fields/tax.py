"""Numbers the State gives: PAN, GSTIN, TAN, CIN, Udyam, VAT, SSN, EIN; and Aadhaar, switched off."""

import re

from stdnum import luhn
from stdnum.eu import vat as eu_vat
from stdnum.gb import vat as gb_vat
from stdnum.in_ import aadhaar
from stdnum.us import ein, ssn

from vault.fields import mask, read
from vault.fields.codes import GST_STATES, OWNERSHIPS, PAN_HOLDERS, STATES
from vault.fields.rule import FieldType, Refused

_PAN = re.compile(r"[A-Z]{5}[0-9]{4}[A-Z]")
_GSTIN = re.compile(r"([0-9]{2})([A-Z]{5}[0-9]{4}[A-Z])[1-9A-Z][Z1-9A-J][0-9A-Z]")
_TAN = re.compile(r"[A-Z]{4}[0-9]{5}[A-Z]")
_CIN = re.compile(r"[LU][0-9]{5}([A-Z]{2})(?:18|19|20)[0-9]{2}([A-Z]{3})[0-9]{6}")
_UDYAM = re.compile(r"UDYAM([A-Z]{2})([0-9]{2})([0-9]{7})")
_VAT = re.compile(r"[A-Z]{2}[A-Z0-9+*]{2,13}")
_DIGITS = re.compile(r"[0-9]{9}|[0-9]{12}")

_MOD_36 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _pan(value: object) -> str:
    clean = read.matching(_PAN, read.code(value)).string
    if clean[5:9] == "0000":
        raise Refused("not_issued")
    if clean[3] not in PAN_HOLDERS:
        raise Refused("holder_type")
    return clean


def _gstin(value: object) -> str:
    match = read.matching(_GSTIN, read.code(value))
    if match[1] not in GST_STATES:
        raise Refused("state_code")
    if match[2][3] not in PAN_HOLDERS or match[2][5:9] == "0000":
        raise Refused("embedded_pan")
    return read.checked(_gst_check_character, match.string)


def _gst_check_character(number: str) -> str:
    return luhn.validate(number, _MOD_36)


def _tan(value: object) -> str:
    return read.matching(_TAN, read.code(value)).string


def _cin(value: object) -> str:
    match = read.matching(_CIN, read.code(value))
    if match[1] not in STATES:
        raise Refused("state_code")
    if match[2] not in OWNERSHIPS:
        raise Refused("ownership_code")
    return match.string


def _udyam(value: object) -> str:
    match = read.matching(_UDYAM, read.code(value))
    if match[1] not in STATES:
        raise Refused("state_code")
    return f"UDYAM-{match[1]}-{match[2]}-{match[3]}"


def _vat_id(value: object) -> str:
    clean = read.matching(_VAT, read.code(value).replace(".", "")).string
    if clean.startswith("GB"):
        return "GB" + read.checked(gb_vat.validate, clean)
    return read.checked(eu_vat.validate, clean, component="country_code")


def _us_ssn(value: object) -> str:
    return read.checked(ssn.validate, _digits(value), component="not_issued")


def _us_ein(value: object) -> str:
    return read.checked(
        ein.validate, read.matching(_DIGITS, read.code(value)).string, component="issuing_office"
    )


def _aadhaar(value: object) -> str:
    return read.checked(aadhaar.validate, _digits(value))


def _digits(value: object) -> str:
    return read.matching(_DIGITS, read.code(value)).string


def _mask_gstin(number: str) -> str:
    # The same four characters as the PAN's own mask: the two side by side must not tell more than one.
    return f"{number[:2]}{mask.HIDDEN}{number[8:12]}{mask.HIDDEN}"


def _mask_udyam(number: str) -> str:
    return f"{number[:8]}-{mask.HIDDEN}{number[-3:]}"


_CODE = "spaces and hyphens removed, upper-case"
_DIGITS_ONLY = "spaces and hyphens removed"
_LAST_FOUR = "last four characters"

TYPES = (
    FieldType(
        name="pan",
        field_class="tax",
        title="Permanent account number (India)",
        read=_pan,
        conceal=mask.of_text(mask.last_four),
        example="AAPFU0939F",
        normalisation=_CODE,
        validation="five letters, four digits, letter; known holder type; serial not 0000 (how "
        "the check letter is made is not public)",
        masking=_LAST_FOUR,
        source="Income Tax Department, python-stdnum",
    ),
    FieldType(
        name="gstin",
        field_class="tax",
        title="GST identification number (India)",
        read=_gstin,
        conceal=mask.of_text(_mask_gstin),
        example="27AAPFU0939F1ZV",
        normalisation=_CODE,
        validation="state code 01–38 or 97, embedded PAN, registration number, fourteenth character Z, 1–9 "
        "or A–J, mod 36 check character; UN bodies, non-residents and deductors registered without a "
        "PAN are refused",
        masking="state code and the PAN's last four",
        source="GSTN, returns API (form of a normal GSTIN); state codes: GST state code list with 38 Ladakh "
        "and 97 other territory, which python-stdnum lacks; check character: Luhn mod 36",
    ),
    FieldType(
        name="tan",
        field_class="tax",
        title="Tax deduction account number (India)",
        read=_tan,
        conceal=mask.of_text(mask.last_four),
        example="DELA12345B",
        normalisation=_CODE,
        validation="four letters, five digits, letter (how the check letter is made is not public)",
        masking=_LAST_FOUR,
        source="Income Tax Department: area code of three letters, initial of the name, five digits, "
        "check letter",
    ),
    FieldType(
        name="cin",
        field_class="tax",
        title="Corporate identification number (India)",
        read=_cin,
        conceal=mask.of_text(mask.last_four),
        example="U72200KA2015PTC123456",
        normalisation=_CODE,
        validation="L or U, five digits of industry, state, year 1800–2099, kind of company, six digits",
        masking=_LAST_FOUR,
        source="Ministry of Corporate Affairs: listing, industry, state, year, ownership, "
        "registration number",
    ),
    FieldType(
        name="udyam",
        field_class="tax",
        title="Udyam registration number (India)",
        read=_udyam,
        conceal=mask.of_text(_mask_udyam),
        example="UDYAM-MH-18-0123456",
        normalisation="upper-case, written UDYAM-XX-00-0000000 whatever the separators were",
        validation="UDYAM, state, two digits of district, seven digits",
        masking="state and last three digits",
        source="Ministry of MSME, notification S.O. 2119(E) of 26 June 2020, and the certificate's form",
    ),
    FieldType(
        name="aadhaar",
        field_class="tax",
        title="Aadhaar number",
        read=_aadhaar,
        conceal=mask.of_text(mask.last_four),
        example="234123412346",
        normalisation=_DIGITS_ONLY,
        validation="twelve digits, not starting with 0 or 1, no palindrome, Verhoeff check",
        masking="last four digits, as UIDAI prescribes",
        source="UIDAI, python-stdnum",
        disabled="UIDAI, Aadhaar Data Vault (circular K-11020/205/2017 and Circular 8 of 2025): an Aadhaar "
        "number may only be stored in a separate vault whose keys live in an HSM. Keep the last four "
        "digits, or a virtual ID's reference.",
    ),
    FieldType(
        name="vat_id",
        field_class="tax",
        title="VAT number (EU, Northern Ireland, Great Britain)",
        read=_vat_id,
        conceal=mask.of_text(lambda number: number[:2] + mask.last_four(number[2:])),
        example="DE136695976",
        normalisation="spaces, hyphens and dots removed, upper-case, with the country's prefix",
        validation="prefix and the check of that country",
        masking="country; last four where the rest has nine characters or more",
        source="python-stdnum",
    ),
    FieldType(
        name="us_ssn",
        field_class="tax",
        title="Social security number (US)",
        read=_us_ssn,
        conceal=mask.of_text(mask.last_four),
        example="123456780",
        normalisation=_DIGITS_ONLY,
        validation="nine digits, area and group that are issued, not a number known from advertising",
        masking="last four digits",
        source="Social Security Administration, python-stdnum",
    ),
    FieldType(
        name="us_ein",
        field_class="tax",
        title="Employer identification number (US)",
        read=_us_ein,
        conceal=mask.of_text(mask.last_four),
        example="911144442",
        normalisation=_DIGITS_ONLY,
        validation="nine digits, prefix that an office issues",
        masking="last four digits",
        source="Internal Revenue Service, python-stdnum",
    ),
)
