"""Names, dates, e-mail, phone, post and traces of use."""

import pytest

from vault.fields import BUILT_IN, InvalidValue

HOME = {"line1": "14 Temple Road", "city": "Bengaluru", "postal_code": "560 003"}


def rule_of(name, value):
    """The rule that `value` breaks, with the part after a colon."""
    with pytest.raises(InvalidValue) as caught:
        BUILT_IN[name].normalise(value)
    return f"{caught.value.rule}:{caught.value.part}" if caught.value.part else caught.value.rule


@pytest.mark.parametrize(
    "name",
    [
        "आशा राव",
        "மீனாட்சி சுப்பிரமணியன்",
        "శ్రీనివాస్ రెడ్డి",
        "অনির্বাণ বন্দ্যোপাধ্যায়",
        "ત્રિવેદી",
        "ರಾಘವೇಂದ್ರ ಗೌಡ",
        "مہ\u200cجبین خان",
        "ക്ര\u200dിസ്റ്റഫർ",
        "D'Souza, J. (Jr.)",
        "José Conceição",
        "王小明",
    ],
)
def test_names_of_any_script_are_kept(name):
    """A name in any script comes back as it was, joiners included."""
    assert BUILT_IN["person_name"].normalise(name) == name


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("Asha\u202eoaR", "characters"),  # direction override
        ("As\u200bha", "characters"),  # zero-width space
        ("\u200dAsha", "characters"),  # a joiner that joins nothing
        ("Asha\x00", "characters"),
        ("\u3164", "characters"),  # a letter that shows nothing
        ("Z" + "\u0301" * 10, "characters"),  # marks piled up
        ("As\ud800ha", "characters"),  # half a character
        ("12345", "no_letters"),
        ("-", "no_letters"),
        ("   ", "empty"),
        ("x" * 201, "too_long"),
        (7, "not_text"),
    ],
)
def test_hostile_names_are_refused(name, rule):
    """Characters that hide, turn or pile up are refused, and so is a name without a letter."""
    assert rule_of("person_name", name) == rule


def test_decomposed_name_is_composed():
    """The same name typed on two systems is one value."""
    assert BUILT_IN["person_name"].normalise("Jose\u0301\u00a0 Naik\n") == "José Naik"


@pytest.mark.parametrize(
    ("name", "masked"),
    [
        ("Asha Rao", "A****"),
        ("आशा", "आ****"),
        ("Om", "****"),
        ("王小明", "****"),
        ("3M India", "****"),
        ("김철수", "****"),
    ],
)
def test_mask_of_a_name_is_an_initial_or_nothing(name, masked):
    """One letter shows, unless the name is so short or so written that one sign is half of it."""
    assert BUILT_IN["company_name"].mask(name) == masked


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("1985-02-30", "not_a_date"),
        ("1985-13-01", "not_a_date"),
        ("1899-12-31", "date_range"),
        ("2100-01-01", "date_range"),
        ("12/04/1985", "format"),
        ("19850412", "format"),
        ("1985-W15-5", "format"),
        (19850412, "not_text"),
    ],
)
def test_date_of_birth_has_one_form(value, rule):
    """Only YYYY-MM-DD of a real day is a date of birth: day and month are never guessed."""
    assert rule_of("date_of_birth", value) == rule


def test_email_domain_is_lower_case_and_local_part_is_not_touched():
    """Domains ignore case; what stands before the @ is the receiver's business."""
    assert BUILT_IN["email"].normalise(" Asha.Rao@EXAMPLE.In ") == "Asha.Rao@example.in"


@pytest.mark.parametrize(
    "value",
    [
        "asha",
        "asha@",
        "@example.in",
        "asha@@example.in",
        "asha@example",
        "asha@x.test",
        "Asha <a@example.in>",
    ],
)
def test_bad_email_is_refused(value):
    """What cannot be an address on the Internet is refused, without asking the Internet."""
    assert rule_of("email", value) == "format"


