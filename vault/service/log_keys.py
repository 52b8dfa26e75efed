"""The log's keys, told in the log itself: at a tenant's founding, and again whenever an operator says so.

A checkpoint cannot say which keys may sign the next one. An event can, and it stands in the tree.
"""

from collections.abc import Mapping

from keys.errors import KeysError
from keys.ring import Verifier
from vault.log.checkpoints import origin_of
from vault.log.event import Draft
from vault.log.notes import NoteKey
from vault.model.ask import Caller
from vault.service.parts import Parts
from vault.service.record import record
from vault.service.refusals import from_keys

VERB = "log_keys"


async def verifier_keys(keys: Verifier, log_name: str, tenant: str) -> Mapping[str, str]:
    """{"log_key_1": the key as C2SP signed notes name it, …}, by version. Raises: Unavailable."""
    try:
        found = await keys.public_keys("log")
    except KeysError as error:
        raise from_keys(error) from None
    origin = origin_of(log_name, tenant)
    return {f"log_key_{version}": NoteKey(origin, raw).text for version, raw in sorted(found.items())}


async def tell(caller: Caller, told: Mapping[str, str], parts: Parts) -> str:
    """Put the keys on record in the caller's tenant; answers the receipt. Raises: Unavailable."""
    policy = (await parts.registers.of(caller.tenant)).policy
    draft = Draft(caller, VERB, "allow", VERB, policy=policy.hash, detail=dict(told))
    signed = await record(caller.tenant, [draft], parts)
    return signed.receipt(signed.events[0])
