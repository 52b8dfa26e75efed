"""A witness for transparency logs: cosigns a checkpoint only if it continues what was cosigned before.

Speaks C2SP `tlog-witness` and serves any log that does. Knows no vault and needs none: a key, a small
database and a port. Read in this order: consistency, submission, judgement, state, service.
"""
