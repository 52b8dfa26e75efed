"""What the service relies on in a key server, claimed once and shown on the fake and on real OpenBao."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
import pytest_asyncio
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from keys.devserver import RunningServer
from keys.errors import Busy, KeysError, Misconfigured, Retired, Tampered
from keys.provision import provision_tenant
from keys.ring import Indexer, Signer, Unwrapper, Verifier, WrappedDek, Wrapper
from tests.fakes.ring import FakeRing
from tests.plugins.bao import Provisioned

LIST = "lst_00000000000000000000000001"


@dataclass(frozen=True, slots=True)
class Ring:
    """The five roles; on the real server each is another identity."""

    wrapper: Wrapper
    unwrapper: Unwrapper
    indexer: Indexer
    signer: Signer
    verifier: Verifier
    retire: Callable[[str], Awaitable[None]]
    """Rotate a tenant's KEK and retire what older versions wrapped."""
    turn: Callable[[str], Awaitable[None]]
    """Rotate an index key."""
    forget: Callable[[str, int], Awaitable[None]]
    """Retire the versions of an index key below one."""


@pytest_asyncio.fixture(params=["fake", "openbao"])
async def ring(request: pytest.FixtureRequest) -> AsyncIterator[Ring]:
    if request.param == "fake":
        yield _fake()
        return
    provisioned: Provisioned = request.getfixturevalue("provisioned")
    bao: RunningServer = request.getfixturevalue("bao")
    for tenant in ("globex", "initech"):
        provision_tenant(bao.admin, tenant, ["pan"])
    ingest, reveal = provisioned.transit("ingest"), provisioned.transit("reveal")

    async def retire(tenant: str) -> None:
        key = f"strongroom/keys/kek-{tenant}"
        bao.admin.post(f"{key}/rotate")
        newest = bao.admin.get(key)["data"]["latest_version"]
        bao.admin.post(f"{key}/config", {"min_decryption_version": newest})

    async def turn(key: str) -> None:
        bao.admin.post(f"strongroom/keys/{key}/rotate")

    async def forget(key: str, below: int) -> None:
        bao.admin.post(f"strongroom/keys/{key}/config", {"min_decryption_version": below})

    yield Ring(ingest, reveal, ingest, ingest, reveal, retire, turn, forget)
    await ingest.aclose()
    await reveal.aclose()


def _fake() -> Ring:
    fake = FakeRing(("acme", "globex", "initech"))

    async def retire(tenant: str) -> None:
        fake.rotate(tenant, retire=True)

    async def turn(key: str) -> None:
        fake.rotate_index(key)

    async def forget(key: str, below: int) -> None:
        fake.retire_index(key, below=below)

    return Ring(fake, fake, fake, fake, fake, retire, turn, forget)


def some_deks(count: int) -> dict[bytes, bytes]:
    return {os.urandom(16): os.urandom(32) for _ in range(count)}


async def test_deks_come_back_in_order(ring: Ring) -> None:
    """Three hundred DEKs, more than one call carries, unwrap to themselves in the order asked."""
    deks = some_deks(300)
    wrapped = await ring.wrapper.wrap("acme", deks)
    assert [one.dek_id for one in wrapped] == list(deks)
    backwards = wrapped[::-1]
    assert await ring.unwrapper.unwrap("acme", backwards, batch=LIST) == list(deks.values())[::-1]


async def test_empty_lists_are_empty(ring: Ring) -> None:
    """A list of nothing is answered with nothing."""
    assert await ring.wrapper.wrap("acme", {}) == []
    assert await ring.unwrapper.unwrap("acme", [], batch=LIST) == []
    assert await ring.indexer.index("bidx-acme-pan", []) == []


async def test_wrapped_form_names_its_version_and_hides_the_dek(ring: Ring) -> None:
    """A wrapped DEK says which KEK version wrapped it, and wrapping the same DEK twice gives two forms."""
    dek_id, dek = os.urandom(16), os.urandom(32)
    first = (await ring.wrapper.wrap("acme", {dek_id: dek}))[0]
    second = (await ring.wrapper.wrap("acme", {dek_id: dek}))[0]
    assert first.kek_version == 1
    assert first.wrapped.startswith("vault:v1:")
    assert first.wrapped != second.wrapped


async def test_moved_dek_is_tampered_and_alone(ring: Ring) -> None:
    """A wrapped DEK under another's id is refused in its own place; its neighbours open."""
    deks = some_deks(3)
    a, b, c = await ring.wrapper.wrap("acme", deks)
    moved = WrappedDek(b.dek_id, a.wrapped)
    opened = await ring.unwrapper.unwrap("acme", [a, moved, c], batch=LIST)
    assert opened[0] == deks[a.dek_id]
    assert isinstance(opened[1], Tampered)
    assert opened[2] == deks[c.dek_id]


async def test_list_of_only_tampered_deks_still_answers_each(ring: Ring) -> None:
    """When no item opens, each still has its own answer, and the call does not raise."""
    a, b = await ring.wrapper.wrap("acme", some_deks(2))
    swapped = [WrappedDek(a.dek_id, b.wrapped), WrappedDek(b.dek_id, a.wrapped)]
    assert [type(one) for one in await ring.unwrapper.unwrap("acme", swapped, batch=LIST)] == [Tampered] * 2


