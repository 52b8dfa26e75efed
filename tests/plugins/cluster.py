"""OpenBao as production runs it: nodes on loopback with raft storage, one node or three.

A node alone is sealed by shares and stays sealed until somebody unseals it. Nodes together are unsealed by a
key file. The audit stanza is the same on every node, byte for byte, as failover demands: each writes the
relative path into its own folder.
"""

import json
import os
import secrets
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from keys.admin import Admin
from keys.devserver import _spawn, binary
from keys.errors import KeysError
from keys.identity import write_private
from keys.login import Server
from tests.plugins.ports import free_port

_CONFIG = """ui = false
disable_standby_reads = {forwarding}
api_addr = "http://127.0.0.1:{port}"
cluster_addr = "https://127.0.0.1:{cluster}"
listener "tcp" {{
  address = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster}"
  tls_disable = true
}}
storage "raft" {{
  path = "{data}"
  node_id = "{name}"
  performance_multiplier = 1
  {join}
}}
{seal}
audit "file" "file" {{
  options {{ file_path = "audit.log" }}
}}
"""
_STATIC = 'seal "static" {{\n  current_key_id = "c-1"\n  current_key = "file://{key}"\n}}'
_AUTOPILOT = "sys/storage/raft/autopilot/configuration"
_SECONDS = 30.0


@dataclass(slots=True)
class Node:
    """One `bao server`, a direct child."""

    folder: Path
    port: int
    _process: subprocess.Popen[bytes] | None = None

    @property
    def addr(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start, or start again; up only when `status` says so."""
        self._process = _spawn(binary(), self.folder / "bao.hcl", self.folder / "bao.log")

    def send(self, how: signal.Signals) -> None:
        """A signal; SIGKILL is waited for."""
        assert self._process is not None
        os.kill(self._process.pid, how)
        if how == signal.SIGKILL:
            self._process.wait()

    def status(self, token: str = "") -> int | None:
        """What `sys/health` says: 200 active, 429 standby, 501 not initialised, 503 sealed; None: nothing."""
        with suppress(KeysError):
            return self.admin(token).status("get", "sys/health")
        return None

    def admin(self, token: str) -> Admin:
        return Admin.with_token(Server(self.addr), token)


@dataclass(slots=True)
class Cluster:
    """The nodes, and who may administer them."""

    folder: Path
    nodes: list[Node] = field(default_factory=list)
    root_token: str = ""
    share: str = ""
    """What unseals a node that is alone."""

    @classmethod
    def start(cls, folder: Path, *, nodes: int = 1, standby_reads: bool = True) -> Self:
        """Start, initialise, and return once every node serves."""
        made = cls(folder, [Node(folder / f"n{number}", free_port()) for number in range(nodes)])
        key = folder / "seal.key"
        folder.mkdir(parents=True, exist_ok=True)
        write_private(key, secrets.token_bytes(32))
        for node in made.nodes:
            (node.folder / "data").mkdir(parents=True)
            config = made._config(node, key, forwarding=not standby_reads)
            write_private(node.folder / "bao.hcl", config.encode())
        try:
            made._found()
        except BaseException:
            made.stop()
            raise
        return made

    @property
    def server(self) -> Server:
        """The first node, for what is set up once."""
        return Server(self.nodes[0].addr)

    @property
    def addresses(self) -> str:
        """Every node's, as the setting takes them."""
        return ",".join(node.addr for node in self.nodes)

    @property
    def audit_log(self) -> Path:
        """Where the audit logs of all lie."""
        return self.folder

    @property
    def admin(self) -> Admin:
        """Under the root token, at the active node."""
        return self.active.admin(self.root_token)

    @property
    def active(self) -> Node:
        """Raises: StopIteration while there is none."""
        return next(node for node in self.nodes if node.alive and node.status() == 200)

    def restart(self, node: Node) -> None:
        """Start a dead node, unseal it where that takes somebody, and wait until it serves."""
        node.start()
        self.wait(node, {503} if self.share else {200, 429})
        if self.share:
            self.unseal()

    def restart_standbys(self) -> None:
        """One after the other, so that each learns which headers to audit."""
        active = self.active
        for node in self.nodes:
            if node is not active:
                node.send(signal.SIGKILL)
                self.restart(node)
        self.wait_voting()

    def seal(self) -> None:
        """Seal the node that is alone."""
        self.admin.post("sys/seal")

    def unseal(self) -> None:
        """Unseal it, and wait until it serves."""
        self.nodes[0].admin("").post("sys/unseal", {"key": self.share})
        self.wait(self.nodes[0], {200})

    def wait(self, node: Node, wanted: set[int]) -> None:
        """Wait for one of these states."""
        end = time.monotonic() + _SECONDS
        while node.status() not in wanted:
            assert time.monotonic() < end, (node.folder / "bao.log").read_text()[-3000:]
            time.sleep(0.02)

    def wait_voting(self) -> None:
        """Wait until every node has a vote: before that, losing the active one loses them all."""
        end = time.monotonic() + _SECONDS
        while not all(server["voter"] for server in self._members()):
            assert time.monotonic() < end, "a node got no vote"
            time.sleep(0.05)

    def stop(self) -> None:
        for node in self.nodes:
            if node.alive:
                node.send(signal.SIGKILL)

    def _found(self) -> None:
        first, *others = self.nodes
        first.start()
        self.wait(first, {501})
        shares = "secret" if not others else "recovery"
        told = first.admin("").post("sys/init", {f"{shares}_shares": 1, f"{shares}_threshold": 1})
        self.root_token = told["root_token"]
        if not others:
            self.share = told["keys"][0]
            self.unseal()
        self.wait(first, {200})
        if others:
            first.admin(self.root_token).post(_AUTOPILOT, {"server_stabilization_time": "1s"})
        for node in others:
            node.start()
        for node in others:
            self.wait(node, {429, 200})
        self.wait_voting()

    def _members(self) -> list[dict[str, object]]:
        found = self.admin.get("sys/storage/raft/configuration")
        assert found is not None
        return list(found["data"]["config"]["servers"])

    def _config(self, node: Node, key: Path, *, forwarding: bool) -> str:
        alone = len(self.nodes) == 1
        others = [one for one in self.nodes if one is not node]
        return _CONFIG.format(
            forwarding=json.dumps(forwarding),
            port=node.port,
            cluster=free_port(),
            data=node.folder / "data",
            name=node.folder.name,
            join="\n  ".join(f'retry_join {{ leader_api_addr = "{one.addr}" }}' for one in others),
            seal="" if alone else _STATIC.format(key=key),
        )
