"""Tokens: what a slip of the pen, a scanner or a stranger can do to them."""

import os
import re
import string
from itertools import pairwise

import pytest

from vault.model import crockford
from vault.model.token import RANDOM_BYTES, MalformedToken, mint, parse

TYPES = ["x", "pan", "upi_vpa", "bank_account", "_", "a" * 32, "0_" * 16]
TYPED = string.digits + string.ascii_letters + "_-. "
ONE_LINE = re.compile(r"\btok_[a-z0-9_]{1,32}_[0-9a-hjkmnp-tv-z]{28}\b")


def refused(text: str) -> bool:
    try:
        parse(text)
    except MalformedToken:
        return True
    return False


@pytest.mark.parametrize("field_type", TYPES)
@pytest.mark.parametrize("random", [bytes(17), b"\xff" * 17, os.urandom(17)], ids=["zeros", "ones", "random"])
def test_every_wrong_character_is_caught(field_type, random):
    """Whichever character of a token is replaced by whichever other, the result is no token."""
    token = mint(field_type, random)
    passed = [
        (place, char)
        for place, right in enumerate(token)
        for char in TYPED
        if char != right and not refused(token[:place] + char + token[place + 1 :])
    ]
    assert passed == []


@pytest.mark.parametrize("field_type", TYPES)
def test_every_swap_of_neighbours_is_caught(field_type):
    """Wherever two unlike neighbours change places, the result is no token."""
    for token in (mint(field_type, os.urandom(17)) for _ in range(200)):
        for i, (left, right) in enumerate(pairwise(token)):
            swapped = token[:i] + right + left + token[i + 2 :]
            assert left == right or refused(swapped), (token, i)


@pytest.mark.parametrize("field_type", TYPES)
def test_token_is_read_back_with_its_type(field_type):
    """A minted token parses, says its type, fits its column, and stands alone as one word of a text."""
    token = mint(field_type, os.urandom(17))
    assert (parse(token).text, parse(token).field_type, str(parse(token))) == (token, field_type, token)
    assert len(token) <= 65
    assert ONE_LINE.findall(f"see {token}, please") == [token]


def test_tokens_use_no_letter_that_looks_like_another():
    """The random part never contains i, l, o, u or an upper-case letter."""
    tails = "".join(mint("pan", os.urandom(17))[8:] for _ in range(500))
    assert set(tails) == set(crockford.ALPHABET)


def test_tokens_carry_all_their_randomness():
    """Each of the 130 bits kept changes the token, and none of the 6 dropped ones does."""
    base = mint("pan", bytes(17))
    for bit in range(8 * RANDOM_BYTES):
        other = mint("pan", (1 << bit).to_bytes(RANDOM_BYTES))
        assert (other != base) == (bit >= 6)


@pytest.mark.parametrize("size", [0, 16, 18])
def test_mint_wants_all_its_randomness(size):
    """A source that gives too little or too much is a bug, not a weaker token."""
    with pytest.raises(ValueError, match="17 random bytes"):
        mint("pan", bytes(size))


@pytest.mark.parametrize(
    "spoilt",
    [
        str.upper, lambda t: t + "\n", lambda t: " " + t, lambda t: t + "0", lambda t: t[:-1], lambda t: "",
        lambda t: t.replace("tok_", "tok-"), lambda t: t.replace("pan", "pän"),
        lambda t: t.replace("pan", ""), lambda t: t.replace("pan", "a" * 33), lambda t: t + "\0",
        lambda t: t.translate({ord(str(n)): 0x0660 + n for n in range(10)}), lambda t: t * 2,
    ],
)  # fmt: skip
def test_only_what_mint_writes_is_a_token(spoilt):
    """Another case, space, length, script or alphabet is refused: a token has one spelling."""
    assert refused(spoilt(mint("pan", bytes(16) + b"\xff")))


def test_refusal_never_repeats_the_text():
    """What was sent instead of a token may be a value; the error does not carry it."""
    with pytest.raises(MalformedToken) as caught:
        parse("4111111111111111")
    assert "4111" not in repr(caught.value) + str(caught.value) + str(caught.value.args)


@pytest.mark.parametrize("number", [0, 1, 31, 32, 2**130 - 1])
def test_crockford_reads_what_it_wrote(number):
    """Numbers of up to 130 bits survive 26 characters."""
    assert crockford.decode(crockford.encode(number, length=26)) == number


@pytest.mark.parametrize(("number", "length"), [(-1, 2), (1024, 2), (1, 0)])
def test_crockford_refuses_a_number_that_does_not_fit(number, length):
    """Nothing is cut off silently."""
    with pytest.raises(ValueError, match="does not fit"):
        crockford.encode(number, length=length)


@pytest.mark.parametrize("char", ["i", "l", "o", "u", "A", "-", " ", "٣"])
def test_crockford_has_one_spelling(char):
    """Letters that other readers take for 0 and 1 are errors here."""
    with pytest.raises(ValueError, match="Crockford"):
        crockford.decode("0" + char)
