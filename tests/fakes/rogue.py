"""What a rogue with superuser SQL does to a log, one deed each; the docstring is how it is found out.

Each deed answers the names by which whoever finds out may call it.
"""

import os

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.fakes.forgery import (
    LEAF,
    Names,
    entry_of,
    forge_list,
    forged,
    invented,
    like,
    lists,
    names,
    newest,
    victim,
)
from tests.plugins.scene import LOG, Scene
from vault.log.event import commit_to
from vault.log.lists import Heading
from vault.log.malformed import write_base64
from vault.log.notes import read_note
from vault.model.names import show_id


async def edits_a_body(scene: Scene, part: str) -> Names:
    """An edited body is not the one its entry commits to: the auditor is told which event, and its place."""
    event, listed = await victim(scene, part)
    await scene.sql("UPDATE event SET body = :b WHERE event_id = :e", b=forged(event), e=event.event_id)
    return names(event, listed)


async def edits_a_salt(scene: Scene, part: str) -> Names:
    """So is a body under another salt."""
    event, listed = await victim(scene, part)
    await scene.sql("UPDATE event SET salt = :s WHERE event_id = :e", s=bytes(32), e=event.event_id)
    return names(event, listed)


async def edits_a_body_and_its_commitment(scene: Scene, part: str) -> Names:
    """With its commitment beside it the body is still not what the list's signature or the leaf covers."""
    event, listed = await victim(scene, part)
    body = forged(event)
    commitment = commit_to(body, event.salt)
    change = "UPDATE event SET body = :b, commitment = :c WHERE event_id = :e"
    await scene.sql(change, b=body, c=commitment, e=event.event_id)
    return names(event, listed)


async def edits_an_event_and_its_leaf(scene: Scene, part: str) -> Names:
    """With the leaf rewritten too, list signature and signed root break, and nothing is signed on top."""
    found = await edits_a_body_and_its_commitment(scene, part)
    event, _ = await victim(scene, part)
    change = "UPDATE leaf SET commitment = :c WHERE event_id = :e"
    await scene.sql(change, c=event.commitment, e=event.event_id)
    return *found, "what was signed"


async def rewrites_leaf_and_checkpoint(scene: Scene, part: str) -> Names:
    """With the checkpoint rewritten to fit, its signature is nobody's: only the key `log` makes one."""
    await edits_an_event_and_its_leaf(scene, part)
    row = (await newest(scene))[0]
    root = os.urandom(32)
    note = row.note.replace(read_note(row.note).text.split("\n")[2], write_base64(root))
    change = "UPDATE checkpoint SET root = :r, note = :n WHERE tenant = 'acme' AND size = :s"
    await scene.sql(change, r=root, n=note, s=row.size)
    return (str(row.size), "checkpoint")


async def deletes_an_event(scene: Scene, part: str) -> Names:
    """A deleted event is missing, whether its list waits or its entry is in the tree."""
    event, listed = await victim(scene, part)
    await scene.sql("DELETE FROM event WHERE event_id = :e", e=event.event_id)
    return names(event, listed)


async def deletes_an_event_and_its_leaf(scene: Scene, part: str) -> Names:
    """A hole among the leaves is a gap, and nothing is signed on top of it."""
    event, listed = await victim(scene, part)
    for table in ("event", "leaf"):
        await scene.sql(f"DELETE FROM {table} WHERE event_id = :e", e=event.event_id)
    return (*names(event, listed), "hole", "#256–")


async def deletes_a_list(scene: Scene, part: str) -> Names:
    """A list deleted with its events is missing from its chain, or from the tree's bundle."""
    event, listed = await victim(scene, part)
    for table in ("event", "signed_list"):
        await scene.sql(f"DELETE FROM {table} WHERE list_id = :l", l=listed.list_id)
    return names(event, listed)


