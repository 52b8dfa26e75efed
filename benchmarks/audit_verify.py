"""Offline verification at scale: a synthetic mirror of N events, then `verify` on one core.

    python -m benchmarks.audit_verify make DIR [--events 1000000] [--per-list 64]
    python -m benchmarks.audit_verify verify DIR

`make` builds the mirror from docs/FORMATS.md with random salts and real signatures; it takes longer than
verifying. Each list has 64 events: one Ed25519 signature covers a list, so shorter lists cost more (a list of
one event costs one signature check per event). `verify` pins itself to one core and prints seconds of wall
clock and CPU, and the largest resident memory, of the whole `check_mirror`, reading from disk included.
"""

import argparse
import base64
import json
import os
import resource
import struct
import time
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from strongroom_audit.check import check_mirror
from strongroom_audit.store import Store

ALPHABET = b"0123456789abcdefghjkmnpqrstvwxyz"
TENANT, ORIGIN = "acme", "bench.example/acme"
PAGE = 4096
CHAINS, WORKERS = 24, 6
START = 1_800_000_000_000_000
VERBS = (
    (
        b'{"actor":"acme.pay","auth_method":"client_secret_basic","batch":"%(list)s","client_ip":"203.0.113.7",'
        b'"decision":"allow","dek_id":"%(dek)s","event_id":"%(event)s","field_type":"bank_account",'
        b'"form":"plain",'
        b'"person":"Ravi Rao","policy":"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",'
        b'"purpose":"payment","reason":"payment: class bank is open","reference":"payout-%(number)d",'
        b'"request_id":"req_00000000000000000000000000","subject":"cust-%(subject)d","tenant":"acme",'
        b'"time":"2027-01-15T08:00:00.123456Z","token":"tok_bank_account_000g40r40m30e209185gr38e1w0g",'
        b'"v":1,"verb":"detokenize","worker":"%(worker)s"}'
    ),
    (
        b'{"actor":"acme.signup","auth_method":"client_secret_basic","batch":"%(list)s",'
        b'"client_ip":"203.0.113.9",'
        b'"decision":"allow","dek_id":"%(dek)s","event_id":"%(event)s","field_type":"pan",'
        b'"person":"Asha Rao",'
        b'"policy":"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",'
        b'"reason":"tokenize@tax","request_id":"req_00000000000000000000000000","sealed_sha256":"%(dek)s",'
        b'"subject":"cust-%(subject)d","tenant":"acme","time":"2027-01-15T08:00:00.123456Z",'
        b'"token":"tok_pan_000g40r40m30e209185gr38e1w0g","v":1,"verb":"tokenize","version":%(version)d,'
        b'"worker":"%(worker)s"}'
    ),
    (
        b'{"actor":"acme.desk","auth_method":"client_secret_basic","batch":"%(list)s","client_ip":"203.0.113.8",'
        b'"decision":"deny","event_id":"%(event)s","person":"Mira Sen",'
        b'"policy":"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","reason":"forbidden",'
        b'"request_id":"req_00000000000000000000000000","tenant":"acme","time":"2027-01-15T08:00:00.123456Z",'
        b'"token":"tok_pan_000g40r40m30e209185gr38e1w0g","v":1,"verb":"detokenize","worker":"%(worker)s"}'
    ),
)

PLANES = (b"reveal", b"ingest", b"reveal")
"""Whose workers write each."""


