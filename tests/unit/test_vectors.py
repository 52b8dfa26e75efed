"""The service against the vectors of docs/FORMATS.md, both ways, and the vectors against the page itself."""

import base64
import json
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keys.context import context_of
from keys.envelope import bind, dek_id_of, open_sealed
from keys.pool import Dek
from keys.ring import Hashed
from tests.vectors import by_the_page, certificates_by_the_page, cosignatures_by_the_page, tree_by_the_page
from vault.log import event, lists
from vault.model import canonical, register
from vault.model.ask import Caller
from vault.model.names import read_id, show_id
from vault.model.secret import Secret
from vault.model.token import mint, parse
from vault.service import access_token, idempotency
from vault.store import wall
from vault.store.records import Stored


def cases(name: str) -> list[dict]:
    return json.loads((by_the_page.HERE / f"{name}.json").read_text("utf-8"))["cases"]


def raw(text: str) -> bytes:
    return bytes.fromhex(text)


class KnownKey:
    """The key server's part of a vector: HMAC under the vector's key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    async def index(self, key: str, inputs) -> list[Hashed]:
        return [Hashed(1, by_the_page.mac(self._key, one)) for one in inputs]


@pytest.mark.parametrize("name", sorted(by_the_page.FILES))
def test_vectors_are_what_the_page_says(name):
    """Each file holds, byte for byte, what an implementation made from docs/FORMATS.md alone writes."""
    assert (by_the_page.HERE / f"{name}.json").read_text("utf-8") == by_the_page.contents(name)


def test_every_vector_file_belongs_to_the_page():
    """No vector lies about that nothing checks."""
    checked = {*by_the_page.FILES, *tree_by_the_page.NAMES}
    checked |= {page.FILE.stem for page in (cosignatures_by_the_page, certificates_by_the_page)}
    assert {path.stem for path in by_the_page.HERE.glob("*.json")} == checked


def test_basics():
    """bind, identifiers and the KEK context are those of §0 and §2.5."""
    for case in cases("basics"):
        if "bind" in case:
            assert bind(case["bind"]) == raw(case["bytes"])
        elif "id" in case:
            assert show_id("evt", raw(case["id"])) == case["shown"]
            assert read_id("evt", case["shown"]) == raw(case["id"])
        else:
            assert context_of(case["tenant"], raw(case["dek_id"])) == case["kek_context"]


@pytest.mark.parametrize("case", cases("canonical_json"), ids=str)
def test_canonical_json(case):
    """Both our writers and an implementation of the whole RFC agree; the reader reads it back."""
    expected = raw(case["bytes"])
    assert canonical.dump(case["value"]) == rfc8785.dumps(case["value"]) == expected
    assert event.canonical(case["value"]) == expected
    assert canonical.load(expected) == case["value"]


@pytest.mark.parametrize("case", cases("tokens"), ids=lambda case: case["type"])
def test_token(case):
    """Minting gives the vector, and parsing it its type."""
    assert mint(case["type"], raw(case["random"])) == case["token"]
    assert parse(case["token"]).field_type == case["type"]


@pytest.mark.parametrize("case", cases("sealed_records"), ids=lambda case: case["type"])
def test_sealed_record(case):
    """Sealing gives the vector; the vector opens through the wall as through the envelope."""
    dek, dek_id, sealed = raw(case["dek"]), raw(case["dek_id"]), raw(case["sealed"])
    place = wall.Place(case["tenant"], case["subject"], case["token"], case["type"], case["version"])
    made = wall.seal_record(
        Secret(case["plaintext"].encode()), place, Dek(dek_id, dek, 0), nonce=raw(case["nonce"])
    )
    assert place.aad(dek_id) == raw(case["aad"])
    assert (made.sealed, wall.digest(sealed), dek_id_of(sealed)) == (sealed, case["sha256"], dek_id)
    stored = Stored(
        case["token"], case["version"], case["subject"], case["type"], dek_id, sealed, created_at=0,
        erased_at=None,
    )  # fmt: skip
    assert wall.open_record(case["tenant"], stored, dek=dek).reveal().decode() == case["plaintext"]
    assert open_sealed(sealed, dek=dek, aad=raw(case["aad"])).decode() == case["plaintext"]


@pytest.mark.parametrize("case", cases("blind_indexes"), ids=lambda case: case["type"])
def test_blind_index(case):
    """What goes to the key server and what is kept of its answer are those of §3."""
    made = wall.index_input(case["tenant"], case["type"], Secret(case["plaintext"].encode()))
    assert made == raw(case["input"])
    assert by_the_page.mac(raw(case["key"]), made)[: wall.INDEX_BYTES] == raw(case["index"])


@pytest.mark.parametrize("case", cases("events"), ids=lambda case: case["body"]["decision"])
def test_event(case):
    """Stamping a draft gives the vector's body, commitment and entry."""
    body = case["body"]
    given = ("token", "field_type", "subject", "purpose", "reference", "policy")
    caller = Caller(
        body["tenant"], body["actor"], body["person"], (), body["auth_method"], body["client_ip"],
        body["request_id"],
    )  # fmt: skip
    draft = event.Draft(
        caller, body["verb"], body["decision"], body["reason"], detail={"form": body["form"]},
        **{name: body.get(name) for name in given},
        dek_id=raw(body.get("dek_id", "")) or None,
    )  # fmt: skip
    stamp = event.Stamp(at=case["at"], place={"batch": body["batch"], "worker": body["worker"]})
    made = stamp.event(draft, event_id=raw(case["event_id"]), salt=raw(case["salt"]))
    assert (made.body, made.commitment, made.entry) == tuple(
        raw(case[name]) for name in ("bytes", "commitment", "entry")
    )
    assert rfc8785.dumps(json.loads(made.body)) == made.body


