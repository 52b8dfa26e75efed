"""Claims about what takes two persons, each tried by somebody who has only one."""

import asyncio
from dataclasses import replace

import pytest

from keys.errors import Sealed
from tests.fakes.authority import POLICY, START, World
from vault.errors import BadRequest, Conflict, Forbidden, NotFound, OutcomeUnknown, Unavailable
from vault.model.proposal import LASTS
from vault.policy.load import DEFAULT
from vault.service.credentials import NewCredential, create, grant, revoke, rotate, ungrant
from vault.service.issuing import Issued
from vault.service.proposals import Waiting, approve, listing, reject
from vault.service.tenants import add_administrator, apply_policy

PAYS = ["detokenize:payment@payment"]
TEXT = DEFAULT.read_text()
WIDE = TEXT.replace("searchable = []", 'searchable = ["pan"]')
DANGEROUS = ["detokenize:payment", "detokenize:payment@tax", "search:payment", "cases", "release", "export",
             "disclose", "replace", "replace@payment", "events_sealed", "credentials", "policy"]  # fmt: skip


@pytest.fixture
async def world():
    world = World()
    await world.found()
    yield world
    world.hasher.close()


async def register(world):
    world.registers.expire()
    return (await world.registers.of("acme")).register


async def unchanged(world, kind, code, action):
    """The action is refused with this code, and the register stays as it was."""
    before = await register(world)
    with pytest.raises(kind) as caught:
        await action
    assert caught.value.code == code
    assert await register(world) == before


async def propose(world, *grants, name="pay", caller=None):
    new = NewCredential(name, "Ravi", grants or PAYS)
    waiting = await create(new, caller or world.admin(), world.control)
    assert isinstance(waiting, Waiting)
    return waiting.open


def decide(world, open_, *, by=None, verb=approve, sha256=None):
    return verb(open_.name, sha256 or open_.proposal.sha256, by or world.second(), world.control)


@pytest.mark.parametrize("text", DANGEROUS)
async def test_a_right_that_takes_two_is_given_by_nobody_alone(world, text):
    """Neither with a new credential nor by a grant; the proposal says so and changes nothing."""
    await world.credential("plain", "inspect")
    before = await register(world)
    assert (await propose(world, text)).proposal.action == "create"
    later = await grant("acme.plain", [text, "erase"], world.admin(), world.control)
    assert isinstance(later, Waiting)
    assert later.approvers == ["acme.admin2"]
    assert await register(world) == before


@pytest.mark.parametrize(
    "text", ["tokenize", "detokenize:marketing_display", "inspect", "erase", "events", "holds", "retention"]
)
async def test_other_rights_are_given_at_once(world, text):
    """What opens no money and decides over nobody needs no second person."""
    made = await create(NewCredential("x", "Ravi", [text]), world.admin(), world.control)
    assert isinstance(made, Issued)


async def test_the_second_person_carries_it_out(world):
    """The register changes in one step with the end and its event; the secret is in that one answer."""
    open_ = await propose(world)
    assert [e["proposal"] for e in world.store.events() if e.get("action") == "propose"] == [open_.name]
    done = await decide(world, open_)
    entry = (await register(world)).find("acme.pay")
    assert done.issued.entry == entry
    assert [str(one) for one in entry.grants] == PAYS
    event = world.store.events()[-1]
    assert (event["action"], event["does"], event["register"]) == ("approve", "create", 2)
    assert (event["proposed_by"], event["sha256"]) == ("acme.admin", open_.proposal.sha256)
    assert done.issued.secret.reveal() not in repr([world.store.written, world.store.proposals, done])
    assert await listing(world.admin(), world.control) == []


async def test_a_proposal_is_approved_once(world):
    """A replayed approval is refused, also after the grant was taken away again."""
    await world.credential("pay", "inspect")
    open_ = (await grant("acme.pay", PAYS, world.admin(), world.control)).open
    await decide(world, open_)
    await unchanged(world, Conflict, "proposal_ended", decide(world, open_))
    await ungrant("acme.pay", PAYS, world.admin(), world.control)
    await unchanged(world, Conflict, "proposal_ended", decide(world, open_))
    await unchanged(world, Conflict, "proposal_ended", decide(world, open_, verb=reject))


