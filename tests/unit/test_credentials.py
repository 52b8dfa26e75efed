"""Claims about changing credentials and policy."""

from dataclasses import replace

import pytest

from keys.errors import Sealed
from tests.fakes.authority import POLICY, START, World
from vault.errors import BadRequest, Conflict, Forbidden, NotFound, OutcomeUnknown, Unavailable
from vault.policy.load import DEFAULT
from vault.service.credentials import NewCredential, create, grant, listing, revoke, rotate, ungrant
from vault.service.tenants import apply_policy, found

TEXT = DEFAULT.read_text()
NARROW = TEXT.replace('identity = "plain", contact = "plain"', 'identity = "masked"')


@pytest.fixture
async def world():
    world = World()
    await world.found()
    yield world
    world.hasher.close()


async def version(world):
    world.registers.expire()
    return (await world.registers.of("acme")).register.version


async def unchanged(world, kind, code, action):
    """The action is refused with this code and leaves the register as it was."""
    before = await version(world)
    with pytest.raises(kind) as caught:
        await action
    assert caught.value.code == code
    assert await version(world) == before


async def test_the_secret_is_kept_only_as_argon2id(world):
    """What the database holds is the decided Argon2id string, tied to the signed register by its hash."""
    issued = await world.credential("pay", "detokenize:payment")
    secret = issued.secret.reveal()
    assert secret.startswith("srs_")
    assert len(secret) == 56
    stored = world.store.secrets["acme", "acme.pay", issued.entry.secret_sha256]
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    everything = repr([world.store.registers, world.store.secrets, world.store.written, issued])
    assert secret not in everything


async def test_each_change_is_one_version_and_one_event(world):
    """Register and event are committed together, and the event says what was changed."""
    await world.credential("pay", "erase@payment")
    await grant("acme.pay", ["inspect"], world.admin(), world.control)
    await ungrant("acme.pay", ["inspect"], world.admin(), world.control)
    await rotate("acme.pay", world.admin(), world.control)
    await revoke("acme.pay", world.admin(), world.control)
    told = [(e["action"], e["register"], e.get("grants")) for e in world.store.events()]
    assert told == [
        ("found", 1, None),
        ("create", 2, "erase@payment"),
        ("grant", 3, "inspect"),
        ("ungrant", 4, "inspect"),
        ("rotate", 5, None),
        ("revoke", 6, None),
    ]
    assert await version(world) == 6


async def test_without_the_grant_nothing_changes_and_the_refusal_is_on_record(world):
    """A credential without `credentials` can neither list nor change; each attempt is an event."""
    stranger = world.admin("acme", "pay", "detokenize:payment")
    new = NewCredential("x", "Ravi", ["inspect"])
    await unchanged(world, Forbidden, "no_grant", create(new, stranger, world.control))
    await unchanged(world, Forbidden, "no_grant", revoke("acme.admin", stranger, world.control))
    await unchanged(world, Forbidden, "no_grant", listing(stranger, world.control))
    await unchanged(world, Forbidden, "no_grant", apply_policy(TEXT, stranger, world.control))
    await unchanged(world, Forbidden, "no_grant", apply_policy("no policy", stranger, world.control))
    assert [(e["decision"], e["reason"]) for e in world.store.events()[1:]] == [("deny", "no_grant")] * 5


async def test_nobody_changes_his_own_grants(world):
    """An administrator who reaches for more is refused, on record."""
    me = world.admin()
    reach = grant("acme.admin", ["detokenize:payment"], me, world.control)
    await unchanged(world, Forbidden, "own_grants", reach)
    drop = ungrant("acme.admin", ["policy"], me, world.control)
    await unchanged(world, Forbidden, "own_grants", drop)
    assert [e["reason"] for e in world.store.events()[1:]] == ["own_grants", "own_grants"]


async def test_a_name_is_never_used_again(world):
    """Not even after the credential was revoked."""
    await world.credential("pay", "inspect")
    await unchanged(world, Conflict, "credential_exists", world.credential("pay", "inspect"))
    await revoke("acme.pay", world.admin(), world.control)
    await unchanged(world, Conflict, "credential_exists", world.credential("pay", "inspect"))


