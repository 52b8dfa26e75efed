"""Reads retention rules: from TOML as an operator writes it, or from the canonical JSON that was signed.

Strict: an unknown key, class, field type or anchor, a missing law or a wrong type is refused, never guessed.
"""

import tomllib
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from vault.fields import Catalogue
from vault.model import canonical
from vault.retention.calendar import MonthDay, NoSuchDay, read_month_day
from vault.retention.rules import Anchor, Clock, Keep, Limit, Retention, RetentionError, When, to_canonical

SHIPPED = ("eu", "in")
"""The profiles as shipped, each in the file of its name beside this one."""

LARGEST = 65_536
_TOP = {"profile", "title", "timezone", "year_starts", "keep", "limit"}
_CLOCK = {"law", "classes", "types", "anchor", "due", "years", "months", "when"}
_OPTIONAL = {"keep", "limit", "types", "due", "years", "months", "when", "blocks_until_anchor"}


@cache
def profiles() -> Mapping[str, Retention]:
    """The shipped rules by profile."""
    texts = {name: Path(__file__).with_name(f"{name}.toml").read_text("utf-8") for name in SHIPPED}
    return MappingProxyType({name: parse_toml(text) for name, text in texts.items()})


def parse_toml(text: str, fields: Catalogue | None = None) -> Retention:
    """Read `retention.toml`; `fields` are the types it may name, the built-in ones unless given.

    Raises: RetentionError, naming the rule and the place.
    """
    if len(text) > LARGEST:
        raise RetentionError(f"at most {LARGEST} characters")
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as e:
        raise RetentionError(f"not TOML, or a key stands twice{_line(e)}") from None
    if data.pop("version", None) != 1:
        raise RetentionError("this service reads version = 1", "version")
    retention = _retention(data)
    check_types(retention, Catalogue() if fields is None else fields)
    return retention


def from_canonical(data: bytes) -> Retention:
    """Read what `to_canonical` wrote. Raises: RetentionError for every other spelling."""
    try:
        value = canonical.load(data)
    except canonical.NotCanonical:
        raise RetentionError("not canonical JSON") from None
    if not isinstance(value, dict) or value.pop("v", None) != 1:
        raise RetentionError("not version 1 of the retention rules")
    retention = _retention(value)
    if to_canonical(retention) != data:
        raise RetentionError("not the one spelling of these rules")
    return retention


def check_types(retention: Retention, fields: Catalogue) -> None:
    """Raises: RetentionError when a clock names a type that it can never meet.

    A minimum that misspells its type would keep nothing, and what the law needs would be erased.
    """
    for kind, clocks in (("keep", retention.keeps), ("limit", retention.limits)):
        for clock in clocks:
            _check_types(f"{kind}.{clock.name}.types", clock, fields)


def _check_types(where: str, clock: Clock, fields: Catalogue) -> None:
    if not all(name in fields for name in clock.types):
        raise RetentionError("no such field type", where)
    if not all(fields.get(name).field_class in clock.classes for name in clock.types):
        raise RetentionError("a field type of none of the clock's classes", where)


def _retention(data: dict[str, Any]) -> Retention:
    _keys(data, _TOP, "")
    return Retention(
        profile=_text(data, "profile", ""),
        title=_text(data, "title", ""),
        timezone=_text(data, "timezone", ""),
        year_starts=_month_day(data, "year_starts", ""),
        keeps=tuple(_keep(name, table) for name, table in _table(data.get("keep", {}), "keep").items()),
        limits=tuple(_limit(name, table) for name, table in _table(data.get("limit", {}), "limit").items()),
    )


def _keep(name: str, value: object) -> Keep:
    where = f"keep.{_quotable(name)}"
    table = _table(value, where)
    _keys(table, _CLOCK | {"blocks_until_anchor"}, where)
    blocks = table.get("blocks_until_anchor", False)
    if not isinstance(blocks, bool):
        raise RetentionError("true or false", f"{where}.blocks_until_anchor")
    return Keep(name=name, blocks_until_anchor=blocks, **_parts(table, where))


def _limit(name: str, value: object) -> Limit:
    where = f"limit.{_quotable(name)}"
    table = _table(value, where)
    _keys(table, _CLOCK, where)
    return Limit(name=name, **_parts(table, where))


def _parts(table: Mapping[str, Any], where: str) -> dict[str, Any]:
    """What minimums and maximums have in common."""
    return {
        "law": _text(table, "law", where),
        "classes": _texts(table["classes"], f"{where}.classes"),
        "types": _texts(table.get("types", []), f"{where}.types"),
        "anchor": cast("Anchor", _text(table, "anchor", where)),
        "due": _month_day(table, "due", where) if "due" in table else None,
        "years": _number(table, "years", where),
        "months": _number(table, "months", where),
        "when": cast("When", _text(table, "when", where)) if "when" in table else "always",
    }


def _keys(table: Collection[str], known: set[str], where: str) -> None:
    if not set(table) <= known:
        raise RetentionError(f"unknown key; known are {', '.join(sorted(known))}", where)
    for key in sorted(known - _OPTIONAL - set(table)):
        raise RetentionError("missing", _place(where, key))


def _table(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RetentionError("a table", where)
    return value


def _text(table: Mapping[str, Any], key: str, where: str) -> str:
    value = table[key]
    if not isinstance(value, str):
        raise RetentionError("a text", _place(where, key))
    return value


def _texts(value: object, where: str) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise RetentionError("a list of names", where)
    if len(set(value)) != len(value):
        raise RetentionError("a name stands twice", where)
    return frozenset(value)


def _number(table: Mapping[str, Any], key: str, where: str) -> int:
    value = table.get(key, 0)
    if type(value) is not int:
        raise RetentionError("a whole number", _place(where, key))
    return value


def _month_day(table: Mapping[str, Any], key: str, where: str) -> MonthDay:
    try:
        return read_month_day(_text(table, key, where))
    except NoSuchDay as e:
        raise RetentionError(str(e), _place(where, key)) from None


def _place(where: str, key: str) -> str:
    return f"{where}.{key}".lstrip(".")


def _quotable(name: str) -> str:
    """A key as an error may show it: short and without control characters."""
    return name[:32] if name.isprintable() else "?"


def _line(error: Exception) -> str:
    """Where the TOML reader stopped, without quoting the text."""
    line = getattr(error, "lineno", None)
    return f" (line {line})" if isinstance(line, int) else ""
