"""What reconciling finds: incidents, which somebody must explain, and notices, which are counted. Pure."""

from dataclasses import dataclass, field

from vault.log.event import timestamp
from vault.reconcile.audit_log import Entry

GRAVE = {
    "unwrap_unmatched": "find out who holds a token of this entity, and revoke it: these DEKs are out",
    "batch_reused": "somebody repeats unwraps with a token of ours: revoke the tokens of this entity",
    "raw_log": "the audit log holds keys in the clear: set log_raw to false, and keep this file as a secret",
    "root_used": "was this you? If not, revoke the root token and look at everything it did",
    "policy_changed": "compare the policies with `strongroom provision`, and find out who did it",
    "key_changed": "run `strongroom doctor`: it reads every key's settings; find out who did it",
    "key_taken": "find out who tried to take a key out, and rotate the key unless it was refused",
    "audit_changed": "make sure that the audit device and the audited header are as provisioned",
    "access_changed": "somebody was given a way in: find out who, and run `strongroom provision`",
    "server_changed": "find out who did it, and whether it was planned",
    "rewrap_stranger": "only the rotator rewraps: find out who holds this token",
    "hidden": "a request nobody needs: find out who sends such, and treat it as the unwrap it may have been",
    "log_cut": "entries are missing: bring the file back, or treat what they may have held as done",
}
"""Kinds of incident, and what to do about each."""

NOTICES = {
    "repeated": "a call made again within seconds by the same identity from the same address: a lost answer",
    "refused": "the key server refused it",
    "unreadable": "a line that is no entry of an audit log",
}
"""Kinds that are counted, not incidents."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found, with its evidence."""

    kind: str
    at: int
    says: str
    evidence: dict[str, str] = field(default_factory=dict)

    @property
    def grave(self) -> bool:
        """Whether it is an incident."""
        return self.kind in GRAVE

    def members(self) -> dict[str, object]:
        """As JSON has it."""
        do = {"do": GRAVE[self.kind]} if self.grave else {}
        return {
            "kind": self.kind,
            "time": timestamp(self.at),
            "says": self.says,
            **do,
            "evidence": self.evidence,
        }


def about(kind: str, entry: Entry, says: str, **more: str) -> Finding:
    """A finding with an entry as its evidence."""
    return Finding(kind, entry.at, says, entry.evidence() | more)
