"""Claims about reading policies, and about the one that is shipped."""

from dataclasses import replace

import pytest

from tests.fakes.authority import POLICY
from vault.model.grants import CLASSES
from vault.policy.diff import diff
from vault.policy.load import from_canonical, parse_toml
from vault.policy.rules import CustomType, Policy, PolicyError, Transfers, to_canonical

SMALL = """
version = 1
[purposes.payment]
title = "Payment"
basis = "contract"
law = "GDPR Art. 6(1)(b)"
opens = { payment = "plain", contact = "masked", tax = "none" }
[purposes.analytics]
title = "Analytics"
basis = "consent"
law = "DPDP Act s. 6"
"""

HOURS = """[budgets.payment.hours]
days = ['mon']
from = '09:30'
until = '23:30'
outside = 'refuse'
[purposes.analytics]"""

CUSTOMER = {
    "registration", "identity_verification", "service_delivery", "payment", "communication",
    "marketing_display", "business_enquiries", "quality_training", "analytics", "statutory_compliance",
}  # fmt: skip


def test_as_shipped_only_payment_opens_anything():
    """Ten purposes, each with its basis; payment opens what a payout needs, usage data nobody opens."""
    assert set(POLICY.purposes) == CUSTOMER
    assert {purpose for _, purpose in POLICY.matrix} == {"payment"}
    assert {c for c, _ in POLICY.matrix} == set(CLASSES) - {"usage"}
    assert not POLICY.searchable
    assert all(p.basis and p.law and p.title for p in POLICY.purposes.values())


def test_what_a_policy_does_not_open_is_closed():
    """A class that is not named, and one opened as none, are closed alike."""
    policy = parse_toml(SMALL)
    assert policy.right("payment", "payment") == "plain"
    assert policy.right("contact", "payment") == "masked"
    assert policy.right("tax", "payment") is policy.right("identity", "payment") is None
    assert policy.right("contact", "analytics") is policy.right("nonsense", "payment") is None


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("version = 1", "version = 2", "version"),
        ("version = 1", "", "version"),
        ("version = 1", "version = 1\nversions = 2", ""),
        ("version = 1", 'version = 1\nsearchable = "pan"', "searchable"),
        ("version = 1", 'version = 1\nsearchable = ["pan", "pan"]', "searchable"),
        ("version = 1", 'version = 1\nsearchable = ["pann"]', "searchable"),
        ("version = 1", "version = 1\ntypes = 1", "types"),
        ('basis = "contract"\n', "", "purposes.payment.basis"),
        ('basis = "contract"', 'basis = "because"', "purposes.payment.basis"),
        ('basis = "contract"', "basis = 1", "purposes.payment.basis"),
        ('basis = "contract"', 'basis = "contract"\nbasis = "consent"', ""),
        ('title = "Payment"', 'title = ""', "purposes.payment.title"),
        ('title = "Payment"', 'title = "a\\u001bb"', "purposes.payment.title"),
        ("title =", "titel =", "purposes.payment"),
        ('"masked"', '"partly"', "purposes.payment.opens.contact"),
        ("contact =", "contacts =", "purposes.payment.opens"),
        ("opens = {", "opens = 3 # {", "purposes.payment.opens"),
        ("[purposes.analytics]", "[purposes.payment]", ""),
        ("[purposes.analytics]", "[purposes.Analytics]", "purposes"),
        ("[purposes.analytics]", "[purpose.analytics]", ""),
        ("[purposes.analytics]", "[transfers]\nhome = 'IN'\n[purposes.analytics]", "transfers"),
        ("[purposes.analytics]", "[transfers]\nblocked = ['UK']\n[purposes.analytics]", "transfers"),
        ("[purposes.analytics]", "[transfers]\nhome_country = 'in'\n[purposes.analytics]", "transfers"),
        ("version = 1", "version = 1\ntransfers.home_country = 1", "transfers.home_country"),
        ("version = 1", "version = 1\ntransfers.blocked = ['KP', 'KP']", "transfers.blocked"),
        ("version = 1", "version = 1\ntransfers.blocked = ['IN']", "transfers.blocked"),
        ("version = 1", "version = 1\ntransfers.blocked = 'KP'", "transfers.blocked"),
        ("version = 1", "version = 1\nbudgets.paying.subjects_per_hour = 1", "budgets"),
        ("version = 1", "version = 1\nbudgets.payment.timezone = 'UTC'", "budgets.payment"),
        ("version = 1", "version = 1\nbudgets.payment.subject_per_hour = 1", "budgets.payment"),
        ("version = 1", "version = 1\nbudgets.export.subjects_per_day = true", "budgets.export"),
        (
            "version = 1",
            "version = 1\nbudgets.export.values_per_minute = 0",
            "budgets.export.values_per_minute",
        ),
        (
            "[purposes.analytics]",
            f"[budgets.payment]\ntimezone = 'Mars'\n{HOURS}",
            "budgets.payment.timezone",
        ),
        ("[purposes.analytics]", HOURS.replace("23", "09"), "budgets.payment.hours"),
        ("[purposes.analytics]", HOURS.replace("23:", "24:"), "budgets.payment.hours"),
        ("[purposes.analytics]", HOURS.replace("23", "7"), "budgets.payment.hours.until"),
        ("[purposes.analytics]", HOURS.replace("mon", "mo"), "budgets.payment.hours.days"),
        ("[purposes.analytics]", HOURS.replace("'refuse'", "'open'"), "budgets.payment.hours.outside"),
        ("[purposes.analytics]", HOURS.replace("'refuse'", "{}"), "budgets.payment.hours.outside"),
        ("version = 1", "version = 1\nbudgets.payment.credentials.pay = {}", "budgets.payment"),
        (
            "version = 1",
            "version = 1\nbudgets.payment.credentials.'acme.pay'.subjects_per_hour = 1",
            "budgets.payment.credentials",
        ),
    ],
)
def test_a_slip_in_a_policy_is_refused(old, new, where):
    """Unknown keys and classes, wrong types, no basis, repetitions: none loads, and the error says where."""
    assert old in SMALL
    with pytest.raises(PolicyError) as caught:
        parse_toml(SMALL.replace(old, new, 1))
    assert caught.value.where == where
    assert caught.value.rule


