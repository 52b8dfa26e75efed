"""The field types that a policy knows: those built in, and the operator's own."""

from vault.fields.catalogue import Catalogue
from vault.fields.custom import define
from vault.policy.rules import Policy

UNKNOWN_CLASS = "unknown"
"""The class of a type that does not exist: no grant and no policy names it."""

_BY_HASH: dict[str, Catalogue] = {}
_KEPT = 256


def catalogue(policy: Policy) -> Catalogue:
    """The catalogue of a policy. Raises: BadDefinition when a type of the operator's is unusable."""
    found = _BY_HASH.get(policy.hash)
    if found is None:
        found = Catalogue(
            define(
                name=custom.name,
                field_class=custom.field_class,
                pattern=custom.pattern,
                mask_form=custom.mask,
                title=custom.title,
            )
            for custom in policy.types.values()
        )
        if len(_BY_HASH) >= _KEPT:
            _BY_HASH.clear()
        _BY_HASH[policy.hash] = found
    return found


def class_of(fields: Catalogue, field_type: str) -> str:
    """The class of a type, or UNKNOWN_CLASS."""
    return fields.get(field_type).field_class if field_type in fields else UNKNOWN_CLASS
