"""What a wrapped DEK is bound to at the key server: its tenant and its own id. Pure."""

from functools import lru_cache

from keys.answers import encoded
from keys.envelope import bind


def context_of(tenant: str, dek_id: bytes) -> str:
    """Base64 of the tenant and the DEK's own id, as transit's `context`."""
    return encoded(_tenant(tenant) + len(dek_id).to_bytes(4) + dek_id)


@lru_cache(maxsize=256)
def _tenant(tenant: str) -> bytes:
    return bind(["strongroom/kek/v1", tenant])
