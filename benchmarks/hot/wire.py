"""Requests as they go over the wire, made before the clock starts."""

import base64
import json
import random
from collections.abc import Sequence
from typing import Any

CHANCE = 8472
"""Every run sends the same values."""


def request(path: str, body: bytes, **headers: str) -> bytes:
    """A POST of JSON."""
    told = {"host": "vault", "content-type": "application/json", "content-length": str(len(body)), **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in told.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


def posts(path: str, bodies: Sequence[Any], **headers: str) -> list[bytes]:
    """One request for each body."""
    return [request(path, json.dumps(body, separators=(",", ":")).encode(), **headers) for body in bodies]


def accounts(count: int) -> list[dict[str, str]]:
    """Bank accounts, all different."""
    chance = random.Random(CHANCE)
    return [
        {"number": f"{chance.randrange(10**11, 10**12)}", "ifsc": "HDFC0000123", "holder": "Asha Rao"}
        for _ in range(count)
    ]


def pans(count: int) -> list[str]:
    """Tax numbers of persons, by chance."""
    chance = random.Random(CHANCE)
    return [
        f"{''.join(chance.choices('ABCDEFGH', k=3))}PE{chance.randrange(1000, 9999)}F" for _ in range(count)
    ]


def base64_of(value: Any) -> str:
    """Canonical JSON, in base64, as transit takes plaintexts."""
    return base64.b64encode(json.dumps(value, separators=(",", ":")).encode()).decode()
