"""Setting up the key server, and a tenant's keys on it: idempotent, and it says what is left to do."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from keys.admin import Admin
from keys.errors import Misconfigured, Refused
from keys.identity import Identity
from keys.policies import IDENTITIES, LENT, WRITERS, guard, policy, policy_name, worker_key
from keys.transit import checked_name, kek_of

SIGNING_KEYS = (*map(worker_key, WRITERS), "authority", "log", "cert")
LENT_FOR = 24 * 3600
"""Seconds after which the secret id of an identity lent for a job ends at the latest."""
AUDITED_HEADER = "X-Strongroom-Batch"

_KEK: dict[str, object] = {"type": "aes256-gcm96", "derived": True}
_HMAC: dict[str, object] = {"type": "hmac", "key_size": 32}
_SIGNING: dict[str, object] = {"type": "ed25519"}


@dataclass(frozen=True, slots=True)
class Report:
    """What provisioning found and did."""

    created: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    present: list[str] = field(default_factory=list)
    hand_over: list[str] = field(default_factory=list)
    """What a human must still do, as sentences."""


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


def provision(admin: Admin, plan: Plan | None = None) -> Report:
    """Bring mount, shared keys, policies, AppRoles and the audited header to the plan. Raises: KeysError."""
    plan = plan or Plan()
    report = Report()
    _mount(admin, plan, report)
    for name in SIGNING_KEYS:
        _key(admin, plan.mount, name, _SIGNING, report)
    _policies(admin, plan, report)
    _approles(admin, plan, report)
    _header(admin, report)
    _audit(admin, report)
    report.hand_over.append(
        "Give each identity's role id and secret id to its own process alone, as a file of mode 0600; "
        "keep rotator, shredder, provisioner and reconciler with the operators they are meant for."
    )
    return report


def provision_tenant(
    admin: Admin, tenant: str, field_types: Iterable[str] = (), *, mount: str = "strongroom"
) -> Report:
    """Make a tenant's keys; `field_types` are those its policy makes searchable. Raises: KeysError.

    The provisioner's identity is enough for this.
    """
    report = Report()
    _key(admin, mount, kek_of(tenant), _KEK, report)
    _key(admin, mount, f"idem-{tenant}", _HMAC, report)
    for field_type in field_types:
        _key(admin, mount, f"bidx-{tenant}-{field_type}", _HMAC, report)
    return report


def issue_identity(admin: Admin, name: str, plan: Plan | None = None) -> Identity:
    """A fresh secret id for one of IDENTITIES, with its role id. Raises: KeysError."""
    plan = plan or Plan()
    role = f"auth/{plan.approle}/role/{policy_name(name, plan.mount)}"
    found = admin.get(f"{role}/role-id")
    if found is None:
        raise Misconfigured("no such identity; provision first")
    made = admin.post(f"{role}/secret-id")
    return Identity(found["data"]["role_id"], made["data"]["secret_id"])


def _mount(admin: Admin, plan: Plan, report: Report) -> None:
    mounts = admin.get("sys/mounts") or {}
    found = mounts.get("data", mounts).get(f"{checked_name(plan.mount)}/")
    if found is not None and found["type"] != "transit":
        raise Misconfigured(f"the mount {plan.mount} exists and is not transit")
    if found is None:
        admin.post(f"sys/mounts/{plan.mount}", {"type": "transit", "description": "Strongroom's keys"})
    (report.created if found is None else report.present).append(f"mount {plan.mount}")
    # With upsert an encrypt under a mistyped name would make a key instead of an error.
    path = f"{plan.mount}/config/keys"
    closed = (admin.get(path) or {}).get("data", {}).get("disable_upsert") is True
    if not closed:
        admin.post(path, {"disable_upsert": True})
    (report.present if closed else report.changed).append("upsert disabled")


def _key(admin: Admin, mount: str, name: str, wanted: dict[str, object], report: Report) -> None:
    path = f"{mount}/keys/{checked_name(name)}"
    found = admin.get(path)
    if found is None:
        admin.post(path, wanted)
        found = admin.get(path) or {}
        report.created.append(f"key {name}")
    else:
        report.present.append(f"key {name}")
    data = found.get("data", {})
    wrong = data.get("type") != wanted["type"] or bool(data.get("derived")) != bool(wanted.get("derived"))
    if wrong or any(data.get(flag) for flag in ("exportable", "allow_plaintext_backup", "deletion_allowed")):
        raise Misconfigured(f"the key {name} exists with settings that must not be used")


def _policies(admin: Admin, plan: Plan, report: Report) -> None:
    texts = {name: policy(name, plan.mount) for name in IDENTITIES} | {"guard": guard(plan.mount)}
    for name, text in texts.items():
        full = policy_name(name, plan.mount)
        path = f"sys/policies/acl/{full}"
        found = admin.get(path)
        differs = found is not None and found["data"]["policy"] != text
        if found is None or differs:
            admin.post(path, {"policy": text})
        _note(report, f"policy {full}", created=found is None, changed=differs)


def _approles(admin: Admin, plan: Plan, report: Report) -> None:
    methods = admin.get("sys/auth") or {}
    missing = f"{checked_name(plan.approle)}/" not in methods.get("data", methods)
    if missing:
        admin.post(f"sys/auth/{plan.approle}", {"type": "approle"})
    _note(report, f"auth method {plan.approle}", created=missing)
    for name in IDENTITIES:
        full = policy_name(name, plan.mount)
        path = f"auth/{plan.approle}/role/{full}"
        wanted = _role(plan, name)
        found = admin.get(path)
        differs = found is not None and any(
            (found["data"].get(k) or None) != (v or None) for k, v in wanted.items()
        )
        if found is None or differs:
            admin.post(path, wanted)
        _note(report, f"identity {full}", created=found is None, changed=differs)


def _role(plan: Plan, name: str) -> dict[str, Any]:
    cidrs = list(plan.cidrs)
    return {
        "token_policies": sorted(policy_name(n, plan.mount) for n in (name, "guard")),
        "token_no_default_policy": True,
        "token_type": "service",
        "token_ttl": plan.token_ttl,
        "token_max_ttl": plan.token_max_ttl,
        "token_bound_cidrs": cidrs,
        "secret_id_bound_cidrs": cidrs,
        "secret_id_ttl": min(plan.secret_id_ttl, LENT_FOR) if name in LENT else plan.secret_id_ttl,
        "secret_id_num_uses": 0,
        "bind_secret_id": True,
    }


def _header(admin: Admin, report: Report) -> None:
    path = f"sys/config/auditing/request-headers/{AUDITED_HEADER}"
    try:
        found = admin.get(path)
    except Misconfigured:  # HashiCorp Vault answers 400 for a header it does not audit
        found = None
    if found is None:
        admin.post(path, {"hmac": False})
    _note(report, f"audited header {AUDITED_HEADER}", created=found is None)


def _audit(admin: Admin, report: Report) -> None:
    try:
        devices = admin.get("sys/audit") or {}
    except Refused:
        report.hand_over.append("This token may not list audit devices: make sure that there is one.")
        return
    if devices.get("data", {}):
        report.present.append("audit device")
        return
    report.hand_over.append(
        "The key server keeps no audit log. OpenBao: an `audit` stanza in its configuration; "
        "HashiCorp Vault: `vault audit enable file file_path=...`."
    )


def _note(report: Report, what: str, *, created: bool, changed: bool = False) -> None:
    (report.created if created else report.changed if changed else report.present).append(what)
