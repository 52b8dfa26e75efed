"""The sealed record under attack: moved, changed, cut, and made to open under two keys."""

import hmac
import os
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec.structs import replace

from keys.envelope import OVERHEAD, bind, dek_id_of, open_sealed, seal
from keys.errors import EnvelopeError
from keys.pool import Dek
from vault.model.secret import Secret
from vault.store.records import Stored
from vault.store.wall import Place, open_record, seal_record

PLACE = Place("acme", "cust-1", "tok_pan_" + "0" * 28, "pan", 1)
DEK = Dek(bytes(range(16)), bytes(range(32)), 0)
PLAIN = b'"ABCPE1234F"'
SEALED = seal_record(Secret(PLAIN), PLACE, DEK, nonce=bytes(12)).sealed
STORED = Stored(PLACE.token, 1, PLACE.subject, PLACE.field_type, DEK.dek_id, SEALED, 0, None)


def refused(stored: Stored, *, tenant: str = PLACE.tenant, dek: bytes = DEK.key) -> bool:
    try:
        open_record(tenant, stored, dek=dek)
    except EnvelopeError:
        return True
    return False


def test_record_opens_in_its_place():
    """What was sealed comes out where it was sealed."""
    assert open_record("acme", STORED, dek=DEK.key).reveal() == PLAIN


