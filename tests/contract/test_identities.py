"""Every identity's live token tries every operation: what is not its own is refused, by real OpenBao."""

import os
import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from keys.admin import Admin
from keys.devserver import RunningServer
from keys.errors import Misconfigured, Overprivileged, Refused
from keys.methods import AppRole
from keys.policies import IDENTITIES, WRITERS, worker_key
from keys.provision import provision_tenant
from keys.selfcheck import assert_least, assert_tenant_keys
from keys.transit import Transit
from tests.plugins.bao import Provisioned
from vault.log.lists import WorkerKey, signed_by

M = "strongroom"
B64 = b64encode(b"x" * 32).decode()
EVERYONE = frozenset(IDENTITIES)
OTHERS = [one for one in WRITERS if one != "audit"]


@dataclass(frozen=True)
class Operation:
    """A request that would do its work if it were permitted, and who may do it."""

    name: str
    method: str
    path: str
    body: dict[str, object] | None = None
    may: frozenset[str] = field(default_factory=frozenset)


def op(
    name: str, method: str, path: str, body: dict[str, object] | None = None, *, may: str = ""
) -> Operation:
    return Operation(name, method, path, body, frozenset(may.split()))


INPUT: dict[str, object] = {"input": B64}
PLAIN: dict[str, object] = {"plaintext": B64, "context": B64}
SEALED: dict[str, object] = {"ciphertext": f"vault:v1:{B64}", "context": B64}
OLDEST: dict[str, object] = {"min_decryption_version": 1}
NEW_KEK: dict[str, object] = {"type": "aes256-gcm96", "derived": True}

OPERATIONS = (
    op("wrap", "post", f"{M}/encrypt/kek-acme", PLAIN, may="ingest office resealer"),
    op("unwrap", "post", f"{M}/decrypt/kek-acme", SEALED, may="reveal resealer"),
    op("rewrap", "post", f"{M}/rewrap/kek-acme", SEALED, may="rotator"),
    op("blind index", "post", f"{M}/hmac/bidx-acme-pan", INPUT, may="ingest reveal office resealer"),
    op("fingerprint", "post", f"{M}/hmac/idem-acme", INPUT, may="ingest"),
    *(op(f"endorse as {one}", "post", f"{M}/sign/worker-{one}", INPUT, may=one) for one in WRITERS),
    *(op(f"endorse as {one}, hashed", "post", f"{M}/sign/worker-{one}/sha2-256", INPUT) for one in WRITERS),
    op("endorse as nobody", "post", f"{M}/sign/worker", INPUT),
    op("sign authority", "post", f"{M}/sign/authority", INPUT, may="control"),
    op("sign cert", "post", f"{M}/sign/cert", INPUT, may="office"),
    op("sign log", "post", f"{M}/sign/log", INPUT, may="sequencer"),
    op("read key", "get", f"{M}/keys/worker-reveal", may=" ".join(IDENTITIES)),
    op("rotate", "post", f"{M}/keys/kek-matrix/rotate", {}, may="rotator"),
    op("minimum version", "post", f"{M}/keys/kek-matrix/config", OLDEST, may="rotator"),
    op("trim", "post", f"{M}/keys/kek-matrix/trim", {"min_available_version": 0}, may="shredder"),
    op("create key", "post", f"{M}/keys/kek-fresh", NEW_KEK, may="provisioner"),
    op("create exportable key", "post", f"{M}/keys/kek-leaky", NEW_KEK | {"exportable": True}),
    op("create key with backup", "post", f"{M}/keys/kek-leaky", NEW_KEK | {"allow_plaintext_backup": True}),
    op("create underived key", "post", f"{M}/keys/kek-leaky", {"type": "aes256-gcm96", "derived": False}),
    op("create convergent key", "post", f"{M}/keys/kek-leaky", NEW_KEK | {"convergent_encryption": True}),
    op("create signing key", "post", f"{M}/keys/another", {"type": "ed25519"}),
    op("make exportable", "post", f"{M}/keys/kek-acme/config", {"exportable": True}),
    op("allow backup", "post", f"{M}/keys/kek-acme/config", {"allow_plaintext_backup": True}),
    op("allow deletion", "post", f"{M}/keys/kek-acme/config", {"deletion_allowed": True}),
    op("smuggle exportable", "post", f"{M}/keys/kek-acme/config", OLDEST | {"exportable": True}),
    op("smuggle deletion", "post", f"{M}/keys/kek-acme/config", OLDEST | {"deletion_allowed": True}),
    op("schedule rotation", "post", f"{M}/keys/kek-acme/config", {"auto_rotate_period": "1h"}),
    op("export encryption key", "get", f"{M}/export/encryption-key/kek-acme"),
    op("export key version", "get", f"{M}/export/encryption-key/kek-acme/1"),
    op("export hmac key", "get", f"{M}/export/hmac-key/bidx-acme-pan"),
    op("export signing key", "get", f"{M}/export/signing-key/authority"),
    op("export under a key", "get", f"{M}/byok-export/worker-reveal/kek-acme"),
    op("backup", "get", f"{M}/backup/kek-acme"),
    op("restore", "post", f"{M}/restore/kek-acme", {"backup": B64}),
    op("restore by its own name", "post", f"{M}/restore", {"backup": B64}),
    op("soft-delete", "delete", f"{M}/keys/kek-acme/soft-delete"),
    op("delete", "delete", f"{M}/keys/kek-acme"),
    op("import", "post", f"{M}/keys/kek-other/import", {"ciphertext": B64}),
    op("import version", "post", f"{M}/keys/kek-acme/import_version", {"ciphertext": B64}),
    op("list keys", "list", f"{M}/keys"),
    op("data key in the clear", "post", f"{M}/datakey/plaintext/kek-acme", {"context": B64}),
    op("wrapped data key", "post", f"{M}/datakey/wrapped/kek-acme", {"context": B64}),
    op("hmac with a kek", "post", f"{M}/hmac/kek-acme", INPUT),
    op("hmac with a signing key", "post", f"{M}/hmac/authority", INPUT),
    op("upsert", "post", f"{M}/encrypt/kek-nobody", PLAIN),
    op("wrap under no kek", "post", f"{M}/encrypt/worker-ingest", PLAIN),
    op("allow upserts", "post", f"{M}/config/keys", {"disable_upsert": False}),
    op("write policy", "post", "sys/policies/acl/strongroom-ingest", {"policy": ""}),
    op("read policy", "get", "sys/policies/acl/strongroom-ingest"),
    op("make token", "post", "auth/token/create", {}),
    op("issue secret id", "post", "auth/approle/role/strongroom-reveal/secret-id", {}),
    op("read role id", "get", "auth/approle/role/strongroom-reveal/role-id"),
    op("mount engine", "post", "sys/mounts/other", {"type": "transit"}),
    op("unmount", "delete", f"sys/mounts/{M}"),
    op("hash for the audit log", "post", "sys/audit-hash/file", INPUT, may="reconciler"),
    op("audit devices", "get", "sys/audit"),
    op("unaudit the header", "delete", "sys/config/auditing/request-headers/X-Strongroom-Batch"),
    op("raw storage", "get", "sys/raw/core"),
    op("snapshot", "get", "sys/storage/raft/snapshot"),
    op("seal", "post", "sys/seal", {}),
)  # fmt: skip


