"""The catalogue as a whole: complete, documented, extensible by an operator."""

import json
from pathlib import Path

import pytest

from vault.fields import BUILT_IN, CLASSES, RULES, BadDefinition, Catalogue, UnknownType, define

ROOT = Path(__file__).parents[2]
PROMISED = {
    "payment": ["bank_account", "upi_vpa", "iban", "bic", "card_number"],
    "tax": ["pan", "gstin", "tan", "cin", "udyam", "aadhaar", "vat_id", "us_ssn", "us_ein"],
    "identity": ["person_name", "company_name", "date_of_birth"],
    "contact": ["email", "phone", "postal_address"],
    "usage": ["ip_address", "user_agent", "device_id"],
}


def employee(**change):
    """An operator's own type."""
    return define(
        **(
            {"name": "employee_no", "field_class": "identity", "pattern": "EMP-\\d{6}", "mask_form": "last2"}
            | change
        )
    )


def test_catalogue_holds_the_promised_types():
    """Every promised type exists in its class, in that order, and no other does."""
    found = {group: [kind.name for kind in Catalogue() if kind.field_class == group] for group in CLASSES}
    assert found == PROMISED


@pytest.mark.parametrize("name", BUILT_IN)
def test_example_is_normal_already(name):
    """Each type's example is accepted and is its own normal form."""
    kind = Catalogue(enabled=["card_number", "aadhaar"]).get(name)
    assert kind.normalise(kind.example) == kind.example
    assert kind.mask(kind.example) != kind.example


@pytest.mark.parametrize("name", BUILT_IN)
def test_documented_row_is_the_code(name):
    """docs/FIELDS.md says of each type what the code says."""
    kind = BUILT_IN[name]
    example = kind.example if isinstance(kind.example, str) else json.dumps(kind.example, ensure_ascii=False)
    page = (ROOT / "docs" / "FIELDS.md").read_text()
    section = page.partition(f"### `{name}`")[2].partition("\n### ")[0]
    for said in (kind.title, kind.normalisation, kind.validation, kind.masking, kind.source, f"`{example}`"):
        assert said in section
    assert kind.disabled is None or kind.disabled in section


def test_documented_rules_are_the_code():
    """docs/FIELDS.md lists every rule with its sentence."""
    page = (ROOT / "docs" / "FIELDS.md").read_text()
    assert [rule for rule, sentence in RULES.items() if f"| `{rule}` | {sentence} |" not in page] == []


def test_every_rule_can_be_broken():
    """No rule stands in the list that no code raises."""
    code = "".join(
        path.read_text() for path in (ROOT / "vault" / "fields").glob("*.py") if path.name != "rule.py"
    )
    raised = code + 'rule="disabled"'
    assert [rule for rule in RULES if f'"{rule}"' not in raised] == []


def test_unknown_type_is_not_echoed():
    """A value sent where a type belongs does not come back in the error."""
    with pytest.raises(UnknownType) as caught:
        Catalogue().get("AAPFU0939F")
    assert "AAPFU0939F" not in str(caught.value)


def test_operator_adds_a_type():
    """A type from the policy file is normalised and masked like any other."""
    kind = Catalogue([employee()]).get("employee_no")
    assert kind.normalise(" EMP-123456 ") == "EMP-123456"
    assert kind.mask("EMP-123456") == "****56"
    with pytest.raises(ValueError, match="employee_no: format"):
        kind.normalise("EMP-12345")


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Employee"},
        {"name": "x" * 33},
        {"name": ""},
        {"name": "cvv"},
        {"name": "card_pin"},
        {"name": "track_2"},
        {"field_class": "secret"},
        {"pattern": "(a+)+"},
        {"pattern": ""},
        {"mask_form": "last5"},
        {"mask_form": "everything"},
    ],
)
def test_bad_definition_is_refused(change):
    """A name, class, pattern or mask outside the rules stops the policy, not the first customer."""
    with pytest.raises(BadDefinition):
        employee(**change)


def test_operator_cannot_redefine_a_built_in_type():
    """A policy cannot weaken what `pan` means, nor define a type twice."""
    with pytest.raises(BadDefinition):
        Catalogue([employee(name="pan")])
    with pytest.raises(BadDefinition):
        Catalogue([employee(), employee()])


def test_only_barred_types_can_be_enabled():
    """Enabling is for what the law bars by default; a misspelt name stops the start."""
    for name in ("pan", "card_numbre"):
        with pytest.raises(BadDefinition):
            Catalogue(enabled=[name])


@pytest.mark.parametrize(
    ("form", "masked"),
    [
        ("none", "****"),
        ("last4", "****6789"),
        ("first1", "1****"),
        ("first1_last2", "1****89"),
        ("first2_last2", "12****89"),
        ("first4_last4", "****"),
    ],
)
def test_custom_mask_forms(form, masked):
    """The mask forms show what they say."""
    assert employee(pattern="\\d{1,12}", mask_form=form).mask("123456789") == masked


def test_custom_mask_of_a_short_value_shows_nothing():
    """Whatever the form says, more stays hidden than shown."""
    assert employee(pattern="\\d{1,12}", mask_form="first1_last4").mask("123456789") == "****"
