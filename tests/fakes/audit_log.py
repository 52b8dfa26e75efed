"""A log that was never in a vault: makes entries, lists, workers, checkpoints, bundles and proofs.

Written from docs/FORMATS.md for tests of the auditor's tools; shares no code with the service or with the
tools. Everything is a plain mutable value, so a test plays the rogue by editing it.
"""

import base64
import json
import struct
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
START = 1_800_000_000_000_000
PLANES = {
    "ingest": "tokenize",
    "reveal": "detokenize search inspect",
    "office": "erase",
    "control": "credentials policy",
    "audit": "events log_retention",
    "rotator": "keys",
    "shredder": "keys",
    "resealer": "reseal",
}
"""Who writes what."""
WITHHELD, GONE = 0xFFFFFFFF, 0xFFFFFFFE


def digest(*parts):
    return sha256(b"".join(parts)).digest()


def bind(*parts):
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def shown(prefix, raw):
    number, text = int.from_bytes(raw, "big"), ""
    for _ in range(26):
        number, digit = divmod(number, 32)
        text = ALPHABET[digit] + text
    return f"{prefix}_{text}"


def canonical(members):
    return json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def raw_public(key):
    return key.public_key().public_bytes_raw()


def root_of(hashes):
    """RFC 6962 §2.1, word for word."""
    if not hashes:
        return digest()
    if len(hashes) == 1:
        return hashes[0]
    half = 1 << (len(hashes) - 1).bit_length() - 1
    return digest(b"\x01", root_of(hashes[:half]), root_of(hashes[half:]))


def path_of(index, hashes):
    """RFC 6962 §2.1.1, word for word."""
    if len(hashes) == 1:
        return []
    half = 1 << (len(hashes) - 1).bit_length() - 1
    if index < half:
        return [*path_of(index, hashes[:half]), root_of(hashes[half:])]
    return [*path_of(index - half, hashes[half:]), root_of(hashes[:half])]


@dataclass
class Worker:
    key: Ed25519PrivateKey
    id: bytes
    plane: str
    public: bytes
    started_at: int
    version: int
    endorsement: bytes = b""

    def message(self):
        started = struct.pack(">Q", self.started_at)
        return b"strongroom/worker/v1\0" + bind(self.plane.encode(), self.id, self.public, started)

    def record(self):
        head = self.id + bytes([len(self.plane)]) + self.plane.encode() + self.public
        return head + struct.pack(">QI", self.started_at, self.version) + self.endorsement


@dataclass
class Listed:
    id: bytes
    worker: Worker
    chain: bytes
    seq: int
    previous: bytes
    size: int
    signature: bytes = b""

    def message(self, tenant, entries):
        return b"strongroom/list/v1\0" + bind(
            tenant.encode(),
            self.id,
            self.worker.id,
            self.chain,
            struct.pack(">Q", self.seq),
            self.previous,
            struct.pack(">I", len(entries)),
            digest(*entries),
        )

    def record(self):
        head = self.id + self.worker.id + self.chain + struct.pack(">Q", self.seq)
        return head + self.previous + struct.pack(">I", self.size) + self.signature


@dataclass
class Event:
    id: bytes
    listed: Listed
    position: int
    salt: bytes
    body: bytes | None
    entry: bytes
    gone: bool = False
    """The log has it no more; otherwise a missing body is withheld."""

    def record(self, index):
        body = b"" if self.body is None else self.body
        length = (GONE if self.gone else WITHHELD) if self.body is None else len(body)
        salt = bytes(32) if self.body is None else self.salt
        head = struct.pack(">Q", index) + self.id + self.listed.id + struct.pack(">I", self.position)
        return head + salt + struct.pack(">I", length) + body

    def recommit(self):
        """The rogue edited the body and makes the entry fit."""
        self.entry = b"\x01" + self.id + digest(self.salt, self.body)


