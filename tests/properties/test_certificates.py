"""Properties of erasure certificates: both readers agree on every file, and raise their own errors alone."""

import string
from datetime import date

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from strongroom_audit.faults import Malformed as AuditMalformed
from strongroom_audit.verifier.certificate import read_certificate

from tests.fakes.certificates import DOCUMENTS, FILES, WHOLE
from tests.fakes.paperwork import TOKENS
from vault.log.certificates import DOMAIN, Certificate, Item, attach, parse, sort_items, to_bytes
from vault.log.malformed import Malformed

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
LINES = st.text(string.ascii_letters + "कṅ§ ", min_size=1, max_size=60).map(lambda text: f"x{text.strip()}x")
DAYS = st.dates(date(1900, 1, 1), date(2200, 1, 1))
TIMES = st.integers(0, 2**53 - 1)


@st.composite
def items(draw, token: str) -> Item:
    outcome = draw(st.sampled_from(["erased", "archived", "refused"]))
    said = {
        "erased": {"at": draw(TIMES)},
        "archived": {"until": draw(DAYS), "law": draw(LINES)},
        "refused": {"reason": draw(LINES)},
    }
    event_id, commitment = (
        draw(st.binary(min_size=16, max_size=16)),
        draw(st.binary(min_size=32, max_size=32)),
    )
    return Item(
        token=token, field_type=token.split("_")[1], outcome=outcome, event_id=event_id,
        commitment=commitment, **said[outcome],
    )  # fmt: skip


@st.composite
def certificates(draw) -> Certificate:
    named = draw(st.lists(st.sampled_from(TOKENS), min_size=1, unique=True))
    found = sort_items(draw(items(token)) for token in named)
    erased = any(item.outcome == "erased" for item in found)
    return Certificate(
        tenant="acme", case="case_01", subject="cust-8472", issued_at=draw(TIMES), items=found,
        decided_by="Ravi कुमार", released_by=draw(LINES), decision="ab" * 32, log="log.example.in/acme",
        final_after=draw(DAYS) if erased else None,
    )  # fmt: skip


@st.composite
def mangled(draw) -> bytes:
    """A good file with a slice of it replaced."""
    first = draw(st.integers(0, len(WHOLE)))
    last = draw(st.integers(first, min(len(WHOLE), first + 40)))
    return WHOLE[:first] + draw(st.binary(max_size=8)) + WHOLE[last:]


def accepted(read, refusal, raw: bytes) -> bool:
    try:
        read(raw)
    except refusal:
        return False
    return True


@given(certificates(), st.integers(1, 10**9 - 1))
def test_what_is_issued_is_read_by_both(certificate, version):
    """Whatever the service can certify it reads back, and the auditor reads and verifies the same bytes."""
    signature = KEY.sign(DOMAIN + to_bytes(certificate))
    issued = attach(certificate, key_version=version, signature=signature)
    assert parse(issued.whole) == issued
    assert parse(issued.whole).verify(KEY.public_key().public_bytes_raw())
    read = read_certificate(issued.whole)
    read.verify(KEY.public_key().public_bytes_raw())
    assert (read.document, read.key_version) == (issued.document, version)
    assert [item.entry[1:] for item in read.items] == [
        item.event_id + item.commitment for item in certificate.items
    ]


@given(st.binary(max_size=200) | mangled() | st.sampled_from([*FILES, *DOCUMENTS]))
def test_readers_agree(raw):
    """Any bytes are a certificate to both readers or to none; nothing but their own errors comes out."""
    ours = accepted(parse, Malformed, raw)
    assert ours == accepted(read_certificate, AuditMalformed, raw)
    assert not ours or parse(raw).whole == raw
