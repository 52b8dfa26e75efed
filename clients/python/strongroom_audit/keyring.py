"""The keys a mirror trusts: pinned when it is made, never exchanged silently afterwards."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from strongroom_audit.faults import BadSignature, Malformed
from strongroom_audit.verifier.lists import WorkerKeys
from strongroom_audit.verifier.notes import Key, read_key, unbase64


@dataclass(frozen=True, slots=True)
class Keyring:
    """Keys of one log: those that sign checkpoints, and those that endorse workers, by plane and version."""

    log: tuple[Key, ...]
    worker: WorkerKeys
    cert: Mapping[int, bytes] = field(default_factory=dict)
    """Those that sign certificates, by version."""

    @property
    def origin(self) -> str:
        """The log's name."""
        return self.log[0].name

    def write(self) -> str:
        """As `keys.json` has it."""
        worker: dict[str, dict[str, str]] = {}
        for (plane, version), raw in sorted(self.worker.items()):
            worker.setdefault(plane, {})[str(version)] = raw.hex()
        cert = {str(version): raw.hex() for version, raw in sorted(self.cert.items())}
        log = [key.text for key in self.log]
        return json.dumps({"log": log, "worker": worker, "cert": cert}, indent=2) + "\n"

    def widened(self, shown: "Keyring") -> "Keyring":
        """These and the newly shown ones."""
        texts = {key.text: key for key in (*self.log, *shown.log)}
        return Keyring(tuple(texts.values()), {**shown.worker, **self.worker}, {**shown.cert, **self.cert})

    def unknown(self, shown: "Keyring") -> list[str]:
        """What the log shows and this keyring lacks. Raises: BadSignature if one was exchanged."""
        pinned, showing = self.by_name(), shown.by_name()
        for name, raw in showing.items():
            if pinned.get(name, raw) != raw:
                what = "the log shows another key under this version than the one you pinned"
                raise BadSignature(what, where=name)
        known = {key.text for key in self.log}
        fresh = [key.text for key in shown.log if key.text not in known]
        return fresh + [name for name in showing if name not in pinned]

    def by_name(self) -> dict[str, bytes]:
        """The keys that have a version, as people call them."""
        worker = {f"worker key of {plane}, version {v}": raw for (plane, v), raw in self.worker.items()}
        return worker | {f"certificate key, version {v}": raw for v, raw in self.cert.items()}


def read_pinned(text: str) -> Keyring:
    """Read `keys.json`. Raises: Malformed."""
    document = _object(text, "keys.json")
    worker = document.get("worker")
    if not isinstance(worker, dict) or not all(isinstance(keys, dict) for keys in worker.values()):
        raise Malformed("keys.json names worker keys by plane and version", where="keys.json")
    pinned = [(plane, version, raw) for plane, keys in worker.items() for version, raw in keys.items()]
    cert = document.get("cert", {})  # a mirror of a vault that issued none has none
    if not isinstance(cert, dict):
        raise Malformed("keys.json names certificate keys by version", where="keys.json")
    return _keyring(document.get("log"), pinned, cert.items(), "keys.json")


def read_shown(text: str) -> Keyring:
    """Read the answer of `/v1/log/<tenant>/keys`. Raises: Malformed."""
    document = _object(text, "keys")
    worker = document.get("worker")
    if not isinstance(worker, list) or not all(isinstance(item, dict) for item in worker):
        raise Malformed("the log lists worker keys", where="keys")
    cert = document.get("cert", [])
    if not isinstance(cert, list) or not all(isinstance(item, dict) for item in cert):
        raise Malformed("the log lists certificate keys", where="keys")
    shown = [(item.get("plane"), item.get("version"), item.get("public_key")) for item in worker]
    certs = [(item.get("version"), item.get("public_key")) for item in cert]
    return _keyring(document.get("log"), shown, certs, "keys")


def one_log(keys: Iterable[Key], tenant: str) -> None:
    """All keys are of one log, and it is this tenant's. Raises: Malformed."""
    names = {key.name for key in keys}
    if len(names) != 1 or not names.pop().endswith(f"/{tenant}"):
        raise Malformed(f"the keys are not of one log of tenant {tenant}", where="keys")


def read_public(value: object, where: str) -> bytes:
    """32 bytes, in hexadecimal or base64. Raises: Malformed."""
    if not isinstance(value, str):
        raise Malformed("a key is text", where=where)
    try:
        raw = bytes.fromhex(value) if len(value) == 64 else unbase64(value, where)
    except ValueError:
        raw = b""
    if len(raw) != 32:
        raise Malformed("a key has 32 bytes", where=where)
    return raw


def _object(text: str, where: str) -> dict[str, object]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise Malformed("not a JSON object", where=where)
    return document


def _keyring(
    log: object,
    worker: Iterable[tuple[object, object, object]],
    cert: Iterable[tuple[object, object]],
    where: str,
) -> Keyring:
    if not isinstance(log, list) or not log or not all(isinstance(text, str) for text in log):
        raise Malformed("no key that signs checkpoints", where=where)
    keys = tuple(read_key(text) for text in log)
    endorsing = {(_plane(p, where), _version(v, where)): read_public(raw, where) for p, v, raw in worker}
    return Keyring(keys, endorsing, {_version(v, where): read_public(raw, where) for v, raw in cert})


def _plane(value: object, where: str) -> str:
    if not isinstance(value, str) or not value.isascii() or not value.isalpha():
        raise Malformed("a worker key has a plane", where=where)
    return value


def _version(value: object, where: str) -> int:
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise Malformed("a key has a version", where=where)
    return int(text)
