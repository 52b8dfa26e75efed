"""Sealing and opening, for any value in any place."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.envelope import OVERHEAD, bind, dek_id_of, open_sealed, seal
from keys.errors import EnvelopeError
from keys.pool import Dek
from vault.model.secret import Secret
from vault.store.records import Stored
from vault.store.wall import Place, digest, index_input, open_record, seal_record

texts = st.text(max_size=40)
values = texts.map(lambda text: json.dumps(text).encode())
places = st.builds(Place, texts, texts, texts, texts, st.integers(0, 2**32 - 1))
deks = st.builds(Dek, st.binary(min_size=16, max_size=16), st.binary(min_size=32, max_size=32), st.just(0))
nonces = st.binary(min_size=12, max_size=12)
parts = st.lists(st.text(max_size=5) | st.binary(max_size=5), max_size=5)


def stored(place: Place, dek: Dek, sealed: bytes) -> Stored:
    return Stored(place.token, place.version, place.subject, place.field_type, dek.dek_id, sealed, 0, None)


@given(values, places, deks, nonces)
def test_what_was_sealed_comes_out_where_it_was_sealed(value, place, dek, nonce):
    """Any value opens in its own place, is as long as itself and the overhead, and names its DEK."""
    made = seal_record(Secret(value), place, dek, nonce=nonce)
    assert open_record(place.tenant, stored(place, dek, made.sealed), dek=dek.key).reveal() == value
    assert len(made.sealed) == len(value) + OVERHEAD
    assert dek_id_of(made.sealed) == dek.dek_id
    assert digest(made.sealed) == digest(bytes(made.sealed))


@given(values, places, places, deks, nonces)
def test_no_value_opens_in_another_place(value, here, there, dek, nonce):
    """A record opens in another place only if that is the same place."""
    sealed = seal_record(Secret(value), here, dek, nonce=nonce).sealed
    if here == there:
        return
    with pytest.raises(EnvelopeError):
        open_record(there.tenant, stored(there, dek, sealed), dek=dek.key)


@given(values, places, deks, nonces, st.data())
def test_changed_record_does_not_open(value, place, dek, nonce, data):
    """Replacing any stretch of a record by other bytes leaves nothing that opens."""
    sealed = seal_record(Secret(value), place, dek, nonce=nonce).sealed
    start = data.draw(st.integers(0, len(sealed)))
    end = data.draw(st.integers(start, len(sealed)))
    changed = sealed[:start] + data.draw(st.binary(max_size=40)) + sealed[end:]
    if changed == sealed:
        return
    with pytest.raises(EnvelopeError):
        open_record(place.tenant, stored(place, dek, changed), dek=dek.key)


@given(st.binary(max_size=200), st.binary(max_size=40), st.binary(max_size=40))
def test_opening_garbage_raises_our_error_only(garbage, dek, aad):
    """Whatever lies in a row, opening it is an EnvelopeError."""
    with pytest.raises(EnvelopeError):
        open_sealed(b"\1\1" + garbage, dek=dek, aad=aad)
    with pytest.raises(EnvelopeError):
        open_sealed(garbage, dek=dek, aad=aad)


@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40))
def test_sealing_checks_lengths(plaintext, dek, dek_id, nonce):
    """Sealing works for exact lengths and refuses all others with our error."""
    try:
        sealed = seal(plaintext, dek=dek, dek_id=dek_id, nonce=nonce, aad=b"")
    except EnvelopeError:
        assert (len(dek), len(dek_id), len(nonce)) != (32, 16, 12)
    else:
        assert open_sealed(sealed, dek=dek, aad=b"") == plaintext


@given(parts, parts)
def test_bind_is_injective(one, two):
    """Two lists of parts bind to the same bytes only if their parts are the same bytes."""
    same = [p.encode() if isinstance(p, str) else p for p in one] == [
        p.encode() if isinstance(p, str) else p for p in two
    ]
    assert (bind(one) == bind(two)) == same


@given(texts, texts, st.binary(max_size=20), texts, texts, st.binary(max_size=20))
def test_index_inputs_of_tenants_and_types_never_meet(tenant, kind, value, tenant2, kind2, value2):
    """Equal inputs to the blind index mean the same tenant, type and value."""
    one, two = index_input(tenant, kind, Secret(value)), index_input(tenant2, kind2, Secret(value2))
    assert (one == two) == ((tenant, kind, value) == (tenant2, kind2, value2))
