"""Client of the Strongroom vault: keep tokens, not personal data; open them for payment alone.

>>> from strongroom import Strongroom
>>> vault = Strongroom.from_env()
>>> vault.tokenize("cust-8472", {"pan": "ABCPE1234F"})["pan"].token
'tok_pan_…'
"""

from strongroom.aio import AsyncPayment, AsyncStrongroom
from strongroom.client import Payment, Strongroom
from strongroom.copies import DataCopy
from strongroom.errors import (
    BadRequest,
    ClientError,
    Conflict,
    Erased,
    Faulty,
    InvalidValue,
    KeyReused,
    Misused,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    OutcomeUnknown,
    PolicyDenied,
    Problem,
    ProtocolError,
    Refused,
    Tampered,
    Throttled,
    Unavailable,
    Unreachable,
)
from strongroom.office_results import Case, CaseAct, Clock, Explained, HeldBy, Replaced
from strongroom.people_results import (
    Consent,
    Fact,
    Hold,
    Lifted,
    Notice,
    OutdatedConsent,
    Subject,
    SubjectRecord,
)
from strongroom.recipients import Disclosure, Recipient
from strongroom.results import (
    Erasure,
    Event,
    Field,
    Found,
    Inspected,
    Masked,
    NotDone,
    NotTokenized,
    Opened,
    Policy,
    Tokenized,
)
from strongroom.settings import Options
from strongroom.values import Value
from strongroom.verbs import EventFilter

__all__ = [
    "AsyncPayment",
    "AsyncStrongroom",
    "BadRequest",
    "Case",
    "CaseAct",
    "ClientError",
    "Clock",
    "Conflict",
    "Consent",
    "DataCopy",
    "Disclosure",
    "Erased",
    "Erasure",
    "Event",
    "EventFilter",
    "Explained",
    "Fact",
    "Faulty",
    "Field",
    "Found",
    "HeldBy",
    "Hold",
    "Inspected",
    "InvalidValue",
    "KeyReused",
    "Lifted",
    "Masked",
    "Misused",
    "NotAllowed",
    "NotAuthenticated",
    "NotDone",
    "NotFound",
    "NotTokenized",
    "Notice",
    "Opened",
    "Options",
    "OutcomeUnknown",
    "OutdatedConsent",
    "Payment",
    "Policy",
    "PolicyDenied",
    "Problem",
    "ProtocolError",
    "Recipient",
    "Refused",
    "Replaced",
    "Strongroom",
    "Subject",
    "SubjectRecord",
    "Tampered",
    "Throttled",
    "Tokenized",
    "Unavailable",
    "Unreachable",
    "Value",
]