async def test_deleting_the_end_brings_no_proposal_back(world):
    """Whoever removes the row of an end from the database still finds it in the log."""
    await world.credential("pay", "inspect")
    granted = (await grant("acme.pay", PAYS, world.admin(), world.control)).open
    refused = await propose(world, name="other")
    await decide(world, granted)
    await decide(world, refused, verb=reject)
    await ungrant("acme.pay", PAYS, world.admin(), world.control)
    world.store.ends.clear()
    for open_ in (granted, refused):
        await unchanged(world, Conflict, "proposal_ended", decide(world, open_))


@pytest.mark.parametrize("person", ["Asha", "asha", "ASHA", "A\u017fha"])
async def test_nobody_approves_his_own(world, person):
    """Not with the same credential, nor with another one of the same person, however the name is spelled."""
    open_ = await propose(world)
    await unchanged(world, Forbidden, "own_proposal", decide(world, open_, by=world.admin()))
    await add_administrator("other", person, world.admin("acme", "operator"), world.control)
    other = world.admin("acme", "other", person=person)
    await unchanged(world, Forbidden, "own_proposal", decide(world, open_, by=other))
    assert world.store.events()[-1]["reason"] == "own_proposal"


async def test_what_the_caller_says_of_himself_does_not_count(world):
    """The person is the register's: a caller object that names another changes nothing."""
    open_ = await propose(world)
    liar = world.admin(person="Somebody Else")
    await unchanged(world, Forbidden, "own_proposal", decide(world, open_, by=liar))


async def test_the_approver_holds_the_right(world):
    """A credential without it neither sees nor decides a proposal, and the attempt is on record."""
    open_ = await propose(world)
    stranger = world.admin("acme", "desk", "inspect", person="Zoya")
    for action in (decide(world, open_, by=stranger), listing(stranger, world.control)):
        await unchanged(world, Forbidden, "no_grant", action)
    only_policy = world.admin("acme", "desk", "policy", person="Zoya")
    await unchanged(world, Forbidden, "no_grant", decide(world, open_, by=only_policy))
    assert [e["reason"] for e in world.store.events()[-3:]] == ["no_grant"] * 3
    assert await listing(only_policy, world.control) == []


async def test_an_approver_who_lost_the_right_meanwhile_has_lost_it(world):
    """What the register says at the approval counts, not what a request came in with."""
    open_ = await propose(world)
    await ungrant("acme.admin2", ["credentials"], world.admin(), world.control)
    await unchanged(world, Forbidden, "no_grant", decide(world, open_))


async def test_a_revocation_that_comes_between_stops_the_approval(world):
    """The approver is revoked while the approval is being written: it is built again, and refused."""
    open_ = await propose(world)
    world.store.rivals.append(lambda: revoke("acme.admin2", world.admin(), world.control))
    with pytest.raises(Forbidden) as caught:
        await decide(world, open_)
    assert caught.value.code == "no_grant"
    assert (await register(world)).find("acme.pay") is None


async def test_a_proposer_who_lost_the_right_proposes_no_more(world):
    """Two persons stand behind a change when it is carried out, not one and somebody who was shown out."""
    open_ = await propose(world)
    await revoke("acme.admin", world.second(), world.control)
    await unchanged(world, Conflict, "proposal_void", decide(world, open_))


async def test_an_approval_is_for_what_was_read(world):
    """Another SHA-256 than the document's is refused."""
    first, second = await propose(world), await propose(world, "release", name="other")
    wrong = decide(world, first, sha256=second.proposal.sha256)
    await unchanged(world, Conflict, "proposal_differs", wrong)
    await unchanged(world, Conflict, "proposal_differs", decide(world, first, sha256="0" * 64, verb=reject))


async def test_a_proposal_expires(world):
    """At its last microsecond it is good, a microsecond later it is not, and is listed no more."""
    first, second = await propose(world), await propose(world, name="other")
    world.clock.us = first.expires_at - 1
    await decide(world, first)
    world.clock.us = second.expires_at
    await unchanged(world, Conflict, "proposal_expired", decide(world, second))
    assert await listing(world.admin(), world.control) == []
    assert first.expires_at == START + LASTS
    assert LASTS == 7 * 86_400_000_000


