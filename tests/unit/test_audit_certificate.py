"""`strongroom-audit certificate`: what an auditor holds against a vault that says it has erased something."""

import base64
import json

import pytest
from strongroom_audit.cli import main
from strongroom_audit.faults import BadSignature, Malformed
from strongroom_audit.keyring import read_pinned, read_shown
from strongroom_audit.verifier.certificate import HEAD, read_certificate

from tests.fakes.audit_log import FakeLog, canonical, raw_public, shown
from tests.fakes.audit_source import mirror
from tests.fakes.certificates import CASES, DOCUMENTS, FILES, WHOLE
from tests.vectors.by_the_page import run as counting
from tests.vectors.by_the_page import token

EMAIL, PAN = token("email", counting(1, 17)), token("pan", counting(2, 17))
TIME = "2027-01-15T08:00:00.000000Z"
LAW = "Companies Act 2013 s. 128(5)"


class Office:
    """A vault that erases an e-mail address, archives a PAN, and certifies both."""

    def __init__(self, folder):
        self.log, self.folder = FakeLog(), folder
        self.log.cert_keys = {2: self.log._key()}
        self.log.write(5)
        self.erased, self.archived = (self.event(one) for one in (EMAIL, PAN))
        self.facts = {
            "v": 1, "tenant": "acme", "case": "case_01", "subject": "cust-8472", "issued_at": TIME,
            "decided_by": "Ravi Rao", "released_by": "Meera Nair", "decision": "ab" * 32,
            "log": self.log.origin, "final_after": "2027-04-15",
        }  # fmt: skip

    def event(self, name, **members):
        self.log.write(1, verb="erase", purpose=None, token=name, **{"subject": "cust-8472", **members})
        return self.log.events[-1]

    def items(self):
        yield self.item(EMAIL, self.erased, "erased", at=TIME)
        yield self.item(PAN, self.archived, "archived", until="2035-03-31", law=LAW)

    def item(self, name, event, outcome, **more):
        kind = name.split("_")[1]
        return {
            "token": name, "field_type": kind, "outcome": outcome, "event_id": shown("evt", event.id),
            "commitment": event.entry[17:].hex(), **more,
        }  # fmt: skip

    def issue(self, *, version=2, key=None, **changes):
        items = sorted(self.items(), key=lambda one: one["token"])
        document = canonical({"items": items, **self.facts, **changes})
        signature = (key or self.log.cert_keys[2]).sign(b"strongroom/certificate/v1\0" + document)
        path = self.folder / "erasure.certificate"
        signed = f"{version} {base64.b64encode(signature).decode()}\n".encode()
        path.write_bytes(HEAD + b"\n" + document + b"\n" + signed)
        return path

    def mirror(self):
        assert mirror(self.log, self.folder / "m").faults == []
        return self.folder / "m"

    @property
    def key(self):
        return raw_public(self.log.cert_keys[2]).hex()


@pytest.fixture
def office(tmp_path):
    return Office(tmp_path)


@pytest.fixture
def run(capsys):
    """Runs the command in this process: (exit code, what it printed)."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["certificate", *map(str, arguments)])
        said = capsys.readouterr()
        return ended.value.code or 0, said.out + said.err

    return run


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_vectors(case):
    """A verifier made from the page alone reads the vectors; no other key and no other document verifies."""
    read = read_certificate(case["file"].encode())
    read.verify(bytes.fromhex(case["public_key"]))
    assert read.document == case["document"].encode()
    assert [item.token for item in read.items] == [
        one["token"] for one in json.loads(case["document"])["items"]
    ]
    with pytest.raises(BadSignature):
        read.verify(bytes(32))
    changed = case["file"].replace("case_01", "case_02").encode()
    with pytest.raises(BadSignature):
        read_certificate(changed).verify(bytes.fromhex(case["public_key"]))


@pytest.mark.parametrize("raw", [*FILES, *(WHOLE.replace(WHOLE.split(b"\n")[1], one) for one in DOCUMENTS)])
def test_other_spellings_are_refused(raw):
    """What the service's reader refuses as malformed, this one refuses too, though they share no code."""
    assert raw != WHOLE
    with pytest.raises(Malformed):
        read_certificate(raw)


def test_it_says_what_happened(office, run):
    """With a key alone: who decided what about which field, and that no log was looked at."""
    for key in (office.key, base64.b64encode(bytes.fromhex(office.key)).decode()):
        code, said = run(office.issue(), "--key", key)
        assert code == 0, said
    for part in (
        "Erasure certificate of acme: case case_01, about cust-8472",
        "decided by Ravi Rao, released by Meera Nair",
        f"- email {EMAIL}: erased at {TIME} ({shown('evt', office.erased.id)})",
        f"- pan {PAN}: kept until 2035-03-31, as the law asks: {LAW}",
        "cannot come back from any backup after 2027-04-15",
        "verified: signed by the vault under version 2 of its key; not held against the log",
    ):
        assert part in said


