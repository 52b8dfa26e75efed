"""Statements of finality: the service against docs/FORMATS.md §19 by hand, and the auditor against both."""

import base64
import json
from datetime import date

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from strongroom_audit.cli import main
from strongroom_audit.faults import Malformed as AuditorsMalformed
from strongroom_audit.verifier.finality import read_finality

from tests.fakes.audit_log import shown
from tests.unit.test_audit_certificate import TIME, Office
from vault.log.event import read_timestamp
from vault.log.finality import DOMAIN, Finality, attach, parse, to_bytes
from vault.log.malformed import Malformed

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
EVENT, COMMITMENT = bytes(range(16)), bytes(range(32))
DOCUMENT = {
    "v": 1, "tenant": "acme", "key": "kek-acme", "version": 3, "erased_before": "2027-02-01T00:00:00.000000Z",
    "trimmed_at": "2027-02-08T09:00:00.000001Z", "final_after": "2027-03-15", "begun_by": "Meera Iyer",
    "trimmed_by": "Ravi Rao", "log": "log.example.in/acme", "event_id": shown("evt", EVENT),
    "commitment": COMMITMENT.hex(),
}  # fmt: skip


def by_hand(*, signer=KEY, **changes) -> bytes:
    told = {**DOCUMENT, **changes}
    raw = json.dumps(told, sort_keys=True, separators=(",", ":")).encode()
    signature = base64.b64encode(signer.sign(b"strongroom/finality/v1\0" + raw)).decode()
    return b"strongroom-finality v1\n" + raw + f"\n2 {signature}\n".encode()


WHOLE = by_hand()
STATED = Finality(
    tenant="acme", version=3, erased_before=read_timestamp(str(DOCUMENT["erased_before"])),
    trimmed_at=read_timestamp(str(DOCUMENT["trimmed_at"])), final_after=date(2027, 3, 15),
    begun_by="Meera Iyer", trimmed_by="Ravi Rao", log="log.example.in/acme", event_id=EVENT,
    commitment=COMMITMENT,
)  # fmt: skip


def test_it_is_as_the_page_has_it():
    """The service writes what the page says; both readers read it, and verify it under its key alone."""
    signed = attach(STATED, key_version=2, signature=KEY.sign(DOMAIN + to_bytes(STATED)))
    assert signed.whole == WHOLE
    assert parse(WHOLE) == signed
    assert signed.verify(KEY.public_key().public_bytes_raw())
    assert not signed.verify(bytes(32))
    read = read_finality(WHOLE)
    read.verify(KEY.public_key().public_bytes_raw())
    assert read.entry == b"\x01" + EVENT + COMMITMENT
    assert read.covers("2027-01-31T23:59:59.999999Z")
    assert not read.covers(str(DOCUMENT["erased_before"]))


@pytest.mark.parametrize(
    "changes",
    [
        {"v": 2}, {"tenant": "Acme"}, {"tenant": "other"}, {"key": "kek-other"}, {"version": 1},
        {"version": "3"}, {"version": True}, {"version": 3.0}, {"erased_before": "2027-02-01"},
        {"erased_before": "2027-02-09T00:00:00.000000Z"}, {"trimmed_at": "2027-02-30T00:00:00.000000Z"},
        {"final_after": "20270315"}, {"final_after": "2027-02-29"}, {"trimmed_by": "MEERA  iyer"},
        {"begun_by": ""}, {"log": "log.example.in/other"}, {"event_id": "evt_0"}, {"commitment": "00"},
        {"more": "x"}, {"commitment": COMMITMENT.hex().upper()}, {"begun_by": 7}, {"trimmed_by": "x\ny"},
    ],
    ids=str,
)  # fmt: skip
def test_what_no_vault_states_is_refused_by_both(changes):
    """One person for both, another tenant's key, a first version, a trim before the erasures: malformed."""
    with pytest.raises(Malformed):
        parse(by_hand(**changes))
    with pytest.raises(AuditorsMalformed):
        read_finality(by_hand(**changes))


@given(st.integers(0, len(WHOLE)), st.integers(0, 8), st.binary(max_size=8))
def test_a_mangled_file_is_refused_in_our_words(first: int, cut: int, put: bytes):
    """Whatever was replaced, both readers raise their own error or read what is written there."""
    raw = WHOLE[:first] + put + WHOLE[first + cut :]
    for read, refusal in ((parse, Malformed), (read_finality, AuditorsMalformed)):
        try:
            found = read(raw)
        except refusal:
            continue
        assert raw.split(b"\n")[1] == found.document


@pytest.fixture
def office(tmp_path):
    made = Office(tmp_path)
    made.log.write(
        1, verb="keys", plane="shredder", purpose=None, action="trimmed", key="kek-acme", to_version=3,
        erased_before="2027-02-01T00:00:00.000000Z", begun_by="Meera Iyer", person="Ravi Rao", token=None,
    )  # fmt: skip
    return made


def stated(office, **changes):
    event = office.log.events[-1]
    told = {
        "log": office.log.origin,
        "event_id": shown("evt", event.id),
        "commitment": event.entry[17:].hex(),
    }
    path = office.folder / "acme.finality"
    path.write_bytes(by_hand(signer=office.log.cert_keys[2], **{**told, **changes}))
    return path


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(["certificate", *map(str, arguments)])
    said = capsys.readouterr()
    return ended.value.code or 0, said.out + said.err


def test_a_holder_learns_offline_what_is_final(office, capsys):
    """With the certificate, the statement and a key: final what was erased before, not what came later."""
    code, said = run(capsys, office.issue(), "--key", office.key, "--finality", stated(office))
    assert code == 0, said
    assert "versions before 3 are no more" in said
    assert ": final" in said
    assert "begun by Meera Iyer, trimmed by Ravi Rao" in said
    assert "After 2027-03-15 no snapshot of the key server" in said
    code, said = run(
        capsys, office.issue(), "--key", office.key, "--finality", stated(office, erased_before=TIME)
    )
    assert (code, "NOT final" in said) == (0, True), said


def test_a_statement_is_held_against_the_log(office, capsys):
    """In a mirror its event must be there, with its commitment, and say the same."""
    folder = office.mirror()
    code, said = run(capsys, office.issue(), "--mirror", folder, "--finality", stated(office))
    assert (code, "its events are in the verified log" in said) == (0, True), said
    for changes, due in (
        ({"version": 4}, 12),
        ({"trimmed_by": "Asha Rao"}, 12),
        ({"erased_before": "2027-02-02T00:00:00.000000Z"}, 12),
        ({"commitment": "ab" * 32}, 12),
        ({"event_id": shown("evt", bytes(16))}, 13),
    ):
        code, said = run(capsys, office.issue(), "--mirror", folder, "--finality", stated(office, **changes))
        assert (code, "NOT VERIFIED" in said) == (due, True), (changes, said)


def test_a_forged_statement_is_a_bad_signature(office, capsys):
    """One that another key signed makes nothing final: 14. One of another log is asked wrongly: 2."""
    forged = office.folder / "forged"
    forged.write_bytes(by_hand(log=office.log.origin))
    assert run(capsys, office.issue(), "--key", office.key, "--finality", forged)[0] == 14
    other = stated(office, log="elsewhere/acme")
    assert run(capsys, office.issue(), "--key", office.key, "--finality", other)[0] == 2
