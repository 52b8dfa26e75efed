"""The formats once more, written from docs/FORMATS.md alone: nothing of the service is imported here.

Vectors are made by this file, and the service must agree with them; so neither can be wrong by itself.
`python tests/vectors/by_the_page.py` writes them anew from the fixed inputs below.
"""

import base64
import hashlib
import hmac
import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HERE = Path(__file__).parent
PROVENANCE = (
    "Made by tests/vectors/by_the_page.py, an implementation of docs/FORMATS.md that shares no code with "
    "the service, from the fixed inputs in it. Keys, nonces and salts are counting bytes: for tests only."
)
CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
AT = 1_800_000_000_123_456


def run(start: int, size: int) -> bytes:
    """Counting bytes: start, start + 1, …"""
    return bytes((start + i) % 256 for i in range(size))


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def mac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def bind(*parts: str | bytes) -> bytes:
    joined = b""
    for part in parts:
        raw = part.encode("utf-8") if isinstance(part, str) else part
        joined += len(raw).to_bytes(4, "big") + raw
    return joined


def crockford(number: int, length: int) -> str:
    text = ""
    for _ in range(length):
        number, digit = divmod(number, 32)
        text = CROCKFORD[digit] + text
    assert number == 0
    return text


def show(prefix: str, raw: bytes) -> str:
    return prefix + "_" + crockford(int.from_bytes(raw, "big"), 26)


