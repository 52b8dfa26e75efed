"""The office plane, built: what ends the life of records, and keeps what people and the office decide."""

from functools import partial

from keys.pool import Pool
from vault.api.cases import CasesApi
from vault.api.correcting import CorrectingApi
from vault.api.holds import HoldsApi
from vault.api.honey import HoneyApi
from vault.api.keeping import KeepingApi
from vault.api.office import OfficeApi
from vault.api.operation import Endpoints
from vault.api.people import PeopleApi
from vault.api.recipients import RecipientsApi
from vault.api.subjects import SubjectsApi
from vault.plane import Base, Running, honey_of, keystore_of, more, provenance_of
from vault.service.cases import finish, keep_finishing
from vault.service.erase import erase, keep_resuming, resume
from vault.service.gather import Gather
from vault.service.parts import Office
from vault.service.rights import with_rights_of_now
from vault.settings import Settings
from vault.store.ledger import Ledger

RESUME_SECONDS = 30.0
CORRECTIONS = 16
"""DEKs kept ready for corrected values."""


def build_office(plane: Base, settings: Settings) -> Running:
    """The office plane, not yet started."""
    keystore = keystore_of(plane, settings)
    common = plane.parts
    pool = Pool(plane.transit, keystore, now=common.now, random=common.random, size=CORRECTIONS)
    parts: Office = more(
        Office,
        common,
        keystore=keystore,
        ledger=Ledger(plane.data),
        pool=pool,
        indexer=plane.transit,
        provenance=provenance_of(plane, "office"),
        signer=plane.transit,
        honey=honey_of(plane),
        log_name=settings.log_name,
        backup_days=settings.backup_days,
    )
    erasing = Gather("erase", partial(with_rights_of_now, erase, parts))
    endpoints = _endpoints(plane, parts) | {"office": OfficeApi(plane.authenticator, erasing)}

    async def start() -> None:
        await plane.start()
        for tenant in await parts.registers.tenants():
            await resume(tenant, parts)
            await finish(tenant, parts)
        plane.run_beside(keep_resuming(parts, pause=RESUME_SECONDS))
        plane.run_beside(keep_finishing(parts, pause=RESUME_SECONDS))

    async def stop() -> None:
        await erasing.drain()
        await pool.close()
        await keystore.close()
        await plane.stop()

    return Running(plane, endpoints, start, stop, plane.ready)


def _endpoints(plane: Base, parts: Office) -> Endpoints:
    """What answers people's requests one by one."""
    kinds = {
        "people": PeopleApi,
        "keeping": KeepingApi,
        "cases": CasesApi,
        "correcting": CorrectingApi,
        "recipients": RecipientsApi,
        "honey": HoneyApi,
        "holds": HoldsApi,
        "subjects": SubjectsApi,
    }
    return {name: kind(plane.authenticator, parts) for name, kind in kinds.items()}