def test_every_flipped_bit_is_caught():
    """Whichever bit of a sealed record is flipped, it does not open."""
    opened = []
    for place in range(8 * len(SEALED)):
        changed = bytearray(SEALED)
        changed[place // 8] ^= 1 << place % 8
        if not refused(replace(STORED, sealed=bytes(changed))):
            opened.append(place)
    assert opened == []


@pytest.mark.parametrize("size", range(len(SEALED)))
def test_cut_record_does_not_open(size):
    """A record cut anywhere is refused, by its reader as by whoever looks for its DEK."""
    assert refused(replace(STORED, sealed=SEALED[:size]))
    if size < OVERHEAD:
        with pytest.raises(EnvelopeError):
            dek_id_of(SEALED[:size])


def test_lengthened_record_does_not_open():
    """Bytes behind or before a record are not ignored."""
    assert refused(replace(STORED, sealed=SEALED + b"\0"))
    assert refused(replace(STORED, sealed=b"\0" + SEALED))


@pytest.mark.parametrize(
    "moved",
    [
        {"subject": "cust-2"}, {"subject": ""}, {"token": "tok_pan_" + "1" * 28}, {"field_type": "tan"},
        {"version": 2}, {"version": 0}, {"dek_id": bytes(16)},
        {"subject": "cust-", "token": "1" + PLACE.token},
    ],
    ids=str,
)  # fmt: skip
def test_moved_record_does_not_open(moved):
    """A record copied to another subject, token, type, version or DEK is refused, each by itself."""
    assert refused(replace(STORED, **moved))


def test_record_of_another_tenant_does_not_open():
    """A row moved to another tenant is refused, even if that tenant is named like a part of the place."""
    assert refused(STORED, tenant="acm")
    assert refused(replace(STORED, subject="ecust-1"), tenant="acm")


def test_another_dek_does_not_open():
    """A record under any other key fails at its commitment; a key of another length is refused as such."""
    assert refused(STORED, dek=os.urandom(32))
    for size in (0, 16, 31, 33):
        assert refused(STORED, dek=bytes(size))


def _gf(x: int, y: int) -> int:
    """Product in GF(2¹²⁸) as GCM writes it (SP 800-38D §6.3)."""
    z = 0
    for bit in range(127, -1, -1):
        if y >> bit & 1:
            z ^= x
        x = x >> 1 ^ (0xE1 << 120 if x & 1 else 0)
    return z


def _inverse(x: int) -> int:
    result, power = 1 << 127, x
    for _ in range(127):
        power = _gf(power, power)
        result = _gf(result, power)
    return result


def _keys(dek: bytes, aad: bytes) -> list[bytes]:
    """Encryption key and commitment (FORMATS §2.3)."""
    place = sha256(aad).digest()
    return [hmac.digest(dek, b"strongroom/v1/" + label + place, "sha256") for label in (b"enc", b"com")]


def _two_keyed(keys: tuple[bytes, bytes], nonce: bytes, aad: bytes) -> bytes:
    """One GCM ciphertext and tag valid under both keys: the free block is solved for (Dodis et al., 2018).

    The tag is linear in the last block: T = mask ⊕ A(H) ⊕ c·H² ⊕ len·H; asked is c with T₁ = T₂.
    """
    padded = aad + bytes(-len(aad) % 16)
    lengths = (8 * len(aad)) << 64 | 128
    tags, squares = [], []
    for key in keys:
        h = int.from_bytes(_block(key, bytes(16)))
        mask = int.from_bytes(_block(key, nonce + b"\0\0\0\1"))
        state = 0
        for start in range(0, len(padded), 16):
            state = _gf(state ^ int.from_bytes(padded[start : start + 16]), h)
        tags.append(mask ^ _gf(_gf(state, h), h) ^ _gf(lengths, h))
        squares.append(_gf(h, h))
    free = _gf(tags[0] ^ tags[1], _inverse(squares[0] ^ squares[1]))
    return free.to_bytes(16) + (tags[0] ^ _gf(free, squares[0])).to_bytes(16)


def _block(key: bytes, block: bytes) -> bytes:
    """One block of AES: GCM's H and the mask of its tag."""
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return encryptor.update(block) + encryptor.finalize()


def test_ciphertext_valid_under_two_keys_is_refused():
    """GCM accepts a ciphertext crafted for two keys; the record's commitment lets it open under one only.

    The test proves first that the crafted ciphertext does decrypt under both, so that it could fail.
    """
    aad, nonce = PLACE.aad(DEK.dek_id), bytes(12)
    deks = (bytes(32), b"\1" * 32)
    keys, commitments = zip(*(_keys(dek, aad) for dek in deks), strict=True)
    crafted = _two_keyed(keys, nonce, aad)
    plain = [AESGCM(key).decrypt(nonce, crafted, aad) for key in keys]
    assert plain[0] != plain[1]
    for commitment in commitments:
        record = b"\1\1" + DEK.dek_id + nonce + commitment + crafted
        assert [_opens(record, dek, aad) for dek in deks].count(True) == 1


def _opens(record: bytes, dek: bytes, aad: bytes) -> bool:
    try:
        open_sealed(record, dek=dek, aad=aad)
    except EnvelopeError:
        return False
    return True


@pytest.mark.parametrize("wrong", [{"dek": bytes(31)}, {"dek_id": bytes(15)}, {"nonce": bytes(13)}], ids=str)
def test_sealing_wants_exact_lengths(wrong):
    """A key, id or nonce of another length is refused before anything is sealed."""
    right = {"dek": bytes(32), "dek_id": bytes(16), "nonce": bytes(12), "aad": b""}
    with pytest.raises(EnvelopeError):
        seal(b"x", **{**right, **wrong})


def test_record_tells_its_length_and_its_dek_only():
    """Two values of one length in one place differ everywhere behind the DEK id when nonces differ."""
    one = seal(b"a" * 9, dek=bytes(32), dek_id=bytes(16), nonce=b"1" * 12, aad=b"x")
    two = seal(b"b" * 9, dek=bytes(32), dek_id=bytes(16), nonce=b"2" * 12, aad=b"y")
    assert len(one) == len(two) == OVERHEAD + 9
    assert one[62:] != two[62:]
    assert one[30:62] != two[30:62]


def test_errors_carry_neither_key_nor_value():
    """What a failed opening says names the rule."""
    with pytest.raises(EnvelopeError) as caught:
        open_sealed(SEALED, dek=DEK.key, aad=b"elsewhere")
    assert caught.value.args == ("sealed_record: commitment",)


def test_bind_tells_lists_apart():
    """Parts that join to the same text bind to different bytes."""
    lists = [["ab", "c"], ["a", "bc"], ["abc"], ["abc", ""], ["", "abc"], ["a", "b", "c"], []]
    assert len({bind(parts) for parts in lists}) == len(lists)
    assert bind(["क"]) == bind(["क".encode()])
