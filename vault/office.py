"""The office plane, built: what ends the life of records, and keeps what people and the office decide."""

from functools import partial

from vault.api.office import OfficeApi
from vault.api.people import PeopleApi
from vault.plane import Base, Running, keystore_of, more
from vault.service.erase import erase, keep_resuming, resume
from vault.service.gather import Gather
from vault.service.parts import Office
from vault.service.rights import with_rights_of_now
from vault.settings import Settings
from vault.store.ledger import Ledger

RESUME_SECONDS = 30.0


def build_office(plane: Base, settings: Settings) -> Running:
    """The office plane, not yet started."""
    keystore = keystore_of(plane, settings)
    parts: Office = more(Office, plane.parts, keystore=keystore, ledger=Ledger(plane.data))
    erasing = Gather("erase", partial(with_rights_of_now, erase, parts))
    api = OfficeApi(plane.authenticator, erasing)
    people = PeopleApi(plane.authenticator, parts)

    async def start() -> None:
        await plane.start()
        for tenant in await parts.registers.tenants():
            await resume(tenant, parts)
        plane.run_beside(keep_resuming(parts, pause=RESUME_SECONDS))

    async def stop() -> None:
        await erasing.drain()
        await keystore.close()
        await plane.stop()

    return Running(plane, {"office": api, "people": people}, start, stop, plane.ready)
