"""Whether a policy could be served, looked at before it is put in force."""

from keys.errors import KeysError, Misconfigured
from vault.errors import BadRequest, Unavailable
from vault.fields.custom import BadDefinition
from vault.policy.rules import Policy
from vault.service.amend import Control
from vault.service.catalogue import catalogue


def check_types(policy: Policy) -> None:
    """Whether the policy's own field types can be used and what it makes searchable exists.

    Raises: BadRequest (`bad_policy`).
    """
    try:
        known = catalogue(policy)
    except BadDefinition as e:
        raise BadRequest("bad_policy", f"types: {e}") from None
    for name in sorted(policy.searchable):
        if name not in known:
            raise BadRequest("bad_policy", f"searchable: there is no field type {name}")


async def check_usable(policy: Policy, tenant: str, control: Control) -> None:
    """A policy that could not be served is not put in force. Raises: BadRequest, Unavailable."""
    check_types(policy)
    for name in sorted(policy.searchable):
        try:
            await control.index_keys.key_settings(f"bidx-{tenant}-{name}")
        except Misconfigured:
            told = f"searchable {name}: its index key is missing; `strongroom tenants keys {tenant}` makes it"
            raise BadRequest("index_key_missing", told) from None
        except KeysError as e:
            raise Unavailable(e.code, retry_after=1) from None
