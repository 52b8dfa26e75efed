"""The authority's tables in memory, a clock to be set, and a control plane built on both."""

import asyncio
import hashlib
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import count
from types import TracebackType
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.fakes.ring import FakeRing
from vault.errors import ServiceError
from vault.log.lists import SignedList, WorkerKey
from vault.log.writer import LogWriter
from vault.model.ask import Caller
from vault.model.grants import parse_grant
from vault.model.register import DOMAIN, Register, StoredRegister, to_bytes
from vault.policy.load import DEFAULT, parse_toml
from vault.service.access_token import Expected
from vault.service.amend import Control
from vault.service.authenticate import Authenticator
from vault.service.authority_keys import PublicKeys
from vault.service.client_secrets import SecretVerifier
from vault.service.credentials import NewCredential, create
from vault.service.failed_logins import FailedLogins
from vault.service.issuing import Issued
from vault.service.limiter import Limiter, Rate
from vault.service.proposals import Waiting, approve
from vault.service.proposed import Proposed
from vault.service.provenance import Provenance
from vault.service.registers import Registers
from vault.service.tenants import found
from vault.service.tokens import PER_ADDRESS, PER_CLIENT, Desk
from vault.service.verified_lists import ListVerifier
from vault.service.visit import Admission
from vault.store.events import StoredEvent
from vault.store.failures import Clash
from vault.store.freezes import Freeze
from vault.store.proposals import ProposalEnd, StoredProposal
from vault.store.sequencing import StoredEntry, StoredList, StoredWorker
from vault.store.unit import Thaw

ISSUER = "https://vault.example.in"
ENDPOINT = f"{ISSUER}/oauth2/token"
START = 1_800_000_000_000_000
POLICY = parse_toml(DEFAULT.read_text())


class Clock:
    """Wall clock (µs) and monotonic clock (s) that move only when told to."""

    def __init__(self) -> None:
        self.us = START

    def now(self) -> int:
        return self.us

    def monotonic(self) -> float:
        return self.us / 1_000_000

    def tick(self, seconds: float) -> None:
        self.us += round(seconds * 1_000_000)


class SigningRing(FakeRing):
    """A fake ring whose signing keys can be rotated."""

    def rotate_signing(self, key: str) -> None:
        """A new version of a signing key; the older ones still verify."""
        self._signing[key].append(Ed25519PrivateKey.generate())


class FakeAuthorityStore:
    """Registers, secrets, jtis and lists. Rows are plain attributes, so that a test can play the intruder.

    down:   raised by every method until it is None again.
    delay:  seconds a look at the versions takes, after it has read them.
    rivals: called one by one, each before a register is appended: somebody else's chance to be faster.
    """

    def __init__(self) -> None:
        self.registers: dict[tuple[str, int], StoredRegister] = {}
        self.secrets: dict[tuple[str, str, str], str] = {}
        self.jtis: dict[tuple[str, bytes], int] = {}
        self.written: list[SignedList] = []
        self.proposals: dict[tuple[str, bytes], StoredProposal] = {}
        self.ends: dict[tuple[str, bytes], ProposalEnd] = {}
        self.workers: dict[bytes, StoredWorker] = {}
        self.rivals: deque[Callable[[], Awaitable[object]]] = deque()
        self.held: dict[str, frozenset[str]] = {}
        self.thaws: list[Thaw] = []
        self.down: ServiceError | None = None
        self.delay = 0.0
        self.reads = 0
        self.looks = 0

    async def latest_versions(self) -> Mapping[str, int]:
        self.looks += 1
        self._check()
        latest: dict[str, int] = {}
        for tenant, version in self.registers:
            latest[tenant] = max(version, latest.get(tenant, 0))
        if self.delay:
            await asyncio.sleep(self.delay)
        return latest

    async def frozen(self) -> Mapping[str, frozenset[str]]:
        self._check()
        return self.held

    async def read(self, tenant: str, version: int) -> StoredRegister | None:
        self.reads += 1
        self._check()
        return self.registers.get((tenant, version))

    async def read_secret(self, tenant: str, credential: str, *, sha256: str) -> str | None:
        self._check()
        return self.secrets.get((tenant, credential, sha256))

    async def use_jti(self, credential: str, *, jti_sha256: bytes, expires_at: int) -> bool:
        self._check()
        if (credential, jti_sha256) in self.jtis:
            return False
        self.jtis[credential, jti_sha256] = expires_at
        return True

    def begin(self) -> "FakeAuthorityUnit":
        return FakeAuthorityUnit(self)

    def events(self) -> list[dict[str, object]]:
        """Every committed event, in short."""
        return [
            {"verb": d.verb, "decision": d.decision, "reason": d.reason, **d.detail}
            for d in (event.draft for signed in self.written for event in signed.events)
        ]

    async def find(self, tenant: str, proposal_id: bytes) -> StoredProposal | None:
        self._check()
        return self.proposals.get((tenant, proposal_id))

    async def open(self, tenant: str, *, now: int) -> list[StoredProposal]:
        self._check()
        waits = [key for key in self.proposals if key[0] == tenant and key not in self.ends]
        return [self.proposals[key] for key in waits if self.proposals[key].expires_at > now]

    async def end(self, tenant: str, proposal_id: bytes) -> str | None:
        end = self.ends.get((tenant, proposal_id))
        return end.act if end else None

    async def event(self, tenant: str, event_id: bytes) -> StoredEvent | None:
        for signed in self._of(tenant):
            for one in signed.events:
                if one.event_id == event_id:
                    place = signed.heading.list_id
                    return StoredEvent(event_id, one.commitment, one.salt, one.body, place)
        return None

    async def told_since(self, tenant: str, event_id: bytes) -> Sequence[bytes]:
        events = (event for signed in self._of(tenant) for event in signed.events)
        return [e.body for e in events if e.event_id > event_id and e.draft.decision == "allow"]

    async def lists(self, tenant: str, list_ids: Sequence[bytes]) -> list[StoredList]:
        return [_row(signed) for signed in self._of(tenant) if signed.heading.list_id in list_ids]

    async def lists_at(self, tenant: str, places: Sequence[tuple[bytes, int]]) -> list[StoredList]:
        rows = map(_row, self._of(tenant))
        return [row for row in rows if (row.chain, row.seq) in places]

    async def entries(self, tenant: str, list_ids: Sequence[bytes]) -> Mapping[bytes, list[StoredEntry]]:
        return {
            signed.heading.list_id: [
                StoredEntry(i, event.event_id, event.commitment) for i, event in enumerate(signed.events)
            ]
            for signed in self._of(tenant)
            if signed.heading.list_id in list_ids
        }

    async def worker(self, worker_id: bytes) -> StoredWorker | None:
        return self.workers.get(worker_id)

    def _of(self, tenant: str) -> list[SignedList]:
        return [signed for signed in self.written if signed.heading.tenant == tenant]

    def _check(self) -> None:
        if self.down is not None:
            raise self.down


