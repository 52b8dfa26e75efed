"""Rights are those of the moment a list runs: what was revoked while a request waited is gone."""

from dataclasses import dataclass, replace

import pytest

from tests.fakes.inside import AT, SHIPPED, caller
from vault.model.ask import Caller
from vault.model.grants import parse_grant
from vault.model.register import CredentialEntry, Register
from vault.policy.rules import to_canonical
from vault.service.registers import Authority, authority_of
from vault.service.rights import with_rights_of_now

PAY = caller("acme", "pay", "detokenize:payment", "inspect")
ENTRY = CredentialEntry(
    id="acme.pay",
    person="Ravi",
    grants=(parse_grant("detokenize:payment"), parse_grant("inspect")),
    created_at=AT,
    secret_sha256="0" * 64,
)


@dataclass(frozen=True)
class Request:
    caller: Caller


class Parts:
    """What a verb is given, as far as rights need it."""

    def __init__(self, *entries: CredentialEntry) -> None:
        self.registers = self
        self.entries = entries

    async def of(self, tenant: str) -> Authority:
        return authority_of(Register(tenant, 1, self.entries, to_canonical(SHIPPED)))

    def now(self) -> int:
        return AT + 1


async def seen(*entries: CredentialEntry) -> list[Caller]:
    async def verb(_tenant, requests, _parts):
        return [request.caller for request in requests]

    return await with_rights_of_now(verb, Parts(*entries), "acme", [Request(PAY)])


async def test_who_kept_his_rights_is_let_through_unchanged():
    """Nothing is copied for the ordinary case."""
    assert (await seen(ENTRY))[0] is PAY


async def test_a_grant_taken_away_meanwhile_is_gone():
    """What is left is what the register still has."""
    left = replace(ENTRY, grants=(parse_grant("inspect"),))
    assert [str(grant) for grant in (await seen(left))[0].grants] == ["inspect"]


@pytest.mark.parametrize(
    "entries",
    [(), (replace(ENTRY, status="revoked", secret_sha256=None),), (replace(ENTRY, expires_at=AT + 1),)],
    ids=["gone", "revoked", "expired"],
)
async def test_who_was_revoked_meanwhile_has_a_name_and_no_right(entries):
    """The attempt will be on record by name, and denied."""
    (left,) = await seen(*entries)
    assert (left.credential, left.grants) == ("acme.pay", ())
