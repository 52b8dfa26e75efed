"""Claims about reading retention rules, and about the profiles as shipped."""

from dataclasses import replace

import pytest

from vault.fields import Catalogue, define
from vault.model.grants import CLASSES
from vault.retention.calendar import MonthDay
from vault.retention.load import SHIPPED, from_canonical, parse_toml, profiles
from vault.retention.rules import Keep, Retention, RetentionError, to_canonical

SMALL = """
version = 1
profile = "in"
title = "India"
timezone = "Asia/Kolkata"
year_starts = "04-01"
[keep.books]
law = "Companies Act 2013 s. 128(5)"
classes = ["payment", "tax"]
anchor = "invoice_year"
years = 8
[keep.gst]
law = "CGST Act 2017 s. 36"
classes = ["tax"]
types = ["gstin"]
anchor = "invoice_year"
due = "12-31"
months = 72
when = "invoiced"
[keep.relation]
law = "PMLA 2002 s. 12"
classes = ["identity"]
anchor = "relationship_ended"
years = 5
blocks_until_anchor = true
[limit.unused]
law = "DPDP Act 2023 s. 8(7)"
classes = ["contact"]
anchor = "last_processed"
months = 12
"""


def test_every_part_of_a_clock_is_read():
    """Names, law, classes, types, anchor, due date, length, condition: all as written, nothing added."""
    retention = parse_toml(SMALL)
    assert (retention.profile, retention.timezone) == ("in", "Asia/Kolkata")
    assert retention.year_starts == MonthDay(4, 1)
    books, gst, relation = retention.keeps
    assert gst == Keep(
        name="gst",
        law="CGST Act 2017 s. 36",
        classes=frozenset({"tax"}),
        types=frozenset({"gstin"}),
        anchor="invoice_year",
        due=MonthDay(12, 31),
        months=72,
        when="invoiced",
    )
    assert (books.length, books.when, books.due, books.types) == (96, "always", None, frozenset())
    assert relation.blocks_until_anchor
    assert not books.blocks_until_anchor
    assert [(limit.name, limit.length) for limit in retention.limits] == [("unused", 12)]


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("version = 1", "version = 2", "version"),
        ("version = 1", "", "version"),
        ("version = 1", "version = 1\nrule = 2", ""),
        ("version = 1", "version = ", ""),
        ('profile = "in"', "", "profile"),
        ('profile = "in"', 'profile = "IN"', "profile"),
        ('profile = "in"', "profile = 1", "profile"),
        ('title = "India"', 'title = ""', "title"),
        ('title = "India"', 'title = "a\\u202eb"', "title"),
        ("Asia/Kolkata", "Asia/Colcatta", "timezone"),
        ("Asia/Kolkata", "Asia", "timezone"),
        ("Asia/Kolkata", "../Asia/Kolkata", "timezone"),
        ("Asia/Kolkata", "/etc/localtime", "timezone"),
        ("Asia/Kolkata", "localtime", "timezone"),
        ("Asia/Kolkata", "posix/Asia/Kolkata", "timezone"),
        ("Asia/Kolkata", "", "timezone"),
        ("04-01", "4-1", "year_starts"),
        ("04-01", "02-30", "year_starts"),
        ("04-01", "03-31", "year_starts"),
        ('year_starts = "04-01"', "year_starts = 4", "year_starts"),
        ("[keep.books]", "[keeps.books]", ""),
        ("[keep.books]", "[keep.Books]", "keep"),
        ("[keep.books]", '[keep."a\\u001bb"]', "keep"),
        ("[keep.books]", "[keep.unused]", ""),
        ("[keep.gst]", "[keep.books]", ""),
        ("[keep.books]", "[limit]\nbook = 1\n[keep.books]", "limit.book"),
        ('law = "Companies Act 2013 s. 128(5)"\n', "", "keep.books.law"),
        ('law = "Companies Act 2013 s. 128(5)"', 'law = ""', "keep.books.law"),
        ('law = "Companies Act 2013 s. 128(5)"', 'law = "two\\nlines"', "keep.books.law"),
        ('law = "Companies Act 2013 s. 128(5)"', 'law = "x"\nlaws = "y"', "keep.books"),
        ('classes = ["payment", "tax"]\n', "", "keep.books.classes"),
        ('["payment", "tax"]', "[]", "keep.books.classes"),
        ('["payment", "tax"]', '["payment", "money"]', "keep.books.classes"),
        ('["payment", "tax"]', '["tax", "tax"]', "keep.books.classes"),
        ('["payment", "tax"]', '"tax"', "keep.books.classes"),
        ('["payment", "tax"]', "[1]", "keep.books.classes"),
        ('["gstin"]', '["gst"]', "keep.gst.types"),
        ('["gstin"]', '["GSTIN"]', "keep.gst.types"),
        ('["gstin"]', '["email"]', "keep.gst.types"),
        ('anchor = "last_processed"\n', "", "limit.unused.anchor"),
        ('anchor = "last_processed"', 'anchor = "last_login"', "limit.unused.anchor"),
        ('due = "12-31"', 'due = "31-12"', "keep.gst.due"),
        ('due = "12-31"', "due = 1231", "keep.gst.due"),
        ("years = 5", 'years = 5\ndue = "12-31"', "keep.relation.due"),
        ("years = 8", "years = 0", "keep.books"),
        ("years = 8", "", "keep.books"),
        ("years = 8", "years = -8", "keep.books.years"),
        ("years = 8", "years = 8.0", "keep.books.years"),
        ("years = 8", "years = true", "keep.books.years"),
        ("years = 8", "years = 100\nmonths = 1", "keep.books"),
        ("months = 72", "months = 1201", "keep.gst.months"),
        ("months = 72", 'months = "72"', "keep.gst.months"),
        ("months = 12", "months = 13", "limit.unused"),
        ("months = 12", "years = 1\nmonths = 1", "limit.unused"),
        ('when = "invoiced"', 'when = "often"', "keep.gst.when"),
        ('when = "invoiced"', 'when = "not_invoiced"', "keep.gst.when"),
        ('when = "invoiced"', "when = 1", "keep.gst.when"),
        ("blocks_until_anchor = true", "blocks_until_anchor = 1", "keep.relation.blocks_until_anchor"),
        ("years = 8", "years = 8\nblocks_until_anchor = true", "keep.books.blocks_until_anchor"),
        ("months = 12", "months = 12\nblocks_until_anchor = false", "limit.unused"),
    ],
)
def test_a_slip_in_the_rules_is_refused(old, new, where):
    """Unknown keys, classes, types, anchors, zones, odd lengths, repetitions: the error says where."""
    assert old in SMALL
    with pytest.raises(RetentionError) as caught:
        parse_toml(SMALL.replace(old, new, 1))
    assert caught.value.where == where
    assert caught.value.rule