async def test_of_two_approvers_at_once_one_is_told(world):
    """One carries it out; the other hears that it has ended, and there is one register more."""
    await add_administrator("admin3", "Third", world.admin("acme", "operator"), world.control)
    open_ = await propose(world)
    before = (await register(world)).version
    third = world.admin("acme", "admin3", person="Third")
    there = replace(world.control, registers=world.another_worker())
    world.store.rivals.append(lambda: approve(open_.name, open_.proposal.sha256, third, there))
    with pytest.raises(Conflict) as caught:
        await decide(world, open_)
    assert caught.value.code == "proposal_ended"
    assert (await register(world)).version == before + 1


async def test_an_approval_and_a_rejection_at_once_are_one_of_both(world):
    """A rejection that comes in between wins: nothing is granted."""
    open_ = await propose(world)
    world.store.rivals.append(lambda: decide(world, open_, by=world.admin(), verb=reject))
    await unchanged(world, Conflict, "proposal_ended", decide(world, open_))


async def test_many_decisions_at_once_have_one_outcome(world):
    """Of eight approvals and rejections at the same moment one holds."""
    open_ = await propose(world)
    tries = [decide(world, open_, verb=verb) for verb in (approve, reject) * 4]
    found = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(not isinstance(one, Exception) for one in found) == 1
    assert all(isinstance(one, Conflict) for one in found if isinstance(one, Exception))
    assert len(world.store.ends) == 1


async def test_a_change_that_was_overtaken_is_refused(world):
    """The credential was changed after the proposal: what was read is not what would come of it."""
    await world.credential("pay", "inspect")
    open_ = (await grant("acme.pay", PAYS, world.admin(), world.control)).open
    await grant("acme.pay", ["erase"], world.admin(), world.control)
    await unchanged(world, Conflict, "proposal_overtaken", decide(world, open_))
    taken = await propose(world, name="desk")
    await world.credential("desk", "inspect")
    await unchanged(world, Conflict, "credential_exists", decide(world, taken))
    gone = (await grant("acme.desk", PAYS, world.admin(), world.control)).open
    await revoke("acme.desk", world.admin(), world.control)
    await unchanged(world, Conflict, "proposal_overtaken", decide(world, gone))


async def test_the_one_who_gains_does_not_approve(world):
    """A credential does not change its own grants as a second person, either."""
    await add_administrator("admin3", "Third", world.admin("acme", "operator"), world.control)
    waiting = await grant("acme.admin2", PAYS, world.admin(), world.control)
    assert waiting.approvers == ["acme.admin3"]
    await unchanged(world, Forbidden, "own_grants", decide(world, waiting.open))
    await unchanged(world, Forbidden, "own_grants", grant("acme.admin", PAYS, world.admin(), world.control))


async def test_a_new_secret_takes_two_as_the_grants_did(world):
    """Whoever could rotate another's credential alone would have all of its rights."""
    await world.credential("pay", *PAYS)
    for name in ("acme.pay", "acme.admin2"):
        waiting = await rotate(name, world.admin(), world.control)
        assert isinstance(waiting, Waiting)
        assert waiting.open.proposal.action == "rotate"
    key = await rotate("acme.pay", world.admin(), world.control, public_key=bytes(32))
    assert isinstance(key, Waiting)
    before = (await register(world)).find("acme.pay")
    done = await decide(world, key.open)
    assert done.issued.secret is None
    assert done.issued.entry == replace(before, secret_sha256=None, public_key=bytes(32))
    assert isinstance(await rotate("acme.admin2", world.second(), world.control), Issued)


async def test_one_administrator_is_refused_what_takes_two(world):
    """Where nobody could approve, that is said at once; everything else goes on."""
    await revoke("acme.admin2", world.admin(), world.control)
    lonely = create(NewCredential("pay", "Ravi", PAYS), world.admin(), world.control)
    await unchanged(world, Conflict, "no_second_person", lonely)
    await world.credential("desk", "inspect")
    await unchanged(world, Conflict, "no_second_person", apply_policy(WIDE, world.admin(), world.control))


