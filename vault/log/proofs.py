"""A proof that one entry is in a log: C2SP `tlog-proof@v1`, a text that stands by itself. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from vault.log.checkpoints import Checkpoint, read_signed
from vault.log.malformed import Malformed, read_hash, read_number, write_base64
from vault.log.merkle import includes, leaf_hash
from vault.log.notes import Note

HEADER = "c2sp.org/tlog-proof@v1"
_MOST_HASHES = 63


@dataclass(frozen=True, slots=True)
class Proof:
    """Where an entry is, its audit path, and the checkpoint it leads to."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: Checkpoint
    note: Note

    def includes(self, entry: bytes) -> bool:
        """Whether the path leads from `entry` to the checkpoint. Who signed that is another question."""
        head = self.checkpoint
        return includes(leaf_hash(entry), self.index, head.size, proof=self.path, root=head.root)


def write_proof(index: int, path: Sequence[bytes], note: str) -> str:
    """The proof as text; `note` is the signed checkpoint."""
    hashes = "".join(write_base64(one) + "\n" for one in path)
    return f"{HEADER}\nindex {index}\n{hashes}\n{note}"


def read_proof(text: str) -> Proof:
    """Read a proof as we write it, without extra data. Raises: Malformed."""
    head, found, note = text.partition("\n\n")
    lines = head.split("\n")
    if not found or len(lines) < 2 or lines[0] != HEADER or not lines[1].startswith("index "):
        raise Malformed("a proof reads: header, index, hashes, empty line, checkpoint")
    if len(lines) > 2 + _MOST_HASHES:
        raise Malformed("too many hashes")
    checkpoint, signed = read_signed(note)
    index = read_number(lines[1].removeprefix("index "))
    return Proof(index, tuple(read_hash(line) for line in lines[2:]), checkpoint, signed)
