"""First start of the key server of docker-compose.yml: initialise it, unseal it, give it an audit device.

NOT FOR PRODUCTION. It keeps the only unseal key and the root token side by side in a volume: whoever reads
that volume holds every key of the vault. docs/OPERATIONS.md says what to do instead.
"""

import json
import sys
import time
from pathlib import Path

from keys.admin import Admin
from keys.errors import KeysError
from keys.identity import write_private
from keys.nodes import Server

_UNINITIALISED, _SEALED, _SERVING = 501, 503, 200
_SECONDS = 60.0
AUDIT_FILE = "/vault/logs/audit.log"


def unseal(server: Server, kept: Path) -> None:
    """Bring the server to serving, whatever state it is in, and make sure that it writes an audit log."""
    anyone = Admin.with_token(server, "")
    if wait_for(anyone, {_UNINITIALISED, _SEALED, _SERVING}) == _UNINITIALISED:
        initialise(anyone, kept)
    if wait_for(anyone, {_SEALED, _SERVING}) == _SEALED:
        anyone.post("sys/unseal", {"key": read(kept)["unseal_key"]})
    wait_for(anyone, {_SERVING})
    audit(Admin.with_token(server, read(kept)["root_token"]))
    print("WARNING: unseal key and root token are kept in one volume. For trying things out only.")


def initialise(anyone: Admin, kept: Path) -> None:
    """Make the barrier key, in one share, and keep it."""
    answer = anyone.post("sys/init", {"secret_shares": 1, "secret_threshold": 1})
    found = {"unseal_key": answer["keys_base64"][0], "root_token": answer["root_token"]}
    write_private(kept / "init.json", json.dumps(found).encode())
    write_private(kept / "root-token", found["root_token"].encode())


def audit(admin: Admin) -> None:
    """Every request is written down, or none is answered."""
    found = admin.get("sys/audit") or {}
    if not found.get("data", {}):
        admin.post("sys/audit/file", {"type": "file", "options": {"file_path": AUDIT_FILE}})


def read(kept: Path) -> dict[str, str]:
    """What `initialise` kept."""
    return dict(json.loads((kept / "init.json").read_bytes()))


def wait_for(anyone: Admin, wanted: set[int]) -> int:
    """The server's health once it is one of `wanted`."""
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until:
        try:
            status = anyone.status("get", "sys/health")
        except KeysError:
            status = 0
        if status in wanted:
            return status
        time.sleep(0.2)
    raise SystemExit("the key server does not come up")


if __name__ == "__main__":
    unseal(Server(sys.argv[1], ca=sys.argv[2]), Path(sys.argv[3]))
