"""First-start materials of docker-compose.yml: a private authority, a certificate for each server, and the
passwords of the database roles, each put into the one folder its service mounts.

Knows nothing of the service. Running it again renews certificates that are about to end and keeps the rest.
A real installation has an authority and a secret store of its own, and needs none of this.
"""

import ipaddress
import os
import secrets
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

STRONGROOM, KEY_SERVER, POSTGRES = 10001, 100, 999
"""The users that the images run as."""
PLANES = {"control": ("data",), "audit": ("data",)} | dict.fromkeys(
    ("ingest", "reveal", "office"), ("data", "keystore")
)
"""The databases each plane may reach."""
REACH = PLANES | {"sequencer": ("data",)}
"""The same of every process that is started; the sequencer serves nobody and needs no certificate."""
IDLE_ROLES = {
    "data": ("strongroom_retention", "strongroom_operator", "strongroom_resealer"),
    "keystore": ("strongroom_operator", "strongroom_resealer"),
}
"""Roles of no process that is started: provision-db makes them, operators log in as them."""
DATABASES = ("data", "keystore")
OWNER = "strongroom_owner"
SERVERS = {"vault": KEY_SERVER} | dict.fromkeys(DATABASES, POSTGRES) | dict.fromkeys(PLANES, STRONGROOM)
"""Who gets a certificate, and the user that may read its key."""

_LIFE, _RENEW, _AUTHORITY_LIFE = timedelta(days=365), timedelta(days=60), timedelta(days=3650)
_PASSWORD_BYTES = 32


@dataclass(frozen=True, slots=True)
class Authority:
    """A private certificate authority."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


def prepare(root: Path) -> None:
    """Fill `root`/<service>/ for every service, `root`/authority/ and `root`/setup/."""
    authority = read_authority(root / "authority")
    for name, owner in SERVERS.items():
        issue(authority, name, root / name, owner)
    passwords = {name: read_passwords(root / "authority", name) for name in DATABASES}
    for process, databases in REACH.items():
        lines = [pgpass(name, f"strongroom_{process}", passwords[name]) for name in databases]
        put(root / process / "pgpass", "".join(lines).encode(), STRONGROOM)
        put(root / process / "ca.pem", authority.pem, STRONGROOM)
    for name in DATABASES:
        put(root / name / "owner-password", passwords[name][OWNER].encode(), POSTGRES)
        # The image asks for one; pg_hba.conf lets nobody log in with it.
        put(root / name / "superuser-password", secrets.token_hex(_PASSWORD_BYTES).encode(), POSTGRES)
        others = [f"{role}={word}\n" for role, word in passwords[name].items() if role != OWNER]
        put(root / "setup" / f"{name}-passwords", "".join(others).encode(), STRONGROOM)
    owners = [pgpass(name, OWNER, passwords[name]) for name in DATABASES]
    put(root / "setup" / "pgpass", "".join(owners).encode(), STRONGROOM)
    put(root / "setup" / "ca.pem", authority.pem, STRONGROOM)


def read_authority(folder: Path) -> Authority:
    """The authority in `folder`, made on the first run."""
    certificate, key = folder / "ca.pem", folder / "ca.key"
    if not key.exists():
        made = _new_authority()
        put(certificate, made.pem, os.geteuid())
        put(key, _pem(made.key), os.geteuid())
    private = load_pem_private_key(key.read_bytes(), None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise SystemExit(f"{key} is not an elliptic-curve key")
    return Authority(x509.load_pem_x509_certificate(certificate.read_bytes()), private)


def issue(authority: Authority, name: str, folder: Path, owner: int) -> None:
    """A server certificate for `name` and for loopback, unless there is one with time to go."""
    chain, now = folder / "tls.pem", datetime.now(UTC)
    put(folder / "ca.pem", authority.pem, owner)
    if chain.exists():
        ends = x509.load_pem_x509_certificate(chain.read_bytes()).not_valid_after_utc
        if ends - now > _RENEW:
            return
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _begin(name, authority.certificate.subject, key, now, _LIFE)
        .add_extension(_names(name), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_authority_id(authority), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    put(folder / "tls.key", _pem(key), owner)
    put(chain, certificate.public_bytes(Encoding.PEM) + authority.pem, owner)


def read_passwords(folder: Path, database: str) -> dict[str, str]:
    """{role: password} of one database; the ones that are missing are made."""
    kept = folder / f"{database}-passwords"
    lines = kept.read_text().splitlines() if kept.exists() else []
    passwords = dict(line.split("=", 1) for line in lines)
    started = (f"strongroom_{process}" for process, reach in REACH.items() if database in reach)
    missing = [role for role in (OWNER, *started, *IDLE_ROLES[database]) if role not in passwords]
    if missing:
        passwords |= {role: secrets.token_hex(_PASSWORD_BYTES) for role in missing}
        put(kept, "".join(f"{role}={word}\n" for role, word in passwords.items()).encode(), os.geteuid())
    return passwords


def pgpass(database: str, role: str, passwords: dict[str, str]) -> str:
    """One line of libpq's password file; host and database have one name."""
    return f"{database}:5432:{database}:{role}:{passwords[role]}\n"


def put(path: Path, body: bytes, owner: int) -> None:
    """Write a file that its owner alone can read, and give it to him."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(body)
    if os.geteuid() == 0:
        os.chown(fresh, owner, owner)
        os.chown(path.parent, owner, owner)
    fresh.replace(path)


def _new_authority() -> Authority:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = _subject("Strongroom compose authority")
    certificate = (
        _begin("Strongroom compose authority", subject, key, now, _AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_signing(), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def _begin(
    name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_subject(name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + life)
    )


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _names(name: str) -> x509.SubjectAlternativeName:
    loopback = ipaddress.ip_address("127.0.0.1")
    return x509.SubjectAlternativeName(
        [x509.DNSName(name), x509.DNSName("localhost"), x509.IPAddress(loopback)]
    )


def _signing() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _authority_id(authority: Authority) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


if __name__ == "__main__":
    prepare(Path(sys.argv[1]))
