"""The faults of the auditor's tools, one of them in the witness's own words."""

from strongroom_audit import faults
from strongroom_audit.faults import BadSignature, Fault, HistoryChanged, Malformed

__all__ = ["BadSignature", "Fault", "HistoryChanged", "Malformed", "Unusable"]


class Unusable(faults.Unusable):
    """The witness's folder cannot be used."""

    word = "witness unusable"
