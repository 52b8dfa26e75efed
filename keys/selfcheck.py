"""The start-up proof: keys are set up as they must be, and an identity can do nothing beyond its plane."""

from collections.abc import Iterable
from typing import NamedTuple

from keys.answers import KeySettings
from keys.errors import Misconfigured, Overprivileged
from keys.names import kek_of
from keys.policies import IDENTITIES, WRITERS, worker_key
from keys.provision import SIGNING_KEYS
from keys.transit import Transit

_ANYONE = " ".join(IDENTITIES)


class _Operation(NamedTuple):
    """Something an identity might do; `{m}` is the mount."""

    name: str
    path: str
    may: str = ""
    capability: str = "update"


_OPERATIONS = (
    _Operation("wrap", "{m}/encrypt/kek-x", may="ingest office resealer"),
    _Operation("unwrap", "{m}/decrypt/kek-x", may="reveal resealer"),
    _Operation("rewrap", "{m}/rewrap/kek-x", may="rotator"),
    _Operation("index", "{m}/hmac/bidx-x-pan", may="ingest reveal office resealer"),
    _Operation("fingerprint", "{m}/hmac/idem-x", may="ingest"),
    *(_Operation(f"sign as {one}'s worker", f"{{m}}/sign/{worker_key(one)}", may=one) for one in WRITERS),
    _Operation("sign as a worker of any plane", "{m}/sign/worker"),
    _Operation("sign authority", "{m}/sign/authority", may="control"),
    _Operation("sign certificates", "{m}/sign/cert", may="office"),
    _Operation("sign checkpoints", "{m}/sign/log", may="sequencer"),
    _Operation("rotate", "{m}/keys/kek-x/rotate", may="rotator"),
    _Operation("set minimum versions", "{m}/keys/kek-x/config", may="rotator"),
    _Operation("trim", "{m}/keys/kek-x/trim", may="shredder"),
    _Operation("read a key's settings", "{m}/keys/kek-x", may=_ANYONE, capability="read"),
    _Operation("make data keys", "{m}/datakey/plaintext/kek-x"),
    _Operation("make wrapped data keys", "{m}/datakey/wrapped/kek-x"),
    _Operation("hash for the audit log", "sys/audit-hash/x", may="reconciler"),
    _Operation("mac with a KEK", "{m}/hmac/kek-x"),
    _Operation("mac with a signing key", "{m}/hmac/authority"),
    _Operation("export an encryption key", "{m}/export/encryption-key/kek-x"),
    _Operation("export an HMAC key", "{m}/export/hmac-key/bidx-x-pan"),
    _Operation("export a signing key", "{m}/export/signing-key/authority"),
    _Operation("export under another key", "{m}/byok-export/worker-reveal/kek-x"),
    _Operation("back up a key", "{m}/backup/kek-x"),
    _Operation("restore a key", "{m}/restore/kek-x"),
    _Operation("import a key", "{m}/keys/kek-x/import"),
    _Operation("import a key version", "{m}/keys/kek-x/import_version"),
    _Operation("soft-delete a key", "{m}/keys/kek-x/soft-delete"),
    _Operation("allow upserts", "{m}/config/keys"),
    _Operation("write a policy", "sys/policies/acl/x"),
    _Operation("mount an engine", "sys/mounts/x"),
    _Operation("change an auth method", "sys/auth/x"),
    _Operation("change an audit device", "sys/audit/x"),
    _Operation("read raw storage", "sys/raw/x"),
    _Operation("take a snapshot", "sys/storage/raft/snapshot"),
    _Operation("seal", "sys/seal"),
    _Operation("change an identity", "auth/approle/role/x"),
    _Operation("change who logs in by JWT", "auth/jwt/role/x"),
    _Operation("change the keys of JWTs", "auth/jwt/config"),
    _Operation("change who logs in by certificate", "auth/cert/certs/x"),
    _Operation("issue a secret id", "auth/approle/role/x/secret-id"),
    _Operation("make a token", "auth/token/create"),
)


async def assert_least(transit: Transit, plane: str, tenants: Iterable[str] = ()) -> None:
    """Prove that this identity can do what `plane` needs and nothing else, and that no key can leave.

    Raises: Overprivileged, Misconfigured, or another KeysError when nothing could be proved.
    """
    await _assert_capabilities(transit, plane)
    await _assert_refused(transit)
    for name in SIGNING_KEYS:
        _assert_settings(name, await transit.key_settings(name), "ed25519")
    for tenant in tenants:
        await assert_tenant_keys(transit, tenant)


async def assert_tenant_keys(transit: Transit, tenant: str, field_types: Iterable[str] = ()) -> None:
    """Prove that a tenant's keys are set up as they must be. Raises: Misconfigured, KeysError."""
    kek = await transit.key_settings(kek_of(tenant))
    _assert_settings(kek_of(tenant), kek, "aes256-gcm96")
    if not kek.derived:
        raise Misconfigured(f"the key {kek_of(tenant)} is not derived")
    for name in (f"idem-{tenant}", *(f"bidx-{tenant}-{kind}" for kind in field_types)):
        _assert_settings(name, await transit.key_settings(name), "hmac")


async def _assert_capabilities(transit: Transit, plane: str) -> None:
    paths = {operation: operation.path.format(m=transit.mount) for operation in _OPERATIONS}
    found = await transit.capabilities(list(paths.values()))
    for operation, path in paths.items():
        able = found[path] - {"deny"}
        due = plane in operation.may.split()
        wanted = {operation.capability} if due else set()
        if due and plane == "provisioner":
            wanted |= {"create", "update"}
        if able - wanted:
            raise Overprivileged(f"{plane} may {operation.name}")
        if wanted - able:
            raise Misconfigured(f"{plane} may not {operation.name}")


async def _assert_refused(transit: Transit) -> None:
    """Two things tried in earnest. The key has no name that exists: where it is allowed, nothing happens."""
    smuggled: dict[str, object] = {"min_decryption_version": 1, "exportable": True}
    tries = (
        ("export a key", "get", f"{transit.mount}/export/signing-key/worker-reveal", None),
        ("make a key exportable", "post", f"{transit.mount}/keys/no-such-key/config", smuggled),
    )
    for name, method, path, body in tries:
        if await transit.attempt(method, path, body) != 403:
            raise Overprivileged(f"not refused: {name}")


def _assert_settings(name: str, key: KeySettings, kind: str) -> None:
    if key.type != kind:
        raise Misconfigured(f"the key {name} is not of type {kind}")
    if key.exportable or key.allow_plaintext_backup or key.deletion_allowed:
        raise Misconfigured(f"the key {name} could leave the key server or be deleted")
