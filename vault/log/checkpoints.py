"""Checkpoints: the head of a tenant's tree as C2SP `tlog-checkpoint` writes it, and its name. Pure."""

from dataclasses import dataclass

from vault.log.malformed import Malformed, read_hash, read_number, write_base64
from vault.log.notes import Note, read_note


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Size and root of a tree, under the name of its log."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{write_base64(self.root)}\n"


def origin_of(log_name: str, tenant: str) -> str:
    """The name of a tenant's log, which is also the name its notes are signed with."""
    return f"{log_name}/{tenant}"


def read_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint of ours: it has no extension lines. Raises: Malformed."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[3] or not lines[0]:
        raise Malformed("a checkpoint reads: origin, size, root")
    return Checkpoint(lines[0], read_number(lines[1]), read_hash(lines[2]))


def read_signed(whole: str) -> tuple[Checkpoint, Note]:
    """Read a signed checkpoint; whether its signature holds is another question. Raises: Malformed."""
    note = read_note(whole)
    return read_checkpoint(note.text), note
