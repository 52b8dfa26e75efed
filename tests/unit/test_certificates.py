"""Erasure certificates: the service against the vectors, and against every other spelling."""

import json
from dataclasses import replace
from datetime import date

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.fakes.certificates import CASES, DOCUMENTS, FILES, WHOLE, rewritten
from tests.vectors import certificates_by_the_page
from vault.cases.documents import digest
from vault.log.certificates import DOMAIN, attach, parse, read_document, sort_items, to_bytes
from vault.log.malformed import Malformed

CERTIFICATE = parse(WHOLE).certificate


def test_vectors_are_what_the_page_says():
    """The file holds, byte for byte, what an implementation made from docs/FORMATS.md alone writes."""
    assert certificates_by_the_page.FILE.read_text("utf-8") == certificates_by_the_page.contents()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_certificate(case):
    """A file is read, holds under its key, and is written back byte for byte."""
    read, whole = parse(case["file"].encode()), case["file"].encode()
    assert read.verify(bytes.fromhex(case["public_key"]))
    assert (
        to_bytes(read.certificate) == case["document"].encode() == rfc8785.dumps(json.loads(case["document"]))
    )
    signer = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(case["seed"]))
    signature = signer.sign(DOMAIN + to_bytes(read.certificate))
    assert attach(read.certificate, key_version=case["key_version"], signature=signature).whole == whole
    assert read.certificate.decision == digest(json.loads(case["decision"]))
    assert read.certificate.items == sort_items(reversed(read.certificate.items))


def test_only_the_key_that_signed_verifies():
    """Another key, no key, and a signature over the document without its domain do not hold."""
    read, signer = parse(WHOLE), Ed25519PrivateKey.from_private_bytes(bytes.fromhex(CASES[0]["seed"]))
    for key in (bytes(32), b"", Ed25519PrivateKey.generate().public_key().public_bytes_raw()):
        assert not read.verify(key)
    bare = replace(read, signature=signer.sign(read.document))
    assert not bare.verify(bytes.fromhex(CASES[0]["public_key"]))


@pytest.mark.parametrize("raw", FILES)
def test_file_has_one_spelling(raw):
    """Line ends, spaces, versions and padding otherwise than written: no certificate."""
    assert raw != WHOLE
    with pytest.raises(Malformed):
        parse(raw)


@pytest.mark.parametrize(
    "document", [*DOCUMENTS, rewritten(subject="ABCPE1234F"), rewritten(released_by="A\u200bB")]
)
def test_document_says_what_it_must_and_nothing_else(document):
    """One person for both, another tenant's log, an outcome without its date: no certificate."""
    with pytest.raises(Malformed):
        read_document(document)


@pytest.mark.parametrize(
    "changes",
    [
        {"released_by": "ravi  कुमार"}, {"final_after": None}, {"items": ()}, {"issued_at": -1},
        {"issued_at": 2**53}, {"log": "log.example.in/acme/x"}, {"items": CERTIFICATE.items[::-1]},
        {"items": CERTIFICATE.items[:1], "final_after": date(2027, 1, 1)}, {"decision": ""},
    ],
)  # fmt: skip
def test_no_certificate_is_made_that_could_not_be_read(changes):
    """The service refuses to certify what its own reader, and the auditor's, would refuse."""
    with pytest.raises(Malformed):
        replace(CERTIFICATE, **changes)
