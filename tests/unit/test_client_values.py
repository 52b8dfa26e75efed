"""`Value`: there is one way out."""

import copy
import json
import pickle

import pytest
from strongroom import Misused, Value
from strongroom.values import encode

CANARY = "50100012345678"


@pytest.mark.parametrize(
    "show", [str, repr, "{}".format, "{:>20}".format, "{!r}".format, "%s".__mod__, lambda v: str([v])]
)
def test_value_does_not_print(show):
    """No usual way of turning a thing into text shows the value."""
    assert CANARY not in show(Value(CANARY))


@pytest.mark.parametrize(
    "leak",
    [
        lambda v: v == Value(CANARY),
        lambda v: v != CANARY,
        hash,
        list,
        pickle.dumps,
        copy.copy,
        copy.deepcopy,
        json.dumps,
        vars,
        lambda v: {v: 1},
    ],
)
def test_value_does_not_compare_hash_copy_or_serialise(leak):
    """Each of these would keep or show the value where nobody looks for it."""
    with pytest.raises(TypeError) as caught:
        leak(Value(CANARY))
    assert CANARY not in str(caught.value)


def test_reveal_is_the_way_out():
    """`reveal`, and its two typed forms, give the value back."""
    assert Value(CANARY).reveal() == CANARY
    assert Value(CANARY).reveal_text() == CANARY
    assert Value({"ifsc": "HDFC0000123"}).reveal_parts() == {"ifsc": "HDFC0000123"}


def test_typed_forms_refuse_the_other_kind():
    """Asking a text for parts, or parts for a text, names the mistake and not the value."""
    with pytest.raises(Misused, match="reveal_text"):
        Value(CANARY).reveal_parts()
    with pytest.raises(Misused, match="reveal_parts"):
        Value({"number": CANARY}).reveal_text()


def test_values_are_unwrapped_on_the_wire_at_any_depth():
    """A wrapped value, or wrapped parts, encode as what they hold."""
    body = {"a": Value("x"), "b": {"c": Value("y")}, "d": Value({"e": "ज़"})}
    assert json.loads(encode(body)) == {"a": "x", "b": {"c": "y"}, "d": {"e": "ज़"}}


@pytest.mark.parametrize("bad", [object(), float("nan"), b"bytes", {1, 2}, "\ud800" + CANARY])
def test_what_json_cannot_say_is_refused_without_quoting_it(bad):
    """The error of an unencodable value holds no part of it, not even as its context."""
    with pytest.raises(Misused) as caught:
        encode({"value": bad})
    assert CANARY not in repr(caught.value)
    assert caught.value.__context__ is None
