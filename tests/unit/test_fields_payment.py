"""Payment types: what is accepted, what is refused and by which rule."""

import pytest

from vault.fields import BUILT_IN, Catalogue, InvalidValue

ACCOUNT = {"number": "000123456789", "ifsc": "DEMO0001234", "holder": "Asha Rao"}


def rule_of(name, value):
    """The rule that `value` breaks, with the part after a dot."""
    with pytest.raises(InvalidValue) as caught:
        BUILT_IN[name].normalise(value)
    return f"{caught.value.rule}:{caught.value.part}" if caught.value.part else caught.value.rule


def test_bank_account_is_written_one_way():
    """Spaces, hyphens, lower case and double spaces do not make another account."""
    spoken = {"holder": " Asha   Rao ", "ifsc": "demo0 001234", "number": "0001-2345 6789"}
    assert BUILT_IN["bank_account"].normalise(spoken) == ACCOUNT


def test_leading_zeros_of_an_account_number_survive():
    """An account number is text: its zeros are part of it."""
    assert BUILT_IN["bank_account"].normalise(ACCOUNT)["number"] == "000123456789"


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"number": "12345"}, "format:number"),
        ({"number": "123456789012345678901"}, "format:number"),
        ({"number": "000000000000"}, "format:number"),
        ({"number": "12345678901X"}, "format:number"),
        ({"number": "१२३४५६७८९०"}, "characters:number"),
        ({"number": 123456789012}, "not_text:number"),
        ({"number": None}, "not_text:number"),
        ({"ifsc": "DEMOO001234"}, "format:ifsc"),
        ({"ifsc": "DEM00001234"}, "format:ifsc"),
        ({"ifsc": ""}, "empty:ifsc"),
        ({"holder": "x" * 201}, "too_long:holder"),
        ({"holder": "Asha\u202eoaR"}, "characters:holder"),
        ({"branch": "Fort"}, "unknown_part"),
    ],
)
def test_bad_bank_account_names_the_part(change, rule):
    """Each wrong part of an account is refused under its own name; an unknown member is not named."""
    assert rule_of("bank_account", ACCOUNT | change) == rule


@pytest.mark.parametrize("part", ["number", "ifsc", "holder"])
def test_bank_account_needs_all_parts(part):
    """An account without number, IFSC or holder is refused."""
    assert rule_of("bank_account", {k: v for k, v in ACCOUNT.items() if k != part}) == f"missing_part:{part}"


def test_unknown_member_is_not_echoed():
    """A member's name can be a value in the wrong place, so the error does not repeat it."""
    with pytest.raises(InvalidValue) as caught:
        BUILT_IN["bank_account"].normalise(ACCOUNT | {"987654321098": "x"})
    assert caught.value.part is None
    assert "987654321098" not in str(caught.value)


def test_short_account_number_is_masked_whole():
    """The last four digits show only where more stays hidden."""
    mask = BUILT_IN["bank_account"].mask
    assert mask(ACCOUNT) == {"number": "****6789", "ifsc": "DEMO****", "holder": "A****"}
    assert mask(ACCOUNT | {"number": "12345678"})["number"] == "****"


@pytest.mark.parametrize(
    "address",
    [
        "asha.rao@demobank",
        "ASHA@okDemo",
        "9876543210@ybl",
        "shop-1_a@upi",
        "123456789012@demo0001234.ifsc.npci",
    ],
)
def test_upi_address_is_lower_case(address):
    """UPI addresses are accepted in any case and kept in lower case."""
    assert BUILT_IN["upi_vpa"].normalise(address) == address.lower()


@pytest.mark.parametrize(
    "address", ["asha", "a@bank", "asha@@bank", "asha rao@bank", "asha@example.in", "@bank", "asha@"]
)
def test_email_is_not_a_upi_address(address):
    """An e-mail address or half an address is refused, as money would go nowhere."""
    assert rule_of("upi_vpa", address) == "format"


def test_aadhaar_does_not_slip_in_as_upi_address():
    """A UPI address that is an Aadhaar number is refused for the reason Aadhaar is."""
    assert rule_of("upi_vpa", "234123412346@aadhaar.npci") == "embedded_aadhaar"


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("DE89370400440532013001", "check_digit"),
        ("DE8937040044053201300", "check_digit"),
        ("ZZ89370400440532013000", "check_digit"),
        ("hello", "format"),
        (["DE89"], "not_text"),
    ],
)
def test_mistyped_iban_is_refused(value, rule):
    """An IBAN with a slip, a missing digit or an unknown country is refused."""
    assert rule_of("iban", value) == rule


def test_iban_loses_its_spaces():
    """An IBAN in groups of four is the same IBAN."""
    assert BUILT_IN["iban"].normalise("de89 3704 0044 0532 0130 00") == "DE89370400440532013000"


def test_head_office_bic_has_one_spelling():
    """The branch XXX means the head office, and so does no branch."""
    assert BUILT_IN["bic"].normalise("deutdeffxxx") == BUILT_IN["bic"].normalise("DEUTDEFF") == "DEUTDEFF"


def test_bic_of_no_country_is_refused():
    """Letters five and six of a BIC are a country."""
    assert rule_of("bic", "DEUTXXFF") == "country_code"


def test_card_number_is_refused_with_the_law():
    """As shipped, a card number is refused before it is looked at, and the error says why."""
    with pytest.raises(InvalidValue) as caught:
        BUILT_IN["card_number"].normalise("4111111111111111")
    assert caught.value.rule == "disabled"
    assert "Reserve Bank of India" in caught.value.detail
    assert "PCI DSS" in caught.value.detail


def test_issuer_can_switch_card_numbers_on():
    """Where the law allows it, card numbers are checked and masked to less than PCI DSS permits."""
    card = Catalogue(enabled=["card_number"]).get("card_number")
    assert card.normalise("4111 1111 1111 1111") == "4111111111111111"
    assert card.mask("4111111111111111") == "****1111"
    with pytest.raises(InvalidValue, match="check_digit"):
        card.normalise("4111111111111112")
