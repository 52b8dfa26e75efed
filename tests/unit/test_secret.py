"""Secret: every way a value could get out by accident."""

import copy
import dataclasses
import json
import logging
import pickle
import pprint
import traceback
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson
import pytest
import structlog

from vault.errors import InvalidValue
from vault.model.secret import Secret

CANARY = "CANARY-4929-7180"


@dataclass(frozen=True)
class Holder:
    """A value object that holds a secret, as verbs' requests do."""

    name: str
    value: Secret[str]


@pytest.fixture
def secret() -> Secret[str]:
    return Secret(CANARY)


def logged(secret: Secret[str], caplog: pytest.LogCaptureFixture) -> str:
    logging.getLogger("test").warning("value %s %r", secret, secret, extra={"value": secret})
    return caplog.text + str([vars(record) for record in caplog.records])


PRINTED = {
    "str": str,
    "repr": repr,
    "f-string": lambda s: f"{s} {s!r} {s!s} {s:>40} {s:s}",
    "format": "{0} {0:x<30}".format,
    "percent": lambda s: "%s %r" % (s, s),  # noqa: UP031  # the old ways count too
    "in a list": lambda s: str([s]) + str({"a": s}) + str((s,)),
    "in a dataclass": lambda s: str(Holder("a", s)),
    "pprint": lambda s: pprint.pformat({"a": Holder("a", s)}),
    "in an exception": lambda s: "".join(traceback.format_exception(ValueError(s))),
    "in our exception": lambda s: str(InvalidValue("invalid_value", f"{s}")) + repr(InvalidValue(str(s))),
    "dir": lambda s: str(dir(s)) + str(s.__class__) + str(s.__doc__),
    "structlog": lambda s: structlog.dev.ConsoleRenderer()(None, "info", {"event": "e", "value": s}),
    "structlog json": lambda s: str(structlog.processors.JSONRenderer()(None, "info", {"value": s})),
}  # fmt: skip


@pytest.mark.parametrize("way", PRINTED)
def test_secret_does_not_print(secret, way):
    """However a secret is turned into text, the value is not in it."""
    text = PRINTED[way](secret)
    assert CANARY not in text


def test_secret_does_not_print_into_a_log(secret, caplog):
    """Neither a message's arguments nor its extras show the value."""
    assert CANARY not in logged(secret, caplog)


def test_secret_does_not_print_with_a_frame(secret):
    """A traceback that shows local variables shows none of the value."""
    value = Holder("a", secret)
    try:
        int(value.name)
    except ValueError as error:
        shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    assert CANARY not in "".join(shown.format())


REFUSED: dict[str, Any] = {
    "equals": lambda s: s == s,  # noqa: PLR0124  # even with itself
    "differs": lambda s: s != Secret(CANARY),
    "equals text": lambda s: s == CANARY,
    "less": lambda s: s < Secret("z"),
    "hash": hash,
    "as a key": lambda s: {s: 1},
    "in a set": lambda s: {s},
    "iterate": list,
    "unpack": lambda s: (*s,),
    "contains": lambda s: "C" in s,
    "length": len,
    "index": lambda s: s[0],
    "add": lambda s: s + "",
    "bytes": bytes,
    "int": int,
    "pickle": pickle.dumps,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "asdict": lambda s: dataclasses.asdict(Holder("a", s)),
    "json": json.dumps,
    "orjson": orjson.dumps,
    "orjson of a dataclass": lambda s: orjson.dumps(Holder("a", s)),
    "msgspec": msgspec.json.encode,
    "msgspec of a dataclass": lambda s: msgspec.json.encode(Holder("a", s)),
    "to_builtins": msgspec.to_builtins,
    "vars": vars,
    "join": ", ".join,
    "call": lambda s: s(),
}


@pytest.mark.parametrize("way", REFUSED)
def test_secret_does_not_compare_hash_iterate_or_serialise(secret, way):
    """Whatever would copy the value out of its wrapper fails, and the failure does not show the value."""
    with pytest.raises((TypeError, AttributeError)) as caught:
        REFUSED[way](secret)
    assert CANARY not in str(caught.value)


def test_reveal_is_the_way_out(secret):
    """The value comes back unchanged, and only by name."""
    assert secret.reveal() == CANARY
    assert [name for name in dir(secret) if not name.startswith("_")] == ["reveal"]
