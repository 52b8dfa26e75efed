"""A certificate authority and an issuer of JWTs, as an organisation would have them beside its key server."""

import base64
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass
class CertificateAuthority:
    """Signs certificates for names."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=_key)

    @property
    def pem(self) -> bytes:
        """Its own certificate."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of tests")])
        made = self._begin(name, name, self.key.public_key(), timedelta(days=1))
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        return made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def issue(self, folder: Path, name: str, *, valid: timedelta = timedelta(hours=1)) -> tuple[Path, Path]:
        """Certificate and key for a name, as files; a negative validity is one that is over."""
        key, subject = _key(), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of tests")])
        names = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(IPv4Address("127.0.0.1"))])
        both = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        made = self._begin(subject, issuer, key.public_key(), valid)
        made = made.add_extension(names, critical=False).add_extension(both, critical=False)
        paths = folder / f"{name}.pem", folder / f"{name}.key"
        paths[0].write_bytes(made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        paths[1].touch(mode=0o600)
        paths[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return paths

    def _begin(
        self, subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, valid: timedelta
    ) -> x509.CertificateBuilder:
        end = datetime.now(UTC) + valid
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
        made = made.serial_number(x509.random_serial_number())
        return made.not_valid_before(end - timedelta(days=2)).not_valid_after(end)


@dataclass
class TokenIssuer:
    """Signs JWTs (ES256), as a cluster does for its service accounts."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=_key)

    @property
    def public_pem(self) -> str:
        """What the key server is given."""
        return (
            self.key.public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            .decode()
        )

    def issue(self, subject: str, *, seconds: int = 600, **claims: object) -> str:
        """A token of this subject for the key server; `claims` replace what it says otherwise."""
        now = int(time.time())
        body = {"iss": "https://issuer.example", "aud": ["openbao"], "sub": subject, "iat": now}
        whole = body | {"nbf": now - 5, "exp": now + seconds} | claims
        signed = f"{_part({'alg': 'ES256', 'typ': 'JWT'})}.{_part(whole)}"
        r, s = decode_dss_signature(self.key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_b64(r.to_bytes(32) + s.to_bytes(32))}"


def _part(value: dict[str, object]) -> str:
    return _b64(json.dumps(value).encode())


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
