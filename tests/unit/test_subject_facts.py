"""Which facts about a subject may follow which, and what a hold covers."""

from datetime import date

import pytest

from vault.errors import BadRequest, Conflict
from vault.service.subjects import _check_days, _numbered
from vault.store.holds import Hold
from vault.store.subjects import Fact, Facts

DAY = date(2026, 11, 7)


def fact(kind: str, subject: str = "cust-1", on: date = DAY) -> Fact:
    return Fact(subject, 0, kind, on)


def test_facts_are_numbered_after_what_is_known():
    """Each subject's facts go on from its own latest, in the order in which they come."""
    known = {"cust-1": Facts(number=4), "cust-2": Facts()}
    new = [fact("active"), fact("invoiced", "cust-2"), fact("closed"), fact("closed", "cust-3")]
    numbered = [(one.subject, one.number) for one in _numbered(new, known)]
    assert numbered == [("cust-1", 5), ("cust-2", 1), ("cust-1", 6), ("cust-3", 1)]


@pytest.mark.parametrize("kinds", [["closed", "reopened", "closed"], ["invoiced"], ["active", "closed"]])
def test_an_account_opens_and_closes_in_turn(kinds):
    """In one request as over many: closed, reopened, closed again."""
    assert len(_numbered([fact(kind) for kind in kinds], {})) == len(kinds)


@pytest.mark.parametrize(
    ("account", "kinds", "wrong"),
    [
        (None, ["reopened"], [0]),
        ("closed", ["closed"], [0]),
        ("reopened", ["reopened"], [0]),
        (None, ["closed", "active", "closed"], [2]),
        ("closed", ["reopened", "reopened", "closed", "closed"], [1, 3]),
    ],
)
def test_nothing_is_closed_or_opened_twice(account, kinds, wrong):
    """A second closing without a reopening between, or the other way about, is refused by its place."""
    with pytest.raises(Conflict) as refused:
        _numbered([fact(kind) for kind in kinds], {"cust-1": Facts(1, account, DAY)})
    assert refused.value.code == "account_already"
    assert [place for place, _ in refused.value.items] == wrong


def test_a_fact_is_of_no_day_to_come():
    """Tomorrow and the year 1899 are refused by their place; today and 1900 pass."""
    days = [DAY, date(2026, 11, 8), date(1900, 1, 1), date(1899, 12, 31)]
    with pytest.raises(BadRequest) as refused:
        _check_days([fact("invoiced", on=day) for day in days], DAY)
    assert refused.value.code == "bad_fact"
    assert [place for place, _ in refused.value.items] == [1, 3]


@pytest.mark.parametrize(("account", "ended"), [("closed", DAY), ("reopened", None), (None, None)])
def test_a_relationship_has_ended_while_the_account_is_closed(account, ended):
    """A closing that was followed by a reopening starts no clock."""
    assert Facts(1, account, DAY if account else None).ended == ended


@pytest.mark.parametrize(
    ("on_token", "subject", "token", "covered"),
    [
        (None, "cust-1", "tok_a", True),
        ("tok_a", "cust-1", "tok_a", True),
        ("tok_a", "cust-1", "tok_b", False),
        (None, "cust-2", "tok_a", False),
        ("tok_a", "cust-2", "tok_a", False),
    ],
)
def test_a_hold_covers_its_token_or_its_whole_subject(on_token, subject, token, covered):
    """A hold without a token is about everything of the subject, and of nobody else."""
    held = Hold(bytes(16), "cust-1", on_token, "why", "case-1", "acme.legal", "Meera Iyer")
    assert held.covers(subject, token) is covered


def test_a_hold_says_when_it_was_placed():
    """Its identifier begins with the time."""
    at = 1_800_000_000_000_000
    held = Hold(at.to_bytes(7) + bytes(9), "cust-1", None, "why", "case-1", "acme.legal", "Meera Iyer")
    assert held.placed_at == at
