"""What each identity may do on the key server, as policy text (HCL). Pure functions of the mount's name.

Only the single most specific *pattern* that matches a path applies. `keys/kek-*` would out-rank
`keys/+/config` and so open it; hence keys are read through `keys/+`, which matches exactly one segment, and
nothing here grants a glob under `keys/`.
"""

from collections.abc import Sequence

_SERVING = ("ingest", "reveal", "office", "control", "audit")
PLANES = (*_SERVING, "sequencer")
LENT = ("resealer",)
"""Identities that exist for one job: no file of theirs lies about between two."""

OPERATORS = ("rotator", "shredder", "provisioner", "reconciler", *LENT)
HONEY = "honey_tokens"
"""Stands in place of a field type in the name of the key that planted records are told by."""

WRITERS = (*_SERVING, "rotator", "shredder", "resealer")
"""Who writes events, each under an endorsing key of its own: planes, and operators who work on keys."""

IDENTITIES = PLANES + OPERATORS

_READ, _UPDATE, _DENY = '["read"]', '["update"]', '["deny"]'

_GRANTS: dict[str, Sequence[tuple[str, str]]] = {
    # update, not create: an unknown key is refused instead of made.
    "ingest": (
        ("encrypt/kek-*", _UPDATE),
        ("hmac/bidx-*", _UPDATE),
        ("hmac/idem-*", _UPDATE),
        ("keys/+", _READ),
    ),
    "reveal": (
        ("decrypt/kek-*", _UPDATE),
        ("hmac/bidx-*", _UPDATE),
        ("keys/+", _READ),
    ),
    "office": (
        ("encrypt/kek-*", _UPDATE),
        ("hmac/bidx-*", _UPDATE),
        ("sign/cert", _UPDATE),
        ("keys/+", _READ),
    ),
    "control": (("sign/authority", _UPDATE), ("keys/+", _READ)),
    "audit": (("keys/+", _READ),),
    "sequencer": (("sign/log", _UPDATE), ("keys/+", _READ)),
    "rotator": (
        ("keys/+", _READ),
        ("keys/+/rotate", _UPDATE),
        ("rewrap/kek-*", _UPDATE),
    ),
    "shredder": (("keys/+", _READ), ("keys/+/trim", _UPDATE)),
    "reconciler": (("keys/+", _READ),),
    # Alone in doing both; hence lent for a job, and kept from every plane's keys.
    "resealer": (
        ("decrypt/kek-*", _UPDATE),
        ("encrypt/kek-*", _UPDATE),
        ("hmac/bidx-*", _UPDATE),
        ("keys/+", _READ),
    ),
}

# Whoever may hash for the audit log can try guesses on what is hashed in it: no plane on a network may.
_AUDIT_HASH = "sys/audit-hash/+"

# Without the list of parameters, whoever may configure a key may make it exportable afterwards.
_CONFIGURE = """path "{mount}/keys/+/config" {{
  capabilities = ["update"]
  allowed_parameters = {{ "min_decryption_version" = [], "min_encryption_version" = [] }}
}}
"""

# `exportable` and its like are not among the parameters, so a new key cannot be made with them.
_CREATE = """path "{mount}/keys/+" {{
  capabilities = ["create", "read", "update"]
  allowed_parameters = {{ "type" = ["aes256-gcm96", "hmac"], "derived" = [true], "key_size" = [] }}
}}
"""

_DENIED = (
    "export/*", "byok-export/*", "backup/*", "restore", "restore/*",
    "keys/+/soft-delete", "keys/+/import", "keys/+/import_version",
)  # fmt: skip

_SELF = (
    ("auth/token/renew-self", _UPDATE),
    ("auth/token/lookup-self", _READ),
    ("auth/token/revoke-self", _UPDATE),
    ("sys/capabilities-self", _UPDATE),
    ("sys/raw/*", _DENY),
)


def policy(identity: str, mount: str) -> str:
    """The policy text of one of IDENTITIES."""
    text = "".join(_rule(f"{mount}/{path}", can) for path, can in _GRANTS.get(identity, ()))
    if identity in WRITERS:
        text += _rule(f"{mount}/sign/{worker_key(identity)}", _UPDATE)
    if identity == "rotator":
        text += _CONFIGURE.format(mount=mount)
    if identity == "provisioner":
        text += _CREATE.format(mount=mount)
    if identity == "reconciler":
        text += _rule(_AUDIT_HASH, _UPDATE)
    return text


def guard(mount: str) -> str:
    """The policy attached to every identity: its own token's upkeep, and what nobody may ever do."""
    denied = "".join(_rule(f"{mount}/{path}", _DENY) for path in _DENIED)
    return denied + "".join(_rule(path, can) for path, can in _SELF)


def policy_name(name: str, mount: str) -> str:
    """What a policy, and the AppRole of an identity, is called on the key server."""
    return f"{mount}-{name}"


def worker_key(plane: str) -> str:
    """The key that endorses the workers of one of WRITERS; only that plane's identity signs under it."""
    return f"worker-{plane}"


def _rule(path: str, capabilities: str) -> str:
    return f'path "{path}" {{ capabilities = {capabilities} }}\n'
