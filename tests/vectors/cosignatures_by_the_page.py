"""Cosignatures and submissions once more, written from docs/FORMATS.md §10, §11 and §15 alone.

`python tests/vectors/cosignatures_by_the_page.py` writes cosignatures.json anew.
"""

import base64
import hashlib
import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FILE = Path(__file__).with_name("cosignatures.json")
PROVENANCE = (
    "Made by tests/vectors/cosignatures_by_the_page.py, an implementation of docs/FORMATS.md that shares no "
    "code with the service, the witness or the auditor's tools. Keys are counting bytes: for tests only."
)
ORIGIN, LOG_SEED = "log.example.in/acme", bytes(range(9, 41))
NAME, SEED = "witness.example/w1", bytes(range(50, 82))
CASES = [(0, 0, 0), (0, 1, 1), (1, 2, 1_700_000_000), (3, 7, 1_700_000_001), (7, 8, 1_800_000_000),
         (8, 11, 4_102_444_800), (11, 11, 2**63 - 1), (11, 300, 1_800_000_002)]  # fmt: skip
"""(old size, size, time)"""


def digest(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def base64_of(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def leaves(size: int) -> list[bytes]:
    """Leaf hashes over entries made of their index."""
    return [digest(b"\0\1", i.to_bytes(16, "big"), digest(i.to_bytes(8, "big"))) for i in range(size)]


def root(hashes: list[bytes]) -> bytes:
    """MTH of RFC 6962 §2.1 over leaf hashes."""
    if len(hashes) < 2:
        return hashes[0] if hashes else digest()
    k = 1
    while 2 * k < len(hashes):
        k *= 2
    return digest(b"\1", root(hashes[:k]), root(hashes[k:]))


def subproof(old: int, hashes: list[bytes], known: bool) -> list[bytes]:  # noqa: FBT001  # the RFC's b
    """SUBPROOF of RFC 6962 §2.1.2, as it is written there."""
    if old == len(hashes):
        return [] if known else [root(hashes)]
    k = 1
    while 2 * k < len(hashes):
        k *= 2
    if old <= k:
        return [*subproof(old, hashes[:k], known), root(hashes[k:])]
    return [*subproof(old - k, hashes[k:], known=False), root(hashes[:k])]


def key(name: str, kind: int, seed: bytes) -> tuple[bytes, str]:
    """(key id, vkey)"""
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    key_id = digest(name.encode(), b"\n", bytes([kind]), public)[:4]
    return key_id, f"{name}+{key_id.hex()}+{base64_of(bytes([kind]) + public)}"


def case(old: int, size: int, time: int) -> dict:
    text = f"{ORIGIN}\n{size}\n{base64_of(root(leaves(size)))}\n"
    signature = Ed25519PrivateKey.from_private_bytes(LOG_SEED).sign(text.encode())
    note = f"{text}\n\u2014 {ORIGIN} {base64_of(key(ORIGIN, 1, LOG_SEED)[0] + signature)}\n"
    path = subproof(old, leaves(size), known=True) if old else []
    message = f"cosignature/v1\ntime {time}\n{text}".encode()
    payload = key(NAME, 4, SEED)[0] + time.to_bytes(8, "big")
    payload += Ed25519PrivateKey.from_private_bytes(SEED).sign(message)
    return {
        "old": old, "size": size, "time": time, "origin": ORIGIN, "log_vkey": key(ORIGIN, 1, LOG_SEED)[1],
        "name": NAME, "seed": SEED.hex(), "vkey": key(NAME, 4, SEED)[1],
        "submission": f"old {old}\n" + "".join(base64_of(one) + "\n" for one in path) + "\n" + note,
        "line": f"\u2014 {NAME} {base64_of(payload)}\n",
    }  # fmt: skip


def contents() -> str:
    """What the file must hold."""
    made = {
        "format": "docs/FORMATS.md §15", "provenance": PROVENANCE, "cases": [case(*one) for one in CASES],
    }  # fmt: skip
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(contents(), "utf-8")
