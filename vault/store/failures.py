"""What a database says when it fails, translated once. Nothing of a statement or its values gets through."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import IntegrityError, SQLAlchemyError

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
    except IntegrityError as error:
        kind = StaleLease if LEASE_HOLDS in str(error.orig) else Clash
        raise kind from None
    except (SQLAlchemyError, OSError, TimeoutError):
        raise Unavailable("store_unavailable", retry_after=1) from None


@contextmanager
def commit() -> Iterator[None]:
    """Around the commit itself: only a refusal by the database's own rules is a clear no."""
    try:
        yield
    except IntegrityError:
        raise Clash from None
    except (SQLAlchemyError, OSError, TimeoutError):
        raise OutcomeUnknown(retry_after=1) from None
