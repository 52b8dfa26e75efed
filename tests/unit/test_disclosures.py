"""Claims about recipients and what may be disclosed to them."""

from dataclasses import replace
from datetime import date

import pytest

from tests.fakes.paperwork import EMAIL, PAN, case, disclosure, erasure, order
from vault.cases.disclosures import (
    Borders,
    Recipient,
    RecipientError,
    Wanted,
    may_disclose,
    order_document,
    read_order,
)
from vault.cases.documents import BadDocument
from vault.model.ask import Allowed, Denied

TODAY = date(2026, 11, 7)
HOME = Borders("IN", frozenset({"KP"}))
MAILER = Recipient(
    "mailer", "Bulk Mail Pvt Ltd", "provider", "IN", frozenset({"contact"}), undertaking="DPA of 2 May 2026",
    expires=TODAY,
)  # fmt: skip
CYBERCELL = Recipient("cybercell", "Cyber Cell, Pune", "authority", "IN", frozenset({"tax"}))
MAIL = Wanted("cust-8472", EMAIL, "contact", "contract-17")
PANS = Wanted("cust-8472", PAN, "tax", "BNSS-94-2026-113", disclosure())


def asked(recipient, wanted, borders=HOME, today=TODAY):
    found = may_disclose(recipient, wanted, borders=borders, today=today)
    return found.code if isinstance(found, Denied) else "allowed"


def test_provider_receives_what_it_needs():
    """A provider under contract receives the classes it needs, on the last day of its contract too."""
    assert may_disclose(MAILER, MAIL, borders=HOME, today=TODAY) == Allowed(
        "provider mailer needs class contact"
    )


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ended": True}, "recipient_ended"),
        ({"undertaking": None}, "undertaking_missing"),
        ({"undertaking": None, "kind": "affiliate"}, "undertaking_missing"),
        ({"expires": date(2026, 11, 6)}, "undertaking_expired"),
        ({"classes": frozenset()}, "not_needed_to_know"),
        ({"classes": frozenset({"payment", "tax"})}, "not_needed_to_know"),
        ({"country": "KP"}, "country_blocked"),
        ({"country": "KP", "safeguard": "SCC 2021/914"}, "country_blocked"),
        ({"country": "DE"}, "safeguard_missing"),
        ({"country": "DE", "safeguard": "SCC 2021/914"}, "allowed"),
        ({"undertaking": None, "kind": "authority"}, "two_persons_required"),
    ],
)
def test_recipient_refused(changes, code):
    """Each fact on file that speaks against a disclosure stops it, under its own code."""
    assert asked(replace(MAILER, **changes), MAIL) == code


@pytest.mark.parametrize(
    "reference", [None, "", "no spaces please", "asha@example.in", "ABCPE1234F", "9876543210"]
)
def test_disclosure_names_its_ground(reference):
    """Without a legal reference that may stand in the log nothing is disclosed."""
    assert asked(MAILER, replace(MAIL, legal_reference=reference)) == "legal_reference_required"


@pytest.mark.parametrize("blocked", [{"KP"}, {"kp"}, {" Kp "}, {"KP", "DE"}])
def test_blocked_however_it_is_written(blocked):
    """A block list in lower case or with spaces blocks all the same."""
    abroad = replace(MAILER, country="KP", safeguard="SCC 2021/914")
    assert asked(abroad, MAIL, Borders("IN", frozenset(blocked))) == "country_blocked"


def test_home_can_be_blocked():
    """The block list is stronger than being at home."""
    assert asked(MAILER, MAIL, Borders("IN", frozenset({"IN"}))) == "country_blocked"


def test_authority_receives_what_two_persons_approved():
    """A released case lets exactly its field go to exactly its recipient on exactly its ground."""
    assert asked(CYBERCELL, PANS) == "allowed"
    assert asked(CYBERCELL, replace(PANS, approved=disclosure("carry_out"))) == "allowed"


@pytest.mark.parametrize(
    "changes",
    [
        {"approved": None},
        {"approved": disclosure("receive")},
        {"approved": disclosure("decide")},
        {"approved": disclosure("answer")},
        {"approved": disclosure(recipient="other")},
        {"approved": disclosure(legal_reference="BNSS-94-2026-114")},
        {"approved": disclosure(tokens=(EMAIL,))},
        {"approved": case(erasure()[:5])},
        {"token": EMAIL},
        {"subject": "cust-1"},
        {"legal_reference": "BNSS-94-2026-114"},
    ],
)
def test_authority_receives_nothing_else(changes):
    """No case, an unreleased one, an answered one, or one about anything else: two persons are missing."""
    assert asked(CYBERCELL, replace(PANS, **changes)) == "two_persons_required"


def test_order_is_read_back():
    """An order is written for a case and read as it was."""
    assert order_document(read_order(order())) == order()


@pytest.mark.parametrize(
    "changes",
    [
        {"v": 2}, {"v": True}, {"tokens": []}, {"tokens": [PAN, EMAIL, PAN]}, {"tokens": [PAN, EMAIL]},
        {"sealed": "yes"}, {"recipient": "Cyber Cell"}, {"legal_reference": "a b"}, {"more": 1},
        {"tokens": PAN}, {"tokens": [1]},
    ],
)  # fmt: skip
def test_order_in_any_other_spelling_is_refused(changes):
    """Unsorted or doubled tokens, an unknown member or another type make no order."""
    with pytest.raises(BadDocument):
        read_order({**order(), **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Mailer"}, {"name": ""}, {"name": "x" * 33}, {"name": "a\n"}, {"title": "a\nb"},
        {"kind": "friend"}, {"country": "in"}, {"country": "UK"}, {"country": "XX"}, {"country": ""},
        {"classes": frozenset({"secrets"})}, {"undertaking": ""}, {"safeguard": "\x1b[1m"}, {"title": ""},
    ],
)  # fmt: skip
def test_register_takes_no_nonsense(changes):
    """A recipient with a name, kind, country, class or line that cannot be is not one."""
    with pytest.raises(RecipientError):
        replace(MAILER, **changes)