def token(field_type: str, random: bytes) -> str:
    body = crockford(int.from_bytes(random, "big") // 64, 26)
    text = f"tok_{field_type}_{body}"
    total = 0
    for i, char in enumerate(text[::-1]):
        total += ord(char) * 10**i
    return text + crockford(total % 1021, 2)


def canonical(value: object) -> bytes:
    """RFC 8785 for the restricted values of §0.3, by hand."""
    match value:
        case None | True | False:
            return {None: b"null", True: b"true", False: b"false"}[value]
        case int():
            return str(value).encode()
        case str():
            return b'"' + b"".join(_escaped(char) for char in value) + b'"'
        case list():
            return b"[" + b",".join(canonical(one) for one in value) + b"]"
        case dict():
            members = (canonical(name) + b":" + canonical(value[name]) for name in sorted(value))
            return b"{" + b",".join(members) + b"}"
    raise TypeError(type(value))


def _escaped(char: str) -> bytes:
    short = {'"': b'\\"', "\\": b"\\\\", "\b": b"\\b", "\t": b"\\t", "\n": b"\\n", "\f": b"\\f", "\r": b"\\r"}
    if char in short:
        return short[char]
    return b"\\u%04x" % ord(char) if ord(char) < 32 else char.encode()


def aad(record: dict) -> bytes:
    return bind(
        "strongroom", record["version"].to_bytes(4, "big"), record["tenant"], record["subject"],
        record["token"], record["type"], bytes.fromhex(record["dek_id"]),
    )  # fmt: skip


def seal(record: dict) -> bytes:
    dek, nonce = bytes.fromhex(record["dek"]), bytes.fromhex(record["nonce"])
    place = sha256(aad(record))
    key = mac(dek, b"strongroom/v1/enc" + place)
    sealed = AESGCM(key).encrypt(nonce, record["plaintext"].encode(), aad(record))
    commitment = mac(dek, b"strongroom/v1/com" + place)
    return b"\x01\x01" + bytes.fromhex(record["dek_id"]) + nonce + commitment + sealed


def list_message(heading: dict, entries: list[bytes]) -> bytes:
    return b"strongroom/list/v1\0" + bind(
        heading["tenant"], bytes.fromhex(heading["list_id"]), bytes.fromhex(heading["worker_id"]),
        bytes.fromhex(heading["chain"]), heading["seq"].to_bytes(8, "big"),
        bytes.fromhex(heading["previous"]), len(entries).to_bytes(4, "big"), sha256(b"".join(entries)),
    )  # fmt: skip


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def ed25519(seed: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(seed)


# The vectors


def tokens() -> list[dict]:
    cases = [("pan", bytes(17)), ("bank_account", run(1, 17)), ("x", b"\xff" * 17), ("a_" * 16, run(200, 17))]
    return [{"type": kind, "random": raw.hex(), "token": token(kind, raw)} for kind, raw in cases]


def basics() -> list[dict]:
    binds = [[], [""], ["a", "b"], ["ab", ""], ["", "ab"], ["क", "\0"]]
    event = AT.to_bytes(7, "big") + run(0, 9)
    return [
        *({"bind": parts, "bytes": bind(*parts).hex()} for parts in binds),
        *({"id": raw.hex(), "shown": show("evt", raw)} for raw in (event, bytes(16), b"\xff" * 16)),
        {"dek_id": run(16, 16).hex(), "tenant": "acme",
         "kek_context": base64.b64encode(bind("strongroom/kek/v1", "acme", run(16, 16))).decode()},
    ]  # fmt: skip


def canonical_json() -> list[dict]:
    values = [
        {"b": 1, "a": [True, False, None, -1, 2**53 - 1], "": {}},
        {"name": 'Asha "Ä" क \\ / \u2028\x7f', "control": "\0\b\t\n\x0b\f\r\x1f"},
        ["", [], {"Z": 0, "_": 0, "a": 0}],
    ]
    return [{"value": value, "bytes": canonical(value).hex()} for value in values]


def sealed_records() -> list[dict]:
    place = {"tenant": "acme", "subject": "cust-8472", "version": 1}
    kinds = [
        ("pan", '"ABCPE1234F"', 1),
        ("bank_account", '{"number":"000123456789","ifsc":"DEMO0001234","holder":"Asha Rao"}', 1),
        ("person_name", '"आशा राव"', 2),
    ]
    made = []
    for i, (kind, plaintext, version) in enumerate(kinds):
        record = {**place, "version": version, "type": kind, "token": token(kind, run(i, 17))}
        record |= {"plaintext": plaintext, "dek": run(32 * i, 32).hex(), "dek_id": run(100 + i, 16).hex()}
        record |= {"nonce": run(150 + i, 12).hex()}
        sealed = seal(record)
        made.append(
            {**record, "aad": aad(record).hex(), "sealed": sealed.hex(), "sha256": sha256(sealed).hex()}
        )
    return made


def blind_indexes() -> list[dict]:
    cases = [("acme", "pan", '"ABCPE1234F"'), ("acme", "email", '"asha@example.in"')]
    made = []
    for tenant, kind, plaintext in cases:
        source = bind("strongroom/bidx/v1", tenant, kind, plaintext)
        digest = mac(run(64, 32), source)[:16]
        made.append(
            {"tenant": tenant, "type": kind, "plaintext": plaintext, "key": run(64, 32).hex(),
             "input": source.hex(), "index": digest.hex()}
        )  # fmt: skip
    return made


def bodies() -> list[dict]:
    common = {
        "v": 1, "time": "2027-01-15T08:00:00.123456Z", "tenant": "acme", "actor": "acme.pay",
        "person": "Ravi कुमार", "auth_method": "client_secret_basic", "client_ip": "203.0.113.7",
        "request_id": "req_" + "0" * 26, "policy": sha256(b"{}").hex(),
        "batch": show("lst", AT.to_bytes(7, "big") + run(90, 9)),
        "worker": run(30, 16).hex(),
    }  # fmt: skip
    paid = token("pan", run(0, 17))
    return [
        common | {"event_id": show("evt", AT.to_bytes(7, "big") + run(0, 9)), "verb": "detokenize",
                  "decision": "allow", "reason": "payment: class tax is open, plain", "purpose": "payment",
                  "reference": "payout-1", "token": paid, "field_type": "pan", "subject": "cust-8472",
                  "dek_id": run(100, 16).hex(), "form": "plain"},
        common | {"event_id": show("evt", (AT + 1).to_bytes(7, "big") + run(9, 9)), "verb": "detokenize",
                  "decision": "deny", "reason": "malformed_token", "purpose": "payment",
                  "reference": "payout-1", "token": "malformed", "form": "plain"},
    ]  # fmt: skip


def events() -> list[dict]:
    made = []
    for i, body in enumerate(bodies()):
        raw, salt = canonical(body), run(40 + i, 32)
        event_id = (AT + i).to_bytes(7, "big") + run(9 * i, 9)
        commitment = sha256(salt + raw)
        made.append(
            {"body": body, "bytes": raw.hex(), "at": AT, "event_id": event_id.hex(), "salt": salt.hex(),
             "commitment": commitment.hex(), "entry": (b"\x01" + event_id + commitment).hex()}
        )  # fmt: skip
    return made


def signed_lists() -> list[dict]:
    """Two lists of one chain: the second holds no more than one event and follows the first."""
    key, made, previous = ed25519(run(7, 32)), [], bytes(32)
    of_list = [events(), events()[:1]]
    for seq, members in enumerate(of_list):
        heading = {
            "tenant": "acme", "list_id": (AT.to_bytes(7, "big") + run(90 + seq, 9)).hex(),
            "worker_id": run(30, 16).hex(), "chain": run(60, 16).hex(), "seq": seq,
            "previous": previous.hex(),
        }  # fmt: skip
        message = list_message(heading, [bytes.fromhex(event["entry"]) for event in members])
        signature, first = key.sign(message), members[0]
        receipt = b"\x01" + bytes.fromhex(first["event_id"] + first["commitment"] + heading["list_id"])
        made.append(
            heading | {"seed": run(7, 32).hex(), "entries": [event["entry"] for event in members],
                       "message": message.hex(), "signature": signature.hex(),
                       "first_receipt": "rcp_" + base64url(receipt + signature)}
        )  # fmt: skip
        previous = sha256(message)
    return made


def endorsements() -> list[dict]:
    public = ed25519(run(7, 32)).public_key().public_bytes_raw()
    message = b"strongroom/worker/v1\0" + bind("reveal", run(30, 16), public, AT.to_bytes(8, "big"))
    return [
        {"plane": "reveal", "worker_id": run(30, 16).hex(), "public_key": public.hex(), "started_at": AT,
         "seed": run(8, 32).hex(), "message": message.hex(),
         "signature": ed25519(run(8, 32)).sign(message).hex()}
    ]  # fmt: skip


def idempotency() -> list[dict]:
    body = '{"items":[{"type":"pan","value":"ABCPE1234F"}],"subject":"cust-8472"}'
    day = AT // 86_400_000_000
    day_key = mac(run(64, 32), bind("strongroom/idem/v1", "acme", day.to_bytes(4, "big")))
    return [
        {"tenant": "acme", "credential": "acme.signup", "verb": "tokenize", "key": "order-1", "body": body,
         "at": AT, "idem_key": run(64, 32).hex(),
         "slot": sha256(bind("acme.signup", "tokenize", "order-1")).hex(), "day_key": day_key.hex(),
         "fingerprint": (day.to_bytes(4, "big") + mac(day_key, sha256(body.encode()))).hex()}
    ]  # fmt: skip


def registers() -> list[dict]:
    payment = {"title": "Payment", "basis": "contract", "law": "DPDP", "opens": {"payment": "plain"}}
    policy = {"v": 1, "searchable": [], "types": {}, "purposes": {"payment": payment}}
    entry = {"person": "Ravi कुमार", "created_at": AT, "expires_at": None, "status": "active"}
    document = {
        "v": 1, "tenant": "acme", "version": 3, "policy": policy,
        "policy_hash": sha256(canonical(policy)).hex(),
        "credentials": [
            entry | {"id": "acme.pay", "grants": ["detokenize:payment@payment,tax", "inspect"],
                     "secret_sha256": sha256(b"$argon2id$").hex(), "public_key": None},
            entry | {"id": "acme.signup", "grants": ["tokenize"], "secret_sha256": None, "expires_at": AT + 1,
                     "public_key": base64url(run(5, 32)), "status": "revoked"},
        ],
    }  # fmt: skip
    raw = canonical(document)
    return [
        {"document": raw.decode(), "seed": run(9, 32).hex(),
         "signature": ed25519(run(9, 32)).sign(b"strongroom/authority/v1\0" + raw).hex()}
    ]  # fmt: skip


def access_tokens() -> list[dict]:
    header = {"alg": "EdDSA", "typ": "at+jwt", "kid": "authority-v2"}
    epoch = sha256(b"acme.pay\0" + sha256(b"$argon2id$").hex().encode() + b"\0").hex()[:16]
    claims = {
        "iss": "strongroom", "sub": "acme.pay", "tenant": "acme", "aud": "reveal", "iat": 1_800_000_000,
        "exp": 1_800_000_300, "jti": run(3, 16).hex(), "reg": 3, "epoch": epoch,
        "auth_method": "client_secret_basic",
    }  # fmt: skip
    signed = base64url(canonical(header)) + "." + base64url(canonical(claims))
    signature = ed25519(run(9, 32)).sign(signed.encode())
    made = {"claims": claims, "key_version": 2, "seed": run(9, 32).hex()}
    made |= {"secret_sha256": sha256(b"$argon2id$").hex(), "token": signed + "." + base64url(signature)}
    return [made]


FILES = {
    "basics": ("§0.1 bind, §0.4 identifiers, §2.5 KEK context", basics),
    "canonical_json": ("§0.3", canonical_json),
    "tokens": ("§1", tokens),
    "sealed_records": ("§2", sealed_records),
    "blind_indexes": ("§3", blind_indexes),
    "events": ("§4: body, commitment, entry", events),
    "signed_lists": ("§5.1 and §5.3: one chain of two lists", signed_lists),
    "endorsements": ("§5.2", endorsements),
    "idempotency": ("§6", idempotency),
    "registers": ("§7", registers),
    "access_tokens": ("§8", access_tokens),
}


def contents(name: str) -> str:
    """What the file of this name must hold."""
    section, make = FILES[name]
    shown = {"format": f"docs/FORMATS.md {section}", "provenance": PROVENANCE, "cases": make()}
    return json.dumps(shown, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name in FILES:
        (HERE / f"{name}.json").write_text(contents(name), "utf-8")
