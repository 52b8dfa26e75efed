"""How identities may log in at the key server: a role for each, under one of three methods; its secret."""

from pathlib import Path
from typing import Any

from keys.admin import Admin
from keys.errors import Misconfigured
from keys.methods import AppRole, Certificate, Identity, Jwt, WrappedAppRole
from keys.names import checked_name
from keys.plan import CertLogins, JwtLogins, Plan, Report
from keys.policies import IDENTITIES, LENT, PLANES, policy_name

LENT_FOR = 24 * 3600
"""Seconds after which the secret id of an identity lent for a job ends at the latest."""


def set_up_logins(admin: Admin, plan: Plan, report: Report) -> None:
    """Bring the login methods and each identity's role to the plan. Raises: KeysError."""
    by_approle = [name for name in IDENTITIES if name not in plan.by_jwt and name not in plan.by_cert]
    _method(admin, plan.approle, "approle", report)
    for name in by_approle:
        _role(admin, _approle_path(plan, name), _approle(plan, name), report)
    if plan.jwt is not None:
        _jwt(admin, plan, plan.jwt, report)
    if plan.cert is not None:
        _cert(admin, plan, plan.cert, report)
    for name in sorted(set(IDENTITIES) - set(by_approle)):
        _tell_second_door(admin, plan, name, report)


def issue_identity(admin: Admin, name: str, plan: Plan | None = None) -> Identity:
    """What one of IDENTITIES logs in with; an AppRole gets a fresh secret id. Raises: KeysError."""
    plan = plan or Plan()
    role = policy_name(name, plan.mount)
    if plan.jwt is not None and name in plan.by_jwt:
        return Jwt(role, Path(plan.jwt.file.format(identity=name)), plan.jwt.mount)
    if plan.cert is not None and name in plan.by_cert:
        cert, key = (Path(one.format(identity=name)) for one in (plan.cert.cert_file, plan.cert.key_file))
        return Certificate(cert, key, role, plan.cert.mount)
    return _issue_secret_id(admin, plan, name)


def destroy_secret_ids(admin: Admin, name: str, plan: Plan) -> int:
    """End every secret id of an identity, by its accessor; how many there were. Raises: KeysError.

    Tokens that were got with one live on: they are revoked by themselves.
    """
    path = _approle_path(plan, name)
    found = admin.get(f"{path}/secret-id?list=true")
    accessors = found["data"]["keys"] if found else []
    for one in accessors:
        admin.post(f"{path}/secret-id-accessor/destroy", {"secret_id_accessor": one})
    return len(accessors)


def _issue_secret_id(admin: Admin, plan: Plan, name: str) -> AppRole | WrappedAppRole:
    path = _approle_path(plan, name)
    found = admin.get(f"{path}/role-id")
    if found is None:
        raise Misconfigured("no such identity; provision first")
    role_id = found["data"]["role_id"]
    if plan.wrap_ttl and name in PLANES:  # an operator's command starts too often for what opens once
        wrapped = admin.wrapped(f"{path}/secret-id", seconds=plan.wrap_ttl)
        return WrappedAppRole(role_id, wrapped, plan.approle)
    return AppRole(role_id, admin.post(f"{path}/secret-id")["data"]["secret_id"], plan.approle)


def _jwt(admin: Admin, plan: Plan, logins: JwtLogins, report: Report) -> None:
    _method(admin, logins.mount, "jwt", report)
    keys: dict[str, Any] = {
        "jwt_validation_pubkeys": [one.strip() for one in logins.public_keys],
        "bound_issuer": logins.issuer,
    }
    path = f"auth/{logins.mount}/config"
    found = admin.get(path)
    differs = _differs(found, keys)
    if differs:
        admin.post(path, keys)
    report.note(f"public keys of {logins.mount}", created=found is None, changed=differs)
    for name, subject in logins.subjects.items():
        bound: dict[str, Any] = {
            "role_type": "jwt",
            "bound_subject": subject,
            "bound_audiences": [logins.audience],
            "bound_claims": dict(logins.claims),
            "user_claim": "sub",
        }
        path = f"auth/{logins.mount}/role/{policy_name(name, plan.mount)}"
        _role(admin, path, bound | _token(plan, name), report)


def _cert(admin: Admin, plan: Plan, logins: CertLogins, report: Report) -> None:
    _method(admin, logins.mount, "cert", report)
    for name, dns_name in logins.names.items():
        bound = {"certificate": logins.authority, "allowed_dns_sans": [dns_name]}
        path = f"auth/{logins.mount}/certs/{policy_name(name, plan.mount)}"
        _role(admin, path, bound | _token(plan, name), report)


def _tell_second_door(admin: Admin, plan: Plan, name: str, report: Report) -> None:
    path = _approle_path(plan, name)
    if admin.get(path) is not None:
        report.hand_over.append(
            f"{name} can still log in with a secret id as well: once no process of it does, delete {path}."
        )


def _method(admin: Admin, mount: str, kind: str, report: Report) -> None:
    methods = admin.get("sys/auth") or {}
    found = methods.get("data", methods).get(f"{checked_name(mount)}/")
    if found is not None and found["type"] != kind:
        raise Misconfigured(f"the auth method {mount} exists and is not {kind}")
    if found is None:
        admin.post(f"sys/auth/{mount}", {"type": kind})
    report.note(f"auth method {mount}", created=found is None)


def _role(admin: Admin, path: str, wanted: dict[str, Any], report: Report) -> None:
    found = admin.get(path)
    differs = _differs(found, wanted)
    if differs:
        admin.post(path, wanted)
    _, method, _, name = path.split("/")
    report.note(f"identity {name} ({method})", created=found is None, changed=differs)


def _differs(found: dict[str, Any] | None, wanted: dict[str, Any]) -> bool:
    if found is None:
        return True
    return any((found["data"].get(name) or None) != (value or None) for name, value in wanted.items())


def _approle_path(plan: Plan, name: str) -> str:
    return f"auth/{plan.approle}/role/{policy_name(name, plan.mount)}"


def _approle(plan: Plan, name: str) -> dict[str, Any]:
    return _token(plan, name) | {
        "secret_id_bound_cidrs": list(plan.cidrs),
        "secret_id_ttl": min(plan.secret_id_ttl, LENT_FOR) if name in LENT else plan.secret_id_ttl,
        "secret_id_num_uses": 0,
        "bind_secret_id": True,
    }


def _token(plan: Plan, name: str) -> dict[str, Any]:
    """What a token of this identity is, however it logged in."""
    return {
        "token_policies": sorted(policy_name(n, plan.mount) for n in (name, "guard")),
        "token_no_default_policy": True,
        "token_type": "service",
        "token_ttl": plan.token_ttl,
        "token_max_ttl": plan.token_max_ttl,
        "token_bound_cidrs": list(plan.cidrs),
    }
