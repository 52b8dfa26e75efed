"""Claims about names of persons and lines that people write."""

import unicodedata

import pytest

from vault.model.lines import acceptable_line
from vault.model.persons import same_person


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Asha Rao", "asha rao"),
        ("Asha Rao", " Asha \t Rao\n"),
        ("Asha\u00a0Rao", "Asha\u2003Rao"),
        ("Jürgen Groß", unicodedata.normalize("NFD", "JÜRGEN GROSS")),
        ("ΝΙΚΟΣ", "νικος"),
        ("İpek", "i̇pek"),
        ("ŚRĪ", "s\u0301ri\u0304"),
    ],
)
def test_spelling_makes_no_second_person(one, other):
    """Case, spaces, composed or not: the same name."""
    assert same_person(one, other)
    assert same_person(other, one)


@pytest.mark.parametrize(("one", "other"), [("Asha Rao", "AshaRao"), ("Asha Rao", "Asha Rau"), ("A", "")])
def test_two_names_are_two_persons(one, other):
    """What differs in a letter, or in whether there is a space, is another name."""
    assert not same_person(one, other)


@pytest.mark.parametrize(
    "line", ["Companies Act 2013 s. 128(5)", "आयकर अधिनियम", "ക്\u200dഷ", "x" * 200, "<b>"]
)
def test_tidy_lines(line):
    """Letters of any script, with the joiners that some are written with."""
    assert acceptable_line(line)


@pytest.mark.parametrize(
    "char", "\x00\t\n\r\x1b\x7f\x85\x9b\xad\u200b\u200e\u2028\u202e\u2060\u2066\ufeff\U000e0041"
)
def test_nothing_hides_in_a_line(char):
    """Controls, line ends, direction marks and invisible characters are refused wherever they stand."""
    assert not acceptable_line(f"a{char}b")


@pytest.mark.parametrize("line", ["", " ", " a", "a ", "x" * 201, "e\u0301", "\ud800", None, 7, b"a"])
def test_lines_are_tidy(line):
    """Blank, untrimmed, too long, not normalised, no text: refused."""
    assert not acceptable_line(line)
