"""What keys there are: a bill of cryptographic materials, in the words of CycloneDX 1.6. Pure.

Each key at the key server by itself; keys that live in a process, and DEKs, as classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from keys.policies import HONEY

PERIODS: Mapping[str, int | None] = {
    "kek": 365,
    "bidx": 730,
    "honey": None,
    "idem": None,
    "authority": 365,
    "log": 730,
    "cert": 1095,
    "worker": 365,
}
"""Days after which a key of each kind is due for a new version; None: never, its reason is in USES."""
SOON = 30
"""Days before it is due in which it is said to be."""
USES: Mapping[str, str] = {
    "kek": "wraps the DEKs of one tenant; derived for each DEK",
    "bidx": "blind index of one field type; a new version means indexing anew",
    "honey": "recognises honey tokens, by its first version for ever",
    "idem": "derives the day's key for repeated requests; a new version would break repeating",
    "authority": "signs registers, their standing and access tokens",
    "log": "signs checkpoints",
    "cert": "signs certificates of erasure and of retention",
    "worker": "endorses the signing keys of this plane's processes",
}
_MATERIAL = {"aes256-gcm96": "secret-key", "hmac": "secret-key", "ed25519": "private-key"}


@dataclass(frozen=True, slots=True)
class Card:
    """One key as the key server describes it."""

    name: str
    type: str
    latest: int
    made: datetime | None
    """When its newest version was; the key server tells no times of an HMAC key."""
    min_decryption: int
    min_encryption: int
    may_leave: bool
    """Exportable, open to plaintext backup, or deletable: none may be."""
    tenant: str | None = None

    @property
    def kind(self) -> str:
        """One of PERIODS."""
        return "honey" if self.name.endswith(f"-{HONEY}") else self.name.partition("-")[0]

    @property
    def due(self) -> datetime | None:
        """When it should have a new version."""
        days = PERIODS[self.kind]
        return None if days is None or self.made is None else self.made + timedelta(days=days)

    def fate(self, now: datetime) -> str:
        """`ok`, `due` within SOON days, `overdue`; `kept` for ever, or `unknown` for want of a time."""
        if self.due is None:
            return "kept" if PERIODS[self.kind] is None else "unknown"
        return "overdue" if self.due <= now else "due" if self.due <= now + timedelta(days=SOON) else "ok"


def read_card(name: str, data: Mapping[str, Any], *, tenant: str | None = None) -> Card:
    """A key from the key server's answer. Raises: ValueError, KeyError for another shape."""
    latest = int(data["latest_version"])
    made = data.get("keys", {}).get(str(latest))
    flags = ("exportable", "allow_plaintext_backup", "deletion_allowed")
    return Card(
        name=name,
        type=str(data["type"]),
        latest=latest,
        made=None if made is None else _time(made["creation_time"] if isinstance(made, Mapping) else made),
        min_decryption=int(data["min_decryption_version"]),
        min_encryption=int(data["min_encryption_version"]),
        may_leave=any(data[flag] for flag in flags),
        tenant=tenant,
    )


def document(
    cards: Sequence[Card], deks: Mapping[str, Mapping[int, int]], *, now: datetime
) -> dict[str, Any]:
    """The whole as CycloneDX. What it has no word for stands in `properties`, under `strongroom:`."""
    parts = [component(one, now) for one in cards]
    parts += [_deks(tenant, held) for tenant, held in deks.items()]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"timestamp": f"{now:%Y-%m-%dT%H:%M:%SZ}"},
        "components": [*parts, _PROCESS],
    }


def component(one: Card, now: datetime) -> dict[str, Any]:
    """One key."""
    told = {
        "use": USES[one.kind],
        "version": str(one.latest),
        **({"age-days": str((now - one.made).days)} if one.made else {}),
        "cryptoperiod": one.fate(now),
        "min-decryption-version": str(one.min_decryption),
        "min-encryption-version": str(one.min_encryption or "latest"),
        "may-leave": "yes" if one.may_leave else "no",
        **({"tenant": one.tenant} if one.tenant else {}),
    }
    times = {"creationDate": one.made, "expirationDate": one.due}
    dates = {name: f"{time:%Y-%m-%dT%H:%M:%SZ}" for name, time in times.items() if time is not None}
    return _asset(one.name, {"type": _MATERIAL[one.type], "size": 256, **dates}, one.type, told)


def _deks(tenant: str, held: Mapping[int, int]) -> dict[str, Any]:
    told = {
        "use": "each seals one value; wrapped in the keystore, in the clear only while its list is under way",
        "tenant": tenant,
        "count": str(sum(held.values())),
        **{f"count-kek-v{version}": str(count) for version, count in held.items()},
    }
    secured = {"mechanism": "aes256-gcm96, derived", "algorithmRef": f"kek-{tenant}"}
    material = {"type": "secret-key", "size": 256, "securedBy": secured}
    return _asset(f"deks-{tenant}", material, "aes256-gcm", told)


def _asset(name: str, material: Mapping[str, Any], kind: str, told: Mapping[str, str]) -> dict[str, Any]:
    return {
        "type": "cryptographic-asset",
        "bom-ref": name,
        "name": name,
        "cryptoProperties": {
            "assetType": "related-crypto-material",
            "relatedCryptoMaterialProperties": {"id": name, "state": "active", **material},
        },
        "properties": [{"name": "strongroom:type", "value": kind}]
        + [{"name": f"strongroom:{key}", "value": value} for key, value in told.items()],
    }


_PROCESS = _asset(
    "worker-process-keys",
    {"type": "private-key", "size": 256},
    "ed25519",
    {"use": "sign lists of events; in memory alone, one for each process, gone with it"},
)


def _time(told: object) -> datetime:
    if isinstance(told, int):
        return datetime.fromtimestamp(told, UTC)
    # Nine digits of a second: more than Python reads.
    head = str(told).partition(".")[0].rstrip("Z")
    return datetime.fromisoformat(f"{head}+00:00")