def test_signed_lists():
    """Messages, signatures and receipts of a chain; the second list names the first."""
    stamped = {case["entry"]: case for case in cases("events")}
    for case in cases("signed_lists"):
        heading = lists.Heading(
            case["tenant"], raw(case["list_id"]), raw(case["worker_id"]), raw(case["chain"]), case["seq"],
            raw(case["previous"]),
        )  # fmt: skip
        message = lists.list_message(heading, [raw(entry) for entry in case["entries"]])
        signature = raw(case["signature"])
        public = Ed25519PrivateKey.from_private_bytes(raw(case["seed"])).public_key().public_bytes_raw()
        first = stamped[case["entries"][0]]
        of_it = event.Event(
            raw(first["event_id"]), None, raw(first["bytes"]), raw(first["salt"]), raw(first["commitment"])
        )
        signed = lists.SignedList(heading, (of_it,), message, signature)
        assert message == raw(case["message"])
        assert lists.signed_by(public, message=message, signature=signature)
        assert not lists.signed_by(public, message=message + b"\0", signature=signature)
        assert signed.receipt(of_it) == case["first_receipt"]
    for before, after in pairwise(cases("signed_lists")):
        assert sha256(raw(before["message"])).hexdigest() == after["previous"]


@pytest.mark.parametrize("case", cases("endorsements"), ids=lambda case: case["plane"])
def test_endorsement(case):
    """What the key server signs for a worker."""
    message = lists.endorsement_message(
        case["plane"], raw(case["worker_id"]), raw(case["public_key"]), case["started_at"]
    )
    endorser = Ed25519PrivateKey.from_private_bytes(raw(case["seed"])).public_key().public_bytes_raw()
    assert message == raw(case["message"])
    assert lists.signed_by(endorser, message=message, signature=raw(case["signature"]))


@pytest.mark.parametrize("case", cases("idempotency"), ids=lambda case: case["key"])
async def test_idempotency(case):
    """Slot and fingerprint of a request, made at its time and matched at any."""
    key = idempotency.key_for(case["credential"], case["verb"], case["key"], case["body"].encode())
    ring = KnownKey(raw(case["idem_key"]))
    made = await idempotency.Fingerprints(ring, lambda: case["at"]).make(case["tenant"], key)
    assert (key.slot, made) == (raw(case["slot"]), raw(case["fingerprint"]))
    later = idempotency.Fingerprints(ring, lambda: case["at"] + idempotency.DAY)
    assert await later.match(case["tenant"], key, raw(case["fingerprint"]))


@pytest.mark.parametrize("case", cases("registers"), ids=lambda _: "acme")
def test_register(case):
    """A register is read, written back to the same bytes, and its signature holds behind its domain."""
    document = case["document"].encode()
    read = register.from_bytes(document)
    signer = Ed25519PrivateKey.from_private_bytes(raw(case["seed"]))
    assert register.to_bytes(read) == document == rfc8785.dumps(json.loads(document))
    assert signer.sign(register.DOMAIN + document) == raw(case["signature"])


@pytest.mark.parametrize("case", cases("access_tokens"), ids=lambda _: "reveal")
def test_access_token(case):
    """Signing gives the vector; verifying reads its claims; the epoch is that of the credential."""
    signer = Ed25519PrivateKey.from_private_bytes(raw(case["seed"]))
    claims = access_token.Claims(**case["claims"])
    signed = access_token.signing_input(claims, key_version=case["key_version"])
    expected = access_token.Expected(claims.iss, claims.aud)
    assert access_token.attach(signed, signer.sign(signed)) == case["token"]
    assert access_token.key_version(case["token"]) == case["key_version"]
    assert access_token.verify(case["token"], signer.public_key(), expected) == claims
    entry = register.CredentialEntry("acme.pay", "Ravi", (), 0, secret_sha256=case["secret_sha256"])
    assert entry.epoch == claims.epoch
    assert replace(entry, secret_sha256=None).epoch != claims.epoch


def test_receipt_says_where_to_look():
    """A receipt unpacks into event id, commitment, list id and signature, and nothing else."""
    case = cases("signed_lists")[0]
    packed = base64.urlsafe_b64decode(case["first_receipt"].removeprefix("rcp_"))
    first = cases("events")[0]
    assert (
        packed.hex() == "01" + first["event_id"] + first["commitment"] + case["list_id"] + case["signature"]
    )
