"""The one table from what the key server answers, status and text, to our errors. Pure.

What is to be done follows from the error's class (keys/errors.py): `elsewhere`, another node is asked;
`transient`, the same is asked again inside the deadline; neither, it is told at once. Server text is read to
choose a row and then forgotten: a transit error body can quote plaintext.
"""

from typing import NamedTuple

from keys.errors import (
    Behind,
    Busy,
    KeysError,
    LoginFailed,
    Misconfigured,
    Refused,
    Retired,
    Sealed,
    Tampered,
    Unreachable,
)

INTERNAL = "internal error"


class Row(NamedTuple):
    """An answer of this status whose text holds these words is this error; the first row that fits counts."""

    status: int
    text: str
    error: type[KeysError]
    rule: str


TABLE: tuple[Row, ...] = (
    # A standby that forwards, and has lost its active node. Never followed: token and body would go along.
    Row(307, "", Behind, "standby without its active node"),
    # 400 stands for the items of a batch as well: one that fails has a text and no status.
    Row(400, "message authentication failed", Tampered, "does not authenticate"),
    Row(400, "too old", Retired, "version retired"),
    # A standby that has not heard of a rotation yet: it passes within 100 ms (transit.md §8).
    Row(400, "version is too new", Behind, "standby behind"),
    # What `hmac` says of a version below the minimum, and of one that this node does not have yet.
    Row(400, "no such key version", Retired, "version retired"),
    Row(400, "key version does not exist", Behind, "standby behind"),
    Row(400, "invalid ciphertext", Tampered, "not a wrapped DEK"),
    Row(400, "high complexity", Misconfigured, "batch too large"),
    Row(400, "key not found", Misconfigured, "no such key"),
    Row(400, "soft-deleted key", Misconfigured, "the key is soft-deleted"),
    Row(400, "", Misconfigured, "bad request"),
    Row(403, "", Refused, "not permitted"),  # by the policy, or because the token died: keys/login.py asks
    Row(404, "", Misconfigured, "no such path, mount or key"),
    Row(405, "", Misconfigured, "no such operation"),
    Row(412, "", Behind, "standby behind"),
    Row(429, "quota", Busy, "quota"),
    Row(429, "", Behind, "standby behind"),
    Row(472, "", Behind, "standby"),
    Row(473, "", Behind, "standby"),
    Row(500, "active cluster node not found", Sealed, "no leader"),
    # A login method does not vouch for the token any more, such as for another certificate.
    Row(500, "failed to renew entry", LoginFailed, "renewal refused"),
    Row(500, "client's certificate", LoginFailed, "certificate not accepted"),
    Row(500, "", Sealed, INTERNAL),  # as a rule the audit device cannot write, while the health says 200
    Row(501, "", Sealed, "not initialised"),
    Row(502, "", Unreachable, "gateway"),
    Row(503, "", Sealed, "sealed"),
    Row(504, "", Unreachable, "gateway"),
)


def verdict(status: int, text: str) -> KeysError:
    """Our error for an answer that is not a good one."""
    for row in TABLE:
        if row.status == status and row.text in text:
            return row.error(row.rule)
    return Misconfigured(f"unexpected status {status}")
