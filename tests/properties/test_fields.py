"""What holds for every field type and every input, not only for the examples."""

import json
import re
import time
import traceback
from itertools import pairwise

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from vault.demo.signups import generate
from vault.fields import BUILT_IN, BadDefinition, Catalogue, InvalidValue, define, forbidden_payload, read
from vault.fields.mask import HIDDEN
from vault.fields.pattern import BadPattern, compile_pattern
from vault.fields.rule import Refused

KINDS = {kind.name: kind for kind in Catalogue(enabled=["card_number", "aadhaar"])}
ANY_TEXT = st.text(st.characters(), max_size=60)  # lone surrogates and controls included
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=12,
)
NOISE = st.sampled_from(
    [" ", "-", ".", "\u00a0", "\u200d", "\u0301", "0", "9", "A", "z", "@", "+", "क", "\ud800", "\n"]
)
CANARY = "Qx7Zk"


@st.composite
def mutated(draw, text):
    """`text` with a few characters dropped, doubled, swapped or put in; often with none."""
    chars = list(text)
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2, 3]))):
        at = draw(st.integers(0, len(chars)))
        chars[at : at + draw(st.integers(0, 2))] = draw(st.lists(NOISE, max_size=2))
    return draw(st.sampled_from([str, str.upper, str.lower]))("".join(chars))


@st.composite
def near_misses(draw, kind):
    """Values close to the type's example: where parsers are tested hardest."""
    if isinstance(kind.example, str):
        return draw(mutated(kind.example))
    parts = dict(kind.example)
    for part in draw(st.sets(st.sampled_from(sorted(parts)), max_size=2)):
        parts[part] = draw(mutated(parts[part]) | JSON)
    if draw(st.integers(0, 5)) == 0:
        del parts[draw(st.sampled_from(sorted(parts)))]
    return parts


def outcome(kind, value):
    """What the type says: a normal form, or the refusal itself."""
    try:
        return kind.normalise(value)
    except InvalidValue as refusal:
        return refusal


def texts(plain):
    """The texts a value consists of."""
    return [plain] if isinstance(plain, str) else list(plain.values())


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=50)
@given(data=st.data())
def test_normalise_raises_invalid_value_only(name, data):
    """Whatever a caller sends, the answer is a normal form or our own refusal, naming a part of ours."""
    kind = KINDS[name]
    found = outcome(kind, data.draw(near_misses(kind) | JSON))
    if isinstance(found, InvalidValue):
        assert (found.type, found.part in (None, *kind.parts)) == (name, True)
    else:
        assert all(isinstance(text, str) and text for text in texts(found))
        assert isinstance(found, str) or tuple(found) == tuple(p for p in kind.parts if p in found)


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=50)
@given(data=st.data())
def test_normalising_twice_changes_nothing(name, data):
    """A normal form is its own normal form, so a value read back can be tokenized again."""
    kind = KINDS[name]
    plain = outcome(kind, data.draw(near_misses(kind) | ANY_TEXT))
    if not isinstance(plain, InvalidValue):
        assert kind.normalise(plain) == plain


@pytest.mark.parametrize("name", KINDS)
def test_longest_values_fit_four_kibibytes(name):
    """Four-byte characters up to every cap stay below what a record may hold."""
    kind = KINDS[name]
    longest = {part: fill(kind, part) for part in kind.parts} if kind.parts else fill(kind, None)
    assert len(json.dumps(kind.normalise(longest), ensure_ascii=False).encode()) <= 4096


def fill(kind, part):
    """The longest run of a four-byte letter that this place takes, else its example."""
    for length in (512, 200, 100):
        text = "𝒜" * length
        if not isinstance(outcome(kind, kind.example | {part: text} if part else text), InvalidValue):
            return text
    return kind.example[part] if part else kind.example


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=50)
@given(data=st.data())
def test_error_never_carries_the_value(name, data):
    """Neither the message nor a printed traceback repeats any of the value, in any exception of the chain."""
    value = data.draw(near_misses(KINDS[name]))
    spoilt = value + CANARY if isinstance(value, str) else dict.fromkeys([*value, CANARY], CANARY)
    refusal = outcome(KINDS[name], spoilt)
    if isinstance(refusal, InvalidValue):
        printed = "".join(traceback.format_exception(refusal)) + repr(refusal) + repr(refusal.__dict__)
        assert CANARY.lower() not in printed.lower()
        assert (refusal.__cause__, refusal.__context__) == (None, None)


# What of a normalised text may stand in its mask: (characters at the front, characters at the back).
SHOWN = {
    "upi_vpa": None,  # the handle, see below
    "email": None,
    "postal_address": None,
    "gstin": None,
    "udyam": None,
    "phone": (4, 4),
    "vat_id": (2, 4),
    "iban": (2, 4),
    "bic": (3, 0),
    "person_name": (1, 0),
    "company_name": (1, 0),
    "date_of_birth": (0, 0),
    "user_agent": (0, 0),
    "ip_address": None,
}


@pytest.mark.parametrize(
    "name", [name for name in KINDS if SHOWN.get(name, (0, 4)) and not KINDS[name].parts]
)
@given(data=st.data())
def test_mask_shows_no_more_than_documented(name, data):
    """A mask is a short beginning, the mark, a short end; and more of the value is hidden than shown."""
    plain = outcome(KINDS[name], data.draw(near_misses(KINDS[name])))
    if isinstance(plain, InvalidValue):
        return
    front, _, back = KINDS[name].mask(plain).partition(HIDDEN)
    first, last = SHOWN.get(name, (0, 4))
    assert len(front) <= first
    assert len(back) <= last
    assert plain.startswith(front)
    assert plain.endswith(back)
    assert name in ("vat_id", "phone") or 2 * len(front + back) < len(plain)