def bind(*parts: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def shown(prefix: bytes, raw: bytes) -> bytes:
    number = int.from_bytes(raw, "big")
    return prefix + bytes(ALPHABET[number >> bit & 31] for bit in range(125, -1, -5))


class Worker:
    """A worker with its chains."""

    def __init__(self, plane: bytes, endorser: Ed25519PrivateKey) -> None:
        self.key, self.id = Ed25519PrivateKey.generate(), os.urandom(16)
        public = self.key.public_key().public_bytes_raw()
        message = b"strongroom/worker/v1\0" + bind(plane, self.id, public, struct.pack(">Q", START))
        head = self.id + bytes([len(plane)]) + plane + public + struct.pack(">QI", START, 1)
        self.record = head + endorser.sign(message)
        self.ends = {os.urandom(16): (0, bytes(32)) for _ in range(CHAINS // WORKERS)}

    def sign(self, number: int, list_id: bytes, entries: list[bytes]) -> bytes:
        """A list's record, with the next place in one of this worker's chains."""
        chain = list(self.ends)[number % len(self.ends)]
        seq, previous = self.ends[chain]
        count = struct.pack(">I", len(entries))
        place = (self.id, chain, struct.pack(">Q", seq), previous)
        message = b"strongroom/list/v1\0" + bind(
            TENANT.encode(), list_id, *place, count, sha256(b"".join(entries)).digest()
        )
        self.ends[chain] = seq + 1, sha256(message).digest()
        return list_id + b"".join(place) + count + self.key.sign(message)


class Maker:
    """Writes a mirror page by page."""

    def __init__(self, folder: Path, per_list: int) -> None:
        self.store, self.per_list, self.number, self.lists = Store(folder), per_list, 0, 0
        self.log = Ed25519PrivateKey.generate()
        self.endorsers = {plane: Ed25519PrivateKey.generate() for plane in set(PLANES)}
        self.workers = {
            plane: [Worker(plane, key) for _ in range(WORKERS)] for plane, key in self.endorsers.items()
        }
        self.edge: list[bytes] = []
        self.size = 0

    def list_of(self, count: int) -> tuple[bytes, bytes, list[bytes], list[bytes]]:
        """One signed list: worker record, list record, event records, entries."""
        kind = self.lists % 7 % 3
        worker = self.workers[PLANES[kind]][self.lists % WORKERS]
        stamp = (START + self.number).to_bytes(7, "big")
        list_id = stamp + os.urandom(9)
        said = {b"list": shown(b"lst_", list_id), b"worker": worker.id.hex().encode()}
        records, entries = [], []
        for position in range(count):
            event_id, salt = (START + self.number).to_bytes(7, "big") + os.urandom(9), os.urandom(32)
            body = VERBS[kind] % {
                **said,
                b"event": shown(b"evt_", event_id),
                b"dek": event_id.hex().encode(),
                b"number": self.number // 3,
                b"subject": self.number * 7919 % 50_000,
                b"version": 1 + self.number % 3,
            }
            head = struct.pack(">Q", self.number) + event_id + list_id + struct.pack(">I", position)
            records.append(head + salt + struct.pack(">I", len(body)) + body)
            entries.append(b"\x01" + event_id + sha256(salt + body).digest())
            self.number += 1
        self.lists += 1
        return worker.record, worker.sign(self.lists, list_id, entries), records, entries

    def page(self, count: int) -> None:
        """One page of whole lists."""
        first, workers, lists = self.number, dict[bytes, None](), list[bytes]()
        records, entries = list[bytes](), list[bytes]()
        while self.number - first < count:
            worker, listed, some, new = self.list_of(min(self.per_list, count - self.number + first))
            workers[worker], records, entries = None, records + some, entries + new
            lists.append(listed)
        raw = b"\x01" + b"".join(
            struct.pack(">I", len(part)) + b"".join(part) for part in (list(workers), lists, records)
        )
        self.store.append(first, b"".join(entries), raw)
        for entry in entries:
            self.grow(sha256(b"\x00" + entry).digest())

    def grow(self, node: bytes) -> None:
        size = self.size
        while size & 1:
            node, size = sha256(b"\x01" + self.edge.pop() + node).digest(), size >> 1
        self.edge.append(node)
        self.size += 1

    def finish(self) -> None:
        """Keys and a signed checkpoint."""
        root = self.edge[-1]
        for node in reversed(self.edge[:-1]):
            root = sha256(b"\x01" + node + root).digest()
        public = b"\x01" + self.log.public_key().public_bytes_raw()
        short = sha256(ORIGIN.encode() + b"\n" + public).digest()[:4]
        vkey = f"{ORIGIN}+{short.hex()}+{base64.b64encode(public).decode()}"
        worker = {
            plane.decode(): {"1": key.public_key().public_bytes_raw().hex()}
            for plane, key in self.endorsers.items()
        }
        keys = {"log": [vkey], "worker": worker}
        self.store.write("keys.json", json.dumps(keys))
        text = f"{ORIGIN}\n{self.size}\n{base64.b64encode(root).decode()}\n"
        signature = base64.b64encode(short + self.log.sign(text.encode())).decode()
        self.store.keep_checkpoint(self.size, f"{text}\n— {ORIGIN} {signature}\n")


def make(folder: Path, events: int, per_list: int) -> None:
    """Build a mirror."""
    maker = Maker(folder, per_list)
    with maker.store.locked():
        while maker.number < events:
            maker.page(min(PAGE, events - maker.number))
        maker.finish()


def verify(folder: Path) -> None:
    """Verify it, on one core, and say what that took."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    wall, cpu = time.perf_counter(), time.process_time()
    verdict = check_mirror(Store(folder))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20
    print(f"{verdict.size:,} events, {size:,.0f} MiB, {len(verdict.faults)} faults")
    print(f"{wall:.2f} s wall, {cpu:.2f} s CPU, {memory:.0f} MiB resident")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["make", "verify"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--per-list", type=int, default=64)
    given = parser.parse_args()
    if given.what == "make":
        make(given.folder, given.events, given.per_list)
    else:
        verify(given.folder)


if __name__ == "__main__":
    main()
