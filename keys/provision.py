"""Setting up the key server, and a tenant's keys on it: idempotent, and it says what is left to do."""

from collections.abc import Iterable

from keys.admin import Admin
from keys.errors import Misconfigured, Refused
from keys.logins import set_up_logins
from keys.names import checked_name, kek_of
from keys.plan import Plan, Report
from keys.policies import HONEY, IDENTITIES, WRITERS, guard, policy, policy_name, worker_key

SIGNING_KEYS = (*map(worker_key, WRITERS), "authority", "log", "cert")
AUDITED_HEADER = "X-Strongroom-Batch"

_KEK: dict[str, object] = {"type": "aes256-gcm96", "derived": True}
_HMAC: dict[str, object] = {"type": "hmac", "key_size": 32}
_SIGNING: dict[str, object] = {"type": "ed25519"}


def provision(admin: Admin, plan: Plan | None = None) -> Report:
    """Bring mount, shared keys, policies, logins and the audited header to the plan. Raises: KeysError."""
    plan = plan or Plan()
    report = Report()
    _mount(admin, plan, report)
    for name in SIGNING_KEYS:
        _key(admin, plan.mount, name, _SIGNING, report)
    _policies(admin, plan, report)
    set_up_logins(admin, plan, report)
    _header(admin, report)
    _audit(admin, report)
    report.hand_over.append(
        "Give each identity's file to its own process alone, with mode 0600; "
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
    for field_type in (HONEY, *field_types):
        _key(admin, mount, f"bidx-{tenant}-{field_type}", _HMAC, report)
    return report


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
        report.note(f"policy {full}", created=found is None, changed=differs)


def _header(admin: Admin, report: Report) -> None:
    path = f"sys/config/auditing/request-headers/{AUDITED_HEADER}"
    try:
        found = admin.get(path)
    except Misconfigured:  # HashiCorp Vault answers 400 for a header it does not audit
        found = None
    if found is None:
        admin.post(path, {"hmac": False})
    report.note(f"audited header {AUDITED_HEADER}", created=found is None)


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