@pytest.fixture(scope="module")
def admins(bao: RunningServer, provisioned: Provisioned) -> dict[str, Admin]:
    """A live token per identity."""
    provision_tenant(bao.admin, "matrix")
    return {
        name: Admin.with_identity(provisioned.server, one) for name, one in provisioned.identities.items()
    }


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
@pytest.mark.parametrize("name", IDENTITIES)
def test_identity_does_only_its_own(admins: dict[str, Admin], name: str, operation: Operation) -> None:
    """An operation outside an identity's plane is 403; one inside is anything but."""
    status = admins[name].status(operation.method, operation.path, operation.body)
    if name in operation.may:
        assert status in {200, 204, 400}
    else:
        assert status == 403


def test_matrix_left_no_trace(bao: RunningServer, admins: dict[str, Admin]) -> None:
    """After all those attempts no key can leave, none was lost, and none appeared but the provisioner's."""
    names = set(bao.admin.get(f"{M}/keys?list=true")["data"]["keys"])
    kept = {"kek-acme", "idem-acme", "bidx-acme-pan", "authority", "log", "cert", *map(worker_key, WRITERS)}
    assert kept <= names
    assert names.isdisjoint({"kek-leaky", "kek-nobody", "kek-other", "another"})
    for name in kept:
        data = bao.admin.get(f"{M}/keys/{name}")["data"]
        flags = [data[flag] for flag in ("exportable", "allow_plaintext_backup", "deletion_allowed")]
        assert flags == [False] * 3, name


def test_provisioner_cannot_touch_what_exists(bao: RunningServer, admins: dict[str, Admin]) -> None:
    """Making a key a second time changes nothing about the first."""
    before = bao.admin.get(f"{M}/keys/kek-acme")["data"]
    admins["provisioner"].status("post", f"{M}/keys/kek-acme", {"type": "hmac", "key_size": 64})
    admins["provisioner"].status("post", f"{M}/keys/kek-acme", NEW_KEK)
    assert bao.admin.get(f"{M}/keys/kek-acme")["data"] == before


@pytest.mark.parametrize("name", IDENTITIES)
async def test_start_up_proof_accepts_each_identity(ring: dict[str, Transit], name: str) -> None:
    """The start-up proof passes for every identity in its own plane."""
    await assert_least(ring[name], name, ["acme"])


