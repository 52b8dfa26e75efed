"""A rogue with superuser SQL, on a real vault with a real auditor and witness: every deed is found out.

One row for each deed: which part of the log it is done to, which alarms the sequencer raises when it comes
by, and with which exit code the auditor's next run ends. What each claims is the deed's docstring.
"""

from dataclasses import dataclass

import pytest

from tests.fakes import rogue
from tests.plugins.scene import LOG, Scene

pytestmark = pytest.mark.asyncio(loop_scope="session")

VERIFIED, HISTORY, ALTERED, GAP, SIGNATURE = 0, 11, 12, 13, 14
REFUSED, CHAIN = "list_refused", "chain_gap"
STOPS = {"log_damaged", "log_inconsistent", "log_rolled_back", "checkpoint_tampered"}
"""Alarms after which nothing is signed."""


@dataclass(frozen=True, slots=True)
class Attack:
    """A deed, the part of the log it is done to, and what comes of it."""

    deed: str
    part: str
    fresh: int
    """Exit code of an auditor who mirrors for the first time."""
    alarms: tuple[str, ...] = ()
    nightly: int | None = None
    """Exit code of the one who has mirrored a part before, where it is another."""

    def __str__(self) -> str:
        return f"{self.deed}-{self.part}"


ATTACKS = [
    Attack("edits_a_body", "mirrored", ALTERED, nightly=VERIFIED),
    Attack("edits_a_body", "signed", ALTERED),
    Attack("edits_a_body", "waiting", ALTERED),
    Attack("edits_a_salt", "signed", ALTERED),
    Attack("edits_a_body_and_its_commitment", "signed", ALTERED),
    Attack("edits_a_body_and_its_commitment", "waiting", GAP, (REFUSED, CHAIN)),
    Attack("edits_an_event_and_its_leaf", "mirrored", SIGNATURE, ("log_inconsistent",), VERIFIED),
    Attack("edits_an_event_and_its_leaf", "signed", SIGNATURE, ("log_inconsistent",)),
    Attack("rewrites_leaf_and_checkpoint", "signed", SIGNATURE, ("checkpoint_tampered",)),
    Attack("deletes_an_event", "mirrored", GAP, nightly=VERIFIED),
    Attack("deletes_an_event", "signed", GAP),
    Attack("deletes_an_event", "waiting", GAP, (REFUSED, CHAIN)),
    Attack("deletes_an_event_and_its_leaf", "signed", GAP, ("log_damaged",)),
    Attack("deletes_a_list", "mirrored", GAP, nightly=VERIFIED),
    Attack("deletes_a_list", "signed", GAP),
    Attack("deletes_a_list", "waiting", GAP, (CHAIN,)),
    Attack("deletes_a_list_and_closes_the_hole", "signed", GAP, ("log_rolled_back",)),
    Attack("deletes_the_signed_list", "signed", GAP),
    Attack("deletes_the_signed_list", "waiting", GAP, (CHAIN,)),
    Attack("renumbers_leaves", "mirrored", ALTERED, ("log_inconsistent",), VERIFIED),
    Attack("renumbers_leaves", "signed", ALTERED, ("log_inconsistent",)),
    Attack("reorders_events", "waiting", GAP, (REFUSED, CHAIN)),
    Attack("reorders_lists", "waiting", GAP, (REFUSED, CHAIN)),
    Attack("moves_an_event_to_another_list", "signed", ALTERED),
    Attack("moves_an_event_to_another_list", "waiting", GAP, (REFUSED, CHAIN)),
    Attack("slips_an_event_into_a_list", "waiting", GAP, (REFUSED, CHAIN)),
    Attack("invents_a_worker", "waiting", VERIFIED, (REFUSED,)),
    Attack("writes_in_a_real_workers_name", "waiting", VERIFIED, (REFUSED,)),
    Attack("numbers_an_invented_event", "signed", VERIFIED, ("log_damaged",)),
    Attack("inserts_a_leaf", "signed", ALTERED, ("log_inconsistent",)),
    Attack("forges_a_list_signature", "signed", SIGNATURE),
    Attack("forges_a_list_signature", "waiting", GAP, (REFUSED,)),
    Attack("exchanges_a_workers_key", "signed", SIGNATURE, (REFUSED,)),
    Attack("rewrites_a_node", "signed", VERIFIED, ("log_inconsistent",)),
    Attack("publishes_another_tenants_checkpoint", "signed", SIGNATURE, ("checkpoint_tampered",)),
    Attack("publishes_a_larger_checkpoint", "signed", SIGNATURE, ("checkpoint_tampered",)),
    Attack("refuses_a_list_by_hand", "waiting", VERIFIED),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
async def test_deed_is_found_out(scene: Scene, attack: Attack):
    """Sequencer and auditors find what they should, and name it; a damaged tree grows no more."""
    names = await getattr(rogue, attack.deed)(scene, attack.part)
    signed = await _signed(scene)
    alarms = await scene.sequence()
    assert {code for code, _, _ in alarms} == set(attack.alarms), alarms
    for code, tenant, says in alarms:
        assert tenant == "acme"
        assert code == "checkpoint_tampered" or any(name in says for name in names), (says, names)
    if STOPS & set(attack.alarms):
        assert (await _signed(scene), scene.witness_says) == (signed, [])
    else:
        assert scene.witness_says == [f"cosigned {LOG} at {(await _signed(scene))[-1]}"]
    expected = {"mirror": attack.fresh if attack.nightly is None else attack.nightly, "fresh": attack.fresh}
    for folder, code in expected.items():
        said = await scene.mirror(folder)
        assert said.code == code, (folder, said.words)
        assert not said.code or any(name in said.words for name in names), (said.words, names)


async def _signed(scene: Scene) -> list[int]:
    """The sizes of all checkpoints."""
    query = "SELECT size FROM checkpoint WHERE tenant = 'acme' ORDER BY size"
    return [row.size for row in await scene.rows(query)]
