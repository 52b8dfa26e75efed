"""The leaves that no checkpoint covers yet, verified before anything is signed on top of them.

Between a number and the next signature only the database holds the tree's end; whoever can write there could
add leaves of his own, and a sequencer that has just started knows no better.
"""

from collections.abc import Sequence
from itertools import chain

from vault.model.names import show_id
from vault.service.tree import LogDamaged
from vault.service.verified_lists import LARGEST_LIST, ListVerifier
from vault.store.log import Leaf
from vault.store.sequencing import SequencerStore

_PAGE = LARGEST_LIST + 1
"""Leaves read at once: more than the largest list, so that one list at least is whole."""


async def assert_numbered(
    tenant: str, first: int, size: int, store: SequencerStore, verifier: ListVerifier
) -> None:
    """Every leaf from `first` on belongs to a whole list that verifies. Raises: LogDamaged, Unavailable."""
    at = first
    while at < size:
        leaves = await store.leaves(tenant, at, min(_PAGE, size - at))
        if not leaves or leaves[0].idx != at:
            raise LogDamaged(says=f"leaf {at} is missing")
        # The index that keeps a list from being numbered twice is only as good as whoever may drop it.
        again = await store.numbered_before(tenant, {leaf.list_id for leaf in leaves}, first)
        if again:
            raise LogDamaged(says=f"{show_id('lst', again[0])} is numbered twice")
        at += await _assert_page(tenant, leaves, store, verifier, ends=at + len(leaves) == size)


async def _assert_page(
    tenant: str, leaves: Sequence[Leaf], store: SequencerStore, verifier: ListVerifier, *, ends: bool
) -> int:
    """How many of these leaves were verified; a list that the page cuts off is left for the next."""
    ids = list(dict.fromkeys(leaf.list_id for leaf in leaves))
    if not ends:
        ids.pop()
    checked = await verifier.check(tenant, await store.lists(tenant, ids))
    good = {one.row.list_id: one for one in checked.good}
    wanted = chain.from_iterable(
        ((list_id, one) for one in good[list_id].entries) if list_id in good else () for list_id in ids
    )
    found = [leaf for leaf in leaves if leaf.list_id in set(ids)]
    expected = [(place, one.event_id, one.commitment, one.position) for place, one in wanted]
    for at, leaf in enumerate(found):
        told = (leaf.list_id, leaf.event_id, leaf.commitment, leaf.position)
        if leaf.idx != leaves[0].idx + at or at >= len(expected) or told != expected[at]:
            name = show_id("evt", leaf.event_id) if len(leaf.event_id) == 16 else leaf.event_id.hex()
            raise LogDamaged(says=f"leaf {leaf.idx} ({name}) is in no list that verifies")
    if len(found) != len(expected):
        raise LogDamaged(says=f"the list of leaf {found[-1].idx} is not whole")
    return len(found)
