"""Every way key management says no. Messages carry codes of ours, never what a server answered.

KeysError
├─ Unreachable     nobody answered inside the deadline          retry later
├─ Sealed          sealed, uninitialised or without a leader    retry later
├─ Busy            a quota or a stale standby                    retry later
├─ Refused         authenticated, but the policy says no         page someone
├─ LoginFailed     the identity itself is refused                page someone
├─ Misconfigured   key, mount or shape is not what we expect     page someone
├─ Tampered        a wrapped DEK does not authenticate           tamper alarm, never retry
├─ Retired         its KEK version was retired                   data-loss alarm, never retry
├─ Overprivileged  an identity can do more than its plane may    refuse to start
├─ PoolEmpty       no DEK is ready                               retry later
├─ KeystoreUnavailable  its database cannot answer                retry later
└─ EnvelopeError   a sealed record is malformed or does not open never retry
"""


class KeysError(Exception):
    """Root of the tree. `code` is stable."""

    code = "keys"
    transient = False

    def __init__(self, rule: str = "") -> None:
        super().__init__(f"{self.code}: {rule}" if rule else self.code)
        self.rule = rule


class Unreachable(KeysError):
    code, transient = "transit_unreachable", True


class Sealed(KeysError):
    code, transient = "transit_sealed", True


class Busy(KeysError):
    code, transient = "transit_busy", True


class Refused(KeysError):
    code = "transit_refused"


class LoginFailed(KeysError):
    code = "transit_login_failed"


class Misconfigured(KeysError):
    code = "transit_misconfigured"


class Tampered(KeysError):
    code = "dek_tampered"


class Retired(KeysError):
    code = "kek_version_retired"


class Overprivileged(KeysError):
    code = "identity_overprivileged"


class PoolEmpty(KeysError):
    code, transient = "dek_pool_empty", True


class KeystoreUnavailable(KeysError):
    code, transient = "keystore_unavailable", True


class EnvelopeError(KeysError):
    code = "sealed_record"
