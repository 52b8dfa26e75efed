"""Signs checkpoints, and never one that is smaller than, or no continuation of, what was signed before.

What was signed is remembered twice: in the database, where auditors read it, and in a folder outside, so that
restoring an old database does not make the log forget.
"""

import asyncio
from pathlib import Path
from typing import Protocol

from keys.identity import write_private
from keys.ring import Signer
from vault.log.checkpoints import Checkpoint, origin_of, read_signed
from vault.log.lists import signed_by
from vault.log.malformed import Malformed
from vault.log.merkle import consistency_proof, extends
from vault.log.notes import Note, NoteKey, sign_line
from vault.model.names import TENANT
from vault.service.authority_keys import PublicKeys
from vault.service.tree import LogDamaged, Tree
from vault.store.log import StoredCheckpoint

KEY = "log"


class Heads(Protocol):
    """Where published checkpoints are read. May raise Unavailable."""

    async def checkpoint(self, tenant: str) -> StoredCheckpoint | None:
        """The newest."""


class SignedState:
    """The last checkpoint signed here for each tenant, as a file outside the database."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def prepare(self) -> None:
        """Make sure it can be written, before anything depends on it. Raises: OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(self._folder / "writable", b"")

    async def read(self, tenant: str) -> str | None:
        """The note; None when nothing was signed here. Raises: OSError, UnicodeDecodeError."""
        path = self._path(tenant)
        return await asyncio.to_thread(path.read_text, "utf-8") if path.exists() else None

    async def write(self, tenant: str, note: str) -> None:
        """Remember, durable when it returns. Raises: OSError."""
        await asyncio.to_thread(write_private, self._path(tenant), note.encode())

    def _path(self, tenant: str) -> Path:
        if TENANT.fullmatch(tenant) is None:
            raise LogDamaged(alarm="tenant_malformed", says="a tenant's name has another shape")
        return self._folder / f"{tenant}.checkpoint"


class Signing:
    """Signs the heads of all tenants' trees."""

    def __init__(
        self, heads: Heads, tree: Tree, signer: Signer, keys: PublicKeys, state: SignedState, *, log_name: str
    ) -> None:
        """`keys` are the public keys of the key `log`."""
        self._heads = heads
        self._tree = tree
        self._signer = signer
        self._keys = keys
        self._state = state
        self._log_name = log_name

    async def audit(self, tenant: str, size: int, root: bytes) -> StoredCheckpoint | None:
        """Hold the stored tree to everything that was signed; answer the largest checkpoint.

        Raises: LogDamaged when the tree is smaller, no continuation, or a checkpoint is not ours.
        """
        published = await self._heads.checkpoint(tenant)
        signed = [published] if published is not None else []
        remembered = await self._remembered(tenant)
        if remembered is not None:
            signed.append(remembered)
        for one in signed:
            await self._verify(tenant, one)
            await self._assert_extends(tenant, one, size, root)
        return max(signed, key=lambda one: one.size, default=None)

    async def is_published(self, tenant: str, one: StoredCheckpoint) -> bool:
        """Whether auditors can read this checkpoint, or a later one."""
        published = await self._heads.checkpoint(tenant)
        return published is not None and published.size >= one.size

    async def sign(
        self, tenant: str, size: int, root: bytes, *, last: StoredCheckpoint | None
    ) -> StoredCheckpoint:
        """Sign a head and remember it outside the database, before anyone can see it.

        Raises: LogDamaged, KeysError, Unavailable.
        """
        for before in (last, await self._remembered(tenant)):
            if before is not None:
                await self._assert_extends(tenant, before, size, root)
        head = Checkpoint(origin_of(self._log_name, tenant), size, root)
        version, signature = await self._signer.sign(KEY, head.text.encode())
        public = await self._keys.get(version, insist=True)
        raw = public.public_bytes_raw() if public is not None else b""
        if not signed_by(raw, message=head.text.encode(), signature=signature):
            raise LogDamaged(alarm="checkpoint_not_signed", says="the key server's signature does not verify")
        note = Note(head.text, (sign_line(NoteKey(head.origin, raw), signature),)).whole
        await self._remember(tenant, note)
        return StoredCheckpoint(size, root, note, version, 0)

    async def _verify(self, tenant: str, one: StoredCheckpoint) -> None:
        """A checkpoint says of itself what its row says, and the key `log` signed it."""
        try:
            head, note = read_signed(one.note)
        except Malformed as broken:
            raise LogDamaged(alarm="checkpoint_tampered", says=broken.rule) from None
        origin = origin_of(self._log_name, tenant)
        if head != Checkpoint(origin, one.size, one.root):
            raise LogDamaged(
                alarm="checkpoint_tampered", says=f"not the checkpoint of {origin} at {one.size}"
            )
        keys = [NoteKey(origin, raw) for raw in (await self._keys.all()).values()]
        if not note.signed_by_any(keys):
            raise LogDamaged(
                alarm="checkpoint_tampered", says=f"nobody of ours signed {origin} at {one.size}"
            )

    async def _assert_extends(self, tenant: str, old: StoredCheckpoint, size: int, root: bytes) -> None:
        if old.size > size:
            raise LogDamaged(alarm="log_rolled_back", says=f"{old.size} leaves were signed, {size} are there")
        proof = await self._tree.compute(tenant, size, lambda nodes: consistency_proof(old.size, size, nodes))
        if not extends(old.size, size, proof=proof, old_root=old.root, new_root=root):
            raise LogDamaged(
                alarm="log_inconsistent",
                says=f"what was signed at {old.size} is not in the tree of {size}",
            )

    async def _remembered(self, tenant: str) -> StoredCheckpoint | None:
        try:
            note = await self._state.read(tenant)
            head = read_signed(note)[0] if note is not None else None
        except (OSError, UnicodeDecodeError, Malformed):
            raise LogDamaged(alarm="sequencer_state_damaged", says="its file cannot be read") from None
        return StoredCheckpoint(head.size, head.root, note or "", 0, 0) if head is not None else None

    async def _remember(self, tenant: str, note: str) -> None:
        try:
            await self._state.write(tenant, note)
        except OSError:
            raise LogDamaged(alarm="sequencer_state_damaged", says="its file cannot be written") from None
