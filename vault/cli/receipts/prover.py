"""Where entries stand in a tenant's log, proven under checkpoints that a trusted key signed.

One proof and one full tile settle all 256 neighbours at once: the upper part of the proof leads from the tile
to the root. So a ledger of bulk payments takes a few requests for each 256 of them, not one for each.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from vault.cli.failures import CommandError
from vault.cli.receipts.match import Standing
from vault.log.malformed import Malformed
from vault.log.merkle import TILE_HEIGHT, Frontier, includes, leaf_hash
from vault.log.notes import NoteKey
from vault.log.proofs import Proof, read_proof
from vault.log.tiles import WIDTH, Tile, read_entries
from vault.model.names import show_id


class Source(Protocol):
    """A log's public reads."""

    def proof(self, event_id: bytes) -> str | Standing:
        """A proof as text, or `pending`, or `unknown`."""

    def entries(self, tile: Tile) -> bytes:
        """An entry bundle."""


class Prover:
    """Proves entries of one log. Raises CommandError where the log contradicts itself."""

    def __init__(self, source: Source, keys: Sequence[NoteKey]) -> None:
        """`keys`: those trusted to sign this log's checkpoints."""
        self._source, self._keys = source, keys
        self._roots: dict[int, bytes] = {}

    def standings(
        self, entries: Iterable[bytes], progress: Callable[[int], None] = lambda _done: None
    ) -> dict[bytes, Standing]:
        """What the log says of each entry."""
        found: dict[bytes, Standing] = {}
        waiting = dict.fromkeys(entries)
        while waiting:
            wanted = next(iter(waiting))
            del waiting[wanted]
            found[wanted], proof = self._one(wanted)
            beside = self._neighbours(proof) if proof is not None and waiting else ()
            for neighbour in [one for one in beside if one in waiting]:
                del waiting[neighbour]
                found[neighbour] = "proven"
            progress(len(found))
        return found

    def proof_of(self, event_id: bytes, entry: bytes | None) -> tuple[Proof, bytes]:
        """A verified proof and the entry that it proves; `entry` is known where there is a receipt."""
        text = self._source.proof(event_id)
        shown = show_id("evt", event_id)
        if text == "unknown":
            raise CommandError(f"{shown}: the log has no such event")
        if text == "pending":
            raise CommandError(f"{shown}: committed, but in no signed checkpoint yet; try again in seconds")
        proof = self._read(text)
        proven = entry or self._entry_at(proof)
        if proven[1:17] != event_id or not proof.includes(proven):
            raise CommandError(f"{shown}: what the log shows does not lead from this receipt to its root")
        return proof, proven

    def _one(self, entry: bytes) -> tuple[Standing, Proof | None]:
        """What the log says of one entry, and the proof when that holds."""
        text = self._source.proof(entry[1:17])
        if text in ("unknown", "pending"):
            return text, None
        proof = self._read(text)
        return ("proven", proof) if proof.includes(entry) else ("altered", None)

    def _read(self, text: str) -> Proof:
        try:
            proof = read_proof(text)
        except Malformed as error:
            raise CommandError(f"the log gave a proof that is none: {error.rule}") from None
        head = proof.checkpoint
        if not any(key.name == head.origin and proof.note.signed_by(key) for key in self._keys):
            raise CommandError(f"checkpoint {head.size} of {head.origin}: no key you trust signed it")
        if self._roots.setdefault(head.size, head.root) != head.root:
            raise CommandError(f"the log signed two different roots for its first {head.size} events")
        return proof

    def _neighbours(self, proof: Proof) -> list[bytes]:
        """The entries of a proven entry's tile, proven with it; none while the tile is not full."""
        tile, head = Tile(0, proof.index // WIDTH), proof.checkpoint
        if not tile.within(head.size):
            return []
        entries = self._entries(tile)
        edge = Frontier(0, ())
        for entry in entries:
            for _ in edge.append(leaf_hash(entry)):
                pass
        last, above = (head.size - 1) >> TILE_HEIGHT, proof.path[TILE_HEIGHT:]
        if not includes(edge.root(), tile.number, last + 1, proof=above, root=head.root):
            raise CommandError(
                f"entries tile {tile.place} does not lead to the root of checkpoint {head.size}"
            )
        return entries

    def _entry_at(self, proof: Proof) -> bytes:
        number, head = proof.index // WIDTH, proof.checkpoint
        tile = Tile(0, number, min(WIDTH, head.size - number * WIDTH))
        return self._entries(tile)[proof.index - tile.first]

    def _entries(self, tile: Tile) -> list[bytes]:
        try:
            entries = read_entries(self._source.entries(tile))
        except Malformed as error:
            raise CommandError(f"entries tile {tile.place}: {error.rule}") from None
        if len(entries) != tile.width or any(len(entry) != 49 for entry in entries):
            raise CommandError(f"entries tile {tile.place} has not {tile.width} entries of 49 bytes")
        return entries
