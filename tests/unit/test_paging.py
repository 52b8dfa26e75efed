"""What the key server answers that must wake someone, and how often it is said."""

from collections.abc import AsyncIterator, Iterator

import pytest

from keys.errors import KeysError
from keys.methods import AppRole
from keys.nodes import Server
from keys.ring import WrappedDek
from tests.fakes.key_server import Behaviour, FakeKeyServer, answer, reset
from vault.paging import Pager, PagingTransit

DEK = {bytes(16): bytes(32)}
WRAPPED = [WrappedDek(bytes(16), "vault:v1:AAAA")]


def says(status: int, text: str) -> Behaviour:
    return answer(status, {"errors": [text]})


class Office:
    """Who is woken, and a clock that goes when told."""

    def __init__(self) -> None:
        self.woken: list[str] = []
        self.now = 5.0
        self.pager = Pager("reveal", self.wake, lambda: self.now)

    def wake(self, code: str, *, says: str) -> None:
        self.woken.append(f"{code}, {says}")


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.fixture
def server() -> Iterator[FakeKeyServer]:
    fake = FakeKeyServer()
    yield fake
    fake.close()


@pytest.fixture
async def ring(server: FakeKeyServer, office: Office) -> AsyncIterator[PagingTransit]:
    made = PagingTransit(Server(server.addr), AppRole("role", "secret"), office.pager, deadline=0.4)
    yield made
    await made.aclose()


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (says(403, "1 error occurred:\n\t* permission denied\n\n"), "transit_refused, reveal: not permitted"),
        (says(400, "encryption key not found"), "transit_misconfigured, reveal: no such key"),
        (says(400, "soft-deleted key"), "transit_misconfigured, reveal: the key is soft-deleted"),
        (answer(404, {"errors": []}), "transit_misconfigured, reveal: no such path, mount or key"),
        (answer(200, b"<html>"), "transit_misconfigured, reveal: answer not in the expected shape"),
        (says(500, "internal error"), "transit_internal_error, reveal: internal error"),
    ],
)  # fmt: skip
async def test_what_no_retry_puts_right_wakes_someone_once(
    ring: PagingTransit, server: FakeKeyServer, office: Office, behaviour: Behaviour, said: str
):
    """Policy, key, mount, shape, an audit device that cannot write: one alarm, whichever verb meets it."""
    server.behaviour = behaviour
    calls = (
        lambda: ring.wrap("acme", DEK), lambda: ring.unwrap("acme", WRAPPED, batch="lst"),
        lambda: ring.rewrap("acme", WRAPPED, at_least=1), lambda: ring.index("idem-acme", [b"x"]),
        lambda: ring.sign("authority", b"x"), lambda: ring.public_keys("authority"),
        ring.probe, lambda: ring.probe("acme"), lambda: ring.probe("acme", WRAPPED[0]),
    )  # fmt: skip
    for number, call in enumerate(calls[:2] if "internal" in said else calls):
        office.now += 61
        with pytest.raises(KeysError):
            await call()
        assert office.woken == [said] * (number + 1)


async def test_it_is_said_once_a_minute(ring: PagingTransit, server: FakeKeyServer, office: Office):
    """A hundred refused requests are one alarm; what still lasts after a minute is said again."""
    server.behaviour = says(403, "permission denied")
    for now, alarms in ((10.0, 1), (69.0, 1), (71.0, 2)):
        office.now = now
        for _ in range(30):
            with pytest.raises(KeysError):
                await ring.unwrap("acme", WRAPPED, batch="lst")
        assert len(office.woken) == alarms


async def test_a_login_that_is_refused_wakes_someone(
    ring: PagingTransit, server: FakeKeyServer, office: Office
):
    """A role that was revoked is an alarm of its own."""
    server.login = says(400, "invalid role or secret ID")
    with pytest.raises(KeysError):
        await ring.probe()
    assert [one.partition(",")[0] for one in office.woken] == ["transit_login_failed"]


async def test_an_item_that_cannot_be_opened_for_such_a_reason_is_heard(
    ring: PagingTransit, server: FakeKeyServer, office: Office
):
    """A failure that comes as an item's own, among others that are fine, counts as well."""
    server.behaviour = answer(200, {"data": {"batch_results": [{"error": "encryption key not found"}]}})
    assert isinstance((await ring.unwrap("acme", WRAPPED, batch="lst"))[0], KeysError)
    assert office.woken == ["transit_misconfigured, reveal: no such key"]


@pytest.mark.parametrize("behaviour", [says(503, "Vault is sealed"), says(429, "quota"), reset])
async def test_what_passes_by_itself_wakes_nobody(
    ring: PagingTransit, server: FakeKeyServer, office: Office, behaviour: Behaviour
):
    """Sealed, a quota, nobody there: readiness says so, and no alarm."""
    server.behaviour = behaviour
    with pytest.raises(KeysError):
        await ring.wrap("acme", DEK)
    assert office.woken == []


async def test_asking_whether_there_is_a_key_wakes_nobody(
    ring: PagingTransit, server: FakeKeyServer, office: Office
):
    """Control looks for an index key before it lets a type be searchable: none is an answer."""
    server.behaviour = answer(404, {"errors": []})
    with pytest.raises(KeysError):
        await ring.key_settings("bidx-acme-pan")
    assert office.woken == []
