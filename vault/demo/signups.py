"""Invented sign-ups of Indian businesses, the same for the same seed, about one in thirty with a fault.

Numbers have right check characters and fit together (a GSTIN holds the row's PAN, the PAN its kind of
holder, the address the GSTIN's state). Bank codes and UPI handles are nobody's and mail domains are
reserved for examples; phone numbers and tax numbers are random and must not be called or looked up.
"""

import random
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypedDict

from stdnum import luhn

from vault.demo.faults import spoil
from vault.demo.places import (
    AREAS,
    BANKS,
    HANDLES,
    MAIL_DOMAINS,
    PLACES,
    STREETS,
    TRADES,
    Place,
    Spelt,
)

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MOD_36 = "0123456789" + _LETTERS
_DIRTY = 0.03
_KINDS = {"P": 45, "C": 30, "F": 15, "H": 4, "T": 6}  # the PAN's fourth letter: how often
_ENDINGS = {"C": "Private Limited", "F": "LLP", "T": "Trust"}


class Item(TypedDict):
    """One value as POST /v1/tokenize takes it."""

    type: str
    value: str | dict[str, str]


@dataclass(frozen=True, slots=True)
class SignUp:
    """One customer: the application's reference, the values, and which types of them are faulty."""

    reference: str
    items: list[Item]
    dirty: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Owner:
    """Whom the row is about."""

    kind: str
    given: Spelt
    family: Spelt
    company: str
    place: Place

    @property
    def latin(self) -> str:
        return f"{self.given[1]} {self.family[1]}"

    @property
    def native(self) -> str:
        return f"{self.given[0]} {self.family[0]}"

    @property
    def plain(self) -> str:
        """The person's name in the letters of an e-mail or UPI address."""
        bare = unicodedata.normalize("NFKD", f"{self.given[1]}.{self.family[1]}".lower())
        return "".join(char for char in bare if char in "abcdefghijklmnopqrstuvwxyz.")


def generate(count: int, seed: int) -> Iterator[SignUp]:
    """Yield `count` sign-ups. A row depends on its place and `seed` only, not on `count`."""
    for number in range(count):
        rng = random.Random(f"{seed}:{number}")  # noqa: S311 - repeatable on purpose, guards nothing
        yield _sign_up(number, rng)


def _sign_up(number: int, rng: random.Random) -> SignUp:
    owner = _owner(rng)
    pan = _pan(owner, rng)
    values: dict[str, str | dict[str, str]] = {
        "company_name": owner.company,
        "person_name": rng.choice((owner.native, owner.latin)),
        "pan": pan,
        "gstin": _gstin(owner.place.gst_code, pan),
        "bank_account": _bank_account(owner, rng),
        "upi_vpa": f"{owner.plain}{rng.randint(1, 99)}@{rng.choice(HANDLES)}",
        "phone": _phone(rng),
        "email": f"{owner.plain}{number}@{rng.choice(MAIL_DOMAINS)}",
        "postal_address": _address(owner.place, rng),
    }
    dirty = spoil(values, rng) if rng.random() < _DIRTY else frozenset[str]()
    items = [Item(type=kind, value=value) for kind, value in values.items()]
    return SignUp(f"cust-{number:06}", items, dirty)


def _owner(rng: random.Random) -> _Owner:
    place = rng.choice(PLACES)
    given, family = rng.choice(place.given), rng.choice(place.family)
    kind = rng.choices(tuple(_KINDS), weights=tuple(_KINDS.values()))[0]
    if kind == "P":
        script = rng.randint(0, 1)
        company = f"{given[script]} {place.trader[script]}"
    elif kind == "H":
        company = f"{family[1]} HUF"
    else:
        company = f"{family[1]} {rng.choice(TRADES)} {_ENDINGS[kind]}"
    return _Owner(kind, given, family, company, place)


def _pan(owner: _Owner, rng: random.Random) -> str:
    area = "".join(rng.choices(_LETTERS, k=3))
    initial = owner.family[1][0]
    return f"{area}{owner.kind}{initial}{rng.randint(1, 9999):04}{rng.choice(_LETTERS)}"


def _gstin(state: str, pan: str) -> str:
    body = f"{state}{pan}1Z"
    return body + luhn.calc_check_digit(body, _MOD_36)


def _bank_account(owner: _Owner, rng: random.Random) -> dict[str, str]:
    digits = rng.randint(11, 16)
    return {
        "number": f"{rng.randint(1, 10**digits - 1):0{digits}}",
        "ifsc": f"{rng.choice(BANKS)}0{rng.randint(1, 999999):06}",
        "holder": owner.latin if owner.kind == "P" else owner.company,
    }


def _phone(rng: random.Random) -> str:
    number = f"{rng.choice((98, 97, 94))}{rng.randint(0, 99999999):08}"
    return rng.choice((f"+91{number}", f"+91 {number[:5]} {number[5:]}", number, f"0{number}"))


def _address(place: Place, rng: random.Random) -> dict[str, str]:
    city, area = rng.choice(place.cities)
    return {
        "line1": f"{rng.randint(1, 240)} {rng.choice(STREETS)}",
        "line2": rng.choice(AREAS),
        "city": city,
        "state": place.state,
        "postal_code": f"{area}{rng.randint(1, 99):03}",
        "country": "IN",
    }