async def deletes_a_list_and_closes_the_hole(scene: Scene, part: str) -> Names:
    """With the leaves after it renumbered the tree is smaller than what was signed."""
    _, listed = await victim(scene, part)
    found = await deletes_a_list(scene, part)
    await scene.sql("DELETE FROM leaf WHERE list_id = :l", l=listed.list_id)
    order = "SELECT idx FROM leaf WHERE tenant = 'acme' AND idx > :i ORDER BY idx"
    for one in await scene.rows(order, i=listed.idx):
        await scene.sql("UPDATE leaf SET idx = idx - 3 WHERE tenant = 'acme' AND idx = :i", i=one.idx)
    return (*found, "were signed", "#256–")


async def deletes_the_signed_list(scene: Scene, part: str) -> Names:
    """Events without the signature over them are a gap, or are never numbered."""
    event, listed = await victim(scene, part)
    await scene.sql("DELETE FROM signed_list WHERE list_id = :l", l=listed.list_id)
    return names(event, listed)


async def renumbers_leaves(scene: Scene, part: str) -> Names:
    """Two leaves that change places break the signed root, and the order their list was signed in."""
    event, listed = await victim(scene, part)
    for a, b in ((listed.idx + 1, 1_000_000), (listed.idx + 2, listed.idx + 1), (1_000_000, listed.idx + 2)):
        await scene.sql("UPDATE leaf SET idx = :b WHERE tenant = 'acme' AND idx = :a", a=a, b=b)
    return (*names(event, listed), "what was signed")


async def reorders_events(scene: Scene, part: str) -> Names:
    """Events of a waiting list that change places are not in the order that was signed."""
    event, listed = await victim(scene, part)
    for a, b in ((0, 1000), (1, 0), (1000, 1)):
        change = "UPDATE event SET position = :b WHERE list_id = :l AND position = :a"
        await scene.sql(change, a=a, b=b, l=listed.list_id)
    return names(event, listed)


async def reorders_lists(scene: Scene, part: str) -> Names:
    """Lists that change places in their chain no longer carry their signatures."""
    _, first, second, *_ = await lists(scene, part)
    change = "UPDATE signed_list SET seq = :s, previous = :p WHERE list_id = :l"
    await scene.sql(change, s=second.seq, p=second.previous, l=first.list_id)
    await scene.sql(change, s=first.seq, p=first.previous, l=second.list_id)
    found = [show_id("lst", one.list_id) for one in (first, second)]
    return (*found, f"chain {first.chain.hex()}")


async def moves_an_event_to_another_list(scene: Scene, part: str) -> Names:
    """An event that is told to be another list's leaves one list short and the other too long."""
    event, listed = await victim(scene, part)
    other = (await lists(scene, part))[2]
    for table in ("event", "leaf"):
        change = f"UPDATE {table} SET list_id = :o WHERE event_id = :e"
        await scene.sql(change, o=other.list_id, e=event.event_id)
    return (*names(event, listed), show_id("lst", other.list_id))


async def slips_an_event_into_a_list(scene: Scene, part: str) -> Names:
    """An event slipped into a list, whose size is told to fit, is more than was signed, and is named."""
    event, listed = await victim(scene, part)
    new = await like(scene, event, list_id=listed.list_id, position=3)
    change = "UPDATE signed_list SET size = 4 WHERE list_id = :l"
    await scene.sql(change, l=listed.list_id)
    return (*names(event, listed), show_id("evt", new))


async def invents_a_worker(scene: Scene, part: str) -> Names:
    """Events of a worker whom the key server never endorsed are never numbered; the list is named."""
    _, list_id = await invented(scene, part)
    return (show_id("lst", list_id),)


async def writes_in_a_real_workers_name(scene: Scene, part: str) -> Names:
    """A list in a real worker's name, next in its chain, is not numbered: that worker never signed it."""
    event, _ = await victim(scene, part)
    listed = (await lists(scene, part))[-1]
    list_id = listed.list_id[:7] + os.urandom(9)
    await like(scene, event, list_id=list_id, position=0)
    heading = Heading("acme", list_id, listed.worker_id, listed.chain, listed.seq + 1, os.urandom(32))
    await forge_list(scene, heading, listed.signature)
    return (show_id("lst", list_id),)


