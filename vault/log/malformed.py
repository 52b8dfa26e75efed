"""What every parser of the log's formats raises, and the numbers and base64 they all read one way."""

import base64
import binascii
import re

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
LARGEST = 2**63 - 1


class Malformed(ValueError):
    """A note, checkpoint, proof or tile is not written as its format says. `rule` says which rule broke."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


def read_number(text: str, largest: int = LARGEST) -> int:
    """A decimal without leading zeros. Raises: Malformed."""
    if _DECIMAL.fullmatch(text) is None or int(text) > largest:
        raise Malformed("not a number in its one spelling")
    return int(text)


def read_base64(text: str) -> bytes:
    """Standard base64 with padding and no stray bits. Raises: Malformed."""
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise Malformed("not base64") from None
    if write_base64(raw) != text:
        raise Malformed("base64 in another spelling")
    return raw


def write_base64(raw: bytes) -> str:
    """Standard base64 with padding."""
    return base64.b64encode(raw).decode()


def read_hash(text: str) -> bytes:
    """A SHA-256 in base64. Raises: Malformed."""
    raw = read_base64(text)
    if len(raw) != 32:
        raise Malformed("a hash has 32 bytes")
    return raw
