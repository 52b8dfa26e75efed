"""The error table of the key server's answers, row by row: what each is taken for, and what is then done."""

import json

import pytest

from keys import verdicts
from keys.answers import Reply, elsewhere, error_for, undone
from keys.errors import (
    Behind,
    Busy,
    LoginFailed,
    Misconfigured,
    Refused,
    Retired,
    Sealed,
    Tampered,
    Unreachable,
    Untrusted,
)

ROWS = {
    "sealed": (503, "Vault is sealed", Sealed),
    "not initialised": (501, "Vault is not initialized", Sealed),
    "no audit": (500, "internal error", Sealed),
    "no leader": (500, "local node not active but active cluster node not found", Sealed),
    "rate quota": (429, 'request path "strongroom/keys/log": rate limit quota exceeded', Busy),
    "standby behind its index": (429, "", Behind),
    "standby without its active node": (307, "", Behind),
    "enterprise: not consistent yet": (412, "required index state not present", Behind),
    "enterprise: disaster recovery": (472, "", Behind),
    "enterprise: performance standby": (473, "", Behind),
    "bad token": (403, "permission denied", Refused),
    "policy denies": (403, "1 error occurred:\n\t* permission denied\n\n", Refused),
    "version unknown here": (400, "invalid ciphertext: version is too new", Behind),
    "version retired": (400, "ciphertext or signature version is disallowed by policy (too old)", Retired),
    "tampered": (400, "cipher: message authentication failed", Tampered),
    "key missing": (400, "encryption key not found", Misconfigured),
    "signing key missing": (400, "signing key not found", Misconfigured),
    "key soft-deleted": (400, "refusing to use soft-deleted key", Misconfigured),
    "mount missing": (404, 'no handler for route "x/decrypt/k". route entry not found.', Misconfigured),
    "batch too big": (400, "refused JSON input due to high complexity: exceeded …", Misconfigured),
    "renewal under another certificate": (500, "failed to renew entry: client identity …", LoginFailed),
    "expired certificate": (500, "failed to verify client's certificate: x509: …", LoginFailed),
    "gateway": (502, "", Unreachable),
    "gateway's patience": (504, "", Unreachable),
    "nothing we know": (418, "", Misconfigured),
}
"""As measured on OpenBao 2.7.2; those of HashiCorp Vault Enterprise and of gateways as documented."""


def reply(status: int, text: str) -> Reply:
    return Reply(status, json.dumps({"errors": [text] if text else []}).encode())


@pytest.mark.parametrize("name", ROWS)
def test_each_answer_is_what_the_table_says(name: str):
    """The class of an answer's error is the row's, and its rule quotes nothing of the answer."""
    status, text, error = ROWS[name]
    found = error_for(reply(status, text))
    assert type(found) is error
    assert len(text) < 20 or text not in str(found)


def test_what_is_done_follows_from_the_error():
    """Another node, another try, or neither: for every class of error."""
    done = {one: (one.elsewhere, one.transient) for one in {row.error for row in verdicts.TABLE}}
    assert done == {
        Unreachable: (True, True), Sealed: (True, True), Behind: (True, True), Busy: (False, True),
        Refused: (False, False), LoginFailed: (False, False), Misconfigured: (False, False),
        Tampered: (False, False), Retired: (False, False),
    }  # fmt: skip
    assert (Untrusted.elsewhere, Untrusted.transient) == (True, False)


@pytest.mark.parametrize("name", ROWS)
def test_only_what_cannot_have_been_done_is_undone(name: str):
    """A write goes to another node after sealed, no leader or a standby; never after a 500 of the audit."""
    status, text, error = ROWS[name]
    answer = reply(status, text)
    if undone(answer):
        assert elsewhere(answer)
    assert undone(answer) == (error is Behind or (error is Sealed and name != "no audit"))


def test_every_row_of_the_table_is_reached():
    """No row stands behind one that swallows it, and each has an answer here that it is for."""
    hit = set()
    for status, text, _ in [*ROWS.values(), (400, "other", None), (405, "", None), *_INDEX, _FORGED]:
        hit.add(next((r for r in verdicts.TABLE if r.status == status and r.text in text), None))
    assert set(verdicts.TABLE) - hit == set()


_INDEX = [(400, "no such key version", None), (400, "key version does not exist", None)]
_FORGED = (400, "invalid ciphertext: no prefix", None)
