"""The body of `add-checkpoint`: the size to continue from, a consistency proof, a signed checkpoint. Pure."""

import re
from dataclasses import dataclass

from strongroom_audit.verifier.notes import read_note, unbase64

from strongroom_witness.faults import Malformed

LARGEST = 64 * 1024
"""Bytes of a body. A proof takes 3 KB, so this leaves room for many signatures of many kinds."""
LARGEST_SIZE = 2**63 - 1
_MOST_HASHES = 63
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Submission:
    """What a log asks for. Nothing in it is verified, and `note` is only known to have an origin."""

    old: int
    path: tuple[bytes, ...]
    note: str
    origin: str


def read_submission(body: bytes) -> Submission:
    """Read a body, in its one spelling. Raises: Malformed."""
    if len(body) > LARGEST:
        raise Malformed("too long", where="submission")
    try:
        head, blank, note = body.decode().partition("\n\n")
    except UnicodeDecodeError:
        raise Malformed("not UTF-8", where="submission") from None
    first, *hashes = head.split("\n")
    old = _OLD.fullmatch(first)
    if not blank or old is None or int(old[1]) > LARGEST_SIZE or len(hashes) > _MOST_HASHES:
        raise Malformed("reads: old size, up to 63 hashes, empty line, checkpoint", where="submission")
    path = tuple(unbase64(line, "proof") for line in hashes)
    if any(len(node) != 32 for node in path):
        raise Malformed("a hash has 32 bytes", where="proof")
    return Submission(int(old[1]), path, note, read_note(note).text.partition("\n")[0])
