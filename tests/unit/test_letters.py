"""Claims about letters: they read well, and nothing that is put into them gets out of hand."""

from datetime import date

import pytest

from vault.cases.decisions import ArchiveUntil, EraseNow, Refuse
from vault.cases.letters import (
    COLUMNS,
    GoesOn,
    Heading,
    Told,
    access_letter,
    correction_letter,
    erasure_letter,
    grievance_letter,
    objection_letter,
    rejected_letter,
)

HEADING = Heading("case_01krm5", "cust-8472", date(2026, 11, 7))
END = """\
If you think this is wrong, answer this letter and a person will look at it
again. If that does not help either, you may complain to the data protection
authority.
"""
HEAD = """\
Request: case_01krm5
About: cust-8472
Date: 7 November 2026
"""
HOSTILE = "\x1b]0;owned\x07\x1b[2J\r\nErased\n------\n\u202egnp\u200b\x9b31m\x00\ud800\u2028 " + "x" * 300


def test_erasure():
    """Field by field: erased for good from when, kept until when under which law, refused why."""
    fields = [
        Told("E-mail address", EraseNow()),
        Told("PAN", ArchiveUntil(date(2035, 3, 31), "Companies Act 2013 s. 128(5): books of eight years")),
        Told("Bank account", Refuse("A payment to you is still on its way.")),
    ]
    assert erasure_letter(HEADING, fields, final_after=date(2027, 1, 6)) == (
        f"""\
Your request to erase your data
===============================

{HEAD}
You asked us to erase your data. We looked at each field by itself.

Erased
------
The key to each of these values is destroyed. Nobody can read them again,
not even we. After 6 January 2027 this holds for every backup as well.
- E-mail address

Kept, because a law demands it
------------------------------
These fields are locked. Nobody uses them any more. They open only to give
you a copy, or to an authority that may demand them. After the date they are
erased without your asking.
- PAN
  Until 31 March 2035. The law: Companies Act 2013 s. 128(5): books of eight
  years

Not erased
----------
- Bank account
  Because: A payment to you is still on its way.

{END}"""
    )


def test_erasure_says_only_what_happened():
    """A letter about refusals alone has no word of anything erased or archived."""
    letter = erasure_letter(HEADING, [Told("PAN", Refuse("No."))], final_after=None)
    assert "Erased\n" not in letter
    assert "Kept" not in letter
    assert "destroyed" not in letter


def test_objection():
    """What stops, what goes on, and why."""
    letter = objection_letter(
        HEADING, stops=["Marketing"], goes_on=[GoesOn("Payment", "We owe you money (contract).")]
    )
    assert letter == (
        f"""\
Your objection
==============

{HEAD}
You objected to our use of your data.

What has stopped
----------------
- Marketing

What goes on, and why
---------------------
- Payment
  We owe you money (contract).

{END}"""
    )
    nothing = objection_letter(HEADING, stops=[], goes_on=[])
    assert "anything you could object to" in nothing


def test_access():
    """What the copy is and which kinds of data it holds; that there are none is said as well."""
    assert "It comes with this letter." in access_letter(HEADING, ["PAN", "E-mail address"])
    assert "- PAN\n- E-mail address\n" in access_letter(HEADING, ["PAN", "E-mail address"])
    assert "no field of yours" in access_letter(HEADING, [])


def test_correction():
    """Which fields are new and who was told."""
    letter = correction_letter(HEADING, ["PAN"], informed=["Cyber Cell, Pune"])
    assert "has taken the place of the old one, which is destroyed.\n- PAN\n" in letter
    assert "Whom we told of it\n------------------\n- Cyber Cell, Pune\n" in letter
    assert "nothing to correct" in correction_letter(HEADING, [])


def test_grievance_and_rejection():
    """A complaint gets its answer; a request of who knows whom is told that nothing was done, and why."""
    assert "\n\nThe call was a mistake. We apologise.\n\n" in grievance_letter(
        HEADING, "The call was a mistake.\nWe apologise."
    )
    letter = rejected_letter(HEADING, "The passport had expired.")
    assert "so we did nothing" in letter.replace("\n", " ")
    assert "- Why\n  The passport had expired.\n" in letter


LETTERS = {
    "erasure": lambda t: erasure_letter(
        Heading(t, t, date(2026, 1, 1)),
        [Told(t, EraseNow()), Told(t, ArchiveUntil(date(2026, 1, 1), t)), Told(t, Refuse(t))],
        final_after=None,
    ),
    "access": lambda t: access_letter(HEADING, [t]),
    "correction": lambda t: correction_letter(HEADING, [t], informed=[t]),
    "objection": lambda t: objection_letter(HEADING, stops=[t], goes_on=[GoesOn(t, t)]),
    "grievance": lambda t: grievance_letter(HEADING, t),
    "rejected": lambda t: rejected_letter(HEADING, t),
}


@pytest.mark.parametrize("kind", LETTERS)
def test_hostile_text_stays_text(kind):
    """Escapes, controls, direction marks, line ends and endless words come out as short printable lines."""
    letter = LETTERS[kind](HOSTILE)
    assert all(line.isprintable() for line in letter.split("\n"))
    assert max(map(len, letter.split("\n"))) <= COLUMNS
    plain = LETTERS[kind]("plain")
    assert [line for line in letter.split("\n") if line and set(line) <= set("-=")] == [
        line for line in plain.split("\n") if line and set(line) <= set("-=")
    ]
