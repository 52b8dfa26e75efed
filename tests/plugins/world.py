"""A running service with two tenants and their people, and a journal of what it promised."""

import asyncio
import base64
import hashlib
import secrets
import string
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import httpx
from argon2 import PasswordHasher
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from keys.devserver import RunningServer
from tests.fakes.rules import KEEPS_NOTHING
from tests.plugins.canary import Before, holders
from vault.app import create_app
from vault.control import build_control
from vault.model.ask import Caller
from vault.plane import base
from vault.policy.load import DEFAULT, parse_toml
from vault.service import client_secrets, tenants
from vault.service.client_secrets import SecretVerifier
from vault.settings import PLANES, Settings
from vault.store.engine import open_database
from vault.store.schema import event

PEOPLE: dict[str, Sequence[str]] = {
    "signup": ["tokenize"],
    "payments": ["detokenize:payment", "inspect", "search:payment"],
    "marketing": ["detokenize:marketing_display"],
    "auditor": ["events"],
    "office": ["erase"],
}
"""The credentials every tenant has beside `admin` and `admin2`, and what each may do."""

BANK = {"number": "123456789012", "ifsc": "HDFC0000123", "holder": "Asha Rao"}


_QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
_AS_SHIPPED = client_secrets._PARAMETERS


def _marker() -> str:
    return "Canary" + "".join(secrets.choice(string.ascii_lowercase) for _ in range(16))


@dataclass(frozen=True, slots=True)
class Databases:
    """A pair of databases: as planes reach them, as their owner does, and where their bytes lie."""

    kind: str
    data_url: str
    keystore_url: str
    files: Path
    plane_urls: Mapping[str, str] = field(default_factory=dict)
    """On PostgreSQL each plane has its own role."""


@dataclass(slots=True)
class Journal:
    """What the service acknowledged. Every fault test ends by holding it to that."""

    values: dict[str, Any] = field(default_factory=dict)
    """{token: value} of every tokenize call that was answered, less what was erased."""
    receipts: list[str] = field(default_factory=list)
    """One for each token given and each plaintext received."""


