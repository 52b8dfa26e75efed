"""Opening a wrapped secret id, once. A wrapping that was opened before is theft, until shown otherwise."""

import time
from contextlib import closing

import msgspec

from keys.answers import Reply
from keys.errors import SecretIdStolen
from keys.methods import AppRole, WrappedAppRole
from keys.nodes import Server
from keys.wire import ONCE, Line, Wire

_SECONDS = 10.0


class _Lookup(msgspec.Struct):
    creation_path: str


class _LookedUp(msgspec.Struct):
    data: _Lookup


class _Secret(msgspec.Struct):
    secret_id: str


class _Unwrapped(msgspec.Struct):
    data: _Secret


def unwrap(identity: WrappedAppRole, server: Server, *, role: str) -> AppRole:
    """The AppRole inside, if the wrapping holds a secret id of `role` and nobody opened it before.

    Raises: SecretIdStolen, and any other KeysError, after which the same wrapping must not be tried again.
    """
    until = time.monotonic() + _SECONDS
    with closing(Wire(server)) as wire:
        # Looking comes first: whoever swapped the wrapping for one of his own is found without opening it.
        _assert_made_for(Line(wire), identity, role, until)
        bearer = Line(wire, token=identity.wrapped_secret_id)
        reply = bearer.send("post", "sys/wrapping/unwrap", b"{}", until=until, manner=ONCE)
        secret = _good(reply).read(_Unwrapped).data.secret_id
    return AppRole(identity.role_id, secret, identity.mount)


def _assert_made_for(anyone: Line, identity: WrappedAppRole, role: str, until: float) -> None:
    body = msgspec.json.encode({"token": identity.wrapped_secret_id})
    reply = anyone.send("post", "sys/wrapping/lookup", body, until=until)
    made_at = _good(reply).read(_LookedUp).data.creation_path
    if made_at != f"auth/{identity.mount}/role/{role}/secret-id":
        raise SecretIdStolen(f"the wrapping was not made for {role}")


def _good(reply: Reply) -> Reply:
    """Itself. Raises: SecretIdStolen when the wrapping is gone; another KeysError for another refusal."""
    if reply.status in (400, 403, 404):
        raise SecretIdStolen("the wrapping was opened before, or has run out")
    return reply.good()
