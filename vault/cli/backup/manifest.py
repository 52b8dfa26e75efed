"""The manifest of a copy: what it holds, of when, where each tenant's log and keys stood. Pure.

Bytes: docs/FORMATS.md §18. Canonical JSON; its SHA-256 names the copy, in the log as well.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal, cast

from vault.cli.failures import CommandError
from vault.log.event import read_timestamp, timestamp
from vault.model import canonical
from vault.model.names import TENANT
from vault.store.copies.snapshot import TenantFacts

VERSION = 1
NAME = "manifest.json"
Kind = Literal["databases", "tombstones"]
_MEMBERS = frozenset({"v", "kind", "taken_at", "data_schema", "keystore_schema", "tables", "tenants"})
_TENANT = frozenset(
    {"log_size", "checkpoint_size", "checkpoint_root", "newest_event", "newest_erasure", "kek_versions"}
)
_TABLE = re.compile(r"(data|keystore)/[a-z_]{1,40}")
_HEX = re.compile(r"([0-9a-f]{2})*")


@dataclass(frozen=True, slots=True)
class TableFile:
    """One table of a copy."""

    rows: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a copy holds."""

    kind: Kind
    taken_at: int
    """µs since 1970, on the data database's clock: what was committed before is in."""
    data_schema: str
    keystore_schema: str
    """Empty where no keystore is in."""
    tables: Mapping[str, TableFile]
    """By `data/<table>` and `keystore/<table>`."""
    tenants: Mapping[str, TenantFacts]

    @property
    def digest(self) -> str:
        """Its name: SHA-256 of its bytes."""
        return sha256(to_bytes(self)).hexdigest()

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(one.rows for one in self.tables.values())


def goes_on(later: Manifest, earlier: Manifest) -> bool:
    """Whether a copy is of the same logs as another, as they stood then or afterwards."""
    for tenant, one in earlier.tenants.items():
        then = later.tenants.get(tenant)
        if then is None or then.log_size < one.log_size or then.newest_event < one.newest_event:
            return False
        if then.checkpoint_size == one.checkpoint_size and then.checkpoint_root != one.checkpoint_root:
            return False
    return True


def to_bytes(manifest: Manifest) -> bytes:
    """The file."""
    return canonical.dump(
        {
            "v": VERSION,
            "kind": manifest.kind,
            "taken_at": timestamp(manifest.taken_at),
            "data_schema": manifest.data_schema,
            "keystore_schema": manifest.keystore_schema,
            "tables": {n: {"rows": t.rows, "sha256": t.sha256} for n, t in manifest.tables.items()},
            "tenants": {name: _tenant(facts) for name, facts in manifest.tenants.items()},
        }
    )


def parse(raw: bytes) -> Manifest:
    """Read what `to_bytes` wrote. Raises: CommandError for all but its one spelling."""
    try:
        members = _object(canonical.load(raw), _MEMBERS)
        if members["v"] != VERSION or members["kind"] not in ("databases", "tombstones"):
            raise CommandError("the copy was written by another release: read it with that one")
        manifest = Manifest(
            kind=cast("Kind", members["kind"]),
            taken_at=read_timestamp(members["taken_at"]),
            data_schema=str(members["data_schema"]),
            keystore_schema=str(members["keystore_schema"]),
            tables={name: _read_table(name, one) for name, one in members["tables"].items()},
            tenants={name: _read_tenant(name, one) for name, one in members["tenants"].items()},
        )
        same = to_bytes(manifest) == raw
    except (canonical.NotCanonical, ValueError, TypeError, AttributeError, KeyError):
        same = False
    if not same:
        raise CommandError("the manifest is damaged: it is not what a backup wrote")
    return manifest


def _tenant(facts: TenantFacts) -> dict[str, object]:
    return {
        "log_size": facts.log_size,
        "checkpoint_size": facts.checkpoint_size,
        "checkpoint_root": facts.checkpoint_root.hex(),
        "newest_event": facts.newest_event.hex(),
        "newest_erasure": facts.newest_erasure,
        "kek_versions": {str(version): count for version, count in facts.kek_versions.items()},
    }


def _object(value: object, names: frozenset[str]) -> Mapping[str, Any]:
    if not isinstance(value, dict) or set(value) != names:
        raise ValueError
    return value


def _read_table(name: str, value: object) -> TableFile:
    members = _object(value, frozenset({"rows", "sha256"}))
    if _TABLE.fullmatch(name) is None:
        raise ValueError
    return TableFile(_count(members["rows"]), _hex(members["sha256"], 32).hex())


def _read_tenant(name: str, value: object) -> TenantFacts:
    members = _object(value, _TENANT)
    if TENANT.fullmatch(name) is None:
        raise ValueError
    return TenantFacts(
        log_size=_count(members["log_size"]),
        checkpoint_size=_count(members["checkpoint_size"]),
        checkpoint_root=_hex(members["checkpoint_root"], 0, 32),
        newest_event=_hex(members["newest_event"], 0, 16),
        newest_erasure=_count(members["newest_erasure"]),
        kek_versions={int(version): _count(n) for version, n in members["kek_versions"].items()},
    )


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError
    return value


def _hex(text: str, *lengths: int) -> bytes:
    if _HEX.fullmatch(text) is None or len(text) // 2 not in lengths:
        raise ValueError
    return bytes.fromhex(text)
