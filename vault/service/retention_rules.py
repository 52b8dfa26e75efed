"""The verb that puts other retention rules in force for a tenant: one signed change of its register."""

from vault.errors import BadRequest, Conflict
from vault.model.ask import Caller
from vault.retention.load import check_types, parse_toml
from vault.retention.rules import Retention, RetentionError, to_canonical
from vault.service.amend import Control, Edit, Order, amend, authorise
from vault.service.catalogue import catalogue
from vault.service.registers import Authority


async def apply_retention(
    text: str, caller: Caller, control: Control, *, base: str | None = None
) -> Retention:
    """Sign retention rules and put them in force. `base` is the hash of the rules they were compared with.

    Raises: BadRequest (`bad_retention`), Forbidden, Conflict (`retention_moved`), Unavailable.
    """
    await authorise(Order(caller, "policy", {"action": "retention"}), control)
    fields = catalogue((await control.registers.of(caller.tenant)).policy)
    try:
        rules = parse_toml(text, fields)
    except RetentionError as e:
        raise BadRequest("bad_retention", str(e)) from None

    def build(authority: Authority) -> Edit:
        if base is not None and authority.retention.hash != base:
            raise Conflict("retention_moved", "Other rules are in force than those this was compared with.")
        try:
            check_types(rules, catalogue(authority.policy))
        except RetentionError as e:
            raise BadRequest("bad_retention", str(e)) from None
        return Edit(
            authority.register.with_retention(to_canonical(rules)), {"before": authority.retention.hash}
        )

    detail = {"action": "retention", "after": rules.hash, "profile": rules.profile}
    await amend(Order(caller, "policy", detail), build, control)
    return rules
