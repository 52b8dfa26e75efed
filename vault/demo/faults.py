"""The ways real sign-up data is wrong, done to a row on purpose."""

import random
from collections.abc import Callable

Values = dict[str, str | dict[str, str]]
_DEVANAGARI = str.maketrans("0123456789", "०१२३४५६७८९")
_SECOND_FAULT = 0.1


def spoil(values: Values, rng: random.Random) -> frozenset[str]:
    """Break one value of a row, rarely two; return the types that are no longer acceptable."""
    count = 2 if rng.random() < _SECOND_FAULT else 1
    chosen = rng.sample(sorted(_FAULTS), count)
    for kind in chosen:
        fault = rng.choice(_FAULTS[kind])
        values[kind] = fault(values[kind])
    return frozenset(chosen)


def _on_text(fault: Callable[[str], str]) -> "Fault":
    return lambda value: fault(value) if isinstance(value, str) else value


def _on_part(part: str, fault: Callable[[str], str]) -> "Fault":
    return lambda value: value if isinstance(value, str) else value | {part: fault(value[part])}


def _without(part: str) -> "Fault":
    return lambda value: value if isinstance(value, str) else {k: v for k, v in value.items() if k != part}


def _wrong_check_character(gstin: str) -> str:
    return gstin[:-1] + ("A" if gstin[-1] != "A" else "B")


def _swapped_digits(gstin: str) -> str:
    """Swap the first two neighbouring digits of the serial that differ."""
    for at in range(7, 10):
        if gstin[at] != gstin[at + 1]:
            return gstin[:at] + gstin[at + 1] + gstin[at] + gstin[at + 2 :]
    return _wrong_check_character(gstin)


Fault = Callable[[str | dict[str, str]], str | dict[str, str]]
_FAULTS: dict[str, tuple[Fault, ...]] = {
    "pan": (
        _on_text(lambda pan: pan[:3] + "X" + pan[4:]),  # a kind of holder that does not exist
        _on_text(lambda pan: pan + "/1"),
        _on_text(lambda pan: pan[:5] + pan[5:9].replace("0", "O") + "1"),
    ),
    "gstin": (
        _on_text(_wrong_check_character),
        _on_text(_swapped_digits),
        _on_text(lambda gstin: gstin[:-1]),
    ),
    "bank_account": (
        _without("ifsc"),
        _on_part("ifsc", lambda ifsc: ifsc[:4] + "O" + ifsc[5:]),
        _on_part("number", lambda number: number.translate(_DEVANAGARI)),
        _on_part("number", lambda number: number[:5]),
        _on_part("number", lambda number: f"A/c {number}"),
    ),
    "upi_vpa": (
        _on_text(lambda vpa: vpa.replace("@", " at ")),
        _on_text(lambda vpa: vpa.split("@")[0] + "@example.in"),
    ),
    "phone": (
        _on_text(lambda phone: phone[:-2]),
        _on_text(lambda phone: phone.translate(_DEVANAGARI)),
        _on_text(lambda phone: f"{phone} (office)"),
    ),
    "email": (
        _on_text(lambda email: email.replace("@", "@@")),
        _on_text(lambda email: email.split("@")[0]),
        _on_text(lambda email: email + ","),
    ),
    "postal_address": (
        _without("city"),
        _on_part("postal_code", lambda code: code[:-1]),
        _on_part("postal_code", lambda code: "0" + code[1:]),
    ),
}
