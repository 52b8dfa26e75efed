"""Names at the key server. Pure."""

import re

from keys.errors import Misconfigured

_NAME = re.compile(r"[a-z0-9_-]{1,128}")


def kek_of(tenant: str) -> str:
    """The name of a tenant's KEK."""
    return f"kek-{tenant}"


def checked_name(name: str) -> str:
    """A name that stays one segment of a path. Raises: Misconfigured."""
    if _NAME.fullmatch(name) is None:
        raise Misconfigured("not a name of a key or mount")
    return name
