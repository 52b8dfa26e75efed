"""Every way key management says no. Messages carry codes of ours, never what a server answered.

KeysError
├─ Unreachable     nobody answered inside the deadline          retry later
├─ Sealed          sealed, uninitialised or without a leader    retry later
├─ Busy            a quota                                       retry later
│  └─ Behind       a standby that cannot answer this             another node, or later
├─ Refused         authenticated, but the policy says no         page someone
├─ LoginFailed     the identity itself is refused                page someone
├─ SecretIdStolen  a wrapped secret id was opened by another      refuse to start, alarm
├─ Misconfigured   key, mount or shape is not what we expect     page someone
│  └─ Untrusted    a server's certificate is not trusted         another node; page someone
├─ Tampered        a wrapped DEK does not authenticate           tamper alarm, never retry
├─ Retired         its KEK version was retired                   data-loss alarm, never retry
├─ Outdated        a rotation passed between wrapping and storing  wrap anew
├─ Overprivileged  an identity can do more than its plane may    refuse to start
├─ PoolEmpty       no DEK is ready                               retry later
├─ KeystoreUnavailable  its database cannot answer                retry later
└─ EnvelopeError   a sealed record is malformed or does not open never retry
"""


class KeysError(Exception):
    """Root of the tree. `code` is stable."""

    code = "keys"
    transient = False
    """The same request may succeed a moment later."""
    elsewhere = False
    """Another node of the key server may answer it now."""

    def __init__(self, rule: str = "") -> None:
        super().__init__(f"{self.code}: {rule}" if rule else self.code)
        self.rule = rule


class Unreachable(KeysError):
    code, transient, elsewhere = "transit_unreachable", True, True


class Sealed(KeysError):
    code, transient, elsewhere = "transit_sealed", True, True


class Busy(KeysError):
    code, transient = "transit_busy", True


class Behind(Busy):
    elsewhere = True


class Refused(KeysError):
    code = "transit_refused"


class LoginFailed(KeysError):
    code = "transit_login_failed"


class SecretIdStolen(KeysError):
    code = "secret_id_stolen"


class Misconfigured(KeysError):
    code = "transit_misconfigured"


class Untrusted(Misconfigured):
    elsewhere = True


class Tampered(KeysError):
    code = "dek_tampered"


class Retired(KeysError):
    code = "kek_version_retired"


class Outdated(KeysError):
    code, transient = "kek_version_outdated", True


class Overprivileged(KeysError):
    code = "identity_overprivileged"


class PoolEmpty(KeysError):
    code, transient = "dek_pool_empty", True


class KeystoreUnavailable(KeysError):
    code, transient = "keystore_unavailable", True


class EnvelopeError(KeysError):
    code = "sealed_record"
