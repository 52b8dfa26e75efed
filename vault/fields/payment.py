"""Where money goes: bank accounts, UPI addresses, IBAN, BIC; and card numbers, which stay switched off."""

import re

from stdnum import bic, iban, luhn

from vault.fields import mask, read
from vault.fields.rule import FieldType, Refused

_ACCOUNT = re.compile(r"[0-9]{6,20}")
_IFSC = re.compile(r"[A-Z]{4}0[A-Z0-9]{6}")
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{8,30}")
_CARD = re.compile(r"[0-9]{12,19}")
# Only NPCI's own handles have dots: an e-mail address must not be taken for a UPI address.
_UPI = re.compile(
    r"[a-z0-9._-]{2,190}@(?:[a-z][a-z0-9]{1,63}|[a-z]{4}0[a-z0-9]{6}\.ifsc\.npci|(?:mobile|aadhaar)\.npci)"
)
_HOLDER_CAP = 200


def _account_number(value: object) -> str:
    number = read.matching(_ACCOUNT, read.code(value)).string
    if not number.strip("0"):
        raise Refused("format")
    return number


def _ifsc(value: object) -> str:
    return read.matching(_IFSC, read.code(value)).string


def _holder(value: object) -> str:
    return read.line(value, cap=_HOLDER_CAP)


_ACCOUNT_PARTS = {"number": _account_number, "ifsc": _ifsc, "holder": _holder}


def _bank_account(value: object) -> dict[str, str]:
    return read.parts(value, readers=_ACCOUNT_PARTS)


def _upi_vpa(value: object) -> str:
    address = read.matching(_UPI, read.ascii_text(value).lower()).string
    if address.endswith("@aadhaar.npci"):
        raise Refused("embedded_aadhaar")
    return address


def _iban(value: object) -> str:
    clean = read.matching(_IBAN, read.code(value)).string
    return read.checked(iban.validate, clean, component="country_code")


def _bic(value: object) -> str:
    clean = read.checked(bic.validate, read.code(value), component="country_code")
    return clean.removesuffix("XXX") if len(clean) == 11 else clean


def _card_number(value: object) -> str:
    return read.checked(luhn.validate, read.matching(_CARD, read.code(value)).string)


def _mask_ifsc(code: str) -> str:
    return mask.window(code, first=4)


TYPES = (
    FieldType(
        name="bank_account",
        field_class="payment",
        title="Indian bank account",
        read=_bank_account,
        conceal=mask.of_parts({"number": mask.last_four, "ifsc": _mask_ifsc, "holder": mask.initial}),
        parts=tuple(_ACCOUNT_PARTS),
        example={"number": "000123456789", "ifsc": "DEMO0001234", "holder": "Asha Rao"},
        normalisation="number and ifsc: spaces and hyphens removed, ifsc upper-case, leading zeros kept; "
        "holder: NFC, white space collapsed",
        validation="number: 6–20 digits, not all zero; ifsc: four letters, 0, six letters or digits; "
        "holder: 1–200 printable characters of any script; all three required, no other member",
        masking="last four digits (nothing below nine digits); bank of the IFSC; initial of the holder",
        source="IFSC: RBI, NEFT procedural guidelines (11 characters, the fifth is 0). Account numbers: no "
        "Indian rule exists; 6–20 digits covers what banks issue and payment providers accept",
    ),
    FieldType(
        name="upi_vpa",
        field_class="payment",
        title="UPI address",
        read=_upi_vpa,
        conceal=mask.of_text(mask.address),
        example="asha.rao@demobank",
        normalisation="trimmed, lower-case",
        validation="2–190 of a-z 0-9 . _ - before the @, then a handle of letters and digits, or NPCI's own "
        "(account@ifsc.ifsc.npci, number@mobile.npci); Aadhaar addresses are refused",
        masking="first character and handle",
        source="NPCI, UPI procedural guidelines: address is username@handle, at most 255 characters",
    ),
    FieldType(
        name="iban",
        field_class="payment",
        title="International bank account number",
        read=_iban,
        conceal=mask.of_text(lambda number: mask.window(number, first=2, last=4)),
        example="DE89370400440532013000",
        normalisation="spaces and hyphens removed, upper-case",
        validation="country, length and structure of that country, mod 97 check, national check where known",
        masking="country and last four",
        source="ISO 13616, python-stdnum",
    ),
    FieldType(
        name="bic",
        field_class="payment",
        title="Bank identifier code",
        read=_bic,
        conceal=mask.of_text(lambda code: mask.window(code, first=3)),
        example="DEUTDEFF500",
        normalisation="spaces and hyphens removed, upper-case; the branch XXX (head office) is dropped",
        validation="8 or 11 characters, country of ISO 3166",
        masking="first three characters",
        source="ISO 9362, python-stdnum",
    ),
    FieldType(
        name="card_number",
        field_class="payment",
        title="Payment card number",
        read=_card_number,
        conceal=mask.of_text(mask.last_four),
        example="4111111111111111",
        normalisation="spaces and hyphens removed",
        validation="12–19 digits, Luhn check",
        masking="last four digits; less than the BIN and last four that PCI DSS 3.4.1 allows",
        source="ISO/IEC 7812, python-stdnum",
        disabled="Reserve Bank of India, card-on-file tokenisation (September 2021, in force since 1 October "
        "2022): nobody in the payment chain but the card's issuer and network may store a card number; and "
        "PCI DSS would cover every system that does. Keep the network's token and the last four digits.",
    ),
)
