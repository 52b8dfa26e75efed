"""From what callers send to asks: a text that is no token is told from every token, whatever its type."""

import pytest

from tests.fakes.inside import caller
from vault.model.ask import Allowed, Ask, Denied
from vault.model.token import RANDOM_BYTES, mint
from vault.policy.load import DEFAULT, parse_toml
from vault.service.asked import MALFORMED, asked_each
from vault.service.catalogue import catalogue

ODD = """
[types.malformed]
title = "Malformed"
class = "payment"
pattern = "[0-9]{4}"
mask = "none"
"""
KNOWN = catalogue(parse_toml(DEFAULT.read_text() + ODD))
PAY = caller("acme", "pay", "detokenize:payment@payment")
TOKEN = mint("malformed", bytes(RANDOM_BYTES))
VALUE = "4012888888881881"


@pytest.mark.parametrize("texts", [[TOKEN, VALUE], [VALUE, TOKEN], [TOKEN], [VALUE]])
def test_a_type_named_malformed_is_a_type(texts):
    """Its tokens are none of those texts that are no token, whichever of the two comes first."""
    ask = Ask(PAY, "detokenize", purpose="payment", reference="p-1")
    for text, item in zip(texts, asked_each(ask, texts, KNOWN), strict=True):
        if text == TOKEN:
            assert (item.ask.token, type(item.decision)) == (TOKEN, Allowed)
        else:
            assert item.ask.token == MALFORMED
            assert item.decision == Denied("malformed_token", "the check characters do not hold")