def test_rules_without_a_clock_or_with_too_many_are_refused():
    """Rules that say nothing would let everything go; endless ones are no rules either."""
    retention = parse_toml(SMALL)
    with pytest.raises(RetentionError, match="clocks"):
        replace(retention, keeps=(), limits=())
    many = tuple(replace(retention.limits[0], name=f"clock{n}") for n in range(65))
    with pytest.raises(RetentionError, match="clocks"):
        replace(retention, limits=many)
    with pytest.raises(RetentionError, match="at most"):
        parse_toml(SMALL + "#" * 65_536)


def test_rules_are_checked_wherever_they_come_from():
    """Built in memory they are judged like a file: a length that is no whole number is none."""
    retention = parse_toml(SMALL)
    for length in (True, 1.5, "12", None):
        with pytest.raises(RetentionError, match="whole number"):
            replace(retention, limits=(replace(retention.limits[0], months=length),))


def test_an_error_quotes_no_more_than_a_short_key():
    """A key that is long or not printable is not repeated in the error."""
    for key in ("k" * 500, "a\\u0007b"):
        with pytest.raises(RetentionError) as caught:
            parse_toml(SMALL + f'\n[limit."{key}"]\nlaw = 1')
        assert len(str(caught.value)) < 200
        assert str(caught.value).isprintable()


def test_an_operators_own_type_may_be_named():
    """With the operator's catalogue a clock may name its types; without it they are refused."""
    own = define(name="staff_no", field_class="tax", pattern="[0-9]{6}", mask_form="none", title="No")
    text = SMALL.replace('["gstin"]', '["staff_no"]')
    assert parse_toml(text, Catalogue([own])).keeps[1].types == {"staff_no"}
    with pytest.raises(RetentionError, match="no such field type"):
        parse_toml(text)


def test_the_hash_is_of_the_canonical_text():
    """Comments and the order of clocks do not change the hash; a month does."""
    retention = parse_toml(SMALL)
    head, *tables = SMALL.split("\n[")
    turned = parse_toml("\n[".join(["# comment\n" + head, *reversed(tables)]))
    assert (turned, turned.hash) == (retention, retention.hash)
    assert parse_toml(SMALL.replace("months = 12", "months = 11")).hash != retention.hash
    assert parse_toml(SMALL.replace("Asia/Kolkata", "Asia/Colombo")).hash != retention.hash
    assert from_canonical(to_canonical(retention)) == retention
    assert from_canonical(to_canonical(retention)).hash == retention.hash


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"v":1', b'"v":2'),
        (b'{"keep"', b'{ "keep"'),
        (b'"months":12', b'"months":12.0'),
        (b'"types":[],"when":"always","years":8', b'"when":"always","years":8'),
        (b'["payment","tax"]', b'["tax","payment"]'),
        (b'"due":"12-31"', b'"due":null'),
    ],
)
def test_canonical_rules_have_one_spelling(old, new):
    """What differs by a blank, an order or a default left out is refused."""
    data = to_canonical(parse_toml(SMALL))
    assert old in data
    with pytest.raises(RetentionError):
        from_canonical(data.replace(old, new, 1))


def test_rules_do_not_change():
    """Neither the rules nor a clock can be set."""
    retention = parse_toml(SMALL)
    with pytest.raises(AttributeError):
        retention.hash = ""
    with pytest.raises(AttributeError):
        retention.keeps[0].years = 1


def test_the_shipped_profiles_load_and_cite():
    """Each file is the profile of its name, and each clock of it cites what it rests on."""
    assert set(profiles()) == set(SHIPPED) == {"in", "eu"}
    for name, retention in profiles().items():
        assert isinstance(retention, Retention)
        assert retention.profile == name
        assert all(len(clock.law) > 10 for clock in (*retention.keeps, *retention.limits))
    assert str(profiles()["in"].year_starts) == "04-01"
    assert profiles()["in"].timezone == "Asia/Kolkata"


@pytest.mark.parametrize("profile", SHIPPED)
@pytest.mark.parametrize("invoiced", [True, False])
def test_no_class_is_without_a_maximum(profile, invoiced):
    """Invoiced or not, every class of a shipped profile has a maximum: nothing stays for ever."""
    whens = {"always", "invoiced" if invoiced else "not_invoiced"}
    limited = {c for clock in profiles()[profile].limits if clock.when in whens for c in clock.classes}
    assert limited == set(CLASSES)
