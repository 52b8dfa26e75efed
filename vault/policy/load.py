"""Reads a policy: from `policy.toml` as an operator writes it, or from the canonical JSON that was signed.

Strict: an unknown key, class or purpose, a missing basis or a wrong type is refused, never guessed.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from vault.fields import BadDefinition, Catalogue, FieldType, define
from vault.model import canonical
from vault.model.ask import Form
from vault.policy.budgets import LIMITS, Budget, Hours, Limits
from vault.policy.rules import AT_HOME, CustomType, Policy, PolicyError, Purpose, Transfers, to_canonical

DEFAULT = Path(__file__).with_name("default.toml")
"""The policy as shipped."""

LARGEST = 65_536
_TOP = {"version", "purposes", "searchable", "types", "transfers", "budgets"}
_PURPOSE = {"title", "basis", "law", "opens"}
_TYPE = {"title", "class", "pattern", "mask"}
_TRANSFERS = {"home_country", "blocked"}
_BUDGET = {*LIMITS, "timezone", "hours", "credentials"}
_HOURS = {"days", "from", "until", "outside"}
_OPTIONAL = {"searchable", "types", "opens", "transfers", "budgets", *_TRANSFERS, *_BUDGET}
_CLOCK = re.compile(r"([01]\d|2[0-4]):([0-5]\d)", re.ASCII)


def parse_toml(text: str) -> Policy:
    """Read `policy.toml`. Raises: PolicyError, naming the rule and the place."""
    if len(text) > LARGEST:
        raise PolicyError(f"at most {LARGEST} characters")
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as e:
        raise PolicyError(f"not TOML, or a key stands twice{_line(e)}") from None
    if data.pop("version", None) != 1:
        raise PolicyError("this service reads version = 1", "version")
    policy = _policy(data)
    _check_fields(policy)
    return policy


def from_canonical(data: bytes) -> Policy:
    """Read what `to_canonical` wrote. Raises: PolicyError for every other spelling."""
    try:
        value = canonical.load(data)
    except canonical.NotCanonical:
        raise PolicyError("not canonical JSON") from None
    if not isinstance(value, dict) or value.pop("v", None) != 1:
        raise PolicyError("not a version 1 policy")
    policy = _policy(value)
    if to_canonical(policy) != data:
        raise PolicyError("not the one spelling of this policy")
    return policy


def _check_fields(policy: Policy) -> None:
    """Raises: PolicyError when the catalogue of field types cannot use what the policy says of them."""
    own = [_define(custom) for custom in policy.types.values()]
    try:
        fields = Catalogue(own)
    except BadDefinition as e:
        raise PolicyError(str(e), "types") from None
    if not all(name in fields for name in policy.searchable):
        raise PolicyError("no such field type", "searchable")


def _define(custom: CustomType) -> FieldType:
    try:
        return define(
            name=custom.name,
            field_class=custom.field_class,
            pattern=custom.pattern,
            mask_form=custom.mask,
            title=custom.title,
        )
    except BadDefinition as e:
        raise PolicyError(str(e), f"types.{custom.name}") from None


def _policy(data: dict[str, Any]) -> Policy:
    _keys(data, _TOP - {"version"}, "")
    purposes = _table(data["purposes"], "purposes")
    types = _table(data.get("types", {}), "types")
    return Policy(
        purposes={name: _purpose(name, table) for name, table in purposes.items()},
        matrix={k: form for name, table in purposes.items() for k, form in _opens(name, table).items()},
        searchable=_names(data.get("searchable", []), "searchable", "field type"),
        types={name: _type(name, table) for name, table in types.items()},
        transfers=_transfers(data.get("transfers", {})),
        budgets={
            name: _budget(name, one) for name, one in _table(data.get("budgets", {}), "budgets").items()
        },
    )


def _purpose(name: str, value: object) -> Purpose:
    where = f"purposes.{_quotable(name)}"
    table = _table(value, where)
    _keys(table, _PURPOSE, where)
    return Purpose(name, *(_text(table, key, where) for key in ("title", "basis", "law")))


def _opens(name: str, table: Mapping[str, Any]) -> dict[tuple[str, str], Form]:
    where = f"purposes.{_quotable(name)}.opens"
    rights = _table(table.get("opens", {}), where)
    named = {field_class: _text(rights, field_class, where) for field_class in rights}
    return {(field_class, name): cast("Form", form) for field_class, form in named.items() if form != "none"}


def _type(name: str, value: object) -> CustomType:
    where = f"types.{_quotable(name)}"
    table = _table(value, where)
    _keys(table, _TYPE, where)
    return CustomType(name, *(_text(table, key, where) for key in ("title", "class", "pattern", "mask")))


def _transfers(value: object) -> Transfers:
    table = _table(value, "transfers")
    _keys(table, _TRANSFERS, "transfers")
    home = _text({"home_country": AT_HOME.home_country, **table}, "home_country", "transfers")
    return Transfers(home, _names(table.get("blocked", []), "transfers.blocked", "country"))


def _budget(name: str, value: object) -> Budget:
    where = f"budgets.{_quotable(name)}"
    table = _table(value, where)
    _keys(table, _BUDGET, where)
    narrower = _table(table.get("credentials", {}), f"{where}.credentials")
    return Budget(
        limits=_limits({name: table[name] for name in LIMITS if name in table}, where),
        timezone=_text({"timezone": "UTC", **table}, "timezone", where),
        hours=_hours(table["hours"], f"{where}.hours") if "hours" in table else None,
        credentials={
            one: _limits(limits, f"{where}.credentials.{_quotable(one)}") for one, limits in narrower.items()
        },
    )


def _limits(value: object, where: str) -> Limits:
    table = _table(value, where)
    _keys(table, set(LIMITS), where)
    if not all(type(number) is int for number in table.values()):
        raise PolicyError("a whole number", where)
    return Limits(**table)


def _hours(value: object, where: str) -> Hours:
    table = _table(value, where)
    _keys(table, _HOURS, where)
    since, until = (_clock(_text(table, name, where), f"{where}.{name}") for name in ("from", "until"))
    refuses = table["outside"] == "refuse"
    outside = None if refuses else _limits(table["outside"], f"{where}.outside")
    return Hours(_names(table["days"], f"{where}.days", "day"), since, until, outside)


def _clock(text: str, where: str) -> int:
    """A time of the day as minutes since midnight."""
    found = _CLOCK.fullmatch(text)
    if found is None:
        raise PolicyError("a time written HH:MM", where)
    return int(found[1]) * 60 + int(found[2])


def _names(value: object, where: str, what: str) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise PolicyError(f"a list, each a {what}", where)
    if len(set(value)) != len(value):
        raise PolicyError(f"a {what} stands twice", where)
    return frozenset(value)


def _keys(table: Mapping[str, Any], known: set[str], where: str) -> None:
    if not set(table) <= known:
        raise PolicyError(f"unknown key; known are {', '.join(sorted(known))}", where)
    for key in sorted(known - _OPTIONAL - set(table)):
        raise PolicyError("missing", f"{where}.{key}".lstrip("."))


def _table(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise PolicyError("a table", where)
    return value


def _text(table: Mapping[str, Any], key: str, where: str) -> str:
    value = table[key]
    if not isinstance(value, str):
        raise PolicyError("a text", f"{where}.{_quotable(key)}")
    return value


def _quotable(name: str) -> str:
    """A key as an error may show it: short and without control characters."""
    return name[:32] if name.isprintable() else "?"


def _line(error: Exception) -> str:
    """Where the TOML reader stopped, without quoting the text."""
    line = getattr(error, "lineno", None)
    return f" (line {line})" if isinstance(line, int) else ""
