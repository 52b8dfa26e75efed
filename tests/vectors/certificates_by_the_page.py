"""Erasure certificates once more, written from docs/FORMATS.md §16 alone, as by_the_page.py does.

`python -m tests.vectors.certificates_by_the_page` writes the file anew.
"""

import base64
import json

from tests.vectors.by_the_page import AT, HERE, canonical, ed25519, run, sha256, show, token

FILE = HERE / "certificates.json"
PROVENANCE = (
    "Made by tests/vectors/certificates_by_the_page.py, an implementation of docs/FORMATS.md that shares no "
    "code with the service. Keys, tokens and commitments are counting bytes: for tests only."
)
SEED = run(11, 32)
WHEN = "2027-01-15T08:00:00.123456Z"
LAW = "Companies Act 2013 s. 128(5): books of eight years"
VERDICTS = {"erased": "erase_now", "archived": "archive_until", "refused": "refuse"}


def item(number: int, kind: str, outcome: str, **more: str) -> dict:
    event_id = (AT + number).to_bytes(7, "big") + run(9 * number, 9)
    return {
        "token": token(kind, run(number, 17)), "field_type": kind, "outcome": outcome,
        "event_id": show("evt", event_id), "commitment": sha256(run(number, 40)).hex(), **more,
    }  # fmt: skip


def decided(one: dict) -> dict:
    """What was decided of a field, from what became of it."""
    more = {name: one[name] for name in ("until", "law", "reason") if name in one}
    named = {"token": one["token"], "field_type": one["field_type"]}
    return {**named, "verdict": VERDICTS[one["outcome"]], **more}


def case(name: str, items: list[dict], version: int, **more: str) -> dict:
    items = sorted(items, key=lambda one: one["token"])
    decision = canonical({"v": 1, "items": [decided(one) for one in items]})
    document = canonical(
        {"v": 1, "tenant": "acme", "case": "case_01", "subject": "cust-8472", "issued_at": WHEN,
         "items": items, "decided_by": "Ravi कुमार", "released_by": "Meera Nair",
         "decision": sha256(decision).hex(), "log": "log.example.in/acme", **more}
    )  # fmt: skip
    signature = ed25519(SEED).sign(b"strongroom/certificate/v1\0" + document)
    line = f"{version} {base64.b64encode(signature).decode()}\n".encode()
    return {
        "name": name, "seed": SEED.hex(), "public_key": ed25519(SEED).public_key().public_bytes_raw().hex(),
        "key_version": version, "decision": decision.decode(), "document": document.decode(),
        "signature": signature.hex(),
        "file": (b"strongroom-certificate v1\n" + document + b"\n" + line).decode(),
    }  # fmt: skip


def cases() -> list[dict]:
    erased = item(1, "email", "erased", at=WHEN)
    archived = item(2, "pan", "archived", until="2035-03-31", law=LAW)
    refused = item(3, "bank_account", "refused", reason="A payment is on its way.")
    return [
        case("all three", [erased, archived, refused], 2, final_after="2027-04-15"),
        case("nothing erased", [archived, refused], 1),
    ]


def contents() -> str:
    """What the file must hold."""
    shown = {"format": "docs/FORMATS.md §16", "provenance": PROVENANCE, "cases": cases()}
    return json.dumps(shown, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(contents(), "utf-8")
