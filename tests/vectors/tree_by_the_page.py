"""The formats of the log once more, written from docs/FORMATS.md §10 to §14 alone, as by_the_page.py does.

Beside them `published` holds what others published of the formats we took over; it is not computed here.
`python tests/vectors/tree_by_the_page.py` writes them anew.
"""

import base64
import hashlib
import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

HERE = Path(__file__).parent
PROVENANCE = (
    "Made by tests/vectors/tree_by_the_page.py, an implementation of docs/FORMATS.md that shares no code "
    "with the service. Keys, nonces and salts are counting bytes: for tests only."
)
ORIGIN = "log.example.in/acme"
SEED = bytes(range(9, 41))
PUBLISHED = [
    {
        "source": "RFC 6962 reference trees, as in google/certificate-transparency, transparency-dev/merkle",
        "leaves": ["", "00", "10", "2021", "3031", "40414243", "5051525354555657",
                   "606162636465666768696a6b6c6d6e6f"],
        "roots": [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ],
    },
    {
        "source": "golang.org/x/mod/sumdb/note, the package's documentation",
        "vkey": "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "note": "If you think cryptography is the answer to your problem,\nthen you don't know what your "
        "problem is.\n\n\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSN"
        "XgKvqfqdngotpRZb6KE6RyyBwJnAM=\n",
    },
    {"source": "the Go checksum database",
     "vkey": "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"},
    {"source": "C2SP tlog-tiles", "number": 1234067, "place": "x001/x234/067"},
]  # fmt: skip


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def base64_of(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def entry(index: int) -> bytes:
    """An entry nobody committed to: version, event id and commitment made of the index."""
    return b"\x01" + index.to_bytes(16, "big") + sha256(index.to_bytes(8, "big"))


def tree_hash(entries: list[bytes]) -> bytes:
    """MTH of RFC 6962 §2.1, as it is written there."""
    if not entries:
        return sha256(b"")
    if len(entries) == 1:
        return sha256(b"\0" + entries[0])
    k = 1
    while 2 * k < len(entries):
        k *= 2
    return sha256(b"\1" + tree_hash(entries[:k]) + tree_hash(entries[k:]))


def audit_path(index: int, entries: list[bytes]) -> list[bytes]:
    """PATH of RFC 6962 §2.1.1, as it is written there."""
    if len(entries) <= 1:
        return []
    k = 1
    while 2 * k < len(entries):
        k *= 2
    if index < k:
        return [*audit_path(index, entries[:k]), tree_hash(entries[k:])]
    return [*audit_path(index - k, entries[k:]), tree_hash(entries[:k])]


def trees() -> list[dict]:
    return [
        {"size": size, "root": tree_hash([entry(i) for i in range(size)]).hex()}
        for size in (0, 1, 2, 3, 7, 8, 255, 256, 257, 300)
    ]


def vkey() -> tuple[bytes, str]:
    public = Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()
    key_id = sha256(ORIGIN.encode() + b"\n\x01" + public)[:4]
    return key_id, f"{ORIGIN}+{key_id.hex()}+{base64_of(bytes([1]) + public)}"


def checkpoint(size: int) -> str:
    text = f"{ORIGIN}\n{size}\n{base64_of(tree_hash([entry(i) for i in range(size)]))}\n"
    signature = Ed25519PrivateKey.from_private_bytes(SEED).sign(text.encode())
    return f"{text}\n\u2014 {ORIGIN} {base64_of(vkey()[0] + signature)}\n"


def checkpoints() -> list[dict]:
    return [
        {"origin": ORIGIN, "size": size, "seed": SEED.hex(), "vkey": vkey()[1], "note": checkpoint(size)}
        for size in (0, 1, 300)
    ]


def tiles() -> list[dict]:
    numbers = [(0, 0, 256), (0, 273, 112), (1, 1, 17), (2, 0, 1), (0, 1_234_067, 256), (7, 999, 1)]
    made = []
    for level, number, width in numbers:
        groups = f"{number:03d}"
        while len(groups) % 3:
            groups = "0" + groups
        parts = [groups[i : i + 3] for i in range(0, len(groups), 3)]
        place = "/".join("x" + part for part in parts[:-1]) + ("/" if parts[1:] else "") + parts[-1]
        partial = f".p/{width}" if width < 256 else ""
        made.append({"level": level, "number": number, "width": width, "path": f"{level}/{place}{partial}"})
    bundle = b"".join(len(entry(i)).to_bytes(2, "big") + entry(i) for i in range(3))
    return [*made, {"entries": [entry(i).hex() for i in range(3)], "bundle": bundle.hex()}]


def proofs() -> list[dict]:
    made = []
    for index, size in ((0, 1), (0, 300), (255, 300), (299, 300)):
        path = audit_path(index, [entry(i) for i in range(size)])
        hashes = "".join(base64_of(one) + "\n" for one in path)
        text = f"c2sp.org/tlog-proof@v1\nindex {index}\n{hashes}\n{checkpoint(size)}"
        made.append({"entry": entry(index).hex(), "index": index, "vkey": vkey()[1], "proof": text})
    return made


FILES = {
    "trees": ("§10", trees),
    "checkpoints": ("§11", checkpoints),
    "tiles": ("§12", tiles),
    "proofs": ("§13", proofs),
}


def contents(name: str) -> str:
    """What the file of this name must hold."""
    if name == "published":
        told = "Copied from the sources named; an error of ours would show against them."
        shown = {"format": "docs/FORMATS.md §10 to §12", "provenance": told, "cases": PUBLISHED}
    else:
        section, make = FILES[name]
        shown = {"format": f"docs/FORMATS.md {section}", "provenance": PROVENANCE, "cases": make()}
    return json.dumps(shown, indent=1, ensure_ascii=False) + "\n"


NAMES = frozenset({*FILES, "published"})

if __name__ == "__main__":
    for name in NAMES:
        (HERE / f"{name}.json").write_text(contents(name), "utf-8")
