"""A witness that a test plays with: right as C2SP describes one, until it is told to lie or fall silent."""

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from vault.log.checkpoints import read_signed
from vault.log.cosignatures import WitnessKey
from vault.log.malformed import read_hash, write_base64
from vault.log.merkle import extends
from vault.service.witness_http import Place, Reply, Silent


@dataclass
class FakeWitness:
    name: str = "witness.example/w1"
    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    size: int = 0
    root: bytes = b""
    time: int = 1_800_000_000
    silent: bool = False
    tenants: frozenset = frozenset()
    lie: Reply | None = None
    """What it answers instead of the truth."""
    asked: list = field(default_factory=list)
    """(old, size) of every submission."""

    @property
    def key(self):
        return WitnessKey(self.name, self.private.public_key().public_bytes_raw())

    @property
    def place(self):
        return Place(self.key, "https://w.example", self.tenants)

    async def add_checkpoint(self, body):
        if self.silent:
            raise Silent
        head, _, whole = body.decode().partition("\n\n")
        first, *lines = head.split("\n")
        checkpoint, _ = read_signed(whole)
        self.asked.append((int(first.removeprefix("old ")), checkpoint.size))
        return self.lie or self.judge(self.asked[-1][0], checkpoint, [read_hash(line) for line in lines])

    def judge(self, old, checkpoint, path):
        forked = checkpoint.size == self.size and checkpoint.root != self.root
        if old != self.size or (forked and self.size):
            return Reply(409, f"{self.size}\n", str(self.size))
        right = not path if old == 0 else extends(
            old, checkpoint.size, proof=path, old_root=self.root, new_root=checkpoint.root
        )  # fmt: skip
        if not right:
            return Reply(422, "")
        self.size, self.root = checkpoint.size, checkpoint.root
        return Reply(200, self.line(checkpoint.text))

    def line(self, text):
        signature = self.private.sign(f"cosignature/v1\ntime {self.time}\n{text}".encode())
        payload = self.key.key_id + self.time.to_bytes(8) + signature
        return f"\u2014 {self.name} {write_base64(payload)}\n"