def _row(signed: SignedList) -> StoredList:
    heading = signed.heading
    return StoredList(
        heading.list_id, heading.worker_id, heading.chain, heading.seq, heading.previous, len(signed.events),
        signed.signature,
    )  # fmt: skip


class FakeFreezes:
    """Freezes as rows that a test adds."""

    def __init__(self, store: FakeAuthorityStore) -> None:
        self._store = store
        self.rows: list[Freeze] = []

    async def open(self, tenant: str) -> list[Freeze]:
        lifted = {one.freeze_id for one in self._store.thaws}
        mine = [one for one in self.rows if one.credential.startswith(f"{tenant}.")]
        return [one for one in mine if one.freeze_id not in lifted]


class FakeAuthorityUnit:
    """All or nothing, like a transaction; a taken primary key is a Clash."""

    def __init__(self, store: FakeAuthorityStore) -> None:
        self._store = store
        self._registers: dict[tuple[str, int], StoredRegister] = {}
        self._secrets: dict[tuple[str, str, str], str] = {}
        self._lists: list[SignedList] = []
        self._proposals: dict[tuple[str, bytes], StoredProposal] = {}
        self._ends: dict[tuple[str, bytes], ProposalEnd] = {}
        self._thaws: list[Thaw] = []

    async def __aenter__(self) -> Self:
        self._store._check()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def append_register(
        self, tenant: str, version: int, *, document: bytes, signature: bytes, key_version: int
    ) -> None:
        if self._store.rivals:
            await self._store.rivals.popleft()()
        if (tenant, version) in self._store.registers:
            raise Clash
        self._registers[tenant, version] = StoredRegister(document, signature, key_version)

    async def put_secret(self, tenant: str, credential: str, *, sha256: str, secret_hash: str) -> None:
        self._secrets[tenant, credential, sha256] = secret_hash

    async def add_proposal(self, tenant: str, new: StoredProposal) -> None:
        self._proposals[tenant, new.proposal_id] = new

    async def end_proposal(self, tenant: str, end: ProposalEnd, *, event_id: bytes) -> None:
        if (tenant, end.proposal_id) in self._store.ends:
            raise Clash
        self._ends[tenant, end.proposal_id] = end

    async def lift_freezes(self, tenant: str, thaws: Sequence[Thaw]) -> None:
        self._thaws += thaws

    async def add_list(self, signed: SignedList) -> None:
        self._lists.append(signed)

    async def commit(self) -> None:
        self._store._check()
        self._store.registers |= self._registers
        self._store.secrets |= self._secrets
        self._store.written += self._lists
        self._store.proposals |= self._proposals
        self._store.ends |= self._ends
        self._store.thaws += self._thaws