@pytest.mark.parametrize("form", ["plain", "masked"])
def test_money_data_opens_to_payment_alone(form):
    """A policy that opens class payment to another purpose is refused, however it comes to us."""
    with pytest.raises(PolicyError, match="class payment"):
        parse_toml(SMALL + f'opens = {{ payment = "{form}" }}')
    good = parse_toml(SMALL)
    with pytest.raises(PolicyError, match="class payment"):
        replace(good, matrix={("payment", "analytics"): form})
    text = to_canonical(good).replace(b'"opens":{}', f'"opens":{{"payment":"{form}"}}'.encode())
    with pytest.raises(PolicyError, match="class payment"):
        from_canonical(text)


def test_the_hash_is_of_the_canonical_text():
    """Comments and order do not change a policy's hash; a right does."""
    policy = parse_toml(SMALL)
    assert parse_toml("# a comment\n" + SMALL).hash == policy.hash
    assert replace(policy, matrix={}).hash != policy.hash
    assert from_canonical(to_canonical(policy)) == policy
    assert from_canonical(to_canonical(policy)).hash == policy.hash


def test_a_policy_does_not_change():
    """Neither its members nor its tables can be set."""
    with pytest.raises(AttributeError):
        POLICY.hash = ""
    with pytest.raises(TypeError):
        POLICY.matrix["usage", "payment"] = "plain"


def test_an_operators_type_is_read_and_judged():
    """A custom type needs a class, a usable pattern and a mask; it may then be searchable."""
    custom = """
    [types.staff_no]
    title = "Staff number"
    class = "identity"
    pattern = "[A-Z]{2}[0-9]{6}"
    mask = "last2"
    """
    policy = parse_toml(SMALL.replace("version = 1", 'version = 1\nsearchable = ["staff_no"]') + custom)
    assert policy.types["staff_no"] == CustomType(
        "staff_no", "Staff number", "identity", "[A-Z]{2}[0-9]{6}", "last2"
    )
    for old, new in (
        ("identity", "people"),
        ("last2", "everything"),
        ("[A-Z]{2}", "([A-Z]+)+"),
        ("staff_no", "pan"),
        ("staff_no", "cvv"),
    ):
        with pytest.raises(PolicyError):
            parse_toml(SMALL + custom.replace(old, new))


def test_diff_says_what_widens_and_what_narrows():
    """Each change is named once, the wider ones first."""
    old = parse_toml(SMALL)
    new = replace(
        old,
        matrix={("payment", "payment"): "masked", ("contact", "payment"): "plain"},
        searchable=frozenset({"pan"}),
        purposes={"payment": old.purposes["payment"]},
    )
    assert [str(change) for change in diff(old, new)] == [
        "payment opens contact: masked → plain (widens)",
        "searchable pan: no → yes (widens)",
        "payment opens payment: plain → masked (narrows)",
        "purpose analytics: Analytics; consent; DPDP Act s. 6 → absent (neutral)",
    ]
    assert diff(old, old) == []


def test_a_policy_without_transfers_reads_as_before():
    """What says no more than the default is spelled and hashed as policies were before."""
    said = parse_toml(SMALL.replace("version = 1", "version = 1\ntransfers.home_country = 'IN'"))
    assert said == parse_toml(SMALL)
    assert b"transfers" not in to_canonical(said)
    padded = to_canonical(said).replace(b'"types"', b'"transfers":{"blocked":[],"home_country":"IN"},"types"')
    with pytest.raises(PolicyError, match="spelling"):
        from_canonical(padded)


def test_unblocking_a_country_widens():
    """So does another home, where no safeguard is asked for any more; blocking narrows."""
    old = replace(POLICY, transfers=Transfers("IN", frozenset({"KP"})))
    new = replace(POLICY, transfers=Transfers("DE", frozenset({"IR"})))
    assert from_canonical(to_canonical(new)) == new
    assert [str(change) for change in diff(old, new)] == [
        "home country: IN → DE (widens)",
        "transfers to KP: blocked → open (widens)",
        "transfers to IR: open → blocked (narrows)",
    ]


def test_a_custom_type_that_changes_class_counts_as_wider():
    """Moving a type to another class, or masking it otherwise, may show more."""
    kind = CustomType("ref", "Ref", "identity", "[0-9]{4}", "none")
    old, new = (replace(POLICY, types={"ref": t}) for t in (kind, replace(kind, field_class="contact")))
    assert [change.effect for change in diff(old, new)] == ["widens"]
    assert isinstance(new, Policy)
