"""The Python client against the service as a process of its own, over a socket, on both databases."""

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from strongroom import AsyncStrongroom, Erased, InvalidValue, NotAllowed

from tests.plugins.canary import holders
from tests.plugins.process import Served
from tests.plugins.waiting import until
from tests.plugins.world import BANK, World

pytestmark = pytest.mark.asyncio(loop_scope="module")
BUSY = 20
"""Values sealed, by when callers are in the middle of their work."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(service: World, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """All planes in one process beside the world's own."""
    async with Served(service.environment(), tmp_path_factory.mktemp("served") / "log") as running:
        yield running


def client(service: World, served: Served, who: str, **more: object) -> AsyncStrongroom:
    credential = f"acme.{who}"
    return AsyncStrongroom(served.url, credential, service.secrets[credential], **more)


async def test_the_main_job_by_the_client(service: World, served: Served):
    """Sign-up seals, payments opens, marketing is refused with the reason, the auditor reads all of it."""
    async with client(service, served, "signup") as vault:
        tokens = await vault.tokenize("cust-sdk", {"bank_account": BANK, "person_name": "Asha Rao"})
    token = tokens["bank_account"].token
    async with client(service, served, "payments") as vault, vault.payment(reference="payout-sdk") as payment:
        assert (await payment.open(token)).reveal_parts() == BANK
    async with client(service, served, "marketing") as vault:
        with pytest.raises(NotAllowed) as refusal:
            await vault.detokenize([token], purpose="marketing_display", mode="all")
    assert refusal.value.code == "policy_denied"
    async with client(service, served, "auditor") as vault:
        told = [event async for event in vault.events(token=token, order="oldest")]
    assert [(event.verb, event.credential, event.decision) for event in told] == [
        ("tokenize", "acme.signup", "allow"),
        ("detokenize", "acme.payments", "allow"),
        ("detokenize", "acme.marketing", "deny"),
    ]


async def test_refusals_arrive_as_the_clients_own_errors(service: World, served: Served):
    """A bad value names its rule and not itself; what was erased raises Erased."""
    async with client(service, served, "signup") as vault:
        with pytest.raises(InvalidValue) as wrong:
            await vault.tokenize("cust-sdk", {"pan": "ABCDE1234"})
        assert "ABCDE1234" not in str(wrong.value)
        token = (await vault.tokenize("cust-sdk", {"email": "asha@example.com"}))["email"].token
    async with client(service, served, "office") as vault:
        await vault.erase([token], reason="case-sdk")
    async with client(service, served, "payments") as vault, vault.payment(reference="payout-sdk") as payment:
        with pytest.raises(Erased):
            await payment.open(token)


async def test_a_killed_process_loses_nothing_it_answered(service: World, served: Served):
    """The service is killed under load; the client retries by itself, and every token it got still opens."""
    sealed: dict[str, str] = {}
    going = True

    async def sign_up(vault: AsyncStrongroom) -> None:
        while going:
            value = service.canary()
            answer = await vault.tokenize("cust-crash", {"person_name": value})
            sealed[answer["person_name"].token] = value

    async with client(service, served, "signup", attempts=12, deadline=60) as vault:
        callers = [asyncio.create_task(sign_up(vault)) for _ in range(6)]
        await until(lambda: len(sealed) >= BUSY)
        served.end(signal.SIGKILL)
        await served.start()
        started = len(sealed)
        await until(lambda: len(sealed) >= started + BUSY)
        going = False
        await asyncio.gather(*callers)
    service.journal.values |= sealed
    await service.recheck()
    assert holders([service.marker, BANK["number"]], [served.log]) == []
