"""What nobody does at the key server in ordinary work: policies, keys, audit, ways in. Pure."""

from dataclasses import dataclass

from keys.policies import policy_name
from vault.reconcile.audit_log import Entry, members_of
from vault.reconcile.findings import Finding, about

_MINIMUMS = frozenset({"min_decryption_version", "min_encryption_version"})
_EVERYDAY = frozenset({"encrypt", "decrypt", "hmac", "sign", "verify", "rewrap", "random", "hash"})
_OUT = frozenset({"export", "byok-export", "backup", "restore"})
_SYSTEM = (
    (("sys/policies/", "sys/policy/"), "policy_changed", "a policy was written"),
    (("sys/audit-hash/",), "", ""),
    (("sys/audit/", "sys/config/auditing/"), "audit_changed", "what is audited was changed"),
    (("sys/auth/", "sys/mfa/", "identity/"), "access_changed", "who may log in, or as whom, was changed"),
    (("sys/mounts/", "sys/remount"), "server_changed", "an engine was mounted, moved or tuned"),
    (("sys/generate-root", "sys/rekey", "sys/raw/", "sys/seal", "sys/step-down", "sys/namespaces/"),
     "server_changed", "an act on the key server itself"),
    (("sys/storage/", "sys/plugins/", "sys/config/", "sys/quotas/", "sys/init", "sys/replication/"),
     "server_changed", "the key server's storage, plugins or settings were changed"),
)  # fmt: skip
_WAYS_IN = ("role/", "roles/", "certs/", "config", "map/", "users/", "groups/", "create", "tidy")
_NO_WAYS_IN = ("login", "renew-self", "revoke-self", "lookup-self")


@dataclass(frozen=True, slots=True)
class Place:
    """Where we are at the key server."""

    mount: str = "strongroom"
    namespace: str = ""


def look(entry: Entry, place: Place) -> Finding | None:
    """What a response tells that somebody must explain; nothing for a request, or for ordinary work."""
    if not entry.answered:
        return None
    inside, mount = entry.path.partition("/"), place.mount
    if inside[0] == mount and entry.namespace == place.namespace:
        return _at_mount(entry, inside[2], mount)
    if not entry.writes:
        return about("server_changed", entry, "raw storage was read") if _raw(entry) else None
    found = _way_in(entry) if entry.path.startswith("auth/") else _system(entry)
    if found is None or not entry.failed:
        return found
    return about("refused", entry, f"refused: {found.says}")


def _at_mount(entry: Entry, path: str, mount: str) -> Finding | None:
    verb, _, rest = path.partition("/")
    if verb in _OUT:
        return (
            None
            if _is_start_up_proof(entry, path)
            else about("key_taken", entry, _tried(entry, "a key left"))
        )
    if verb == "datakey":
        return about("key_changed", entry, _tried(entry, "a data key was made"))
    if verb == "rewrap":
        return None if entry.failed or _is(entry, "rotator", mount) else about(
            "rewrap_stranger", entry, "DEKs were rewrapped by somebody else than the rotator"
        )  # fmt: skip
    if verb in _EVERYDAY or not entry.writes:
        return None
    if _is_start_up_proof(entry, path) or _is_ones_work(entry, verb, rest, mount):
        return None
    return about("key_changed", entry, _tried(entry, "a key, or how keys are kept, was changed"))


def _is_start_up_proof(entry: Entry, path: str) -> bool:
    """Every plane tries these two at its start, to prove that they are refused."""
    return entry.failed and path in ("export/signing-key/worker-reveal", "keys/no-such-key/config")


def _is_ones_work(entry: Entry, verb: str, rest: str, mount: str) -> bool:
    """What an operator's identity is there for."""
    if verb != "keys" or entry.operation == "delete":
        return False
    key, _, act = rest.partition("/")
    if act == "rotate":
        return _is(entry, "rotator", mount)
    if act == "config":
        return _is(entry, "rotator", mount) and members_of(entry) <= _MINIMUMS
    if act == "trim":
        return _is(entry, "shredder", mount)
    return act == "" and key != "" and _is(entry, "provisioner", mount)


def _is(entry: Entry, identity: str, mount: str) -> bool:
    return policy_name(identity, mount) in entry.policies


def _way_in(entry: Entry) -> Finding | None:
    """A role, an issued secret id, a token made: `auth/<method>/…`."""
    _, _, inside = entry.path.removeprefix("auth/").partition("/")
    steps = inside.split("/")
    # A method's mount may have several steps: what is asked of it begins at any of them.
    ways = any("/".join(steps[at:]).startswith(_WAYS_IN) for at in range(len(steps)))
    if inside.startswith(_NO_WAYS_IN) or not ways:
        return None
    return about("access_changed", entry, "a way in was made or changed")


def _system(entry: Entry) -> Finding | None:
    path = entry.path if entry.path.endswith("/") else entry.path + "/"
    for starts, kind, says in _SYSTEM:
        if path.startswith(starts):
            return about(kind, entry, says) if kind else None
    return None


def _raw(entry: Entry) -> bool:
    return entry.path.startswith("sys/raw/") and not entry.failed


def _tried(entry: Entry, says: str) -> str:
    return f"refused: {says}" if entry.failed else says
