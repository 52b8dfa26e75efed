"""All field types a vault knows: the built-in ones and the operator's own."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from vault.fields import contact, identity, payment, tax, usage
from vault.fields.custom import BadDefinition
from vault.fields.rule import CLASSES, FieldType

__all__ = ["BUILT_IN", "CLASSES", "Catalogue", "UnknownType"]

BUILT_IN: Mapping[str, FieldType] = MappingProxyType(
    {kind.name: kind for kind in (*payment.TYPES, *tax.TYPES, *identity.TYPES, *contact.TYPES, *usage.TYPES)}
)
"""As shipped: `card_number` and `aadhaar` are in it, switched off."""


class UnknownType(LookupError):
    """There is no such field type. Does not carry the name asked for, which may be a value."""

    def __init__(self) -> None:
        super().__init__("unknown field type")


class Catalogue:
    """The field types of one policy: built in, plus `custom`, with the legally barred ones of `enabled` on.

    `enabled` names built-in types that this operator may lawfully store (a card issuer; a vault whose KEK
    lives in an HSM).

    Raises: BadDefinition, when two types share a name or `enabled` names a type that is not switched off.
    """

    __slots__ = ("_types",)

    def __init__(self, custom: Iterable[FieldType] = (), *, enabled: Iterable[str] = ()) -> None:
        types = dict(BUILT_IN)
        for name in enabled:
            if name not in types or types[name].disabled is None:
                raise BadDefinition("only a built-in type that is switched off can be enabled")
            types[name] = replace(types[name], disabled=None)
        for kind in custom:
            if kind.name in types:
                raise BadDefinition(f"there already is a field type {kind.name}")
            types[kind.name] = kind
        self._types = types

    def get(self, name: str) -> FieldType:
        """Return the type called `name`. Raises: UnknownType."""
        kind = self._types.get(name)
        if kind is None:
            raise UnknownType
        return kind

    def __contains__(self, name: object) -> bool:
        return name in self._types

    def __iter__(self) -> Iterator[FieldType]:
        return iter(self._types.values())

    def __len__(self) -> int:
        return len(self._types)
