"""The auditor's tools: mirror an access log, verify it, and report from what was verified.

`strongroom_audit.verifier` is the part to read before you rely on it: it opens no file and no socket, and was
written from the vault's published formats alone.
"""
