"""What a database says when it fails, translated once. Nothing of a statement or its values gets through."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.exc import IntegrityError

from keys.database import FAILURES, refused
from vault.errors import OutcomeUnknown, ServiceError, Unavailable
from vault.store.schema import LEASE_HOLDS


class Clash(ServiceError):
    """A row of this name is there already. Deterministic: the same list would fail again."""

    status, code, title = 409, "conflict", "Something of this name exists already."


class StaleLease(Clash):
    """A DEK's lease had run out on the database's clock."""

    status, code, title = 503, "dek_lease_expired", "A data key was too old to be used; retry."


@contextmanager
def statements() -> Iterator[None]:
    """Around statements before a commit: whatever fails here has left nothing behind."""
    try:
        yield
    except FAILURES as error:
        raise _said(error) or Unavailable("store_unavailable", retry_after=1) from None


@contextmanager
def commit() -> Iterator[None]:
    """Around the commit itself: only a refusal by the database's own rules is a clear no."""
    try:
        yield
    except FAILURES as error:
        raise _said(error) or OutcomeUnknown(retry_after=1) from None


@contextmanager
def whole() -> Iterator[None]:
    """Around one statement that commits itself: what the server refused, it did not do."""
    try:
        yield
    except FAILURES as error:
        unheard = OutcomeUnknown(retry_after=1)
        failed = Unavailable("store_unavailable", retry_after=1) if refused(error) else unheard
        raise _said(error) or failed from None


def _said(error: Exception) -> Clash | None:
    """What the database's own rules say about the rows, if it was them."""
    told = error.orig if isinstance(error, IntegrityError) else error
    if not isinstance(error, IntegrityError | asyncpg.IntegrityConstraintViolationError):
        return None
    return StaleLease() if LEASE_HOLDS in str(told) else Clash()
