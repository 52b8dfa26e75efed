"""A real OpenBao that also listens with TLS and asks for client certificates, and who logs in there how."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from keys.devserver import DevServer, RunningServer
from keys.logins import issue_identity
from keys.methods import Identity
from keys.nodes import Server
from keys.plan import CertLogins, JwtLogins, Plan
from keys.policies import IDENTITIES, LENT
from keys.provision import provision, provision_tenant
from tests.fakes.issuers import CertificateAuthority, TokenIssuer
from tests.plugins.ports import free_port

BY_CERT = ("reveal", "sequencer")
BY_JWT = tuple(one for one in IDENTITIES if one not in (*BY_CERT, *LENT, "office"))
"""Office and whoever is lent stay with their AppRoles."""
_LISTENER = """listener "tcp" {{
  address = "127.0.0.1:{port}"
  tls_cert_file = "{cert}"
  tls_key_file = "{key}"
  tls_client_ca_file = "{ca}"
}}
"""


@dataclass(frozen=True)
class TlsServer(DevServer):
    """The development server with one more listener."""

    tls_port: int = 0
    cert: Path = Path()
    key: Path = Path()
    ca: Path = Path()

    def _config(self, port: int, cluster: int) -> str:
        more = _LISTENER.format(port=self.tls_port, cert=self.cert, key=self.key, ca=self.ca)
        return DevServer._config(self, port, cluster) + more


@dataclass(frozen=True)
class Logins:
    """A server where identities log in by three methods."""

    running: RunningServer
    server: Server
    """Over TLS."""
    plan: Plan
    folder: Path
    authority: CertificateAuthority
    issuer: TokenIssuer

    def identity(self, name: str, **changes: object) -> Identity:
        """What this one logs in with; `changes` are to the plan."""
        return issue_identity(self.running.admin, name, replace(self.plan, **changes))

    def project(self, name: str, **claims: object) -> None:
        """Put a fresh token where this identity's process finds it."""
        token = self.issuer.issue(f"system:serviceaccount:strongroom:{name}", **claims)
        (self.folder / f"{name}.jwt").write_text(token + "\n")


@pytest.fixture(scope="session")
def logins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logins]:
    """Everybody's credentials are in place."""
    folder = tmp_path_factory.mktemp("logins")
    authority, issuer = CertificateAuthority(), TokenIssuer()
    (folder / "ca.pem").write_bytes(authority.pem)
    cert, key = authority.issue(folder, "bao")
    port = free_port()
    home = TlsServer(folder / "bao", tls_port=port, cert=cert, key=key, ca=folder / "ca.pem")
    plan = Plan(jwt=_jwt(folder, issuer), cert=_cert(folder, authority), cidrs=("127.0.0.0/8",))
    with home.start() as running:
        provision(running.admin, plan)
        provision_tenant(running.admin, "acme", ["pan"])
        server = Server(f"https://127.0.0.1:{port}", ca=str(folder / "ca.pem"))
        made = Logins(running, server, plan, folder, authority, issuer)
        for name in BY_JWT:
            made.project(name)
        for name in BY_CERT:
            authority.issue(folder, f"{name}.strongroom.example")
        yield made


def _jwt(folder: Path, issuer: TokenIssuer) -> JwtLogins:
    return JwtLogins(
        public_keys=(issuer.public_pem,),
        audience="openbao",
        issuer="https://issuer.example",
        subjects={name: f"system:serviceaccount:strongroom:{name}" for name in BY_JWT},
        file=f"{folder}/{{identity}}.jwt",
    )


def _cert(folder: Path, authority: CertificateAuthority) -> CertLogins:
    return CertLogins(
        authority=authority.pem.decode(),
        names={name: f"{name}.strongroom.example" for name in BY_CERT},
        cert_file=f"{folder}/{{identity}}.strongroom.example.pem",
        key_file=f"{folder}/{{identity}}.strongroom.example.key",
    )
