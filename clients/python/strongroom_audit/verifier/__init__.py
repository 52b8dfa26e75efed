"""The verifier: bytes in, faults out. Opens no file, no socket, no clock; knows the formats and nothing else.

Read in this order: tree, notes, bundle, bodies, lists, log.
"""