@pytest.mark.parametrize("name", ["upi_vpa", "email"])
@given(data=st.data())
def test_mask_of_an_address_shows_one_character_before_the_at(name, data):
    """Of the part that names a person one character shows at most."""
    plain = outcome(KINDS[name], data.draw(near_misses(KINDS[name])))
    if isinstance(plain, InvalidValue):
        return
    local, _, domain = plain.rpartition("@")
    assert KINDS[name].mask(plain) in (f"{HIDDEN}@{domain}", f"{local[0]}{HIDDEN}@{domain}")


@given(data=st.data())
def test_mask_of_an_account_hides_the_number(data):
    """At most four digits of an account, four letters of its bank and one of its holder show."""
    plain = outcome(KINDS["bank_account"], data.draw(near_misses(KINDS["bank_account"])))
    if isinstance(plain, InvalidValue):
        return
    masked = KINDS["bank_account"].mask(plain)
    assert masked["number"] in (HIDDEN, HIDDEN + plain["number"][-4:])
    assert masked["ifsc"] == plain["ifsc"][:4] + HIDDEN
    assert masked["holder"] in (HIDDEN, plain["holder"][0] + HIDDEN)


@given(st.integers(0, 10_000))
def test_mistyping_two_neighbouring_digits_of_a_gstin_is_caught(seed):
    """Swapping two different digits of a GSTIN's serial never gives another valid GSTIN."""
    row = next(generate(1, seed))
    assume(not row.dirty)
    number = next(item["value"] for item in row.items if item["type"] == "gstin")
    for at, (left, right) in enumerate(pairwise(number)):
        swapped = number[:at] + right + left + number[at + 2 :]
        if left != right and {left, right} != {"0", "Z"}:
            with pytest.raises(InvalidValue):
                BUILT_IN["gstin"].normalise(swapped)


@given(JSON)
def test_search_for_forbidden_data_is_total(payload):
    """The search answers every payload, with one of three codes or none."""
    assert forbidden_payload(payload) in (None, "card_verification_code", "pin", "track_data")


@given(JSON, st.sampled_from(["cvv", "C-V-C", "Pin", "pin block", "TRACK_2", "magStripe"]))
def test_forbidden_key_is_found_beside_anything(payload, key):
    """A forbidden key is found whatever stands around it."""
    assert forbidden_payload([payload, {"a": [{key: payload}]}]) is not None


ITEMS = st.tuples(
    st.sampled_from(["a", "b", ".", "\\d", "\\w", "[ab]", "[^a]", "[a-c1-3]", "\\.", "-", " "]),
    st.sampled_from(["", "?", "{2}", "{0,3}", "{1,4}"]),
).map("".join)


@given(st.lists(ITEMS, min_size=1, max_size=5).map("".join), st.text("abc1. -é", max_size=12))
@example("a?a?a?", "aa")
def test_pattern_agrees_with_python(pattern, text):
    """On the grammar both understand, our matcher and Python's give the same answer."""
    ascii_sets = re.compile(pattern.replace("\\d", "[0-9]").replace("\\w", "[A-Za-z0-9_]"))
    assert compile_pattern(pattern).matches(text) == bool(ascii_sets.fullmatch(text))


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+", "(a|a)*", "a*", "a+", "a{1,}", "a{1,300}", "a{200}b{57}", "a{2}{2}", "a??", "a{3,2}", "a{0}",
        "(?=a)", "(?<!a)b", "(a)\\1", "\\1", "^a$", "a|b", "[", "[]", "[a", "[z-a]", "[[:alpha:]]", "\\b",
        "\\", "{2}", "]", "é", "a" * 201, "(?P<x>a)", "[a-", "a{", "a{x}",
    ],
)  # fmt: skip
def test_pattern_outside_the_grammar_is_refused(pattern):
    """Groups, alternatives, anchors, look-around, back-references and unbounded repeats are refused."""
    with pytest.raises(BadPattern):
        compile_pattern(pattern)


@given(st.text(st.sampled_from("ab[](){}|*+?^$\\.,-0123456789dwé"), max_size=40))
def test_any_pattern_is_refused_or_fast(pattern):
    """Whatever an operator writes, it is refused or matches 256 hostile characters in a blink."""
    try:
        kind = define(name="own", field_class="usage", pattern=pattern)
    except BadDefinition:
        return
    started = time.process_time()
    for hostile in ("a" * 255 + "!", "1" * 256, "ab" * 128):
        found = outcome(kind, hostile)
        assert found == hostile or found.rule == "format"
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize("pattern", ["a{0,9}" * 28, "a?" * 100, "[ab]{0,64}" * 4, ".{0,50}" * 5])
def test_neighbouring_repeats_do_not_backtrack(pattern):
    """Patterns that keep a backtracking engine busy for years are answered at once."""
    compiled = compile_pattern(pattern)
    started = time.process_time()
    assert not compiled.matches("a" * 255 + "\n")
    assert time.process_time() - started < 0.5


@given(st.text(max_size=30) | st.text("Aa1- é\x00\n०", max_size=12) | st.integers() | st.just("a" * 1025))
def test_a_code_is_read_the_same_the_quick_way(value):
    """A code of letters and digits alone is what the whole cleaning would have made of it, and as refused."""

    def whole(given_: object) -> str:
        return read.ascii_text(given_).translate(str.maketrans("", "", " -")).upper()

    assert cleaned(read.code, value) == cleaned(whole, value)


def cleaned(reader, value) -> str:
    try:
        return reader(value)
    except Refused as refused:
        return f"refused: {refused.rule}"