@dataclass
class FakeLog:
    """One tenant's log. `write` and `checkpoint` are what an honest vault does."""

    tenant: str = "acme"
    name: str = "log.example"
    events: list[Event] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)
    notes: dict[int, str] = field(default_factory=dict)

    def __post_init__(self):
        self.log_key = self._key()
        self.worker_keys = {plane: self._key() for plane in PLANES}
        self.cert_keys = {}
        self._random = 0
        self._clock = START
        self.ends = {}
        self.worker("reveal")

    @property
    def origin(self):
        return f"{self.name}/{self.tenant}"

    @property
    def vkey(self):
        return vkey(self.origin, self.log_key)

    def fresh(self, count):
        """Bytes that never come twice, and are the same in each run."""
        self._random += 1
        return digest(b"fake", struct.pack(">Q", self._random))[:count]

    def new_id(self):
        self._clock += 7
        return self._clock.to_bytes(7, "big") + self.fresh(9)

    def worker(self, plane):
        key = self._key()
        worker = Worker(key, self.fresh(16), plane, raw_public(key), self._clock, 1)
        worker.endorsement = self.worker_keys[plane].sign(worker.message())
        self.workers.append(worker)
        return worker

    def write(self, count=3, /, *, by=None, chain=None, **members):
        """A worker, the first of the verb's plane if none is named, writes and signs one list."""
        worker = by or self._writer(members.get("verb", "detokenize"))
        chain = chain or bytes([7 + list(PLANES).index(worker.plane)]) * 16
        seq, previous = self.ends.get(chain, (0, bytes(32)))
        listed = Listed(self.new_id(), worker, chain, seq, previous, count)
        new = [self.event(listed, position, **members) for position in range(count)]
        self.sign(listed, new)
        self.ends[chain] = seq + 1, digest(listed.message(self.tenant, [event.entry for event in new]))
        self.events += new
        return listed

    def event(self, listed, position, /, **members):
        event_id, salt = self.new_id(), self.fresh(32)
        body = canonical(self.body(event_id, listed, **members))
        return Event(event_id, listed, position, salt, body, b"\x01" + event_id + digest(salt, body))

    def body(self, event_id, listed, /, **members):
        usual = {
            "v": 1,
            "event_id": shown("evt", event_id),
            "time": "2027-01-15T08:00:00.000000Z",
            "tenant": self.tenant,
            "actor": f"{self.tenant}.pay",
            "person": "Ravi Rao",
            "verb": PLANES[listed.worker.plane].split()[0],
            "decision": "allow",
            "reason": "payment: class bank is open, plain",
            "purpose": "payment",
            "reference": f"payout-{len(self.events) // 3}",
            "token": "tok_bank_account_000g40r40m30e209185gr38e1w0g",
            "field_type": "bank_account",
            "subject": f"cust-{int.from_bytes(event_id[-2:], 'big') % 50}",
            "form": "plain",
            "batch": shown("lst", listed.id),
            "worker": listed.worker.id.hex(),
        }
        return {name: value for name, value in {**usual, **members}.items() if value is not None}

    def sign(self, listed, events):
        message = listed.message(self.tenant, [event.entry for event in events])
        listed.signature = listed.worker.key.sign(message)

    def hashes(self, size=None):
        return [digest(b"\x00", event.entry) for event in self.events[:size]]

    def checkpoint(self, size=None):
        size = len(self.events) if size is None else size
        root = base64.b64encode(root_of(self.hashes(size))).decode()
        return note(f"{self.origin}\n{size}\n{root}\n", self.origin, self.log_key)

    def keys(self):
        worker = [
            {"plane": plane, "version": 1, "public_key": base64.b64encode(raw_public(key)).decode()}
            for plane, key in self.worker_keys.items()
        ]
        cert = [
            {"version": version, "public_key": raw_public(key).hex()}
            for version, key in self.cert_keys.items()
        ]
        return json.dumps({"log": [self.vkey], "worker": worker, **({"cert": cert} if cert else {})})

    def worker_public(self):
        """The keys that endorse workers, as a verifier holds them."""
        return {(plane, 1): raw_public(key) for plane, key in self.worker_keys.items()}

    def entries(self, first, last):
        return b"".join(event.entry for event in self.events[first:last])

    def tile(self, number, width=256):
        chosen = self.events[number * 256 : number * 256 + width]
        return b"".join(struct.pack(">H", len(event.entry)) + event.entry for event in chosen)

    def bundle(self, first, last):
        chosen = self.events[first:last]
        lists = list({id(event.listed): event.listed for event in chosen}.values())
        workers = list({id(listed.worker): listed.worker for listed in lists}.values())
        parts = [b"\x01", struct.pack(">I", len(workers)), *(worker.record() for worker in workers)]
        parts += [struct.pack(">I", len(lists)), *(listed.record() for listed in lists)]
        parts += [struct.pack(">I", len(chosen))]
        parts += [event.record(first + at) for at, event in enumerate(chosen)]
        return b"".join(parts)

    def proof(self, index, size=None):
        path = path_of(index, self.hashes(size))
        lines = "".join(base64.b64encode(node).decode() + "\n" for node in path)
        return f"c2sp.org/tlog-proof@v1\nindex {index}\n{lines}\n{self.checkpoint(size)}"

    def receipt(self, index):
        event = self.events[index]
        raw = event.entry + event.listed.id + event.listed.signature
        return "rcp_" + base64.urlsafe_b64encode(raw).decode().rstrip("=")

    def _writer(self, verb):
        plane = next((plane for plane, verbs in PLANES.items() if verb in verbs.split()), "reveal")
        found = [worker for worker in self.workers if worker.plane == plane]
        return found[0] if found else self.worker(plane)

    def _key(self):
        self._keys = getattr(self, "_keys", 0) + 1
        return Ed25519PrivateKey.from_private_bytes(digest(b"key", bytes([self._keys])))


def key_id(name, kind, public):
    return digest(name.encode(), b"\n", bytes([kind]), public)[:4]


def vkey(name, key, kind=1):
    public = raw_public(key)
    body = base64.b64encode(bytes([kind]) + public).decode()
    return f"{name}+{key_id(name, kind, public).hex()}+{body}"


def note(text, name, key):
    signature = key_id(name, 1, raw_public(key)) + key.sign(text.encode())
    return f"{text}\n— {name} {base64.b64encode(signature).decode()}\n"


def cosign(text, name, key, at=1_800_000_000):
    """A witness's line under a note."""
    body = text[: text.index("\n\n") + 1]
    signed = key.sign(f"cosignature/v1\ntime {at}\n{body}".encode())
    raw = key_id(name, 4, raw_public(key)) + struct.pack(">Q", at) + signed
    return f"{text}— {name} {base64.b64encode(raw).decode()}\n"
