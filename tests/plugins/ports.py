"""Ports of loopback for the servers of a run."""

import secrets
import socket

# None that a kernel gives to outgoing connections: one of them could take it before its server does.
_PORTS = range(20_000, 32_000)


def free_port() -> int:
    """A port that nobody uses now."""
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
