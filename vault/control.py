"""The control plane, built: what issues access tokens and changes authority."""

import time

from keys.policies import worker_key
from vault.alarms import raise_alarm
from vault.api.control import ControlApi
from vault.api.freezes import FreezesApi
from vault.api.proposals import ProposalsApi
from vault.api.rules import RulesApi
from vault.plane import Base, Running
from vault.service import tokens
from vault.service.amend import Control
from vault.service.authority_keys import PublicKeys
from vault.service.client_secrets import SecretVerifier
from vault.service.limiter import Limiter
from vault.service.proposed import Proposed
from vault.service.provenance import Provenance
from vault.service.verified_lists import ListVerifier
from vault.settings import Settings
from vault.store.freezes import Freezes
from vault.store.proposals import Proposals, RecentLists


def build_control_plane(plane: Base, settings: Settings) -> Running:
    """The control plane, not yet started."""
    verifier = SecretVerifier(random=plane.parts.random)
    desk, control = build_control(plane, settings, verifier)
    api = ControlApi(plane.authenticator, desk, control)

    async def start() -> None:
        """Once its identity is proved, vouch for the registers: the other planes wait for that."""
        await plane.start()
        await plane.announcer.announce()
        plane.run_beside(plane.announcer.keep_announcing())

    async def stop() -> None:
        verifier.close()
        await plane.stop()

    apis = {
        "control": api,
        "proposals": ProposalsApi(plane.authenticator, control),
        "freezes": FreezesApi(plane.authenticator, control),
        "rules": RulesApi(plane.authenticator, control),
    }
    return Running(plane, apis, start, stop, plane.ready)


def build_control(plane: Base, settings: Settings, verifier: SecretVerifier) -> tuple[tokens.Desk, Control]:
    """What the control plane works with: to issue access tokens, and to change authority."""
    parts, clock = plane.parts, time.monotonic
    desk = tokens.Desk(
        registers=parts.registers,
        secrets=plane.authority,
        verifier=verifier,
        signer=plane.transit,
        keys=plane.public_keys,
        failed=plane.failed,
        alarm=raise_alarm,
        per_address=Limiter(tokens.PER_ADDRESS, clock=clock),
        per_client=Limiter(tokens.PER_CLIENT, clock=clock),
        issuer=settings.issuer,
        audiences=(settings.issuer, settings.public_url.rstrip("/") + "/oauth2/token"),
        now=parts.now,
        random=parts.random,
    )
    control = Control(
        registers=parts.registers,
        store=parts.store,
        signer=plane.transit,
        index_keys=plane.transit,
        hasher=verifier,
        log=parts.log,
        proposed=_proposed(plane),
        freezes=Freezes(plane.data),
        announce=plane.announcer.announce,
        now=parts.now,
        random=parts.random,
    )
    return desk, control


def _proposed(plane: Base) -> Proposed:
    """Proposals count by what control's own workers signed, and nobody else's."""
    lists = RecentLists(plane.data)
    own = PublicKeys(plane.transit, worker_key("control"), clock=time.monotonic)
    provenance = Provenance(lists, ListVerifier(lists, {"control": own}))
    return Proposed(Proposals(plane.data), provenance, alarm=raise_alarm)
