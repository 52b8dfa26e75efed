"""Tax and statutory numbers: forms, check characters, embedded numbers, states."""

import string

import pytest
from stdnum import luhn
from stdnum.in_ import pan

from vault.fields import BUILT_IN, Catalogue, InvalidValue

MOD_36 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def rule_of(name, value):
    """The rule that `value` breaks."""
    with pytest.raises(InvalidValue) as caught:
        BUILT_IN[name].normalise(value)
    return caught.value.rule


def gstin(body):
    """Put the right check character behind fourteen characters."""
    return body + luhn.calc_check_digit(body, MOD_36)


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("AAPXU0939F", "holder_type"),
        ("AAPFU0000F", "not_issued"),
        ("AAPFU0939", "format"),
        ("AAPFU09399", "format"),
        ("AAPFU0939F/1", "format"),
        ("AAPFU०९३९F", "characters"),
        ("", "empty"),
        ("A" * 5000, "too_long"),
        (None, "not_text"),
        (["AAPFU0939F"], "not_text"),
        ({"pan": "AAPFU0939F"}, "not_text"),
    ],
)
def test_bad_pan_is_refused(value, rule):
    """A PAN of the wrong form, kind of holder, script or JSON type is refused under its rule."""
    assert rule_of("pan", value) == rule


def test_pan_in_lower_case_with_spaces_is_the_same_pan():
    """Two spellings of one PAN must not become two values of the index."""
    assert BUILT_IN["pan"].normalise(" aapfu 0939 f ") == "AAPFU0939F"


@pytest.mark.parametrize("value", ["27AAPFU0939F1ZV", "29AAGCB7383J1Z4", "27aapfu0939f1zv"])
def test_published_gstins_are_accepted(value):
    """GSTINs known from elsewhere pass, so our check character is GSTN's."""
    assert BUILT_IN["gstin"].normalise(value) == value.upper()


@pytest.mark.parametrize("state", ["38", "97"])
def test_ladakh_and_other_territory_are_states(state):
    """The two codes that the number library lacks are accepted."""
    assert BUILT_IN["gstin"].normalise(gstin(f"{state}AAPFU0939F1Z"))


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("27AAPFU0939F1ZW", "check_digit"),
        ("27AAPFU9039F1ZV", "check_digit"),
        (gstin("39AAPFU0939F1Z"), "state_code"),
        (gstin("00AAPFU0939F1Z"), "state_code"),
        (gstin("27AAPXU0939F1Z"), "embedded_pan"),
        ("27AAPFU0939F1Z", "format"),
    ],
)
def test_bad_gstin_is_refused(value, rule):
    """A slip, a swap, a state or a PAN that does not exist: each has its own rule."""
    assert rule_of("gstin", value) == rule


def test_holders_of_a_pan_are_those_of_the_library():
    """Every fourth letter is taken or refused as python-stdnum does, in a PAN and in one inside a GSTIN."""
    for letter in string.ascii_uppercase:
        number = f"AAP{letter}U0939F"
        if pan.is_valid(number):
            assert BUILT_IN["pan"].normalise(number) == number
            assert BUILT_IN["gstin"].normalise(gstin(f"27{number}1Z"))
        else:
            assert rule_of("pan", number) == "holder_type"
            assert rule_of("gstin", gstin(f"27{number}1Z")) == "embedded_pan"


def test_gstin_mask_adds_nothing_to_the_pan_mask():
    """Both masks of one business together show no character of the PAN that one does not."""
    assert BUILT_IN["gstin"].mask("27AAPFU0939F1ZV") == "27****939F****"
    assert BUILT_IN["pan"].mask("AAPFU0939F") == "****939F"


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("tan", "DEL12345B", "format"),
        ("cin", "X72200KA2015PTC123456", "format"),
        ("cin", "U72200XX2015PTC123456", "state_code"),
        ("cin", "U72200KA2015ABC123456", "ownership_code"),
        ("cin", "U72200KA1715PTC123456", "format"),
        ("udyam", "UDYAM-XX-18-0123456", "state_code"),
        ("udyam", "UDYAM-MH-18-123456", "format"),
        ("vat_id", "DE136695977", "check_digit"),
        ("vat_id", "XX136695976", "country_code"),
        ("vat_id", "GB980780685", "check_digit"),
        ("vat_id", "GBGB980780684", "format"),
        ("vat_id", "GBXI980780684", "format"),
        ("us_ssn", "666-12-3456", "not_issued"),
        ("us_ssn", "078-05-1120", "not_issued"),
        ("us_ein", "07-1144442", "issuing_office"),
    ],
)
def test_bad_register_numbers_are_refused(name, value, rule):
    """Each statutory number is refused for the part of it that cannot be."""
    assert rule_of(name, value) == rule


@pytest.mark.parametrize(
    ("name", "spoken", "written"),
    [
        ("tan", "dela12345b", "DELA12345B"),
        ("cin", "l17110mh1973plc019786", "L17110MH1973PLC019786"),
        ("udyam", "udyam mh 18 0123456", "UDYAM-MH-18-0123456"),
        ("udyam", "UDYAMTS180123456", "UDYAM-TS-18-0123456"),
        ("vat_id", "de 136.695.976", "DE136695976"),
        ("vat_id", "GB 980 7806 84", "GB980780684"),
        ("us_ssn", "123-45-6780", "123456780"),
        ("us_ein", "91-1144442", "911144442"),
    ],
)
def test_register_numbers_have_one_spelling(name, spoken, written):
    """However a number is separated, one spelling is kept."""
    assert BUILT_IN[name].normalise(spoken) == written


def test_aadhaar_is_refused_with_the_law():
    """As shipped, an Aadhaar number is refused before it is looked at, and the error says why."""
    with pytest.raises(InvalidValue) as caught:
        BUILT_IN["aadhaar"].normalise("234123412346")
    assert caught.value.rule == "disabled"
    assert "UIDAI" in caught.value.detail


def test_aadhaar_vault_can_switch_it_on():
    """Switched on, Aadhaar is checked by Verhoeff and masked as UIDAI prescribes."""
    aadhaar = Catalogue(enabled=["aadhaar"]).get("aadhaar")
    assert aadhaar.mask(aadhaar.normalise("2341 2341 2346")) == "****2346"
    with pytest.raises(InvalidValue, match="check_digit"):
        aadhaar.normalise("234123412347")
