"""Claims about grants and registers as text and bytes."""

from dataclasses import replace

import pytest

from tests.fakes.authority import POLICY, START
from vault.model import canonical
from vault.model.ask import Grant
from vault.model.grants import GrantError, parse_grant
from vault.model.register import CredentialEntry, Register, RegisterError, from_bytes, sort_grants, to_bytes
from vault.policy.rules import to_canonical


def entry(name: str = "acme.pay", *grants: str, **other: object) -> CredentialEntry:
    held = sort_grants(parse_grant(text) for text in grants)
    return CredentialEntry(name, "Asha Rao", held, START, **other)


def register(*entries: CredentialEntry) -> Register:
    return Register("acme", 3, entries, to_canonical(POLICY))


def test_grant_names_verb_purpose_and_classes():
    """A grant's text says its verb, its purpose and the classes it is bound to."""
    assert parse_grant("detokenize:payment@payment,tax") == Grant(
        "detokenize", "payment", frozenset({"payment", "tax"})
    )
    assert parse_grant("tokenize") == Grant("tokenize")


@pytest.mark.parametrize(
    "text",
    [
        "", "tokenise", "detokenize", "detokenize:", "tokenize:payment", "detokenize:pay1", "search@tax",
        "detokenize:payment@", "detokenize:payment@money", "detokenize:payment@tax,payment",
        "detokenize:payment@tax,tax", "credentials@tax", "events:payment", " tokenize", "tokenize\n",
        "tokenize@tax,", "TOKENIZE", "detokenize:payment:payment", "tokenize\u0000", "detokenize:_x",
    ],
)  # fmt: skip
def test_what_is_not_a_grant_is_refused(text):
    """Unknown verbs and classes, purposes where none belongs, and every second spelling are refused."""
    with pytest.raises(GrantError):
        parse_grant(text)


@pytest.mark.parametrize("opening", ["detokenize:payment", "search:payment"])
def test_no_credential_carries_tokenize_beside_an_opening_verb(opening):
    """An entry that could both put values in and get values out cannot be built."""
    with pytest.raises(RegisterError):
        entry("acme.pay", "tokenize", opening)


def test_a_register_survives_its_own_bytes():
    """What was written reads back the same, key and all."""
    whole = register(
        entry("acme.pay", "detokenize:payment", public_key=bytes(range(32))),
        entry("acme.signup", "tokenize@contact", secret_sha256="ab" * 32, expires_at=START + 5),
    )
    assert from_bytes(to_bytes(whole)) == whole


def test_every_other_spelling_of_a_register_is_refused():
    """White space, another order, an unknown member, a repeated key: each would be a second spelling."""
    good = to_bytes(register(entry("acme.pay", "detokenize:payment")))
    for bad in (
        good + b" ",
        good.replace(b'{"credentials"', b'{ "credentials"'),
        good.replace(b'"v":1', b'"v":1,"v":1'),
        good.replace(b'"v":1', b'"v":true'),
        good.replace(b'"v":1', b'"v":1.0'),
        good.replace(b'"tenant":"acme"', b'"tenant":"acm\\u0065"'),
        good.replace(b'"version":3', b'"version":3,"x":1'),
        good.replace(b'"status":"active"', b'"status":"paused"'),
        good.replace(POLICY.hash.encode(), b"0" * 64),
        good[:-1],
        b"[" * 100_000,
        b"\xff",
        b"",
        b"null",
    ):
        assert bad != good
        with pytest.raises(RegisterError):
            from_bytes(bad)


def test_a_register_holds_only_its_own_tenant():
    """A credential of one tenant cannot stand in another's register, nor twice in its own."""
    for entries in ((entry("other.pay"),), (entry("acme.b"), entry("acme.a")), (entry(), entry())):
        with pytest.raises(RegisterError):
            register(*entries)


@pytest.mark.parametrize("person", ["", " Asha", "Asha\u202e", "A\nB", "x" * 129, "e\u0301"])
def test_the_person_is_one_plain_line(person):
    """Nothing that could forge a line of a report or change its direction may name a person."""
    with pytest.raises(RegisterError):
        replace(entry(), person=person)


def test_a_new_secret_or_key_is_a_new_epoch():
    """Tokens are tied to what the credential proves itself with; grants do not matter to them."""
    before = entry(secret_sha256="ab" * 32)
    assert before.epoch != replace(before, secret_sha256="cd" * 32).epoch
    assert before.epoch != replace(before, secret_sha256=None, public_key=bytes(32)).epoch
    assert before.epoch == replace(before, grants=(Grant("inspect"),)).epoch


def test_canonical_json_agrees_with_rfc_8785():
    """An independent implementation writes the same bytes."""
    import rfc8785

    value = {"b": ["é", "\u0007\u2028\U0001f600", 2**53 - 1, None, True], "a": {"z": '"\\/', "0": ""}}
    assert canonical.dump(value) == rfc8785.dumps(value)
    assert canonical.load(canonical.dump(value)) == value
