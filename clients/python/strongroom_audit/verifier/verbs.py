"""Which plane's workers write which events: a process that was broken into tells of its own plane alone."""

PLANES = {
    b"tokenize": "ingest",
    b"detokenize": "reveal",
    b"search": "reveal",
    b"inspect": "reveal",
    b"export": "reveal",
    b"disclose": "reveal",
    b"doctor": "reveal",
    b"freeze": "reveal",
    b"verify": "reveal",
    b"erase": "office",
    b"notices": "office",
    b"consent": "office",
    b"subjects": "office",
    b"replace": "office",
    b"retention": "office",
    b"holds": "office",
    b"cases": "office",
    b"release": "office",
    b"recipients": "office",
    b"honey": "office",
    b"credentials": "control",
    b"policy": "control",
    b"events": "audit",
    b"log_retention": "audit",
    b"log_keys": "audit",
    b"backup": "audit",
    b"restore": "audit",
}
"""Every verb of the planes but `authenticate`, which each of them writes of those it refuses."""

OPERATORS = {
    "rotator": frozenset({b"keys"}),
    "shredder": frozenset({b"keys"}),
    "resealer": frozenset({b"keys", b"reseal", b"reindex"}),
}
"""They serve nobody: each writes of what it does to keys and to what is sealed, and of nothing else."""

KNOWN = frozenset(PLANES).union({b"authenticate"}, *OPERATORS.values())


def own(plane: str) -> frozenset[bytes]:
    """The verbs a worker of this plane may write."""
    if plane in OPERATORS:
        return OPERATORS[plane]
    return frozenset(verb for verb, due in PLANES.items() if due == plane) | {b"authenticate"}