class World:
    """One control plane over a fake ring and a fake store."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.ring = SigningRing()
        self.store = FakeAuthorityStore()
        self.alarms: list[tuple[str, str]] = []
        self.failed = FailedLogins()
        self._seeds = count()
        self.hasher = SecretVerifier(random=self.random)
        self.registers = self.another_worker()
        self.worker = WorkerKey("control", bytes(16), START)
        log = LogWriter(self.worker, now=self.clock.now, random=self.random)
        own = {"control": PublicKeys(self.ring, "worker-control", clock=self.clock.monotonic)}
        verifier = ListVerifier(self.store, own)
        self.control = Control(
            proposed=Proposed(self.store, Provenance(self.store, verifier), alarm=self.alarm),
            registers=self.registers, store=self.store, signer=self.ring, hasher=self.hasher, log=log,
            freezes=FakeFreezes(self.store), index_keys=self.ring, announce=self.announce,
            now=self.clock.now, random=self.random,
        )  # fmt: skip
        self.desk = self.new_desk()

    async def announce(self) -> None:
        """The standing has tests of its own."""

    def new_desk(
        self,
        *,
        per_address: Rate = PER_ADDRESS,
        per_client: Rate = PER_CLIENT,
        verifier: SecretVerifier | None = None,
    ) -> Desk:
        return Desk(
            registers=self.registers, secrets=self.store, verifier=verifier or self.hasher, signer=self.ring,
            keys=self.keys(), failed=self.failed, alarm=self.alarm, issuer=ISSUER,
            per_address=Limiter(per_address, clock=self.clock.monotonic),
            per_client=Limiter(per_client, clock=self.clock.monotonic),
            audiences=(ISSUER, ENDPOINT), now=self.clock.now, random=self.random,
        )  # fmt: skip

    def random(self, size: int) -> bytes:
        return hashlib.shake_256(next(self._seeds).to_bytes(8)).digest(size)

    def alarm(self, code: str, tenant: str) -> None:
        self.alarms.append((code, tenant))

    def keys(self) -> PublicKeys:
        return PublicKeys(self.ring, "authority", clock=self.clock.monotonic)

    def another_worker(self, *, patience: float = 1.0) -> Registers:
        return Registers(
            self.store, self.keys(), clock=self.clock.monotonic, alarm=self.alarm, patience=patience
        )

    def authenticator(self, plane: str, registers: Registers | None = None) -> Authenticator:
        return Authenticator(
            Expected(ISSUER, plane), registers or self.registers, self.keys(), self.failed,
            Admission.unlimited(clock=self.clock.monotonic), now=self.clock.now,
        )  # fmt: skip

    async def enrol(self, worker: WorkerKey | None = None, *, key: str = "worker-control") -> None:
        """Endorse a process's signing key, this control plane's unless another is given."""
        one = worker or self.worker
        version, endorsement = await self.ring.sign(key, one.endorsement_message)
        self.store.workers[one.worker_id] = StoredWorker(
            one.worker_id, one.plane, one.public, one.started_at, version, endorsement
        )

    async def found(self, tenant: str = "acme") -> tuple[Issued, Issued]:
        """Two administrators: Asha has `admin`, Zoya `admin2`."""
        await self.enrol()
        return await found(
            tenant, persons=("Asha", "Zoya"), policy=POLICY, operator=self.admin(tenant, "operator"),
            control=self.control,
        )  # fmt: skip

    def admin(self, tenant: str = "acme", name: str = "admin", *grants: str, person: str = "Asha") -> Caller:
        held = tuple(parse_grant(text) for text in grants or ("credentials", "policy"))
        return Caller(tenant, f"{tenant}.{name}", person, held, "client_secret_basic", "10.0.0.1", "req_1")

    def second(self, tenant: str = "acme") -> Caller:
        """The other administrator."""
        return self.admin(tenant, "admin2", person="Zoya")

    async def agreed(self, done: Issued | Waiting) -> Issued:
        """What was done or, where it waits for a second person, what is done once that person approves."""
        if isinstance(done, Issued):
            return done
        name, digest = done.open.name, done.open.proposal.sha256
        approved = await approve(name, digest, self.second(done.open.proposal.tenant), self.control)
        assert approved.issued is not None
        return approved.issued

    async def credential(
        self, name: str, *grants: str, public_key: bytes | None = None, expires_at: int | None = None
    ) -> Issued:
        new = NewCredential(name, "Ravi", grants, expires_at=expires_at, public_key=public_key)
        return await self.agreed(await create(new, self.admin(), self.control))

    async def forge(
        self, register: Register, *, at: tuple[str, int] | None = None, signed: bool = True
    ) -> None:
        """Write a register as one who may write the database would; `signed` with the true key or another."""
        document = to_bytes(register)
        version, signature = await self.ring.sign("authority", DOMAIN + document)
        if not signed:
            signature = Ed25519PrivateKey.generate().sign(DOMAIN + document)
        place = at or (register.tenant, register.version)
        self.store.registers[place] = StoredRegister(document, signature, version)
