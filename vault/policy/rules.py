"""`Policy`: purposes with their lawful basis, and what each may open. Frozen, checked at birth, hashed.

What is not opened is closed. There is no way to write a policy that opens class `payment` to another purpose.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from types import MappingProxyType
from typing import Any

from vault.fields.codes import COUNTRIES
from vault.model import canonical
from vault.model.ask import Form
from vault.model.grants import CLASSES, PURPOSE
from vault.model.names import FIELD_TYPE
from vault.policy import budgets as spending
from vault.policy.budgets import Budget

BASES = (
    "consent",
    "contract",
    "legal_obligation",
    "vital_interests",
    "public_task",
    "legitimate_interests",
)
"""The lawful bases of GDPR Art. 6(1); `law` of a purpose says what stands for it under other acts."""

FORMS: tuple[Form, ...] = ("plain", "masked")
MONEY = "payment"
"""The class that has one sole purpose, and the name of that purpose."""

_TEXT = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]{1,200}")
_LIMITS = {"purposes": 64, "searchable": 64, "types": 64, "budgets": 66}


class PolicyError(ValueError):
    """The policy is not one. `rule` says what is wrong, `where` names the table or key."""

    def __init__(self, rule: str, where: str = "") -> None:
        super().__init__(f"{where}: {rule}" if where else rule)
        self.rule = rule
        self.where = where


@dataclass(frozen=True, slots=True)
class Purpose:
    """Why a value may be needed, and what in the law carries it."""

    name: str
    title: str
    basis: str
    law: str


@dataclass(frozen=True, slots=True)
class CustomType:
    """A field type an operator defines, as data; the catalogue of fields judges its pattern and mask."""

    name: str
    title: str
    field_class: str
    pattern: str
    mask: str


@dataclass(frozen=True, slots=True)
class Transfers:
    """Where the tenant is at home, and the countries nothing may go to (ISO 3166-1 alpha-2)."""

    home_country: str = "IN"
    blocked: frozenset[str] = frozenset()


AT_HOME = Transfers()
"""What holds where a policy says nothing of transfers."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A whole policy. `hash` is the SHA-256 (hex) of its canonical JSON and stands in every event.

    Raises: PolicyError when it breaks a rule, so that every Policy there is holds them.
    """

    purposes: Mapping[str, Purpose]
    matrix: Mapping[tuple[str, str], Form]
    """(class, purpose) → plain or masked; what is absent is closed."""
    searchable: frozenset[str] = frozenset()
    types: Mapping[str, CustomType] = field(default_factory=dict)
    transfers: Transfers = AT_HOME
    budgets: Mapping[str, Budget] = field(default_factory=dict)
    """By purpose, or by a verb that has none: what one credential may open."""
    hash: str = field(init=False, default="", compare=False)

    def __post_init__(self) -> None:
        _check(self)
        for name in ("purposes", "matrix", "types", "budgets"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))
        object.__setattr__(self, "hash", sha256(to_canonical(self)).hexdigest())

    def right(self, field_class: str, purpose: str) -> Form | None:
        """What `purpose` may see of `field_class`; None when it is closed."""
        return self.matrix.get((field_class, purpose))


def _check(policy: Policy) -> None:
    for part, limit in _LIMITS.items():
        if len(getattr(policy, part)) > limit:
            raise PolicyError(f"at most {limit} entries", part)
    if not policy.purposes:
        raise PolicyError("a policy names at least one purpose", "purposes")
    for name, purpose in policy.purposes.items():
        _check_purpose(name, purpose)
    for (field_class, name), form in policy.matrix.items():
        _check_right(policy, field_class, name, form)
    for name in policy.searchable:
        if FIELD_TYPE.fullmatch(name) is None:
            raise PolicyError("a field type is written [a-z0-9_]{1,32}", "searchable")
    for name, custom in policy.types.items():
        _check_type(name, custom)
    _check_transfers(policy.transfers)
    _check_budgets(policy)


def _check_purpose(name: str, purpose: Purpose) -> None:
    where = f"purposes.{name}" if PURPOSE.fullmatch(name) else "purposes"
    if PURPOSE.fullmatch(name) is None or purpose.name != name:
        raise PolicyError("a purpose is written [a-z][a-z_]{0,31}", where)
    if purpose.basis not in BASES:
        raise PolicyError(f"the lawful basis is one of {', '.join(BASES)}", f"{where}.basis")
    for part in ("title", "law"):
        if _TEXT.fullmatch(getattr(purpose, part)) is None:
            raise PolicyError("one line of 1 to 200 characters", f"{where}.{part}")


def _check_right(policy: Policy, field_class: str, purpose: str, form: str) -> None:
    if purpose not in policy.purposes:
        raise PolicyError("this purpose is not declared", "opens")
    where = f"purposes.{purpose}.opens"
    if field_class not in CLASSES:
        raise PolicyError(f"a class is one of {', '.join(CLASSES)}", where)
    if form not in FORMS:
        raise PolicyError("a class is opened plain, masked or none", f"{where}.{field_class}")
    if field_class == MONEY and purpose != MONEY:
        raise PolicyError("class payment opens to the purpose payment and to no other", f"{where}.payment")


def _check_type(name: str, custom: CustomType) -> None:
    if FIELD_TYPE.fullmatch(name) is None or custom.name != name:
        raise PolicyError("a field type is written [a-z0-9_]{1,32}", "types")
    if custom.field_class not in CLASSES:
        raise PolicyError(f"a class is one of {', '.join(CLASSES)}", f"types.{name}.class")
    for part in ("title", "pattern", "mask"):
        if _TEXT.fullmatch(getattr(custom, part)) is None:
            raise PolicyError("one line of 1 to 200 characters", f"types.{name}.{part}")


def _check_transfers(transfers: Transfers) -> None:
    if not {transfers.home_country, *transfers.blocked} <= COUNTRIES:
        raise PolicyError("a country is written as in ISO 3166-1, in two capital letters", "transfers")
    if transfers.home_country in transfers.blocked:
        raise PolicyError("the home country cannot be blocked", "transfers.blocked")


def _check_budgets(policy: Policy) -> None:
    if not set(policy.budgets) <= {*policy.purposes, *spending.UNPURPOSED}:
        raise PolicyError("a budget is of a declared purpose, of export or of disclose", "budgets")
    for name, budget in policy.budgets.items():
        for where, rule in spending.faults(name, budget):
            raise PolicyError(rule, where)


def to_canonical(policy: Policy) -> bytes:
    """The policy as canonical JSON: what is signed, stored and hashed."""
    return canonical.dump(to_dict(policy))


def to_dict(policy: Policy) -> dict[str, Any]:
    """The policy as plain data; `from_dict` reads it back."""
    data: dict[str, Any] = {
        "v": 1,
        "purposes": {name: _purpose_dict(policy, purpose) for name, purpose in policy.purposes.items()},
        "searchable": sorted(policy.searchable),
        "types": {name: _type_dict(custom) for name, custom in policy.types.items()},
    }
    # Only where they say something: policies that were signed before they could keep their spelling and hash.
    if policy.transfers != AT_HOME:
        data["transfers"] = _transfers_dict(policy.transfers)
    if policy.budgets:
        data["budgets"] = {name: spending.to_dict(budget) for name, budget in policy.budgets.items()}
    return data


def _transfers_dict(transfers: Transfers) -> dict[str, Any]:
    return {"home_country": transfers.home_country, "blocked": sorted(transfers.blocked)}


def _purpose_dict(policy: Policy, purpose: Purpose) -> dict[str, Any]:
    opens = {c: form for (c, name), form in policy.matrix.items() if name == purpose.name}
    return {"title": purpose.title, "basis": purpose.basis, "law": purpose.law, "opens": opens}


def _type_dict(custom: CustomType) -> dict[str, str]:
    return {
        "title": custom.title,
        "class": custom.field_class,
        "pattern": custom.pattern,
        "mask": custom.mask,
    }
