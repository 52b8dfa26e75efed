"""What callers may name things, so that nothing personal gets into a log that cannot be edited."""

import uuid

import pytest

from vault.model.names import (
    CREDENTIAL,
    FIELD_TYPE,
    TENANT,
    acceptable_reason,
    acceptable_reference,
    read_id,
    show_id,
    time_ordered_id,
)

GOOD = [
    "cust-8472", "a", "A.b_c:d-e", "x" * 64, "payout-2026-11-07", "12345678", "1234-5678",
    "order-123456789012", "2026-11", "tenant:acme:42", "PO2026110712345", "run_7",
    "f47ac10b-58cc-4372-a567-0e02b2c3d479",
    "ab12cd34-ef56-4789-abcd-ef0123456789",
    "inv.2026.11.a", "ABCDE12345", "GB00WEST12345698765432",
]  # fmt: skip
BAD = {
    "empty": "",
    "too long": "x" * 65,
    "e-mail": "asha@example.in",
    "UPI address": "asha@okbank",
    "space": "a b",
    "newline": "cust-1\n",
    "slash": "a/b",
    "plus": "+919876543210",
    "zero byte": "a\0",
    "other digits": "१२३",
    "letter of another script": "custé",
    "phone": "9876543210",
    "phone in groups": "98765-43210",
    "phone with country": "91.98765.43210",
    "account number": "123456789",
    "card": "4111-1111-1111-1111",
    "card in odd groups": "4:111.111_111-1111:111",
    "Aadhaar": "2345-6789-0123",
    "PAN": "ABCPE1234F",
    "PAN behind a prefix": "cust-ABCPE1234F",
    "PAN in lower case": "abcpe1234f",
    "PAN in pieces": "ABCPE-1234-F",
    "GSTIN": "29ABCPE1234F1Z5",
    "TAN": "BLRA12345B",
    "IBAN": "GB82WEST12345698765432",
    "IBAN in groups": "DE89-3704-0044-0532-0130-00",
}


@pytest.mark.parametrize("text", GOOD)
def test_pseudonymous_reference_is_accepted(text):
    """Ordinary references, those with some digits included, may be used."""
    assert acceptable_reference(text)


@pytest.mark.parametrize("kind", BAD)
def test_reference_like_personal_data_is_refused(kind):
    """What looks like a phone, account, card or tax number, or could be an address, is refused."""
    assert not acceptable_reference(BAD[kind])


@pytest.mark.parametrize(
    "text",
    [
        "The High Court ordered it, WP 12345/2026 of 2026-11-07",
        "न्यायालय का आदेश",
        "a",
        "x" * 200,
        "Complaint 4711, papers of 2026-11-07 (12 pages) @ registry",
    ],
)
def test_a_reason_in_words_is_accepted(text):
    """Plain words of any script, with dates and the numbers of papers, may stand in the log."""
    assert acceptable_reason(text)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "x" * 201, "two\nlines", "an escape \x1b[31m", "a hidden \u202e turn", " untidy ", None, 7,
        "call 9876543210", "call +91 98765 43210", "card 4111 1111 1111 1111", "call (098765) 43210",
        "फ़ोन ९८७६५४३२१०", "Aadhaar 2345-6789-0123", "write to asha@example.in", "pays from asha@okbank",
        "PAN ABCPE1234F, urgent", "pan:abcpe1234f", "GSTIN 29ABCPE1234F1Z5", "TAN BLRA12345B",
        "IBAN DE89370400440532013000",
    ],
)  # fmt: skip
def test_a_reason_with_personal_data_is_refused(text):
    """Words that hold what looks like a number or an address of a person, or that steer, are refused."""
    assert not acceptable_reason(text)


def test_random_uuids_are_accepted():
    """The commonest reference of all is never taken for an IBAN."""
    made = (uuid.UUID(int=(0xAB12 << 112) + n * 0x9E3779B97F4A7C15, version=4) for n in range(5_000))
    assert all(acceptable_reference(str(one)) for one in made)


@pytest.mark.parametrize("text", ["", "A", "a-b", "a" * 33, "acme\n", "é", "a b"])
def test_names_of_tenants_and_types_are_strict(text):
    """Lower case, digits and underscore, 1 to 32: fit for a key's name and a path."""
    assert TENANT.fullmatch(text) is None
    assert FIELD_TYPE.fullmatch(text) is None


@pytest.mark.parametrize("text", ["acme", ".a", "acme.", "acme.A", "acme.a.b", "acme.a\n", "a" * 33 + ".a"])
def test_credential_is_tenant_dot_name(text):
    """Nothing else names a credential."""
    assert CREDENTIAL.fullmatch(text) is None


def test_identifiers_sort_by_time():
    """A later microsecond gives a greater identifier, raw and shown, whatever the random part."""
    early, late = time_ordered_id(1, b"\xff" * 9), time_ordered_id(2, bytes(9))
    assert early < late
    assert show_id("evt", early) < show_id("evt", late)
    with pytest.raises(ValueError, match="9 random bytes"):
        time_ordered_id(1, bytes(8))


@pytest.mark.parametrize(
    "text",
    ["", "evt", "evt_", "lst_" + "0" * 26, "evt_" + "0" * 25, "evt_" + "0" * 27, "evt_" + "O" * 26,
     "evt_" + "8" + "0" * 25, "evt_" + "z" * 26, "evt-" + "0" * 26, "evt_" + "0" * 25 + "\n"],
)  # fmt: skip
def test_identifier_has_one_spelling(text):
    """Another kind, length or alphabet, or more than 128 bits, is a ValueError and nothing else."""
    with pytest.raises(ValueError):
        read_id("evt", text)
