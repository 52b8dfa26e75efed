"""What is written and judged by a quick way, against the plain one: same texts, same verdicts, same bytes."""

import json
import re
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.test_names import BAD, GOOD
from vault.log.event import Draft, Stamp, timestamp
from vault.model import crockford
from vault.model.ask import Ask, Caller, Grant
from vault.model.names import acceptable_reference, show_id
from vault.model.token import MalformedToken, mint, parse
from vault.policy.decide import Deciding, decide
from vault.policy.load import DEFAULT, parse_toml

SHIPPED = parse_toml(DEFAULT.read_text())
ALPHABET = string.ascii_letters + string.digits + "._:-"
PERSONAL = (
    "[a-z]{5}[0-9]{4}[a-z]",
    "[0-9]{2}[a-z]{5}[0-9]{4}[a-z][0-9a-z]z[0-9a-z]",
    "[a-z]{4}[0-9]{5}[a-z]",
)
IBAN = "[a-z]{2}[0-9]{2}[a-z0-9]{11,30}"
UUID = "[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}"
SHAPED = st.one_of(
    *(st.from_regex(f"(?i:{shape})", fullmatch=True, alphabet=ALPHABET) for shape in (*PERSONAL, IBAN, UUID)),
    st.text(string.digits, min_size=7, max_size=12),
)
"""What a reference must not be, and what may not be taken for it."""


def matches(shape: str, text: str) -> bool:
    return re.fullmatch(shape, text, re.ASCII | re.IGNORECASE) is not None


def acceptable(text: str) -> bool:
    """The rule for references as its page says it, step by step."""
    if not matches("[a-z0-9._:-]{1,64}", text):
        return False
    bare = re.sub("[._:-]", "", text)
    if len(bare) >= 9 and matches("[0-9]*", bare):
        return False
    if any(matches(shape, piece) for piece in [bare, *re.split("[._:-]", text)] for shape in PERSONAL):
        return False
    if not matches(IBAN, bare) or matches(UUID, text):
        return True
    return int("".join(str(int(char, 36)) for char in bare[4:] + bare[:4])) % 97 != 1


@st.composite
def broken_up(draw) -> str:
    """Something shaped, with separators put in and other text before or behind it."""
    text = draw(SHAPED)
    for place in draw(st.lists(st.integers(0, len(text)), max_size=3)):
        text = text[:place] + draw(st.sampled_from("._:-")) + text[place:]
    return draw(st.text(ALPHABET, max_size=6)) + text + draw(st.text(ALPHABET, max_size=6))


@given(st.one_of(broken_up(), SHAPED, st.text(ALPHABET, max_size=70), st.text(max_size=20)))
def test_a_reference_is_judged_by_the_rule(text):
    """No reference that the rule refuses passes, nor is one refused that it lets pass."""
    assert acceptable_reference(text) is acceptable(text)


@pytest.mark.parametrize("text", [*GOOD, *BAD.values()])
def test_the_rule_itself_judges_what_is_known(text):
    """The step-by-step rule of this page says of every known reference what it should."""
    assert acceptable(text) is (text in GOOD)


@given(st.integers(0, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, max(0, 32**n - 1)))))
@example((26, 2**128 - 1))
@example((2, 1020))
def test_identifiers_are_written_character_by_character(case):
    """Two characters at once are those that one at a time would be, at every length."""
    length, number = case
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 32)
        digits.append(crockford.ALPHABET[digit])
    assert crockford.encode(case[1], length=length) == "".join(reversed(digits))


@given(
    st.from_regex("[a-z0-9_]{1,32}", fullmatch=True, alphabet=string.printable),
    st.binary(min_size=17, max_size=17),
)
def test_check_characters_are_the_weighted_sum(field_type, random):
    """The two last characters of a token are the sum of docs/FORMATS.md §1, and no others are taken."""
    token = mint(field_type, random)
    total = sum(ord(char) * pow(10, place, 1021) for place, char in enumerate(reversed(token[:-2]))) % 1021
    assert token[-2:] == crockford.ALPHABET[total // 32] + crockford.ALPHABET[total % 32]
    other = (total + 1) % 1021
    with pytest.raises(MalformedToken):
        parse(token[:-2] + crockford.ALPHABET[other // 32] + crockford.ALPHABET[other % 32])


TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
MAYBE = st.none() | TEXT
DRAFTS = st.builds(
    Draft,
    st.builds(Caller, *[TEXT] * 3, st.just(()), *[TEXT] * 3),
    TEXT,
    st.sampled_from(["allow", "deny"]),
    TEXT,
    token=MAYBE,
    field_type=MAYBE,
    subject=MAYBE,
    purpose=MAYBE,
    reference=MAYBE,
    dek_id=st.none() | st.binary(min_size=16, max_size=16),
    policy=MAYBE,
    detail=st.dictionaries(
        TEXT | st.sampled_from(["v", "tenant", "purpose", "result", "batch"]), TEXT | st.integers(0, 99)
    ),
)


@given(DRAFTS, st.binary(min_size=16, max_size=16), st.integers(0, 2**52))
def test_a_body_is_its_members_in_their_order(draft, event_id, at):
    """Whatever a draft holds, its body is RFC 8785 of the members it should have; no detail hides one."""
    who, place = draft.caller, {"batch": "lst_x", "worker": "ab"}
    members = {
        "v": 1, "event_id": show_id("evt", event_id), "time": timestamp(at), "tenant": who.tenant,
        "actor": who.credential, "person": who.person, "auth_method": who.auth_method,
        "client_ip": who.address, "request_id": who.request_id, "verb": draft.verb,
        "decision": draft.decision, "reason": draft.reason, "purpose": draft.purpose,
        "reference": draft.reference, "token": draft.token, "field_type": draft.field_type,
        "subject": draft.subject, "dek_id": draft.dek_id and draft.dek_id.hex(), "policy": draft.policy,
        **place,
    }  # fmt: skip
    told = {name: value for name, value in {**draft.detail, **members}.items() if value is not None}
    plain = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert Stamp(at=at, place=place).event(draft, event_id=event_id, salt=bytes(32)).body == plain


ASKS = st.lists(
    st.builds(
        Ask,
        st.sampled_from(
            [
                Caller("acme", "acme.a", "Ravi", (Grant("detokenize", "payment"),), "m", "ip", "r"),
                Caller(
                    "acme", "acme.a", "Ravi", (Grant("search", "payment"), Grant("inspect")), "m", "ip", "r"
                ),
                Caller("acme", "acme.a", "Ravi", (Grant("detokenize", "payment"),), "m", "ip", "r", True),
            ]
        ),
        st.sampled_from(["detokenize", "search", "inspect"]),
        st.sampled_from(["bank_account", "pan"]),
        st.sampled_from(["payment", "tax", "unknown"]),
        st.sampled_from([None, "payment", "marketing"]),
        st.sampled_from(["tok_1", "tok_2"]),
        st.sampled_from(["plain", "masked"]),
        st.sampled_from([None, "payout-1"]),
    ),
    max_size=40,
)


@given(ASKS)
def test_a_list_is_decided_as_its_asks_one_by_one(asks):
    """Of a list no ask gets the decision of another that differs in more than its token."""
    deciding = Deciding(SHIPPED)
    assert [deciding(ask) for ask in asks] == [decide(ask, SHIPPED) for ask in asks]
