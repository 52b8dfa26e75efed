"""How the key server is to be set up, and what was found and done there. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from keys.errors import Misconfigured
from keys.policies import IDENTITIES, LENT


@dataclass(frozen=True, slots=True)
class Report:
    """What provisioning found and did."""

    created: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    present: list[str] = field(default_factory=list)
    hand_over: list[str] = field(default_factory=list)
    """What a human must still do, as sentences."""

    def note(self, what: str, *, created: bool, changed: bool = False) -> None:
        """Put `what` where it belongs."""
        (self.created if created else self.changed if changed else self.present).append(what)


@dataclass(frozen=True, slots=True, kw_only=True)
class JwtLogins:
    """Identities that log in with a JWT, judged by public keys that the key server holds itself."""

    public_keys: tuple[str, ...]
    """PEM; nothing is fetched from a network."""
    audience: str
    """What `aud` must name: a token made for somebody else is of no use here."""
    subjects: Mapping[str, str]
    """{identity: the one `sub` that is it}"""
    file: str
    """Where each process finds its token; `{identity}` in it stands for the identity's name."""
    issuer: str = ""
    claims: Mapping[str, str] = field(default_factory=dict)
    """Further claims and their values; a name that begins with / is a JSON pointer."""
    mount: str = "jwt"

    def __post_init__(self) -> None:
        if not (self.public_keys and self.audience and all(self.subjects.values()) and self.file):
            raise Misconfigured("JWT logins need public keys, an audience, a subject for each, and a file")
        _assert_each_its_own(self.subjects)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertLogins:
    """Identities that log in with a TLS certificate of this authority, by a name in it."""

    authority: str
    """PEM."""
    names: Mapping[str, str]
    """{identity: the DNS name that its certificate must carry}"""
    cert_file: str
    key_file: str
    """Where each process finds them; `{identity}` in it stands for the identity's name."""
    mount: str = "cert"

    def __post_init__(self) -> None:
        if not (self.authority and all(self.names.values()) and self.cert_file and self.key_file):
            raise Misconfigured("certificate logins need an authority, a name for each, and files")
        if any("*" in name for name in self.names.values()):
            raise Misconfigured("a name in a certificate is written out: no wildcard")
        _assert_each_its_own(self.names)


@dataclass(frozen=True, slots=True)
class Plan:
    """How the key server is to be set up."""

    mount: str = "strongroom"
    approle: str = "approle"
    token_ttl: int = 20 * 60
    token_max_ttl: int = 24 * 3600
    secret_id_ttl: int = 30 * 24 * 3600
    """Seconds a secret id lives; 0 for ever, which only a development server should use."""
    cidrs: tuple[str, ...] = ()
    """Networks the identities may log in from; empty for any."""
    jwt: JwtLogins | None = None
    cert: CertLogins | None = None
    wrap_ttl: int = 0
    """Seconds for which a plane's secret id lies in a wrapping that opens once; 0 for no wrapping."""

    def __post_init__(self) -> None:
        if set(self.by_jwt) & set(self.by_cert):
            raise Misconfigured("an identity has one way to log in: by JWT or by certificate")

    @property
    def by_jwt(self) -> Mapping[str, str]:
        """{identity: subject}"""
        return self.jwt.subjects if self.jwt else {}

    @property
    def by_cert(self) -> Mapping[str, str]:
        """{identity: name}"""
        return self.cert.names if self.cert else {}


def _assert_each_its_own(named: Mapping[str, str]) -> None:
    """Raises: Misconfigured for a name that two share, or an identity that there is not or that is lent."""
    if unknown := set(named) - set(IDENTITIES):
        raise Misconfigured(f"there is no identity {min(unknown)}")
    if lent := set(named) & set(LENT):
        raise Misconfigured(f"{min(lent)} is lent for a day: it has a secret id, and nothing that lasts")
    if len(set(named.values())) != len(named):
        raise Misconfigured("two identities must not be known by the same name")