def test_refused_email_leaves_no_trace_of_itself():
    """The library's error quotes the address; ours has neither its text nor the error in its chain."""
    with pytest.raises(InvalidValue) as caught:
        BUILT_IN["email"].normalise("asha..rao@example.in")
    assert "asha" not in str(caught.value) + caught.value.detail
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "spoken",
    ["9812345678", "09812345678", "+91 98123 45678", "+91-9812-345678", "0091 9812345678", "(0)9812345678"],
)
def test_indian_phone_becomes_e164(spoken):
    """However an Indian number is written, it is one number."""
    assert BUILT_IN["phone"].normalise(spoken) == "+919812345678"


def test_foreign_phone_needs_its_country():
    """A number with + keeps its country."""
    assert BUILT_IN["phone"].normalise("+44 20 7946 0958") == "+442079460958"
    assert BUILT_IN["phone"].mask("+442079460958") == "+44****0958"


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("98123456", "not_assigned"),
        ("+999 12345678", "format"),
        ("९८१२३४५६७८", "characters"),
        ("9812345678 x12", "format"),
        ("1800FLOWERS", "format"),
        (9812345678, "not_text"),
    ],
)
def test_bad_phone_is_refused(value, rule):
    """Short, unassigned, extended or spelt-out numbers are refused."""
    assert rule_of("phone", value) == rule


def test_address_is_completed_and_tidied():
    """Country defaults to India, blank parts vanish, the PIN code has no space."""
    spoken = HOME | {"line1": " 14\nTemple  Road", "line2": " ", "state": None}
    assert BUILT_IN["postal_address"].normalise(spoken) == {
        "line1": "14 Temple Road",
        "city": "Bengaluru",
        "postal_code": "560003",
        "country": "IN",
    }


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"postal_code": "056003"}, "format:postal_code"),
        ({"postal_code": "56000"}, "format:postal_code"),
        ({"postal_code": ""}, "missing_part:postal_code"),
        ({"country": "XX"}, "country_code:country"),
        ({"city": None}, "not_text:city"),
        ({"city": "  "}, "empty:city"),
        ({"line1": "x" * 201}, "too_long:line1"),
        ({"pincode": "560003"}, "unknown_part"),
    ],
)
def test_bad_address_names_the_part(change, rule):
    """Each wrong part of an address is refused under its own name."""
    assert rule_of("postal_address", HOME | change) == rule


def test_address_abroad_needs_no_postal_code():
    """Countries without postal codes have addresses, too."""
    address = {"line1": "Sheikh Zayed Road 1", "city": "Dubai", "country": "ae"}
    assert BUILT_IN["postal_address"].normalise(address)["country"] == "AE"


def test_address_mask_shows_the_region_only():
    """Street and postal code stay hidden."""
    kind = BUILT_IN["postal_address"]
    assert kind.mask(kind.normalise(HOME)) == {
        "line1": "****",
        "city": "Bengaluru",
        "postal_code": "****",
        "country": "IN",
    }


@pytest.mark.parametrize(
    ("spoken", "written", "masked"),
    [
        ("203.0.113.7", "203.0.113.7", "203.0.****"),
        ("2001:DB8:0::1", "2001:db8::1", "2001:db8:****"),
        ("::ffff:203.0.113.7", "203.0.113.7", "203.0.****"),
        ("::1", "::1", "0:0:****"),
    ],
)
def test_ip_address_has_one_spelling(spoken, written, masked):
    """An address is written one way, and its mask shows the network's front half at most."""
    kind = BUILT_IN["ip_address"]
    assert kind.normalise(spoken) == written
    assert kind.mask(written) == masked


@pytest.mark.parametrize("value", ["203.0.113.007", "203.0.113.0/24", "fe80::1%eth0", "1", "localhost"])
def test_bad_ip_address_is_refused(value):
    """Networks, zones, leading zeros and names are not addresses."""
    assert rule_of("ip_address", value) == "format"


def test_user_agent_with_a_control_character_is_refused():
    """A header cannot smuggle control characters into what an operator reads."""
    assert rule_of("user_agent", "Mozilla\x1b[31m") == "characters"


def test_device_id_keeps_its_case():
    """Identifiers are opaque: a and A are different devices."""
    assert BUILT_IN["device_id"].normalise("abCD-1234") == "abCD-1234"
