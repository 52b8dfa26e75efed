"""The field types: how each value is normalised, validated and masked. Pure; docs/FIELDS.md."""

from vault.fields.catalogue import BUILT_IN, Catalogue, UnknownType
from vault.fields.custom import BadDefinition, define
from vault.fields.forbidden import forbidden_payload
from vault.fields.rule import CLASSES, RULES, FieldType, InvalidValue, Plain

__all__ = [
    "BUILT_IN",
    "CLASSES",
    "RULES",
    "BadDefinition",
    "Catalogue",
    "FieldType",
    "InvalidValue",
    "Plain",
    "UnknownType",
    "define",
    "forbidden_payload",
]