def test_it_is_found_in_the_log(office, run):
    """With a mirror the pinned key is used, and the events are in the verified log."""
    code, said = run(office.issue(), "--mirror", office.mirror())
    assert (code, f"its events are in the verified log {office.log.origin}" in said) == (0, True), said


def test_forged(office, run):
    """A certificate that another key signed, or that was edited, is a bad signature: 14."""
    other = office.log._key()
    code, said = run(office.issue(key=other), "--key", office.key)
    assert (code, "did not sign it" in said, "erased at" in said) == (14, True, False), said
    path = office.issue()
    path.write_bytes(path.read_bytes().replace(b"2027-04-15", b"2027-01-15"))
    assert run(path, "--key", office.key)[0] == 14
    assert run(office.issue(key=other), "--mirror", office.mirror())[0] == 14


def test_key_under_another_version(office, run):
    """The version the certificate names decides which pinned key counts; one nobody pinned is asked for."""
    folder = office.mirror()
    code, said = run(office.issue(version=3), "--mirror", folder)
    assert (code, "no version 3" in said.replace("\n", " ")) == (2, True), said
    assert run(office.issue())[0] == 2


def test_event_the_log_does_not_have(office, run):
    """An event that no log ever had is a gap: 13."""
    folder = office.mirror()
    office.log.events.pop()
    office.archived = office.event(PAN)
    code, said = run(office.issue(), "--mirror", folder)
    assert (code, "if it is younger, mirror again" in said, "NOT VERIFIED" in said) == (13, True, True), said
    assert shown("evt", office.archived.id) in said


def test_commitment_the_log_does_not_have(office, run):
    """An event under another commitment than the log's is altered: 12."""
    folder = office.mirror()
    office.erased.entry = office.erased.entry[:17] + bytes(32)
    code, said = run(office.issue(), "--mirror", folder)
    assert (code, "another commitment" in said) == (12, True), said


@pytest.mark.parametrize("members", [{"decision": "deny"}, {"subject": "cust-1"}, {"token": PAN}])
def test_event_that_says_something_else(office, run, members):
    """An event of another field or subject, or one that was denied, proves no erasure: 12."""
    office.erased = office.event(**{"name": EMAIL, **members} if "token" not in members else {"name": PAN})
    code, said = run(office.issue(), "--mirror", office.mirror())
    assert (code, f"does not say that {EMAIL} was erased" in said) == (12, True), said


def test_withheld_body(office, run):
    """Where the event's body is withheld its entry is enough, for the commitment binds it."""
    office.erased.body = None
    assert run(office.issue(), "--mirror", office.mirror())[0] == 0


def test_mirror_of_another_log(office, run, tmp_path):
    """A mirror of another tenant's log is no mirror to look in."""
    other = FakeLog(name="elsewhere.example")
    other.write(3)
    mirror(other, tmp_path / "other")
    code, said = run(office.issue(), "--key", office.key, "--mirror", tmp_path / "other")
    assert (code, "the mirror is of elsewhere.example/acme" in said.replace("\n", " ")) == (2, True), said


def test_altered_mirror(office, run):
    """A mirror that does not verify proves nothing: its own fault is what is said."""
    folder = office.mirror()
    entries = folder / "entries.bin"
    raw = bytearray(entries.read_bytes())
    raw[-1] ^= 1
    entries.write_bytes(raw)
    assert run(office.issue(), "--mirror", folder)[0] == 12


def test_nothing_in_it_steers_a_terminal(office, run):
    """A certificate with an escape in a sentence is malformed before a word of it is shown."""
    path = office.issue(decided_by="Ravi\u001b]0;x\u0007")
    code, said = run(path, "--key", office.key)
    assert (code, "\x1b" in said) == (15, False), said


def test_key_is_pinned_and_not_exchanged(office, run):
    """The mirror keeps the certificate keys it saw first; another under the same version is a fault."""
    pinned, first = read_pinned((office.mirror() / "keys.json").read_text()), bytes.fromhex(office.key)
    assert pinned.cert == {2: first}
    office.log.cert_keys[3] = office.log._key()
    assert pinned.unknown(read_shown(office.log.keys())) == ["certificate key, version 3"]
    office.log.cert_keys[2] = office.log._key()
    with pytest.raises(BadSignature, match="certificate key, version 2"):
        pinned.unknown(read_shown(office.log.keys()))
    assert pinned.widened(read_shown(office.log.keys())).cert[2] == first


@pytest.mark.parametrize("cert", [{}, [1], [{"version": 1}], [{"version": 1, "public_key": "00"}], "x"])
def test_malformed_certificate_keys(office, cert):
    """What the log lists is read strictly."""
    with pytest.raises(Malformed):
        read_shown(json.dumps({**json.loads(office.log.keys()), "cert": cert}))
