"""Planes as processes of their own: TLS, two workers on PostgreSQL, and an orderly end."""

import asyncio
import datetime as dt
import ipaddress
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import func, select

from tests.plugins.ports import free_port
from vault.store.schema import record

ROOT = Path(__file__).parents[2]
SERVE = [sys.executable, "-P", "-m", "vault.cli", "serve", "--plane"]


def certificate(folder):
    """A certificate for 127.0.0.1 that signs itself; (certificate, key) as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "vault")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / "tls.pem", folder / "tls.key"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
    return pem, secret


class Plane:
    """One `strongroom serve`, told only what its plane needs."""

    def __init__(self, name, world, folder, *more):
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        settings = world.settings
        keys = {} if name == "control" else {"STRONGROOM_KEYSTORE_URL": settings.keystore_url_of(name)}
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "STRONGROOM_DATA_URL": settings.data_url_of(name),
            "STRONGROOM_VAULT_ADDR": settings.vault_addr,
            "STRONGROOM_IDENTITIES": str(settings.identities),
            "STRONGROOM_POOL_SIZE": "64",
            **keys,
        }
        pem, secret = folder / "tls.pem", folder / "tls.key"
        command = [
            sys.executable,
            "-P",
            "-m",
            "vault.cli",
            "serve",
            "--plane",
            name,
            "--port",
            str(self.port),
        ]
        self.log = folder / f"{name}.log"
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, "--tls-cert", str(pem), "--tls-key", str(secret), *more],
                env=environment,
                stdout=output,
                stderr=output,
            )

    async def ready(self, client):
        """Wait until it says so."""
        until = time.monotonic() + 60
        while time.monotonic() < until and self.process.poll() is None:
            try:
                if (await client.get(f"{self.url}/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
        raise AssertionError(self.log.read_text())

    def lines(self):
        """Its log: one JSON object in each line."""
        return [json.loads(line) for line in self.log.read_bytes().splitlines()]


@pytest.fixture
async def planes(found_world, tmp_path):
    """control, ingest with two workers, and reveal, on PostgreSQL, each under its own roles."""
    world = await found_world("postgresql")
    pem, _ = certificate(tmp_path)
    running = {
        "control": Plane("control", world, tmp_path),
        "ingest": Plane("ingest", world, tmp_path, "--workers", "2"),
        "reveal": Plane("reveal", world, tmp_path),
    }
    async with httpx.AsyncClient(verify=ssl.create_default_context(cafile=str(pem))) as client:
        try:
            await asyncio.gather(*(one.ready(client) for one in running.values()))
            yield world, client, running
        finally:
            for one in running.values():
                one.process.kill()
                one.process.wait()


async def bearer(world, client, control, who):
    """An access token from the control plane's own process."""
    credential = f"acme.{who}"
    scope = {"scope": "reveal"} if who == "payments" else {}
    answer = await client.post(
        f"{control.url}/oauth2/token",
        data={"grant_type": "client_credentials", **scope},
        auth=(credential, world.secrets[credential]),
    )
    return {"authorization": f"Bearer {answer.json()['access_token']}"}


async def test_planes_as_processes(planes):
    """Values go in at one process and out at another, over TLS; each serves its own plane and no other."""
    world, client, running = planes
    signup, payments = [
        await bearer(world, client, running["control"], who) for who in ("signup", "payments")
    ]
    ingest, reveal = running["ingest"], running["reveal"]
    canaries = [world.canary() for _ in range(40)]

    async def keep(value):
        body = {"subject": "cust-1", "items": [{"type": "person_name", "value": value}]}
        return await client.post(f"{ingest.url}/v1/tokenize", json=body, headers=signup)

    answers = await asyncio.gather(*map(keep, canaries))
    assert {one.status_code for one in answers} == {200}
    tokens = [one.json()["items"][0]["token"] for one in answers]
    body = {"purpose": "payment", "reference": "p-1", "items": [{"token": token} for token in tokens]}
    opened = await client.post(f"{reveal.url}/v1/detokenize", json=body, headers=payments)
    assert [item["value"] for item in opened.json()["items"]] == canaries
    elsewhere = await client.post(f"{ingest.url}/v1/detokenize", json=body, headers=payments)
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (404, "no_such_operation")
    assert world.marker not in "".join(one.log.read_text() for one in running.values())


async def test_an_orderly_end_answers_what_it_has_begun(planes):
    """SIGTERM under load: what was begun is answered, what was not answered was not done; status 0."""
    world, client, running = planes
    signup = await bearer(world, client, running["control"], "signup")
    ingest = running["ingest"]
    items = [{"type": "person_name", "value": world.canary()} for _ in range(200)]
    body = {"subject": "cust-1", "items": items}
    sent = [
        asyncio.create_task(client.post(f"{ingest.url}/v1/tokenize", json=body, headers=signup))
        for _ in range(8)
    ]
    await asyncio.wait(sent, return_when=asyncio.FIRST_COMPLETED)
    ingest.process.send_signal(signal.SIGTERM)
    answers = await asyncio.gather(*sent, return_exceptions=True)
    assert await asyncio.to_thread(ingest.process.wait, 20) == 0
    got = [one.status_code for one in answers if isinstance(one, httpx.Response)]
    turned_away = [one for one in answers if isinstance(one, httpx.TransportError)]
    assert len(got) + len(turned_away) == len(sent)
    assert set(got) <= {200, 503}
    async with world.owner.connect() as connection:
        kept = await connection.scalar(select(func.count()).select_from(record))
    assert kept == 200 * got.count(200) > 0
    lines = ingest.lines()
    assert lines[0]["event"] == "start"
    assert lines[0]["core_dumps"] == "off"
    assert lines[-1]["event"] == "stopped"
    assert sum(line["event"] == "serving" for line in lines) == 2


async def test_a_plane_under_anothers_identity_does_not_start(planes, tmp_path):
    """A process that got another plane's identity can do more than it should, and refuses to serve."""
    world, _, _ = planes
    stolen = tmp_path / "stolen"
    stolen.mkdir()
    (stolen / "control.json").write_bytes((world.settings.identities / "reveal.json").read_bytes())
    (stolen / "control.json").chmod(0o600)
    settings = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "STRONGROOM_DATA_URL": world.settings.data_url_of("control"),
        "STRONGROOM_VAULT_ADDR": world.settings.vault_addr,
        "STRONGROOM_IDENTITIES": str(stolen),
    }
    command = [
        sys.executable,
        "-P",
        "-m",
        "vault.cli",
        "serve",
        "--plane",
        "control",
        "--port",
        str(free_port()),
    ]
    ended = await asyncio.to_thread(subprocess.run, command, env=settings, capture_output=True, check=False)
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    told = next(line for line in lines if line["event"] == "not_started")
    assert ended.returncode == 1
    assert told["code"] == "identity_overprivileged"
    assert "Traceback" not in ended.stderr.decode()