@dataclass(slots=True, repr=False)
class World:
    """The service in this process, spoken to over HTTP's ASGI form."""

    databases: Databases
    settings: Settings
    bao: RunningServer
    client: httpx.AsyncClient = field(init=False)
    owner: AsyncEngine = field(init=False)
    """The data database with its owner's rights: what an administrator of the database could do."""
    keystore_owner: AsyncEngine = field(init=False)
    secrets: dict[str, str] = field(default_factory=dict)
    journal: Journal = field(default_factory=Journal)
    marker: str = field(default_factory=_marker)
    """In every canary, and so in no file."""
    _before: Before = field(init=False)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _tokens: dict[tuple[str, str | None], str] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        self._before = Before.now(self._places)
        # A run makes hundreds of worlds with a dozen people each: what a secret costs is tested apart.
        client_secrets._PARAMETERS = _QUICK
        self._stack.callback(setattr, client_secrets, "_PARAMETERS", _AS_SHIPPED)
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        self.owner = open_database(self.databases.data_url)
        self.keystore_owner = open_database(self.databases.keystore_url)
        self._stack.push_async_callback(self.owner.dispose)
        self._stack.push_async_callback(self.keystore_owner.dispose)
        for tenant in ("acme", "globex"):
            await self._found(tenant)
        self.client = await self.worker()
        for tenant in ("acme", "globex"):
            # First: the access tokens of those hired afterwards are no older than these rules.
            await self.keep(KEEPS_NOTHING, tenant=tenant)
            for name, grants in PEOPLE.items():
                await self.hire(name, grants, tenant=tenant)

    async def worker(self, planes: Sequence[str] = PLANES, **changed: Any) -> httpx.AsyncClient:
        """Another worker on the same databases, until the world ends."""
        return await self._stack.enter_async_context(_Worker(replace(self.settings, **changed), planes))

    def environment(self) -> dict[str, str]:
        """The settings as a process of its own is told them."""
        told = {name.upper(): url for name, url in self.settings.plane_urls.items()}
        for name in ("data_url", "keystore_url", "vault_addr", "identities", "pool_size"):
            told[name.upper()] = str(getattr(self.settings, name))
        world = hashlib.sha256(self.settings.data_url.encode()).hexdigest()[:12]
        told["SEQUENCER_STATE"] = str(self.settings.identities.parent / f"sequencer-state-{world}")
        return {f"STRONGROOM_{name}": value for name, value in told.items()}

    async def hire(self, name: str, grants: Sequence[str], *, tenant: str = "acme", **more: Any) -> str:
        """A new credential, by two administrators where its grants take two; answers its id."""
        body = {"name": name, "person": f"Person {name}", "grants": list(grants), **more}
        done = await self.ordered("/v1/credentials", body, tenant=tenant)
        assert done.status_code in (200, 201), done.text
        self.secrets[done.json()["credential"]] = done.json().get("client_secret", "")
        return str(done.json()["credential"])

    async def keep(self, toml: str, *, tenant: str = "acme") -> None:
        """Put retention rules in force."""
        done = await self.post("/v1/retention/apply", {"toml": toml}, who="admin", tenant=tenant)
        assert done.status_code == 200, done.text

    async def ordered(self, path: str, body: Any, *, tenant: str = "acme") -> httpx.Response:
        """A change of authority by `admin`; what takes two persons is approved by `admin2`."""
        done = await self.post(path, body, who="admin", tenant=tenant)
        if done.status_code != 202:
            return done
        approval = f"/v1/proposals/{done.json()['proposal_id']}/approve"
        return await self.post(approval, {"sha256": done.json()["sha256"]}, who="admin2", tenant=tenant)

    async def bearer(self, who: str, tenant: str = "acme", scope: str | None = None) -> dict[str, str]:
        """The header of a credential's access token."""
        credential = f"{tenant}.{who}"
        if (credential, scope) not in self._tokens:
            form = {"grant_type": "client_credentials", **({"scope": scope} if scope else {})}
            auth = (credential, self.secrets[credential])
            answer = await self.client.post("/oauth2/token", data=form, auth=auth)
            assert answer.status_code == 200, answer.text
            self._tokens[credential, scope] = answer.json()["access_token"]
        return {"authorization": f"Bearer {self._tokens[credential, scope]}"}

    async def post(
        self, path: str, body: Any, *, who: str, tenant: str = "acme", **headers: str
    ) -> httpx.Response:
        """A request as somebody, to the first worker. `key` is the idempotency key."""
        sent = await self.bearer(who, tenant)
        if "key" in headers:
            sent["idempotency-key"] = headers.pop("key")
        return await self.client.post(path, json=body, headers=sent | headers)

    async def tokenize(
        self, items: Sequence[tuple[str, Any]], *, who: str = "signup", tenant: str = "acme", **more: Any
    ) -> httpx.Response:
        """Tokenize (type, value) pairs; what is acknowledged goes into the journal."""
        headers = {"key": more.pop("key")} if "key" in more else {}
        asked = [{"type": field_type, "value": value} for field_type, value in items]
        body = {"subject": "cust-8472", "items": asked, **more}
        answer = await self.post("/v1/tokenize", body, who=who, tenant=tenant, **headers)
        if answer.status_code == 200:
            for item, (_, value) in zip(answer.json()["items"], items, strict=True):
                self._keep(item, value, tenant)
        return answer

    async def detokenize(
        self, tokens: Sequence[str], *, who: str = "payments", tenant: str = "acme", **more: Any
    ) -> httpx.Response:
        """Open tokens for payment; the receipts of plaintexts received go into the journal."""
        body = {"purpose": "payment", "reference": "payout-2026-11-07"} | more
        body["items"] = [{"token": token} for token in tokens]
        answer = await self.post("/v1/detokenize", body, who=who, tenant=tenant)
        if answer.status_code == 200:
            found = [item["receipt"] for item in answer.json()["items"] if "value" in item]
            self.journal.receipts += found
        return answer

    async def events(self, *, tenant: str = "acme", **filters: Any) -> list[dict[str, Any]]:
        """The newest events that match."""
        answer = await self.post("/v1/events/query", {"limit": 1000, **filters}, who="auditor", tenant=tenant)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["events"])

    async def erase(self, tokens: Sequence[str], **more: Any) -> httpx.Response:
        """Erase, and forget in the journal what was erased."""
        answer = await self.post(
            "/v1/erase", {"tokens": list(tokens), "reason": "case-7", **more}, who="office"
        )
        for item in answer.json()["items"] if answer.status_code == 200 else ():
            self.journal.values.pop(item.get("token"), None)
        return answer

    def canary(self) -> str:
        """A person's name that exists nowhere else; all of a world share the part that is looked for."""
        suffix = "".join(secrets.choice(string.ascii_lowercase) for _ in range(10)).capitalize()
        return f"{self.marker} {suffix}"

    async def seal(self, count: int = 1) -> list[str]:
        """Tokens of as many canaries."""
        made = await self.tokenize([("person_name", self.canary()) for _ in range(count)])
        assert made.status_code == 200, made.text
        return [item["token"] for item in made.json()["items"]]

    async def recheck(self) -> None:
        """Hold the service to everything it acknowledged, and look for canaries in every file."""
        tokens = list(self.journal.values)
        for start in range(0, len(tokens), 1000):
            part = tokens[start : start + 1000]
            answer = await self.detokenize(part)
            assert answer.status_code == 200, answer.text
            assert [item["value"] for item in answer.json()["items"]] == [
                self.journal.values[t] for t in part
            ]
        await self._receipts_hold()
        assert self.holding(self.marker) == []

    def holding(self, *canaries: str) -> list[Path]:
        """The files of databases and key server that hold any of them, of what was written in this world."""
        return holders(canaries, self._places, self._before)

    @property
    def _places(self) -> list[Path]:
        return [self.databases.files, self.bao.audit_log]

    async def _receipts_hold(self) -> None:
        """Every receipt names a committed event."""
        async with self.owner.connect() as connection:
            rows = (await connection.execute(select(event.c.event_id, event.c.commitment))).all()
        known = {(row[0], row[1]) for row in rows}
        for receipt in self.journal.receipts:
            raw = base64.urlsafe_b64decode(receipt.removeprefix("rcp_") + "==")
            assert (raw[1:17], raw[17:49]) in known

    def _keep(self, item: dict[str, Any], value: Any, tenant: str) -> None:
        if "token" in item:
            self.journal.receipts.append(item["receipt"])
            if tenant == "acme":
                self.journal.values[item["token"]] = value

    async def _found(self, tenant: str) -> None:
        plane = base("control", self.settings)
        verifier = SecretVerifier(random=secrets.token_bytes)
        _, control = build_control(plane, self.settings, verifier)
        operator = Caller(tenant, f"{tenant}.operator", "Operator", (), "local", "local", "req_x")
        await plane.start()
        try:
            issued = await tenants.found(
                tenant,
                persons=("Ada Admin", "Zoe Second"),
                policy=parse_toml(DEFAULT.read_text()),
                operator=operator,
                control=control,
            )
        finally:
            verifier.close()
            await plane.stop()
        for one in issued:
            assert one.secret is not None
            self.secrets[one.entry.id] = one.secret.reveal()


async def until(ask: Callable[[], Awaitable[httpx.Response]], status: int) -> httpx.Response:
    """Ask again until the service has recovered by itself, for which it has ten seconds."""
    loop = asyncio.get_running_loop()
    end = loop.time() + 10
    while (answer := await ask()).status_code != status:
        assert loop.time() < end, answer.text
        await asyncio.sleep(0.1)
    return answer


class _Worker:
    """One application, started, and a client that speaks to it."""

    def __init__(self, settings: Settings, planes: Sequence[str]) -> None:
        self._app = create_app(settings, planes)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> httpx.AsyncClient:
        await self._stack.enter_async_context(self._app.router.lifespan_context(self._app))
        client = httpx.AsyncClient(transport=httpx.ASGITransport(self._app), base_url="http://vault.test")
        return await self._stack.enter_async_context(client)

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
