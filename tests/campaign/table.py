"""The fault table: every row there is, what is done in it, and how requests may be refused meanwhile."""

from tests.campaign.fault import Fault, Ground
from tests.campaign.faults import cluster, database, disk, keyserver, process

STORE = frozenset(
    {
        "store_unavailable",
        "keystore_unavailable",
        "outcome_unknown",
        "deadline_passed",
        "authority_unavailable",
        "no_answer",
    }
)
KEYS = frozenset({"transit_unreachable", "transit_sealed", "transit_busy", "deadline_passed"})
NONE = frozenset[str]()
FORWARD: Ground = "three nodes, standbys forward"
LIES = KEYS | {"transit_misconfigured", "authority_unavailable"}
"""What is no answer of a key server is a fault of configuration; the keys of authority come from it too."""
GONE = frozenset({"not_reached", "no_answer", "outcome_unknown", "deadline_passed"})

TABLE = (
    Fault("1-2", "PostgreSQL killed", database.killed, codes=STORE, short=True),
    Fault("3", "PostgreSQL shut down at once", database.quit_at_once, codes=STORE),
    Fault("4", "no room for data", disk.data_full, "small disks", codes=STORE),
    Fault("5", "no room for the WAL", disk.wal_full, "small disks", codes=STORE),
    Fault("5", "fsync fails", disk.sync_fails, "small disks", codes=STORE),
    Fault("6", "PostgreSQL slow by 2 s", database.slow, codes=STORE),
    Fault("7", "answers to COMMIT lost", database.lost_commits, codes=STORE),
    Fault("8", "COMMIT fails or hangs", database.failed_commits, codes=STORE),
    Fault("8", "no event can be written", database.events_refused, codes=STORE),
    Fault("9", "sequencer killed", process.sequencer_killed, seals=True, opens=True),
    Fault("11", "OpenBao killed", keyserver.killed, codes=KEYS, seals=True, short=True),
    Fault("12", "OpenBao sealed for a minute", keyserver.sealed, codes=KEYS, short=True),
    Fault(
        "13",
        "active node killed in a payout",
        cluster.active_killed_in_a_payout,
        "three nodes",
        codes=NONE,
        seals=True,
        opens=True,
    ),
    Fault(
        "14", "active node hangs", cluster.active_stopped, "three nodes", codes=NONE, seals=True, opens=True
    ),
    Fault("14", "quorum lost", cluster.quorum_lost, "three nodes", codes=KEYS, seals=True),
    Fault(
        "15",
        "rotation while standbys read",
        cluster.rotated,
        "three nodes",
        codes=NONE,
        seals=True,
        opens=True,
    ),
    Fault("13", "active node killed in a payout", cluster.active_killed_in_a_payout, FORWARD, codes=KEYS),
    Fault("14", "active node hangs", cluster.active_stopped, FORWARD, codes=KEYS),
    Fault("16", "tokens revoked", keyserver.revoked, codes=KEYS, seals=True, opens=True, short=True),
    Fault(
        "17",
        "reveal's policy removed",
        keyserver.policy_removed,
        codes=frozenset({"transit_refused"}),
        seals=True,
    ),
    Fault("18", "audit device full", keyserver.audit_full, codes=KEYS, short=True),
    Fault("19", "OpenBao lies", keyserver.lying, codes=LIES, seals=True),
    Fault("19", "OpenBao hangs", keyserver.hung, codes=KEYS),
    Fault("20", "one wrapped DEK spoilt", keyserver.one_key_spoilt, seals=True, opens=True),
    Fault("26", "SIGTERM", process.told_to_end, codes=GONE, short=True),
    Fault("26", "planes killed", process.killed, codes=GONE),
)