async def test_revoked_stays_revoked(world):
    """Neither a grant nor a new secret brings a credential back."""
    await world.credential("pay", "inspect")
    await revoke("acme.pay", world.admin(), world.control)
    for action in (grant("acme.pay", ["erase"], world.admin(), world.control),
                   rotate("acme.pay", world.admin(), world.control)):  # fmt: skip
        await unchanged(world, Conflict, "credential_revoked", action)


async def test_a_tenant_keeps_an_administrator(world):
    """One of two credentials that can manage credentials can be revoked; the last one cannot."""
    await revoke("acme.admin", world.second(), world.control)
    last = revoke("acme.admin2", world.second(), world.control)
    await unchanged(world, Conflict, "last_administrator", last)


@pytest.mark.parametrize("text", ["everything", "detokenize", "detokenize:gambling", "tokenize:payment"])
async def test_what_is_no_grant_is_refused(world, text):
    """Unknown verbs, and purposes that the policy does not name, are refused at once."""
    await unchanged(world, BadRequest, "bad_grant", world.credential("pay", text))


async def test_tokenize_and_opening_do_not_meet_by_a_second_grant(world):
    """A sign-up credential cannot be widened into one that opens values."""
    await world.credential("signup", "tokenize")
    both = grant("acme.signup", ["detokenize:payment"], world.admin(), world.control)
    await unchanged(world, BadRequest, "bad_credential", both)


@pytest.mark.parametrize("name", ["", "Pay", "a.b", "x" * 33, "9876543210", "abcde1234f"])
async def test_a_name_is_plain_and_resembles_no_number(world, name):
    """Names go into a log that cannot be edited."""
    await unchanged(world, BadRequest, "bad_credential", world.credential(name, "inspect"))
    assert all(name not in str(e) for e in world.store.events() if name)


async def test_an_expiry_in_the_past_is_refused(world):
    """A credential that could never be used is a mistake."""
    late = world.credential("pay", "inspect", expires_at=START)
    await unchanged(world, BadRequest, "bad_credential", late)


async def test_another_tenants_credential_is_not_found(world):
    """An administrator reaches his own tenant only, and the log repeats no foreign name."""
    await world.found("other")
    await unchanged(
        world, NotFound, "credential_not_found", revoke("other.admin", world.admin(), world.control)
    )


async def test_of_two_changes_at_once_both_are_kept(world):
    """The slower one is built again on top of the faster one; nothing is lost."""
    world.store.rivals.append(lambda: world.credential("rival", "inspect"))
    await world.credential("pay", "inspect")
    entries = await listing(world.admin(), world.control)
    assert [entry.id for entry in entries] == ["acme.admin", "acme.admin2", "acme.pay", "acme.rival"]


async def test_a_change_on_another_worker_is_built_upon(world):
    """What another worker has just committed, unseen by this one, is neither lost nor a conflict."""
    await version(world)
    there = replace(world.control, registers=world.another_worker())
    await create(NewCredential("there", "Ravi", ["inspect"]), world.admin(), there)
    await world.credential("here", "inspect")
    entries = await listing(world.admin(), world.control)
    assert [entry.id for entry in entries] == ["acme.admin", "acme.admin2", "acme.here", "acme.there"]


async def test_a_grant_cannot_race_a_revocation(world):
    """A revocation that comes in between wins: the grant sees it and is refused."""
    await world.credential("pay", "inspect")
    world.store.rivals.append(lambda: revoke("acme.pay", world.admin(), world.control))
    with pytest.raises(Conflict) as caught:
        await grant("acme.pay", ["erase"], world.admin(), world.control)
    assert caught.value.code == "credential_revoked"


async def test_always_losing_the_race_is_a_conflict(world):
    """After three tries the caller is told, and nothing was done."""
    world.store.rivals.extend([lambda n=n: world.credential(f"rival{n}", "inspect") for n in range(1)])

    async def rival():
        world.store.rivals.appendleft(rival)
        name = f"other{len(world.store.registers)}"
        mine, world.store.rivals = world.store.rivals, type(world.store.rivals)()
        await world.credential(name, "inspect")
        world.store.rivals = mine

    world.store.rivals.clear()
    world.store.rivals.append(rival)
    with pytest.raises(Conflict) as caught:
        await world.credential("pay", "inspect")
    assert caught.value.code == "authority_moved"
    world.store.rivals.clear()
    assert "acme.pay" not in {entry.id for entry in await listing(world.admin(), world.control)}