@pytest.mark.parametrize(
    ("name", "plane"), [("reveal", "ingest"), ("ingest", "audit"), ("rotator", "shredder")]
)
async def test_start_up_proof_refuses_the_wrong_identity(
    ring: dict[str, Transit], name: str, plane: str
) -> None:
    """A plane started with another plane's identity does not start."""
    with pytest.raises((Overprivileged, Misconfigured)):
        await assert_least(ring[name], plane)


async def test_plane_vouches_for_no_worker_of_another(ring: dict[str, Transit]) -> None:
    """With ingest's live token nothing is endorsed in reveal's name, under reveal's key or under its own."""
    key = WorkerKey("reveal", os.urandom(16), 1)
    with pytest.raises(Refused):
        await ring["ingest"].sign(worker_key("reveal"), key.endorsement_message)
    version, endorsement = await ring["ingest"].sign(worker_key("ingest"), key.endorsement_message)
    public = (await ring["audit"].public_keys(worker_key("reveal")))[version]
    assert not signed_by(public, message=key.endorsement_message, signature=endorsement)


@pytest.fixture
def with_policy(bao: RunningServer, provisioned: Provisioned) -> Callable[[str], AppRole]:
    """An audit identity that somebody gave one more policy."""

    def make(text: str) -> AppRole:
        bao.admin.post("sys/policies/acl/extra", {"policy": text})
        policies = ["strongroom-audit", "strongroom-guard", "extra"]
        role = {"token_policies": policies, "token_no_default_policy": True}
        bao.admin.post("auth/approle/role/extra", role)
        role_id = bao.admin.get("auth/approle/role/extra/role-id")["data"]["role_id"]
        return AppRole(role_id, bao.admin.post("auth/approle/role/extra/secret-id")["data"]["secret_id"])

    return make


@pytest.mark.parametrize(
    "rule",
    [
        'path "strongroom/decrypt/kek-*" { capabilities = ["update"] }',
        'path "strongroom/keys/+/config" { capabilities = ["update"] }',
        'path "strongroom/export/signing-key/worker-reveal" { capabilities = ["read"] }',
        'path "sys/policies/acl/*" { capabilities = ["create", "update"] }',
        'path "strongroom/encrypt/kek-*" { capabilities = ["create"] }',
        'path "strongroom/keys/+" { capabilities = ["read", "delete"] }',
        *(f'path "strongroom/sign/worker-{one}" {{ capabilities = ["update"] }}' for one in OTHERS),
        'path "strongroom/sign/worker" { capabilities = ["update"] }',
        'path "sys/audit-hash/*" { capabilities = ["update"] }',
    ],
)
async def test_one_right_too_many_stops_the_start(
    with_policy: Callable[[str], AppRole], provisioned: Provisioned, rule: str
) -> None:
    """Whoever slips an identity one more right stops its plane from starting."""
    transit = Transit(provisioned.server, with_policy(rule))
    with pytest.raises(Overprivileged):
        await assert_least(transit, "audit")
    await transit.aclose()


@pytest.mark.parametrize("flaw", ["exportable", "allow_plaintext_backup", "deletion_allowed"])
async def test_key_that_could_leave_stops_the_start(
    bao: RunningServer, ring: dict[str, Transit], flaw: str
) -> None:
    """A tenant whose key could be exported, backed up in the clear or deleted is not served."""
    tenant = f"flawed_{flaw[:6]}"
    provision_tenant(bao.admin, tenant)
    bao.admin.post(f"{M}/keys/kek-{tenant}/config", {flaw: True})
    with pytest.raises(Misconfigured):
        await assert_tenant_keys(ring["ingest"], tenant)


async def test_underived_kek_stops_the_start(bao: RunningServer, ring: dict[str, Transit]) -> None:
    """A KEK that does not bind a DEK to its place is not served."""
    bao.admin.post(f"{M}/keys/kek-flat", {"type": "aes256-gcm96"})
    with pytest.raises(Misconfigured):
        await assert_tenant_keys(ring["ingest"], "flat")


def test_wrong_settings_are_not_provisioned_over(bao: RunningServer) -> None:
    """Provisioning a tenant whose KEK exists with settings that must not be used says so and stops."""
    bao.admin.post(f"{M}/keys/kek-plain", {"type": "aes256-gcm96"})
    with pytest.raises(Misconfigured):
        provision_tenant(bao.admin, "plain")


async def test_audit_log_has_the_list_and_not_the_dek(bao: RunningServer, ring: dict[str, Transit]) -> None:
    """The key server's own log names the list of each unwrap, numbered anew, and holds no DEK."""
    dek_id, dek = os.urandom(16), os.urandom(32)
    wrapped = await ring["ingest"].wrap("acme", {dek_id: dek})
    for _ in range(2):
        assert await ring["reveal"].unwrap("acme", wrapped, batch="lst_audited") == [dek]
    log = bao.audit_log.read_bytes()
    assert len(set(re.findall(rb'"x-strongroom-batch":\["lst_audited [0-9a-f]{16}"\]', log))) == 2
    assert not any(spelling in log for spelling in (dek, dek.hex().encode(), b64encode(dek)))
