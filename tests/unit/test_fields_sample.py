"""The sample sign-ups are what they say: clean rows are clean, dirty ones fail where they claim to."""

from itertools import islice

from vault.demo.signups import generate
from vault.fields import BUILT_IN, InvalidValue

ROWS = list(generate(3_000, seed=7))


def refused(row):
    """The types of a row that the catalogue refuses."""
    found = set()
    for item in row.items:
        try:
            BUILT_IN[item["type"]].normalise(item["value"])
        except InvalidValue as invalid:
            found.add(invalid.type)
    return found


def test_exactly_the_dirty_items_are_refused():
    """A row knows its faults: nothing else in it is refused, and nothing of them is accepted."""
    assert [row.reference for row in ROWS if refused(row) != row.dirty] == []


def test_about_one_row_in_thirty_is_dirty():
    """Real sign-ups are not clean, and not all dirty either."""
    assert 0.02 < sum(bool(row.dirty) for row in ROWS) / len(ROWS) < 0.045


def test_rows_are_the_same_for_the_same_seed():
    """A row depends on its number and the seed alone, so a longer file begins with the shorter one."""
    assert list(islice(generate(10_000, seed=7), 50)) == ROWS[:50]
    assert list(generate(50, seed=8)) != ROWS[:50]


def test_numbers_of_a_row_fit_together():
    """The GSTIN of a clean row holds its PAN."""
    for row in ROWS:
        values = {item["type"]: item["value"] for item in row.items}
        if not row.dirty:
            assert values["gstin"][2:12] == values["pan"]


def test_names_come_in_many_scripts():
    """Ten scripts at least occur among the names."""
    blocks = {
        ord(item["value"][0]) >> 7 for row in ROWS for item in row.items if item["type"] == "person_name"
    }
    assert len(blocks) >= 10


def test_mail_goes_nowhere():
    """Every address of a clean row lies under a domain reserved for examples."""
    for row in ROWS:
        mail = next(item["value"] for item in row.items if item["type"] == "email")
        assert row.dirty or mail.rpartition("@")[2].startswith("example.")
