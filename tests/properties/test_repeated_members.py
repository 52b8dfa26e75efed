"""A member that stands twice is refused wherever it hides, and no other body is refused for it."""

import json

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from vault.api.bodies import Body, decode
from vault.errors import BadRequest

SPACE = st.sampled_from(["", "", "", " ", "\n", "\t "])
NAMES = st.sampled_from(["a", "b", ":", "a:", '"', "\\", "é", "\x00", ""])


class Anything(Body, frozen=True):
    """One member, which holds whatever JSON can."""

    v: msgspec.Raw


@st.composite
def texts(draw) -> str:
    """A string in one of its spellings: characters as they are, or escaped where they need not be."""
    return '"' + "".join(draw(_spelt(char)) for char in draw(NAMES | st.text(max_size=4))) + '"'


def _spelt(char: str) -> st.SearchStrategy[str]:
    plain = json.dumps(char, ensure_ascii=False)[1:-1]
    return st.sampled_from([plain, json.dumps(char)[1:-1], _escaped(char)])


def _escaped(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else json.dumps(char)[1:-1]


@st.composite
def members(draw, values) -> str:
    """An object, some of whose members may have one name."""
    pairs = draw(st.lists(st.tuples(texts(), values), max_size=4))
    if pairs and draw(st.booleans()):
        pairs.append(draw(st.sampled_from(pairs)))
    return "{" + ",".join(f"{draw(SPACE)}{name}{draw(SPACE)}:{value}" for name, value in pairs) + "}"


@st.composite
def lists(draw, values) -> str:
    return f"[{','.join(draw(st.lists(values, max_size=3)))}{draw(SPACE)}]"


NUMBERS = st.sampled_from(["0", "-0.0", "1e300", "9" * 25, "9" * 400, "1.5", "null", "true"])
VALUES = st.recursive(texts() | NUMBERS, lambda inner: members(inner) | lists(inner), max_leaves=8)


def repeated(body: str) -> bool:
    """Whether any object has two members of one name, seen by looking at each."""
    found = []

    def look(pairs: list[tuple[str, object]]) -> None:
        found.append(len(dict(pairs)) != len(pairs))

    json.loads(body, object_pairs_hook=look, parse_int=str, parse_float=str)
    return any(found)


@given(VALUES)
@example('{"a":1,"a" :2}')
@example('{"a":":","b":{"a":":","a":1}}')
@example('{"x":"\\u003a","a":1,"a":2}')
@example('{"x":"\\":","a" :1,"a":2}')
@example('{"\\u0061":1,"a":2}')
def test_a_member_that_stands_twice_is_always_refused(value):
    """However names, colons and quotes are spelt, and whatever stands between them."""
    body = f'{{"v":{value}}}'
    try:
        decode(body.encode("utf-8", "surrogatepass"), Anything)
    except BadRequest as refusal:
        assert repeated(body) or refusal.code == "not_json"
    else:
        assert not repeated(body)
