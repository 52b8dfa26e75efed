"""What a record may be used for now: its state, its subject's account, and the subject's say on each purpose.

Read as columns of the statement that loads the record, so that no act can fall between the two.
"""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import msgspec
from sqlalchemy import BindParameter, Label, ScalarSelect, func, select

from vault.store.acts import consent, record_state, subject_fact
from vault.store.rows import looked_up
from vault.store.schema import record

_BETWEEN = "="
_AFTER = ","


class Standing(msgspec.Struct, frozen=True):
    """The latest acts that bear on a record."""

    kept_as: str = "active"
    """active, restricted or archived, as the office last put it."""
    closed: bool = False
    """The subject's account is closed."""
    said: Mapping[str, str] = MappingProxyType({})
    """{purpose: the subject's latest act on it: grant, withdraw or object}"""

    @property
    def state(self) -> str:
        """The state of the record; nothing of a closed account is more than restricted."""
        return "restricted" if self.closed and self.kept_as == "active" else self.kept_as

    @staticmethod
    @lru_cache(maxsize=4096)
    def read(kept_as: str | None, account: str | None, said: str | None) -> "Standing":
        """From the columns of `standing_of`. Many records stand alike: one value serves them all."""
        pairs = (pair.partition(_BETWEEN) for pair in said.split(_AFTER)) if said else ()
        acts = {purpose: act for purpose, _, act in pairs}
        return Standing(kept_as or "active", account == "closed", MappingProxyType(acts))


NOTHING_SAID = Standing()


def standing_of(tenant: str | BindParameter[str]) -> tuple[Label[str], ...]:
    """Columns of a SELECT from `record`, for `Standing.read`.

    Each names the tenant itself: from the record's column alone no engine knows, before it runs, that one
    shard is enough.
    """
    return _kept_as(tenant).label("kept_as"), _account(tenant).label("account"), _said(tenant).label("said")


def _kept_as(tenant: str | BindParameter[str]) -> ScalarSelect[str]:
    mine = record_state.c.tenant == tenant, record_state.c.token == record.c.token
    latest = select(record_state.c.state).where(*mine).order_by(record_state.c.number.desc()).limit(1)
    return latest.correlate(record).scalar_subquery()


def _account(tenant: str | BindParameter[str]) -> ScalarSelect[str]:
    mine = subject_fact.c.tenant == tenant, subject_fact.c.subject == record.c.subject
    kind = subject_fact.c.kind
    about = select(kind).where(*mine, (kind == "closed") | (kind == "reopened"))
    return about.order_by(subject_fact.c.number.desc()).limit(1).correlate(record).scalar_subquery()


def _said(tenant: str | BindParameter[str]) -> ScalarSelect[str]:
    later = consent.alias("later")
    outdated = looked_up(
        later.c.number,
        later.c.tenant == tenant,
        later.c.subject == consent.c.subject,
        later.c.purpose == consent.c.purpose,
        later.c.number > consent.c.number,
        newest=later.c.number,
    )
    pair = consent.c.purpose + _BETWEEN + consent.c.act
    latest = select(func.aggregate_strings(pair, _AFTER)).where(
        consent.c.tenant == tenant, consent.c.subject == record.c.subject, outdated.is_(None)
    )
    return latest.correlate(record).scalar_subquery()