async def test_outages_change_nothing(world):
    """Without the key server or the database there is no new version."""
    await version(world)
    world.ring.down = Sealed()
    await unchanged(world, Unavailable, "transit_sealed", world.credential("pay", "inspect"))
    world.ring.down = None
    world.store.down = OutcomeUnknown()
    with pytest.raises(Unavailable):
        await world.credential("pay", "inspect")


async def test_a_tenant_is_founded_once(world):
    """Its first two credentials are two persons'; they manage rights and can open nothing."""
    entries = (await world.registers.of("acme")).entries
    assert [entry.person for entry in entries.values()] == ["Asha", "Zoya"]
    assert [[str(g) for g in entry.grants] for entry in entries.values()] == [["credentials", "policy"]] * 2
    with pytest.raises(Conflict) as caught:
        await world.found("acme")
    assert caught.value.code == "tenant_exists"
    for tenant in ("", "Acme", "a.b", "x" * 33):
        with pytest.raises(BadRequest):
            await found(
                tenant, persons=("Asha", "Zoya"), policy=POLICY, operator=world.admin(),
                control=world.control,
            )  # fmt: skip


@pytest.mark.parametrize("second", ["Asha", "asha", "ASHA"])
async def test_a_tenant_is_not_founded_by_one_person_twice(world, second):
    """However the name is spelled the second time."""
    with pytest.raises(BadRequest) as caught:
        await found(
            "other", persons=("Asha", second), policy=POLICY, operator=world.admin(), control=world.control
        )
    assert caught.value.code == "same_person"


async def test_a_policy_in_force_is_the_signed_one(world):
    """Applying says what changed, puts it in force for every worker, and is an event with both hashes."""
    applied = await apply_policy(NARROW, world.admin(), world.control, base=POLICY.hash)
    assert {str(c) for c in applied.changes} == {
        "payment opens contact: plain → none (narrows)",
        "payment opens identity: plain → masked (narrows)",
    }
    world.clock.tick(0.5)
    assert (await world.another_worker().policy("acme")).hash == applied.policy.hash
    event = world.store.events()[-1]
    assert (event["verb"], event["action"]) == ("policy", "apply")
    assert (event["before"], event["after"]) == (POLICY.hash, applied.policy.hash)


async def test_a_policy_reviewed_against_another_one_is_refused(world):
    """What the operator saw as the difference must be the difference."""
    await unchanged(
        world, Conflict, "policy_moved", apply_policy(NARROW, world.admin(), world.control, base="0" * 64)
    )


async def test_a_bad_policy_is_refused(world):
    """Money data for marketing does not get in through `apply`, either."""
    bad = TEXT.replace('basis = "consent"', 'opens = { payment = "masked" }\nbasis = "consent"', 1)
    await unchanged(world, BadRequest, "bad_policy", apply_policy(bad, world.admin(), world.control))


CUSTOM = """
[types.loyalty_no]
title = "Loyalty number"
class = "contact"
pattern = "{pattern}"
mask = "last4"
"""


async def test_a_type_that_could_not_be_served_is_not_put_in_force(world):
    """A pattern that can blow up is refused at `apply`, not at the first sign-up."""
    bad = TEXT + CUSTOM.format(pattern="(a+)+b")
    await unchanged(world, BadRequest, "bad_policy", apply_policy(bad, world.admin(), world.control))
    good = await apply_policy(TEXT + CUSTOM.format(pattern="LY[0-9]{8}"), world.admin(), world.control)
    assert "loyalty_no" in good.policy.types


async def test_a_searchable_type_needs_its_index_key(world):
    """Without the key every sign-up with that type would fail, so the policy is refused and says why."""
    searchable = TEXT.replace("searchable = []", 'searchable = ["cin"]')
    assert searchable != TEXT
    await unchanged(
        world, BadRequest, "index_key_missing", apply_policy(searchable, world.admin(), world.control)
    )
    unknown = TEXT.replace("searchable = []", 'searchable = ["shoe_size"]')
    await unchanged(world, BadRequest, "bad_policy", apply_policy(unknown, world.admin(), world.control))
