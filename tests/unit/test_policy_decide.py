"""Claims about decisions."""

from dataclasses import replace

import pytest
from msgspec import structs

from tests.fakes.authority import POLICY
from vault.model.ask import Allowed, Ask, Caller, Denied
from vault.model.grants import parse_grant
from vault.policy.decide import decide, granted, only_purpose


def caller(*grants: str) -> Caller:
    return Caller(
        "acme", "acme.x", "Asha", tuple(map(parse_grant, grants)), "client_secret_basic", "::1", "r"
    )


def opening(*grants: str, **changes: object) -> Ask:
    ask = Ask(
        caller(*grants), "detokenize", "bank_account", "payment", purpose="payment", reference="payout-1"
    )
    return structs.replace(ask, **changes)


def test_the_payment_module_opens_for_payment():
    """Grant, purpose and policy agree: allowed, by a rule that says so."""
    assert decide(opening("detokenize:payment@payment"), POLICY) == Allowed(
        "payment: class payment is open, plain"
    )


@pytest.mark.parametrize(
    ("grants", "changes"),
    [
        ((), {}),
        (("tokenize",), {}),
        (("detokenize:marketing_display",), {}),
        (("detokenize:payment@tax",), {}),
        (("detokenize:payment",), {"purpose": "analytics"}),
        (("detokenize:payment",), {"verb": "search"}),
        (("detokenize:payment",), {"verb": "nonsense"}),
        (("detokenize:payment@payment",), {"field_class": ""}),
    ],
)
def test_without_the_grant_nothing_is_looked_up(grants, changes):
    """Verb, purpose and class must all be granted; the refusal comes from the grants alone."""
    refused = granted(opening(*grants, **changes))
    assert isinstance(refused, Denied)
    assert refused.code == "no_grant"
    assert decide(opening(*grants, **changes), POLICY) == refused


def test_a_grant_opens_nothing_that_the_policy_closes():
    """Marketing with a grant is refused by the policy, and told why."""
    ask = opening("detokenize:marketing_display", purpose="marketing_display", field_class="contact")
    assert isinstance(granted(ask), Allowed)
    assert decide(ask, POLICY) == Denied("policy_denied", "marketing_display: class contact is closed")


def test_payment_names_its_reference():
    """Without a reference a payment opens nothing."""
    for reference in (None, ""):
        refused = decide(opening("detokenize:payment", reference=reference), POLICY)
        assert isinstance(refused, Denied)
        assert refused.code == "reference_required"


def test_masked_is_less_than_plain():
    """A plain right shows the mask too; a masked right never shows the value."""
    masked = replace(POLICY, matrix={("payment", "payment"): "masked"})
    ask = opening("detokenize:payment")
    assert isinstance(decide(structs.replace(ask, form="masked"), POLICY), Allowed)
    assert isinstance(decide(structs.replace(ask, form="masked"), masked), Allowed)
    assert decide(ask, masked) == Denied("policy_denied", "payment: class payment opens masked only")
    assert isinstance(decide(structs.replace(ask, form="everything"), POLICY), Denied)


def test_search_needs_a_searchable_type_and_a_plain_right():
    """Equality tells the whole value, so a masked right is not enough, and nothing is searchable unasked."""
    ask = opening("search:payment", verb="search", field_type="pan", field_class="tax", reference=None)
    searchable = replace(POLICY, searchable=frozenset({"pan"}))
    assert isinstance(decide(ask, POLICY), Denied)
    assert isinstance(decide(ask, searchable), Allowed)
    for form in ("plain", "masked"):
        masked = replace(searchable, matrix={("tax", "payment"): "masked"})
        assert isinstance(decide(structs.replace(ask, form=form), masked), Denied)


def test_a_purpose_nobody_granted_is_not_repeated():
    """What a caller typed as purpose may be a value; no rule quotes it."""
    refused = granted(opening("detokenize:payment", purpose="ABCDE1234F"))
    assert isinstance(refused, Denied)
    assert "ABCDE1234F" not in refused.rule


def test_a_dropped_purpose_closes_what_was_granted_for_it():
    """A grant whose purpose has left the policy opens nothing."""
    ask = opening("detokenize:old_purpose", purpose="old_purpose", field_class="contact")
    assert decide(ask, POLICY) == Denied("policy_denied", "old_purpose: the policy has no such purpose")


def test_only_purpose_is_the_callers_single_one():
    """A search names no purpose when its caller can mean only one."""
    assert only_purpose(caller("search:payment"), "search", field_class="tax") == "payment"
    assert only_purpose(caller("search:payment@contact"), "search", field_class="tax") is None
    assert only_purpose(caller("search:payment", "search:analytics"), "search", field_class="tax") is None