async def test_other_tenant_cannot_unwrap(ring: Ring) -> None:
    """One tenant's wrapped DEK does not open as another's."""
    wrapped = await ring.wrapper.wrap("acme", some_deks(1))
    assert isinstance((await ring.unwrapper.unwrap("globex", wrapped, batch=LIST))[0], Tampered)


@pytest.mark.parametrize(
    "form",
    ["", "vault:v1:", "vault:v1:AAAA", "vault:v1:!!!!", "rubbish", "vault:v0:AAAA", "vault:v99:" + "A" * 80],
)
async def test_malformed_wrapped_dek_is_tampered(ring: Ring, form: str) -> None:
    """Whatever a database row says, it is tampered in its own place, and its neighbour opens."""
    deks = some_deks(1)
    good = await ring.wrapper.wrap("acme", deks)
    opened = await ring.unwrapper.unwrap("acme", [WrappedDek(os.urandom(16), form), *good], batch=LIST)
    assert isinstance(opened[0], Tampered)
    assert opened[1] == next(iter(deks.values()))


async def test_retired_version_is_not_tampering(ring: Ring) -> None:
    """What a retired KEK version wrapped is lost, and says so; what the new one wraps opens."""
    old = await ring.wrapper.wrap("initech", some_deks(1))
    await ring.retire("initech")
    deks = some_deks(1)
    new = await ring.wrapper.wrap("initech", deks)
    opened = await ring.unwrapper.unwrap("initech", [*old, *new], batch=LIST)
    assert isinstance(opened[0], Retired)
    assert opened[1] == next(iter(deks.values()))
    assert new[0].kek_version > old[0].kek_version


async def test_unknown_tenant_raises(ring: Ring) -> None:
    """A tenant without keys gets an error for the whole call, and no key is made for it."""
    with pytest.raises(KeysError):
        await ring.wrapper.wrap("nobody", some_deks(1))
    stranger = WrappedDek(os.urandom(16), "vault:v1:" + "A" * 80)
    with pytest.raises(KeysError):
        await ring.unwrapper.unwrap("nobody", [stranger], batch=LIST)


@pytest.mark.parametrize("name", ["../sys", "a/b", "", "kek acme", "KEK", "a%2fb", "x" * 200])
async def test_name_cannot_walk(ring: Ring, name: str) -> None:
    """A name that is not one plain segment of a path never reaches the key server."""
    with pytest.raises(Misconfigured):
        await ring.indexer.index(name, [b"x"])
    with pytest.raises(Misconfigured):
        await ring.signer.sign(name, b"x")
    with pytest.raises(Misconfigured):
        await ring.verifier.public_keys(name)


async def test_only_deks_are_wrapped(ring: Ring) -> None:
    """Anything but 32 bytes under a 16-byte id is refused before it is sent anywhere."""
    with pytest.raises(Misconfigured):
        await ring.wrapper.wrap("acme", {os.urandom(16): b"short"})
    with pytest.raises(Misconfigured):
        await ring.wrapper.wrap("acme", {b"short": os.urandom(32)})


async def test_index_is_stable_and_separate(ring: Ring) -> None:
    """Equal inputs under one key hash alike, in order; another key or input gives another hash."""
    inputs = [str(n).encode() for n in range(200)]
    first = await ring.indexer.index("bidx-acme-pan", inputs)
    assert {len(one.digest) for one in first} == {32}
    assert len({one.digest for one in first}) == 200
    assert await ring.indexer.index("bidx-acme-pan", inputs[::-1]) == first[::-1]
    assert set(first).isdisjoint(await ring.indexer.index("idem-acme", inputs))
    assert set(first).isdisjoint(await ring.indexer.index("bidx-globex-pan", inputs))


async def test_an_index_is_made_under_the_newest_version_and_found_under_older_ones(ring: Ring) -> None:
    """A hash names its version; an older one can be asked for until it is retired, and never a coming one."""
    key = "bidx-initech-pan"
    [old] = await ring.indexer.index(key, [b"x"])
    await ring.turn(key)
    [new] = await ring.indexer.index(key, [b"x"])
    assert (new.key_version, new.digest == old.digest) == (old.key_version + 1, False)
    assert await ring.indexer.index(key, [b"x"], key_version=old.key_version) == [old]
    with pytest.raises(Busy):
        await ring.indexer.index(key, [b"x"], key_version=new.key_version + 1)
    await ring.forget(key, new.key_version)
    assert await ring.indexer.index(key, [b"x"]) == [new]
    with pytest.raises(Retired):
        await ring.indexer.index(key, [b"x"], key_version=old.key_version)


async def test_signature_verifies_offline(ring: Ring) -> None:
    """A signature verifies with the public key of the version it names, and for no other message."""
    version, signature = await ring.signer.sign("worker-ingest", b"strongroom/test/v1\0message")
    public = Ed25519PublicKey.from_public_bytes((await ring.verifier.public_keys("worker-ingest"))[version])
    public.verify(signature, b"strongroom/test/v1\0message")
    with pytest.raises(InvalidSignature):
        public.verify(signature, b"strongroom/test/v1\0another")


async def test_only_signing_keys_have_public_halves(ring: Ring) -> None:
    """Asking an HMAC key for its public half is an error, not an empty answer."""
    with pytest.raises(Misconfigured):
        await ring.verifier.public_keys("idem-acme")
