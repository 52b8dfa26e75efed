"""Claims about the document that two persons agree on (docs/FORMATS.md §17)."""

import contextlib
from dataclasses import replace
from hashlib import sha256
from json import dumps, loads

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.model.proposal import Proposal, ProposalError, from_bytes, to_bytes

WRITTEN = (
    b'{"action":"grant","before":"' + b"0" * 64 + b'","credential":"acme.pay","expires_at":null,'
    b'"grants":["detokenize:payment@payment","inspect"],"person":"Ravi \xe0\xa4\xb0","policy":null,'
    b'"public_key":null,"tenant":"acme","v":1}'
)
"""By hand, from docs/FORMATS.md §17."""


def test_the_document_is_written_as_the_page_says():
    """Its bytes are those of the page, and its hash is theirs."""
    proposal = from_bytes(WRITTEN)
    assert to_bytes(proposal) == WRITTEN
    assert proposal.sha256 == sha256(WRITTEN).hexdigest()
    assert [str(one) for one in proposal.grants] == ["detokenize:payment@payment", "inspect"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"v":1', b'"v":2'), (b'"v":1', b'"v":true'), (b'"v":1', b'"v":1,"x":1'), (b"acme.pay", b"acme"),
        (b'"grant"', b'"revoke"'), (b'"grant"', b'"create"'), (b'"grant"', b'"policy"'), (b"null", b"[]"),
        (b'"acme"', b'"Acme"'), (b'"Ravi', b'" Ravi'), (b":payment@", b":@"), (b'","inspect', b'","a'),
        (b'"detokenize:payment@payment","inspect"', b'"inspect","detokenize:payment@payment"'),
        (b"0" * 64, b"0" * 63), (b'"policy":null', b'"policy":{}'),
        (b'"expires_at":null', b'"expires_at":"1"'),
        (b'"public_key":null', b'"public_key":"AA"'), (b'{"action"', b'{ "action"'),
    ],
)  # fmt: skip
def test_any_other_document_is_none(old, new):
    """What the writer would not write is not read, and raises nothing but that."""
    changed = WRITTEN.replace(old, new, 1)
    assert changed != WRITTEN
    with pytest.raises(ProposalError):
        from_bytes(changed)


@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(sorted(loads(WRITTEN))), inner, max_size=10),
).map(lambda value: dumps(value, sort_keys=True, separators=(",", ":")).encode()))  # fmt: skip
def test_nothing_strange_is_read(data):
    """Whatever bytes a database holds, reading them gives a proposal or says that it is none."""
    with contextlib.suppress(ProposalError):
        assert to_bytes(from_bytes(data)) == data


def test_the_hash_covers_every_member():
    """Two proposals that differ in anything have two hashes."""
    one = Proposal(tenant="acme", action="grant", credential="acme.pay", person="Ravi", before="0" * 64)
    others = [
        replace(one, tenant="bcme"), replace(one, action="rotate"), replace(one, credential="acme.pa"),
        replace(one, person="Rav"), replace(one, before="1" * 64), replace(one, expires_at=1),
        replace(one, public_key=bytes(32)), replace(one, policy=b"{}"),
    ]  # fmt: skip
    assert len({each.sha256 for each in (one, *others)}) == len(others) + 1