async def test_what_would_be_refused_is_not_proposed(world):
    """A proposal that no approval could carry out is refused when it is made."""
    bad = {
        "bad_credential": NewCredential("pay", " Ravi", PAYS),
        "bad_grant": NewCredential("pay", "Ravi", ["detokenize:payment@gold"]),
    }
    for code, new in bad.items():
        await unchanged(world, BadRequest, code, create(new, world.admin(), world.control))
    both = NewCredential("pay", "Ravi", ["cases", "release"])
    await unchanged(world, BadRequest, "bad_credential", create(both, world.admin(), world.control))
    late = NewCredential("pay", "Ravi", PAYS, expires_at=world.clock.us)
    await unchanged(world, BadRequest, "bad_credential", create(late, world.admin(), world.control))
    assert world.store.proposals == {}


async def test_outages_neither_propose_nor_approve(world):
    """Without key server or database nothing is half done, and the proposal still waits."""
    open_ = await propose(world)
    assert len(await listing(world.second(), world.control)) == 1  # the keys that verify are at hand
    world.ring.down = Sealed()
    await unchanged(world, Unavailable, "transit_sealed", decide(world, open_))
    world.ring.down = None
    world.store.down = OutcomeUnknown()
    with pytest.raises(Unavailable):
        await decide(world, open_)
    world.store.down = None
    assert world.store.ends == {}
    await decide(world, open_)


async def test_proposals_of_another_tenant_are_not_there(world):
    """An administrator elsewhere finds nothing to approve."""
    await world.found("other")
    open_ = await propose(world)
    there = world.second("other")
    await unchanged(world, NotFound, "proposal_not_found", decide(world, open_, by=there))
    assert await listing(there, world.control) == []
    for name in ("", "prp_", "prp_x", "evt_" + open_.name[4:], open_.name + "0"):
        ask = approve(name, open_.proposal.sha256, world.second(), world.control)
        await unchanged(world, NotFound, "proposal_not_found", ask)


async def test_a_policy_that_widens_takes_two(world):
    """It waits with what it changes; one that narrows is in force at once."""
    waiting = await apply_policy(WIDE, world.admin(), world.control, base=POLICY.hash)
    assert [str(one) for one in waiting.changes] == ["searchable pan: no → yes (widens)"]
    assert (await register(world)).policy_hash == POLICY.hash
    done = await decide(world, waiting.open)
    assert (await register(world)).policy_hash == done.policy_hash != POLICY.hash
    assert world.store.events()[-1]["verb"] == "policy"
    await apply_policy(TEXT, world.admin(), world.control)
    assert (await register(world)).policy_hash == POLICY.hash


async def test_a_policy_is_approved_against_the_one_it_was_compared_with(world):
    """Another policy put in force meanwhile ends the comparison, and with it the proposal."""
    waiting = await apply_policy(WIDE, world.admin(), world.control)
    narrow = TEXT.replace('contact = "plain"', 'contact = "masked"')
    assert narrow != TEXT
    await apply_policy(narrow, world.admin(), world.control)
    await unchanged(world, Conflict, "proposal_overtaken", decide(world, waiting.open))


async def test_approving_a_policy_takes_the_grant_for_it(world):
    """Who manages credentials but no policy does not decide over one."""
    waiting = await apply_policy(WIDE, world.admin(), world.control)
    await ungrant("acme.admin2", ["policy"], world.admin(), world.control)
    await unchanged(world, Forbidden, "no_grant", decide(world, waiting.open))


@pytest.mark.parametrize("basis", ["contract", "legitimate_interests"])
async def test_a_purpose_put_on_a_basis_nobody_can_withdraw_takes_two(world, basis):
    """Else one person could go on with what people withdrew their consent to; the way back is one's."""
    consent = 'basis = "consent"'
    changed = TEXT.replace(consent, f'basis = "{basis}"', 1)
    assert changed != TEXT
    waiting = await apply_policy(changed, world.admin(), world.control)
    assert isinstance(waiting, Waiting)
    await decide(world, waiting.open)
    back = await apply_policy(TEXT, world.admin(), world.control)
    assert [one.effect for one in back.changes] == ["narrows"]
