"""One real OpenBao for the whole run, provisioned: an identity for every plane and the keys of one tenant."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from keys.devserver import DevServer, RunningServer
from keys.logins import issue_identity
from keys.methods import Identity
from keys.nodes import Server
from keys.plan import Plan
from keys.policies import IDENTITIES
from keys.provision import provision, provision_tenant
from keys.transit import Transit

TENANT = "acme"


@dataclass(frozen=True, slots=True)
class Provisioned:
    """What provisioning left behind."""

    server: Server
    identities: dict[str, Identity]
    tenant: str

    def transit(self, plane: str, **options: float) -> Transit:
        """A ring under a plane's identity; the caller closes it."""
        return Transit(self.server, self.identities[plane], **options)


@pytest.fixture(scope="session")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server shared by all tests that leave it as they found it."""
    with DevServer(tmp_path_factory.mktemp("bao")).start() as running:
        yield running


def set_up(running: RunningServer) -> Provisioned:
    """Provision a server for all planes and the tenant."""
    plan = Plan(secret_id_ttl=0)
    provision(running.admin, plan)
    provision_tenant(running.admin, TENANT, ["pan", "email"])
    identities = {name: issue_identity(running.admin, name, plan) for name in IDENTITIES}
    return Provisioned(running.server, identities, TENANT)


@pytest.fixture(scope="session")
def provisioned(bao: RunningServer) -> Provisioned:
    """The shared server, provisioned."""
    return set_up(bao)


@pytest_asyncio.fixture
async def ring(provisioned: Provisioned) -> AsyncIterator[dict[str, Transit]]:
    """One ring per plane, by name."""
    rings = {name: provisioned.transit(name) for name in provisioned.identities}
    yield rings
    for one in rings.values():
        await one.aclose()