async def numbers_an_invented_event(scene: Scene, part: str) -> Names:
    """Leaves that a rogue adds himself, at the tree's end, are found before anything is signed over them."""
    event_id, list_id = await invented(scene, part)
    end = (await scene.rows("SELECT max(idx) AS idx FROM leaf WHERE tenant = 'acme'"))[0].idx + 1
    made = (await entry_of(scene, event_id))[17:]
    await scene.sql(LEAF, idx=end, id=event_id, commitment=made, list=list_id, position=0)
    return (show_id("evt", event_id),)


async def inserts_a_leaf(scene: Scene, part: str) -> Names:
    """A leaf between others, those after it renumbered, breaks the root at what was signed."""
    event, listed = await victim(scene, part)
    order = "SELECT idx FROM leaf WHERE tenant = 'acme' AND idx > :i ORDER BY idx DESC"
    for one in await scene.rows(order, i=listed.idx):
        await scene.sql("UPDATE leaf SET idx = idx + 1 WHERE tenant = 'acme' AND idx = :i", i=one.idx)
    new = await like(scene, event, list_id=listed.list_id, position=3)
    made = (await entry_of(scene, new))[17:]
    await scene.sql(LEAF, idx=listed.idx + 1, id=new, commitment=made, list=listed.list_id, position=3)
    return (*names(event, listed), show_id("evt", new), "what was signed")


async def forges_a_list_signature(scene: Scene, part: str) -> Names:
    """A list whose signature was rewritten is signed by nobody."""
    event, listed = await victim(scene, part)
    change = "UPDATE signed_list SET signature = :s WHERE list_id = :l"
    await scene.sql(change, s=bytes(64), l=listed.list_id)
    return names(event, listed)


async def exchanges_a_workers_key(scene: Scene, part: str) -> Names:
    """A worker with another key than the endorsed one is no worker; each of its lists is named."""
    event, listed = await victim(scene, part)
    public = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    change = "UPDATE worker SET public_key = :k WHERE worker_id = :w"
    await scene.sql(change, k=public, w=listed.worker_id)
    those = [*await lists(scene, part), *await lists(scene, "waiting")]
    return (*names(event, listed), *[show_id("lst", one.list_id) for one in those])


async def rewrites_a_node(scene: Scene, part: str) -> Names:
    """A rewritten node of the tree gives another root than the signed one; auditors need no nodes."""
    await scene.sql("UPDATE node SET hash = :h WHERE tenant = 'acme'", h=bytes(32))
    return ("what was signed",)


async def publishes_another_tenants_checkpoint(scene: Scene, part: str) -> Names:
    """A checkpoint that was truly signed, for another tenant's log, is none of this one's."""
    change = (
        "UPDATE checkpoint SET note = (SELECT note FROM checkpoint WHERE tenant = 'globex'"
        " ORDER BY size DESC LIMIT 1) WHERE tenant = 'acme'"
    )
    await scene.sql(change)
    return "strongroom.local/globex", "strongroom.local/acme"


async def publishes_a_larger_checkpoint(scene: Scene, part: str) -> Names:
    """A checkpoint of events that are still to come, to hide that the log is behind, is signed by nobody."""
    row = (await newest(scene))[0]
    note = row.note.replace(f"\n{row.size}\n", "\n1000000\n")
    copy = (
        "INSERT INTO checkpoint (tenant, size, root, note, key_version)"
        " SELECT tenant, 1000000, root, :n, key_version FROM checkpoint WHERE tenant = 'acme' AND size = :s"
    )
    await scene.sql(copy, n=note, s=row.size)
    return "1000000", f"key {LOG}: the signature does not hold"


async def refuses_a_list_by_hand(scene: Scene, part: str) -> Names:
    """A good list that was marked as refused by hand is numbered all the same, within a minute."""
    event, listed = await victim(scene, part)
    mark = "INSERT INTO list_refusal (tenant, list_id, reason) VALUES ('acme', :l, 'rogue')"
    await scene.sql(mark, l=listed.list_id)
    return names(event, listed)
